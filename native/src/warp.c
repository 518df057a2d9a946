/* Bilinear sampling under an affine map: aligned face chips. */
#include "kernels.h"

static int32_t floor_div(int64_t v, int32_t bits) { return (int32_t)(v >> bits); }

void hv_warp_c(const uint8_t *rgb, int32_t width, int32_t height, ptrdiff_t stride,
               const double *affine, uint8_t *out, int32_t out_width, int32_t out_height,
               ptrdiff_t out_stride) {
    int64_t m[6]; /* 1/65536; api.c bounds every element, so sums stay far inside 64 bits */
    for (int i = 0; i < 6; i++) m[i] = (int64_t)(affine[i] * 65536.0 + (affine[i] < 0 ? -0.5 : 0.5));
    for (int32_t y = 0; y < out_height; y++) {
        for (int32_t x = 0; x < out_width; x++) {
            uint8_t *o = out + y * out_stride + 3 * x;
            const int64_t sx = m[0] * x + m[1] * y + m[2], sy = m[3] * x + m[4] * y + m[5];
            const int32_t ix = floor_div(sx, 16), iy = floor_div(sy, 16);
            if (ix < 0 || iy < 0 || ix + 1 >= width || iy + 1 >= height) {
                o[0] = o[1] = o[2] = 0;
                continue;
            }
            const int32_t fx = (int32_t)(sx & 65535) >> 8, fy = (int32_t)(sy & 65535) >> 8;
            const uint8_t *p = rgb + iy * stride + 3 * ix, *q = p + stride;
            for (int c = 0; c < 3; c++) {
                const int32_t top = p[c] * (256 - fx) + p[c + 3] * fx;
                const int32_t bottom = q[c] * (256 - fx) + q[c + 3] * fx;
                o[c] = (uint8_t)((top * (256 - fy) + bottom * fy + 32768) >> 16);
            }
        }
    }
}
