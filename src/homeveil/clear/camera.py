"""How the camera moved from one frame to the next: one shift, turn and scale of all it shows.

A nudged laptop shows every thing somewhere else. What was known of a place is then known of
another place, and what is near the agent of what is near the agent still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.frames import PixelFormat, Plane, RawFrame
from homeveil.grid import BoolGrid, Box, FloatGrid, Grid

TELLING_TEXTURE = 5.0
LEAST_TELLING = 60
BROKEN_SHARE, LATELY_SHARE, LATELY_SECONDS = 0.2, 0.6, 0.2
"""A camera that is moved changes what has texture and leaves flat walls as they were: from which
standard deviation, in grey levels, a cell tells of it, how many must, and which share of these in
this frame and within which time."""

CALM_SHARE = 0.05
ANCHOR_SECONDS = 0.5
"""Share of such cells up to which the camera holds still, and how often what it shows then is kept
to compare with."""

TREMOR_CELLS, AGAIN_CELLS = 1.0, 0.25
"""A camera that shows things up to so many cells away from where they were only trembles; once it
holds still again, it was moved by less."""

AGAIN_SHARE = 0.3
"""Share of such cells that must have changed since it held still last for that."""

SERIES_SECONDS = 1.0
"""How soon after the camera moved it is still moving."""

_LONG_SIDE = 480
"""Pixels of the longer side of the pictures that are compared."""

_POINTS, _APART = 240, 6
_LEAST_POINTS, _LEAST_SHARE = 24, 0.6
"""How many corners are followed and how far apart, in pixels of these pictures; how many, and which
share of those that were followed, must have moved as one."""

_LEAST_SPREAD = 0.3
"""Share of either side of the picture over which they must lie."""

_STRAY_PIXELS = 1.5
_BACK_PIXELS = 1.0
_MOST_SCALE = 1.3

_WINDOW, _LEVELS = (21, 21), 4
_WHOLE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class CameraMotion:
    """matrix: (2, 3), from the place of a thing in the earlier frame to that in the later one,
    pixels."""

    matrix: NDArray[np.float64]

    def after(self, first: CameraMotion) -> CameraMotion:
        """This one and ``first`` before it, as one."""
        both = self.matrix @ np.vstack([first.matrix, (0, 0, 1)])
        return CameraMotion(both)

    def farthest(self, grid: Grid) -> float:
        """How far a corner of the picture moved at most, in pixels."""
        sides = np.array([[0, grid.width, 0, grid.width], [0, 0, grid.height, grid.height]])
        moved = self.matrix[:, :2] @ sides + self.matrix[:, 2:] - sides
        return float(np.hypot(*moved).max())

    def box(self, box: Box) -> Box:
        """An upright box of the same size about where the middle of ``box`` came to be."""
        x, y = box.centre
        to_x, to_y = self.matrix @ (x, y, 1.0)
        return box.moved(float(to_x) - x, float(to_y) - y)

    def touched(self, cells: BoolGrid, grid: Grid) -> BoolGrid:
        """Cells that show a part of what ``cells`` showed."""
        touched: BoolGrid = self._shares(cells, grid) > 1 - _WHOLE
        return touched

    def filled(self, cells: BoolGrid, grid: Grid) -> BoolGrid:
        """Cells that show nothing but what ``cells`` showed."""
        filled: BoolGrid = self._shares(cells, grid) >= _WHOLE
        return filled

    def _shares(self, cells: BoolGrid, grid: Grid) -> NDArray[np.float32]:
        by = _scaled(self.matrix, 1 / grid.cell)
        return np.asarray(
            cv2.warpAffine(cells.astype(np.float32), by, (grid.cols, grid.rows)), np.float32
        )

    def frame(self, earlier: RawFrame) -> RawFrame:
        """``earlier`` as the camera would have seen it where it is now; its rim is drawn out."""
        half = _scaled(self.matrix, 0.5)
        luma = _warped(earlier.planes[0], self.matrix)
        if earlier.pixel_format is PixelFormat.I420:
            chroma = tuple(_warped(plane, half) for plane in earlier.planes[1:])
        else:
            (both,) = earlier.planes[1:]
            pairs = _warped(np.ascontiguousarray(both).reshape(len(both), -1, 2), half)
            chroma = (pairs.reshape(both.shape),)
        return replace(earlier, planes=(luma, *chroma))


@dataclass(frozen=True, slots=True, eq=False)
class CameraMove:
    """place: since the camera last held still. step: since the frame before, None if that cannot be
    told. came_in: cells that show what had come in before the camera moved."""

    place: CameraMotion
    step: CameraMotion | None
    came_in: BoolGrid


class CameraWatch:
    """Tells when the camera is moved. Call ``move`` for every frame but the first, then ``began``
    for what began to show something else, and ``start`` whenever all begins anew."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._texture: FloatGrid = np.zeros(grid.shape, np.float32)
        self._broken_seconds = np.full(grid.shape, -np.inf)
        self._start_seconds = self._anchor_seconds = -np.inf
        self._anchor: RawFrame | None = None
        self._rests, self._rest_seconds = False, -np.inf
        self._rest_came_in = np.zeros(grid.shape, bool)
        self._path: CameraMotion | None = None
        self._path_came_in = np.zeros(grid.shape, bool)
        self._path_seconds = -np.inf

    def start(self, frame: RawFrame, seconds: float) -> None:
        """What changed up to now tells nothing more."""
        self._start_seconds = self._anchor_seconds = seconds
        self._anchor = frame.copy()

    def began(self, cells: BoolGrid, texture: FloatGrid, seconds: float) -> None:
        """``cells`` began to show something else. texture: standard deviation of each cell, grey
        levels."""
        self._broken_seconds[cells] = seconds
        self._texture[cells] = texture[cells]

    def move(
        self,
        frame: RawFrame,
        previous: RawFrame,
        seconds: float,
        broken: BoolGrid,
        others: BoolGrid,
        came_in: BoolGrid,
        *,
        shock: bool,
    ) -> CameraMove | None:
        """How the camera was moved, if it was, by more than it trembles; in a ``shock``, by
        whatever can be told.

        broken: cells that changed in this frame. others: those that may change by themselves.
        came_in: what had come in by the frame before.
        """
        telling = (self._texture >= TELLING_TEXTURE) & ~others
        told, changed = int(telling.sum()), int((broken & telling).sum())
        rested, self._rests = self._rests, changed <= CALM_SHARE * told
        if rested and not self._rests:
            self._rest_seconds, self._rest_came_in = seconds, came_in
        again = self._rests and not rested and self._is_elsewhere(telling)
        moved = changed >= BROKEN_SHARE * told and self._is_moved(telling, broken, seconds)
        if shock or again or moved:
            least = 0.0 if shock else AGAIN_CELLS if again else TREMOR_CELLS
            place = self._place(frame, telling, least)
            if place is not None:
                step = camera_motion(previous, frame, telling, self._grid.cell)
                return CameraMove(place, step, self._carried(place, came_in, seconds))
        if self._rests and seconds - self._anchor_seconds >= ANCHOR_SECONDS:
            self._anchor, self._anchor_seconds = frame.copy(), seconds
        return None

    def _place(self, frame: RawFrame, telling: BoolGrid, least: float) -> CameraMotion | None:
        """The motion since the camera last held still, if it is of so many cells."""
        if self._anchor is None:
            return None
        place = camera_motion(self._anchor, frame, telling, self._grid.cell)
        if place is None or place.farthest(self._grid) < least * self._grid.cell:
            return None
        return place

    def _is_elsewhere(self, telling: BoolGrid) -> bool:
        """Whether much has changed since the camera last held still."""
        changed = int((telling & (self._broken_seconds > self._anchor_seconds)).sum())
        return changed >= max(LEAST_TELLING, AGAIN_SHARE * int(telling.sum()))

    def _is_moved(self, telling: BoolGrid, broken: BoolGrid, seconds: float) -> bool:
        """Whether most of what tells changed now or a moment ago."""
        lately = self._broken_seconds > max(self._start_seconds, seconds - LATELY_SECONDS)
        moved = int((telling & (broken | lately)).sum())
        return moved >= max(LEAST_TELLING, LATELY_SHARE * int(telling.sum()))

    def _carried(self, place: CameraMotion, came_in: BoolGrid, seconds: float) -> BoolGrid:
        """Where what had come in is now, and a cell round it.

        While the camera moves all changes, and nothing can be said to have come in; after it
        trembled for long, all that changed has.
        """
        if self._path is not None and seconds - self._path_seconds <= SERIES_SECONDS:
            self._path = place.after(self._path)
        elif seconds - self._rest_seconds <= SERIES_SECONDS:
            self._path, self._path_came_in = place, self._rest_came_in
        else:
            self._path, self._path_came_in = STILL, came_in
        self._path_seconds = seconds
        return _kernels.grow(self._path.touched(self._path_came_in, self._grid), 1)


