/* The innermost ring: kernels behind the dispatch table. They assert, api.c validates. */
#ifndef HV_KERNELS_H
#define HV_KERNELS_H

#include "homeveil.h"

/* Weights of a resampling along one axis, a sum of HV_ONE: source samples first, first + 1
 * ... first + count - 1, before they are clamped to the plane. */
enum { HV_WEIGHT_BITS = 14, HV_ONE = 1 << HV_WEIGHT_BITS, HV_TAPS_MOST = 66 };

typedef struct {
    int32_t first, count;
    int32_t head, body, tail; /* weigh the first, those between and the last */
} hv_taps;

/* Samples `step` bytes apart in rows `stride` bytes apart. */
typedef struct {
    const uint8_t *samples;
    ptrdiff_t stride;
    int32_t step, width, height;
} hv_plane;

/* How one line becomes `count` outputs: output i weighs the samples from base[i] on with its
 * `taps` weights: 2, 4, or a multiple of 8, zero where fewer are needed. Where 2 or 4, the
 * samples of 8 / taps outputs begin within 8 of the first one's, and `shuffle` says which
 * bytes of those 16 each weight meets. All hold a multiple of HV_GROUP outputs. */
enum { HV_GROUP = 16, HV_LINE_BITS = 7 };

typedef struct {
    int32_t count, taps;
    const int32_t *base;
    const int16_t *weights;
    const uint8_t *shuffle;
} hv_columns;

/* YUV to RGB in 16 bits, of which 6 are behind the point; see colour.c. */
typedef struct {
    int32_t luma, bias, vr, ug, vg, ub;
} hv_matrix;

typedef struct {
    void (*change)(const hv_image *frame, const hv_image *reference, int32_t cell,
                   int32_t gain_q8, int32_t offset, const hv_change_out *out);
    void (*paint)(const hv_image *image, int32_t cell, const uint8_t *mask,
                  const uint8_t *colours, int32_t smooth);
    /* line[x] = weighted rows of plane at x0 + x, times 2^HV_LINE_BITS, rounded. */
    void (*mix_rows)(const hv_plane *plane, const hv_taps *rows, int32_t x0, int32_t n,
                     int16_t *line);
    /* out[i] = weighted samples of the line, rounded to grey levels; writes whole groups. */
    void (*mix_columns)(const int16_t *line, const hv_columns *columns, uint8_t *out);
    void (*rgb_line)(const hv_matrix *matrix, const uint8_t *y, const uint8_t *u,
                     const uint8_t *v, int32_t n, uint8_t *rgb);
    /* Sum over a block of at most 32 x 32 samples; of absolute differences to another. */
    int32_t (*block_sum)(const uint8_t *a, ptrdiff_t stride, int32_t step, int32_t width,
                         int32_t height);
    int32_t (*block_difference)(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b,
                                ptrdiff_t b_stride, int32_t step, int32_t width, int32_t height);
} hv_table;

const hv_table *hv_dispatch(void);
/* Table of a set by name for the parity test; NULL when this machine cannot run it. */
const hv_table *hv_table_named(const char *name);

#define HV_SET(name)                                                                            \
    void hv_change_##name(const hv_image *, const hv_image *, int32_t, int32_t, int32_t,        \
                          const hv_change_out *);                                               \
    void hv_paint_##name(const hv_image *, int32_t, const uint8_t *, const uint8_t *, int32_t); \
    void hv_mix_rows_##name(const hv_plane *, const hv_taps *, int32_t, int32_t, int16_t *);    \
    void hv_mix_columns_##name(const int16_t *, const hv_columns *, uint8_t *);                 \
    void hv_rgb_line_##name(const hv_matrix *, const uint8_t *, const uint8_t *,                \
                            const uint8_t *, int32_t, uint8_t *);                               \
    int32_t hv_block_sum_##name(const uint8_t *, ptrdiff_t, int32_t, int32_t, int32_t);         \
    int32_t hv_block_difference_##name(const uint8_t *, ptrdiff_t, const uint8_t *, ptrdiff_t,  \
                                       int32_t, int32_t, int32_t);

HV_SET(c)
#if defined(__x86_64__)
HV_SET(avx2)
#elif defined(__aarch64__)
HV_SET(neon)
#endif

/* The reference on one cell alone: what a faster set does where the frame cuts a cell. */
void hv_change_cell(const hv_image *, const hv_image *, int32_t, int32_t, int32_t, int32_t,
                    int32_t, const hv_change_out *);
void hv_paint_cell(const hv_image *, int32_t, const uint8_t *, int32_t, int32_t, int32_t);

/* n outputs over [from, to): samples for each, its inverse, and the weight of a whole one. */
typedef struct {
    double from, size, per_sample;
    int32_t body;
} hv_axis;

hv_axis hv_axis_of(double from, double to, int32_t n);
/* Weights of output i. At most HV_TAPS_MOST if the axis' size is at most 64. */
hv_taps hv_taps_of(const hv_axis *axis, int32_t i);
/* The table of n outputs over [from, to) of a plane's columns; memory holds
 * hv_columns_bytes(to - from, n). Outputs begin at column *x0 and end before *x1. */
size_t hv_columns_bytes(double size, int32_t n);
hv_columns hv_columns_of(double from, double to, int32_t n, int32_t width, void *memory,
                         int32_t *x0, int32_t *x1);

size_t hv_thumbnail_bytes(double, double, int32_t);
void hv_thumbnail_of(const hv_table *, const hv_image *, const double[4], uint8_t *, int32_t,
                     int32_t, ptrdiff_t, void *);
void hv_cell_means_of(const hv_table *, const hv_image *, int32_t, uint8_t *, uint8_t *,
                      uint8_t *);
void hv_luma_means_of(const hv_table *, const hv_image *, const hv_image *, int32_t, double *);
void hv_explain_of(const hv_table *, const hv_image *, const hv_image *, int32_t,
                   const uint8_t *, const uint8_t *, const uint16_t *, int32_t, uint8_t *);
void hv_to_rgb_of(const hv_table *, const hv_image *, uint8_t *, ptrdiff_t);
void hv_excess_c(const hv_change_out *, int32_t, int32_t, const hv_excess_rule *, double, double *,
                 float *, float *);
void hv_copy_cells_c(const hv_image *, const hv_image *, int32_t, const uint8_t *);
void hv_grow_c(const uint8_t *, uint8_t *, int32_t, int32_t, int32_t);
int32_t hv_label_c(const uint8_t *, int32_t *, int32_t, int32_t, int32_t);
void hv_from_rgb_c(const uint8_t *, ptrdiff_t, int32_t, const hv_image *);
void hv_warp_c(const uint8_t *, int32_t, int32_t, ptrdiff_t, const double *, uint8_t *, int32_t,
               int32_t, ptrdiff_t);

void hv_gate_reset_c(hv_gate *, const hv_gate_rule *);
int hv_gate_step_c(hv_gate *, const float[4], int32_t, uint8_t *);
int hv_gate_finish_c(hv_gate *, uint8_t *);
void hv_gate_block_c(float *, size_t, int32_t, int32_t, int32_t, size_t, const float *);

void hv_resample_c(const float *, const hv_filter *, int64_t, float *, size_t);

/* ITU-R BT.601-7 or BT.709-6, as the image says. */
const hv_matrix *hv_matrix_of(const hv_image *image);

static inline int32_t hv_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t hv_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t hv_clamp(int32_t v, int32_t low, int32_t high) {
    return v < low ? low : v > high ? high : v;
}
static inline int32_t hv_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }
static inline int32_t hv_abs(int32_t v) { return v < 0 ? -v : v; }

#endif
