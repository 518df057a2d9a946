/* homeveil kernels: everything that touches every pixel of a frame.
 *
 * Planes are 8-bit YUV 4:2:0 as the decoder gave them. Strides are in bytes and signed.
 * The caller owns every buffer; nothing here allocates, locks, prints or keeps state.
 * A grid has ceil(width / cell) x ceil(height / cell) cells, row-major; the last row and
 * column may be cut by the frame. Every kernel on pixels is integer and bit-exact: the
 * scalar version is the specification, and faster ones must equal it. The voice gate works
 * on float32 samples, full scale 1.
 */
#ifndef HOMEVEIL_H
#define HOMEVEIL_H

#include <stddef.h>
#include <stdint.h>

enum {
    HV_OK = 0,
    HV_BAD_IMAGE = -1,    /* null plane, size out of 1..16384, unknown uv_step */
    HV_BAD_CELL = -2,     /* cell is not 8, 16 or 32 */
    HV_BAD_ARGUMENT = -3, /* null buffer, size or number out of range */
    HV_MISMATCH = -4      /* two images differ in size or layout */
};

typedef struct {
    uint8_t *y, *u, *v;
    ptrdiff_t y_stride, uv_stride;
    int32_t uv_step; /* bytes from one U to the next: 1 planar, 2 interleaved */
    int32_t width, height;
    int32_t bt709;      /* matrix: 1 = BT.709, 0 = BT.601 */
    int32_t full_range; /* 1 = luma 0..255, 0 = 16..235 */
} hv_image;

/* Differences of a frame (a) from a reference (b), one entry per cell. */
typedef struct {
    int32_t *peak_y;  /* largest |sum of luma differences| over 4x4 blocks */
    int32_t *peak_uv; /* the same over 4x4 blocks of U and of V samples */
    int32_t *sad_y;   /* sum of absolute luma differences */
    int32_t *n;       /* luma samples in the cell */
    int32_t *sum_a, *sum_b;
    int64_t *sum_aa, *sum_bb, *sum_ab; /* of b without gain */
} hv_change_out;

/* Area mean where the region shrinks, bilinear where it grows, per axis; RGB out.
 * The region [x0, x1) x [y0, y1) may reach outside: the edge is repeated. Weights have 14
 * bits; where more than 64 samples make one, every second, third ... of them counts.
 * scratch holds hv_thumbnail_scratch(x0, x1, out_width) bytes, 8-aligned; 0: out of range. */
size_t hv_thumbnail_scratch(double x0, double x1, int32_t out_width);
int hv_thumbnail(const hv_image *image, double x0, double y0, double x1, double y1, uint8_t *rgb,
                 int32_t out_width, int32_t out_height, ptrdiff_t rgb_stride, void *scratch);

/* reference luma is taken as clamp((b * gain_q8 >> 8) + offset) for peaks and sad. */
int hv_change(const hv_image *frame, const hv_image *reference, int32_t cell, int32_t gain_q8,
              int32_t offset, const hv_change_out *out);

/* Tolerances in grey levels and shares; what they mean: src/homeveil/clear/change.py. */
typedef struct {
    double luma_step, chroma_step, mean_step, luma_per_texture, mean_per_texture;
    double structure_texture, structure_correlation;
    double shade_correlation, shade_flat, shade_textured, shade_residual, shade_residual_per_texture;
    double shadow_texture, shadow_correlation, shadow_uneven, shadow_residual;
    double least_lit;
} hv_excess_rule;

/* The largest difference of each cell of a grid in units of its own tolerance, which is taken
 * times slack (over 0), and the standard deviation of its luma. What is over its tolerance as it
 * is may be less once a change of light is taken out. In double precision, one way on
 * every processor. scratch: HV_EXCESS_PLANES x cols x rows. */
enum { HV_EXCESS_PLANES = 5 };
int hv_excess(const hv_change_out *change, int32_t cols, int32_t rows, const hv_excess_rule *rule,
              double slack, double *scratch, float *excess, float *texture_now);

