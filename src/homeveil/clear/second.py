"""Second looks: a still thing that a scanning look took for somebody is looked at again.

A people mask may take a mug, a pen or a keyboard for part of a person when it fills a
window of one size just so. Somebody real, even a sliver of a person behind a door, is seen
in windows of several sizes in a row. So a small patch that held still since the stream
began is looked at through a ladder of windows centred on it; if no three sizes in a row
see anybody in any cell of it, the patch is excused. Any change there takes that back.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.grid import BoolGrid, CellWindow, FloatGrid, Grid
from homeveil.perceive.observation import PeopleLook

SIZES = 6
FIRST_SHARE = 0.09
STEP = 1.35
"""Windows of the ladder: how many sizes, the first as a share of the longer side of the
grid, and each as a multiple of the one before."""

IN_A_ROW = 3
_ORDER = (2, 3, 1, 4, 0, 5)
"""Every run holds one of the two middle sizes, so that they often decide alone."""

SHIFTS = ((0.0, 0.0), (-0.2, -0.2), (0.2, -0.2), (-0.2, 0.2), (0.2, 0.2))
"""Windows of one size, moved by these shares of it; their mean counts."""

EXCUSED_MEAN = 0.06
EXCUSED_MOST = 0.3
"""Agreement of the ladder, in the mean and in the worst cell, up to which a patch is
nobody. Measured on rendered clips: mugs, keyboards, paper and walls 0.00 to 0.02 and up to
0.28 (one mug of six 0.47); depicted people 0.26 to 0.84, a child behind a door frame 0.27
and up, a hand and arm 0.77, a seated adult 0.66."""

BLOCK_CELLS = 8
MOST_BLOCKS = 4
"""A patch is looked at in blocks; a patch of more blocks is too large to be excused."""

MOST_PER_FRAME = 12

MOST_ATTEMPTS = 3
AGAIN_SECONDS = 2.0
"""How often, and how soon again, one patch is reviewed."""


@dataclass(slots=True, eq=False)
class _Block:
    """One block of a patch under review. Arrays are (sizes, rows, cols): the sum of the
    probabilities seen, how many looks saw a cell, and how many will have in the end."""

    window: CellWindow
    left: deque[tuple[int, CellWindow]]
    seen: FloatGrid = field(init=False)
    looks: FloatGrid = field(init=False)
    total: FloatGrid = field(init=False)

    def __post_init__(self) -> None:
        shape = (SIZES, *self.window.shape)
        self.seen, self.looks = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.total = np.zeros(shape, np.float32)
        for size, window in self.left:
            self.total[size][self.window.common(window).inside(self.window)] += 1

    def add(self, size: int, look: PeopleLook) -> None:
        part = self.window.common(look.window)
        inside = part.inside(self.window)
        self.seen[size][inside] += look.probability[part.inside(look.window)]
        self.looks[size][inside] += 1

    def bounds(self) -> tuple[FloatGrid, FloatGrid]:
        """Least and most that the agreement, (rows, cols), can still come to."""
        total = np.maximum(self.total, np.float32(1))
        most = (self.seen + self.total - self.looks) / total
        return _agreement(_narrow(self.seen / total)), _agreement(_narrow(most))


@dataclass(slots=True, eq=False)
class _Review:
    cells: BoolGrid
    blocks: list[_Block]


class SecondLooks:
    """Reviews of suspected patches, one after another."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._reviewed = np.zeros(grid.shape, bool)
        self._attempts = np.zeros(grid.shape, np.int32)
        self._again_seconds = np.full(grid.shape, np.inf)
        self._reviews: deque[_Review] = deque()
        self._asked: list[tuple[_Block, int]] = []

    def forget(self, cells: BoolGrid) -> None:
        """Something changed in ``cells``: reviews of them are void."""
        self._reviewed &= ~cells
        self._attempts[cells] = 0
        for review in list(self._reviews):
            if (review.cells & cells).any():
                self._reviews.remove(review)
                self._reviewed &= ~review.cells

    def suspect(self, seen: BoolGrid, settled: BoolGrid, seconds: float) -> None:
        """Open reviews of the patches of ``seen`` that lie wholly in ``settled``.

        A patch that was not excused gets another chance later, but not many.
        """
        self._reviewed &= (self._again_seconds > seconds) | (self._attempts >= MOST_ATTEMPTS)
        count, labels = _kernels.label(seen)
        open_ = np.ones(count + 1, bool)
        open_[labels[seen & ~settled]] = False
        open_[labels[seen & self._reviewed]] = False
        for number in range(1, count + 1):
            if not open_[number]:
                continue
            cells: BoolGrid = labels == number
            self._reviewed |= cells
            self._attempts[cells] += 1
            self._again_seconds[cells] = seconds + AGAIN_SECONDS
            windows = _blocks(cells)
            if len(windows) <= MOST_BLOCKS:
                blocks = [_Block(window, deque(self._ladder(window))) for window in windows]
                self._reviews.append(_Review(cells, blocks))

    def ask(self, most: int) -> tuple[CellWindow, ...]:
        """Up to ``most`` windows to look at in this frame."""
        self._asked = []
        windows: list[CellWindow] = []
        if self._reviews:
            for block in self._reviews[0].blocks:
                while block.left and len(windows) < min(most, MOST_PER_FRAME):
                    size, window = block.left.popleft()
                    self._asked.append((block, size))
                    windows.append(window)
        return tuple(windows)

    def answer(self, looks: Sequence[PeopleLook]) -> BoolGrid:
        """Take in the looks that ``ask`` asked for; returns the cells now excused."""
        for (block, size), look in zip(self._asked, looks, strict=True):
            block.add(size, look)
        self._asked = []
        excused = np.zeros(self._grid.shape, bool)
        while self._reviews:
            nobody = self._is_nobody(self._reviews[0])
            if nobody is None:
                break
            review = self._reviews.popleft()
            if nobody:
                excused |= review.cells
        return excused

    def _is_nobody(self, review: _Review) -> bool | None:
        """What the looks so far prove, whatever the rest may say; None: nothing yet."""
        least = np.zeros(self._grid.shape, np.float32)
        most = np.zeros(self._grid.shape, np.float32)
        for block in review.blocks:
            least[block.window.index], most[block.window.index] = block.bounds()
        if _excusable(most[review.cells]):
            return True
        return None if _excusable(least[review.cells]) else False

    def _ladder(self, block: CellWindow) -> list[tuple[int, CellWindow]]:
        rows, cols = self._grid.shape
        longer = max(rows, cols)
        y, x = (block.row0 + block.row1) / 2, (block.col0 + block.col1) / 2
        steps: dict[tuple[int, CellWindow], None] = {}
        for size in _ORDER:
            side = max(round(FIRST_SHARE * longer * STEP**size), 4)
            height, width = min(side, rows), min(side, cols)
            for right, down in SHIFTS:
                top = min(max(round(y - height / 2 + down * height), 0), rows - height)
                left = min(max(round(x - width / 2 + right * width), 0), cols - width)
                steps[(size, CellWindow(top, left, top + height, left + width))] = None
        return list(steps)


def _narrow(values: NDArray[np.floating]) -> FloatGrid:
    return values.astype(np.float32)


def _agreement(seen: FloatGrid) -> FloatGrid:
    """Best of all runs of sizes of what the worst size of the run saw."""
    runs = [seen[at : at + IN_A_ROW].min(0) for at in range(SIZES - IN_A_ROW + 1)]
    result: FloatGrid = np.max(runs, axis=0)
    return result


def _excusable(agreement: FloatGrid) -> bool:
    return bool(agreement.mean() <= EXCUSED_MEAN and agreement.max() <= EXCUSED_MOST)


def _blocks(cells: BoolGrid) -> list[CellWindow]:
    """Windows of at most ``BLOCK_CELLS`` a side that cover ``cells``."""
    whole = CellWindow.around(cells)
    down, across = (-(-side // BLOCK_CELLS) for side in whole.shape)
    rows = np.linspace(whole.row0, whole.row1, down + 1).round().astype(int)
    cols = np.linspace(whole.col0, whole.col1, across + 1).round().astype(int)
    return [
        CellWindow(int(y0), int(x0), int(y1), int(x1))
        for y0, y1 in itertools.pairwise(rows)
        for x0, x1 in itertools.pairwise(cols)
    ]
