/* Weights of a resampling along one axis.
 *
 * One rule: a window as wide as the larger of an output and a source sample; area-weighted
 * where it shrinks, linear between two samples where it grows. Weights are whole and sum up
 * to HV_ONE, so that no division is left and a flat picture stays flat. */
#include <string.h>

#include "kernels.h"

static int32_t floor_of(double v) {
    const int32_t i = (int32_t)v;
    return v < i ? i - 1 : i;
}

hv_taps hv_taps_of(double from, double to, int32_t n, int32_t i) {
    const double size = (to - from) / n;
    hv_taps t;
    if (size <= 1.0) {
        const double at = from + (i + 0.5) * size - 0.5;
        t.first = floor_of(at), t.count = 2;
        t.tail = (int32_t)((at - t.first) * HV_ONE + 0.5);
        t.head = HV_ONE - t.tail;
        t.body = 0;
        return t;
    }
    const double low = from + i * size, high = low + size;
    t.first = floor_of(low);
    t.count = floor_of(high) - t.first + 1;
    if (t.count > 1 && high - floor_of(high) < 1e-9) t.count -= 1;
    /* Rounded down, all alike, so that those between can be added before they are weighed;
     * what is missing, at most one per sample, falls to the last. */
    t.body = (int32_t)(HV_ONE / size);
    if (t.count == 1) {
        t.head = HV_ONE, t.tail = 0;
        return t;
    }
    const int32_t ends = HV_ONE - (t.count - 2) * t.body;
    t.head = hv_min((int32_t)((t.first + 1 - low) / size * HV_ONE + 0.5), ends);
    t.tail = ends - t.head;
    return t;
}

/* Taps that a table needs: a window of `size` samples touches one more than it is wide. */
static int32_t table_taps(double size) {
    if (size <= 1.0) return 2;
    if (size <= 3.0) return 4;
    return ((int32_t)size + 2 + 7) / 8 * 8;
}

static int32_t whole_groups(int32_t n) { return hv_ceil_div(n, HV_GROUP) * HV_GROUP; }

size_t hv_columns_bytes(double size, int32_t n) {
    /* A little more, because the table's own size comes from other roundings. */
    const size_t taps = (size_t)table_taps(size / n + 1e-6), outputs = (size_t)whole_groups(n);
    return outputs * (sizeof(int32_t) + taps * sizeof(int16_t) + 2 * taps);
}

/* Bytes of the samples of output i among those of its group. */
static void shuffle_of(uint8_t *shuffle, int32_t taps, int32_t ahead) {
    for (int32_t k = 0; k < 2 * taps; k++) shuffle[k] = (uint8_t)(2 * ahead + k);
}

hv_columns hv_columns_of(double from, double to, int32_t n, int32_t width, void *memory,
                         int32_t *x0, int32_t *x1) {
    const int32_t taps = table_taps((to - from) / n), outputs = whole_groups(n);
    int32_t *base = memory;
    int16_t *weights = (int16_t *)(base + outputs);
    uint8_t *shuffle = (uint8_t *)(weights + (ptrdiff_t)outputs * taps);
    memset(weights, 0, (size_t)outputs * (size_t)taps * sizeof *weights);
    for (int32_t i = 0; i < n; i++) {
        const hv_taps t = hv_taps_of(from, to, n, i);
        const int32_t start = hv_clamp(t.first, 0, width - 1);
        int16_t *w = weights + (ptrdiff_t)i * taps;
        for (int32_t k = 0; k < t.count; k++) { /* the edge's sample stands for those beyond */
            const int32_t weight = k == 0 ? t.head : k == t.count - 1 ? t.tail : t.body;
            const int32_t at = hv_clamp(t.first + k, 0, width - 1) - start;
            w[at] = (int16_t)(w[at] + weight);
        }
        if (i == 0) *x0 = start;
        base[i] = start - *x0;
        *x1 = hv_clamp(t.first + t.count, 1, width);
    }
    for (int32_t i = n; i < outputs; i++) base[i] = base[n - 1];
    const int32_t group = taps <= 4 ? 8 / taps : 1;
    for (int32_t i = 0; taps <= 4 && i < outputs; i++)
        shuffle_of(shuffle + (ptrdiff_t)i * taps * 2, taps, base[i] - base[i - i % group]);
    return (hv_columns){n, taps, base, weights, shuffle};
}
