/* Planes to a small RGB picture of a region, for the models.
 *
 * Each output sample is a weighted mean of source samples along both axes. The weights of
 * one axis come from one rule: a window as wide as the larger of an output and a source
 * sample, area-weighted where it shrinks, and two-tap linear where it grows. */
#include <assert.h>
#include <string.h>

#include "kernels.h"

enum { WEIGHT_BITS = 12, WEIGHT_ONE = 1 << WEIGHT_BITS };

typedef struct {
    int32_t first, last; /* source samples, inclusive, before clamping to the plane */
    int32_t head, tail;  /* weights of the first and the last; those between weigh `body` */
    int32_t body;
    int32_t total;
} span;

static int32_t floor_of(double v) {
    const int32_t i = (int32_t)v;
    return v < i ? i - 1 : i;
}

/* Source span of output sample i, where the region [from, to) holds n output samples. */
static span span_of(double from, double to, int32_t n, int32_t i) {
    const double size = (to - from) / n;
    span s;
    if (size <= 1.0) { /* enlarging: linear between sample centres */
        const double at = from + (i + 0.5) * size - 0.5;
        s.first = floor_of(at);
        s.last = s.first + 1;
        s.tail = (int32_t)((at - s.first) * WEIGHT_ONE + 0.5);
        s.head = WEIGHT_ONE - s.tail;
        s.body = 0;
    } else {
        const double low = from + i * size, high = low + size;
        s.first = floor_of(low);
        s.last = floor_of(high);
        if (high - s.last < 1e-9) s.last -= 1;
        s.body = WEIGHT_ONE;
        s.head = (int32_t)((s.first + 1 - low) * WEIGHT_ONE + 0.5);
        s.tail = (int32_t)((high - s.last) * WEIGHT_ONE + 0.5);
        if (s.last <= s.first) s.last = s.first, s.head = WEIGHT_ONE, s.tail = 0;
    }
    s.total = s.last == s.first ? s.head
                                : s.head + s.tail + (s.last - s.first - 1) * s.body;
    return s;
}

static int32_t weight(const span *s, int32_t i) {
    return i == s->first ? s->head : i == s->last ? s->tail : s->body;
}

/* One source row of one plane, resampled along x: weighted sums per output column. */
static void across(const uint8_t *row, int32_t step, int32_t width, const span *columns,
                   int32_t out_width, int64_t *sums) {
    for (int32_t i = 0; i < out_width; i++) {
        const span *s = &columns[i];
        if (s->first >= 0 && s->last < width && s->last == s->first + 1) {
            const uint8_t *p = row + (ptrdiff_t)s->first * step;
            sums[i] = s->head * p[0] + s->tail * p[step];
            continue;
        }
        int64_t sum = 0;
        if (s->first >= 0 && s->last < width) {
            const uint8_t *p = row + (ptrdiff_t)s->first * step;
            if (s->last == s->first) {
                sum = (int64_t)s->head * p[0];
            } else {
                const int32_t inner = s->last - s->first;
                int32_t body = 0;
                for (int32_t k = 1; k < inner; k++) body += p[(ptrdiff_t)k * step];
                sum = (int64_t)s->head * p[0] + (int64_t)s->tail * p[(ptrdiff_t)inner * step] +
                      (int64_t)s->body * body;
            }
        } else {
            for (int32_t x = s->first; x <= s->last; x++)
                sum += (int64_t)weight(s, x) *
                       row[(ptrdiff_t)hv_clamp(x, 0, width - 1) * step];
        }
        sums[i] = sum;
    }
}

/* The last two source rows of a plane that were resampled along x: where a picture is
 * enlarged, the next output row needs the same two. */
typedef struct {
    int32_t y[2];
    int64_t *sums[2];
} row_cache;

static const int64_t *cached(row_cache *cache, const uint8_t *plane, ptrdiff_t stride,
                             int32_t step, int32_t width, int32_t y, const span *columns,
                             int32_t out_width) {
    const int slot = y & 1;
    if (cache->y[slot] != y) {
        across(plane + y * stride, step, width, columns, out_width, cache->sums[slot]);
        cache->y[slot] = y;
    }
    return cache->sums[slot];
}

/* sums / total, rounded. Both are whole and below 2^53, and a quotient below 256 that is
 * not whole is further from a whole number than a double's error, so doubles are exact. */
