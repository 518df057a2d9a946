/* The outer ring: every argument is checked here, once, and a status returned. */
#include <math.h>

#include "kernels.h"

enum { MAX_SIDE = 16384 };

static int bad_image(const hv_image *i) {
    if (!i || !i->y || !i->u || !i->v) return 1;
    if (i->width < 1 || i->height < 1 || i->width > MAX_SIDE || i->height > MAX_SIDE) return 1;
    return i->uv_step != 1 && i->uv_step != 2;
}

static int bad_cell(int32_t cell) { return cell != 8 && cell != 16 && cell != 32; }

static int pair_status(const hv_image *a, const hv_image *b) {
    if (bad_image(a) || bad_image(b)) return HV_BAD_IMAGE;
    return a->width == b->width && a->height == b->height && a->uv_step == b->uv_step
               ? HV_OK
               : HV_MISMATCH;
}

/* A side of a region and of its picture; refuses NaN as well. */
static int bad_span(double from, double to, int32_t outputs) {
    const double far = 4.0 * MAX_SIDE;
    if (!(from > -far && to < far && to - from >= 1e-3)) return 1;
    return outputs < 1 || outputs > 4096;
}

size_t hv_thumbnail_scratch(double x0, double x1, int32_t out_width) {
    return bad_span(x0, x1, out_width) ? 0 : hv_thumbnail_bytes(x0, x1, out_width);
}

int hv_thumbnail(const hv_image *image, double x0, double y0, double x1, double y1, uint8_t *rgb,
                 int32_t out_width, int32_t out_height, ptrdiff_t rgb_stride, void *scratch) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (!rgb || !scratch || bad_span(x0, x1, out_width) || bad_span(y0, y1, out_height))
        return HV_BAD_ARGUMENT;
    const double roi[4] = {x0, y0, x1, y1};
    hv_thumbnail_of(hv_dispatch(), image, roi, rgb, out_width, out_height, rgb_stride, scratch);
    return HV_OK;
}

static int lacks_buffer(const hv_change_out *o) {
    return !o || !o->peak_y || !o->peak_uv || !o->sad_y || !o->n || !o->sum_a || !o->sum_b ||
           !o->sum_aa || !o->sum_bb || !o->sum_ab;
}

int hv_change(const hv_image *frame, const hv_image *reference, int32_t cell, int32_t gain_q8,
              int32_t offset, const hv_change_out *out) {
    const int status = pair_status(frame, reference);
    if (status) return status;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (lacks_buffer(out)) return HV_BAD_ARGUMENT;
    if (gain_q8 < 0 || gain_q8 > 65535 || offset < -255 || offset > 255) return HV_BAD_ARGUMENT;
    hv_dispatch()->change(frame, reference, cell, gain_q8, offset, out);
    return HV_OK;
}

int hv_excess(const hv_change_out *change, int32_t cols, int32_t rows, const hv_excess_rule *rule,
              double slack, double *scratch, float *excess, float *texture_now) {
    if (lacks_buffer(change) || !rule || !scratch || !excess || !texture_now)
        return HV_BAD_ARGUMENT;
    if (cols < 1 || rows < 1 || cols > MAX_SIDE / 8 || rows > MAX_SIDE / 8 || !(slack > 0))
        return HV_BAD_ARGUMENT;
    hv_excess_c(change, cols, rows, rule, slack, scratch, excess, texture_now);
    return HV_OK;
}

int hv_cell_means(const hv_image *image, int32_t cell, uint8_t *y, uint8_t *u, uint8_t *v) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!y || !u || !v) return HV_BAD_ARGUMENT;
    hv_cell_means_of(hv_dispatch(), image, cell, y, u, v);
    return HV_OK;
}

int hv_luma_means(const hv_image *image, int32_t cell, double *means) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!means) return HV_BAD_ARGUMENT;
    hv_luma_means_of(hv_dispatch(), image, NULL, cell, means);
    return HV_OK;
}

int hv_luma_differences(const hv_image *frame, const hv_image *previous, int32_t cell,
                        double *means) {
    const int status = pair_status(frame, previous);
    if (status) return status;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!means) return HV_BAD_ARGUMENT;
    hv_luma_means_of(hv_dispatch(), frame, previous, cell, means);
    return HV_OK;
}

int hv_copy_cells(const hv_image *destination, const hv_image *source, int32_t cell,
                  const uint8_t *mask) {
    const int status = pair_status(destination, source);
    if (status) return status;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!mask) return HV_BAD_ARGUMENT;
    hv_copy_cells_c(destination, source, cell, mask);
    return HV_OK;
}

int hv_grow(const uint8_t *mask, uint8_t *out, int32_t cols, int32_t rows, int32_t radius) {
    if (!mask || !out || cols < 1 || rows < 1 || cols > MAX_SIDE || rows > MAX_SIDE ||
        radius < 0 || radius > 1024)
        return HV_BAD_ARGUMENT;
    hv_grow_c(mask, out, cols, rows, radius);
    return HV_OK;
}

