/* Parity of every kernel set with the scalar reference, and safety of the entry points.
 *
 * Images have canaries round every row and plane; sizes run over 0..2 vectors + 1, strides
 * are padded, or negative (bottom-up). Built under ASan and UBSan by run.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { CANARY = 0xA5, PAD = 32 };

static int failures;
static int checks;
static uint32_t state = 12345;

static uint32_t rnd(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void expect(int good, const char *what, int a, int b) {
    checks++;
    if (good) return;
    failures++;
    fprintf(stderr, "FAILED %s (%d, %d)\n", what, a, b);
}

typedef struct {
    hv_image image;
    uint8_t *memory;
    size_t size;
} canvas;

/* step 1: I420, 2: NV12. down: rows stored bottom-up, negative strides. */
static canvas make(int w, int h, int step, int down) {
    const int cw = (w + 1) / 2, ch = (h + 1) / 2;
    const ptrdiff_t ys = w + 2 * PAD, us = cw * step + 2 * PAD;
    const size_t y_bytes = (size_t)ys * (size_t)(h + 2), u_bytes = (size_t)us * (size_t)(ch + 2);
    canvas c;
    c.size = y_bytes + 2 * u_bytes;
    c.memory = malloc(c.size);
    if (!c.memory) abort();
    memset(c.memory, CANARY, c.size);
    hv_image *i = &c.image;
    memset(i, 0, sizeof *i);
    i->width = w, i->height = h, i->uv_step = step;
    i->y = c.memory + ys + PAD;
    i->u = c.memory + y_bytes + us + PAD;
    i->v = step == 1 ? c.memory + y_bytes + u_bytes + us + PAD : i->u + 1;
    i->y_stride = ys, i->uv_stride = us;
    if (down) {
        i->y += (h - 1) * ys, i->y_stride = -ys;
        i->u += (ch - 1) * us, i->v += (ch - 1) * us, i->uv_stride = -us;
    }
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) i->y[y * i->y_stride + x] = (uint8_t)rnd();
    for (int y = 0; y < ch; y++)
        for (int x = 0; x < cw; x++) {
            i->u[y * i->uv_stride + x * step] = (uint8_t)rnd();
            i->v[y * i->uv_stride + x * step] = (uint8_t)rnd();
        }
    return c;
}

/* Number of bytes outside the picture that changed. */
static int broken_canaries(const canvas *c) {
    uint8_t *copy = malloc(c->size);
    if (!copy) abort();
    memcpy(copy, c->memory, c->size);
    const hv_image *i = &c->image;
    const int cw = (i->width + 1) / 2, ch = (i->height + 1) / 2;
    for (int y = 0; y < i->height; y++)
        memset(copy + (i->y - c->memory) + y * i->y_stride, CANARY, (size_t)i->width);
    for (int y = 0; y < ch; y++)
        for (int x = 0; x < cw; x++) {
            copy[(i->u - c->memory) + y * i->uv_stride + x * i->uv_step] = CANARY;
            copy[(i->v - c->memory) + y * i->uv_stride + x * i->uv_step] = CANARY;
        }
    int broken = 0;
    for (size_t k = 0; k < c->size; k++) broken += copy[k] != CANARY;
    free(copy);
    return broken;
}

typedef struct {
    int32_t narrow[6][8192];
    int64_t wide[3][8192];
    hv_change_out out;
} change_result;

static void wire(change_result *r) {
    memset(r, 0x5A, sizeof *r);
    r->out = (hv_change_out){r->narrow[0], r->narrow[1], r->narrow[2], r->narrow[3], r->narrow[4],
                             r->narrow[5], r->wide[0],   r->wide[1],   r->wide[2]};
}

static void test_change(const char *set) {
    const hv_table *table = hv_table_named(set), *reference = hv_table_named("c");
    if (!table) {
        printf("set %s: not on this machine\n", set);
        return;
    }
    static change_result fast, slow;
    for (int w = 1; w <= 67; w++) {
        for (int k = 0; k < 4; k++) {
            const int h = 1 + (int)(rnd() % 50), step = 1 + (k & 1), down = k >> 1;
            const int cell = 8 << (rnd() % 3);
            const int gain = k ? 256 : (int)(rnd() % 1024), offset = k ? 0 : (int)(rnd() % 60) - 30;
            canvas a = make(w, h, step, down), b = make(w, h, step, 0);
            wire(&fast), wire(&slow);
            table->change(&a.image, &b.image, cell, gain, offset, &fast.out);
            reference->change(&a.image, &b.image, cell, gain, offset, &slow.out);
            expect(memcmp(fast.narrow, slow.narrow, sizeof fast.narrow) == 0, set, w, h);
            expect(memcmp(fast.wide, slow.wide, sizeof fast.wide) == 0, set, w, h);
            expect(broken_canaries(&a) == 0 && broken_canaries(&b) == 0, "change canary", w, h);
            free(a.memory), free(b.memory);
        }
    }
}

static int painted(const hv_image *i, int cell, const uint8_t *mask, int cols, const hv_image *before) {
    for (int y = 0; y < i->height; y++)
        for (int x = 0; x < i->width; x++) {
            const int hidden = mask[y / cell * cols + x / cell];
            const uint8_t now = i->y[y * i->y_stride + x];
            if (!hidden && now != before->y[y * before->y_stride + x]) return 0;
            if (hidden && now != 77) return 0;
        }
    const int half = cell / 2;
    for (int y = 0; y < (i->height + 1) / 2; y++)
        for (int x = 0; x < (i->width + 1) / 2; x++) {
            const int hidden = mask[y / half * cols + x / half];
            const ptrdiff_t at = y * i->uv_stride + x * i->uv_step;
            const ptrdiff_t was = y * before->uv_stride + x * before->uv_step;
            if (!hidden && (i->u[at] != before->u[was] || i->v[at] != before->v[was])) return 0;
            if (hidden && (i->u[at] != 88 || i->v[at] != 99)) return 0;
        }
    return 1;
}

