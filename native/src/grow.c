/* Dilation of a mask on the grid. */
#include <string.h>

#include "kernels.h"

/* Columns first, then rows, a line at a time in both directions: loops over bytes that
 * compilers turn into vectors, and no work that depends on how much is set. */
void hv_grow_c(const uint8_t *mask, uint8_t *out, int32_t cols, int32_t rows, int32_t radius) {
    enum { MOST = 16384 };
    uint8_t line[MOST];
    const int32_t reach = hv_min(radius, cols - 1);
    for (int32_t row = 0; row < rows; row++) {
        uint8_t *to = out + (ptrdiff_t)row * cols;
        memset(line, 0, (size_t)cols);
        const int32_t y1 = hv_min(row + radius, rows - 1);
        for (int32_t y = hv_max(row - radius, 0); y <= y1; y++) {
            const uint8_t *from = mask + (ptrdiff_t)y * cols;
            for (int32_t x = 0; x < cols; x++) line[x] |= from[x];
        }
        for (int32_t x = 0; x < cols; x++) line[x] = line[x] != 0;
        memcpy(to, line, (size_t)cols);
        for (int32_t d = 1; d <= reach; d++) {
            for (int32_t x = 0; x < cols - d; x++) to[x] |= line[x + d];
            for (int32_t x = d; x < cols; x++) to[x] |= line[x - d];
        }
    }
}