/* Rounded mean colour of each cell. */
int hv_cell_means(const hv_image *image, int32_t cell, uint8_t *y, uint8_t *u, uint8_t *v);

/* Mean luma of each cell, and mean absolute difference of luma of each, grey levels. */
int hv_luma_means(const hv_image *image, int32_t cell, double *means);
int hv_luma_differences(const hv_image *frame, const hv_image *previous, int32_t cell,
                        double *means);

/* Copies the cells whose mask is not 0. */
int hv_copy_cells(const hv_image *destination, const hv_image *source, int32_t cell,
                  const uint8_t *mask);

/* out = mask dilated by a square of side 2 * radius + 1; both cols x rows, 0 or 1. */
int hv_grow(const uint8_t *mask, uint8_t *out, int32_t cols, int32_t rows, int32_t radius);

/* labels, cols x rows: 0 where mask is 0; elsewhere the number, from 1 to *count, of the patch the
 * cell is of, in the order of their first cells. corners: cells that share a corner hang
 * together too. */
int hv_label(const uint8_t *mask, int32_t *labels, int32_t cols, int32_t rows, int32_t corners,
             int32_t *count);

/* Overwrites every sample of the cells whose mask is not 0, and no other.
 * colours: cols x rows x (Y, U, V). smooth: bilinear between cell centres, else flat. */
int hv_paint(const hv_image *image, int32_t cell, const uint8_t *mask, const uint8_t *colours,
             int32_t smooth);

/* For each wanted cell: 1 if some block of `previous`, displaced by at most a cell in steps of
 * `step` pixels and with all its cells allowed, differs from the cell's by no more than the
 * cell's `most`, in 1/16 grey level; the largest of the mean absolute differences of Y, U and V
 * counts, rounded down. 0 elsewhere. */
int hv_explain(const hv_image *frame, const hv_image *previous, int32_t cell,
               const uint8_t *allowed, const uint8_t *wanted, const uint16_t *most,
               int32_t step, uint8_t *explained);

/* Full-size colour conversion. bgr: byte order of the packed picture. */
int hv_from_rgb(const uint8_t *rgb, ptrdiff_t stride, int32_t bgr, const hv_image *image);
int hv_to_rgb(const hv_image *image, uint8_t *rgb, ptrdiff_t stride);

/* out(x, y) = rgb sampled bilinearly at affine * (x, y, 1); black outside. */
int hv_warp(const uint8_t *rgb, int32_t width, int32_t height, ptrdiff_t stride,
            const double affine[6], uint8_t *out, int32_t out_width, int32_t out_height,
            ptrdiff_t out_stride);

/* What became of 10 ms of sound. Only HV_GATE_OPEN lets samples through. */
enum {
    HV_GATE_CLOSED = 0,    /* nothing speaks for the agent */
    HV_GATE_CANDIDATE = 1, /* something does, not enough yet, or not for long enough */
    HV_GATE_OPEN = 2,      /* the agent alone, verified */
    HV_GATE_DOUBT = 3,     /* was open a moment ago, no longer sure: closed at once */
    HV_GATE_FAULT = 4      /* something failed */
};

/* A key closes its frame, and never opens one: what is open with keys is open without. */
enum { HV_CLOSED_BY_NOTHING = 0, HV_CLOSED_BY_KEY = 1, HV_CLOSED_BY_FAULT = 2 };

enum { HV_GATE_MOST = 128 };

/* Numbers of frames but for the first four, which are natural logarithms of odds. */
typedef struct {
    float over_other;   /* the agent alone against somebody else, at least this */
    float over_overlap; /* the agent alone against the agent and somebody else */
    float peak;         /* against either, mean over `span` frames, once in a run */
    float slack;        /* a single frame may fall short of the first two by this */
    int32_t smooth;     /* log-odds are averaged over this many frames to each side, 0..8 */
    int32_t before;     /* kept closed at the start of a run, 0..32 */
    int32_t after;      /* and at its end */
    int32_t shortest;   /* a run that would open for less does not open, 1..32 */
    int32_t span;       /* 1..64 */
    int32_t hang;       /* the agent must have been likelier than silence this recently, 1..64 */
    int32_t wait;       /* from a frame to its verdict, smooth + after .. 48 */
} hv_gate_rule;

