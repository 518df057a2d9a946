/* The veil with NEON: cells are painted 8 columns and half of their rows at a time; see
 * paint_avx2.c for the arithmetic. Cells that the frame cuts go to the reference. */
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    uint8_t *samples;
    ptrdiff_t stride;
    int32_t step, cell, shift; /* weights sum up to 1 << shift */
    const uint8_t *colours;    /* of this plane, 3 bytes apart */
    int32_t cols, rows;
} canvas;

/* What 4 columns are before the shift, on the first row and from row to row. */
typedef struct {
    int32x4_t value, slope;
} ramp;

/* Columns x0 to x0 + 3 of a cell, which lie on one side of its middle or, in a cell of 4
 * columns, on both. lower: the half of the cell below its middle. */
static inline ramp ramp_of(const canvas *c, int32_t row, int32_t col, int32_t x0, int lower) {
    static const int32_t ramp4[4] = {0, 1, 2, 3};
    const int32_t span = 2 * c->cell;
    const int32x4_t x = vaddq_s32(vld1q_s32(ramp4), vdupq_n_s32(x0));
    const uint32x4_t late = vcgeq_s32(x, vdupq_n_s32(c->cell / 2));
    const int32x4_t fx = vandq_s32(vaddq_s32(vshlq_n_s32(x, 1), vdupq_n_s32(1 + c->cell)),
                                   vdupq_n_s32(span - 1));
    int32x4_t mixed[2];
    for (int k = 0; k < 2; k++) {
        const int32_t at = hv_clamp(row - !lower + k, 0, c->rows - 1);
        const uint8_t *line = c->colours + 3 * (ptrdiff_t)c->cols * at;
        const int32x4_t before = vdupq_n_s32(line[3 * (ptrdiff_t)hv_max(col - 1, 0)]);
        const int32x4_t here = vdupq_n_s32(line[3 * (ptrdiff_t)col]);
        const int32x4_t after = vdupq_n_s32(line[3 * (ptrdiff_t)hv_min(col + 1, c->cols - 1)]);
        const int32x4_t left = vbslq_s32(late, here, before);
        const int32x4_t right = vbslq_s32(late, after, here);
        mixed[k] = vmlaq_s32(vmulq_s32(left, vsubq_s32(vdupq_n_s32(span), fx)), right, fx);
    }
    const int32x4_t fall = vsubq_s32(mixed[1], mixed[0]);
    const int32x4_t half = vdupq_n_s32(1 << (c->shift - 1));
    const int32x4_t value = vmlaq_n_s32(vmlaq_n_s32(half, mixed[0], span), fall,
                                        lower ? 1 : 1 + c->cell);
    return (ramp){value, vshlq_n_s32(fall, 1)};
}

static inline uint16x4_t next4(ramp *r, int32_t shift) {
    const int32x4_t v = vshlq_s32(r->value, vdupq_n_s32(-shift));
    r->value = vaddq_s32(r->value, r->slope);
    return vmovn_u32(vreinterpretq_u32_s32(v));
}

/* A row's 8 bytes, and on to the next row. */
static inline uint8x8_t next8(ramp r[2], int32_t shift) {
    return vmovn_u16(vcombine_u16(next4(&r[0], shift), next4(&r[1], shift)));
}

static void smooth_luma(const canvas *c, int32_t row, int32_t col) {
    for (int32_t x = 0; x < c->cell; x += 8) {
        uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell + x;
        for (int lower = 0; lower < 2; lower++) {
            ramp r[2] = {ramp_of(c, row, col, x, lower), ramp_of(c, row, col, x + 4, lower)};
            for (int32_t y = 0; y < c->cell / 2; y++, to += c->stride)
                vst1_u8(to, next8(r, c->shift));
        }
    }
}

