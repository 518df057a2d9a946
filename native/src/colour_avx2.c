/* YUV lines to RGB with AVX2, 16 pixels at a time, exact in 16-bit factors.
 *
 * A coefficient k / 65536 is split into a whole number q and a rest r of 16 bits: the shift
 * of k * x by 16 is then q * x and the shift of r * x, and r fits the 16-bit multiply-add. */
#include <immintrin.h>

#include "kernels.h"

typedef struct {
    __m256i y_vr, y_ug, vg, y_ub; /* rests, in pairs */
    __m256i q_y, q_vr, q_ug, q_vg, q_ub;
    __m256i black;
} factors;

static int32_t whole(int32_t k) { return (k + 32768) >> 16; }
static int32_t rest(int32_t k) { return k - whole(k) * 65536; }

static __m256i pair(int32_t low, int32_t high) {
    return _mm256_set1_epi32((int32_t)((uint32_t)(low & 0xFFFF) | (uint32_t)high << 16));
}

static __m256i same(int32_t v) { return _mm256_set1_epi16((int16_t)v); }

static factors factors_of(const hv_matrix *k) {
    return (factors){pair(rest(k->y), rest(k->vr)),  pair(rest(k->y), rest(-k->ug)),
                     pair(rest(-k->vg), 16384),      pair(rest(k->y), rest(k->ub)),
                     same(whole(k->y)),              same(whole(k->vr)),
                     same(whole(-k->ug)),            same(whole(-k->vg)),
                     same(whole(k->ub)),             same(k->black)};
}

/* (a, b) . k + 32768, shifted, as 16-bit values in the order of a and b. */
static inline __m256i shifted(__m256i low, __m256i high) {
    return _mm256_packs_epi32(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
}

static inline __m256i two_terms(__m256i a, __m256i b, __m256i k) {
    const __m256i half = _mm256_set1_epi32(32768);
    return shifted(
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), k), half),
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), k), half));
}

static inline __m256i green_terms(__m256i y, __m256i u, __m256i v, const factors *k) {
    const __m256i two = _mm256_set1_epi16(2); /* times 16384: the half */
    return shifted(
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(y, u), k->y_ug),
                         _mm256_madd_epi16(_mm256_unpacklo_epi16(v, two), k->vg)),
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(y, u), k->y_ug),
                         _mm256_madd_epi16(_mm256_unpackhi_epi16(v, two), k->vg)));
}

static inline __m128i bytes(__m256i v) {
    return _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* Byte i of the output's part comes from the channel's byte that the mask names. */
static inline void interleave(__m128i r, __m128i g, __m128i b, uint8_t *rgb) {
    const __m128i r0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
    const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
    const __m128i b0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
    const __m128i r1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
    const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
    const __m128i b1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
    const __m128i r2 =
        _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
    const __m128i g2 =
        _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
    const __m128i b2 =
        _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
    __m128i *out = (__m128i *)rgb;
    _mm_storeu_si128(out, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r0),
                                                    _mm_shuffle_epi8(g, g0)),
                                       _mm_shuffle_epi8(b, b0)));
    _mm_storeu_si128(out + 1, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r1),
                                                        _mm_shuffle_epi8(g, g1)),
                                           _mm_shuffle_epi8(b, b1)));
    _mm_storeu_si128(out + 2, _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(r, r2),
                                                        _mm_shuffle_epi8(g, g2)),
                                           _mm_shuffle_epi8(b, b2)));
}

static inline __m256i load16(const uint8_t *p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static inline void sixteen(const factors *k, const uint8_t *ys, const uint8_t *us,
                           const uint8_t *vs, uint8_t *rgb) {
    const __m256i middle = _mm256_set1_epi16(128);
    const __m256i y = _mm256_sub_epi16(load16(ys), k->black);
    const __m256i u = _mm256_sub_epi16(load16(us), middle);
    const __m256i v = _mm256_sub_epi16(load16(vs), middle);
    const __m256i base = _mm256_mullo_epi16(y, k->q_y);
    const __m256i r = _mm256_add_epi16(_mm256_add_epi16(base, _mm256_mullo_epi16(v, k->q_vr)),
                                       two_terms(y, v, k->y_vr));
    const __m256i b = _mm256_add_epi16(_mm256_add_epi16(base, _mm256_mullo_epi16(u, k->q_ub)),
                                       two_terms(y, u, k->y_ub));
    const __m256i chroma = _mm256_add_epi16(_mm256_mullo_epi16(u, k->q_ug),
                                            _mm256_mullo_epi16(v, k->q_vg));
    const __m256i g = _mm256_add_epi16(_mm256_add_epi16(base, chroma), green_terms(y, u, v, k));
    interleave(bytes(r), bytes(g), bytes(b), rgb);
}

void hv_rgb_line_avx2(const hv_matrix *matrix, const uint8_t *y, const uint8_t *u,
                      const uint8_t *v, int32_t n, uint8_t *rgb) {
    if (n < 16) {
        hv_rgb_line_c(matrix, y, u, v, n, rgb);
        return;
    }
    const factors k = factors_of(matrix);
    for (int32_t i = 0; i + 16 <= n; i += 16) sixteen(&k, y + i, u + i, v + i, rgb + 3 * i);
    const int32_t last = n - 16; /* again in part: what is read is not what is written */
    if (n % 16) sixteen(&k, y + last, u + last, v + last, rgb + 3 * last);
}
