/* Whole cells: their mean colour, and copying them (the plate's update). */
#include <string.h>

#include "kernels.h"

static uint8_t mean(const uint8_t *plane, ptrdiff_t stride, int32_t step, int32_t x0, int32_t y0,
                    int32_t x1, int32_t y1) {
    int32_t sum = 0;
    const int32_t count = (x1 - x0) * (y1 - y0);
    for (int32_t y = y0; y < y1; y++) {
        const uint8_t *row = plane + y * stride;
        for (int32_t x = x0; x < x1; x++) sum += row[(ptrdiff_t)x * step];
    }
    return (uint8_t)((sum + count / 2) / count);
}

void hv_cell_means_c(const hv_image *image, int32_t cell, uint8_t *y, uint8_t *u, uint8_t *v) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    const int32_t half = cell / 2;
    for (int32_t row = 0; row < rows; row++) {
        const int32_t ly1 = hv_min((row + 1) * cell, image->height);
        const int32_t cy1 = hv_min((row + 1) * half, uv_height);
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col;
            const int32_t cx1 = hv_min((col + 1) * half, uv_width);
            y[index] = mean(image->y, image->y_stride, 1, col * cell, row * cell,
                            hv_min((col + 1) * cell, image->width), ly1);
            u[index] = mean(image->u, image->uv_stride, image->uv_step, col * half, row * half,
                            cx1, cy1);
            v[index] = mean(image->v, image->uv_stride, image->uv_step, col * half, row * half,
                            cx1, cy1);
        }
    }
}

static void copy_block(const hv_image *to, const hv_image *from, int32_t x0, int32_t y0,
                       int32_t cell) {
    const int32_t x1 = hv_min(x0 + cell, from->width), y1 = hv_min(y0 + cell, from->height);
    for (int32_t y = y0; y < y1; y++)
        memcpy(to->y + y * to->y_stride + x0, from->y + y * from->y_stride + x0,
               (size_t)(x1 - x0));
    const int32_t cx0 = x0 / 2, cx1 = (x1 + 1) / 2, cy1 = (y1 + 1) / 2;
    for (int32_t y = y0 / 2; y < cy1; y++) {
        const ptrdiff_t rt = y * to->uv_stride, rf = y * from->uv_stride;
        if (to->uv_step == 1) {
            memcpy(to->u + rt + cx0, from->u + rf + cx0, (size_t)(cx1 - cx0));
            memcpy(to->v + rt + cx0, from->v + rf + cx0, (size_t)(cx1 - cx0));
            continue;
        }
        for (int32_t x = cx0; x < cx1; x++) {
            const ptrdiff_t i = (ptrdiff_t)x * to->uv_step;
            to->u[rt + i] = from->u[rf + i];
            to->v[rt + i] = from->v[rf + i];
        }
    }
}

void hv_copy_cells_c(const hv_image *destination, const hv_image *source, int32_t cell,
                     const uint8_t *mask) {
    const int32_t cols = hv_ceil_div(source->width, cell);
    const int32_t rows = hv_ceil_div(source->height, cell);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = 0; col < cols; col++)
            if (mask[row * cols + col]) copy_block(destination, source, col * cell, row * cell, cell);
}