static void divide(const int64_t *sums, const span *columns, int64_t rows_total,
                   int32_t out_width, uint8_t *line) {
    for (int32_t i = 0; i < out_width; i++) {
        const int64_t total = (int64_t)columns[i].total * rows_total;
        const int64_t most = sums[i] + total / 2;
        if (total == (int64_t)WEIGHT_ONE * WEIGHT_ONE)
            line[i] = (uint8_t)(most >> (2 * WEIGHT_BITS));
        else
            line[i] = (uint8_t)((double)most / (double)total);
    }
}

/* One enlarged line between two resampled rows, both axes linear: sums stay below 2^32,
 * 255 * 2^24 and half a unit more. */
static void enlarged_line(const int64_t *above, const int64_t *below, uint32_t head, uint32_t tail,
                          int32_t out_width, uint8_t *line) {
    for (int32_t i = 0; i < out_width; i++) {
        const uint32_t sum = (uint32_t)above[i] * head + (uint32_t)below[i] * tail;
        line[i] = (uint8_t)((sum + (1u << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
    }
}

static void plane_line(const uint8_t *plane, ptrdiff_t stride, int32_t step, int32_t width,
                       int32_t height, const span *columns, int32_t out_width, const span *rows,
                       row_cache *cache, int64_t *sums, uint8_t *line) {
    if (columns[0].body == 0 && rows->body == 0 && rows->last == rows->first + 1) {
        const int32_t y0 = hv_clamp(rows->first, 0, height - 1);
        const int32_t y1 = hv_clamp(rows->last, 0, height - 1);
        const int64_t *above = cached(cache, plane, stride, step, width, y0, columns, out_width);
        const int64_t *below = cached(cache, plane, stride, step, width, y1, columns, out_width);
        enlarged_line(above, below, (uint32_t)rows->head, (uint32_t)rows->tail, out_width, line);
        return;
    }
    memset(sums, 0, sizeof(*sums) * (size_t)out_width);
    for (int32_t y = rows->first; y <= rows->last; y++) {
        const int64_t wy = weight(rows, y);
        if (!wy) continue;
        const int64_t *row = cached(cache, plane, stride, step, width,
                                    hv_clamp(y, 0, height - 1), columns, out_width);
        for (int32_t i = 0; i < out_width; i++) sums[i] += wy * row[i];
    }
    divide(sums, columns, rows->total, out_width, line);
}

size_t hv_thumbnail_scratch(int32_t out_width) {
    return (size_t)out_width * (2 * sizeof(span) + 7 * sizeof(int64_t) + 3) + 64;
}

void hv_thumbnail_c(const hv_image *image, double x0, double y0, double x1, double y1,
                    uint8_t *rgb, int32_t out_width, int32_t out_height, ptrdiff_t rgb_stride,
                    void *scratch) {
    assert(x1 > x0 && y1 > y0);
    int64_t *sums = scratch;
    row_cache caches[3];
    for (int plane = 0; plane < 3; plane++) {
        for (int slot = 0; slot < 2; slot++) {
            caches[plane].y[slot] = -1;
            caches[plane].sums[slot] = sums + (ptrdiff_t)out_width * (1 + 2 * plane + slot);
        }
    }
    span *luma_columns = (span *)(sums + (ptrdiff_t)7 * out_width);
    span *chroma_columns = luma_columns + out_width;
    uint8_t *y_line = (uint8_t *)(chroma_columns + out_width);
    uint8_t *u_line = y_line + out_width, *v_line = u_line + out_width;
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    for (int32_t i = 0; i < out_width; i++) {
        luma_columns[i] = span_of(x0, x1, out_width, i);
        chroma_columns[i] = span_of(x0 / 2, x1 / 2, out_width, i);
    }
    for (int32_t j = 0; j < out_height; j++) {
        const span luma_rows = span_of(y0, y1, out_height, j);
        const span chroma_rows = span_of(y0 / 2, y1 / 2, out_height, j);
        plane_line(image->y, image->y_stride, 1, image->width, image->height, luma_columns,
                   out_width, &luma_rows, &caches[0], sums, y_line);
        plane_line(image->u, image->uv_stride, image->uv_step, uv_width, uv_height, chroma_columns,
                   out_width, &chroma_rows, &caches[1], sums, u_line);
        plane_line(image->v, image->uv_stride, image->uv_step, uv_width, uv_height, chroma_columns,
                   out_width, &chroma_rows, &caches[2], sums, v_line);
        for (int32_t i = 0; i < out_width; i++)
            hv_yuv_to_rgb(image, y_line[i], u_line[i], v_line[i], rgb + j * rgb_stride + 3 * i);
    }
}
