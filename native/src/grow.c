/* Dilation of a mask on the grid. */
#include "kernels.h"

void hv_grow_c(const uint8_t *mask, uint8_t *out, int32_t cols, int32_t rows, int32_t radius) {
    /* The grid has a few thousand cells: marking a square round each set one is enough. */
    for (int32_t i = 0; i < cols * rows; i++) out[i] = 0;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            if (!mask[row * cols + col]) continue;
            const int32_t y1 = hv_min(row + radius, rows - 1), x1 = hv_min(col + radius, cols - 1);
            for (int32_t y = hv_max(row - radius, 0); y <= y1; y++)
                for (int32_t x = hv_max(col - radius, 0); x <= x1; x++) out[y * cols + x] = 1;
        }
    }
}
