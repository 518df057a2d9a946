"""How much of a frame to look at: all of it, the agent alone, or nothing.

Every frame is compared with its plates, whatever happens here: what changed has lost its
clearance before anybody looks. What looks can add is what came in and where the agent's
outline is now. As long as nothing stirs but inside the agent's outline, and nobody else is
about, the last answer to both still stands for a moment.
"""

from __future__ import annotations

import cv2
import numpy as np

from homeveil.clear.patches import THING_CELLS, large, significant
from homeveil.grid import BoolGrid, FloatGrid
from homeveil.perceive.observation import Depth

CALM_SECONDS = 1.0
"""How long nothing must have stirred before less than all is looked at."""

WHOLE_SECONDS = 0.5
CLOSE_SECONDS = 0.08
"""How long the last look at the whole frame, and at the agent, may stand."""


class Attention:
    """Chooses how deep to look at each frame."""

    def __init__(self) -> None:
        self._stirred_seconds = self._whole_seconds = self._close_seconds = float("-inf")

    def disturb(self, seconds: float) -> None:
        """Something is not as it was: all is looked at for a while."""
        self._stirred_seconds = seconds

    def notice(self, seconds: float, changed: BoolGrid, excess: FloatGrid, body: BoolGrid) -> None:
        """Take in what changed in a frame.

        changed: cells off their plates that begin to show something else. excess: how
        different cells are, in tolerances. body: the agent's last outline.
        """
        inner = cv2.erode(body.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        outside = changed & ~inner
        if outside.any() and (
            large(outside, THING_CELLS).any() or significant(outside, excess).any()
        ):
            self.disturb(seconds)

    def choose(self, seconds: float, *, agent_alone: bool) -> Depth:
        """How deep to look now. agent_alone: the agent is verified and nobody else about."""
        calm = seconds - self._stirred_seconds >= CALM_SECONDS
        if not (agent_alone and calm) or seconds - self._whole_seconds >= WHOLE_SECONDS:
            depth = Depth.WHOLE
        elif seconds - self._close_seconds >= CLOSE_SECONDS:
            depth = Depth.AGENT
        else:
            depth = Depth.NOTHING
        if depth is Depth.WHOLE:
            self._whole_seconds = seconds
        if depth is not Depth.NOTHING:
            self._close_seconds = seconds
        return depth
