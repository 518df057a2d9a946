/* Patches of a mask on the grid: cells that hang together. */
#include "kernels.h"

/* Union-find in the labels themselves: while cells are read a label is 1 + the cell's parent, which
 * never comes after it; a root is its own, and 0 is outside the mask. So one more run in the same
 * order can number the roots and hand every cell the number of its own. */
static int32_t root_of(int32_t *labels, int32_t cell) {
    int32_t root = cell;
    while (labels[root] != root + 1) root = labels[root] - 1;
    while (labels[cell] != root + 1) {
        const int32_t next = labels[cell] - 1;
        labels[cell] = root + 1;
        cell = next;
    }
    return root;
}

static int32_t joined(int32_t *labels, int32_t root, int32_t other) {
    other = root_of(labels, other);
    if (other < root) {
        labels[root] = other + 1;
        return other;
    }
    labels[other] = root + 1;
    return root;
}

int32_t hv_label_c(const uint8_t *mask, int32_t *labels, int32_t cols, int32_t rows,
                   int32_t corners) {
    for (int32_t row = 0, cell = 0; row < rows; row++) {
        for (int32_t col = 0; col < cols; col++, cell++) {
            labels[cell] = 0;
            if (!mask[cell]) continue;
            labels[cell] = cell + 1;
            int32_t root = cell;
            const int32_t above = cell - cols;
            if (col > 0 && labels[cell - 1]) root = joined(labels, root, cell - 1);
            if (row == 0) continue;
            if (labels[above]) root = joined(labels, root, above);
            if (!corners) continue;
            if (col > 0 && labels[above - 1]) root = joined(labels, root, above - 1);
            if (col + 1 < cols && labels[above + 1]) joined(labels, root, above + 1);
        }
    }
    /* Numbers are negative until all are given, to be told from cells. */
    int32_t count = 0;
    const int32_t cells = cols * rows;
    for (int32_t cell = 0; cell < cells; cell++) {
        if (!labels[cell]) continue;
        labels[cell] = labels[cell] == cell + 1 ? -++count : labels[labels[cell] - 1];
    }
    for (int32_t cell = 0; cell < cells; cell++) labels[cell] = -labels[cell];
    return count;
}
