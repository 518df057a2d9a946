/* hv_change with AVX2, in strips of 32 luma samples: four, two or one cells side by side.
 * Cells that the frame cuts, and frames narrower than a strip, go to the reference. */
#include <assert.h>
#include <immintrin.h>

#include "change.h"

typedef struct {
    __m256i sad;                 /* one sum a group */
    __m256i a, b;                /* sums of pairs of samples, 16 bits */
    /* [0]: first and third group, [1]: second and fourth; where a cell has more than one group,
     * [0] alone for all, which leaves registers for the rest. */
    __m256i aa[2], bb[2], ab[2];
    __m256i peak;                /* of each 4x4 block */
} sums;

/* How the reference's luma is taken: b times gain / 256 plus offset. */
typedef struct {
    int plain;
    __m256i gain, offset;
} grading;

/* (b << 8) * gain >> 16 is b * gain >> 8 of 16 bits. Clamped to 1023 it still is above 255
 * with the least offset, and then 16 bits hold the sum. */
static inline __m256i graded16(__m256i high_bytes, const grading *g) {
    const __m256i v = _mm256_mulhi_epu16(high_bytes, g->gain);
    return _mm256_add_epi16(_mm256_min_epu16(v, _mm256_set1_epi16(1023)), g->offset);
}

static inline __m256i graded(__m256i b, const grading *g) {
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_packus_epi16(graded16(_mm256_unpacklo_epi8(zero, b), g),
                               graded16(_mm256_unpackhi_epi8(zero, b), g));
}

