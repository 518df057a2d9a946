/* Safety and laws of the entry points: every sample where it belongs, none beside, refusals.
 * Sizes run over 0..2 vectors + 1, strides are padded, or negative (bottom-up). */
#include <math.h>

#include "canvas.h"

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
        uint16_t *most = calloc((size_t)n, sizeof *most);
        double *luma = malloc((size_t)n * sizeof *luma);
        if (!mask || !all || !grid || !most || !luma) abort();
        for (int k = 0; k < n; k++) {
            mask[k] = rnd() % 2, all[k] = 1;
            grid[3 * k] = 77, grid[3 * k + 1] = 88, grid[3 * k + 2] = 99;
        }
        expect(hv_copy_cells(&before.image, &a.image, cell, all) == HV_OK, "copy", w, h);
        for (int smooth = 0; smooth < 2; smooth++) {
            expect(hv_paint(&a.image, cell, mask, grid, smooth) == HV_OK, "paint", w, h);
            expect(painted(&a.image, cell, mask, cols, &before.image), "painted", w, h);
        }
        expect(hv_explain(&a.image, &a.image, cell, all, all, most, 2, mask) == HV_OK, "explain",
               w, h);
        int same = 1;
        for (int k = 0; k < n; k++) same &= mask[k] == 1;
        expect(same, "a frame explains itself", w, h);
        expect(hv_cell_means(&a.image, cell, mask, all, grid) == HV_OK, "means", w, h);
        expect(hv_luma_means(&a.image, cell, luma) == HV_OK, "luma", w, h);
        int alike = 1;
        for (int k = 0; k < n; k++) alike &= mask[k] == (uint8_t)(luma[k] + 0.5);
        expect(alike, "the mean luma is that of the mean colour", w, h);
        expect(hv_luma_differences(&a.image, &a.image, cell, luma) == HV_OK, "differ", w, h);
        for (int k = 0; k < n; k++) alike &= luma[k] == 0;
        expect(alike, "a frame differs from itself by nothing", w, h);
        const int tw = 1 + (int)(rnd() % 40), th = 1 + (int)(rnd() % 40);
        const double x0 = (double)(rnd() % 200) / 3 - 30, y0 = (double)(rnd() % 200) / 3 - 30;
        const double x1 = x0 + 0.5 + rnd() % 90, y1 = y0 + 0.5 + rnd() % 90;
        uint8_t *rgb = malloc((size_t)(tw * th * 3));
        void *scratch = malloc(hv_thumbnail_scratch(x0, x1, tw));
        if (!rgb || !scratch) abort();
        expect(hv_thumbnail(&a.image, x0, y0, x1, y1, rgb, tw, th, tw * 3, scratch) == HV_OK,
               "thumbnail", w, h);
        uint8_t *full = malloc((size_t)(w * h * 3));
        if (!full) abort();
        expect(hv_to_rgb(&a.image, full, w * 3) == HV_OK, "to_rgb", w, h);
        expect(hv_from_rgb(full, w * 3, w & 1, &before.image) == HV_OK, "from_rgb", w, h);
        const double affine[6] = {0.7, 0.2, -3.0, -0.2, 0.7, 2.0};
        expect(hv_warp(full, w, h, w * 3, affine, rgb, tw, th, tw * 3) == HV_OK, "warp", w, h);
        expect(broken_canaries(&a) == 0 && broken_canaries(&before) == 0, "canary", w, h);
        free(a.memory), free(before.memory), free(mask), free(all), free(grid), free(most);
        free(luma);
        free(rgb), free(scratch), free(full);
    }
}

