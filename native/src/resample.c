/* Sound from one sampling rate to another: a filter with a row of weights for each phase. */
#include "kernels.h"

enum { LANES = 8 };

/* Products are summed in LANES sums, those pairwise: one order on every processor. */
static float weighed(const float *samples, const float *weights, int32_t n) {
    float sums[LANES] = {0};
    int32_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int32_t j = 0; j < LANES; j++) sums[j] += samples[k + j] * weights[k + j];
    for (; k < n; k++) sums[k % LANES] += samples[k] * weights[k];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

void hv_resample_c(const float *samples, const hv_filter *filter, int64_t at, float *out,
                   size_t count) {
    for (size_t i = 0; i < count; i++, at += filter->down)
        out[i] = weighed(samples + at / filter->up,
                         filter->weights + at % filter->up * filter->taps, filter->taps);
}
