/* The veil: withheld cells are overwritten from a grid of colours. */
#include "kernels.h"

/* Colour at a sample: centres of cells lie at (i + 1/2) * cell. Positions are in half
 * samples so that the bilinear weights are whole numbers over 4 * cell * cell. */
static int32_t smooth_at(const uint8_t *colours, int32_t cols, int32_t rows, int32_t cell,
                         int32_t x, int32_t y) {
    const int32_t span = 2 * cell;
    const int32_t px = 2 * x + 1 - cell, py = 2 * y + 1 - cell;
    const int32_t qx = px < 0 ? -1 : px / span, qy = py < 0 ? -1 : py / span;
    const int32_t fx = px - qx * span, fy = py - qy * span;
    const int32_t c0 = hv_clamp(qx, 0, cols - 1), c1 = hv_clamp(qx + 1, 0, cols - 1);
    const int32_t r0 = hv_clamp(qy, 0, rows - 1), r1 = hv_clamp(qy + 1, 0, rows - 1);
    const int32_t top = colours[3 * (r0 * cols + c0)] * (span - fx) +
                        colours[3 * (r0 * cols + c1)] * fx;
    const int32_t bottom = colours[3 * (r1 * cols + c0)] * (span - fx) +
                           colours[3 * (r1 * cols + c1)] * fx;
    return (top * (span - fy) + bottom * fy + span * span / 2) / (span * span);
}

static void paint_plane(uint8_t *plane, ptrdiff_t stride, int32_t step, int32_t width,
                        int32_t height, int32_t cell, const uint8_t *mask, const uint8_t *colours,
                        int32_t cols, int32_t rows, int32_t smooth) {
    for (int32_t row = 0; row < rows; row++) {
        const int32_t y1 = hv_min((row + 1) * cell, height);
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col;
            if (!mask[index]) continue;
            const int32_t x1 = hv_min((col + 1) * cell, width);
            for (int32_t y = row * cell; y < y1; y++) {
                uint8_t *line = plane + y * stride;
                for (int32_t x = col * cell; x < x1; x++)
                    line[(ptrdiff_t)x * step] =
                        smooth ? (uint8_t)smooth_at(colours, cols, rows, cell, x, y)
                               : colours[3 * index];
            }
        }
    }
}

void hv_paint_c(const hv_image *image, int32_t cell, const uint8_t *mask, const uint8_t *colours,
                int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    paint_plane(image->y, image->y_stride, 1, image->width, image->height, cell, mask, colours,
                cols, rows, smooth);
    paint_plane(image->u, image->uv_stride, image->uv_step, uv_width, uv_height, cell / 2, mask,
                colours + 1, cols, rows, smooth);
    paint_plane(image->v, image->uv_stride, image->uv_step, uv_width, uv_height, cell / 2, mask,
                colours + 2, cols, rows, smooth);
}
