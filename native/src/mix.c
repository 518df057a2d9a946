/* Scalar reference of the two halves of a resampling: rows first, then columns. */
#include <assert.h>

#include "kernels.h"

/* Three products, each rounded down to HV_LINE_BITS bits behind the point, which a 16-bit
 * multiplication gives by itself; one unit more for what they lose. At most 255 * 128 + 1. */
void hv_mix_rows_c(const hv_plane *plane, const hv_taps *rows, int32_t x0, int32_t n,
                   int16_t *line) {
    assert(rows->count >= 1 && rows->count <= HV_TAPS_MOST);
    enum { BITS = HV_WEIGHT_BITS - HV_LINE_BITS };
    for (int32_t x = 0; x < n; x++) {
        const uint8_t *column = plane->samples + (ptrdiff_t)(x0 + x) * plane->step;
        int32_t sample[3] = {0, 0, 0};
        for (int32_t k = 0; k < rows->count; k++) {
            const int32_t y = hv_clamp(rows->first + k, 0, plane->height - 1);
            sample[k == 0 ? 0 : k == rows->count - 1 ? 2 : 1] += column[y * plane->stride];
        }
        line[x] = (int16_t)((sample[0] * rows->head >> BITS) + (sample[1] * rows->body >> BITS) +
                            (sample[2] * rows->tail >> BITS) + 1);
    }
}

void hv_mix_columns_c(const int16_t *line, const hv_columns *columns, uint8_t *out) {
    enum { BITS = HV_WEIGHT_BITS + HV_LINE_BITS };
    for (int32_t i = 0; i < columns->count; i++) {
        const int16_t *w = columns->weights + (ptrdiff_t)i * columns->taps;
        const int16_t *p = line + columns->base[i];
        int32_t sum = 1 << (BITS - 1);
        for (int32_t k = 0; k < columns->taps; k++) sum += w[k] * p[k];
        out[i] = (uint8_t)(sum >> BITS);
    }
}
