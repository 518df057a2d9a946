/* The veil: withheld cells are overwritten from a grid of colours. */
#include <string.h>

#include "kernels.h"

/* Colours are interpolated between the centres of cells, which lie at (i + 1/2) * cell.
 * Positions are in half samples, so that the bilinear weights are whole numbers over
 * (2 * cell)^2. Each half of a cell lies between the same four centres. */
static void smooth_half_line(uint8_t *line, int32_t step, int32_t n, int32_t first, int32_t span,
                             int32_t left, int32_t right) {
    int shift = 0; /* cells are powers of two, see bad_cell in api.c */
    while (1 << shift < span * span) shift++;
    const int32_t half = 1 << (shift - 1);
    for (int32_t i = 0; i < n; i++) {
        const int32_t fx = first + 2 * i;
        line[(ptrdiff_t)i * step] = (uint8_t)((left * (span - fx) + right * fx + half) >> shift);
    }
}

static void smooth_line(uint8_t *line, int32_t step, int32_t x1, int32_t y, int32_t cell,
                        const uint8_t *colours, int32_t cols, int32_t rows, int32_t col) {
    const int32_t span = 2 * cell, x0 = col * cell;
    const int32_t py = 2 * y + 1 - cell, qy = py < 0 ? -1 : py / span, fy = py - qy * span;
    const uint8_t *above = colours + 3 * (ptrdiff_t)cols * hv_clamp(qy, 0, rows - 1);
    const uint8_t *below = colours + 3 * (ptrdiff_t)cols * hv_clamp(qy + 1, 0, rows - 1);
    int32_t at[3];
    for (int k = 0; k < 3; k++) {
        const int32_t c = hv_clamp(col - 1 + k, 0, cols - 1);
        at[k] = above[3 * c] * (span - fy) + below[3 * c] * fy;
    }
    const int32_t middle = hv_min(x0 + cell / 2, x1);
    smooth_half_line(line + (ptrdiff_t)x0 * step, step, middle - x0, 1 + cell, span, at[0], at[1]);
    smooth_half_line(line + (ptrdiff_t)middle * step, step, x1 - middle,
                     2 * (middle - x0) + 1 - cell, span, at[1], at[2]);
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
            smooth_line(line, step, x1, y, cell, colours, cols, rows, col);
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
