/* A depth-buffered triangle rasterizer for `sketch.py`; cc -O2 -shared -fPIC raster.c.
 * Corner: x, y (pixels), 1/depth, r, g, b, u, v, diffuse, gloss. Attributes are interpolated in
 * perspective. texture: index into spans (offset, width, height) of `texels`, or -1. */
#include <math.h>
#include <stdint.h>

enum { CORNER = 10 };

static float least(float a, float b, float c) { return fminf(a, fminf(b, c)); }
static float most(float a, float b, float c) { return fmaxf(a, fmaxf(b, c)); }

void raster(int triangles, const float *corners, const int32_t *texture, const uint8_t *number,
            const float *texels, const int32_t *spans, int width, int height, float *out,
            float *depth, uint8_t *ids)
{
    for (int t = 0; t < triangles; t++) {
        const float *a = corners + (long)t * 3 * CORNER, *b = a + CORNER, *c = b + CORNER;
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if (fabsf(area) < 1e-6f) continue;
        int x0 = (int)fmaxf(0, floorf(least(a[0], b[0], c[0])));
        int x1 = (int)fminf(width - 1, ceilf(most(a[0], b[0], c[0])));
        int y0 = (int)fmaxf(0, floorf(least(a[1], b[1], c[1])));
        int y1 = (int)fminf(height - 1, ceilf(most(a[1], b[1], c[1])));
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++) {
                float px = x + .5f, py = y + .5f;
                float wb = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) / area;
                float wc = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) / area;
                float wa = 1 - wb - wc;
                if (wa < 0 || wb < 0 || wc < 0) continue;
                float near = wa * a[2] + wb * b[2] + wc * c[2];
                long at = (long)y * width + x;
                if (near <= depth[at]) continue;
                depth[at] = near;
                ids[at] = number[t];
                wa *= a[2] / near, wb *= b[2] / near, wc *= c[2] / near;
                float v[CORNER];
                for (int i = 3; i < CORNER; i++) v[i] = wa * a[i] + wb * b[i] + wc * c[i];
                float *o = out + at * 5;
                o[0] = v[3], o[1] = v[4], o[2] = v[5], o[3] = v[8], o[4] = v[9];
                if (texture[t] >= 0) {
                    const int32_t *s = spans + texture[t] * 3;
                    int u = (int)(fminf(fmaxf(v[6], 0), .9999f) * s[1]);
                    int w = (int)(fminf(fmaxf(v[7], 0), .9999f) * s[2]);
                    const float *p = texels + 3 * (s[0] + (long)w * s[1] + u);
                    for (int i = 0; i < 3; i++) o[i] *= p[i];
                }
            }
    }
}
