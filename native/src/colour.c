/* YUV and RGB, 1/65536 fixed point (ITU-R BT.601-7 and BT.709-6). */
#include "kernels.h"

/* To RGB, terms have 6 bits behind the point, so that all sums fit 16 bits or are beyond 255
 * when they do not. Luma: 257 * y times `luma` / 65536, where luma is 64 * 65536 / 257 of the
 * matrix' factor. Chroma: 256 * c times k / 65536, with k 16384 of the factor; U to blue is
 * one less, because its factor is above 2, and c is added. bias: black, half a level, and half
 * a unit for each of the two terms that were rounded down. */
const hv_matrix *hv_matrix_of(const hv_image *image) {
    static const hv_matrix limited[2] = {{19003, 33 - 1192, 26149, 6419, 13320, 33050 - 16384},
                                         {19003, 33 - 1192, 29372, 3494, 8731, 34610 - 16384}};
    static const hv_matrix full[2] = {{16320, 33, 22970, 5639, 11701, 29033 - 16384},
                                      {16320, 33, 25802, 3069, 7670, 30402 - 16384}};
    return image->full_range ? &full[image->bt709 != 0] : &limited[image->bt709 != 0];
}

static uint8_t level(int32_t sum) { return (uint8_t)hv_clamp(sum >> 6, 0, 255); }

void hv_rgb_line_c(const hv_matrix *k, const uint8_t *y, const uint8_t *u, const uint8_t *v,
                   int32_t n, uint8_t *rgb) {
    for (int32_t i = 0; i < n; i++, rgb += 3) {
        const int32_t luma = (257 * y[i] * k->luma >> 16) + k->bias;
        const int32_t cu = (u[i] - 128) * 256, cv = (v[i] - 128) * 256;
        rgb[0] = level(luma + (cv * k->vr >> 16));
        rgb[1] = level(luma - (cu * k->ug >> 16) - (cv * k->vg >> 16));
        rgb[2] = level(luma + (cu * k->ub >> 16) + cu / 4);
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
            for (int32_t i = 0; i < (n + 1) / 2; i++) { /* x is even, and so is CHUNK */
                const ptrdiff_t at = (ptrdiff_t)(x / 2 + i) * image->uv_step;
                u[2 * i] = u[2 * i + 1] = us[at];
                v[2 * i] = v[2 * i + 1] = vs[at];
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
