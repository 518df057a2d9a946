/* The veil with AVX2; the arithmetic is explained in paint.c. Cells that the frame cuts go to
 * the reference.
 *
 * A strip is 8 columns of a cell in one plane, as 16-bit values: the upper half of the cell's
 * rows in the lower 8 lanes, the lower half in the upper, because both run alike. Two strips
 * are painted together, so that their bytes fill a vector. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

/* How a strip's values come from the 9 bytes of a cell's colour and its neighbours' (Y, U, V
 * left, here, right): which bytes, in pairs, and their weights. */
typedef struct {
    __m256i pairs, weights;
} strip;

typedef struct {
    strip luma[4], u[2], v[2];
    int32_t slope_bits; /* of luma; of chroma one less */
    const uint8_t *colours;
    int32_t cols, rows;
} brush;

/* Values of two strips, in the rows that come next, and how they grow. */
typedef struct {
    __m256i a, b, slope_a, slope_b;
} ramps;

static strip strip_of(int32_t plane, int32_t cell, int32_t x0) {
    uint8_t pairs[32], weights[32];
    for (int32_t i = 0; i < 16; i++) {
        const int32_t x = x0 + i % 8, late = x >= cell / 2;
        const int32_t fx = 2 * x + 1 + (late ? -cell : cell), weight = fx * (64 / cell);
        pairs[2 * i] = (uint8_t)(plane + 3 * late), pairs[2 * i + 1] = (uint8_t)(pairs[2 * i] + 3);
        weights[2 * i] = (uint8_t)(128 - weight), weights[2 * i + 1] = (uint8_t)weight;
    }
    return (strip){_mm256_loadu_si256((const __m256i *)pairs),
                   _mm256_loadu_si256((const __m256i *)weights)};
}

static brush brush_of(const uint8_t *colours, int32_t cols, int32_t rows, int32_t cell) {
    brush b = {.slope_bits = 0, .colours = colours, .cols = cols, .rows = rows};
    while (2 << b.slope_bits < cell) b.slope_bits++;
    for (int32_t x = 0; x < cell; x += 8) b.luma[x / 8] = strip_of(0, cell, x);
    for (int32_t x = 0; x < cell / 2; x += 8) {
        b.u[x / 8] = strip_of(1, cell / 2, x); /* of 4 columns the rest is not stored */
        b.v[x / 8] = strip_of(2, cell / 2, x);
    }
    return b;
}

/* The 9 bytes round a cell in row `row`, which is clamped. */
static inline __m128i colours_of(const brush *b, int32_t row, int32_t col) {
    const int32_t at = hv_clamp(row, 0, b->rows - 1) * b->cols + col;
    if (col > 0 && 3 * (at - 1) + 16 <= 3 * b->rows * b->cols && col + 1 < b->cols)
        return _mm_loadu_si128((const __m128i *)(b->colours + 3 * (at - 1)));
    uint8_t bytes[16] = {0};
    memcpy(bytes, b->colours + 3 * (at - (col > 0)), 3);
    memcpy(bytes + 3, b->colours + 3 * at, 3);
    memcpy(bytes + 6, b->colours + 3 * (at + (col + 1 < b->cols)), 3);
    return _mm_loadu_si128((const __m128i *)bytes);
}

/* Colours above, at and below the rows of either half. */
typedef struct {
    __m256i top, middle, bottom;
} corners;

static inline corners corners_of(const brush *b, int32_t row, int32_t col) {
    const __m128i above = colours_of(b, row - 1, col), here = colours_of(b, row, col);
    const __m128i below = colours_of(b, row + 1, col);
    return (corners){_mm256_set_m128i(here, above), _mm256_set_m128i(here, here),
                     _mm256_set_m128i(below, here)};
}

static inline __m256i across(__m256i colours, const strip *s) {
    return _mm256_maddubs_epi16(_mm256_shuffle_epi8(colours, s->pairs), s->weights);
}