static inline __m256i load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m256i add_products(__m256i sum, __m256i a, __m256i b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

/* Four rows of 32 samples. */
static inline void four_rows(const uint8_t *pa, ptrdiff_t sa, const uint8_t *pb, ptrdiff_t sb,
                             int apart, int plain, const grading *g, sums *s) {
    const __m256i ones8 = _mm256_set1_epi8(1), zero = _mm256_setzero_si256();
    __m256i pairs_a = zero, pairs_b = zero, pairs_g = zero;
    for (int y = 0; y < 4; y++) {
        const __m256i a = load(pa + y * sa), b = load(pb + y * sb);
        /* The strip to the right: 32 rows are more than the processor looks ahead in. */
        _mm_prefetch((const char *)(pa + y * sa + 2 * HV_STRIP), _MM_HINT_T0);
        _mm_prefetch((const char *)(pb + y * sb + 2 * HV_STRIP), _MM_HINT_T0);
        const __m256i c = plain ? b : graded(b, g);
        pairs_a = _mm256_add_epi16(pairs_a, _mm256_maddubs_epi16(a, ones8));
        pairs_b = _mm256_add_epi16(pairs_b, _mm256_maddubs_epi16(b, ones8));
        if (!plain) pairs_g = _mm256_add_epi16(pairs_g, _mm256_maddubs_epi16(c, ones8));
        s->sad = _mm256_add_epi64(s->sad, _mm256_sad_epu8(a, c));
        const __m256i al = _mm256_unpacklo_epi8(a, zero), ah = _mm256_unpackhi_epi8(a, zero);
        const __m256i bl = _mm256_unpacklo_epi8(b, zero), bh = _mm256_unpackhi_epi8(b, zero);
        s->aa[0] = add_products(s->aa[0], al, al);
        s->aa[apart] = add_products(s->aa[apart], ah, ah);
        s->bb[0] = add_products(s->bb[0], bl, bl);
        s->bb[apart] = add_products(s->bb[apart], bh, bh);
        s->ab[0] = add_products(s->ab[0], al, bl);
        s->ab[apart] = add_products(s->ab[apart], ah, bh);
    }
    s->a = _mm256_add_epi16(s->a, pairs_a);
    s->b = _mm256_add_epi16(s->b, pairs_b);
    const __m256i block = _mm256_madd_epi16(_mm256_sub_epi16(pairs_a, plain ? pairs_b : pairs_g),
                                            _mm256_set1_epi16(1));
    s->peak = _mm256_max_epi32(s->peak, _mm256_abs_epi32(block));
}

/* Sums of a strip's cells from those of its groups: x in the lower half, y in the upper, as
 * many of each as the strip has cells. */
static inline __m256i cells_of(__m256i x, __m256i y, int32_t cell) {
    __m256i v = _mm256_permute4x64_epi64(_mm256_hadd_epi32(x, y), 0xD8);
    if (cell >= 16) v = _mm256_hadd_epi32(v, v);
    if (cell == 32) v = _mm256_hadd_epi32(v, v);
    return v;
}

/* The same of maxima, of which each group has two in neighbouring lanes. */
static inline __m128i peaks_of(__m256i v, int32_t cell) {
    const __m256i most = _mm256_max_epi32(v, _mm256_shuffle_epi32(v, 0xB1));
    const __m256i groups =
        _mm256_permutevar8x32_epi32(most, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    __m128i p = _mm256_castsi256_si128(groups);
    if (cell >= 16) p = _mm_shuffle_epi32(_mm_max_epi32(p, _mm_shuffle_epi32(p, 0xB1)), 0x08);
    if (cell == 32) p = _mm_max_epi32(p, _mm_shuffle_epi32(p, 0xB1));
    return p;
}

static inline void store32(int32_t *out, __m128i v, int32_t cell) {
    if (cell == 8) _mm_storeu_si128((__m128i *)out, v);
    else if (cell == 16) _mm_storel_epi64((__m128i *)out, v);
    else *out = _mm_cvtsi128_si32(v);
}

static inline void store64(int64_t *out, __m128i v, int32_t cell) {
    if (cell == 32) {
        *out = _mm_cvtsi128_si32(v);
        return;
    }
    _mm_storeu_si128((__m128i *)out, _mm_cvtepi32_epi64(v));
    if (cell == 8) _mm_storeu_si128((__m128i *)(out + 2), _mm_cvtepi32_epi64(_mm_srli_si128(v, 8)));
}

/* Two lanes a group. */
static inline __m256i products_of(const __m256i s[2], int32_t cell) {
    return cell == 8 ? _mm256_hadd_epi32(s[0], s[1]) : s[0];
}

static inline void write_luma(const sums *s, int32_t cell, int32_t index,
                              const hv_change_out *out) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i squares =
        cells_of(products_of(s->aa, cell), products_of(s->bb, cell), cell);
    const __m256i samples =
        cells_of(_mm256_madd_epi16(s->a, ones), _mm256_madd_epi16(s->b, ones), cell);
    const __m256i rest = cells_of(products_of(s->ab, cell), s->sad, cell);
    store64(out->sum_aa + index, _mm256_castsi256_si128(squares), cell);
    store64(out->sum_bb + index, _mm256_extracti128_si256(squares, 1), cell);
    store64(out->sum_ab + index, _mm256_castsi256_si128(rest), cell);
    store32(out->sad_y + index, _mm256_extracti128_si256(rest, 1), cell);
    store32(out->sum_a + index, _mm256_castsi256_si128(samples), cell);
    store32(out->sum_b + index, _mm256_extracti128_si256(samples, 1), cell);
    store32(out->peak_y + index, peaks_of(s->peak, cell), cell);
    store32(out->n + index, _mm_set1_epi32(cell * cell), cell);
}

static inline void luma(const hv_image *a, const hv_image *b, int32_t x, int32_t y, int32_t cell,
                        int plain, const grading *g, int32_t index, const hv_change_out *out) {
    const __m256i zero = _mm256_setzero_si256();
    sums s = {zero, zero, zero, {zero, zero}, {zero, zero}, {zero, zero}, zero};
    for (int32_t j = y; j < y + cell; j += 4)
        four_rows(a->y + j * a->y_stride + x, a->y_stride, b->y + j * b->y_stride + x,
                  b->y_stride, cell == 8, plain, g, &s);
    write_luma(&s, cell, index, out);
}

/* 16 chroma columns of a row: U in the lower half and V in the upper, or, interleaved, half
 * of the columns in each, their U before their V. */
static inline __m256i chroma_row(const hv_image *i, ptrdiff_t at) {
    if (i->uv_step == 1)
        return _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(i->u + at))),
            _mm_loadu_si128((const __m128i *)(i->v + at)), 1);
    const __m256i apart = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15,
                                           0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_shuffle_epi8(load(i->u + at), apart);
}

