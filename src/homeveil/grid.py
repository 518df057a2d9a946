"""The grid of cells on which everything is decided, and boxes in pixels.

A cell is a square of 8, 16 or 32 pixels, chosen by the frame's shorter side so that a
frame has some 40 to 70 rows whatever its size: the cost of a decision then does not
depend on the resolution. Boxes are half-open ``[x0, x1)`` in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BoolGrid = NDArray[np.bool_]
FloatGrid = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box ``[x0, x1) x [y0, y1)`` in pixels; may lie partly outside a frame."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0..1 (Jaccard index)."""
        both = self.shared(other)
        union = self.area + other.area - both
        return both / union if union > 0 else 0.0

    def shared(self, other: Box) -> float:
        """Area of the intersection in square pixels."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, width) * max(0.0, height)

    def grown(self, left: float, up: float, right: float, down: float) -> Box:
        """Grown by multiples of the box's own width (left, right) and height (up, down)."""
        return Box(
            self.x0 - left * self.width,
            self.y0 - up * self.height,
            self.x1 + right * self.width,
            self.y1 + down * self.height,
        )

    def holds(self, other: Box) -> bool:
        """Whether the centre of ``other`` lies in it."""
        x, y = other.centre
        return self.x0 <= x < self.x1 and self.y0 <= y < self.y1

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)


@dataclass(frozen=True, slots=True)
class CellWindow:
    """A half-open rectangle of cells."""

    row0: int
    col0: int
    row1: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def index(self) -> tuple[slice, slice]:
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    @classmethod
    def around(cls, cells: BoolGrid) -> CellWindow:
        """The smallest that holds ``cells``, of which there are some."""
        rows, cols = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
        return cls(int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)

    def common(self, other: CellWindow) -> CellWindow:
        """The cells of both; empty if there are none."""
        top, left = max(self.row0, other.row0), max(self.col0, other.col0)
        bottom, right = min(self.row1, other.row1), min(self.col1, other.col1)
        return CellWindow(top, left, max(top, bottom), max(left, right))

    def inside(self, whole: CellWindow) -> tuple[slice, slice]:
        """Where this window lies in an array over ``whole``, which holds it."""
        return (
            slice(self.row0 - whole.row0, self.row1 - whole.row0),
            slice(self.col0 - whole.col0, self.col1 - whole.col0),
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells over a ``width`` x ``height`` frame; the last row and column may be cut."""

    width: int
    height: int
    cell: int

    @classmethod
    def over(cls, width: int, height: int) -> Grid:
        short = min(width, height)
        return cls(width, height, 8 if short <= 480 else 16 if short <= 1080 else 32)

    @property
    def rows(self) -> int:
        return -(-self.height // self.cell)

    @property
    def cols(self) -> int:
        return -(-self.width // self.cell)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.cols

    def window(self, box: Box) -> CellWindow:
        """The cells that ``box`` touches, clipped to the frame; may be empty."""
        row0 = min(self.rows, max(0, int(np.floor(box.y0 / self.cell))))
        col0 = min(self.cols, max(0, int(np.floor(box.x0 / self.cell))))
        row1 = max(row0, min(self.rows, int(np.ceil(box.y1 / self.cell))))
        col1 = max(col0, min(self.cols, int(np.ceil(box.x1 / self.cell))))
        return CellWindow(row0, col0, row1, col1)

    def box(self, window: CellWindow) -> Box:
        """Pixels of a window of cells; reaches past the frame where the last cell is cut."""
        return Box(
            window.col0 * self.cell,
            window.row0 * self.cell,
            window.col1 * self.cell,
            window.row1 * self.cell,
        )

    def cells_in(self, box: Box) -> BoolGrid:
        """Grid of the cells that ``box`` touches."""
        grid = np.zeros(self.shape, bool)
        grid[self.window(box).index] = True
        return grid

    def cells_about(self, box: Box) -> BoolGrid:
        """Grid of the cells with their centre in the oval that fills ``box``."""
        xs, ys = self.centres()
        x, y = box.centre
        across, down = (xs - x) / max(box.width, 1.0), (ys - y) / max(box.height, 1.0)
        inside: BoolGrid = across**2 + down**2 < 0.25
        return inside

    def centres(self) -> tuple[FloatGrid, FloatGrid]:
        """x and y of the cell centres in pixels, each (rows, cols), to be read only."""
        return _centres(self)


@lru_cache(maxsize=8)
def _centres(grid: Grid) -> tuple[FloatGrid, FloatGrid]:
    ys = (np.arange(grid.rows, dtype=np.float32) + 0.5) * grid.cell
    xs = (np.arange(grid.cols, dtype=np.float32) + 0.5) * grid.cell
    grid_x, grid_y = np.meshgrid(xs, ys)
    grid_x.flags.writeable = grid_y.flags.writeable = False
    return grid_x, grid_y
