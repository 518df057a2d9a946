/* libFuzzer target: every entry point that takes pixels, with arguments and samples from the
 * input. Each buffer is as large as the contract says and no larger, so that AddressSanitizer
 * sees a byte too much; what is accepted must come out as the reference makes it; what is
 * refused must leave everything as it was. run.sh builds and runs it. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *at, *end;
    uint32_t state; /* of the samples: the input itself only says how to make them */
} input;

static uint8_t byte(input *in) { return in->at < in->end ? *in->at++ : 0; }

static int32_t below(input *in, int32_t n) { return (byte(in) | byte(in) << 8) % n; }

static void require(int good) {
    if (!good) abort();
}

static uint8_t *buffer(size_t size) {
    uint8_t *memory = malloc(size ? size : 1);
    require(memory != NULL);
    return memory;
}

/* Any samples, or only the least and the most. */
static uint8_t *noise(input *in, size_t size) {
    uint8_t *memory = buffer(size);
    const int extreme = byte(in) & 1;
    in->state += byte(in);
    for (size_t i = 0; i < size; i++) {
        in->state = in->state * 1664525u + 1013904223u;
        const uint8_t any = (uint8_t)(in->state >> 24);
        memory[i] = extreme ? (uint8_t)(any & 1 ? 255 : 0) : any;
    }
    return memory;
}

/* A picture whose planes end with their last sample; v belongs to u where interleaved. */
typedef struct {
    hv_image image;
    uint8_t *y, *u, *v;
    size_t y_bytes, u_bytes;
} picture;

static uint8_t *rows_of(uint8_t *memory, ptrdiff_t *stride, int32_t rows, int down) {
    if (!down) return memory;
    uint8_t *last = memory + (rows - 1) * *stride;
    *stride = -*stride;
    return last;
}

static picture picture_of(input *in, int32_t w, int32_t h, int32_t step) {
    const int32_t cw = (w + 1) / 2, ch = (h + 1) / 2, down = byte(in) & 1;
    const int32_t pad = byte(in) % 4;
    picture p;
    memset(&p, 0, sizeof p);
    hv_image *i = &p.image;
    i->width = w, i->height = h, i->uv_step = step;
    i->bt709 = byte(in) & 1, i->full_range = byte(in) & 1;
    i->y_stride = w + pad, i->uv_stride = cw * step + pad;
    p.y_bytes = (size_t)(i->y_stride * (h - 1) + w);
    p.u_bytes = (size_t)(i->uv_stride * (ch - 1) + cw * step);
    p.y = noise(in, p.y_bytes), p.u = noise(in, p.u_bytes);
    p.v = step == 1 ? noise(in, p.u_bytes) : NULL;
    ptrdiff_t v_stride = i->uv_stride;
    i->y = rows_of(p.y, &i->y_stride, h, down);
    i->v = step == 1 ? rows_of(p.v, &v_stride, ch, down) : NULL;
    i->u = rows_of(p.u, &i->uv_stride, ch, down);
    if (step == 2) i->v = i->u + 1;
    return p;
}

static uint8_t *copied(const uint8_t *from, size_t size) {
    uint8_t *to = buffer(size);
    memcpy(to, from, size);
    return to;
}

/* The same picture in memory of its own. */
static picture twin_of(const picture *p) {
    picture q = *p;
    q.y = copied(p->y, p->y_bytes), q.u = copied(p->u, p->u_bytes);
    if (p->v) q.v = copied(p->v, p->u_bytes);
    q.image.y = q.y + (p->image.y - p->y);
    q.image.u = q.u + (p->image.u - p->u);
    q.image.v = p->v ? q.v + (p->image.v - p->v) : q.image.u + 1;
    return q;
}

static void require_equal(const picture *p, const picture *q) {
    require(memcmp(p->y, q->y, p->y_bytes) == 0 && memcmp(p->u, q->u, p->u_bytes) == 0);
    require(!p->v || memcmp(p->v, q->v, p->u_bytes) == 0);
}

static void drop(picture *p) { free(p->y), free(p->u), free(p->v); }

/* One case: two pictures of a size and a grid; `valid` says whether api.c must accept. */
typedef struct {
    input *in;
    picture a, b;
    int32_t cell;
    size_t cells;
    int valid_cell;
    const hv_table *c;
} trial;

static void expect(int status, int valid) {
    require((status == HV_OK) == (valid != 0));
}

static void change(trial *t) {
    const int32_t gain = below(t->in, 1200), offset = below(t->in, 560) - 280;
    const int valid = t->valid_cell && offset >= -255 && offset <= 255;
    const size_t n = t->cells * sizeof(int32_t), wide = t->cells * sizeof(int64_t);
    uint8_t *m[2][9];
    hv_change_out out[2];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 9; i++) m[k][i] = buffer(i < 6 ? n : wide);
        out[k] = (hv_change_out){(int32_t *)m[k][0], (int32_t *)m[k][1], (int32_t *)m[k][2],
                                 (int32_t *)m[k][3], (int32_t *)m[k][4], (int32_t *)m[k][5],
                                 (int64_t *)m[k][6], (int64_t *)m[k][7], (int64_t *)m[k][8]};
    }
    expect(hv_change(&t->a.image, &t->b.image, t->cell, gain, offset, &out[0]), valid);
    if (valid) t->c->change(&t->a.image, &t->b.image, t->cell, gain, offset, &out[1]);
    for (int i = 0; i < 9; i++) {
        if (valid) require(memcmp(m[0][i], m[1][i], i < 6 ? n : wide) == 0);
        free(m[0][i]), free(m[1][i]);
    }
}

