/* Sums over a block of samples with AVX2; sides that no frame's inner cells have go to the
 * reference. */
#include <immintrin.h>

#include "kernels.h"

/* The 8 samples of an interleaved row, in the bytes of either half that `every` keeps: the
 * second load begins at the last but one byte, so that nothing behind the last is read. */
static inline __m128i apart8(const uint8_t *p) {
    const __m128i every = _mm_set_epi64x((int64_t)0xFF00FF00FF00FF00, 0x00FF00FF00FF00FF);
    const __m128i low = _mm_loadl_epi64((const __m128i *)p);
    const __m128i high = _mm_loadl_epi64((const __m128i *)(p + 7));
    return _mm_and_si128(_mm_unpacklo_epi64(low, high), every);
}

/* 32 samples: two rows of 16, four of 8, or one of 32. Constant arguments, so one load each. */
static inline __m256i load32(const uint8_t *p, ptrdiff_t stride, int step, int width) {
    if (width == 32) return _mm256_loadu_si256((const __m256i *)p);
    if (width == 16)
        return _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
            _mm_loadu_si128((const __m128i *)(p + stride)), 1);
    if (step == 2)
        return _mm256_inserti128_si256(_mm256_castsi128_si256(apart8(p)), apart8(p + stride), 1);
    const __m128i low = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)p),
                                           _mm_loadl_epi64((const __m128i *)(p + stride)));
    const __m128i high =
        _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(p + 2 * stride)),
                           _mm_loadl_epi64((const __m128i *)(p + 3 * stride)));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

static inline int32_t total(__m256i v) {
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm_cvtsi128_si32(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
}

static inline int32_t difference(const uint8_t *a, ptrdiff_t sa, const uint8_t *b, ptrdiff_t sb,
                                 int step, int width, int rows, int32_t height) {
    __m256i sum = _mm256_setzero_si256();
    for (int32_t y = 0; y < height; y += rows, a += rows * sa, b += rows * sb)
        sum = _mm256_add_epi64(
            sum, _mm256_sad_epu8(load32(a, sa, step, width), load32(b, sb, step, width)));
    return total(sum);
}

static inline int32_t sum(const uint8_t *a, ptrdiff_t stride, int step, int width, int rows,
                          int32_t height) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sums = zero;
    for (int32_t y = 0; y < height; y += rows, a += rows * stride)
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(load32(a, stride, step, width), zero));
    return total(sums);
}

int32_t hv_block_sum_avx2(const uint8_t *a, ptrdiff_t stride, int32_t step, int32_t width,
                          int32_t height) {
    if (height % 4 == 0) {
        if (step == 1 && width == 8) return sum(a, stride, 1, 8, 4, height);
        if (step == 1 && width == 16) return sum(a, stride, 1, 16, 2, height);
        if (step == 1 && width == 32) return sum(a, stride, 1, 32, 1, height);
        if (step == 2 && width == 8) return sum(a, stride, 2, 8, 2, height);
    }
    return hv_block_sum_c(a, stride, step, width, height);
}

int32_t hv_block_difference_avx2(const uint8_t *a, ptrdiff_t sa, const uint8_t *b, ptrdiff_t sb,
                                 int32_t step, int32_t width, int32_t height) {
    if (height % 4 == 0) {
        if (step == 1 && width == 8) return difference(a, sa, b, sb, 1, 8, 4, height);
        if (step == 1 && width == 16) return difference(a, sa, b, sb, 1, 16, 2, height);
        if (step == 1 && width == 32) return difference(a, sa, b, sb, 1, 32, 1, height);
        if (step == 2 && width == 8) return difference(a, sa, b, sb, 2, 8, 2, height);
    }
    return hv_block_difference_c(a, sa, b, sb, step, width, height);
}
