"""Patches of cells that hang together on the grid."""

from __future__ import annotations

import cv2
import numpy as np

from homeveil.grid import BoolGrid, FloatGrid

THING_CELLS = 3
THING_EXCESS = 2.0
LONE_EXCESS = 2.5
"""A patch is something if some cell of it differs clearly and it has a few cells, or if a
cell differs very clearly. Somebody who came in does; sensor noise, the first frames of a
codec and slow light do not."""


def significant(cells: BoolGrid, excess: FloatGrid) -> BoolGrid:
    """Cells of patches large enough, or different enough, not to be noise."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        cells.astype(np.uint8), connectivity=8
    )
    if count <= 1:
        return np.zeros_like(cells)
    clear = np.zeros(count, bool)
    clear[labels[cells & (excess >= THING_EXCESS)]] = True
    keep = clear & (stats[:, cv2.CC_STAT_AREA] >= THING_CELLS)
    keep[labels[cells & (excess >= LONE_EXCESS)]] = True
    keep[0] = False
    chosen: BoolGrid = keep[labels]
    return chosen


def large(cells: BoolGrid, least: int) -> BoolGrid:
    """Cells of patches of at least ``least`` cells."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    chosen: BoolGrid = keep[labels]
    return chosen


def touching(cells: BoolGrid, seeds: BoolGrid) -> BoolGrid:
    """Patches of ``cells`` that share a cell with ``seeds``."""
    count, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=8)
    touched = np.zeros(count, bool)
    touched[labels[cells & seeds]] = True
    touched[0] = False
    chosen: BoolGrid = touched[labels]
    return chosen


def surrounded(cells: BoolGrid, least: int) -> BoolGrid:
    """Cells with at least ``least`` of their eight neighbours in ``cells``."""
    count = cv2.boxFilter(
        cells.astype(np.uint8), cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    chosen: BoolGrid = count - cells >= least
    return chosen
