/* Scalar reference of sums over a block of samples. */
#include "kernels.h"

int32_t hv_block_sum_c(const uint8_t *a, ptrdiff_t stride, int32_t step, int32_t width,
                       int32_t height) {
    int32_t sum = 0;
    for (int32_t y = 0; y < height; y++, a += stride)
        for (int32_t x = 0; x < width; x++) sum += a[(ptrdiff_t)x * step];
    return sum;
}

int32_t hv_block_difference_c(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b,
                              ptrdiff_t b_stride, int32_t step, int32_t width, int32_t height) {
    int32_t sum = 0;
    for (int32_t y = 0; y < height; y++, a += a_stride, b += b_stride)
        for (int32_t x = 0; x < width; x++)
            sum += hv_abs(a[(ptrdiff_t)x * step] - b[(ptrdiff_t)x * step]);
    return sum;
}
