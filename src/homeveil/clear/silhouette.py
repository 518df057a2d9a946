"""The agent's outline: which cells are the verified agent's body.

The outline is the part of the people mask that hangs together with the verified face and
lies where a body of that size can be. Where somebody else is near, it is trusted no
further than it can be explained: a cell beside others stays the agent's only if it shows
what cells of the agent showed a frame ago, or when last seen clear of others, moved by no
more than a cell.
"""

from __future__ import annotations

import numpy as np

from homeveil import _kernels
from homeveil.clear.camera import CameraMotion
from homeveil.clear.change import brightened
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, Box, FloatGrid, Grid
from homeveil.perceive.observation import Observation, PeopleLook

PROBABILITY = 0.4
CONTEST_CELLS = 3
RECALL_STRICTNESS = 0.7
"""Share of the tolerance that is left for what comes back from memory."""

EXPLAINED_DIFFERENCE = 5.0
EXPLAINED_PER_TEXTURE = 0.25
"""Mean absolute difference, grey levels, up to which a moved block explains a cell, and
what each grey level of its standard deviation adds."""

_CLAIM_ADVANTAGE = 1.3
_FURTHER_FACE, _LAP_FACE = 0.7, 0.5
"""In sizes of the agent's face: up to which somebody is further away, from which on the lap."""

_ARMS = 1.6
"""Reach of the arms of somebody on the lap, in sides of the face, to either side."""


def reach(face: Box, height: int) -> Box:
    """Where the body of somebody with this face can be, sitting before a camera."""
    side = max(face.width, face.height)
    x, _ = face.centre
    return Box(x - 3.4 * side, face.y0 - 0.9 * side, x + 3.4 * side, float(height))


def close_window(face: Box, grid: Grid) -> Box:
    """The picture in which a close mask of the agent is made."""
    side = max(face.width, face.height)
    x, _ = face.centre
    half = min(3.2 * side, grid.width / 2)
    top = max(0.0, face.y0 - 0.9 * side)
    return Box(x - half, top, x + half, min(float(grid.height), top + 2.2 * half))


class Sight:
    """The last masks of the whole frame and of the agent, which stand until the next.

    What the wide mask said of a cell is void when the cell changes.
    """

    def __init__(self, grid: Grid) -> None:
        self._wide: FloatGrid = np.zeros(grid.shape, np.float32)
        self._valid = np.zeros(grid.shape, bool)
        self._close: PeopleLook | None = None

    def forget(self, changed: BoolGrid) -> None:
        """These cells show something else now."""
        self._valid &= ~changed

    def update(self, observation: Observation) -> None:
        """Take in what was seen anew; a look at the whole frame replaces both masks."""
        if observation.wide is not None:
            self._wide = observation.wide.probability
            self._valid[:] = True
            self._close = None
        if observation.close is not None:
            self._close = observation.close

    def probability(self) -> FloatGrid:
        """(rows, cols) of the person in front: the close mask where there is one."""
        probability = np.where(self._valid, self._wide, np.float32(0))
        if self._close is not None:
            window = self._close.window.index
            probability[window] = np.maximum(
                self._close.probability, 0.5 * probability[window]
            )
        return probability

    def empty(self, probability: FloatGrid) -> BoolGrid:
        """Cells in which neither mask sees anybody, and the wide one still stands."""
        empty: BoolGrid = (probability < 0.25) & (self._wide < 0.3) & self._valid
        return empty


def outline(grid: Grid, probability: FloatGrid, face: Box) -> BoolGrid:
    """Cells of the person mask that hang together with ``face``."""
    mask = probability >= PROBABILITY
    mask &= grid.cells_in(reach(face, grid.height))
    _, labels = _kernels.label(mask, corners=False)
    x, y = face.centre
    seed = grid.window(Box(x - face.width / 4, y, x + face.width / 4, face.y1)).index
    under = labels[seed]
    under = under[under > 0]
    if under.size == 0:
        return np.zeros(grid.shape, bool)
    body: BoolGrid = labels == np.bincount(under).argmax()
    return body


