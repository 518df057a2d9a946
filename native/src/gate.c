/* The voice gate: answers of the target-voice network in, one verdict per 10 ms out.
 *
 * A run is an unbroken stretch of frames whose smoothed log-odds speak for the agent alone
 * on both counts. A run must be long enough and must once have been convincing (`peak`);
 * until then it is a candidate. Its first and last frames stay closed. A verdict leaves
 * `wait` frames after its frame came, so that the end of a run is known before its last
 * frames leave. */
#include <math.h>
#include <string.h>

#include "kernels.h"

enum { BOUND = 8, MOST = 1000 };

/* A network that works stays far within; one number beyond would outweigh all its neighbours. */
static int is_answer(float v) { return fabsf(v) <= MOST; }

static float log_add(float a, float b) { return fmaxf(a, b) + log1pf(expf(-fabsf(a - b))); }

static float bounded(float v) { return v < -BOUND ? -BOUND : v > BOUND ? BOUND : v; }

void hv_gate_reset_c(hv_gate *g, const hv_gate_rule *rule) {
    memset(g, 0, sizeof *g);
    g->rule = *rule;
}

static hv_gate_frame *at(hv_gate *g, int64_t t) { return &g->frames[t % HV_GATE_MOST]; }

/* Mean over [t - smooth, t + smooth], as far as those frames are there. */
static void judge(hv_gate *g, int64_t t, int64_t newest) {
    const int32_t reach = g->rule.smooth;
    float other = 0, overlap = 0, clear = 0;
    int32_t n = 0;
    for (int64_t k = t - reach; k <= t + reach; k++) {
        if (k < 0 || k > newest) continue;
        const hv_gate_frame *f = at(g, k);
        other += f->over_other, overlap += f->over_overlap, clear += f->clear, n++;
    }
    hv_gate_frame *f = at(g, t);
    const int good = !f->closed_by && other > g->rule.over_other * (float)n &&
                     overlap > g->rule.over_overlap * (float)n &&
                     f->over_other > g->rule.over_other - g->rule.slack &&
                     f->over_overlap > g->rule.over_overlap - g->rule.slack;
    g->clears[t % HV_GATE_MOST] = bounded(clear / (float)n);
    f->position = good ? (t > 0 ? at(g, t - 1)->position : 0) + 1 : 0;
    f->granted = good && f->position > 1 && at(g, t - 1)->granted;
    if (!good || f->granted) return;
    if (f->position < g->rule.before + g->rule.after + g->rule.shortest) return;
    float sum = 0;
    int32_t m = 0;
    for (int64_t k = t - g->rule.span + 1; k <= t; k++) {
        if (k < 0) continue;
        sum += g->clears[k % HV_GATE_MOST], m++;
    }
    if (!(sum > g->rule.peak * (float)m)) return;
    /* The whole run is granted, as far back as verdicts still wait. */
    const int64_t oldest = newest - g->rule.wait < 0 ? 0 : newest - g->rule.wait;
    for (int64_t k = t; k >= oldest && k > t - f->position; k--) at(g, k)->granted = 1;
}

static uint8_t verdict(hv_gate *g, int64_t t, int64_t newest) {
    const hv_gate_frame *f = at(g, t);
    if (f->closed_by) {
        g->since_open = INT32_MAX / 2;
        return f->closed_by == HV_CLOSED_BY_FAULT ? HV_GATE_FAULT : HV_GATE_CLOSED;
    }
    const int64_t last = t + g->rule.after;
    int open = f->granted && f->position > g->rule.before && last <= newest &&
               at(g, last)->position == f->position + g->rule.after;
    if (open) {
        int spoke = 0;
        for (int64_t k = t - g->rule.hang; k <= last; k++)
            if (k >= 0) spoke |= at(g, k)->spoke;
        open = spoke;
    }
    if (open) {
        g->since_open = 0;
        return HV_GATE_OPEN;
    }
    if (g->since_open < INT32_MAX / 2) g->since_open++;
    if (g->opened && g->since_open <= g->rule.hang) return HV_GATE_DOUBT;
    return f->position ? HV_GATE_CANDIDATE : HV_GATE_CLOSED;
}

static int emit(hv_gate *g, int64_t t, int64_t newest, uint8_t *out) {
    if (t < 0 || t != g->next) return 0;
    *out = verdict(g, t, newest);
    if (*out == HV_GATE_OPEN) g->opened = 1;
    g->next++;
    return 1;
}

int hv_gate_step_c(hv_gate *g, const float logits[4], int32_t closed_by, uint8_t *out) {
    const int64_t t = g->count++;
    hv_gate_frame *f = at(g, t);
    memset(f, 0, sizeof *f);
    const float nobody = logits[0], alone = logits[1], other = logits[2], both = logits[3];
    const int answered =
        is_answer(nobody) && is_answer(alone) && is_answer(other) && is_answer(both);
    f->closed_by = answered ? closed_by : HV_CLOSED_BY_FAULT;
    if (f->closed_by) {
        f->over_other = f->over_overlap = f->clear = -4 * BOUND;
    } else {
        f->over_other = alone - other, f->over_overlap = alone - both;
        f->clear = alone - log_add(other, both);
        f->spoke = alone > nobody;
    }
    if (t - g->rule.smooth >= 0) judge(g, t - g->rule.smooth, t);
    return emit(g, t - g->rule.wait, t - g->rule.smooth, out);
}

int hv_gate_finish_c(hv_gate *g, uint8_t *out) {
    const int64_t newest = g->count - 1;
    if (!g->finished) {
        g->finished = 1;
        for (int64_t t = newest - g->rule.smooth + 1; t <= newest; t++)
            if (t >= 0) judge(g, t, newest);
    }
    return g->next <= newest ? emit(g, g->next, newest, out) : 0;
}

void hv_gate_block_c(float *samples, size_t n, int32_t before, int32_t now, int32_t after,
                     size_t ramp, const float *fill) {
    if (!now) {
        if (fill) memcpy(samples, fill, n * sizeof *samples);
        else memset(samples, 0, n * sizeof *samples);
        return;
    }
    if (ramp > n / 2) ramp = n / 2;
    for (size_t i = 0; i < ramp; i++) {
        const float gain = ((float)i + 0.5f) / (float)ramp;
        float *first = &samples[i], *last = &samples[n - 1 - i];
        if (!before) *first = *first * gain + (fill ? fill[i] * (1 - gain) : 0);
        if (!after) *last = *last * gain + (fill ? fill[n - 1 - i] * (1 - gain) : 0);
    }
}
