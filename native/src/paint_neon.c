/* The veil with NEON: cells are painted 8 columns and half of their rows at a time; the
 * arithmetic is explained in paint.c. Cells that the frame cuts go to the reference. */
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

/* Columns of a cell from x0 on: which lie right of its middle, and their weights. */
typedef struct {
    uint8x8_t late, left, right;
} columns;

typedef struct {
    uint8_t *samples;
    ptrdiff_t stride;
    int32_t step, cell, slope_bits;
    const uint8_t *colours;    /* of this plane, 3 bytes apart */
    int32_t cols, rows;
    columns at[4];
} canvas;

/* Values of 8 columns in the row that comes next, and how they grow. */
typedef struct {
    uint16x8_t value, slope;
} ramp;

static columns columns_of(int32_t cell, int32_t x0) {
    uint8_t late[8], right[8];
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = x0 + i, beyond = x >= cell / 2;
        late[i] = beyond ? 255 : 0;
        right[i] = (uint8_t)((2 * x + 1 + (beyond ? -cell : cell)) * (64 / cell));
    }
    const uint8x8_t weight = vld1_u8(right);
    return (columns){vld1_u8(late), vsub_u8(vdup_n_u8(128), weight), weight};
}

static inline uint16x8_t across(const canvas *c, int32_t row, int32_t col, const columns *at) {
    const uint8_t *line = c->colours + 3 * (ptrdiff_t)c->cols * hv_clamp(row, 0, c->rows - 1);
    const uint8x8_t before = vdup_n_u8(line[3 * (ptrdiff_t)hv_max(col - 1, 0)]);
    const uint8x8_t here = vdup_n_u8(line[3 * (ptrdiff_t)col]);
    const uint8x8_t after = vdup_n_u8(line[3 * (ptrdiff_t)hv_min(col + 1, c->cols - 1)]);
    return vmlal_u8(vmull_u8(vbsl_u8(at->late, here, before), at->left),
                    vbsl_u8(at->late, after, here), at->right);
}

/* lower: the half of the cell below its middle. */
static inline ramp ramp_of(const canvas *c, int32_t row, int32_t col, const columns *at,
                           int lower) {
    const uint16x8_t top = across(c, row - !lower, col, at);
    const uint16x8_t middle = across(c, row, col, at);
    const uint16x8_t bottom = across(c, row + lower, col, at);
    const int16x8_t whole = vreinterpretq_s16_u16(vsubq_u16(bottom, top));
    const int16x8_t slope = vrshlq_s16(whole, vdupq_n_s16((int16_t)-c->slope_bits));
    const int16x8_t start = vrshlq_s16(whole, vdupq_n_s16((int16_t)(-c->slope_bits - 1)));
    const uint16x8_t value = vaddq_u16(vaddq_u16(top, middle), vdupq_n_u16(128));
    return (ramp){vaddq_u16(value, vreinterpretq_u16_s16(start)), vreinterpretq_u16_s16(slope)};
}

/* A row's 8 bytes, and on to the next row. */
static inline uint8x8_t next8(ramp *r) {
    const uint8x8_t bytes = vshrn_n_u16(r->value, 8);
    r->value = vaddq_u16(r->value, r->slope);
    return bytes;
}

static void smooth_luma(const canvas *c, int32_t row, int32_t col) {
    for (int32_t x = 0; x < c->cell; x += 8) {
        uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell + x;
        for (int lower = 0; lower < 2; lower++) {
            ramp r = ramp_of(c, row, col, &c->at[x / 8], lower);
            for (int32_t y = 0; y < c->cell / 2; y++, to += c->stride) vst1_u8(to, next8(&r));
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
            ramp ru = ramp_of(u, row, col, &u->at[x / 8], lower);
            ramp rv = ramp_of(v, row, col, &u->at[x / 8], lower);
            for (int32_t y = 0; y < u->cell / 2; y++, at += u->stride)
                put(u->samples + at, v->samples + at, u->step, n, next8(&ru), next8(&rv));
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
    canvas c = {samples, stride, step, cell, 0, colours, cols, rows, {{{0}, {0}, {0}}}};
    for (int32_t x = 0; x < cell; x += 8) c.at[x / 8] = columns_of(cell, x);
    while (2 << c.slope_bits < cell) c.slope_bits++;
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
