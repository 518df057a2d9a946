"""A picture whose cells are of several frames, with what is read off it kept beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear.change import Lit
from homeveil.grid import BoolGrid


class Mosaic:
    """lit: the picture as it is now, in memory of its own."""

    def __init__(self, seen: Lit, cell: int) -> None:
        self.lit = Lit(seen.frame.copy(), seen.light.copy())
        self._cell = cell
        self._colours: NDArray[np.uint8] | None = None

    def take(self, seen: Lit, cells: BoolGrid) -> None:
        """Show ``cells`` as they are ``seen``."""
        _kernels.copy_cells(self.lit.frame, seen.frame, self._cell, cells)
        self.lit.light[cells] = seen.light[cells]
        self._colours = None

    def colours(self) -> NDArray[np.uint8]:
        """(rows, cols, 3) mean Y, U, V of each cell."""
        if self._colours is None:
            self._colours = _kernels.cell_means(self.lit.frame, self._cell)
        return self._colours
