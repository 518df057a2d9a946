"""Where the agent's body can be: round the bones of the pose in which it was last seen.

A people mask joins whoever touches. Somebody who stands behind the agent and comes out at the
side is, to the mask, a growing agent; but no joint of the agent's leads there. So the outline is
the agent's only as far as flesh and clothes reach round the agent's own bones.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from homeveil import _kernels
from homeveil.grid import BoolGrid, Box, FloatGrid, Grid
from homeveil.perceive.observation import Pose

POSE_SECONDS = 0.09
STEADY_SECONDS = 0.24
STEADY_CELLS = 3
"""How long a pose stands while the agent moves, and while fewer cells than so many change that no
limb reached when it was seen."""

UNION_SECONDS = 0.25
"""Poses of so long count together, a cell wider, in a frame without one of its own in which limbs
have moved: those that move fast have been here and there."""

OWN = 0.2
SURELY_OWN = 0.6
BEYOND_DOUBT = 0.95
"""From which probability a cell may be of this body and nobody else's, from which it is, and from
which it is though somebody else is nearer to it."""

_FACE = slice(0, 11)
_STRAY = 0.5
"""How far outside the face's box the middle of its joints may lie, in sizes of the box."""

_SHOULDERS, _HIPS = (11, 12), (23, 24)
_LEGS = ((23, 25, 27), (24, 26, 28))
_ARMS = ((11, 13, 15, (17, 19, 21)), (12, 14, 16, (18, 20, 22)))

_LEAST_SHOULDERS = 1.5
"""Width of the shoulders in sides of the face; less is a body turned to the side."""

_HEAD, _HEAD_HIGH, _HEAD_UP = 0.85, 1.0, 0.2
_NECK = 0.45
"""Half the width and height of a head with its hair, how far its middle lies above that of the
face, and the radius of the neck with hair and collar, in sides of the face."""

_SHOULDER, _SIDE, _TRUNK = 0.18, 0.25, 0.45
_UPPER_ARM, _FOREARM, _HAND = 0.26, 0.25, 0.25
_THIGH, _SHIN = 0.28, 0.25
"""Radii in widths of the shoulders, with clothes: about the line between the shoulders, from
them to the hips, down the middle, arms, hands and legs."""

_FINGERS = 1.6
"""How far fingertips are from the wrist, in distances of the knuckles."""

_BUST_SHOULDERS, _BUST_DOWN, _BUST_HIPS = 0.9, 1.1, 3.4
"""Where no pose is seen: shoulders to the side of and below the face's middle, and hips below it,
in sides of the face."""


class Limbs:
    """The poses seen last of whom the outline is of."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._regions: deque[tuple[float, BoolGrid]] = deque()
        self._margin = np.zeros(grid.shape, bool)
        self._own = np.zeros(grid.shape, np.float32)
        self._whose = 0
        self._stirred = True
        self._moved = 0
        self._shoulders = 0.0

    def stir(self, changed: BoolGrid) -> None:
        """Take in what changed at or beside the outline."""
        if changed.any():
            self._stirred = True
            if self._regions:
                self._moved += int((changed & ~self._margin).sum())

    def wanted(self, seconds: float) -> bool:
        """Whether a new pose is needed."""
        patience = STEADY_SECONDS if self._moved < STEADY_CELLS else POSE_SECONDS
        return self._stirred and seconds - self._seen_seconds >= patience

    @property
    def _seen_seconds(self) -> float:
        return self._regions[-1][0] if self._regions else float("-inf")

    def take(self, seconds: float, face: Box, pose: Pose | None) -> None:
        """Take in what was seen when asked. None, or a pose of another face: no body of this."""
        if pose is not None and _is_of(pose, face):
            region = reach(self._grid, face, pose)
            self._own = np.where(region, pose.probability, np.float32(0))
            self._shoulders = float(pose.joints[list(_SHOULDERS), 1].mean())
        else:
            region = bust(self._grid, face)
            self._own = np.zeros(self._grid.shape, np.float32)
            self._shoulders = face.centre[1] + _BUST_DOWN * max(face.width, face.height)
        self._regions.append((seconds, region))
        self._margin = _kernels.grow(region, 1)
        self._stirred, self._moved = False, 0

    def follow(self, number: int) -> bool:
        """Whose limbs they are, by the number of the track, 0 for nobody's: of another's nothing is
        known. Returns whether it is another's."""
        changes = number != self._whose
        if changes:
            self._whose = number
            self._regions.clear()
            self._own = np.zeros(self._grid.shape, np.float32)
            self._stirred = True
        return changes

    def cells(self, seconds: float, face: Box) -> BoolGrid:
        """Cells in which the body can be now. face: where its face is."""
        while len(self._regions) > 1 and seconds - self._regions[0][0] > UNION_SECONDS:
            self._regions.popleft()
        if not self._regions:
            return bust(self._grid, face)
        if seconds == self._seen_seconds or self._moved < STEADY_CELLS:
            return self._regions[-1][1]
        return _kernels.grow(np.logical_or.reduce([region for _, region in self._regions]), 1)

    def surely(self, seconds: float) -> BoolGrid:
        """Cells in which the body is, and nobody before it, by a pose of now or since which
        nothing stirred."""
        return self._is(SURELY_OWN, seconds)

    def before_others(self, seconds: float) -> BoolGrid:
        """Those below the shoulders in which it is beyond doubt: somebody further away, however
        near in the picture, is behind it. Beside a head and a neck a mask is coarse."""
        cells = self._is(BEYOND_DOUBT, seconds)
        return cells & ~self.beside_head(cells)

    def _is(self, probability: float, seconds: float) -> BoolGrid:
        if self._stirred and seconds - self._seen_seconds > STEADY_SECONDS:
            return np.zeros(self._grid.shape, bool)
        own: BoolGrid = self._own >= probability
        return own

    def beside_head(self, cells: BoolGrid) -> BoolGrid:
        """Those of ``cells`` that lie above the shoulders, as they were seen last."""
        return cells & (self._grid.centres()[1] < self._shoulders)