/* The excess of any sums of two frames is a number, nothing between a frame and itself. */
static void test_excess(void) {
    const hv_excess_rule rule = {7, 4.5, 4.5, 0.45, 0.25, 10, 0.6, 0.85, 0.13, 0.4, 3, 0.2,
                                 4, 0.7, 0.06, 1.5, 16};
    for (int w = 1; w <= 67; w += 3) {
        const int h = 1 + (int)(rnd() % 45), cell = 8 << (rnd() % 3);
        const int cols = hv_ceil_div(w, cell), rows = hv_ceil_div(h, cell), n = cols * rows;
        canvas a = make(w, h, 1, 0), b = make(w, h, 1, 0);
        int32_t *narrow = malloc((size_t)n * 6 * sizeof *narrow);
        int64_t *wide = malloc((size_t)n * 3 * sizeof *wide);
        double *scratch = malloc((size_t)n * HV_EXCESS_PLANES * sizeof *scratch);
        float *excess = malloc((size_t)n * sizeof *excess), *texture = malloc((size_t)n * 4);
        if (!narrow || !wide || !scratch || !excess || !texture) abort();
        const hv_change_out out = {narrow, narrow + n, narrow + 2 * n, narrow + 3 * n,
                                   narrow + 4 * n, narrow + 5 * n, wide, wide + n, wide + 2 * n};
        for (int same = 0; same < 2; same++) {
            const hv_image *other = same ? &a.image : &b.image;
            expect(hv_change(&a.image, other, cell, 256, 0, &out) == HV_OK, "change", w, h);
            expect(hv_excess(&out, cols, rows, &rule, 1.1, scratch, excess, texture) == HV_OK,
                   "excess", w, h);
            int good = 1;
            for (int k = 0; k < n; k++)
                good &= excess[k] >= 0 && excess[k] < 1e9f && texture[k] >= 0 &&
                        texture[k] < 256 && !(same && excess[k] > 1e-3f);
            expect(good, "excess is a number", w, h);
        }
        expect(hv_excess(&out, 0, rows, &rule, 1, scratch, excess, texture) == HV_BAD_ARGUMENT,
               "no columns", w, h);
        expect(hv_excess(&out, cols, rows, &rule, 0, scratch, excess, texture) == HV_BAD_ARGUMENT,
               "no slack", w, h);
        expect(hv_excess(&out, cols, rows, &rule, 1, NULL, excess, texture) == HV_BAD_ARGUMENT,
               "no scratch", w, h);
        free(a.memory), free(b.memory), free(narrow), free(wide), free(scratch), free(excess);
        free(texture);
    }
}

/* Verdicts come in number and order; none is open without a run of evidence, none at all
 * near a fault or a frame that a key closed; a closed block is written without being read. */
static void test_gate(void) {
    for (int round = 0; round < 400; round++) {
        hv_gate_rule rule = {0, -1, 1, (float)(rnd() % 3), (int32_t)(rnd() % 3), (int32_t)(rnd() % 12),
                             (int32_t)(rnd() % 12), 1 + (int32_t)(rnd() % 6),
                             1 + (int32_t)(rnd() % 64), 1 + (int32_t)(rnd() % 64), 0};
        rule.wait = hv_min(48, rule.smooth + rule.after + (int32_t)(rnd() % 30));
        hv_gate gate, keyless;
        expect(hv_gate_reset(&gate, &rule) == HV_OK, "gate reset", round, 0);
        hv_gate_reset(&keyless, &rule);
        const int n = 1 + (int)(rnd() % 500);
        uint8_t verdicts[512], plain[512], one = 99;
        uint8_t good[512] = {0}, faults[512] = {0}, keys[512] = {0};
        int out = 0, mood = 0, plain_out = 0;
        for (int t = 0; t < n; t++) {
            if (rnd() % 40 == 0) mood = !mood;
            float logits[4] = {-3, mood ? 4.0f : -4.0f, (float)(rnd() % 100) / 50, -1};
            faults[t] = rnd() % 90 == 0;
            if (faults[t] && rnd() % 2) logits[rnd() % 4] = strtof("nan", NULL);
            else if (faults[t]) logits[1] = strtof(rnd() % 2 ? "inf" : "1e6", NULL);
            keys[t] = !faults[t] && rnd() % 60 == 0;
            good[t] = mood && !faults[t] && !keys[t];
            const int by = keys[t] ? HV_CLOSED_BY_KEY : HV_CLOSED_BY_NOTHING;
            const int got = hv_gate_step(&gate, logits, by, &one);
            expect(got == (t >= rule.wait), "gate waits", t, got);
            if (got) verdicts[out++] = one;
            if (hv_gate_step(&keyless, logits, HV_CLOSED_BY_NOTHING, &one) == 1)
                plain[plain_out++] = one;
        }
        while (hv_gate_finish(&gate, &one) == 1) verdicts[out++] = one;
        while (hv_gate_finish(&keyless, &one) == 1) plain[plain_out++] = one;
        expect(out == n, "a verdict a frame", out, n);
        for (int t = 0; t < out; t++) {
            expect((verdicts[t] == HV_GATE_FAULT) == faults[t], "gate fault", t, round);
            expect(!keys[t] || verdicts[t] == HV_GATE_CLOSED, "gate key", t, round);
            if (verdicts[t] != HV_GATE_OPEN) continue;
            expect(plain[t] == HV_GATE_OPEN, "a key opens nothing", t, round);
            int evidence = t >= rule.before && t + rule.after < n;
            for (int k = t - rule.before; evidence && k <= t + rule.after; k++)
                evidence = good[k];
            expect(evidence, "open without evidence", t, round);
        }
    }
    for (size_t n = 0; n < 70; n++) {
        for (int k = 0; k < 8; k++) {
            float memory[80], fill[80];
            for (int i = 0; i < 80; i++) memory[i] = 1, fill[i] = 0.25f;
            if (!(k & 2))
                for (size_t i = 0; i < n; i++) memory[4 + i] = strtof("nan", NULL);
            const float *with = rnd() % 2 ? fill : NULL;
            expect(hv_gate_block(memory + 4, n, k & 1, k & 2, k & 4, 8, with) == HV_OK, "block", 0,
                   0);
            int clean = 1;
            for (size_t i = 0; i < n; i++) {
                const float v = memory[4 + i], closed = with ? 0.25f : 0;
                if (!(k & 2)) clean &= v == closed;
                else clean &= v >= closed && v <= 1;
            }
            if ((k & 7) == 7)
                for (size_t i = 0; i < n; i++) clean &= memory[4 + i] == 1;
            for (int i = 0; i < 4; i++) clean &= memory[i] == 1;
            for (size_t i = 4 + n; i < 80; i++) clean &= memory[i] == 1;
            expect(clean, "gate block", (int)n, k);
        }
    }
}

