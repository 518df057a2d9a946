/* hv_change for 8, 16 and 32 pixel cells with AVX2; cut cells go to the reference. */
#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

/* Eight luma samples of one row of a and b, widened to 16 bits. */
static inline __m128i load8(const uint8_t *p) {
    return _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)p));
}

static inline __m128i graded(__m128i b, int32_t gain_q8, int32_t offset) {
    if (gain_q8 == 256 && offset == 0) return b;
    const __m256i wide = _mm256_cvtepu16_epi32(b);
    __m256i v = _mm256_srai_epi32(_mm256_mullo_epi32(wide, _mm256_set1_epi32(gain_q8)), 8);
    v = _mm256_add_epi32(v, _mm256_set1_epi32(offset));
    v = _mm256_min_epi32(_mm256_max_epi32(v, _mm256_setzero_si256()), _mm256_set1_epi32(255));
    return _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static inline int64_t sum32(__m128i v) {
    int32_t lane[4];
    _mm_storeu_si128((__m128i *)lane, v);
    return (int64_t)lane[0] + lane[1] + lane[2] + lane[3];
}

typedef struct {
    __m128i sad, a, b, aa, bb, ab; /* 4 x int32 */
    int32_t peak;
} sums;

/* A strip of 8 x 4 samples: two 4x4 blocks. */
static inline void strip(const uint8_t *pa, ptrdiff_t sa, const uint8_t *pb, ptrdiff_t sb,
                         int32_t gain_q8, int32_t offset, sums *s) {
    const __m128i ones = _mm_set1_epi16(1);
    __m128i difference = _mm_setzero_si128();
    for (int y = 0; y < 4; y++) {
        const __m128i a = load8(pa + y * sa), b = load8(pb + y * sb);
        const __m128i d = _mm_sub_epi16(a, graded(b, gain_q8, offset));
        difference = _mm_add_epi16(difference, d);
        s->sad = _mm_add_epi32(s->sad, _mm_madd_epi16(_mm_abs_epi16(d), ones));
        s->a = _mm_add_epi32(s->a, _mm_madd_epi16(a, ones));
        s->b = _mm_add_epi32(s->b, _mm_madd_epi16(b, ones));
        s->aa = _mm_add_epi32(s->aa, _mm_madd_epi16(a, a));
        s->bb = _mm_add_epi32(s->bb, _mm_madd_epi16(b, b));
        s->ab = _mm_add_epi32(s->ab, _mm_madd_epi16(a, b));
    }
    int32_t lane[4];
    _mm_storeu_si128((__m128i *)lane, _mm_madd_epi16(difference, ones));
    s->peak = hv_max(s->peak, hv_abs(lane[0] + lane[1]));
    s->peak = hv_max(s->peak, hv_abs(lane[2] + lane[3]));
}

static void luma_cell(const hv_image *a, const hv_image *b, int32_t x0, int32_t y0, int32_t cell,
                      int32_t gain_q8, int32_t offset, const hv_change_out *out, int32_t index) {
    sums s;
    memset(&s, 0, sizeof s);
    for (int32_t y = y0; y < y0 + cell; y += 4)
        for (int32_t x = x0; x < x0 + cell; x += 8)
            strip(a->y + y * a->y_stride + x, a->y_stride, b->y + y * b->y_stride + x,
                  b->y_stride, gain_q8, offset, &s);
    out->peak_y[index] = s.peak;
    out->sad_y[index] = (int32_t)sum32(s.sad);
    out->n[index] = cell * cell;
    out->sum_a[index] = (int32_t)sum32(s.a);
    out->sum_b[index] = (int32_t)sum32(s.b);
    out->sum_aa[index] = sum32(s.aa);
    out->sum_bb[index] = sum32(s.bb);
    out->sum_ab[index] = sum32(s.ab);
}

/* Largest |sum| of a 4x4 chroma block; four samples of a planar row at a time. */
static int32_t chroma_plane(const uint8_t *a, ptrdiff_t sa, const uint8_t *b, ptrdiff_t sb,
                            int32_t x0, int32_t y0, int32_t side) {
    int32_t peak = 0;
    for (int32_t y = y0; y < y0 + side; y += 4) {
        for (int32_t x = x0; x < x0 + side; x += 4) {
            __m128i d = _mm_setzero_si128();
            for (int32_t j = 0; j < 4; j++) {
                int32_t wa, wb;
                memcpy(&wa, a + (y + j) * sa + x, 4);
                memcpy(&wb, b + (y + j) * sb + x, 4);
                d = _mm_add_epi32(d, _mm_sub_epi32(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(wa)),
                                                   _mm_cvtepu8_epi32(_mm_cvtsi32_si128(wb))));
            }
            peak = hv_max(peak, hv_abs((int32_t)sum32(d)));
        }
    }
    return peak;
}

/* The reference on one cell, as an image of its own. */
static void cell_by_reference(const hv_image *a, const hv_image *b, int32_t x0, int32_t y0,
                              int32_t cell, int32_t gain_q8, int32_t offset,
                              const hv_change_out *out, int32_t index) {
    hv_image pa = *a, pb = *b;
    hv_image *both[2] = {&pa, &pb};
    for (int i = 0; i < 2; i++) {
        hv_image *p = both[i];
        const ptrdiff_t uv = y0 / 2 * p->uv_stride + (ptrdiff_t)(x0 / 2) * p->uv_step;
        p->y += y0 * p->y_stride + x0;
        p->u += uv;
        p->v += uv;
        p->width = hv_min(cell, a->width - x0);
        p->height = hv_min(cell, a->height - y0);
    }
    const hv_change_out here = {out->peak_y + index, out->peak_uv + index, out->sad_y + index,
                                out->n + index,      out->sum_a + index,   out->sum_b + index,
                                out->sum_aa + index, out->sum_bb + index,  out->sum_ab + index};
    hv_change_c(&pa, &pb, cell, gain_q8, offset, &here);
}

void hv_change_avx2(const hv_image *frame, const hv_image *reference, int32_t cell,
                    int32_t gain_q8, int32_t offset, const hv_change_out *out) {
    assert(cell % 8 == 0);
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    const int planar = frame->uv_step == 1;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            const int32_t index = row * cols + col, x0 = col * cell, y0 = row * cell;
            if (!planar || x0 + cell > frame->width || y0 + cell > frame->height) {
                cell_by_reference(frame, reference, x0, y0, cell, gain_q8, offset, out, index);
                continue;
            }
            luma_cell(frame, reference, x0, y0, cell, gain_q8, offset, out, index);
            const int32_t half = cell / 2;
            const int32_t u = chroma_plane(frame->u, frame->uv_stride, reference->u,
                                           reference->uv_stride, x0 / 2, y0 / 2, half);
            const int32_t v = chroma_plane(frame->v, frame->uv_stride, reference->v,
                                           reference->uv_stride, x0 / 2, y0 / 2, half);
            out->peak_uv[index] = hv_max(u, v);
        }
    }
}
