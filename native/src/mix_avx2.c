/* Resampling with AVX2: rows 16 samples at a time, columns 16 outputs at a time. */
#include <immintrin.h>

#include "kernels.h"

typedef struct {
    const uint8_t *rows[HV_TAPS_MOST]; /* at the first column wanted */
    int32_t count;
    __m256i head, body, tail;
    __m128i room; /* bits by which the sum of those between is shifted up, and body less */
} mixing;

/* 16 samples as 16-bit values. Two bytes apart they are the even ones of 32, or, for the last
 * of a row, the odd ones of 32 that begin a byte before: nothing behind the row is read. */
static inline __m256i load16(const uint8_t *p, int step, int last) {
    if (step == 1) return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
    if (last) return _mm256_srli_epi16(_mm256_loadu_si256((const __m256i *)(p - 1)), 8);
    return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)p), _mm256_set1_epi16(255));
}

/* 16 samples. A product's upper 16 bits are what is wanted when its factors are shifted up by
 * 9 bits together: a sample by 8 and its weight by 1. */
static inline void mix(const mixing *m, ptrdiff_t at, int step, int last, int16_t *line) {
    __m256i sum = _mm256_set1_epi16(1);
    const __m256i first = load16(m->rows[0] + at, step, last);
    sum = _mm256_add_epi16(sum, _mm256_mulhi_epu16(_mm256_slli_epi16(first, 8), m->head));
    if (m->count > 1) {
        const __m256i final = load16(m->rows[m->count - 1] + at, step, last);
        sum = _mm256_add_epi16(sum, _mm256_mulhi_epu16(_mm256_slli_epi16(final, 8), m->tail));
    }
    if (m->count > 2) {
        __m256i between = load16(m->rows[1] + at, step, last);
        for (int32_t k = 2; k < m->count - 1; k++)
            between = _mm256_add_epi16(between, load16(m->rows[k] + at, step, last));
        between = _mm256_sll_epi16(between, m->room);
        sum = _mm256_add_epi16(sum, _mm256_mulhi_epu16(between, m->body));
    }
    _mm256_storeu_si256((__m256i *)line, sum);
}

static inline void mix_line(const mixing *m, int32_t n, int step, int16_t *line) {
    for (int32_t x = 0; x < n - 16; x += 16) mix(m, (ptrdiff_t)x * step, step, 0, line + x);
    /* The last 16 overlap those before: n is more than 16. */
    mix(m, (ptrdiff_t)(n - 16) * step, step, 1, line + n - 16);
}

void hv_mix_rows_avx2(const hv_plane *plane, const hv_taps *rows, int32_t x0, int32_t n,
                      int16_t *line) {
    if (n <= 16 || plane->step > 2) {
        hv_mix_rows_c(plane, rows, x0, n, line);
        return;
    }
    mixing m;
    m.count = rows->count;
    /* Of n rows between, each weighs HV_ONE / n at most: what their sum leaves of 16 bits, up
     * to 8, leaves body's rest inside 16 bits as well. */
    int32_t room = 8;
    while (255 * hv_max(rows->count - 2, 1) << room > 65535) room--;
    m.room = _mm_cvtsi32_si128(room);
    m.head = _mm256_set1_epi16((int16_t)(rows->head << 1));
    m.tail = _mm256_set1_epi16((int16_t)(rows->tail << 1));
    m.body = _mm256_set1_epi16((int16_t)(rows->body << (9 - room)));
    for (int32_t k = 0; k < rows->count; k++)
        m.rows[k] = plane->samples + (ptrdiff_t)x0 * plane->step +
                    hv_clamp(rows->first + k, 0, plane->height - 1) * plane->stride;
    if (plane->step == 1) mix_line(&m, n, 1, line);
    else mix_line(&m, n, 2, line);
}

static inline __m256i load_pair(const void *low, const void *high) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
        _mm_loadu_si128((const __m128i *)high), 1);
}

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Sums of outputs i to i + 7, in order. */
static inline __m256i eight_of_2(const int16_t *line, const hv_columns *c, int32_t i) {
    const __m256i samples = load_pair(line + c->base[i], line + c->base[i + 4]);
    return _mm256_madd_epi16(_mm256_shuffle_epi8(samples, load(c->shuffle + 4 * i)),
                             load(c->weights + 2 * i));
}

static inline __m256i four_of_4(const int16_t *line, const hv_columns *c, int32_t i) {
    const __m256i samples = load_pair(line + c->base[i], line + c->base[i + 2]);
    return _mm256_madd_epi16(_mm256_shuffle_epi8(samples, load(c->shuffle + 8 * i)),
                             load(c->weights + 4 * i));
}

static inline __m256i eight_of_4(const int16_t *line, const hv_columns *c, int32_t i) {
    return _mm256_permute4x64_epi64(
        _mm256_hadd_epi32(four_of_4(line, c, i), four_of_4(line, c, i + 4)), 0xD8);
}

/* Outputs i and i + 4, four partial sums each. */
static inline __m256i two_of_8(const int16_t *line, const hv_columns *c, int32_t i) {
    const int16_t *low = line + c->base[i], *high = line + c->base[i + 4];
    const int16_t *wl = c->weights + (ptrdiff_t)i * c->taps, *wh = wl + 4 * (ptrdiff_t)c->taps;
    __m256i sum = _mm256_madd_epi16(load_pair(low, high), load_pair(wl, wh));
    for (int32_t k = 8; k < c->taps; k += 8)
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load_pair(low + k, high + k),
                                                      load_pair(wl + k, wh + k)));
    return sum;
}

static inline __m256i eight_of_8(const int16_t *line, const hv_columns *c, int32_t i) {
    return _mm256_hadd_epi32(
        _mm256_hadd_epi32(two_of_8(line, c, i), two_of_8(line, c, i + 1)),
        _mm256_hadd_epi32(two_of_8(line, c, i + 2), two_of_8(line, c, i + 3)));
}

static inline void store(__m256i low, __m256i high, uint8_t *out) {
    enum { BITS = HV_WEIGHT_BITS + HV_LINE_BITS };
    const __m256i half = _mm256_set1_epi32(1 << (BITS - 1));
    low = _mm256_srli_epi32(_mm256_add_epi32(low, half), BITS);
    high = _mm256_srli_epi32(_mm256_add_epi32(high, half), BITS);
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(_mm256_castsi256_si128(both),
                                                      _mm256_extracti128_si256(both, 1)));
}

void hv_mix_columns_avx2(const int16_t *line, const hv_columns *c, uint8_t *out) {
    if (c->taps == 2) {
        for (int32_t i = 0; i < c->count; i += HV_GROUP)
            store(eight_of_2(line, c, i), eight_of_2(line, c, i + 8), out + i);
    } else if (c->taps == 4) {
        for (int32_t i = 0; i < c->count; i += HV_GROUP)
            store(eight_of_4(line, c, i), eight_of_4(line, c, i + 8), out + i);
    } else {
        for (int32_t i = 0; i < c->count; i += HV_GROUP)
            store(eight_of_8(line, c, i), eight_of_8(line, c, i + 8), out + i);
    }
}
