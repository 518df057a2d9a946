/* The veil: withheld cells are overwritten from a grid of colours. */
#include <string.h>

#include "kernels.h"

/* Colours are interpolated between the centres of cells, which lie at (i + 1/2) * cell, in
 * 16 bits, so that the vector forms need no more. Positions are in half samples: fx and fy of
 * 2 * cell. Across, weights of 1/128 give values of 7 bits behind the point. Down a half of a
 * cell, a value of 8 bits behind the point begins `start` from the line above the half's
 * first row and grows by `slope` a row; both are rounded, which is 1/16 of a level at most. */
typedef struct {
    int32_t start, slope, slope_bits;
} fall;

/* cell: 4 to 32. top and bottom: values of 7 bits at the centres above and below. */
static fall fall_of(int32_t cell, int32_t top, int32_t bottom) {
    fall f = {0, 0, 0};
    while (2 << f.slope_bits < cell) f.slope_bits++; /* slope: 4 / (2 * cell) of the fall */
    const int32_t whole = bottom - top;
    f.slope = (whole + (1 << f.slope_bits >> 1)) >> f.slope_bits;
    f.start = (whole + (1 << f.slope_bits)) >> (f.slope_bits + 1);
    return f;
}

static int32_t across(const uint8_t *colours, int32_t cols, int32_t col, int32_t cell, int32_t x) {
    const int32_t late = x >= cell / 2;
    const int32_t fx = 2 * x + 1 + (late ? -cell : cell), weight = fx * (64 / cell);
    const int32_t left = colours[3 * hv_clamp(col - !late, 0, cols - 1)];
    const int32_t right = colours[3 * hv_clamp(col + late, 0, cols - 1)];
    return left * (128 - weight) + right * weight;
}

/* A line of a cell, y rows below its upper edge. */
static void smooth_line(uint8_t *line, int32_t step, int32_t n, int32_t y, int32_t cell,
                        const uint8_t *colours, int32_t cols, int32_t rows, int32_t row,
                        int32_t col) {
    const int32_t lower = y >= cell / 2, from_row = lower ? y - cell / 2 : y;
    const uint8_t *above = colours + 3 * (ptrdiff_t)cols * hv_clamp(row - !lower, 0, rows - 1);
    const uint8_t *here = colours + 3 * (ptrdiff_t)cols * row;
    const uint8_t *below = colours + 3 * (ptrdiff_t)cols * hv_clamp(row + lower, 0, rows - 1);
    for (int32_t x = 0; x < n; x++) {
        const int32_t top = across(above, cols, col, cell, x);
        const int32_t middle = across(here, cols, col, cell, x);
        const fall f = fall_of(cell, top, across(below, cols, col, cell, x));
        const int32_t value = top + middle + f.start + from_row * f.slope + 128;
        line[(ptrdiff_t)x * step] = (uint8_t)(value >> 8);
    }
}

static void fill_line(uint8_t *line, int32_t step, int32_t n, uint8_t colour) {
    if (step == 1) {
        memset(line, colour, (size_t)n);
        return;
    }
    for (int32_t i = 0; i < n; i++) line[(ptrdiff_t)i * step] = colour;
}

static void paint_block(uint8_t *plane, ptrdiff_t stride, int32_t step, int32_t width,
                        int32_t height, int32_t cell, const uint8_t *colours, int32_t cols,
                        int32_t rows, int32_t row, int32_t col, int32_t smooth) {
    const int32_t x0 = col * cell, x1 = hv_min(x0 + cell, width);
    const int32_t y1 = hv_min((row + 1) * cell, height);
    if (x1 <= x0) return;
    for (int32_t y = row * cell; y < y1; y++) {
        uint8_t *line = plane + y * stride;
        if (smooth)
            smooth_line(line + (ptrdiff_t)x0 * step, step, x1 - x0, y - row * cell, cell, colours,
                        cols, rows, row, col);
        else
            fill_line(line + (ptrdiff_t)x0 * step, step, x1 - x0,
                      colours[3 * (row * cols + col)]);
    }
}

void hv_paint_cell(const hv_image *image, int32_t cell, const uint8_t *colours, int32_t row,
                   int32_t col, int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    paint_block(image->y, image->y_stride, 1, image->width, image->height, cell, colours, cols,
                rows, row, col, smooth);
    paint_block(image->u, image->uv_stride, image->uv_step, uv_width, uv_height, cell / 2,
                colours + 1, cols, rows, row, col, smooth);
    paint_block(image->v, image->uv_stride, image->uv_step, uv_width, uv_height, cell / 2,
                colours + 2, cols, rows, row, col, smooth);
}

void hv_paint_c(const hv_image *image, int32_t cell, const uint8_t *mask, const uint8_t *colours,
                int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = 0; col < cols; col++)
            if (mask[row * cols + col]) hv_paint_cell(image, cell, colours, row, col, smooth);
}
