/* hv_change with NEON, in strips of 32 luma samples: four, two or one cells side by side.
 * Cells that the frame cuts, and frames narrower than a strip, go to the reference. */
#include <arm_neon.h>
#include <assert.h>

#include "change.h"

typedef struct {
    uint16x8_t sad, a, b;               /* sums of pairs of samples */
    uint32x4_t aa[2], bb[2], ab[2];     /* of the lower and the upper group */
    int32x4_t peak;                     /* of each 4x4 block */
} sums;

/* How the reference's luma is taken: b times gain / 256 plus offset. */
typedef struct {
    int plain;
    uint16_t gain;
    int16_t offset;
} grading;

/* Clamped to 1023 it still is above 255 with the least offset, and then 16 bits hold it. */
static inline uint8x8_t graded8(uint8x8_t b, const grading *g) {
    const uint16x8_t wide = vmovl_u8(b);
    const uint16x8_t v =
        vcombine_u16(vshrn_n_u32(vmull_n_u16(vget_low_u16(wide), g->gain), 8),
                     vshrn_n_u32(vmull_n_u16(vget_high_u16(wide), g->gain), 8));
    const int16x8_t low = vreinterpretq_s16_u16(vminq_u16(v, vdupq_n_u16(1023)));
    return vqmovun_s16(vaddq_s16(low, vdupq_n_s16(g->offset)));
}

static inline uint8x16_t graded(uint8x16_t b, const grading *g) {
    if (g->plain) return b;
    return vcombine_u8(graded8(vget_low_u8(b), g), graded8(vget_high_u8(b), g));
}

