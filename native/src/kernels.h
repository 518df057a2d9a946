/* The innermost ring: kernels behind the dispatch table. They assert, api.c validates. */
#ifndef HV_KERNELS_H
#define HV_KERNELS_H

#include "homeveil.h"

typedef struct {
    void (*change)(const hv_image *frame, const hv_image *reference, int32_t cell,
                   int32_t gain_q8, int32_t offset, const hv_change_out *out);
} hv_table;

const hv_table *hv_dispatch(void);
/* Table of a set by name for the parity test; NULL when this machine cannot run it. */
const hv_table *hv_table_named(const char *name);

void hv_change_c(const hv_image *, const hv_image *, int32_t, int32_t, int32_t,
                 const hv_change_out *);
#if defined(__x86_64__)
void hv_change_avx2(const hv_image *, const hv_image *, int32_t, int32_t, int32_t,
                    const hv_change_out *);
#endif

void hv_thumbnail_c(const hv_image *, double, double, double, double, uint8_t *, int32_t, int32_t,
                    ptrdiff_t, void *);
void hv_cell_means_c(const hv_image *, int32_t, uint8_t *, uint8_t *, uint8_t *);
void hv_copy_cells_c(const hv_image *, const hv_image *, int32_t, const uint8_t *);
void hv_grow_c(const uint8_t *, uint8_t *, int32_t, int32_t, int32_t);
void hv_paint_c(const hv_image *, int32_t, const uint8_t *, const uint8_t *, int32_t);
void hv_explain_c(const hv_image *, const hv_image *, int32_t, const uint8_t *, const uint8_t *,
                  int32_t, uint16_t *);
void hv_from_rgb_c(const uint8_t *, ptrdiff_t, int32_t, const hv_image *);
void hv_to_rgb_c(const hv_image *, uint8_t *, ptrdiff_t);
void hv_warp_c(const uint8_t *, int32_t, int32_t, ptrdiff_t, const double *, uint8_t *, int32_t,
               int32_t, ptrdiff_t);

void hv_gate_reset_c(hv_gate *, const hv_gate_rule *);
int hv_gate_step_c(hv_gate *, const float[4], int32_t, uint8_t *);
int hv_gate_finish_c(hv_gate *, uint8_t *);
void hv_gate_block_c(float *, size_t, int32_t, int32_t, int32_t, size_t, const float *);

/* One YUV sample to RGB, 1/65536 fixed point (ITU-R BT.601-7, BT.709-6). */
void hv_yuv_to_rgb(const hv_image *image, int32_t y, int32_t u, int32_t v, uint8_t rgb[3]);

static inline int32_t hv_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t hv_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t hv_clamp(int32_t v, int32_t low, int32_t high) {
    return v < low ? low : v > high ? high : v;
}
static inline int32_t hv_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }
static inline int32_t hv_abs(int32_t v) { return v < 0 ? -v : v; }

#endif