/* Outputs are the weighted samples that they lie at, none beyond the last, and none is given
 * where it would weigh a sample that is not there. */
static void test_resample(void) {
    for (int32_t taps = 1; taps < 40; taps++) {
        const int32_t up = 1 + (int32_t)(rnd() % 5), down = 1 + (int32_t)(rnd() % 9);
        const size_t count = 1 + rnd() % 30;
        const int64_t at = (int64_t)(rnd() % 20), last = at + (int64_t)(count - 1) * down;
        const size_t n = (size_t)(last / up) + (size_t)taps;
        /* Not a sample more than it must have: reading behind it is found by the sanitizer. */
        float *samples = malloc(n * sizeof *samples), *out = malloc((count + 2) * sizeof *out);
        float *weights = malloc((size_t)(up * taps) * sizeof *weights);
        if (!samples || !out || !weights) abort();
        for (size_t i = 0; i < n; i++) samples[i] = (float)(rnd() % 2001) / 1000 - 1;
        for (int32_t i = 0; i < up * taps; i++) weights[i] = (float)(rnd() % 2001) / 1000 - 1;
        const hv_filter filter = {weights, up, down, taps};
        out[0] = out[count + 1] = 77;
        expect(hv_resample(samples, n - 1, &filter, at, out + 1, count) == HV_BAD_ARGUMENT,
               "a sample short", taps, up);
        expect(hv_resample(samples, n, &filter, at, out + 1, count) == HV_OK, "resample", taps, up);
        int good = out[0] == 77 && out[count + 1] == 77;
        for (size_t i = 0; i < count; i++) {
            const int64_t place = at + (int64_t)i * down;
            double want = 0;
            for (int32_t k = 0; k < taps; k++)
                want += (double)samples[place / up + k] * weights[place % up * taps + k];
            good &= fabs(out[1 + i] - want) < 1e-5;
        }
        expect(good, "resampled", taps, up);
        hv_filter bad = filter;
        bad.up = 0;
        expect(hv_resample(samples, n, &bad, at, out, 1) == HV_BAD_ARGUMENT, "up", 0, 0);
        bad = filter, bad.taps = 0;
        expect(hv_resample(samples, n, &bad, at, out, 1) == HV_BAD_ARGUMENT, "taps", 0, 0);
        expect(hv_resample(samples, n, &filter, -1, out, 1) == HV_BAD_ARGUMENT, "at", 0, 0);
        expect(hv_resample(samples, n, &filter, at, NULL, 1) == HV_BAD_ARGUMENT, "out", 0, 0);
        free(samples), free(out), free(weights);
    }
}

