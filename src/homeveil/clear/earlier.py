"""The plate before the last of every cell.

What comes and goes between two looks, as where a shadow falls or a codec renews its picture, was
seen to be empty in both. When such a cell is cleared anew its plate is not forgotten, and the
cell is scene again as soon as it shows that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from homeveil.clear.change import Change, Lit, compare
from homeveil.clear.mosaic import Mosaic
from homeveil.grid import BoolGrid, Grid


class Plates(NamedTuple):
    """One plate of every cell: what it shows, and the (rows, cols) runs and seconds it was cleared
    in."""

    picture: Mosaic
    run: NDArray[np.int32]
    seconds: NDArray[np.float64]


class EarlierPlates:
    """has: cells that have one. run: what it was cleared in."""

    def __init__(self, grid: Grid) -> None:
        self._cell = grid.cell
        self.run = np.full(grid.shape, -1, np.int32)
        self._seconds = np.full(grid.shape, -np.inf)
        self._picture: Mosaic | None = None
        self._spare: Mosaic | None = None
        self.has = np.zeros(grid.shape, bool)

    def keep(self, last: Plates, cells: BoolGrid) -> None:
        """Take in the plates of ``cells``, which are about to be replaced."""
        if not cells.any():
            return
        if self._picture is None:
            self._picture = Mosaic(last.picture.lit, self._cell)
            self._spare = Mosaic(last.picture.lit, self._cell)
        self._picture.take(last.picture.lit, cells)
        self.has |= cells
        self.run[cells] = last.run[cells]
        self._seconds[cells] = last.seconds[cells]

    def compared(self, now: Lit, slack: float, asked: BoolGrid) -> Change:
        """How ``asked`` cells, which have one, differ from it ``now``."""
        assert self._picture is not None
        return compare(now, self._picture.lit, self._cell, self.has, slack, asked)

    def exchange(self, last: Plates, cells: BoolGrid) -> None:
        """Those of ``cells`` become the last plates, and the last ones the earlier."""
        assert self._picture is not None
        assert self._spare is not None
        self._spare.take(last.picture.lit, cells)
        last.picture.take(self._picture.lit, cells)
        self._picture.take(self._spare.lit, cells)
        last.run[cells], self.run[cells] = self.run[cells], last.run[cells]
        last.seconds[cells], self._seconds[cells] = self._seconds[cells], last.seconds[cells]

    def cleared_in(self, run: NDArray[np.int32]) -> BoolGrid:
        """Cells whose plate is of ``run``."""
        cleared: BoolGrid = self.has & (self.run == run)
        return cleared

    def since(self, seconds: float) -> BoolGrid:
        """Cells whose plate was cleared at ``seconds`` or later."""
        since: BoolGrid = self.has & (self._seconds >= seconds)
        return since

    def withdraw(self, cells: BoolGrid) -> BoolGrid:
        """Those of ``cells`` were wrong; gives those that had one."""
        gone: BoolGrid = self.has & cells
        self.has[gone] = False
        return gone

    def forget(self) -> None:
        """They are of another light or place."""
        self.has[:] = False
