/* Scalar reference of hv_change. */
#include <assert.h>

#include "kernels.h"

/* |sum| of a block of `count` samples, as if it had all 16. */
static int32_t whole_block(int32_t sum, int32_t count) {
    return hv_abs(sum) * 16 / count;
}

static void luma(const hv_image *a, const hv_image *b, int32_t x0, int32_t y0, int32_t x1,
                 int32_t y1, int32_t gain_q8, int32_t offset, const hv_change_out *out,
                 int32_t index) {
    int32_t peak = 0, sad = 0, sum_a = 0, sum_b = 0;
    int64_t sum_aa = 0, sum_bb = 0, sum_ab = 0;
    for (int32_t by = y0; by < y1; by += 4) {
        const int32_t ey = hv_min(by + 4, y1);
        for (int32_t bx = x0; bx < x1; bx += 4) {
            const int32_t ex = hv_min(bx + 4, x1);
            int32_t sum = 0;
            for (int32_t y = by; y < ey; y++) {
                const uint8_t *pa = a->y + y * a->y_stride, *pb = b->y + y * b->y_stride;
                for (int32_t x = bx; x < ex; x++) {
                    const int32_t va = pa[x], vb = pb[x];
                    const int32_t d = va - hv_clamp((vb * gain_q8 >> 8) + offset, 0, 255);
                    sum += d;
                    sad += hv_abs(d);
                    sum_a += va;
                    sum_b += vb;
                    sum_aa += va * va;
                    sum_bb += vb * vb;
                    sum_ab += va * vb;
                }
            }
            peak = hv_max(peak, whole_block(sum, (ey - by) * (ex - bx)));
        }
    }
    out->peak_y[index] = peak;
    out->sad_y[index] = sad;
    out->n[index] = (x1 - x0) * (y1 - y0);
    out->sum_a[index] = sum_a;
    out->sum_b[index] = sum_b;
    out->sum_aa[index] = sum_aa;
    out->sum_bb[index] = sum_bb;
    out->sum_ab[index] = sum_ab;
}

static int32_t chroma(const hv_image *a, const hv_image *b, int32_t x0, int32_t y0, int32_t x1,
                      int32_t y1) {
    int32_t peak = 0;
    for (int32_t by = y0; by < y1; by += 4) {
        const int32_t ey = hv_min(by + 4, y1);
        for (int32_t bx = x0; bx < x1; bx += 4) {
            const int32_t ex = hv_min(bx + 4, x1);
            int32_t sum_u = 0, sum_v = 0;
            for (int32_t y = by; y < ey; y++) {
                const ptrdiff_t ra = y * a->uv_stride, rb = y * b->uv_stride;
                for (int32_t x = bx; x < ex; x++) {
                    const ptrdiff_t ia = ra + (ptrdiff_t)x * a->uv_step;
                    const ptrdiff_t ib = rb + (ptrdiff_t)x * b->uv_step;
                    sum_u += a->u[ia] - b->u[ib];
                    sum_v += a->v[ia] - b->v[ib];
                }
            }
            const int32_t count = (ey - by) * (ex - bx);
            peak = hv_max(peak, whole_block(sum_u, count));
            peak = hv_max(peak, whole_block(sum_v, count));
        }
    }
    return peak;
}

void hv_change_cell(const hv_image *frame, const hv_image *reference, int32_t cell, int32_t row,
                    int32_t col, int32_t gain_q8, int32_t offset, const hv_change_out *out) {
    const int32_t index = row * hv_ceil_div(frame->width, cell) + col, half = cell / 2;
    const int32_t uv_width = (frame->width + 1) / 2, uv_height = (frame->height + 1) / 2;
    luma(frame, reference, col * cell, row * cell, hv_min((col + 1) * cell, frame->width),
         hv_min((row + 1) * cell, frame->height), gain_q8, offset, out, index);
    out->peak_uv[index] = chroma(frame, reference, col * half, row * half,
                                 hv_min((col + 1) * half, uv_width),
                                 hv_min((row + 1) * half, uv_height));
}

void hv_change_c(const hv_image *frame, const hv_image *reference, int32_t cell, int32_t gain_q8,
                 int32_t offset, const hv_change_out *out) {
    assert(frame->width == reference->width && frame->height == reference->height);
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = 0; col < cols; col++)
            hv_change_cell(frame, reference, cell, row, col, gain_q8, offset, out);
}