static inline __m256i start_of(const corners *c, const strip *s, int32_t bits, __m256i *slope) {
    const __m256i top = across(c->top, s);
    const __m256i whole = _mm256_sub_epi16(across(c->bottom, s), top);
    const __m256i half = _mm256_set1_epi16((int16_t)(1 << bits >> 1));
    const __m256i one = _mm256_set1_epi16((int16_t)(1 << bits));
    *slope = _mm256_sra_epi16(_mm256_add_epi16(whole, half), _mm_cvtsi32_si128(bits));
    const __m256i start =
        _mm256_sra_epi16(_mm256_add_epi16(whole, one), _mm_cvtsi32_si128(bits + 1));
    return _mm256_add_epi16(_mm256_add_epi16(top, across(c->middle, s)),
                            _mm256_add_epi16(start, _mm256_set1_epi16(128)));
}

static inline ramps ramps_of(const corners *c, const strip *a, const strip *b, int32_t bits) {
    ramps r;
    r.a = start_of(c, a, bits, &r.slope_a);
    r.b = start_of(c, b, bits, &r.slope_b);
    return r;
}

/* A row of the upper half and its like of the lower, strip a's bytes before b's in each; on
 * to the next. */
static inline __m256i next(ramps *r) {
    const __m256i bytes =
        _mm256_packus_epi16(_mm256_srli_epi16(r->a, 8), _mm256_srli_epi16(r->b, 8));
    r->a = _mm256_add_epi16(r->a, r->slope_a);
    r->b = _mm256_add_epi16(r->b, r->slope_b);
    return bytes;
}

/* Where the two planes of a pair of strips go. */
typedef struct {
    uint8_t *a, *b;
    ptrdiff_t stride;
} place;

enum form { SIXTEEN, EIGHT, EIGHT_AND_EIGHT, FOUR_AND_FOUR, MIXED_16, MIXED_8 };

static inline void put(uint8_t *a, uint8_t *b, __m128i v, enum form form) {
    const int32_t low = _mm_cvtsi128_si32(v), high = _mm_extract_epi32(v, 2);
    switch (form) {
    case SIXTEEN: case MIXED_16: _mm_storeu_si128((__m128i *)a, v); break;
    case EIGHT: case MIXED_8: _mm_storel_epi64((__m128i *)a, v); break;
    case EIGHT_AND_EIGHT:
        _mm_storel_epi64((__m128i *)a, v);
        _mm_storeh_pi((__m64 *)b, _mm_castsi128_ps(v));
        break;
    case FOUR_AND_FOUR: memcpy(a, &low, 4), memcpy(b, &high, 4); break;
    }
}

static inline void paint_strips(ramps r, place to, int32_t half, enum form form) {
    const __m256i mix = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0,
                                         8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const ptrdiff_t down = half * to.stride;
    for (int32_t y = 0; y < half; y++, to.a += to.stride, to.b += to.stride) {
        __m256i bytes = next(&r);
        if (form == MIXED_16 || form == MIXED_8) bytes = _mm256_shuffle_epi8(bytes, mix);
        put(to.a, to.b, _mm256_castsi256_si128(bytes), form);
        put(to.a + down, to.b + down, _mm256_extracti128_si256(bytes, 1), form);
    }
}

static inline void smooth_luma(const brush *b, const corners *c, place to, int32_t cell) {
    if (cell == 8) {
        paint_strips(ramps_of(c, b->luma, b->luma, b->slope_bits), to, 4, EIGHT);
        return;
    }
    for (int32_t k = 0; k < cell / 8; k += 2, to.a += 16)
        paint_strips(ramps_of(c, &b->luma[k], &b->luma[k + 1], b->slope_bits), to, cell / 2,
                     SIXTEEN);
}

