/* YUV lines to RGB with AVX2, 32 pixels at a time; the arithmetic is explained in colour.c. */
#include <immintrin.h>

#include "kernels.h"

typedef struct {
    __m256i luma, bias, vr, ug, vg, ub;
} factors;

static __m256i same(int32_t v) { return _mm256_set1_epi16((int16_t)v); }

static inline __m256i load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

typedef struct {
    __m256i r, g, b; /* 16 pixels, 16 bits */
} colours;

/* y: bytes twice, 257 * y. u, v: 256 * (u - 128). */
static inline colours convert(const factors *k, __m256i y, __m256i u, __m256i v) {
    const __m256i luma = _mm256_add_epi16(_mm256_mulhi_epu16(y, k->luma), k->bias);
    const __m256i green =
        _mm256_add_epi16(_mm256_mulhi_epi16(u, k->ug), _mm256_mulhi_epi16(v, k->vg));
    const __m256i blue =
        _mm256_add_epi16(_mm256_mulhi_epi16(u, k->ub), _mm256_srai_epi16(u, 2));
    return (colours){
        _mm256_srai_epi16(_mm256_adds_epi16(luma, _mm256_mulhi_epi16(v, k->vr)), 6),
        _mm256_srai_epi16(_mm256_subs_epi16(luma, green), 6),
        _mm256_srai_epi16(_mm256_adds_epi16(luma, blue), 6)};
}

/* 16 pixels in each half: byte i of a part comes from the channel's byte that is named. */
static inline __m256i part(__m256i r, __m256i g, __m256i b, __m128i rs, __m128i gs, __m128i bs) {
    return _mm256_or_si256(
        _mm256_or_si256(_mm256_shuffle_epi8(r, _mm256_broadcastsi128_si256(rs)),
                        _mm256_shuffle_epi8(g, _mm256_broadcastsi128_si256(gs))),
        _mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(bs)));
}

static inline void interleave(__m256i r, __m256i g, __m256i b, uint8_t *rgb) {
    const __m256i first = part(
        r, g, b, _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
        _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
        _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1));
    const __m256i second = part(
        r, g, b, _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
        _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
        _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1));
    const __m256i third = part(
        r, g, b, _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1),
        _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
        _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15));
    __m256i *out = (__m256i *)rgb;
    _mm256_storeu_si256(out, _mm256_permute2x128_si256(first, second, 0x20));
    _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(third, first, 0x30));
    _mm256_storeu_si256(out + 2, _mm256_permute2x128_si256(second, third, 0x31));
}

static inline void thirty_two(const factors *k, const uint8_t *ys, const uint8_t *us,
                              const uint8_t *vs, uint8_t *rgb) {
    const __m256i zero = _mm256_setzero_si256(), middle = _mm256_set1_epi8((char)128);
    const __m256i y = load(ys), u = _mm256_xor_si256(load(us), middle);
    const __m256i v = _mm256_xor_si256(load(vs), middle);
    const colours low = convert(k, _mm256_unpacklo_epi8(y, y), _mm256_unpacklo_epi8(zero, u),
                                _mm256_unpacklo_epi8(zero, v));
    const colours high = convert(k, _mm256_unpackhi_epi8(y, y), _mm256_unpackhi_epi8(zero, u),
                                 _mm256_unpackhi_epi8(zero, v));
    interleave(_mm256_packus_epi16(low.r, high.r), _mm256_packus_epi16(low.g, high.g),
               _mm256_packus_epi16(low.b, high.b), rgb);
}

void hv_rgb_line_avx2(const hv_matrix *matrix, const uint8_t *y, const uint8_t *u,
                      const uint8_t *v, int32_t n, uint8_t *rgb) {
    if (n < 32) {
        hv_rgb_line_c(matrix, y, u, v, n, rgb);
        return;
    }
    const factors k = {same(matrix->luma), same(matrix->bias), same(matrix->vr),
                       same(matrix->ug),   same(matrix->vg),   same(matrix->ub)};
    for (int32_t i = 0; i + 32 <= n; i += 32) thirty_two(&k, y + i, u + i, v + i, rgb + 3 * i);
    const int32_t last = n - 32; /* again in part: what is read is not what is written */
    if (n % 32) thirty_two(&k, y + last, u + last, v + last, rgb + 3 * last);
}