static inline void chroma(const hv_image *a, const hv_image *b, int32_t x, int32_t y,
                          int32_t cell, int32_t *peak_uv) {
    const __m256i ones8 = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
    __m256i peak = _mm256_setzero_si256();
    const ptrdiff_t xa = (ptrdiff_t)x * a->uv_step, xb = (ptrdiff_t)x * b->uv_step;
    for (int32_t j = y; j < y + cell / 2; j += 4) {
        __m256i pairs = _mm256_setzero_si256();
        for (int32_t k = j; k < j + 4; k++) {
            const __m256i va = _mm256_maddubs_epi16(chroma_row(a, k * a->uv_stride + xa), ones8);
            const __m256i vb = _mm256_maddubs_epi16(chroma_row(b, k * b->uv_stride + xb), ones8);
            pairs = _mm256_add_epi16(pairs, _mm256_sub_epi16(va, vb));
        }
        peak = _mm256_max_epi32(peak, _mm256_abs_epi32(_mm256_madd_epi16(pairs, ones)));
    }
    /* U beside V of each column, as neighbours: two maxima a group. */
    const __m256i order = a->uv_step == 1 ? _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)
                                          : _mm256_setr_epi32(0, 2, 1, 3, 4, 6, 5, 7);
    store32(peak_uv, peaks_of(_mm256_permutevar8x32_epi32(peak, order), cell), cell);
}

static inline void strip(const hv_image *a, const hv_image *b, int32_t cell, int32_t row,
                         int32_t col, const grading *g, const hv_change_out *out) {
    const int32_t x = col * cell, y = row * cell, index = row * hv_ceil_div(a->width, cell) + col;
    if (g->plain)
        luma(a, b, x, y, cell, 1, g, index, out);
    else
        luma(a, b, x, y, cell, 0, g, index, out);
    chroma(a, b, x / 2, y / 2, cell, out->peak_uv + index);
}

static inline void whole_rows(const hv_image *a, const hv_image *b, int32_t cell, const grading *g,
                       int32_t whole_cols, const hv_change_out *out) {
    const int32_t each = HV_STRIP / cell;
    for (int32_t row = 0; row < a->height / cell; row++) {
        for (int32_t col = 0; col + each <= whole_cols; col += each)
            strip(a, b, cell, row, col, g, out);
        /* The last strip covers some cells again, with the same results. */
        if (whole_cols % each) strip(a, b, cell, row, whole_cols - each, g, out);
    }
}

void hv_change_avx2(const hv_image *frame, const hv_image *reference, int32_t cell,
                    int32_t gain_q8, int32_t offset, const hv_change_out *out) {
    assert(cell == 8 || cell == 16 || cell == 32);
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    const grading g = {gain_q8 == 256 && offset == 0, _mm256_set1_epi16((int16_t)gain_q8),
                       _mm256_set1_epi16((int16_t)offset)};
    int32_t done_cols = frame->width / cell, done_rows = frame->height / cell;
    if (done_cols * cell < HV_STRIP || !hv_beside(frame) || !hv_beside(reference)) done_rows = 0;
    if (done_rows && cell == 8) whole_rows(frame, reference, 8, &g, done_cols, out);
    if (done_rows && cell == 16) whole_rows(frame, reference, 16, &g, done_cols, out);
    if (done_rows && cell == 32) whole_rows(frame, reference, 32, &g, done_cols, out);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = row < done_rows ? done_cols : 0; col < cols; col++)
            hv_change_cell(frame, reference, cell, row, col, gain_q8, offset, out);
}
