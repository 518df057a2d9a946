/* Block search: is a cell a block of an earlier frame, moved by up to a cell? */
#include "kernels.h"

typedef struct {
    int32_t x0, y0, x1, y1;
} block;

/* One search: everything that does not change while a cell is displaced. */
typedef struct {
    const hv_table *set;
    const hv_image *frame, *previous;
    const uint8_t *allowed;
    int32_t cols, cell, shift, step; /* a cell is 1 << shift pixels */
} quest;

static int allowed_block(const quest *q, block b) {
    const int32_t y1 = (b.y1 - 1) >> q->shift, x1 = (b.x1 - 1) >> q->shift;
    for (int32_t row = b.y0 >> q->shift; row <= y1; row++)
        for (int32_t col = b.x0 >> q->shift; col <= x1; col++)
            if (!q->allowed[row * q->cols + col]) return 0;
    return 1;
}

/* Mean absolute difference of a block and its displaced source, 1/16 grey level. */
static int32_t luma_difference(const quest *q, block at, int32_t dx, int32_t dy) {
    const hv_image *f = q->frame, *p = q->previous;
    const int32_t width = at.x1 - at.x0, height = at.y1 - at.y0;
    const int32_t sum = q->set->block_difference(
        f->y + at.y0 * f->y_stride + at.x0, f->y_stride,
        p->y + (at.y0 + dy) * p->y_stride + at.x0 + dx, p->y_stride, 1, width, height);
    return sum * 16 / (width * height);
}

static int32_t chroma_difference(const quest *q, block at, int32_t dx, int32_t dy) {
    const hv_image *f = q->frame, *p = q->previous;
    const int32_t width = at.x1 - at.x0, height = at.y1 - at.y0;
    const ptrdiff_t a = at.y0 * f->uv_stride + (ptrdiff_t)at.x0 * f->uv_step;
    const ptrdiff_t b = (at.y0 + dy) * p->uv_stride + (ptrdiff_t)(at.x0 + dx) * p->uv_step;
    const int32_t u = q->set->block_difference(f->u + a, f->uv_stride, p->u + b, p->uv_stride,
                                               f->uv_step, width, height);
    const int32_t v = q->set->block_difference(f->v + a, f->uv_stride, p->v + b, p->uv_stride,
                                               f->uv_step, width, height);
    return hv_max(u, v) * 16 / (width * height);
}

static int32_t floor_half(int32_t v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

static uint16_t search(const quest *q, block at) {
    int32_t best = UINT16_MAX;
    const block half = {at.x0 / 2, at.y0 / 2, (at.x1 + 1) / 2, (at.y1 + 1) / 2};
    for (int32_t dy = -q->cell; dy <= q->cell; dy += q->step) {
        if (at.y0 + dy < 0 || at.y1 + dy > q->frame->height) continue;
        for (int32_t dx = -q->cell; dx <= q->cell; dx += q->step) {
            const block from = {at.x0 + dx, at.y0 + dy, at.x1 + dx, at.y1 + dy};
            if (from.x0 < 0 || from.x1 > q->frame->width || !allowed_block(q, from)) continue;
            const int32_t luma = luma_difference(q, at, dx, dy);
            if (luma >= best) continue;
            const int32_t chroma = chroma_difference(q, half, floor_half(dx), floor_half(dy));
            best = hv_min(best, hv_max(luma, chroma));
        }
    }
    return (uint16_t)best;
}

void hv_explain_of(const hv_table *set, const hv_image *frame, const hv_image *previous,
                   int32_t cell, const uint8_t *allowed, const uint8_t *wanted, int32_t step,
                   uint16_t *best) {
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    quest q = {set, frame, previous, allowed, cols, cell, 3, step};
    while (1 << q.shift < cell) q.shift++;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col;
            const block at = {col * cell, row * cell, hv_min((col + 1) * cell, frame->width),
                              hv_min((row + 1) * cell, frame->height)};
            best[index] = wanted[index] ? search(&q, at) : UINT16_MAX;
        }
    }
}
