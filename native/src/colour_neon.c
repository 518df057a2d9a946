/* YUV lines to RGB with NEON, 16 pixels at a time; see colour_avx2.c for the arithmetic. */
#include <arm_neon.h>

#include "kernels.h"

/* A coefficient k / 65536 as a whole number and a rest of 16 bits. */
typedef struct {
    int16_t whole, rest;
} factor;

typedef struct {
    factor y, vr, ug, vg, ub;
    int16_t black;
} factors;

static factor factor_of(int32_t k) {
    const int32_t whole = (k + 32768) >> 16;
    return (factor){(int16_t)whole, (int16_t)(k - whole * 65536)};
}

static inline int16x8_t term(int16x8_t base, int16x8_t c, factor k) {
    return vmlaq_n_s16(base, c, k.whole);
}

/* (y, a, b) . rests, rounded and shifted. */
static inline int16x8_t rests(int16x8_t y, factor ky, int16x8_t a, factor ka, int16x8_t b,
                              factor kb) {
    int32x4_t low = vmull_n_s16(vget_low_s16(y), ky.rest);
    int32x4_t high = vmull_n_s16(vget_high_s16(y), ky.rest);
    low = vmlal_n_s16(vmlal_n_s16(low, vget_low_s16(a), ka.rest), vget_low_s16(b), kb.rest);
    high = vmlal_n_s16(vmlal_n_s16(high, vget_high_s16(a), ka.rest), vget_high_s16(b), kb.rest);
    return vcombine_s16(vrshrn_n_s32(low, 16), vrshrn_n_s32(high, 16));
}

static inline void eight(const factors *k, uint8x8_t ys, uint8x8_t us, uint8x8_t vs,
                         uint8x8_t rgb[3]) {
    const int16x8_t middle = vdupq_n_s16(128);
    const int16x8_t y = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(ys)), vdupq_n_s16(k->black));
    const int16x8_t u = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(us)), middle);
    const int16x8_t v = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vs)), middle);
    const factor none = {0, 0};
    const int16x8_t base = vmulq_n_s16(y, k->y.whole);
    rgb[0] = vqmovun_s16(vaddq_s16(term(base, v, k->vr), rests(y, k->y, v, k->vr, v, none)));
    rgb[1] = vqmovun_s16(vaddq_s16(term(term(base, u, k->ug), v, k->vg),
                                   rests(y, k->y, u, k->ug, v, k->vg)));
    rgb[2] = vqmovun_s16(vaddq_s16(term(base, u, k->ub), rests(y, k->y, u, k->ub, u, none)));
}

static inline void sixteen(const factors *k, const uint8_t *y, const uint8_t *u,
                           const uint8_t *v, uint8_t *rgb) {
    uint8x8_t low[3], high[3];
    eight(k, vld1_u8(y), vld1_u8(u), vld1_u8(v), low);
    eight(k, vld1_u8(y + 8), vld1_u8(u + 8), vld1_u8(v + 8), high);
    const uint8x16x3_t out = {{vcombine_u8(low[0], high[0]), vcombine_u8(low[1], high[1]),
                               vcombine_u8(low[2], high[2])}};
    vst3q_u8(rgb, out);
}

void hv_rgb_line_neon(const hv_matrix *matrix, const uint8_t *y, const uint8_t *u,
                      const uint8_t *v, int32_t n, uint8_t *rgb) {
    if (n < 16) {
        hv_rgb_line_c(matrix, y, u, v, n, rgb);
        return;
    }
    const factors k = {factor_of(matrix->y),   factor_of(matrix->vr), factor_of(-matrix->ug),
                       factor_of(-matrix->vg), factor_of(matrix->ub), (int16_t)matrix->black};
    for (int32_t i = 0; i + 16 <= n; i += 16) sixteen(&k, y + i, u + i, v + i, rgb + 3 * i);
    const int32_t last = n - 16; /* again in part: what is read is not what is written */
    if (n % 16) sixteen(&k, y + last, u + last, v + last, rgb + 3 * last);
}
