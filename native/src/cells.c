/* Whole cells: means of their samples, and copying them (the plate's update). */
#include <string.h>

#include "kernels.h"

static uint8_t mean(const hv_table *set, const uint8_t *plane, ptrdiff_t stride, int32_t step,
                    int32_t x0, int32_t y0, int32_t x1, int32_t y1) {
    const int32_t count = (x1 - x0) * (y1 - y0);
    const uint8_t *block = plane + y0 * stride + (ptrdiff_t)x0 * step;
    const int32_t sum = set->block_sum(block, stride, step, x1 - x0, y1 - y0);
    return (uint8_t)((sum + count / 2) / count);
}

void hv_cell_means_of(const hv_table *set, const hv_image *image, int32_t cell, uint8_t *y,
                      uint8_t *u, uint8_t *v) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    const int32_t half = cell / 2;
    for (int32_t row = 0; row < rows; row++) {
        const int32_t ly1 = hv_min((row + 1) * cell, image->height);
        const int32_t cy1 = hv_min((row + 1) * half, uv_height);
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col;
            const int32_t cx1 = hv_min((col + 1) * half, uv_width);
            y[index] = mean(set, image->y, image->y_stride, 1, col * cell, row * cell,
                            hv_min((col + 1) * cell, image->width), ly1);
            u[index] = mean(set, image->u, image->uv_stride, image->uv_step, col * half,
                            row * half, cx1, cy1);
            v[index] = mean(set, image->v, image->uv_stride, image->uv_step, col * half,
                            row * half, cx1, cy1);
        }
    }
}

void hv_luma_means_of(const hv_table *set, const hv_image *image, const hv_image *other,
                      int32_t cell, double *means) {
    for (int32_t y0 = 0; y0 < image->height; y0 += cell) {
        const int32_t height = hv_min(cell, image->height - y0);
        const uint8_t *here = image->y + y0 * image->y_stride;
        const uint8_t *there = other ? other->y + y0 * other->y_stride : NULL;
        for (int32_t x0 = 0; x0 < image->width; x0 += cell) {
            const int32_t width = hv_min(cell, image->width - x0);
            const int32_t sum =
                there ? set->block_difference(here + x0, image->y_stride, there + x0,
                                              other->y_stride, 1, width, height)
                      : set->block_sum(here + x0, image->y_stride, 1, width, height);
            *means++ = (double)sum / (width * height);
        }
    }
}

static void copy_rows(uint8_t *to, ptrdiff_t to_stride, const uint8_t *from,
                      ptrdiff_t from_stride, size_t bytes, int32_t rows) {
    for (int32_t y = 0; y < rows; y++) memcpy(to + y * to_stride, from + y * from_stride, bytes);
}

/* Interleaved chroma whose U and V are not neighbours in memory. */
static void copy_apart(uint8_t *to, ptrdiff_t to_stride, const uint8_t *from,
                       ptrdiff_t from_stride, int32_t n, int32_t rows) {
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < n; x++)
            to[y * to_stride + 2 * (ptrdiff_t)x] = from[y * from_stride + 2 * (ptrdiff_t)x];
}

/* A run of cells side by side, luma columns x0 to x1. */
static void copy_run(const hv_image *to, const hv_image *from, int32_t x0, int32_t x1, int32_t y0,
                     int32_t y1) {
    const int32_t cx0 = x0 / 2, cy0 = y0 / 2, n = (x1 + 1) / 2 - cx0, rows = (y1 + 1) / 2 - cy0;
    const ptrdiff_t rt = cy0 * to->uv_stride + (ptrdiff_t)cx0 * to->uv_step;
    const ptrdiff_t rf = cy0 * from->uv_stride + (ptrdiff_t)cx0 * from->uv_step;
    copy_rows(to->y + y0 * to->y_stride + x0, to->y_stride, from->y + y0 * from->y_stride + x0,
              from->y_stride, (size_t)(x1 - x0), y1 - y0);
    if (to->uv_step == 1) {
        copy_rows(to->u + rt, to->uv_stride, from->u + rf, from->uv_stride, (size_t)n, rows);
        copy_rows(to->v + rt, to->uv_stride, from->v + rf, from->uv_stride, (size_t)n, rows);
    } else if (to->v == to->u + 1 && from->v == from->u + 1) {
        copy_rows(to->u + rt, to->uv_stride, from->u + rf, from->uv_stride, 2 * (size_t)n, rows);
    } else {
        copy_apart(to->u + rt, to->uv_stride, from->u + rf, from->uv_stride, n, rows);
        copy_apart(to->v + rt, to->uv_stride, from->v + rf, from->uv_stride, n, rows);
    }
}

void hv_copy_cells_c(const hv_image *destination, const hv_image *source, int32_t cell,
                     const uint8_t *mask) {
    const int32_t cols = hv_ceil_div(source->width, cell);
    const int32_t rows = hv_ceil_div(source->height, cell);
    for (int32_t row = 0; row < rows; row++) {
        const uint8_t *set = mask + (ptrdiff_t)row * cols;
        for (int32_t col = 0, end; col < cols; col = end + 1) {
            for (end = col; end < cols && set[end];) end++;
            if (end > col)
                copy_run(destination, source, col * cell, hv_min(end * cell, source->width),
                         row * cell, hv_min((row + 1) * cell, source->height));
        }
    }
}