int hv_label(const uint8_t *mask, int32_t *labels, int32_t cols, int32_t rows, int32_t corners,
             int32_t *count) {
    if (!mask || !labels || !count || cols < 1 || rows < 1 || cols > MAX_SIDE || rows > MAX_SIDE)
        return HV_BAD_ARGUMENT;
    *count = hv_label_c(mask, labels, cols, rows, corners);
    return HV_OK;
}

int hv_paint(const hv_image *image, int32_t cell, const uint8_t *mask, const uint8_t *colours,
             int32_t smooth) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!mask || !colours) return HV_BAD_ARGUMENT;
    hv_dispatch()->paint(image, cell, mask, colours, smooth);
    return HV_OK;
}

int hv_explain(const hv_image *frame, const hv_image *previous, int32_t cell,
               const uint8_t *allowed, const uint8_t *wanted, const uint16_t *most,
               int32_t step, uint8_t *explained) {
    const int status = pair_status(frame, previous);
    if (status) return status;
    if (bad_cell(cell)) return HV_BAD_CELL;
    if (!allowed || !wanted || !most || !explained || step < 1 || step > cell)
        return HV_BAD_ARGUMENT;
    hv_explain_of(hv_dispatch(), frame, previous, cell, allowed, wanted, most, step, explained);
    return HV_OK;
}

int hv_from_rgb(const uint8_t *rgb, ptrdiff_t stride, int32_t bgr, const hv_image *image) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (!rgb) return HV_BAD_ARGUMENT;
    hv_from_rgb_c(rgb, stride, bgr, image);
    return HV_OK;
}

int hv_to_rgb(const hv_image *image, uint8_t *rgb, ptrdiff_t stride) {
    if (bad_image(image)) return HV_BAD_IMAGE;
    if (!rgb) return HV_BAD_ARGUMENT;
    hv_to_rgb_of(hv_dispatch(), image, rgb, stride);
    return HV_OK;
}

int hv_warp(const uint8_t *rgb, int32_t width, int32_t height, ptrdiff_t stride,
            const double affine[6], uint8_t *out, int32_t out_width, int32_t out_height,
            ptrdiff_t out_stride) {
    if (!rgb || !out || !affine || width < 1 || height < 1 || width > MAX_SIDE ||
        height > MAX_SIDE || out_width < 1 || out_height < 1 || out_width > 4096 ||
        out_height > 4096)
        return HV_BAD_ARGUMENT;
    for (int i = 0; i < 6; i++)
        if (!isfinite(affine[i]) || affine[i] < -65536.0 || affine[i] > 65536.0)
            return HV_BAD_ARGUMENT;
    hv_warp_c(rgb, width, height, stride, affine, out, out_width, out_height, out_stride);
    return HV_OK;
}

static int outside(int32_t v, int32_t low, int32_t high) { return v < low || v > high; }

int hv_gate_reset(hv_gate *gate, const hv_gate_rule *rule) {
    if (!gate || !rule || !isfinite(rule->over_other) || !isfinite(rule->over_overlap) ||
        !isfinite(rule->peak) || !(rule->slack >= 0 && rule->slack <= 8))
        return HV_BAD_ARGUMENT;
    if (outside(rule->smooth, 0, 8) || outside(rule->before, 0, 32) ||
        outside(rule->after, 0, 32) || outside(rule->shortest, 1, 32) ||
        outside(rule->span, 1, 64) || outside(rule->hang, 1, 64) ||
        outside(rule->wait, rule->smooth + rule->after, 48))
        return HV_BAD_ARGUMENT;
    hv_gate_reset_c(gate, rule);
    return HV_OK;
}

int hv_gate_step(hv_gate *gate, const float logits[4], int32_t closed_by, uint8_t *verdict) {
    if (!gate || !logits || !verdict || outside(closed_by, 0, HV_CLOSED_BY_FAULT) ||
        gate->finished)
        return HV_BAD_ARGUMENT;
    return hv_gate_step_c(gate, logits, closed_by, verdict);
}

int hv_gate_finish(hv_gate *gate, uint8_t *verdict) {
    if (!gate || !verdict) return HV_BAD_ARGUMENT;
    return hv_gate_finish_c(gate, verdict);
}

int hv_gate_block(float *samples, size_t n, int32_t before, int32_t now, int32_t after,
                  size_t ramp, const float *fill) {
    if (!samples || n > ((size_t)1 << 24)) return HV_BAD_ARGUMENT;
    hv_gate_block_c(samples, n, before, now, after, ramp, fill);
    return HV_OK;
}

int hv_resample(const float *samples, size_t n, const hv_filter *filter, int64_t at, float *out,
                size_t count) {
    if (!samples || !filter || !filter->weights || !out || outside(filter->up, 1, 1 << 20) ||
        outside(filter->down, 1, 1 << 20) || outside(filter->taps, 1, 1 << 16))
        return HV_BAD_ARGUMENT;
    const size_t most = (size_t)1 << 24;
    if (n > most || count > most || at < 0 || at > (int64_t)1 << 46) return HV_BAD_ARGUMENT;
    if (!count) return HV_OK;
    const int64_t last = at + (int64_t)(count - 1) * filter->down;
    if (last / filter->up + filter->taps > (int64_t)n) return HV_BAD_ARGUMENT;
    hv_resample_c(samples, filter, at, out, count);
    return HV_OK;
}
