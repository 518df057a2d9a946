"""Where the work surface is, while no zone was drawn: found in wide looks, then looked at closely.

A webcam on a monitor shows the desk as a strip at the picture's lower rim. Looked at as large
as the watcher's picture allows, what lies there has more than twice the pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.view import ANYWHERE, Mask, View
from homeveil.desk_rules import Point

ON_SURFACE = 0.5
FIRST_LOOKS = 4
"""Wide looks before anything is looked at closely."""

WIDE_SECONDS = 10.0
"""Time between wide looks afterwards: a desk comes to light when somebody leaves."""

STEP = 0.15
"""Weight of a look in what is kept of the surface."""

DENSE = 0.5
"""Share of the densest row's, or column's, mean from which another belongs to the surface."""

ABOVE, ASIDE = 0.4, 0.1
"""Looked at beside the surface, in its own heights and widths: things stand up from it."""

LEAST = 0.02
"""Share of the wide view below which there is no surface to look at."""

BESIDE = 0.1
"""How much is looked at on either side of the agent, as a share of the view's width."""

SAME = 0.75
"""Overlap beyond which the place looked at closely stays as it is."""


class WorkSurface:
    """Keeps a map of the surface in the wide view of frames of one size."""

    def __init__(self, width: int, height: int) -> None:
        self.wide = View.of(ANYWHERE, width, height)
        self._map: NDArray[np.float32] | None = None
        self._looks = 0
        self._last = float("-inf")
        self._close = ANYWHERE

    def due(self, seconds: float) -> bool:
        """Whether a wide look is. A clock that was set back makes it so."""
        return self._looks < FIRST_LOOKS or not 0 <= seconds - self._last < WIDE_SECONDS

    def take(self, surface: NDArray[np.float32], seen: Mask, seconds: float) -> None:
        """A wide look: surface, 0..1, and what of it was seen, (height / 4, width / 4)."""
        self._map = averaged(self._map, surface, seen)
        self._looks += 1
        self._last = seconds
        if self._looks < FIRST_LOOKS:
            return
        polygon = self._around()
        if _overlap(polygon, self._close) < SAME:
            self._close = polygon

    @property
    def close(self) -> tuple[Point, ...]:
        """The rectangle to look at, in shares of the frame."""
        return self._close

    def _around(self) -> tuple[Point, ...]:
        """The surface is where it is densest: a floor beyond it may look like it, but less so."""
        assert self._map is not None
        if found_in(self._map).mean() < LEAST:
            return ANYWHERE
        rows, cols = self._map.shape
        dense = self._map.mean(1)
        peak = int(dense.argmax())
        apart = np.flatnonzero(dense < DENSE * dense[peak])
        y0 = int(apart[apart < peak].max(initial=-1)) + 1
        y1 = int(apart[apart > peak].min(initial=rows))
        along = self._map[y0:y1].mean(0)
        wide = np.flatnonzero(along >= DENSE * along.max())
        (left, top), (right, bottom) = ANYWHERE[0], ANYWHERE[2]
        across, down = (right - left) / cols, (bottom - top) / rows
        aside, above = ASIDE * (wide[-1] + 1 - wide[0]) * across, ABOVE * (y1 - y0) * down
        x0 = max(left, left + float(wide[0]) * across - aside)
        x1 = min(right, left + float(wide[-1] + 1) * across + aside)
        high, low = max(top, top + y0 * down - above), top + y1 * down
        return ((x0, high), (x1, high), (x1, low), (x0, low))


def beside_agent(surface: NDArray[np.float32], agent: Mask, seen: Mask) -> NDArray[np.float32]:
    """``surface`` without what is seen of it on the agent alone, whose clothes may look like a
    desk: in each row it counts there as far as it goes on beside the agent."""
    beside = surface.copy()
    reach = max(1, round(BESIDE * surface.shape[1]))
    for row in np.flatnonzero(agent.any(1)):
        worn, free = np.flatnonzero(agent[row]), np.flatnonzero(seen[row] & ~agent[row])
        sides = free[free < worn[0]][-reach:], free[free > worn[-1]][:reach]
        means = [float(surface[row, side].mean()) for side in sides if side.size]
        beside[row, worn] = np.minimum(surface[row, worn], min(means, default=1.0))
    return beside


def averaged(
    kept: NDArray[np.float32] | None, surface: NDArray[np.float32], seen: Mask
) -> NDArray[np.float32]:
    """``surface`` joined to what was kept, where it was seen."""
    if kept is None:
        return np.where(seen, surface, 0.0).astype(np.float32)
    step = np.where(seen, STEP, 0.0)
    return np.asarray(kept * (1 - step) + surface * step, np.float32)


def found_in(kept: NDArray[np.float32]) -> Mask:
    """The surface, its gaps closed, without specks."""
    marked = cv2.morphologyEx(
        (kept > ON_SURFACE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)
    )
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    sizes = stats[:, cv2.CC_STAT_AREA]
    kept_parts = [n for n in range(1, count) if sizes[n] >= 0.1 * sizes[1:].max()]
    return np.asarray(np.isin(labels, kept_parts), bool)


def _overlap(one: tuple[Point, ...], other: tuple[Point, ...]) -> float:
    """Of two rectangles: what they share of both."""
    (ax0, ay0), (ax1, ay1) = one[0], one[2]
    (bx0, by0), (bx1, by1) = other[0], other[2]
    both = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    return both / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - both)
