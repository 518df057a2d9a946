/* YUV and RGB, 1/65536 fixed point (ITU-R BT.601-7 and BT.709-6). */
#include "kernels.h"

void hv_yuv_to_rgb(const hv_image *image, int32_t y, int32_t u, int32_t v, uint8_t rgb[3]) {
    /* Rows: V to red, U to green, V to green, U to blue. */
    static const int32_t limited[2][4] = {{104597, 25675, 53279, 132201},
                                          {117489, 13975, 34925, 138438}};
    static const int32_t full[2][4] = {{91881, 22554, 46802, 116130},
                                       {103206, 12276, 30679, 121609}};
    const int32_t *k = image->full_range ? full[image->bt709 != 0] : limited[image->bt709 != 0];
    const int32_t base = image->full_range ? y * 65536 : (y - 16) * 76309;
    const int32_t cu = u - 128, cv = v - 128;
    rgb[0] = (uint8_t)hv_clamp((base + k[0] * cv + 32768) >> 16, 0, 255);
    rgb[1] = (uint8_t)hv_clamp((base - k[1] * cu - k[2] * cv + 32768) >> 16, 0, 255);
    rgb[2] = (uint8_t)hv_clamp((base + k[3] * cu + 32768) >> 16, 0, 255);
}

void hv_to_rgb_c(const hv_image *image, uint8_t *rgb, ptrdiff_t stride) {
    for (int32_t y = 0; y < image->height; y++) {
        const uint8_t *line = image->y + y * image->y_stride;
        for (int32_t x = 0; x < image->width; x++) {
            const ptrdiff_t i = y / 2 * image->uv_stride + (ptrdiff_t)(x / 2) * image->uv_step;
            hv_yuv_to_rgb(image, line[x], image->u[i], image->v[i], rgb + y * stride + 3 * x);
        }
    }
}

typedef struct {
    int32_t yr, yg, yb, base, ur, ug, ub, vr, vg, vb;
} to_yuv;

static const to_yuv *coefficients(const hv_image *image) {
    static const to_yuv limited601 = {16829, 33039, 6416, 16, -9714, -19071, 28784, 28784, -24103,
                                      -4681};
    static const to_yuv limited709 = {11966, 40254, 4064, 16, -6596, -22189, 28784, 28784, -26145,
                                      -2639};
    static const to_yuv full601 = {19595, 38470, 7471, 0, -11058, -21710, 32768, 32768, -27439,
                                   -5329};
    static const to_yuv full709 = {13933, 46871, 4732, 0, -7509, -25259, 32768, 32768, -29763,
                                   -3005};
    if (image->full_range) return image->bt709 ? &full709 : &full601;
    return image->bt709 ? &limited709 : &limited601;
}

void hv_from_rgb_c(const uint8_t *rgb, ptrdiff_t stride, int32_t bgr, const hv_image *image) {
    const to_yuv *k = coefficients(image);
    const int32_t red = bgr ? 2 : 0, blue = 2 - red;
    for (int32_t y = 0; y < image->height; y++) {
        for (int32_t x = 0; x < image->width; x++) {
            const uint8_t *p = rgb + y * stride + 3 * x;
            const int32_t luma = k->yr * p[red] + k->yg * p[1] + k->yb * p[blue];
            image->y[y * image->y_stride + x] =
                (uint8_t)hv_clamp(((luma + 32768) >> 16) + k->base, 0, 255);
        }
    }
    for (int32_t y = 0; y < image->height; y += 2) {
        for (int32_t x = 0; x < image->width; x += 2) {
            int32_t r = 0, g = 0, b = 0, count = 0;
            for (int32_t j = y; j < hv_min(y + 2, image->height); j++) {
                for (int32_t i = x; i < hv_min(x + 2, image->width); i++, count++) {
                    const uint8_t *p = rgb + j * stride + 3 * i;
                    r += p[red], g += p[1], b += p[blue];
                }
            }
            r = (r + count / 2) / count, g = (g + count / 2) / count, b = (b + count / 2) / count;
            const ptrdiff_t at = y / 2 * image->uv_stride + (ptrdiff_t)(x / 2) * image->uv_step;
            const int32_t u = k->ur * r + k->ug * g + k->ub * b;
            const int32_t v = k->vr * r + k->vg * g + k->vb * b;
            image->u[at] = (uint8_t)hv_clamp(((u + 32768) >> 16) + 128, 0, 255);
            image->v[at] = (uint8_t)hv_clamp(((v + 32768) >> 16) + 128, 0, 255);
        }
    }
}
