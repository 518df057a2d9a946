"""Where to look next: the budget of looks goes where least is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.clear.evidence import LOOKS_NEEDED, SCAN_BANDS, Evidence, trusted
from homeveil.grid import BoolGrid, CellWindow, FloatGrid, Grid
from homeveil.perceive.observation import BAND_WIDTHS

ASPECT = 0.8
"""Height of a window as a share of its width; the square mask model was trained on
pictures of about these proportions."""

START_LOOKS = 60
"""Credit at the start of a stream, when nothing is known."""

FEW_PER_SECOND = 5.0
MANY_CELLS = 25
"""Looks a second that a single waiting cell is worth, and how many cells are worth all that the
policy allows: one look serves all cells in its window, so few cells can wait for company."""

STILL_SECONDS = 0.2
RESTLESS_SECONDS = 1.6
"""How long a cell must have held still to be worth a look. Twice as long each time that it
changed again soon, up to this: what a television shows is not worth a look a frame."""

BURST_SECONDS = 0.5
FRAME_SHARE = 1.5
FRAME_LEAST = 4
"""Saved looks are those of so many seconds; one frame gets at most so many times its even
share of looks, so that no frame takes much longer than another, but so many at least."""


class LookPlan:
    """Chooses windows by need.

    Each band has two tilings, the second shifted by half a tile, so that nobody stays on
    a seam; the trusted parts of a tiling's windows cover the frame once.
    """

    def __init__(self, grid: Grid, looks_per_second: float) -> None:
        self._grid = grid
        self._per_second = looks_per_second
        self._credit = self._due = float(START_LOOKS)
        self._most = START_LOOKS
        self._patience = np.full(grid.shape, STILL_SECONDS)
        self._tilings = {band: _Tiling(grid, band) for band in SCAN_BANDS}

    def unsettle(self, changed: BoolGrid, held_seconds: NDArray[np.float64]) -> None:
        """Cells changed that had held still for so long."""
        soon = held_seconds[changed] < RESTLESS_SECONDS
        longer = np.minimum(2 * self._patience[changed], RESTLESS_SECONDS)
        self._patience[changed] = np.where(soon, longer, STILL_SECONDS)

    def worthwhile(self, held_seconds: NDArray[np.float64]) -> BoolGrid:
        """Cells that have held still for so long that a look at them may last."""
        worthwhile: BoolGrid = held_seconds >= self._patience
        return worthwhile

    def earn(self, elapsed_seconds: float, waiting_cells: int) -> int:
        """Add the looks of the time since the last frame; returns how many may be spent now.

        waiting_cells: how many cells wait for looks.
        """
        elapsed = max(0.0, elapsed_seconds)
        self._credit = _filled(self._credit, self._per_second, elapsed)
        worth = FEW_PER_SECOND + self._per_second * waiting_cells / MANY_CELLS
        self._due = _filled(self._due, min(self._per_second, worth), elapsed)
        self._most = max(FRAME_LEAST, round(FRAME_SHARE * self._per_second * elapsed))
        return int(min(self._credit, self._due, self._most))

    def spend(self, looks: int) -> None:
        """Take out looks that are spent."""
        self._credit -= looks
        self._due -= looks
        self._most -= looks

    def choose(
        self, evidence: Evidence, wanted: FloatGrid
    ) -> tuple[tuple[CellWindow, int], ...]:
        """Windows for this frame. wanted: weight of each cell that needs looks."""
        # A few cells that flicker beside the agent are not worth a burst of looks.
        most = int(((wanted > 0) & ~evidence.looked_enough()).sum())
        most = max(0, min(most, int(min(self._credit, self._due, self._most))))
        if not most:
            return ()
        looks = evidence.looks.copy()
        worths = {
            band: tiling.worths(wanted, looks[band]) for band, tiling in self._tilings.items()
        }
        chosen: list[tuple[CellWindow, int]] = []
        while len(chosen) < most:
            best = self._best(worths)
            if best is None:
                break
            band, number = best
            tiling = self._tilings[band]
            looks[(band, *tiling.parts[number].index)] += 1
            worths[band] = tiling.worths(wanted, looks[band])
            chosen.append((tiling.windows[number], band))
        self.spend(len(chosen))
        return tuple(chosen)

    def _best(self, worths: dict[int, list[float]]) -> tuple[int, int] | None:
        """Band and number of the window that is worth most; of equals the first."""
        best: tuple[int, int] | None = None
        best_worth = 0.0
        for band, values in worths.items():
            if max(values, default=0.0) <= best_worth + 1e-6:
                continue
            for number, worth in enumerate(values):
                if worth > best_worth + 1e-6:
                    best, best_worth = (band, number), worth
        return best


class _Tiling:
    """The windows of a band and the parts of them that count."""

    def __init__(self, grid: Grid, band: int) -> None:
        self.windows = _tilings(grid, band)
        self.parts = [trusted(window, grid) for window in self.windows]
        corners = np.array([(p.row0, p.col0, p.row1, p.col1) for p in self.parts]).T
        self._top, self._left, self._bottom, self._right = corners
        self._area = np.maximum(1, (self._bottom - self._top) * (self._right - self._left))
        self._sums = np.zeros((grid.rows + 1, grid.cols + 1), np.float64)

    def worths(self, wanted: FloatGrid, looks: FloatGrid) -> list[float]:
        """Of each window: the need of its cells, by share, so that fine windows, which cover
        less, get their turn too."""
        need = wanted * np.clip(1 - looks / LOOKS_NEEDED, 0, 1)
        sums = self._sums
        sums[1:, 1:] = need.cumsum(0).cumsum(1)
        total = sums[self._bottom, self._right] - sums[self._top, self._right]
        total = total - sums[self._bottom, self._left] + sums[self._top, self._left]
        worths: list[float] = (total / self._area).tolist()
        return worths


def _filled(credit: float, per_second: float, elapsed_seconds: float) -> float:
    most = max(credit, 1.0, per_second * BURST_SECONDS)
    return min(most, credit + per_second * elapsed_seconds)


def _tilings(grid: Grid, band: int) -> list[CellWindow]:
    longer = max(grid.rows, grid.cols)
    cols = min(grid.cols, max(6, round(longer * BAND_WIDTHS[band])))
    rows = min(grid.rows, max(5, round(cols * ASPECT)))
    probe = trusted(CellWindow(1, 1, 1 + rows, 1 + cols), Grid(10**6, 10**6, 1))
    step_y, step_x = probe.shape
    windows: dict[CellWindow, None] = {}
    for shift_y, shift_x in ((0, 0), (step_y // 2, step_x // 2)):
        for top in _starts(grid.rows - rows, step_y, shift_y):
            for left in _starts(grid.cols - cols, step_x, shift_x):
                windows[CellWindow(top, left, top + rows, left + cols)] = None
    return list(windows)


def _starts(last: int, step: int, shift: int) -> list[int]:
    return sorted({0, max(last, 0), *range(shift, max(last, 0), max(step, 1))})