static void paint(trial *t) {
    uint8_t *mask = noise(t->in, t->cells), *colours = noise(t->in, 3 * t->cells);
    const int32_t smooth = byte(t->in) & 1;
    for (size_t k = 0; k < t->cells; k++) mask[k] &= 1;
    picture other = twin_of(&t->a);
    expect(hv_paint(&t->a.image, t->cell, mask, colours, smooth), t->valid_cell);
    if (t->valid_cell) t->c->paint(&other.image, t->cell, mask, colours, smooth);
    require_equal(&t->a, &other);
    drop(&other), free(mask), free(colours);
}

static void copy_and_means(trial *t) {
    uint8_t *mask = buffer(t->cells), *found = buffer(6 * t->cells);
    memset(mask, 1, t->cells);
    uint8_t *to[6];
    for (int k = 0; k < 6; k++) to[k] = found + (size_t)k * t->cells;
    expect(hv_copy_cells(&t->a.image, &t->b.image, t->cell, mask), t->valid_cell);
    expect(hv_cell_means(&t->a.image, t->cell, to[0], to[1], to[2]), t->valid_cell);
    if (t->valid_cell) {
        hv_cell_means_of(t->c, &t->b.image, t->cell, to[3], to[4], to[5]);
        require(memcmp(found, found + 3 * t->cells, 3 * t->cells) == 0);
    }
    free(mask), free(found);
}

static void explain(trial *t) {
    uint8_t *allowed = noise(t->in, t->cells), *wanted = noise(t->in, t->cells);
    uint16_t *best = (uint16_t *)buffer(4 * t->cells);
    const int32_t step = below(t->in, 20);
    const int valid = t->valid_cell && step >= 1 && step <= t->cell;
    expect(hv_explain(&t->a.image, &t->b.image, t->cell, allowed, wanted, step, best), valid);
    if (valid) {
        hv_explain_of(t->c, &t->a.image, &t->b.image, t->cell, allowed, wanted, step,
                      best + t->cells);
        require(memcmp(best, best + t->cells, 2 * t->cells) == 0);
    }
    free(allowed), free(wanted), free(best);
}

/* Sometimes any eight bytes: NaN, infinity, numbers beyond every picture. */
static double edge(input *in) {
    double any;
    uint8_t bytes[sizeof any];
    if (byte(in) % 16) return (below(in, 2400) - 800) / 7.0;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = byte(in);
    memcpy(&any, bytes, sizeof any);
    return any;
}

static void thumbnail(trial *t) {
    const int32_t w = below(t->in, 80), h = below(t->in, 60);
    const double x0 = edge(t->in), y0 = edge(t->in), x1 = edge(t->in), y1 = edge(t->in);
    const ptrdiff_t stride = 3 * (ptrdiff_t)w;
    const size_t bytes = (size_t)(stride * h), needed = hv_thumbnail_scratch(x0, x1, w);
    uint8_t *rgb = buffer(2 * bytes), *scratch = buffer(needed);
    const int status = hv_thumbnail(&t->a.image, x0, y0, x1, y1, rgb, w, h, stride, scratch);
    require(needed || status != HV_OK);
    if (status == HV_OK) {
        const double roi[4] = {x0, y0, x1, y1};
        hv_thumbnail_of(t->c, &t->a.image, roi, rgb + bytes, w, h, stride, scratch);
        require(memcmp(rgb, rgb + bytes, bytes) == 0);
    }
    free(rgb), free(scratch);
}

static void colours(trial *t) {
    const ptrdiff_t stride = 3 * (ptrdiff_t)t->a.image.width;
    const size_t bytes = (size_t)(stride * t->a.image.height);
    uint8_t *one = buffer(bytes), *two = buffer(bytes);
    expect(hv_to_rgb(&t->a.image, one, stride), 1);
    hv_to_rgb_of(t->c, &t->a.image, two, stride);
    require(memcmp(one, two, bytes) == 0);
    expect(hv_from_rgb(one, stride, byte(t->in) & 1, &t->b.image), 1);
    const int32_t w = 1 + below(t->in, 40), h = 1 + below(t->in, 40);
    uint8_t *out = buffer((size_t)(3 * w * h));
    double affine[6];
    for (int i = 0; i < 6; i++) affine[i] = edge(t->in) / (i % 3 == 2 ? 1 : 64);
    (void)hv_warp(one, t->a.image.width, t->a.image.height, stride, affine, out, w, h, 3 * w);
    free(one), free(two), free(out);
}

static void growth(trial *t) {
    const int32_t cols = below(t->in, 90), rows = below(t->in, 40), radius = below(t->in, 12);
    const size_t n = (size_t)(cols * rows);
    uint8_t *mask = noise(t->in, n), *out = buffer(n);
    for (size_t i = 0; i < n; i++) mask[i] = mask[i] < 20;
    expect(hv_grow(mask, out, cols, rows, radius), cols && rows);
    for (size_t i = 0; i < n; i++) require(out[i] >= mask[i]);
    free(mask), free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const all[])(trial *) = {change,    paint,   copy_and_means, explain,
                                           thumbnail, colours, growth};
    static const int32_t cells[8] = {8, 16, 32, 8, 16, 32, 16, 12};
    input in = {data, data + size, (uint32_t)size};
    void (*const one)(trial *) = all[byte(&in) % (sizeof all / sizeof *all)];
    const int32_t w = 1 + below(&in, 140), h = 1 + below(&in, 80), step = 1 + (byte(&in) & 1);
    trial t = {.in = &in, .cell = cells[byte(&in) % 8], .c = hv_table_named("c")};
    t.valid_cell = t.cell != 12;
    t.cells = (size_t)(hv_ceil_div(w, t.cell) * hv_ceil_div(h, t.cell));
    t.a = picture_of(&in, w, h, step), t.b = picture_of(&in, w, h, step);
    one(&t);
    drop(&t.a), drop(&t.b);
    return 0;
}
