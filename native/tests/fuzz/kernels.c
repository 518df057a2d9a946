/* libFuzzer target: any layout, any arguments. Whatever the entry points accept must neither
 * read nor write outside buffers that are not a byte longer than they must be, and every
 * kernel set must give what the reference gives. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *data;
    size_t size, at;
} source;

static uint8_t byte(source *s) { return s->at < s->size ? s->data[s->at++] : (uint8_t)s->at++; }
static int32_t word(source *s) { return byte(s) | byte(s) << 8; }

static double real(source *s) {
    static const double odd[4] = {0, 1e-3, 65535.5, -65535.5};
    const int32_t kind = byte(s);
    if (kind < 4) return odd[kind];
    if (kind < 250) return (word(s) - 20000) / (kind < 128 ? 64.0 : 7.0);
    double any;
    for (size_t i = 0; i < sizeof any; i++) ((uint8_t *)&any)[i] = byte(s);
    return any;
}

static void *memory(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) abort();
    return p;
}

typedef struct {
    hv_image image;
    uint8_t *y, *u, *v; /* v: NULL where it lies in u */
    size_t y_bytes, uv_bytes;
} picture;

static uint8_t *plane(source *s, int32_t rows, ptrdiff_t stride, ptrdiff_t last, size_t *bytes) {
    *bytes = (size_t)((rows - 1) * stride + last);
    uint8_t *p = memory(*bytes);
    const int32_t seed = word(s);
    for (size_t i = 0; i < *bytes; i++)
        p[i] = seed & 1 ? (uint8_t)((uint32_t)seed * 40503u * (uint32_t)i >> 13) : (uint8_t)seed;
    return p;
}

static picture picture_of(source *s, int32_t w, int32_t h, int32_t layout) {
    const int32_t cw = (w + 1) / 2, ch = (h + 1) / 2, step = layout == 0 ? 1 : 2;
    const int32_t flipped = byte(s) & 1;
    const ptrdiff_t last = layout == 1 ? 2 * cw : (cw - 1) * step + 1;
    const ptrdiff_t ys = w + byte(s) % 40, us = last + byte(s) % 40;
    picture p;
    memset(&p, 0, sizeof p);
    p.y = plane(s, h, ys, w, &p.y_bytes);
    p.u = plane(s, ch, us, last, &p.uv_bytes);
    if (layout != 1) p.v = plane(s, ch, us, last, &p.uv_bytes);
    p.image = (hv_image){p.y, p.u, p.v ? p.v : p.u + 1, ys, us, step, w, h, byte(s) & 1, byte(s) & 1};
    if (flipped) {
        p.image.y += (h - 1) * ys, p.image.y_stride = -ys;
        p.image.u += (ch - 1) * us, p.image.v += (ch - 1) * us, p.image.uv_stride = -us;
    }
    return p;
}

static picture twin(const picture *from) {
    picture p = *from;
    p.y = memory(p.y_bytes), memcpy(p.y, from->y, p.y_bytes);
    p.u = memory(p.uv_bytes), memcpy(p.u, from->u, p.uv_bytes);
    p.image.y = p.y + (from->image.y - from->y);
    p.image.u = p.u + (from->image.u - from->u);
    if (from->v) {
        p.v = memory(p.uv_bytes), memcpy(p.v, from->v, p.uv_bytes);
        p.image.v = p.v + (from->image.v - from->v);
    } else {
        p.image.v = p.u + (from->image.v - from->u);
    }
    return p;
}

static void done(picture *p) { free(p->y), free(p->u), free(p->v); }

static void must(int good) {
    if (!good) abort();
}

static int alike(const picture *a, const picture *b) {
    return !memcmp(a->y, b->y, a->y_bytes) && !memcmp(a->u, b->u, a->uv_bytes) &&
           (!a->v || !memcmp(a->v, b->v, a->uv_bytes));
}

static uint8_t *noise(source *s, size_t n, int32_t mask) {
    uint8_t *p = memory(n);
    const uint32_t seed = (uint32_t)word(s);
    for (size_t i = 0; i < n; i++)
        p[i] = mask ? (uint8_t)(seed >> (i % 16) & 1) : (uint8_t)(seed * (i + 7) >> 4);
    return p;
}

static void try_thumbnail(source *s, const hv_table *c, picture *a) {
    const double roi[4] = {real(s), real(s), real(s), real(s)};
    const int32_t w = byte(s) % 120, h = byte(s) % 60;
    const size_t bytes = (size_t)(w * h * 3), scratch = hv_thumbnail_scratch(roi[0], roi[2], w);
    uint8_t *fast = memory(bytes), *slow = memory(bytes), *work = memory(scratch);
    const int status = hv_thumbnail(&a->image, roi[0], roi[1], roi[2], roi[3], fast, w, h,
                                    (ptrdiff_t)w * 3, work);
    if (status == HV_OK) {
        hv_thumbnail_of(c, &a->image, roi, slow, w, h, (ptrdiff_t)w * 3, work);
        must(memcmp(fast, slow, bytes) == 0);
    }
    free(fast), free(slow), free(work);
}

static void try_change(source *s, const hv_table *c, picture *a, picture *b, int32_t cell,
                       size_t n) {
    hv_change_out out[2];
    const int32_t gain = word(s), offset = word(s) % 600 - 300;
    void *all[2][9];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 9; i++) all[k][i] = memory(n * (i < 6 ? 4 : 8));
        out[k] = (hv_change_out){all[k][0], all[k][1], all[k][2], all[k][3], all[k][4],
                                 all[k][5], all[k][6], all[k][7], all[k][8]};
    }
    if (hv_change(&a->image, &b->image, cell, gain, offset, &out[0]) == HV_OK) {
        c->change(&a->image, &b->image, cell, gain, offset, &out[1]);
        for (int i = 0; i < 9; i++) must(!memcmp(all[0][i], all[1][i], n * (i < 6 ? 4 : 8)));
    }
    for (int i = 0; i < 18; i++) free(all[i / 9][i % 9]);
}

