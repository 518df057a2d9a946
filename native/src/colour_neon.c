/* YUV lines to RGB with NEON, 16 pixels at a time; the arithmetic is explained in colour.c. */
#include <arm_neon.h>

#include "kernels.h"

/* a * k >> 16. */
static inline int16x8_t product(int16x8_t a, int32_t k) {
    const int32x4_t low = vmull_n_s16(vget_low_s16(a), (int16_t)k);
    return vshrn_high_n_s32(vshrn_n_s32(low, 16), vmull_high_n_s16(a, (int16_t)k), 16);
}

static inline int16x8_t luma_of(const hv_matrix *k, uint8x8_t ys) {
    const uint16x8_t wide = vmovl_u8(ys);
    const uint16x8_t y = vorrq_u16(vshlq_n_u16(wide, 8), wide); /* 257 times */
    const uint32x4_t low = vmull_n_u16(vget_low_u16(y), (uint16_t)k->luma);
    const uint16x8_t luma =
        vshrn_high_n_u32(vshrn_n_u32(low, 16), vmull_high_n_u16(y, (uint16_t)k->luma), 16);
    return vaddq_s16(vreinterpretq_s16_u16(luma), vdupq_n_s16((int16_t)k->bias));
}

static inline int16x8_t chroma_of(uint8x8_t c) {
    return vreinterpretq_s16_u16(vshll_n_u8(veor_u8(c, vdup_n_u8(128)), 8));
}

static inline void eight(const hv_matrix *k, uint8x8_t ys, uint8x8_t us, uint8x8_t vs,
                         uint8x8_t rgb[3]) {
    const int16x8_t y = luma_of(k, ys), u = chroma_of(us), v = chroma_of(vs);
    const int16x8_t green = vaddq_s16(product(u, k->ug), product(v, k->vg));
    const int16x8_t blue = vaddq_s16(product(u, k->ub), vshrq_n_s16(u, 2));
    rgb[0] = vqshrun_n_s16(vqaddq_s16(y, product(v, k->vr)), 6);
    rgb[1] = vqshrun_n_s16(vqsubq_s16(y, green), 6);
    rgb[2] = vqshrun_n_s16(vqaddq_s16(y, blue), 6);
}

static inline void sixteen(const hv_matrix *k, const uint8_t *y, const uint8_t *u,
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
    for (int32_t i = 0; i + 16 <= n; i += 16) sixteen(matrix, y + i, u + i, v + i, rgb + 3 * i);
    const int32_t last = n - 16; /* again in part: what is read is not what is written */
    if (n % 16) sixteen(matrix, y + last, u + last, v + last, rgb + 3 * last);
}
