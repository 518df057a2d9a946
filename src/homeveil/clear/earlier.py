"""The plate before the last of every cell.

What flickers between two looks, as where a shadow comes and goes or a codec renews its picture,
was seen to be empty in both. When such a cell is cleared anew its plate is not forgotten, and
the cell is scene again as soon as it shows that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear.change import Change, compare
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, Grid


class EarlierPlates:
    """has: cells that have one. run, seconds: what it was cleared in, and when.
    withdrawn_run: the run of the last one that proved wrong."""

    def __init__(self, grid: Grid) -> None:
        self._cell = grid.cell
        self.has = np.zeros(grid.shape, bool)
        self.run = np.full(grid.shape, -1, np.int32)
        self.seconds = np.full(grid.shape, -np.inf)
        self.withdrawn_run = np.full(grid.shape, -2, np.int32)
        self._plate: RawFrame | None = None
        self._spare: RawFrame | None = None

    def keep(
        self,
        plate: RawFrame,
        cells: BoolGrid,
        run: NDArray[np.int32],
        seconds: NDArray[np.float64],
    ) -> None:
        """Take in the plates of ``cells``, which are about to be replaced."""
        if not cells.any():
            return
        if self._plate is None:
            self._plate = plate.copy()
        _kernels.copy_cells(self._plate, plate, self._cell, cells)
        self.has |= cells
        self.run[cells] = run[cells]
        self.seconds[cells] = seconds[cells]

    def compared(
        self, frame: RawFrame, light: NDArray[np.float64], slack: float
    ) -> Change:
        """How ``frame``, whose luma is ``light``, differs from them, where there are any."""
        assert self._plate is not None
        return compare(frame, self._plate, self._cell, light, self.has, slack)

    def exchange(
        self,
        plate: RawFrame,
        cells: BoolGrid,
        run: NDArray[np.int32],
        seconds: NDArray[np.float64],
    ) -> None:
        """Those of ``cells`` become the last plates, and the last ones the earlier."""
        assert self._plate is not None
        if self._spare is None:
            self._spare = plate.copy()
        _kernels.copy_cells(self._spare, plate, self._cell, cells)
        _kernels.copy_cells(plate, self._plate, self._cell, cells)
        _kernels.copy_cells(self._plate, self._spare, self._cell, cells)
        run[cells], self.run[cells] = self.run[cells], run[cells]
        seconds[cells], self.seconds[cells] = self.seconds[cells], seconds[cells]

    def withdraw(self, cells: BoolGrid) -> None:
        """Those of ``cells`` were wrong."""
        gone = self.has & cells
        self.withdrawn_run[gone] = self.run[gone]
        self.has[gone] = False

    def forget(self) -> None:
        """They are of another light or place."""
        self.has[:] = False
