/* A depth-buffered triangle rasterizer for `sketch.py`; cc -O3 -shared -fPIC raster.c.
 * Corner: x, y (pixels), 1/depth, r, g, b, u, v, diffuse, gloss. Attributes are interpolated in
 * perspective. texture: index into spans (offset, width, height) of `texels`, or -1.
 * owner: triangle of each pixel, -1 before; with out NULL only depths and owners are written. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { CORNER = 10 };

typedef struct {
    float b0, bx, by, c0, cx, cy; /* weights of the second and third corner: w0 + wx x + wy y */
} Plane;

static int plane_of(const float *a, Plane *p)
{
    const float *b = a + CORNER, *c = b + CORNER;
    float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if (fabsf(area) < 1e-6f) return 0;
    p->bx = (c[1] - a[1]) / area, p->by = -(c[0] - a[0]) / area;
    p->cx = -(b[1] - a[1]) / area, p->cy = (b[0] - a[0]) / area;
    p->b0 = -a[0] * p->bx - a[1] * p->by;
    p->c0 = -a[0] * p->cx - a[1] * p->cy;
    return 1;
}

/* Narrow [from, to] to where start + slope x >= 0. */
static void narrow(float start, float slope, float *from, float *to)
{
    if (slope > 0) *from = fmaxf(*from, -start / slope);
    else if (slope < 0) *to = fminf(*to, -start / slope);
    else if (start < 0) *to = *from - 1;
}

static void cover(int triangles, const float *corners, int width, int height, float *depth,
                  int32_t *owner)
{
    for (int t = 0; t < triangles; t++) {
        const float *a = corners + (size_t)t * 3 * CORNER, *b = a + CORNER, *c = b + CORNER;
        Plane p;
        if (!plane_of(a, &p)) continue;
        int y0 = (int)fmaxf(0, floorf(fminf(a[1], fminf(b[1], c[1]))));
        int y1 = (int)fminf(height - 1, ceilf(fmaxf(a[1], fmaxf(b[1], c[1]))));
        float step = p.bx * (b[2] - a[2]) + p.cx * (c[2] - a[2]);
        for (int y = y0; y <= y1; y++) {
            float wb = p.b0 + p.by * (y + .5f), wc = p.c0 + p.cy * (y + .5f);
            float from = .5f, to = width - .5f;
            narrow(wb, p.bx, &from, &to);
            narrow(wc, p.cx, &from, &to);
            narrow(1 - wb - wc, -p.bx - p.cx, &from, &to);
            if (from > to) continue;
            int x0 = (int)ceilf(from - .5f), x1 = (int)floorf(to - .5f);
            float base = a[2] + wb * (b[2] - a[2]) + wc * (c[2] - a[2]);
            for (int x = x0; x <= x1; x++) {
                float near = base + step * (x + .5f);
                size_t at = (size_t)y * width + x;
                if (near <= depth[at]) continue;
                depth[at] = near;
                owner[at] = t;
            }
        }
    }
}

static void shade(const float *a, int y, int x, float near, const int32_t *span,
                  const float *texels, float *out)
{
    const float *b = a + CORNER, *c = b + CORNER;
    Plane p;
    plane_of(a, &p);
    float wb = p.b0 + p.bx * (x + .5f) + p.by * (y + .5f);
    float wc = p.c0 + p.cx * (x + .5f) + p.cy * (y + .5f);
    float wa = (1 - wb - wc) * a[2] / near, v[CORNER];
    wb *= b[2] / near, wc *= c[2] / near;
    for (int i = 3; i < CORNER; i++) v[i] = wa * a[i] + wb * b[i] + wc * c[i];
    out[0] = v[3], out[1] = v[4], out[2] = v[5], out[3] = v[8], out[4] = v[9];
    if (!span) return;
    int u = (int)(fminf(fmaxf(v[6], 0), .9999f) * span[1]);
    int w = (int)(fminf(fmaxf(v[7], 0), .9999f) * span[2]);
    const float *texel = texels + 3 * (span[0] + (size_t)w * span[1] + u);
    for (int i = 0; i < 3; i++) out[i] *= texel[i];
}

void raster(int triangles, const float *corners, const int32_t *texture, const uint8_t *number,
            const float *texels, const int32_t *spans, int width, int height, float *out,
            float *depth, int32_t *owner, uint8_t *ids)
{
    cover(triangles, corners, width, height, depth, owner);
    if (!out) return;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            size_t at = (size_t)y * width + x;
            int t = owner[at];
            if (t < 0) continue;
            const int32_t *span = texture[t] < 0 ? NULL : spans + texture[t] * 3;
            shade(corners + (size_t)t * 3 * CORNER, y, x, depth[at], span, texels, out + at * 5);
            ids[at] = number[t];
        }
}
