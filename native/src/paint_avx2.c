/* The veil with AVX2: cells are painted 8 columns and half of their rows at a time. Cells
 * that the frame cuts go to the reference.
 *
 * Between cell centres a colour is bilinear. In half samples, with weights over span = twice
 * the cell: value = (top * (span - fy) + bottom * fy + half) >> shift, where top and bottom
 * are left * (span - fx) + right * fx. Down a column fy grows by 2 a row, so the value before
 * the shift grows by a constant. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    uint8_t *samples; /* of the whole plane, or of U where `pairs` */
    ptrdiff_t stride;
    int32_t step, cell, shift; /* weights sum up to 1 << shift */
    const uint8_t *colours;    /* of this plane, 3 bytes apart */
    int32_t cols, rows;
} canvas;

/* What the columns of a patch are before the shift, on its first row and from row to row. */
typedef struct {
    __m256i value, slope;
} ramp;

/* Colours of the cells left and right of 8 columns, in pairs of 16 bits. Columns x0 to x0 + 7
 * of a cell: those before its middle lie between the cell before and it. */
static inline __m256i neighbours(const canvas *c, int32_t row, int32_t col, int32_t x0) {
    const uint8_t *line = c->colours + 3 * (ptrdiff_t)c->cols * hv_clamp(row, 0, c->rows - 1);
    const uint32_t here = line[3 * (ptrdiff_t)col];
    const uint32_t before = line[3 * (ptrdiff_t)hv_max(col - 1, 0)] | here << 16;
    const uint32_t after = here | (uint32_t)line[3 * (ptrdiff_t)hv_min(col + 1, c->cols - 1)] << 16;
    const __m256i x = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                       _mm256_set1_epi32(x0));
    const __m256i late = _mm256_cmpgt_epi32(x, _mm256_set1_epi32(c->cell / 2 - 1));
    return _mm256_blendv_epi8(_mm256_set1_epi32((int32_t)before),
                              _mm256_set1_epi32((int32_t)after), late);
}

/* (span - fx, fx) of columns x0 to x0 + 7 of a cell. */
static inline __m256i weights(const canvas *c, int32_t x0) {
    const int32_t span = 2 * c->cell;
    const __m256i x = _mm256_add_epi32(_mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14),
                                       _mm256_set1_epi32(2 * x0 + 1 + c->cell));
    const __m256i fx = _mm256_and_si256(x, _mm256_set1_epi32(span - 1));
    return _mm256_or_si256(_mm256_sub_epi32(_mm256_set1_epi32(span), fx),
                           _mm256_slli_epi32(fx, 16));
}

/* lower: the half of the cell below its middle. */
static inline ramp ramp_of(const canvas *c, int32_t row, int32_t col, int32_t x0, int lower) {
    const __m256i w = weights(c, x0);
    const __m256i top = _mm256_madd_epi16(neighbours(c, row - !lower, col, x0), w);
    const __m256i bottom = _mm256_madd_epi16(neighbours(c, row + lower, col, x0), w);
    const __m256i fall = _mm256_sub_epi32(bottom, top);
    const int32_t span = 2 * c->cell, fy = lower ? 1 : 1 + c->cell;
    const __m256i half = _mm256_set1_epi32(1 << (c->shift - 1));
    const __m256i value =
        _mm256_add_epi32(_mm256_add_epi32(_mm256_mullo_epi32(top, _mm256_set1_epi32(span)), half),
                         _mm256_mullo_epi32(fall, _mm256_set1_epi32(fy)));
    return (ramp){value, _mm256_slli_epi32(fall, 1)};
}

/* The row's values as bytes, and on to the next row. */
static inline __m256i shifted(ramp *r, int32_t shift) {
    const __m256i v = _mm256_srl_epi32(r->value, _mm_cvtsi32_si128(shift));
    r->value = _mm256_add_epi32(r->value, r->slope);
    return v;
}

static inline __m128i sixteen_bytes(ramp *left, ramp *right, int32_t shift) {
    const __m256i both = _mm256_packs_epi32(shifted(left, shift), shifted(right, shift));
    const __m256i sorted = _mm256_permute4x64_epi64(both, 0xD8);
    return _mm_packus_epi16(_mm256_castsi256_si128(sorted), _mm256_extracti128_si256(sorted, 1));
}

/* Luma of 16 or 32 columns, chroma of 16. */
static void smooth_16(const canvas *c, int32_t row, int32_t col) {
    for (int32_t x = 0; x < c->cell; x += 16) {
        uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell + x;
        for (int lower = 0; lower < 2; lower++) {
            ramp left = ramp_of(c, row, col, x, lower);
            ramp right = ramp_of(c, row, col, x + 8, lower);
            for (int32_t y = 0; y < c->cell / 2; y++, to += c->stride)
                _mm_storeu_si128((__m128i *)to, sixteen_bytes(&left, &right, c->shift));
        }
    }
}

/* Planes of 8 columns or fewer a cell, and interleaved ones: `n` columns of two planes with
 * the same grid, whose values come as 8 bytes each. */
