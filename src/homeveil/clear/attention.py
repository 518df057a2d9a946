"""How much of a frame to look at: all of it, the agent alone, or nothing.

Every frame is compared with its plates, whatever happens here: what changed has lost its
clearance before anybody looks. What looks can add is what came in and where the agent's
outline is now. As long as nothing stirs but where a close look at the agent sees it, and
nobody else is about, the last answer about the rest still stands for a moment; and so does
the last answer about the agent while the outline holds.
"""

from __future__ import annotations

import cv2
import numpy as np

from homeveil.clear.patches import THING_CELLS, large, significant
from homeveil.grid import BoolGrid, CellWindow, FloatGrid
from homeveil.perceive.observation import Depth

CALM_SECONDS = 1.0
"""How long nothing must have stirred outside the close look for less than all to be looked at."""

WHOLE_SECONDS = 0.5
CLOSE_SECONDS = 0.08
"""How long the last look at the whole frame, and at the agent, may stand."""

STIRRED_SECONDS = 0.09
SWAYING_SECONDS = 0.05
"""The same while something stirs, and while the outline moves."""

STEADY_SECONDS = 0.25
"""How long the agent's outline must have held for a close look to be left out."""


class Attention:
    """Chooses how deep to look at each frame."""

    def __init__(self) -> None:
        self._stirred_seconds = self._swayed_seconds = float("-inf")
        self._whole_seconds = self._close_seconds = float("-inf")

    def disturb(self, seconds: float) -> None:
        """Something is not as it was: all is looked at for a while."""
        self._stirred_seconds = seconds

    def look_now(self) -> None:
        """All is looked at in this very frame."""
        self._whole_seconds = float("-inf")

    def notice(
        self,
        seconds: float,
        changed: BoolGrid,
        excess: FloatGrid,
        body: BoolGrid,
        close: CellWindow | None,
    ) -> None:
        """Take in what changed in a frame.

        changed: cells off their plates that begin to show something else. excess: how
        different cells are, in tolerances. body: the agent's last outline. close: the
        cells that a close look at the agent sees, or None.
        """
        inner = cv2.erode(body.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        around = changed & ~inner
        if not around.any():
            return
        patches = significant(around, excess) | large(around, THING_CELLS)
        if not patches.any():
            return
        self._swayed_seconds = seconds
        outside = patches.copy()
        if close is not None:
            outside[close.index] = False
        if outside.any():
            self.disturb(seconds)

    def choose(self, seconds: float, *, verified: bool, alone: bool) -> Depth:
        """How deep to look now. verified: the agent is, and in sight. alone: no other face that
        moves is."""
        calm = alone and seconds - self._stirred_seconds >= CALM_SECONDS
        steady = seconds - self._swayed_seconds >= STEADY_SECONDS
        whole = WHOLE_SECONDS if calm else STIRRED_SECONDS
        close = CLOSE_SECONDS if steady else SWAYING_SECONDS
        if not verified or seconds - self._whole_seconds >= whole:
            depth = Depth.WHOLE
        elif seconds - self._close_seconds >= close:
            depth = Depth.AGENT
        else:
            depth = Depth.NOTHING
        if depth is Depth.WHOLE:
            self._whole_seconds = seconds
        if depth is not Depth.NOTHING:
            self._close_seconds = seconds
        return depth
