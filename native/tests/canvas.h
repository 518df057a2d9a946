/* Pictures with canaries round every row and plane, a counter of checks, and noise. */
#ifndef HV_CANVAS_H
#define HV_CANVAS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { CANARY = 0xA5, PAD = 32 };

static int failures;
static int checks;
static uint32_t state = 12345;

static inline uint32_t rnd(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static inline void expect(int good, const char *what, int a, int b) {
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
static inline canvas make(int w, int h, int step, int down) {
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
static inline int broken_canaries(const canvas *c) {
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

#endif