static void try_writers(source *s, const hv_table *c, picture *a, picture *b, int32_t cell,
                        size_t n) {
    uint8_t *mask = noise(s, n, 1), *colours = noise(s, 3 * n, 0);
    const int32_t smooth = byte(s) & 1;
    picture other = twin(a);
    if (hv_paint(&a->image, cell, mask, colours, smooth) == HV_OK) {
        c->paint(&other.image, cell, mask, colours, smooth);
        must(alike(a, &other));
    }
    if (hv_copy_cells(&a->image, &b->image, cell, mask) == HV_OK)
        must(hv_copy_cells(&a->image, &b->image, cell, mask) == HV_OK);
    done(&other), free(mask), free(colours);
}

static void try_readers(source *s, const hv_table *c, picture *a, picture *b, int32_t cell,
                        size_t n) {
    uint8_t *allowed = noise(s, n, 1), *wanted = noise(s, n, 1), *means = memory(6 * n);
    uint8_t *explained = memory(2 * n);
    uint16_t *most = memory(2 * n);
    for (size_t k = 0; k < n; k++) most[k] = (uint16_t)(byte(s) << (byte(s) % 9));
    const int32_t step = byte(s) % 40;
    if (hv_explain(&a->image, &b->image, cell, allowed, wanted, most, step, explained) == HV_OK) {
        hv_explain_of(c, &a->image, &b->image, cell, allowed, wanted, most, step, explained + n);
        must(!memcmp(explained, explained + n, n));
    }
    if (hv_cell_means(&a->image, cell, means, means + n, means + 2 * n) == HV_OK) {
        hv_cell_means_of(c, &a->image, cell, means + 3 * n, means + 4 * n, means + 5 * n);
        must(!memcmp(means, means + 3 * n, 3 * n));
    }
    double *luma = memory(4 * n * sizeof *luma);
    if (hv_luma_means(&a->image, cell, luma) == HV_OK) {
        hv_luma_means_of(c, &a->image, NULL, cell, luma + n);
        must(!memcmp(luma, luma + n, n * sizeof *luma));
    }
    if (hv_luma_differences(&a->image, &b->image, cell, luma + 2 * n) == HV_OK) {
        hv_luma_means_of(c, &a->image, &b->image, cell, luma + 3 * n);
        must(!memcmp(luma + 2 * n, luma + 3 * n, n * sizeof *luma));
    }
    const size_t pixels = (size_t)a->image.width * (size_t)a->image.height * 3;
    uint8_t *rgb = memory(2 * pixels);
    if (hv_to_rgb(&a->image, rgb, (ptrdiff_t)a->image.width * 3) == HV_OK) {
        hv_to_rgb_of(c, &a->image, rgb + pixels, (ptrdiff_t)a->image.width * 3);
        must(!memcmp(rgb, rgb + pixels, pixels));
    }
    hv_grow(allowed, wanted, (int32_t)n, 1, step);
    int32_t *labels = memory(n * sizeof *labels), count = 0;
    for (int32_t cols = 1; cols <= 7; cols += 2) {
        const int32_t rows = (int32_t)n / cols;
        if (hv_label(allowed, labels, cols, rows, step & 1, &count) != HV_OK) continue;
        for (int32_t k = 0; k < cols * rows; k++)
            must(allowed[k] ? labels[k] > 0 && labels[k] <= count : !labels[k]);
    }
    free(labels);
    free(allowed), free(wanted), free(means), free(explained), free(most), free(luma), free(rgb);
}

static void try_resample(source *s) {
    const int32_t taps = byte(s) % 40, up = byte(s) % 8;
    const size_t n = byte(s), count = byte(s);
    float *samples = memory(n * sizeof *samples), *out = memory(count * sizeof *out);
    float *weights = memory((size_t)(taps * up) * sizeof *weights);
    for (size_t i = 0; i < n; i++) samples[i] = (float)byte(s);
    for (int32_t i = 0; i < taps * up; i++) weights[i] = (float)byte(s);
    const hv_filter filter = {weights, up, byte(s), taps};
    hv_resample(samples, n, &filter, byte(s) % 16 ? word(s) : -1, out, count);
    free(samples), free(out), free(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    source s = {data, size, 0};
    const hv_table *c = hv_table_named("c");
    const int32_t w = 1 + byte(&s) % 150, h = 1 + byte(&s) % 100, layout = byte(&s) % 3;
    const int32_t cell = byte(&s) % 16 ? 8 << byte(&s) % 3 : byte(&s);
    picture a = picture_of(&s, w, h, layout), b = picture_of(&s, w, h, layout);
    const int32_t side = cell < 1 ? 1 : cell;
    const size_t n = (size_t)hv_ceil_div(w, side) * (size_t)hv_ceil_div(h, side);
    switch (byte(&s) % 5) {
    case 0: try_thumbnail(&s, c, &a); break;
    case 1: try_change(&s, c, &a, &b, cell, n); break;
    case 2: try_writers(&s, c, &a, &b, cell, n); break;
    case 4: try_resample(&s); break;
    default: try_readers(&s, c, &a, &b, cell, n); break;
    }
    done(&a), done(&b);
    return 0;
}
