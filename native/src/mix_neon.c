/* Resampling with NEON: rows 16 samples at a time, columns 16 outputs at a time. */
#include <arm_neon.h>

#include "kernels.h"

typedef struct {
    const uint8_t *rows[HV_TAPS_MOST]; /* at the first column wanted */
    int32_t count;
    uint16_t head, body, tail;
} mixing;

/* 16 samples. Two bytes apart, the last of a row are the odd bytes of 32 that begin a byte
 * before: nothing behind the row is read. */
static inline uint8x16_t load16(const uint8_t *p, int step, int last) {
    if (step == 1) return vld1q_u8(p);
    return last ? vld2q_u8(p - 1).val[1] : vld2q_u8(p).val[0];
}

static inline uint16x8_t product(uint16x8_t samples, uint16_t weight) {
    enum { BITS = HV_WEIGHT_BITS - HV_LINE_BITS };
    return vshrn_high_n_u32(vshrn_n_u32(vmull_n_u16(vget_low_u16(samples), weight), BITS),
                            vmull_high_n_u16(samples, weight), BITS);
}

static inline int16x8_t weighed(const mixing *m, uint8x8_t first, uint8x8_t final,
                                uint16x8_t between) {
    const uint16x8_t ends =
        vaddq_u16(product(vmovl_u8(first), m->head), product(vmovl_u8(final), m->tail));
    const uint16x8_t sum = vaddq_u16(ends, product(between, m->body));
    return vreinterpretq_s16_u16(vaddq_u16(sum, vdupq_n_u16(1)));
}

static inline void sixteen(const mixing *m, ptrdiff_t at, int step, int last, int16_t *line) {
    const uint8x16_t first = load16(m->rows[0] + at, step, last);
    const uint8x16_t final = load16(m->rows[m->count - 1] + at, step, last);
    uint16x8_t low = vdupq_n_u16(0), high = low; /* of at most 64 samples: 14 bits */
    for (int32_t k = 1; k < m->count - 1; k++) {
        const uint8x16_t row = load16(m->rows[k] + at, step, last);
        low = vaddw_u8(low, vget_low_u8(row));
        high = vaddw_high_u8(high, row);
    }
    vst1q_s16(line, weighed(m, vget_low_u8(first), vget_low_u8(final), low));
    vst1q_s16(line + 8, weighed(m, vget_high_u8(first), vget_high_u8(final), high));
}

void hv_mix_rows_neon(const hv_plane *plane, const hv_taps *rows, int32_t x0, int32_t n,
                      int16_t *line) {
    if (n <= 16 || plane->step > 2) {
        hv_mix_rows_c(plane, rows, x0, n, line);
        return;
    }
    mixing m; /* a single row is the first and the final: its tail weighs nothing */
    m.count = rows->count;
    m.head = (uint16_t)rows->head, m.body = (uint16_t)rows->body, m.tail = (uint16_t)rows->tail;
    for (int32_t k = 0; k < rows->count; k++)
        m.rows[k] = plane->samples + (ptrdiff_t)x0 * plane->step +
                    hv_clamp(rows->first + k, 0, plane->height - 1) * plane->stride;
    /* The last 16 overlap those before: n is more than 16. */
    if (plane->step == 1) {
        for (int32_t x = 0; x < n - 16; x += 16) sixteen(&m, x, 1, 0, line + x);
        sixteen(&m, n - 16, 1, 1, line + n - 16);
    } else {
        for (int32_t x = 0; x < n - 16; x += 16) sixteen(&m, 2 * (ptrdiff_t)x, 2, 0, line + x);
        sixteen(&m, 2 * (ptrdiff_t)(n - 16), 2, 1, line + n - 16);
    }
}

static inline int32x4_t low_products(int16x8_t a, int16x8_t b) {
    return vmull_s16(vget_low_s16(a), vget_low_s16(b));
}

/* The samples that the group's weights meet. */
static inline int16x8_t met(const int16_t *line, const uint8_t *shuffle) {
    const uint8x16_t samples = vreinterpretq_u8_s16(vld1q_s16(line));
    return vreinterpretq_s16_u8(vqtbl1q_u8(samples, vld1q_u8(shuffle)));
}

/* Sums of outputs i to i + 3, in order. */
static inline int32x4_t four_of_2(const int16_t *line, const hv_columns *c, int32_t i) {
    const int16x8_t samples = met(line + c->base[i], c->shuffle + 4 * i);
    const int16x8_t weights = vld1q_s16(c->weights + 2 * i);
    return vpaddq_s32(low_products(samples, weights), vmull_high_s16(samples, weights));
}

static inline int32x4_t four_of_4(const int16_t *line, const hv_columns *c, int32_t i) {
    const int16x8_t s0 = met(line + c->base[i], c->shuffle + 8 * i);
    const int16x8_t s2 = met(line + c->base[i + 2], c->shuffle + 8 * i + 16);
    const int16x8_t w0 = vld1q_s16(c->weights + 4 * i), w2 = vld1q_s16(c->weights + 4 * i + 8);
    return vpaddq_s32(vpaddq_s32(low_products(s0, w0), vmull_high_s16(s0, w0)),
                      vpaddq_s32(low_products(s2, w2), vmull_high_s16(s2, w2)));
}

static inline int32x4_t one_of_8(const int16_t *line, const hv_columns *c, int32_t i) {
    const int16_t *p = line + c->base[i], *w = c->weights + (ptrdiff_t)i * c->taps;
    int32x4_t sum = vdupq_n_s32(0);
    for (int32_t k = 0; k < c->taps; k += 8) {
        const int16x8_t samples = vld1q_s16(p + k), weights = vld1q_s16(w + k);
        sum = vmlal_s16(sum, vget_low_s16(samples), vget_low_s16(weights));
        sum = vmlal_high_s16(sum, samples, weights);
    }
    return sum;
}

static inline int32x4_t four_of_8(const int16_t *line, const hv_columns *c, int32_t i) {
    return vpaddq_s32(vpaddq_s32(one_of_8(line, c, i), one_of_8(line, c, i + 1)),
                      vpaddq_s32(one_of_8(line, c, i + 2), one_of_8(line, c, i + 3)));
}

static inline int32x4_t four(const int16_t *line, const hv_columns *c, int32_t i) {
    return c->taps == 2 ? four_of_2(line, c, i)
                        : c->taps == 4 ? four_of_4(line, c, i) : four_of_8(line, c, i);
}

static inline int16x8_t eight(const int16_t *line, const hv_columns *c, int32_t i) {
    enum { BITS = HV_WEIGHT_BITS + HV_LINE_BITS };
    return vcombine_s16(vmovn_s32(vrshrq_n_s32(four(line, c, i), BITS)),
                        vmovn_s32(vrshrq_n_s32(four(line, c, i + 4), BITS)));
}

void hv_mix_columns_neon(const int16_t *line, const hv_columns *c, uint8_t *out) {
    for (int32_t i = 0; i < c->count; i += HV_GROUP)
        vst1q_u8(out + i, vcombine_u8(vqmovun_s16(eight(line, c, i)),
                                      vqmovun_s16(eight(line, c, i + 8))));
}
