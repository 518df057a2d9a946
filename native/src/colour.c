/* YUV and RGB, 1/65536 fixed point (ITU-R BT.601-7 and BT.709-6). */
#include "kernels.h"

const hv_matrix *hv_matrix_of(const hv_image *image) {
    static const hv_matrix limited[2] = {{16, 76309, 104597, 25675, 53279, 132201},
                                         {16, 76309, 117489, 13975, 34925, 138438}};
    static const hv_matrix full[2] = {{0, 65536, 91881, 22554, 46802, 116130},
                                      {0, 65536, 103206, 12276, 30679, 121609}};
    return image->full_range ? &full[image->bt709 != 0] : &limited[image->bt709 != 0];
}

void hv_rgb_line_c(const hv_matrix *matrix, const uint8_t *y, const uint8_t *u, const uint8_t *v,
                   int32_t n, uint8_t *rgb) {
    const hv_matrix k = *matrix;
    for (int32_t i = 0; i < n; i++, rgb += 3) {
        const int32_t base = (y[i] - k.black) * k.y + 32768, cu = u[i] - 128, cv = v[i] - 128;
        rgb[0] = (uint8_t)hv_clamp((base + k.vr * cv) >> 16, 0, 255);
        rgb[1] = (uint8_t)hv_clamp((base - k.ug * cu - k.vg * cv) >> 16, 0, 255);
        rgb[2] = (uint8_t)hv_clamp((base + k.ub * cu) >> 16, 0, 255);
    }
}

void hv_to_rgb_of(const hv_table *set, const hv_image *image, uint8_t *rgb, ptrdiff_t stride) {
    enum { CHUNK = 256 };
    const hv_matrix *matrix = hv_matrix_of(image);
    uint8_t u[CHUNK], v[CHUNK];
    for (int32_t y = 0; y < image->height; y++) {
        const uint8_t *line = image->y + y * image->y_stride;
        const uint8_t *us = image->u + y / 2 * image->uv_stride;
        const uint8_t *vs = image->v + y / 2 * image->uv_stride;
        for (int32_t x = 0; x < image->width; x += CHUNK) {
            const int32_t n = hv_min(CHUNK, image->width - x);
            for (int32_t i = 0; i < n; i++) {
                const ptrdiff_t at = (ptrdiff_t)((x + i) / 2) * image->uv_step;
                u[i] = us[at], v[i] = vs[at];
            }
            set->rgb_line(matrix, line + x, u, v, n, rgb + y * stride + 3 * (ptrdiff_t)x);
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
