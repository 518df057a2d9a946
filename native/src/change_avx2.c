/* hv_change with AVX2, in strips of 32 luma samples: four, two or one cells side by side.
 * Cells that the frame cuts, and frames narrower than a strip, go to the reference. */
#include <assert.h>
#include <immintrin.h>

#include "kernels.h"

enum { STRIP = 32, GROUPS = 4 }; /* a group: 8 luma samples, 4 chroma samples across */

typedef struct {
    __m256i sad;                 /* one sum a group */
    __m256i a, b;                /* sums of pairs of samples, 16 bits */
    __m256i aa[2], bb[2], ab[2]; /* [0]: first and third group, [1]: second and fourth */
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
                             int plain, const grading *g, sums *s) {
    const __m256i ones8 = _mm256_set1_epi8(1), zero = _mm256_setzero_si256();
    __m256i pairs_a = zero, pairs_b = zero, pairs_g = zero;
    for (int y = 0; y < 4; y++) {
        const __m256i a = load(pa + y * sa), b = load(pb + y * sb);
        const __m256i c = plain ? b : graded(b, g);
        pairs_a = _mm256_add_epi16(pairs_a, _mm256_maddubs_epi16(a, ones8));
        pairs_b = _mm256_add_epi16(pairs_b, _mm256_maddubs_epi16(b, ones8));
        if (!plain) pairs_g = _mm256_add_epi16(pairs_g, _mm256_maddubs_epi16(c, ones8));
        s->sad = _mm256_add_epi64(s->sad, _mm256_sad_epu8(a, c));
        const __m256i al = _mm256_unpacklo_epi8(a, zero), ah = _mm256_unpackhi_epi8(a, zero);
        const __m256i bl = _mm256_unpacklo_epi8(b, zero), bh = _mm256_unpackhi_epi8(b, zero);
        s->aa[0] = add_products(s->aa[0], al, al), s->aa[1] = add_products(s->aa[1], ah, ah);
        s->bb[0] = add_products(s->bb[0], bl, bl), s->bb[1] = add_products(s->bb[1], bh, bh);
        s->ab[0] = add_products(s->ab[0], al, bl), s->ab[1] = add_products(s->ab[1], ah, bh);
    }
    s->a = _mm256_add_epi16(s->a, pairs_a);
    s->b = _mm256_add_epi16(s->b, pairs_b);
    const __m256i block = _mm256_madd_epi16(_mm256_sub_epi16(pairs_a, plain ? pairs_b : pairs_g),
                                            _mm256_set1_epi16(1));
    s->peak = _mm256_max_epi32(s->peak, _mm256_abs_epi32(block));
}

/* Results of a strip by group: [0..3] of the first name, then of the second. */
typedef struct {
    int32_t aa_bb[8], a_b[8], ab_sad[8], peak[8], peak_uv[8];
} groups;

/* Of each vector's halves, two groups: (x of two groups, y of two groups) a half. */
static inline void store_groups(int32_t *out, __m256i x, __m256i y) {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(x, y), 0xD8);
    _mm256_storeu_si256((__m256i *)out, both);
}

static inline void luma_groups(const hv_image *a, const hv_image *b, int32_t x, int32_t y,
                               int32_t cell, int plain, const grading *g, groups *out) {
    const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1);
    sums s = {zero, zero, zero, {zero, zero}, {zero, zero}, {zero, zero}, zero};
    for (int32_t j = y; j < y + cell; j += 4)
        four_rows(a->y + j * a->y_stride + x, a->y_stride, b->y + j * b->y_stride + x,
                  b->y_stride, plain, g, &s);
    store_groups(out->aa_bb, _mm256_hadd_epi32(s.aa[0], s.aa[1]),
                 _mm256_hadd_epi32(s.bb[0], s.bb[1]));
    store_groups(out->a_b, _mm256_madd_epi16(s.a, ones), _mm256_madd_epi16(s.b, ones));
    store_groups(out->ab_sad, _mm256_hadd_epi32(s.ab[0], s.ab[1]), s.sad);
    _mm256_storeu_si256((__m256i *)out->peak, s.peak);
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