static inline void smooth_chroma(const brush *b, const corners *c, place to, int32_t step,
                                 int32_t cell) {
    const int32_t bits = b->slope_bits - 1, half = cell / 4;
    for (int32_t k = 0; 16 * k < cell; k++, to.a += 8 * step, to.b += 8 * step) {
        const ramps r = ramps_of(c, &b->u[k], &b->v[k], bits);
        if (cell == 8) paint_strips(r, to, half, step == 2 ? MIXED_8 : FOUR_AND_FOUR);
        else paint_strips(r, to, half, step == 2 ? MIXED_16 : EIGHT_AND_EIGHT);
    }
}

static inline void fill(place to, int32_t width, int32_t height, uint8_t colour) {
    const __m128i v = _mm_set1_epi8((char)colour);
    for (int32_t y = 0; y < height; y++, to.a += to.stride) {
        if (width == 4) put(to.a, to.a, v, FOUR_AND_FOUR);
        else if (width == 8) put(to.a, to.a, v, EIGHT);
        else
            for (int32_t x = 0; x < width; x += 16) put(to.a + x, to.a + x, v, SIXTEEN);
    }
}

static inline void fill_mixed(place to, int32_t bytes, int32_t height, uint8_t u, uint8_t v) {
    const __m128i both = _mm_set1_epi16((int16_t)(u | v << 8));
    for (int32_t y = 0; y < height; y++, to.a += to.stride) {
        if (bytes == 8) put(to.a, to.a, both, EIGHT);
        else
            for (int32_t x = 0; x < bytes; x += 16) put(to.a + x, to.a + x, both, SIXTEEN);
    }
}

static inline void fill_cell(place luma, place chroma, int32_t step, int32_t cell,
                             const uint8_t *colour) {
    const int32_t half = cell / 2;
    fill(luma, cell, cell, colour[0]);
    if (step == 2) {
        fill_mixed(chroma, cell, half, colour[1], colour[2]);
        return;
    }
    fill(chroma, half, half, colour[1]);
    chroma.a = chroma.b;
    fill(chroma, half, half, colour[2]);
}

static inline void paint_whole(const brush *b, const hv_image *image, int32_t row, int32_t col,
                               int32_t smooth, int32_t cell) {
    const int32_t half = cell / 2, step = image->uv_step;
    const ptrdiff_t at = row * half * image->uv_stride + (ptrdiff_t)col * half * step;
    uint8_t *y = image->y + row * cell * image->y_stride + (ptrdiff_t)col * cell;
    const place luma = {y, y, image->y_stride};
    const place chroma = {image->u + at, image->v + at, image->uv_stride};
    if (smooth) {
        const corners c = corners_of(b, row, col);
        smooth_luma(b, &c, luma, cell);
        smooth_chroma(b, &c, chroma, step, cell);
    } else {
        fill_cell(luma, chroma, step, cell, b->colours + 3 * (row * b->cols + col));
    }
}

/* With the cell's size a constant in each. */
static void paint_one(const brush *b, const hv_image *image, int32_t row, int32_t col,
                      int32_t smooth, int32_t cell) {
    if (cell == 8) paint_whole(b, image, row, col, smooth, 8);
    else if (cell == 16) paint_whole(b, image, row, col, smooth, 16);
    else paint_whole(b, image, row, col, smooth, 32);
}

void hv_paint_avx2(const hv_image *image, int32_t cell, const uint8_t *mask,
                   const uint8_t *colours, int32_t smooth) {
    const int32_t cols = hv_ceil_div(image->width, cell), rows = hv_ceil_div(image->height, cell);
    const int beside = image->uv_step == 1 || image->v == image->u + 1;
    const int32_t whole_rows = beside ? image->height / cell : 0;
    const brush b = brush_of(colours, cols, rows, cell);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++) {
            if (!mask[row * cols + col]) continue;
            if (row < whole_rows && (col + 1) * cell <= image->width)
                paint_one(&b, image, row, col, smooth, cell);
            else
                hv_paint_cell(image, cell, colours, row, col, smooth);
        }
    }
}
