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
    int32_t bound;          /* mean differences below it explain, 1/16 grey level */
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

/* Of every other luma row from the first or second on: sum of absolute differences to the
 * displaced source. */
static int32_t luma_difference(const quest *q, int32_t dx, int32_t dy, int32_t first) {
    const hv_image *f = q->frame, *p = q->previous;
    const int32_t y = q->at.y0 + first;
    const uint8_t *a = f->y + y * f->y_stride + q->at.x0;
    const uint8_t *b = p->y + (y + dy) * p->y_stride + q->at.x0 + dx;
    return q->set->block_difference(a, 2 * f->y_stride, b, 2 * p->y_stride, 1,
                                    q->at.x1 - q->at.x0, (q->at.y1 - y + 1) / 2);
}

/* Whether the chroma of the displaced source is within the bound as well. */
static int same_chroma(const quest *q, int32_t dx, int32_t dy) {
    const hv_image *f = q->frame, *p = q->previous;
    const int32_t width = q->half.x1 - q->half.x0, height = q->half.y1 - q->half.y0;
    const ptrdiff_t a = q->half.y0 * f->uv_stride + (ptrdiff_t)q->half.x0 * f->uv_step;
    const ptrdiff_t b =
        (q->half.y0 + dy) * p->uv_stride + (ptrdiff_t)(q->half.x0 + dx) * p->uv_step;
    const uint8_t *now[] = {f->u + a, f->v + a}, *then[] = {p->u + b, p->v + b};
    for (int plane = 0; plane < 2; plane++) {
        const int32_t sum = q->set->block_difference(now[plane], f->uv_stride, then[plane],
                                                     p->uv_stride, f->uv_step, width, height);
        if (sum * 16 >= q->bound * width * height) return 0;
    }
    return 1;
}

static int32_t floor_half(int32_t v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

/* Whether displacing the block so explains it. Half of the rows is enough to refuse most. */
static int explains(const quest *q, int32_t dx, int32_t dy, uint32_t rows) {
    const int32_t x0 = q->at.x0 + dx, x1 = q->at.x1 + dx;
    if (x0 < 0 || x1 > q->frame->width) return 0;
    const uint32_t needed = rows & in_columns(three(x0, x1, q->shift, q->col));
    if ((q->near & needed) != needed) return 0;
    const int32_t most = q->bound * (q->at.x1 - q->at.x0) * (q->at.y1 - q->at.y0);
    const int32_t half = luma_difference(q, dx, dy, 0) * 16;
    if (half >= most || half + luma_difference(q, dx, dy, 1) * 16 >= most) return 0;
    return same_chroma(q, floor_half(dx), floor_half(dy));
}

/* Displacement number i of those from -cell to cell: the middle ones first, since most of what
 * moved moved little. */
static int32_t outwards(const quest *q, int32_t i) {
    const int32_t cell = 1 << q->shift, middle = (2 * cell / q->step + 1) / 2;
    return (middle + (i % 2 ? -(i + 1) / 2 : i / 2)) * q->step - cell;
}

static int search(const quest *q) {
    const int32_t count = (2 << q->shift) / q->step + 1;
    for (int32_t i = 0; i < count; i++) {
        const int32_t dy = outwards(q, i), y0 = q->at.y0 + dy, y1 = q->at.y1 + dy;
        if (y0 < 0 || y1 > q->frame->height) continue;
        const uint32_t rows = in_rows(three(y0, y1, q->shift, q->row));
        for (int32_t k = 0; k < count; k++)
            if (explains(q, outwards(q, k), dy, rows)) return 1;
    }
    return 0;
}

void hv_explain_of(const hv_table *set, const hv_image *frame, const hv_image *previous,
                   int32_t cell, const uint8_t *allowed, const uint8_t *wanted,
                   const uint16_t *most, int32_t step, uint8_t *explained) {
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    quest q = {.set = set, .frame = frame, .previous = previous, .shift = 3, .step = step};
    while (1 << q.shift < cell) q.shift++;
    for (q.row = 0; q.row < rows; q.row++) {
        for (q.col = 0; q.col < cols; q.col++) {
            const int32_t index = q.row * cols + q.col;
            explained[index] = 0;
            if (!wanted[index]) continue;
            q.at = (block){q.col * cell, q.row * cell, hv_min((q.col + 1) * cell, frame->width),
                           hv_min((q.row + 1) * cell, frame->height)};
            q.half = (block){q.at.x0 / 2, q.at.y0 / 2, (q.at.x1 + 1) / 2, (q.at.y1 + 1) / 2};
            q.near = near_of(allowed, cols, rows, q.row, q.col);
            q.bound = most[index] + 1;
            explained[index] = (uint8_t)search(&q);
        }
    }
}