static inline void chroma_groups(const hv_image *a, const hv_image *b, int32_t x, int32_t y,
                                 int32_t side, int32_t *out) {
    const __m256i ones8 = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
    __m256i peak = _mm256_setzero_si256();
    const ptrdiff_t xa = (ptrdiff_t)x * a->uv_step, xb = (ptrdiff_t)x * b->uv_step;
    for (int32_t j = y; j < y + side; j += 4) {
        __m256i pairs = _mm256_setzero_si256();
        for (int32_t k = j; k < j + 4; k++) {
            const __m256i va = _mm256_maddubs_epi16(chroma_row(a, k * a->uv_stride + xa), ones8);
            const __m256i vb = _mm256_maddubs_epi16(chroma_row(b, k * b->uv_stride + xb), ones8);
            pairs = _mm256_add_epi16(pairs, _mm256_sub_epi16(va, vb));
        }
        peak = _mm256_max_epi32(peak, _mm256_abs_epi32(_mm256_madd_epi16(pairs, ones)));
    }
    /* The U and the V of a column are now in different halves, or in halves of halves. */
    const __m256i other = a->uv_step == 1 ? _mm256_permute4x64_epi64(peak, 0x4E)
                                          : _mm256_shuffle_epi32(peak, 0x4E);
    const __m256i most = _mm256_max_epi32(peak, other);
    const __m256i sorted = a->uv_step == 1 ? most : _mm256_permute4x64_epi64(most, 0xD8);
    _mm256_storeu_si256((__m256i *)out, sorted);
}

static inline void write_cells(const groups *from, int32_t cell, int32_t index,
                               const hv_change_out *out) {
    const int32_t each = cell / 8;
    for (int32_t first = 0; first < GROUPS; first += each, index++) {
        int32_t aa = 0, bb = 0, ab = 0, a = 0, b = 0, sad = 0, peak = 0, peak_uv = 0;
        for (int32_t k = first; k < first + each; k++) {
            aa += from->aa_bb[k], bb += from->aa_bb[4 + k], ab += from->ab_sad[k];
            a += from->a_b[k], b += from->a_b[4 + k], sad += from->ab_sad[4 + k];
            peak = hv_max(peak, hv_max(from->peak[2 * k], from->peak[2 * k + 1]));
            peak_uv = hv_max(peak_uv, from->peak_uv[k]);
        }
        out->peak_y[index] = peak, out->peak_uv[index] = peak_uv;
        out->sad_y[index] = sad, out->n[index] = cell * cell;
        out->sum_a[index] = a, out->sum_b[index] = b;
        out->sum_aa[index] = aa, out->sum_bb[index] = bb, out->sum_ab[index] = ab;
    }
}

static inline void strip(const hv_image *a, const hv_image *b, int32_t cell, int32_t row,
                         int32_t col, const grading *g, const hv_change_out *out) {
    groups found;
    const int32_t x = col * cell, y = row * cell;
    if (g->plain)
        luma_groups(a, b, x, y, cell, 1, g, &found);
    else
        luma_groups(a, b, x, y, cell, 0, g, &found);
    chroma_groups(a, b, x / 2, y / 2, cell / 2, found.peak_uv);
    write_cells(&found, cell, row * hv_ceil_div(a->width, cell) + col, out);
}

static void whole_rows(const hv_image *a, const hv_image *b, int32_t cell, const grading *g,
                       int32_t whole_cols, const hv_change_out *out) {
    const int32_t each = STRIP / cell;
    for (int32_t row = 0; row < a->height / cell; row++) {
        for (int32_t col = 0; col + each <= whole_cols; col += each)
            strip(a, b, cell, row, col, g, out);
        /* The last strip covers some cells again, with the same results. */
        if (whole_cols % each) strip(a, b, cell, row, whole_cols - each, g, out);
    }
}

static int beside(const hv_image *i) { return i->uv_step == 1 || i->v == i->u + 1; }

void hv_change_avx2(const hv_image *frame, const hv_image *reference, int32_t cell,
                    int32_t gain_q8, int32_t offset, const hv_change_out *out) {
    assert(cell == 8 || cell == 16 || cell == 32);
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    const grading g = {gain_q8 == 256 && offset == 0, _mm256_set1_epi16((int16_t)gain_q8),
                       _mm256_set1_epi16((int16_t)offset)};
    int32_t done_cols = frame->width / cell, done_rows = frame->height / cell;
    if (done_cols * cell < STRIP || !beside(frame) || !beside(reference)) done_rows = 0;
    if (done_rows) whole_rows(frame, reference, cell, &g, done_cols, out);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = row < done_rows ? done_cols : 0; col < cols; col++)
            hv_change_cell(frame, reference, cell, row, col, gain_q8, offset, out);
}
