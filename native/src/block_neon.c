/* Sums over a block of samples with NEON; sides that no frame's inner cells have go to the
 * reference. */
#include <arm_neon.h>

#include "kernels.h"

/* 16 samples: one row of 16 or half of one of 32, two rows of 8. The 8 samples of an
 * interleaved row are every other byte of two overlapping loads: nothing behind is read. */
static inline uint8x16_t load16(const uint8_t *p, ptrdiff_t stride, int step, int width) {
    if (step == 2) {
        const uint8x16_t every = vcombine_u8(vcreate_u8(0x00FF00FF00FF00FF),
                                             vcreate_u8(0xFF00FF00FF00FF00));
        return vandq_u8(vcombine_u8(vld1_u8(p), vld1_u8(p + 7)), every);
    }
    if (width == 8) return vcombine_u8(vld1_u8(p), vld1_u8(p + stride));
    return vld1q_u8(p);
}

/* At most 64 vectors, two bytes a lane each: below 2^15. */
static inline int32_t difference(const uint8_t *a, ptrdiff_t sa, const uint8_t *b, ptrdiff_t sb,
                                 int step, int width, int rows, int32_t height) {
    uint16x8_t sum = vdupq_n_u16(0);
    for (int32_t y = 0; y < height; y += rows, a += rows * sa, b += rows * sb)
        for (int x = 0; x < width; x += 16)
            sum = vpadalq_u8(sum, vabdq_u8(load16(a + x, sa, step, width),
                                           load16(b + x, sb, step, width)));
    return (int32_t)vaddlvq_u16(sum);
}

static inline int32_t sum(const uint8_t *a, ptrdiff_t stride, int step, int width, int rows,
                          int32_t height) {
    uint16x8_t sums = vdupq_n_u16(0);
    for (int32_t y = 0; y < height; y += rows, a += rows * stride)
        for (int x = 0; x < width; x += 16)
            sums = vpadalq_u8(sums, load16(a + x, stride, step, width));
    return (int32_t)vaddlvq_u16(sums);
}

int32_t hv_block_sum_neon(const uint8_t *a, ptrdiff_t stride, int32_t step, int32_t width,
                          int32_t height) {
    if (height % 4 == 0) {
        if (step == 1 && width == 8) return sum(a, stride, 1, 8, 2, height);
        if (step == 1 && width == 16) return sum(a, stride, 1, 16, 1, height);
        if (step == 1 && width == 32) return sum(a, stride, 1, 32, 1, height);
        if (step == 2 && width == 8) return sum(a, stride, 2, 8, 1, height);
    }
    return hv_block_sum_c(a, stride, step, width, height);
}

int32_t hv_block_difference_neon(const uint8_t *a, ptrdiff_t sa, const uint8_t *b, ptrdiff_t sb,
                                 int32_t step, int32_t width, int32_t height) {
    if (height % 4 == 0) {
        if (step == 1 && width == 8) return difference(a, sa, b, sb, 1, 8, 2, height);
        if (step == 1 && width == 16) return difference(a, sa, b, sb, 1, 16, 1, height);
        if (step == 1 && width == 32) return difference(a, sa, b, sb, 1, 32, 1, height);
        if (step == 2 && width == 8) return difference(a, sa, b, sb, 2, 8, 1, height);
    }
    return hv_block_difference_c(a, sa, b, sb, step, width, height);
}