def _is_of(pose: Pose, face: Box) -> bool:
    across, down = pose.joints[_FACE].mean(axis=0)
    near = face.grown(_STRAY, _STRAY, _STRAY, _STRAY)
    return near.holds(Box(across, down, across, down))


def reach(grid: Grid, face: Box, pose: Pose) -> BoolGrid:
    """Cells that a body in this pose, in clothes, can be seen in."""
    points = pose.joints.astype(np.float64)
    left, right = (points[joint] for joint in _SHOULDERS)
    side = max(face.width, face.height)
    width = max(float(np.hypot(*(left - right))), _LEAST_SHOULDERS * side)
    cells = _trunk(grid, face, points[list(_SHOULDERS)], points[list(_HIPS)], width)
    for shoulder, elbow, wrist, knuckles in _ARMS:
        tips = points[wrist] + _FINGERS * (points[list(knuckles)].mean(axis=0) - points[wrist])
        cells |= _about(grid, points[shoulder], points[elbow], _UPPER_ARM * width)
        cells |= _about(grid, points[elbow], points[wrist], _FOREARM * width)
        cells |= _about(grid, points[wrist], tips, _HAND * width)
    for hip, knee, ankle in _LEGS:
        cells |= _about(grid, points[hip], points[knee], _THIGH * width)
        cells |= _about(grid, points[knee], points[ankle], _SHIN * width)
    cells &= _kernels.grow(pose.probability >= OWN, 1)
    return cells


def bust(grid: Grid, face: Box) -> BoolGrid:
    """Cells of head and trunk of somebody upright with this face, whose arms nobody knows."""
    side = max(face.width, face.height)
    x, y = face.centre
    half = _BUST_SHOULDERS * side
    down, low = y + _BUST_DOWN * side, y + _BUST_HIPS * side
    shoulders = np.array([[x - half, down], [x + half, down]])
    hips = np.array([[x - 0.6 * half, low], [x + 0.6 * half, low]])
    return _trunk(grid, face, shoulders, hips, 2 * half)


def _trunk(
    grid: Grid,
    face: Box,
    shoulders: np.ndarray,
    hips: np.ndarray,
    width: float,
) -> BoolGrid:
    side = max(face.width, face.height)
    x, y = face.centre
    neck, middle = shoulders.mean(axis=0), hips.mean(axis=0)
    half = grid.cell / 2
    across, down = _HEAD * side + half, _HEAD_HIGH * side + half
    xs, ys = grid.centres()
    head = ((xs - x) / across) ** 2 + ((ys - y + _HEAD_UP * side) / down) ** 2
    cells: BoolGrid = head <= 1
    cells |= _about(grid, np.array([x, y]), neck, _NECK * side)
    cells |= _about(grid, shoulders[0], shoulders[1], _SHOULDER * width)
    cells |= _about(grid, shoulders[0], hips[0], _SIDE * width)
    cells |= _about(grid, shoulders[1], hips[1], _SIDE * width)
    cells |= _about(grid, neck, middle, _TRUNK * width)
    return cells


def _about(grid: Grid, first: np.ndarray, last: np.ndarray, radius: float) -> BoolGrid:
    """Cells whose middle is within half a cell of ``radius`` pixels of a line between points."""
    xs, ys = grid.centres()
    along = last - first
    length = max(float(along @ along), 1e-6)
    at: FloatGrid = ((xs - first[0]) * along[0] + (ys - first[1]) * along[1]) / length
    at = np.clip(at, 0, 1)
    off = (xs - first[0] - at * along[0]) ** 2 + (ys - first[1] - at * along[1]) ** 2
    near: BoolGrid = off <= (radius + grid.cell / 2) ** 2
    return near
