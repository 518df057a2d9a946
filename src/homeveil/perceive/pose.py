"""How a body is held: its joints and its own mask (BlazePose, Bazarevsky et al. 2020)."""

from __future__ import annotations

import cv2
import numpy as np

from homeveil import _kernels
from homeveil.errors import PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import Box, FloatGrid, Grid
from homeveil.perceive.exposure import exposed
from homeveil.perceive.networks import PoseNetwork
from homeveil.perceive.observation import Pose

PRESENT = 0.5
"""What the network must give for somebody being there at all."""

_SIDES = 12.0
_BELOW = 3.0
"""The square looked at, in sides of the face, and how far below the face its middle is. The
network wants a whole body, also where most of it is hidden: about the hips, twice as high."""


class BodyPose:
    """The body below a face."""

    def __init__(self, model: bytes) -> None:
        self._network = PoseNetwork(model)
        side, _ = self._network.size
        self._square = np.zeros((side, side, 3), np.uint8)

    def of(self, frame: RawFrame, grid: Grid, face: Box, gain: float) -> Pose | None:
        """The pose of the body about ``face``, which may turn out to be another's; None where the
        network sees nobody. gain: the frame's, see ``exposure``."""
        x, y = face.centre
        side = max(face.width, face.height)
        left, top = x - _SIDES * side / 2, y + (_BELOW - _SIDES / 2) * side
        scale = len(self._square) / max(_SIDES * side, 1.0)
        if not self._fill(frame, left, top, scale, gain):
            return None
        joints, probability, presence = self._network.body(self._square)
        if not np.isfinite(joints).all() or not np.isfinite(presence):
            raise PerceptionError("a pose is not finite")
        joints = np.asarray(joints / scale + (left, top), np.float32)
        if presence < PRESENT:
            return None
        return Pose(joints, _on_cells(grid, probability, left, top, scale))

    def close(self) -> None:
        self._network.close()

    def _fill(self, frame: RawFrame, left: float, top: float, scale: float, gain: float) -> bool:
        """Draw the frame's part of the square, the rest black; False if there is none."""
        side = len(self._square)
        x0, x1 = max(0.0, left), min(float(frame.width), left + side / scale)
        y0, y1 = max(0.0, top), min(float(frame.height), top + side / scale)
        col0, col1 = round((x0 - left) * scale), min(side, round((x1 - left) * scale))
        row0, row1 = round((y0 - top) * scale), min(side, round((y1 - top) * scale))
        self._square[:] = 0
        if col1 <= col0 or row1 <= row0:
            return False
        picture = _kernels.thumbnail(frame, Box(x0, y0, x1, y1), (col1 - col0, row1 - row0))
        self._square[row0:row1, col0:col1] = exposed(picture, gain)
        return True


def _on_cells(
    grid: Grid, probability: FloatGrid, left: float, top: float, scale: float
) -> FloatGrid:
    """(rows, cols): the mean of a square's pixels about each cell's middle; 0 outside it.

    left, top, scale: where the square begins in pixels of the frame, and its pixels for one."""
    step = grid.cell * scale
    width = max(1, round(step))
    soft = cv2.blur(probability, (width, width), borderType=cv2.BORDER_CONSTANT)
    first = np.array([grid.cell / 2 - left, grid.cell / 2 - top]) * scale - 0.5
    to_square = np.array([[step, 0, first[0]], [0, step, first[1]]])
    cells = cv2.warpAffine(
        soft, to_square, (grid.cols, grid.rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(cells, np.float32)