/* Paint, copy, means, explain, thumbnail, colour: every sample where it belongs, none beside. */
static void test_writers(void) {
    for (int w = 1; w <= 67; w += 1) {
        const int h = 1 + (int)(rnd() % 45), step = 1 + (w & 1), down = (w >> 1) & 1;
        const int cell = 8 << (rnd() % 3);
        const int cols = hv_ceil_div(w, cell), rows = hv_ceil_div(h, cell), n = cols * rows;
        canvas a = make(w, h, step, down), before = make(w, h, step, 0);
        uint8_t *mask = malloc((size_t)n), *all = malloc((size_t)n), *grid = malloc((size_t)n * 3);
        uint16_t *best = malloc((size_t)n * sizeof *best);
        if (!mask || !all || !grid || !best) abort();
        for (int k = 0; k < n; k++) {
            mask[k] = rnd() % 2, all[k] = 1;
            grid[3 * k] = 77, grid[3 * k + 1] = 88, grid[3 * k + 2] = 99;
        }
        expect(hv_copy_cells(&before.image, &a.image, cell, all) == HV_OK, "copy", w, h);
        for (int smooth = 0; smooth < 2; smooth++) {
            expect(hv_paint(&a.image, cell, mask, grid, smooth) == HV_OK, "paint", w, h);
            expect(painted(&a.image, cell, mask, cols, &before.image), "painted", w, h);
        }
        expect(hv_explain(&a.image, &a.image, cell, all, all, 2, best) == HV_OK, "explain", w, h);
        int same = 1;
        for (int k = 0; k < n; k++) same &= best[k] == 0;
        expect(same, "a frame explains itself", w, h);
        expect(hv_cell_means(&a.image, cell, mask, all, grid) == HV_OK, "means", w, h);
        const int tw = 1 + (int)(rnd() % 40), th = 1 + (int)(rnd() % 40);
        uint8_t *rgb = malloc((size_t)(tw * th * 3));
        void *scratch = malloc(hv_thumbnail_scratch(tw));
        if (!rgb || !scratch) abort();
        const double x0 = (double)(rnd() % 200) / 3 - 30, y0 = (double)(rnd() % 200) / 3 - 30;
        expect(hv_thumbnail(&a.image, x0, y0, x0 + 0.5 + rnd() % 90, y0 + 0.5 + rnd() % 90, rgb, tw,
                            th, tw * 3, scratch) == HV_OK, "thumbnail", w, h);
        uint8_t *full = malloc((size_t)(w * h * 3));
        if (!full) abort();
        expect(hv_to_rgb(&a.image, full, w * 3) == HV_OK, "to_rgb", w, h);
        expect(hv_from_rgb(full, w * 3, w & 1, &before.image) == HV_OK, "from_rgb", w, h);
        const double affine[6] = {0.7, 0.2, -3.0, -0.2, 0.7, 2.0};
        expect(hv_warp(full, w, h, w * 3, affine, rgb, tw, th, tw * 3) == HV_OK, "warp", w, h);
        expect(broken_canaries(&a) == 0 && broken_canaries(&before) == 0, "canary", w, h);
        free(a.memory), free(before.memory), free(mask), free(all), free(grid), free(best);
        free(rgb), free(scratch), free(full);
    }
}

static void test_refusals(void) {
    canvas a = make(16, 16, 1, 0), b = make(17, 16, 1, 0);
    uint8_t grid[64] = {0}, rgb[48] = {0};
    double bad[6] = {1, 0, 0, 0, 1, 0};
    const double nan = strtod("nan", NULL);
    hv_image broken = a.image;
    broken.width = 0;
    expect(hv_cell_means(&broken, 8, grid, grid, grid) == HV_BAD_IMAGE, "width 0", 0, 0);
    broken = a.image, broken.uv_step = 3;
    expect(hv_cell_means(&broken, 8, grid, grid, grid) == HV_BAD_IMAGE, "step 3", 0, 0);
    expect(hv_cell_means(&a.image, 12, grid, grid, grid) == HV_BAD_CELL, "cell 12", 0, 0);
    expect(hv_copy_cells(&a.image, &b.image, 8, grid) == HV_MISMATCH, "sizes", 0, 0);
    expect(hv_paint(&a.image, 8, NULL, grid, 0) == HV_BAD_ARGUMENT, "null mask", 0, 0);
    expect(hv_grow(grid, grid, 0, 4, 1) == HV_BAD_ARGUMENT, "no columns", 0, 0);
    expect(hv_thumbnail(&a.image, nan, 0, 8, 8, rgb, 4, 4, 12, grid) == HV_BAD_ARGUMENT, "nan", 0,
           0);
    expect(hv_thumbnail(&a.image, 4, 4, 4, 8, rgb, 4, 4, 12, grid) == HV_BAD_ARGUMENT, "empty", 0,
           0);
    bad[2] = nan;
    expect(hv_warp(rgb, 4, 4, 12, bad, rgb, 4, 4, 12) == HV_BAD_ARGUMENT, "warp nan", 0, 0);
    free(a.memory), free(b.memory);
}

int main(void) {
    test_change("c");
    test_change("avx2");
    test_writers();
    test_refusals();
    printf("parity: %d checks, %d failed\n", checks, failures);
    return failures ? 1 : 0;
}
