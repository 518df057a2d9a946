/* Parity of a faster kernel set with the scalar reference, bit by bit, and its canaries. */
#include "canvas.h"

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

static void test_change(const hv_table *table) {
    static change_result fast, slow;
    for (int w = 1; w <= 131; w++) {
        for (int k = 0; k < 4; k++) {
            const int h = 1 + (int)(rnd() % 80), step = 1 + (k & 1), down = k >> 1;
            const int cell = 8 << (rnd() % 3);
            const int gain = k ? 256 : (int)(rnd() % 1024), offset = k ? 0 : (int)(rnd() % 60) - 30;
            canvas a = make(w, h, step, down), b = make(w, h, step, 0);
            wire(&fast), wire(&slow);
            table->change(&a.image, &b.image, cell, gain, offset, &fast.out);
            hv_change_c(&a.image, &b.image, cell, gain, offset, &slow.out);
            expect(memcmp(fast.narrow, slow.narrow, sizeof fast.narrow) == 0, "change", w, h);
            expect(memcmp(fast.wide, slow.wide, sizeof fast.wide) == 0, "change", w, h);
            expect(broken_canaries(&a) == 0 && broken_canaries(&b) == 0, "change canary", w, h);
            free(a.memory), free(b.memory);
        }
    }
}


/* All samples of both pictures and all bytes round them. */
static int same(const canvas *a, const canvas *b) {
    return a->size == b->size && memcmp(a->memory, b->memory, a->size) == 0;
}

static canvas copied(const canvas *from) {
    canvas c = *from;
    c.memory = malloc(c.size);
    if (!c.memory) abort();
    memcpy(c.memory, from->memory, c.size);
    const ptrdiff_t moved = c.memory - from->memory;
    c.image.y += moved, c.image.u += moved, c.image.v += moved;
    return c;
}

static void test_paint(const hv_table *table) {
    for (int w = 1; w <= 131; w++) {
        for (int k = 0; k < 12; k++) {
            const int h = 1 + (int)(rnd() % 80), cell = 8 << (k % 3), smooth = k / 3 % 2;
            const int n = hv_ceil_div(w, cell) * hv_ceil_div(h, cell);
            canvas a = make(w, h, 1 + k / 6, (int)(rnd() & 1)), b = copied(&a);
            uint8_t *mask = malloc((size_t)n), *colours = malloc((size_t)n * 3);
            if (!mask || !colours) abort();
            for (int i = 0; i < n; i++) mask[i] = (uint8_t)(rnd() % 3 * 85);
            for (int i = 0; i < 3 * n; i++) colours[i] = rnd() % 4 ? (uint8_t)rnd() : 255;
            table->paint(&a.image, cell, mask, colours, smooth);
            hv_paint_c(&b.image, cell, mask, colours, smooth);
            expect(same(&a, &b), "paint", w, h);
            free(a.memory), free(b.memory), free(mask), free(colours);
        }
    }
}

static void test_blocks(const hv_table *table) {
    for (int k = 0; k < 6000; k++) {
        const int step = 1 + (int)(rnd() & 1), full = (int)(rnd() & 1);
        const int w = full ? 8 << (rnd() % 3) : 1 + (int)(rnd() % 32);
        const int h = full ? 4 << (rnd() % 4) : 1 + (int)(rnd() % 32);
        const int sa = (w - 1) * step + 1 + (int)(rnd() % 9), sb = (w - 1) * step + 1;
        /* Not a byte more than the block has: reading behind it is found by the sanitizer. */
        const size_t na = (size_t)((h - 1) * sa + (w - 1) * step + 1);
        const size_t nb = (size_t)((h - 1) * sb + (w - 1) * step + 1);
        uint8_t *a = malloc(na), *b = malloc(nb);
        if (!a || !b) abort();
        const int extreme = rnd() % 4 == 0;
        for (size_t i = 0; i < na; i++) a[i] = extreme ? 255 : (uint8_t)rnd();
        for (size_t i = 0; i < nb; i++) b[i] = extreme ? 0 : (uint8_t)rnd();
        expect(table->block_sum(a, sa, step, w, h) == hv_block_sum_c(a, sa, step, w, h),
               "block sum", w, h);
        const int down = (int)(rnd() & 1);
        const uint8_t *last = down ? b + (h - 1) * sb : b;
        expect(table->block_difference(a, sa, last, down ? -sb : sb, step, w, h) ==
                   hv_block_difference_c(a, sa, last, down ? -sb : sb, step, w, h),
               "block difference", w, h);
        free(a), free(b);
    }
}

static void test_rows(const hv_table *table) {
    enum { MOST = 100 };
    for (int n = 1; n <= MOST; n++) {
        for (int k = 0; k < 24; k++) {
            const int step = 1 + k % 3, h = 1 + (int)(rnd() % 20), x0 = (int)(rnd() % 20);
            const ptrdiff_t stride = (x0 + n - 1) * step + 1;
            const size_t size = (size_t)(h * stride);
            uint8_t *memory = malloc(size);
            int16_t fast[MOST + 2], slow[MOST + 2];
            if (!memory) abort();
            for (size_t i = 0; i < size; i++) memory[i] = k < 3 ? 255 : (uint8_t)rnd();
            hv_plane plane = {memory, stride, step, x0 + n, h};
            if (k & 4) plane.samples += (h - 1) * stride, plane.stride = -stride;
            const double from = (double)(rnd() % 300) / 7 - 12;
            const double to = from + (double)(1 + rnd() % 6400) / 100;
            const hv_axis axis = hv_axis_of(from, to, 1 + (int)(rnd() & 1));
            const hv_taps taps = hv_taps_of(&axis, 0);
            memset(fast, 0x5A, sizeof fast), memset(slow, 0x5A, sizeof slow);
            table->mix_rows(&plane, &taps, x0, n, fast + 1);
            hv_mix_rows_c(&plane, &taps, x0, n, slow + 1);
            expect(memcmp(fast, slow, sizeof fast) == 0, "rows", n, taps.count);
            free(memory);
        }
    }
}