static inline void put(uint8_t *u, uint8_t *v, int32_t step, int32_t n, __m128i both) {
    if (step == 2) {
        const __m128i mixed = _mm_unpacklo_epi8(both, _mm_unpackhi_epi64(both, both));
        if (n == 8) _mm_storeu_si128((__m128i *)u, mixed);
        else _mm_storel_epi64((__m128i *)u, mixed);
    } else if (n == 8) {
        _mm_storel_epi64((__m128i *)u, both);
        _mm_storel_epi64((__m128i *)v, _mm_unpackhi_epi64(both, both));
    } else {
        const int32_t low = _mm_cvtsi128_si32(both), high = _mm_extract_epi32(both, 2);
        memcpy(u, &low, 4);
        memcpy(v, &high, 4);
    }
}

/* Chroma of a cell: U and V side by side in a vector. */
static void smooth_chroma(const canvas *u, const canvas *v, int32_t row, int32_t col) {
    const int32_t n = hv_min(u->cell, 8);
    for (int32_t x = 0; x < u->cell; x += 8) {
        const ptrdiff_t at =
            row * u->cell * u->stride + ((ptrdiff_t)col * u->cell + x) * u->step;
        uint8_t *to_u = u->samples + at, *to_v = v->samples + at;
        for (int lower = 0; lower < 2; lower++) {
            ramp ru = ramp_of(u, row, col, x, lower), rv = ramp_of(v, row, col, x, lower);
            for (int32_t y = 0; y < u->cell / 2; y++, to_u += u->stride, to_v += u->stride)
                put(to_u, to_v, u->step, n, sixteen_bytes(&ru, &rv, u->shift));
        }
    }
}

/* Luma of 8 columns. */
static void smooth_8(const canvas *c, int32_t row, int32_t col) {
    uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell;
    for (int lower = 0; lower < 2; lower++) {
        ramp r = ramp_of(c, row, col, 0, lower), same = r;
        for (int32_t y = 0; y < c->cell / 2; y++, to += c->stride)
            _mm_storel_epi64((__m128i *)to, sixteen_bytes(&r, &same, c->shift));
    }
}

static inline void fill_luma(const canvas *c, int32_t row, int32_t col) {
    uint8_t *to = c->samples + row * c->cell * c->stride + (ptrdiff_t)col * c->cell;
    const __m256i v = _mm256_set1_epi8((char)c->colours[3 * (row * c->cols + col)]);
    for (int32_t y = 0; y < c->cell; y++, to += c->stride) {
        if (c->cell == 32) _mm256_storeu_si256((__m256i *)to, v);
        else if (c->cell == 16) _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(v));
        else _mm_storel_epi64((__m128i *)to, _mm256_castsi256_si128(v));
    }
}

static inline void fill_chroma(const canvas *u, const canvas *v, int32_t row, int32_t col) {
    const int32_t index = 3 * (row * u->cols + col), n = hv_min(u->cell, 8);
    const __m128i both = _mm_unpacklo_epi64(_mm_set1_epi8((char)u->colours[index]),
                                            _mm_set1_epi8((char)v->colours[index]));
    for (int32_t x = 0; x < u->cell; x += 8) {
        ptrdiff_t at = row * u->cell * u->stride + ((ptrdiff_t)col * u->cell + x) * u->step;
        for (int32_t y = 0; y < u->cell; y++, at += u->stride)
            put(u->samples + at, v->samples + at, u->step, n, both);
    }
}

static inline void paint_whole(const canvas plane[3], int32_t row, int32_t col, int32_t smooth) {
    if (!smooth) {
        fill_luma(&plane[0], row, col);
        fill_chroma(&plane[1], &plane[2], row, col);
        return;
    }
    if (plane[0].cell >= 16) smooth_16(&plane[0], row, col);
    else smooth_8(&plane[0], row, col);
    smooth_chroma(&plane[1], &plane[2], row, col);
}

static canvas canvas_of(uint8_t *samples, ptrdiff_t stride, int32_t step, int32_t cell,
                        const uint8_t *colours, int32_t cols, int32_t rows) {
    canvas c = {samples, stride, step, cell, 0, colours, cols, rows};
    while (1 << c.shift < 4 * cell * cell) c.shift++;
    return c;
}

void hv_paint_avx2(const hv_image *image, int32_t cell, const uint8_t *mask,
                   const uint8_t *colours, int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int beside = image->uv_step == 1 || image->v == image->u + 1;
    const int32_t whole_rows = beside ? image->height / cell : 0;
    const canvas plane[3] = {
        canvas_of(image->y, image->y_stride, 1, cell, colours, cols, rows),
        canvas_of(image->u, image->uv_stride, image->uv_step, cell / 2, colours + 1, cols, rows),
        canvas_of(image->v, image->uv_stride, image->uv_step, cell / 2, colours + 2, cols, rows)};
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            if (!mask[row * cols + col]) continue;
            if (row < whole_rows && (col + 1) * cell <= image->width)
                paint_whole(plane, row, col, smooth);
            else
                hv_paint_cell(image, cell, colours, row, col, smooth);
        }
    }
}
