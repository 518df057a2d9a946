/* Block search: is a cell a block of an earlier frame, moved by up to a cell? */
#include "kernels.h"

typedef struct {
    int32_t x0, y0, x1, y1;
} block;

static int allowed_block(const uint8_t *allowed, int32_t cols, int32_t cell, block b) {
    for (int32_t row = b.y0 / cell; row <= (b.y1 - 1) / cell; row++)
        for (int32_t col = b.x0 / cell; col <= (b.x1 - 1) / cell; col++)
            if (!allowed[row * cols + col]) return 0;
    return 1;
}

/* Mean absolute difference of a block and its displaced source, 1/16 grey level. */
static int32_t difference(const uint8_t *a, ptrdiff_t a_stride, int32_t a_step, const uint8_t *b,
                          ptrdiff_t b_stride, int32_t b_step, block at, int32_t dx, int32_t dy) {
    int32_t sum = 0;
    for (int32_t y = at.y0; y < at.y1; y++) {
        const uint8_t *pa = a + y * a_stride, *pb = b + (y + dy) * b_stride;
        for (int32_t x = at.x0; x < at.x1; x++)
            sum += hv_abs(pa[(ptrdiff_t)x * a_step] - pb[(ptrdiff_t)(x + dx) * b_step]);
    }
    return sum * 16 / ((at.x1 - at.x0) * (at.y1 - at.y0));
}

static int32_t floor_half(int32_t v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

static uint16_t search(const hv_image *frame, const hv_image *previous, const uint8_t *allowed,
                       int32_t cols, int32_t cell, int32_t step, block at) {
    int32_t best = UINT16_MAX;
    const block half = {at.x0 / 2, at.y0 / 2, (at.x1 + 1) / 2, (at.y1 + 1) / 2};
    for (int32_t dy = -cell; dy <= cell; dy += step) {
        for (int32_t dx = -cell; dx <= cell; dx += step) {
            const block from = {at.x0 + dx, at.y0 + dy, at.x1 + dx, at.y1 + dy};
            if (from.x0 < 0 || from.y0 < 0 || from.x1 > frame->width || from.y1 > frame->height)
                continue;
            if (!allowed_block(allowed, cols, cell, from)) continue;
            int32_t worst = difference(frame->y, frame->y_stride, 1, previous->y,
                                       previous->y_stride, 1, at, dx, dy);
            if (worst >= best) continue;
            const int32_t cx = floor_half(dx), cy = floor_half(dy);
            worst = hv_max(worst, difference(frame->u, frame->uv_stride, frame->uv_step,
                                             previous->u, previous->uv_stride, previous->uv_step,
                                             half, cx, cy));
            worst = hv_max(worst, difference(frame->v, frame->uv_stride, frame->uv_step,
                                             previous->v, previous->uv_stride, previous->uv_step,
                                             half, cx, cy));
            best = hv_min(best, worst);
        }
    }
    return (uint16_t)best;
}

void hv_explain_c(const hv_image *frame, const hv_image *previous, int32_t cell,
                  const uint8_t *allowed, const uint8_t *wanted, int32_t step, uint16_t *best) {
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col;
            const block at = {col * cell, row * cell, hv_min((col + 1) * cell, frame->width),
                              hv_min((row + 1) * cell, frame->height)};
            best[index] = wanted[index]
                              ? search(frame, previous, allowed, cols, cell, step, at)
                              : UINT16_MAX;
        }
    }
}