static void test_columns(const hv_table *table) {
    for (int n = 1; n <= 100; n++) {
        for (int k = 0; k < 24; k++) {
            const int width = 1 + (int)(rnd() % 400);
            const double from = (double)(rnd() % 900) / 7 - 30;
            const double most[4] = {1, 3, 8, 64};
            const double size = (1 + rnd() % 1000) * most[k % 4] / 1000;
            void *memory = malloc(hv_columns_bytes(size * n, n));
            if (!memory) abort();
            int32_t x0 = 0, x1 = 0;
            const hv_columns c = hv_columns_of(from, from + size * n, n, width, memory, &x0, &x1);
            expect(x0 >= 0 && x0 < x1 && x1 <= width, "columns inside", x0, x1);
            int16_t *line = malloc((size_t)(x1 - x0 + c.taps + 8) * sizeof *line);
            uint8_t fast[144], slow[144];
            if (!line) abort();
            for (int i = 0; i < x1 - x0 + c.taps + 8; i++)
                line[i] = k < 4 ? 32641 : (int16_t)(rnd() % 32642);
            memset(fast, CANARY, sizeof fast), memset(slow, CANARY, sizeof slow);
            table->mix_columns(line, &c, fast + 8);
            hv_mix_columns_c(line, &c, slow + 8);
            const int end = 8 + hv_ceil_div(n, HV_GROUP) * HV_GROUP;
            int good = memcmp(fast, slow, 8 + (size_t)n) == 0;
            for (size_t i = (size_t)end; i < sizeof fast; i++) good &= fast[i] == CANARY;
            expect(good, "columns", n, c.taps);
            free(memory), free(line);
        }
    }
}

static void test_rgb(const hv_table *table) {
    for (int n = 1; n <= 100; n++) {
        for (int k = 0; k < 16; k++) {
            hv_image image = {.bt709 = k & 1, .full_range = k >> 1 & 1};
            uint8_t y[100], u[100], v[100], fast[302], slow[302];
            for (int i = 0; i < n; i++) {
                y[i] = (uint8_t)rnd(), u[i] = (uint8_t)rnd(), v[i] = (uint8_t)rnd();
                if (k >= 12) y[i] = y[i] & 1 ? 255 : 0, u[i] = u[i] & 1 ? 255 : 0, v[i] = 255;
            }
            memset(fast, CANARY, sizeof fast), memset(slow, CANARY, sizeof slow);
            table->rgb_line(hv_matrix_of(&image), y, u, v, n, fast + 1);
            hv_rgb_line_c(hv_matrix_of(&image), y, u, v, n, slow + 1);
            expect(memcmp(fast, slow, sizeof fast) == 0, "rgb line", n, k);
        }
    }
}

static void test_thumbnail(const hv_table *table) {
    for (int k = 0; k < 1500; k++) {
        const int w = 1 + (int)(rnd() % 160), h = 1 + (int)(rnd() % 120);
        const int tw = 1 + (int)(rnd() % 70), th = 1 + (int)(rnd() % 50);
        canvas a = make(w, h, 1 + k % 2, k >> 1 & 1);
        const double x0 = (double)(rnd() % 900) / 3 - 100, y0 = (double)(rnd() % 900) / 3 - 100;
        const double roi[4] = {x0, y0, x0 + 0.01 + (double)(rnd() % (k % 9 ? 400 : 60000)) / 2,
                               y0 + 0.01 + (double)(rnd() % (k % 7 ? 400 : 60000)) / 2};
        const size_t bytes = (size_t)(th * tw * 3), scratch = hv_thumbnail_scratch(x0, roi[2], tw);
        uint8_t *fast = malloc(bytes), *slow = malloc(bytes), *memory = malloc(scratch);
        if (!fast || !slow || !memory || !scratch) abort();
        hv_thumbnail_of(table, &a.image, roi, fast, tw, th, tw * 3, memory);
        hv_thumbnail_of(hv_table_named("c"), &a.image, roi, slow, tw, th, tw * 3, memory);
        expect(memcmp(fast, slow, bytes) == 0, "thumbnail", tw, th);
        expect(broken_canaries(&a) == 0, "thumbnail canary", w, h);
        free(a.memory), free(fast), free(slow), free(memory);
    }
}

int main(void) {
    static const char *const sets[] = {"c", "avx2", "neon"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const hv_table *table = hv_table_named(sets[i]);
        if (!table) {
            printf("set %s: not on this machine\n", sets[i]);
            continue;
        }
        test_change(table), test_paint(table), test_blocks(table), test_rows(table);
        test_columns(table), test_rgb(table), test_thumbnail(table);
        printf("parity of %s: %d checks, %d failed\n", sets[i], checks, failures);
    }
    return failures ? 1 : 0;
}