def body_distance(grid: Grid, face: Box) -> FloatGrid:
    """Distance of each cell from the axis of a body with this face, in face sizes."""
    xs, ys = grid.centres()
    side = max(face.width, face.height, 1.0)
    x, y = face.centre
    across, down = (xs - x) / side, (ys - y) / side
    distance: FloatGrid = np.hypot(across, np.where(down > 0, 0.3 * down, 1.3 * down))
    return distance


def claimed_by(grid: Grid, agent: Box, ours: FloatGrid, other: Box, own: BoolGrid) -> BoolGrid:
    """Cells of another's face, and those nearer to them than to the agent; a tie goes to the other.

    ours: ``body_distance`` of the agent. own: cells that are surely the agent's, and so nobody's
    who is further away, as a smaller face is; not so where the face itself is seen in them.
    Somebody whose face is lower in the picture may sit in front of the agent, on the lap
    say: all within reach of their arms is theirs.
    """
    theirs = body_distance(grid, other)
    near = (theirs < 2.6) & grid.cells_in(reach(other, grid.height))
    claimed: BoolGrid = near & (theirs < _CLAIM_ADVANTAGE * ours)
    face = grid.cells_in(other)
    side, our_side = max(other.width, other.height), max(agent.width, agent.height)
    if side < _FURTHER_FACE * our_side and 2 * int((own & face).sum()) < int(face.sum()):
        claimed &= ~own
    in_front = other.centre[1] > agent.centre[1] + 0.25 * agent.height
    if in_front and side > _LAP_FACE * our_side:
        x, _ = other.centre
        arms = Box(x - _ARMS * side, other.y1, x + _ARMS * side, float(grid.height))
        claimed |= grid.cells_in(arms)
    return claimed | face


class Memory:
    """What each cell showed when it was last the agent's, undisputed."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._look: RawFrame | None = None
        self._known = np.zeros(grid.shape, bool)

    def keep(self, frame: RawFrame, agent: BoolGrid) -> None:
        """Remember the agent's cells of ``frame``."""
        if self._look is None:
            self._look = frame.copy()
        else:
            _kernels.copy_cells(self._look, frame, self._grid.cell, agent)
        self._known |= agent

    def brighten(self, gain_q8: int) -> None:
        """The light changed."""
        if self._look is not None:
            self._look = brightened(self._look, gain_q8)

    def carry(self, motion: CameraMotion) -> None:
        """The camera moved."""
        if self._look is not None:
            self._look = motion.frame(self._look)
            self._known = motion.filled(self._known, self._grid)

    def explains(
        self,
        frame: RawFrame,
        previous: RawFrame,
        agent_before: BoolGrid,
        cells: BoolGrid,
        texture: FloatGrid,
    ) -> BoolGrid:
        """Those of ``cells`` that the agent's earlier looks explain, moved a little.

        agent_before: the agent's cells in ``previous``. texture: standard deviation of
        each cell of ``frame``, grey levels.
        """
        result = explained_by(frame, previous, self._grid.cell, agent_before, cells, texture)
        return result | self.recalls(frame, cells & ~result, texture)

    def recalls(self, frame: RawFrame, cells: BoolGrid, texture: FloatGrid) -> BoolGrid:
        """Those of ``cells`` that undisputed looks of the agent, here or a cell away, explain.

        What was somebody else's a frame ago can come back in this way only: what is
        remembered grows by no disputed cell, so an error cannot creep.
        """
        if self._look is None or not cells.any():
            return np.zeros_like(cells)
        return explained_by(
            frame, self._look, self._grid.cell, self._known, cells, texture, RECALL_STRICTNESS
        )


def explained_by(
    frame: RawFrame,
    earlier: RawFrame,
    cell: int,
    allowed: BoolGrid,
    cells: BoolGrid,
    texture: FloatGrid,
    strictness: float = 1.0,
) -> BoolGrid:
    """Those of ``cells`` that are a block of the ``allowed`` cells of an ``earlier`` frame, moved
    by up to a cell. strictness: factor on the difference that may be left."""
    limit = strictness * (EXPLAINED_DIFFERENCE + EXPLAINED_PER_TEXTURE * texture)
    return _kernels.explain(frame, earlier, cell, allowed, cells, limit, max(1, cell // 8))