/* 8 columns of U and V, or 4. */
static inline void put(uint8_t *u, uint8_t *v, int32_t step, int32_t n, uint8x8_t cu,
                       uint8x8_t cv) {
    if (step == 2) {
        const uint8x8x2_t mixed = vzip_u8(cu, cv);
        vst1_u8(u, mixed.val[0]);
        if (n == 8) vst1_u8(u + 8, mixed.val[1]);
    } else if (n == 8) {
        vst1_u8(u, cu);
        vst1_u8(v, cv);
    } else {
        uint8_t bytes[8];
        vst1_u8(bytes, cu);
        memcpy(u, bytes, 4);
        vst1_u8(bytes, cv);
        memcpy(v, bytes, 4);
    }
}

static void smooth_chroma(const canvas *u, const canvas *v, int32_t row, int32_t col) {
    const int32_t n = hv_min(u->cell, 8);
    for (int32_t x = 0; x < u->cell; x += 8) {
        ptrdiff_t at = row * u->cell * u->stride + ((ptrdiff_t)col * u->cell + x) * u->step;
        for (int lower = 0; lower < 2; lower++) {
            ramp ru[2] = {ramp_of(u, row, col, x, lower), ramp_of(u, row, col, x + 4, lower)};
            ramp rv[2] = {ramp_of(v, row, col, x, lower), ramp_of(v, row, col, x + 4, lower)};
            for (int32_t y = 0; y < u->cell / 2; y++, at += u->stride)
                put(u->samples + at, v->samples + at, u->step, n, next8(ru, u->shift),
                    next8(rv, u->shift));
        }
    }
}

static void fill_luma(const canvas *c, int32_t row, int32_t col) {
    uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell;
    const uint8x8_t v = vdup_n_u8(c->colours[3 * (row * c->cols + col)]);
    for (int32_t y = 0; y < c->cell; y++, to += c->stride)
        for (int32_t x = 0; x < c->cell; x += 8) vst1_u8(to + x, v);
}

static void fill_chroma(const canvas *u, const canvas *v, int32_t row, int32_t col) {
    const int32_t index = 3 * (row * u->cols + col), n = hv_min(u->cell, 8);
    const uint8x8_t cu = vdup_n_u8(u->colours[index]), cv = vdup_n_u8(v->colours[index]);
    for (int32_t x = 0; x < u->cell; x += 8) {
        ptrdiff_t at = row * u->cell * u->stride + ((ptrdiff_t)col * u->cell + x) * u->step;
        for (int32_t y = 0; y < u->cell; y++, at += u->stride)
            put(u->samples + at, v->samples + at, u->step, n, cu, cv);
    }
}

static void paint_whole(const canvas plane[3], int32_t row, int32_t col, int32_t smooth) {
    if (smooth) {
        smooth_luma(&plane[0], row, col);
        smooth_chroma(&plane[1], &plane[2], row, col);
    } else {
        fill_luma(&plane[0], row, col);
        fill_chroma(&plane[1], &plane[2], row, col);
    }
}

static canvas canvas_of(uint8_t *samples, ptrdiff_t stride, int32_t step, int32_t cell,
                        const uint8_t *colours, int32_t cols, int32_t rows) {
    canvas c = {samples, stride, step, cell, 0, colours, cols, rows};
    while (1 << c.shift < 4 * cell * cell) c.shift++;
    return c;
}

void hv_paint_neon(const hv_image *image, int32_t cell, const uint8_t *mask,
                   const uint8_t *colours, int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int beside = image->uv_step == 1 || image->v == image->u + 1;
    const int32_t whole_rows = beside ? image->height / cell : 0;
    const canvas plane[3] = {
        canvas_of(image->y, image->y_stride, 1, cell, colours, cols, rows),
        canvas_of(image->u, image->uv_stride, image->uv_step, cell / 2, colours + 1, cols, rows),
        canvas_of(image->v, image->uv_stride, image->uv_step, cell / 2, colours + 2, cols, rows)};
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            if (!mask[row * cols + col]) continue;
            if (row < whole_rows && (col + 1) * cell <= image->width)
                paint_whole(plane, row, col, smooth);
            else
                hv_paint_cell(image, cell, colours, row, col, smooth);
        }
    }
}