static inline void add_products(uint32x4_t s[2], uint8x16_t a, uint8x16_t b) {
    s[0] = vpadalq_u16(s[0], vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    s[1] = vpadalq_u16(s[1], vmull_high_u8(a, b));
}

/* Four rows of 16 samples: two groups. */
static inline void four_rows(const uint8_t *pa, ptrdiff_t sa, const uint8_t *pb, ptrdiff_t sb,
                             const grading *g, sums *s) {
    uint16x8_t pairs_a = vdupq_n_u16(0), pairs_c = pairs_a;
    for (int y = 0; y < 4; y++) {
        const uint8x16_t a = vld1q_u8(pa + y * sa), b = vld1q_u8(pb + y * sb);
        const uint8x16_t c = graded(b, g);
        pairs_a = vpadalq_u8(pairs_a, a);
        pairs_c = vpadalq_u8(pairs_c, c);
        s->b = vpadalq_u8(s->b, b);
        s->sad = vpadalq_u8(s->sad, vabdq_u8(a, c));
        add_products(s->aa, a, a);
        add_products(s->bb, b, b);
        add_products(s->ab, a, b);
    }
    s->a = vaddq_u16(s->a, pairs_a);
    const int16x8_t difference = vreinterpretq_s16_u16(vsubq_u16(pairs_a, pairs_c));
    s->peak = vmaxq_s32(s->peak, vabsq_s32(vpaddlq_s16(difference)));
}

static inline void write_pairs(int32_t *out, uint16x8_t v) {
    out[0] = (int32_t)vaddlv_u16(vget_low_u16(v));
    out[1] = (int32_t)vaddlv_u16(vget_high_u16(v));
}

/* Groups 2 * half and 2 * half + 1 of a strip. */
static inline void luma_groups(const hv_image *a, const hv_image *b, int32_t x, int32_t y,
                               int32_t cell, int half, const grading *g, hv_groups *out) {
    const uint16x8_t none = vdupq_n_u16(0);
    const uint32x4_t zero = vdupq_n_u32(0);
    sums s = {none, none, none, {zero, zero}, {zero, zero}, {zero, zero}, vdupq_n_s32(0)};
    const int32_t at = x + 16 * half, k = 2 * half;
    for (int32_t j = y; j < y + cell; j += 4)
        four_rows(a->y + j * a->y_stride + at, a->y_stride, b->y + j * b->y_stride + at,
                  b->y_stride, g, &s);
    write_pairs(out->a_b + k, s.a);
    write_pairs(out->a_b + 4 + k, s.b);
    write_pairs(out->ab_sad + 4 + k, s.sad);
    for (int i = 0; i < 2; i++) {
        out->aa_bb[k + i] = (int32_t)vaddvq_u32(s.aa[i]);
        out->aa_bb[4 + k + i] = (int32_t)vaddvq_u32(s.bb[i]);
        out->ab_sad[k + i] = (int32_t)vaddvq_u32(s.ab[i]);
    }
    vst1q_s32(out->peak + 2 * k, s.peak);
}

/* 16 columns of U and of V. */
static inline uint8x16x2_t chroma_row(const hv_image *i, ptrdiff_t at) {
    if (i->uv_step == 2) return vld2q_u8(i->u + at);
    return (uint8x16x2_t){{vld1q_u8(i->u + at), vld1q_u8(i->v + at)}};
}

static inline int16x8_t pairs(int16x8_t sum, uint8x16_t a, uint8x16_t b) {
    return vaddq_s16(sum, vreinterpretq_s16_u16(vsubq_u16(vpaddlq_u8(a), vpaddlq_u8(b))));
}

static inline void chroma_groups(const hv_image *a, const hv_image *b, int32_t x, int32_t y,
                                 int32_t side, int32_t *out) {
    const ptrdiff_t xa = (ptrdiff_t)x * a->uv_step, xb = (ptrdiff_t)x * b->uv_step;
    int32x4_t peak = vdupq_n_s32(0);
    for (int32_t j = y; j < y + side; j += 4) {
        int16x8_t u = vdupq_n_s16(0), v = u;
        for (int32_t k = j; k < j + 4; k++) {
            const uint8x16x2_t ca = chroma_row(a, k * a->uv_stride + xa);
            const uint8x16x2_t cb = chroma_row(b, k * b->uv_stride + xb);
            u = pairs(u, ca.val[0], cb.val[0]);
            v = pairs(v, ca.val[1], cb.val[1]);
        }
        peak = vmaxq_s32(peak, vmaxq_s32(vabsq_s32(vpaddlq_s16(u)), vabsq_s32(vpaddlq_s16(v))));
    }
    vst1q_s32(out, peak);
}

static void strip(const hv_image *a, const hv_image *b, int32_t cell, int32_t row, int32_t col,
                  const grading *g, const hv_change_out *out) {
    hv_groups found;
    const int32_t x = col * cell, y = row * cell;
    luma_groups(a, b, x, y, cell, 0, g, &found);
    luma_groups(a, b, x, y, cell, 1, g, &found);
    chroma_groups(a, b, x / 2, y / 2, cell / 2, found.peak_uv);
    hv_write_groups(&found, cell, row * hv_ceil_div(a->width, cell) + col, out);
}

static void whole_rows(const hv_image *a, const hv_image *b, int32_t cell, const grading *g,
                       int32_t whole_cols, const hv_change_out *out) {
    const int32_t each = HV_STRIP / cell;
    for (int32_t row = 0; row < a->height / cell; row++) {
        for (int32_t col = 0; col + each <= whole_cols; col += each)
            strip(a, b, cell, row, col, g, out);
        /* The last strip covers some cells again, with the same results. */
        if (whole_cols % each) strip(a, b, cell, row, whole_cols - each, g, out);
    }
}

void hv_change_neon(const hv_image *frame, const hv_image *reference, int32_t cell,
                    int32_t gain_q8, int32_t offset, const hv_change_out *out) {
    assert(cell == 8 || cell == 16 || cell == 32);
    const int32_t cols = hv_ceil_div(frame->width, cell), rows = hv_ceil_div(frame->height, cell);
    const grading g = {gain_q8 == 256 && offset == 0, (uint16_t)gain_q8, (int16_t)offset};
    int32_t done_cols = frame->width / cell, done_rows = frame->height / cell;
    if (done_cols * cell < HV_STRIP || !hv_beside(frame) || !hv_beside(reference)) done_rows = 0;
    if (done_rows) whole_rows(frame, reference, cell, &g, done_cols, out);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t col = row < done_rows ? done_cols : 0; col < cols; col++)
            hv_change_cell(frame, reference, cell, row, col, gain_q8, offset, out);
}
