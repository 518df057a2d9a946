/* Block search: is a cell a block of an earlier frame, moved by up to a cell? */
#include "kernels.h"

typedef struct {
    int32_t x0, y0, x1, y1;
} block;

/* One search: everything that does not change while a cell is displaced. */
typedef struct {
    const hv_table *set;
    const hv_image *frame, *previous;
    block at, half;         /* luma, chroma */
    int32_t row, col;
    int32_t shift, step;    /* a cell is 1 << shift pixels */
    uint32_t near;          /* allowed cells of the 3x3 round this one, row by row */
} quest;

static uint32_t near_of(const uint8_t *allowed, int32_t cols, int32_t rows, int32_t row,
                        int32_t col) {
    uint32_t bits = 0;
    for (int32_t r = hv_max(row - 1, 0); r <= hv_min(row + 1, rows - 1); r++)
        for (int32_t c = hv_max(col - 1, 0); c <= hv_min(col + 1, cols - 1); c++)
            if (allowed[r * cols + c]) bits |= 1u << (3 * (r - row + 1) + c - col + 1);
    return bits;
}

/* Of the cells before, here and behind: those from pixel `first` to before pixel `end`. */
static uint32_t three(int32_t first, int32_t end, int32_t shift, int32_t here) {
    const int32_t low = (first >> shift) - here + 1, high = ((end - 1) >> shift) - here + 1;
    return (2u << high) - (1u << low);
}

/* The cells of a row of three, in all rows, and those of rows, in all columns. */
static uint32_t in_columns(uint32_t bits) { return bits * 0111u; }
static uint32_t in_rows(uint32_t bits) {
    return (bits & 1u) * 7u + (bits & 2u) * 28u + (bits & 4u) * 112u;
}

/* Sum of absolute luma differences to the displaced source. */
static int32_t luma_difference(const quest *q, int32_t dx, int32_t dy) {
    const hv_image *f = q->frame, *p = q->previous;
    const uint8_t *a = f->y + q->at.y0 * f->y_stride + q->at.x0;
    const uint8_t *b = p->y + (q->at.y0 + dy) * p->y_stride + q->at.x0 + dx;
    return q->set->block_difference(a, f->y_stride, b, p->y_stride, 1, q->at.x1 - q->at.x0,
                                    q->at.y1 - q->at.y0);
}

/* Mean of chroma, 1/16 grey level. */
static int32_t chroma_difference(const quest *q, int32_t dx, int32_t dy) {
    const hv_image *f = q->frame, *p = q->previous;
    const int32_t width = q->half.x1 - q->half.x0, height = q->half.y1 - q->half.y0;
    const ptrdiff_t a = q->half.y0 * f->uv_stride + (ptrdiff_t)q->half.x0 * f->uv_step;
    const ptrdiff_t b =
        (q->half.y0 + dy) * p->uv_stride + (ptrdiff_t)(q->half.x0 + dx) * p->uv_step;
    const int32_t u = q->set->block_difference(f->u + a, f->uv_stride, p->u + b, p->uv_stride,
                                               f->uv_step, width, height);
    const int32_t v = q->set->block_difference(f->v + a, f->uv_stride, p->v + b, p->uv_stride,
                                               f->uv_step, width, height);
    return hv_max(u, v) * 16 / (width * height);
}

static int32_t floor_half(int32_t v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

/* What displacing the block so explains, if that is better than `best`. */
static int32_t better(const quest *q, int32_t dx, int32_t dy, uint32_t rows, int32_t best) {
    const int32_t x0 = q->at.x0 + dx, x1 = q->at.x1 + dx;
    if (x0 < 0 || x1 > q->frame->width) return best;
    const uint32_t needed = rows & in_columns(three(x0, x1, q->shift, q->col));
    if ((q->near & needed) != needed) return best;
    const int32_t area = (q->at.x1 - q->at.x0) * (q->at.y1 - q->at.y0);
    const int32_t sixteenths = luma_difference(q, dx, dy) * 16;
    if (sixteenths >= best * area) return best; /* no division for most */
    const int32_t chroma = chroma_difference(q, floor_half(dx), floor_half(dy));
    return hv_min(best, hv_max(sixteenths / area, chroma));
}

static int32_t search_row(const quest *q, int32_t dy, int32_t from, int32_t to, int32_t best) {
    const int32_t y0 = q->at.y0 + dy, y1 = q->at.y1 + dy;
    if (y0 < 0 || y1 > q->frame->height) return best;
    const uint32_t rows = in_rows(three(y0, y1, q->shift, q->row));
    for (int32_t dx = from; dx <= to && best; dx += q->step) best = better(q, dx, dy, rows, best);
    return best;
}

static uint16_t search(const quest *q) {
    const int32_t cell = 1 << q->shift;
    int32_t best = UINT16_MAX;
    /* What did not move comes first: most else is then soon seen to be worse. */
    if (cell % q->step == 0) best = search_row(q, 0, 0, 0, best);
    for (int32_t dy = -cell; dy <= cell && best; dy += q->step)
        best = search_row(q, dy, -cell, cell, best);
    return (uint16_t)best;
}

void hv_explain_of(const hv_table *set, const hv_image *frame, const hv_image *previous,
                   int32_t cell, const uint8_t *allowed, const uint8_t *wanted, int32_t step,
                   uint16_t *best) {
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    quest q = {.set = set, .frame = frame, .previous = previous, .shift = 3, .step = step};
    while (1 << q.shift < cell) q.shift++;
    for (q.row = 0; q.row < rows; q.row++) {
        for (q.col = 0; q.col < cols; q.col++) {
            const int32_t index = q.row * cols + q.col;
            best[index] = UINT16_MAX;
            if (!wanted[index]) continue;
            q.at = (block){q.col * cell, q.row * cell, hv_min((q.col + 1) * cell, frame->width),
                           hv_min((q.row + 1) * cell, frame->height)};
            q.half = (block){q.at.x0 / 2, q.at.y0 / 2, (q.at.x1 + 1) / 2, (q.at.y1 + 1) / 2};
            q.near = near_of(allowed, cols, rows, q.row, q.col);
            best[index] = search(&q);
        }
    }
}
