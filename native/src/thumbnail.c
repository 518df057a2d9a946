/* Planes to a small RGB picture of a region, for the models: each plane is resampled by
 * itself, rows before columns, line by line of the picture, and the three lines converted. */
#include <assert.h>
#include <string.h>

#include "kernels.h"

/* Above so many source samples for one, only every second, third ... of them counts: taps
 * stay few and sums small, and no picture that a model is shown shrinks as much. */
enum { SHRINK_MOST = 64 };

typedef struct {
    hv_plane plane;
    hv_columns columns;
    hv_axis rows;
    int32_t x0, x1;
} channel;

/* Every how manyth sample counts along an axis. */
static int32_t stride_of(double size) {
    if (size <= SHRINK_MOST) return 1;
    const int32_t whole = (int32_t)(size / SHRINK_MOST);
    return size > (double)whole * SHRINK_MOST ? whole + 1 : whole;
}

static hv_plane thinned(hv_plane plane, int32_t across, int32_t down) {
    plane.step *= across, plane.stride *= down;
    plane.width = hv_ceil_div(plane.width, across);
    plane.height = hv_ceil_div(plane.height, down);
    return plane;
}

static channel channel_of(hv_plane plane, const double roi[4], int32_t out_width,
                          int32_t out_height, void *table) {
    const int32_t across = stride_of((roi[2] - roi[0]) / out_width);
    const int32_t down = stride_of((roi[3] - roi[1]) / out_height);
    channel c = {.plane = thinned(plane, across, down),
                 .rows = hv_axis_of(roi[1] / down, roi[3] / down, out_height)};
    c.columns = hv_columns_of(roi[0] / across, roi[2] / across, out_width, c.plane.width, table,
                              &c.x0, &c.x1);
    return c;
}

static void make_line(const hv_table *set, const channel *c, const hv_taps *rows, int16_t *line,
                      uint8_t *out) {
    const int32_t n = c->x1 - c->x0;
    set->mix_rows(&c->plane, rows, c->x0, n, line);
    /* Weights of nothing meet these. */
    memset(line + n, 0, (size_t)(c->columns.taps + 8) * sizeof *line);
    set->mix_columns(line, &c->columns, out);
}

static size_t aligned(size_t bytes) { return (bytes + 31) / 32 * 32; }

/* Columns of a line, at most: those of a region inside the widest plane. */
static size_t line_bytes(double size) {
    const double most = size < 16384.0 ? size : 16384.0;
    return aligned(((size_t)most + 8 + HV_TAPS_MOST + 16) * sizeof(int16_t));
}

static size_t table_bytes(double size, int32_t n) {
    return aligned(hv_columns_bytes(size / stride_of(size / n), n));
}

size_t hv_thumbnail_bytes(double x0, double x1, int32_t out_width) {
    const size_t outs = aligned((size_t)hv_ceil_div(out_width, HV_GROUP) * HV_GROUP);
    return table_bytes(x1 - x0, out_width) + table_bytes((x1 - x0) / 2, out_width) +
           line_bytes(x1 - x0) + 3 * outs;
}

void hv_thumbnail_of(const hv_table *set, const hv_image *image, const double roi[4], uint8_t *rgb,
                     int32_t out_width, int32_t out_height, ptrdiff_t rgb_stride, void *scratch) {
    assert(roi[2] > roi[0] && roi[3] > roi[1]);
    const int32_t uv_width = (image->width + 1) / 2, uv_height = (image->height + 1) / 2;
    const double half[4] = {roi[0] / 2, roi[1] / 2, roi[2] / 2, roi[3] / 2};
    const double size = roi[2] - roi[0];
    const size_t outs = aligned((size_t)hv_ceil_div(out_width, HV_GROUP) * HV_GROUP);
    uint8_t *memory = scratch;
    uint8_t *chroma_table = memory + table_bytes(size, out_width);
    int16_t *line = (int16_t *)(chroma_table + table_bytes(size / 2, out_width));
    uint8_t *y = (uint8_t *)line + line_bytes(size), *u = y + outs, *v = u + outs;
    const hv_plane luma = {image->y, image->y_stride, 1, image->width, image->height};
    const hv_plane chroma = {image->u, image->uv_stride, image->uv_step, uv_width, uv_height};
    const channel cy = channel_of(luma, roi, out_width, out_height, memory);
    const channel cu = channel_of(chroma, half, out_width, out_height, chroma_table);
    channel cv = cu;
    cv.plane.samples = image->v;
    const hv_matrix *matrix = hv_matrix_of(image);
    for (int32_t j = 0; j < out_height; j++) {
        const hv_taps luma_rows = hv_taps_of(&cy.rows, j), chroma_rows = hv_taps_of(&cu.rows, j);
        make_line(set, &cy, &luma_rows, line, y);
        make_line(set, &cu, &chroma_rows, line, u);
        make_line(set, &cv, &chroma_rows, line, v);
        set->rgb_line(matrix, y, u, v, out_width, rgb + j * rgb_stride);
    }
}