typedef struct {
    float over_other, over_overlap, clear;
    int32_t position; /* in its run, from 1; 0: in none */
    uint8_t closed_by, granted, spoke;
} hv_gate_frame;

/* State of one gate; to be made with hv_gate_reset, not to be looked into. */
typedef struct {
    hv_gate_rule rule;
    hv_gate_frame frames[HV_GATE_MOST];
    float clears[HV_GATE_MOST];
    int64_t count, next;
    int32_t since_open;
    uint8_t opened, finished;
} hv_gate;

int hv_gate_reset(hv_gate *gate, const hv_gate_rule *rule);

/* One frame of log-probabilities (nobody, agent alone, somebody else, both at once), up to
 * a constant. A number that is not finite, or beyond 1,000, is a fault. closed_by: HV_CLOSED_BY_*.
 * Returns 1 when *verdict (HV_GATE_*) was set for the frame `wait` before, else 0. */
int hv_gate_step(hv_gate *gate, const float logits[4], int32_t closed_by, uint8_t *verdict);

/* After the last frame: the verdicts that still wait, one a call, until it returns 0. */
int hv_gate_finish(hv_gate *gate, uint8_t *verdict);

/* n samples of one channel that share a verdict, in place. before, now, after: whether the
 * gate is open in the block before, in this and in the next. Closed: `fill` (n samples, or
 * NULL for zero) takes their place, unread. Open: linear ramps of `ramp` samples inside. */
int hv_gate_block(float *samples, size_t n, int32_t before, int32_t now, int32_t after,
                  size_t ramp, const float *fill);

/* A filter between two sampling rates in the ratio of up to down. Output i lies at the input's
 * sample i * down / up; its phase, the remainder, says which row of `taps` weights is its. */
typedef struct {
    const float *weights; /* up x taps */
    int32_t up, down;     /* 1..2^20 */
    int32_t taps;         /* 1..2^16 */
} hv_filter;

/* count outputs. The first weighs the samples from at / up on with row at % up; the next lies
 * `down` further. HV_BAD_ARGUMENT, and nothing is read, where one would weigh more than n. */
int hv_resample(const float *samples, size_t n, const hv_filter *filter, int64_t at, float *out,
                size_t count);

/* Name of the kernel set in use: "c", "avx2" or "neon". HOMEVEIL_CPU=c lowers it, and so
 * does the name of a set that this processor lacks. */
const char *hv_cpu_name(void);

/* Confinement of the process that holds raw pixels (Linux on x86-64 and AArch64; elsewhere
 * nothing is supported). */
#define HV_DENIALS_KEPT 15
#define HV_FILTER_MOST 1024

/* Version of Landlock's interface, 0 if there is none; whether seccomp filters can be set. */
int hv_landlock_abi(void);
int hv_seccomp_ready(void);

/* For a process that holds a camera: it dies with `parent`, leaves no core, gains no rights,
 * writes no file but devices of picture and sound and runs no program; the network stays. Gives
 * what the next one gives. */
int hv_confine_capture(int32_t parent);

/* First step, in a process with one thread: it dies with `parent`, leaves no core, gains no
 * rights, and can write, make, remove or run no file. Gives the version of Landlock in force
 * (0: none), or a negative error number if the rest could not be had. */
int hv_confine_begin(int32_t parent);

/* Last step, for all threads: nothing can be opened, and only what computing needs can be
 * called. Writing goes to `messages`, 1 and 2 alone. What is denied and could have led
 * outward is counted in status[0]; status[1..HV_DENIALS_KEPT] keep the last numbers. */
int hv_confine_lock(int32_t messages, uint32_t *status);

#endif
