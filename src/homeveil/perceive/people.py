"""People masks: how probable a person is in each cell of a window."""

from __future__ import annotations

import cv2
import numpy as np

from homeveil import _kernels
from homeveil.errors import PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import CellWindow, Grid
from homeveil.perceive.exposure import exposed
from homeveil.perceive.networks import Segmenter
from homeveil.perceive.observation import WHOLE, PeopleLook


class PeopleMask:
    """Two selfie segmentation models: one for the whole frame, one for windows.

    The wide model sees who is near the camera and little else, which makes it a good
    outline of the agent. The square one, on windows of natural proportions, finds small,
    far and partial people, and hardly fires on furniture.
    """

    def __init__(self, wide: bytes, square: bytes) -> None:
        self._wide = Segmenter(wide, "people_mask_wide")
        self._square = Segmenter(square, "people_mask_square")

    def whole(self, frame: RawFrame, grid: Grid, gain: float) -> PeopleLook:
        """The wide model over the whole frame. gain: the frame's, see ``exposure``."""
        window = CellWindow(0, 0, grid.rows, grid.cols)
        return self._look(self._wide, frame, grid, window, WHOLE, gain)

    def close_up(
        self, frame: RawFrame, grid: Grid, window: CellWindow, band: int, gain: float
    ) -> PeopleLook:
        """The square model over ``window``."""
        return self._look(self._square, frame, grid, window, band, gain)

    def close(self) -> None:
        self._wide.close()
        self._square.close()

    def _look(
        self,
        model: Segmenter,
        frame: RawFrame,
        grid: Grid,
        window: CellWindow,
        band: int,
        gain: float,
    ) -> PeopleLook:
        rgb = exposed(_kernels.thumbnail(frame, grid.box(window), model.size), gain)
        probability = model.probability(rgb)
        if probability.shape != rgb.shape[:2]:
            # It could be stretched over the cells all the same, and would mean nothing.
            raise PerceptionError("a people mask has another shape than its picture")
        rows, cols = window.shape
        # INTER_AREA is the exact mean over each cell as long as it shrinks.
        cells = cv2.resize(probability, (cols, rows), interpolation=cv2.INTER_AREA)
        return PeopleLook(window, band, np.asarray(cells, dtype=np.float32).reshape(rows, cols))