/* Neighbours bear the same number, numbers come in the order of their first cells, and buffers
 * are of the very size that is asked for. */
static void test_label(void) {
    for (int n = 0; n < 400; n++) {
        const int cols = 1 + (int)(rnd() % 40), rows = 1 + (int)(rnd() % 30), corners = n & 1;
        const uint32_t every = 1 + rnd() % 5;
        uint8_t *mask = malloc((size_t)(cols * rows));
        int32_t *labels = malloc((size_t)(cols * rows) * sizeof *labels), count = -1;
        if (!mask || !labels) abort();
        for (int k = 0; k < cols * rows; k++) mask[k] = rnd() % every == 0;
        expect(hv_label(mask, labels, cols, rows, corners, &count) == HV_OK, "label", cols, rows);
        int good = 1, most = 0;
        for (int k = 0; k < cols * rows; k++) {
            const int x = k % cols, own = labels[k];
            good &= mask[k] ? own >= 1 && own <= most + 1 : own == 0;
            most = hv_max(most, own);
            if (!own || k < cols) continue;
            good &= !mask[k - cols] || labels[k - cols] == own;
            if (corners && x) good &= !mask[k - cols - 1] || labels[k - cols - 1] == own;
            if (x) good &= !mask[k - 1] || labels[k - 1] == own;
        }
        expect(good && most == count, "labels", cols, rows);
        free(mask), free(labels);
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
    int32_t count = 0;
    expect(hv_label(grid, NULL, 8, 8, 1, &count) == HV_BAD_ARGUMENT, "null labels", 0, 0);
    expect(hv_thumbnail(&a.image, nan, 0, 8, 8, rgb, 4, 4, 12, grid) == HV_BAD_ARGUMENT, "nan", 0,
           0);
    expect(hv_thumbnail(&a.image, 4, 4, 4, 8, rgb, 4, 4, 12, grid) == HV_BAD_ARGUMENT, "empty", 0,
           0);
    bad[2] = nan;
    expect(hv_warp(rgb, 4, 4, 12, bad, rgb, 4, 4, 12) == HV_BAD_ARGUMENT, "warp nan", 0, 0);
    free(a.memory), free(b.memory);
    hv_gate gate;
    hv_gate_rule rule = {0, 0, 0, 1, 1, 3, 3, 1, 20, 15, 3};
    uint8_t verdict;
    expect(hv_gate_reset(&gate, &rule) == HV_BAD_ARGUMENT, "wait too short", 0, 0);
    rule.wait = 4, rule.peak = (float)nan;
    expect(hv_gate_reset(&gate, &rule) == HV_BAD_ARGUMENT, "peak nan", 0, 0);
    rule.peak = 0, rule.slack = -1;
    expect(hv_gate_reset(&gate, &rule) == HV_BAD_ARGUMENT, "slack", 0, 0);
    rule.slack = 1, rule.before = 33;
    expect(hv_gate_reset(&gate, &rule) == HV_BAD_ARGUMENT, "before", 0, 0);
    rule.before = 3;
    expect(hv_gate_reset(&gate, &rule) == HV_OK, "a good rule", 0, 0);
    expect(hv_gate_finish(&gate, &verdict) == 0, "nothing to finish", 0, 0);
    const float logits[4] = {0, 9, 0, 0};
    expect(hv_gate_step(&gate, logits, 0, &verdict) == HV_BAD_ARGUMENT, "after the end", 0, 0);
    expect(hv_gate_block(NULL, 4, 0, 0, 0, 2, NULL) == HV_BAD_ARGUMENT, "no samples", 0, 0);
}

int main(void) {
    test_writers();
    test_excess();
    test_gate();
    test_resample();
    test_label();
    test_refusals();
    printf("entries (%s): %d checks, %d failed\n", hv_cpu_name(), checks, failures);
    return failures ? 1 : 0;
}
