"""Patches of cells that hang together on the grid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.grid import BoolGrid, FloatGrid

THING_CELLS = 3
THING_EXCESS = 2.0
LONE_EXCESS = 2.5
"""A patch is something if some cell of it differs clearly and it has a few cells, or if a
cell differs very clearly. Somebody who came in does; sensor noise, the first frames of a
codec and slow light do not."""


def significant(cells: BoolGrid, excess: FloatGrid) -> BoolGrid:
    """Cells of patches large enough, or different enough, not to be noise."""
    count, labels = _kernels.label(cells)
    if not count:
        return np.zeros_like(cells)
    clear = np.zeros(count + 1, bool)
    clear[labels[cells & (excess >= THING_EXCESS)]] = True
    keep = clear & (sizes(labels, count) >= THING_CELLS)
    keep[labels[cells & (excess >= LONE_EXCESS)]] = True
    chosen: BoolGrid = keep[labels]
    return chosen


def large(cells: BoolGrid, least: int) -> BoolGrid:
    """Cells of patches of at least ``least`` cells."""
    count, labels = _kernels.label(cells)
    if not count:
        return np.zeros_like(cells)
    chosen: BoolGrid = (sizes(labels, count) >= least)[labels]
    return chosen


def touching(cells: BoolGrid, seeds: BoolGrid) -> BoolGrid:
    """Patches of ``cells`` that share a cell with ``seeds``."""
    count, labels = _kernels.label(cells)
    touched = np.zeros(count + 1, bool)
    touched[labels[cells & seeds]] = True
    chosen: BoolGrid = touched[labels]
    return chosen


def sizes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """(count + 1,) how many cells each patch has; none is said of 0, what is in no patch."""
    cells = np.bincount(labels.ravel(), minlength=count + 1)
    cells[0] = 0
    return cells


def surrounded(cells: BoolGrid, least: int) -> BoolGrid:
    """Cells with at least ``least`` of their eight neighbours in ``cells``."""
    count = cv2.boxFilter(
        cells.astype(np.uint8), cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    chosen: BoolGrid = count - cells >= least
    return chosen