STILL = CameraMotion(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def camera_motion(
    earlier: RawFrame, later: RawFrame, cells: BoolGrid, cell: int
) -> CameraMotion | None:
    """How ``cells`` of ``earlier`` moved as one; None where they did not, or too far to be told."""
    scale = min(1.0, _LONG_SIDE / max(earlier.width, earlier.height))
    if scale * min(earlier.width, earlier.height) < 1:
        return None
    before, after = _small(earlier.planes[0], scale), _small(later.planes[0], scale)
    height, width = before.shape
    pixels = cells.astype(np.uint8).repeat(cell, axis=0).repeat(cell, axis=1)
    mask = cv2.resize(
        pixels[: earlier.height, : earlier.width], (width, height), interpolation=cv2.INTER_NEAREST
    )
    corners = cv2.goodFeaturesToTrack(before, _POINTS, 0.01, _APART, mask=mask)
    if corners is None or len(corners) < _LEAST_POINTS:
        return None
    was, now = _followed(before, after, np.asarray(corners, np.float32))
    if len(was) < _LEAST_POINTS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        was, now, method=cv2.RANSAC, ransacReprojThreshold=_STRAY_PIXELS
    )
    if matrix is None or inliers.sum() < max(_LEAST_POINTS, _LEAST_SHARE * len(was)):
        return None
    spread = np.ptp(was[inliers[:, 0] == 1], axis=0) / (width, height)
    enlarged = float(np.hypot(*matrix[0, :2]))
    if spread.min() < _LEAST_SPREAD or not 1 / _MOST_SCALE <= enlarged <= _MOST_SCALE:
        return None
    return CameraMotion(_scaled(np.asarray(matrix, np.float64), 1 / scale))


