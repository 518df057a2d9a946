/* By how much each cell differs from its reference, in units of its own tolerance. */
#include <assert.h>
#include <math.h>

#include "kernels.h"

/* Planes of scratch: moments over a cell, then the gain that a change of light would be. */
enum { VAR_A, VAR_B, COVARIANCE, GAIN, GAIN_SQUARED, PLANES };
_Static_assert((int)PLANES == (int)HV_EXCESS_PLANES, "scratch");

static double larger(double a, double b) { return a > b ? a : b; }

static void moments(const hv_change_out *s, int32_t count, double *scratch, float *texture_now) {
    double *var_a = scratch + VAR_A * (ptrdiff_t)count, *var_b = scratch + VAR_B * (ptrdiff_t)count;
    double *covariance = scratch + COVARIANCE * (ptrdiff_t)count;
    double *gain = scratch + GAIN * (ptrdiff_t)count;
    double *squared = scratch + GAIN_SQUARED * (ptrdiff_t)count;
    for (int32_t i = 0; i < count; i++) {
        const double n = hv_max(s->n[i], 1), a = s->sum_a[i] / n, b = s->sum_b[i] / n;
        var_a[i] = larger((double)s->sum_aa[i] / n - a * a, 0);
        var_b[i] = larger((double)s->sum_bb[i] / n - b * b, 0);
        covariance[i] = (double)s->sum_ab[i] / n - a * b;
        gain[i] = a / larger(b, 1);
        squared[i] = gain[i] * gain[i];
        texture_now[i] = (float)sqrt(var_a[i]);
    }
}

/* Where a cell's neighbours lie; beyond the edge the one on the other side stands for it. */
typedef struct {
    ptrdiff_t up, here, down;
    int32_t left, middle, right;
} around;

static int32_t before(int32_t i, int32_t count) { return i > 0 ? i - 1 : hv_min(1, count - 1); }
static int32_t after(int32_t i, int32_t count) { return count - 1 - before(count - 1 - i, count); }

static double mean_of(const double *plane, const around *w) {
    const double *up = plane + w->up, *here = plane + w->here, *down = plane + w->down;
    const double top = up[w->left] + up[w->middle] + up[w->right];
    const double middle = here[w->left] + here[w->middle] + here[w->right];
    const double bottom = down[w->left] + down[w->middle] + down[w->right];
    return (top + middle + bottom) * (1.0 / 9);
}

/* Whether a shadow may lie on a cell: a smooth gain, and faint texture still there beneath. */
static int is_cast(const double *scratch, int32_t count, const around *w,
                   const hv_excess_rule *r) {
    const double b = mean_of(scratch + VAR_B * (ptrdiff_t)count, w);
    if (!(b > r->shadow_texture * r->shadow_texture)) return 0;
    const double a = mean_of(scratch + VAR_A * (ptrdiff_t)count, w);
    const double both = mean_of(scratch + COVARIANCE * (ptrdiff_t)count, w);
    if (!(both / sqrt(a * b + 1e-6) > r->shadow_correlation)) return 0;
    const double gain = mean_of(scratch + GAIN * (ptrdiff_t)count, w);
    const double squared = mean_of(scratch + GAIN_SQUARED * (ptrdiff_t)count, w);
    return sqrt(larger(squared - gain * gain, 0)) < r->shadow_uneven;
}

static double excess_of(const hv_change_out *s, int32_t i, const double *scratch, int32_t count,
                        const around *w, const hv_excess_rule *r, double slack) {
    const double n = hv_max(s->n[i], 1), mean_b = s->sum_b[i] / n;
    const double var_a = scratch[VAR_A * (ptrdiff_t)count + i];
    const double var_b = scratch[VAR_B * (ptrdiff_t)count + i];
    const double covariance = scratch[COVARIANCE * (ptrdiff_t)count + i];
    const double texture = sqrt(var_b), correlation = covariance / sqrt(var_a * var_b + 1e-6);
    const double chroma = s->peak_uv[i] / (16 * r->chroma_step);
    /* As it is. */
    const double luma = s->peak_y[i] / (16 * (r->luma_step + r->luma_per_texture * texture));
    const double mean =
        (float)(s->sad_y[i] / n) / (r->mean_step + r->mean_per_texture * texture);
    double plain = larger(larger(luma, mean), chroma);
    /* A plain difference can stay small over texture while the picture is another. */
    if (texture > r->structure_texture && correlation < r->structure_correlation)
        plain = larger(plain, (1 - correlation) / (1 - r->structure_correlation));
    if (plain <= slack || mean_b < r->least_lit) return plain;
    /* Once a change of brightness of this cell alone is taken out. */
    const double gain = scratch[GAIN * (ptrdiff_t)count + i];
    const double left = var_a + gain * gain * var_b - 2 * gain * covariance;
    double residual =
        sqrt(larger(left, 0)) / (r->shade_residual + r->shade_residual_per_texture * texture);
    const int cast = is_cast(scratch, count, w, r);
    const int textured = texture > r->structure_texture && correlation > r->shade_correlation;
    const double shade = fabs(gain - 1) / (textured || cast ? r->shade_textured : r->shade_flat);
    if (cast) residual /= r->shadow_residual;
    const double reshaded = larger(larger(residual, shade), chroma);
    return reshaded < plain ? reshaded : plain;
}

void hv_excess_c(const hv_change_out *change, int32_t cols, int32_t rows,
                 const hv_excess_rule *rule, double slack, double *scratch, float *excess,
                 float *texture_now) {
    assert(slack > 0);
    const int32_t count = cols * rows;
    moments(change, count, scratch, texture_now);
    for (int32_t y = 0; y < rows; y++) {
        around w;
        w.up = (ptrdiff_t)before(y, rows) * cols, w.here = (ptrdiff_t)y * cols;
        w.down = (ptrdiff_t)after(y, rows) * cols;
        for (int32_t x = 0; x < cols; x++) {
            w.left = before(x, cols), w.middle = x, w.right = after(x, cols);
            const int32_t i = y * cols + x;
            excess[i] = (float)(excess_of(change, i, scratch, count, &w, rule, slack) / slack);
        }
    }
}
