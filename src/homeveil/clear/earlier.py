"""The plate before the last of every cell.

What comes and goes between two looks, as where a shadow falls or a codec renews its picture, was
seen to be empty in both. When such a cell is cleared anew its plate is not forgotten, and the
cell is scene again as soon as it shows that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear.change import Change, compare
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, Grid


class Plates(NamedTuple):
    """One plate of every cell: what it shows, and the (rows, cols) runs and seconds it was cleared
    in."""

    picture: RawFrame
    run: NDArray[np.int32]
    seconds: NDArray[np.float64]


class EarlierPlates:
    """has: cells that have one. withdrawn_run: the run of the last one of a cell that proved
    wrong."""

    def __init__(self, grid: Grid) -> None:
        self._cell = grid.cell
        self._run = np.full(grid.shape, -1, np.int32)
        self._seconds = np.full(grid.shape, -np.inf)
        self._picture: RawFrame | None = None
        self._spare: RawFrame | None = None
        self.has = np.zeros(grid.shape, bool)
        self.withdrawn_run = np.full(grid.shape, -2, np.int32)

    def keep(self, last: Plates, cells: BoolGrid) -> None:
        """Take in the plates of ``cells``, which are about to be replaced."""
        if not cells.any():
            return
        if self._picture is None:
            self._picture, self._spare = last.picture.copy(), last.picture.copy()
        _kernels.copy_cells(self._picture, last.picture, self._cell, cells)
        self.has |= cells
        self._run[cells] = last.run[cells]
        self._seconds[cells] = last.seconds[cells]

    def compared(self, frame: RawFrame, light: NDArray[np.float64], slack: float) -> Change:
        """How ``frame``, whose luma is ``light``, differs from them, where there are any."""
        assert self._picture is not None
        return compare(frame, self._picture, self._cell, light, self.has, slack)

    def exchange(self, last: Plates, cells: BoolGrid) -> None:
        """Those of ``cells`` become the last plates, and the last ones the earlier."""
        assert self._picture is not None
        assert self._spare is not None
        _kernels.copy_cells(self._spare, last.picture, self._cell, cells)
        _kernels.copy_cells(last.picture, self._picture, self._cell, cells)
        _kernels.copy_cells(self._picture, self._spare, self._cell, cells)
        last.run[cells], self._run[cells] = self._run[cells], last.run[cells]
        last.seconds[cells], self._seconds[cells] = self._seconds[cells], last.seconds[cells]

    def cleared_in(self, run: NDArray[np.int32]) -> BoolGrid:
        """Cells whose plate is of ``run``."""
        cleared: BoolGrid = self.has & (self._run == run)
        return cleared

    def withdraw(self, cells: BoolGrid) -> None:
        """Those of ``cells`` were wrong."""
        gone = self.has & cells
        self.withdrawn_run[gone] = self._run[gone]
        self.has[gone] = False

    def forget(self) -> None:
        """They are of another light or place."""
        self.has[:] = False
