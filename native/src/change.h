/* What the vector forms of hv_change share: a strip of 32 luma samples, as high as a cell,
 * yields sums of four groups, 8 luma and 4 chroma samples wide. */
#ifndef HV_CHANGE_H
#define HV_CHANGE_H

#include "kernels.h"

enum { HV_STRIP = 32, HV_STRIP_GROUPS = 4 };

typedef struct {
    int32_t aa_bb[8], a_b[8], ab_sad[8]; /* the first name's four groups, then the second's */
    int32_t peak[8];                     /* two blocks a group */
    int32_t peak_uv[8];                  /* the first four */
} hv_groups;

static inline void hv_write_groups(const hv_groups *from, int32_t cell, int32_t index,
                                   const hv_change_out *out) {
    const int32_t each = cell / 8;
    for (int32_t first = 0; first < HV_STRIP_GROUPS; first += each, index++) {
        int32_t aa = 0, bb = 0, ab = 0, a = 0, b = 0, sad = 0, peak = 0, peak_uv = 0;
        for (int32_t k = first; k < first + each; k++) {
            aa += from->aa_bb[k], bb += from->aa_bb[4 + k], ab += from->ab_sad[k];
            a += from->a_b[k], b += from->a_b[4 + k], sad += from->ab_sad[4 + k];
            peak = hv_max(peak, hv_max(from->peak[2 * k], from->peak[2 * k + 1]));
            peak_uv = hv_max(peak_uv, from->peak_uv[k]);
        }
        out->peak_y[index] = peak, out->peak_uv[index] = peak_uv;
        out->sad_y[index] = sad, out->n[index] = cell * cell;
        out->sum_a[index] = a, out->sum_b[index] = b;
        out->sum_aa[index] = aa, out->sum_bb[index] = bb, out->sum_ab[index] = ab;
    }
}

/* U and V lie so that a strip of both can be read at once. */
static inline int hv_beside(const hv_image *i) { return i->uv_step == 1 || i->v == i->u + 1; }

#endif