def _followed(
    before: Plane, after: Plane, points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where points were and are, (n, 2) each: those that lead back to where they came from."""
    forth, found = _flow(before, after, points)
    back, also = _flow(after, before, forth)
    good = found & also
    good &= np.hypot(*(back - points)[:, 0].T) < _BACK_PIXELS
    return points[good, 0], forth[good, 0]


def _flow(
    before: Plane, after: Plane, points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where the ``points`` (n, 1, 2) are by Lucas and Kanade (1981), and which were found, (n,)."""
    guess = points.copy()
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, guess, winSize=_WINDOW, maxLevel=_LEVELS
    )
    return np.asarray(found, np.float32), np.asarray(status)[:, 0] == 1


def _scaled(matrix: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The same motion in pixels of a picture ``scale`` times as large. Places are those of pixels'
    middles: that of the first is 0 in both."""
    turn, shift = matrix[:, :2], matrix[:, 2]
    return np.column_stack([turn, scale * shift + (1 - scale) / 2 * (turn.sum(axis=1) - 1)])


def _small(luma: Plane, scale: float) -> Plane:
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _warped(plane: Plane, matrix: NDArray[np.float64]) -> Plane:
    size = plane.shape[1], plane.shape[0]
    warped = cv2.warpAffine(
        plane, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(warped, np.uint8)
