"""What was seen in one frame: boxes, probabilities, distances. Nothing here decides."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import PerceptionError
from homeveil.grid import Box, CellWindow, FloatGrid, Grid

WHOLE = 0
"""Band of a look at the whole frame; 1.. are ever finer bands, see ``BAND_WIDTHS``."""

JOINTS = 33
"""Joints of a pose, numbered as by MediaPipe: 0 to 10 the face, 11 to 16 shoulders, elbows and
wrists, 17 to 22 hands, 23 and 24 hips, left and right in turn; then legs."""

_ROUNDING = 0.001

BAND_WIDTHS = (1.0, 0.53, 0.37, 0.25, 0.17)
"""Width of a look of each band as a share of the frame's longer side."""


@dataclass(frozen=True, slots=True, eq=False)
class PeopleLook:
    """One run of a people mask over one window of cells.

    probability: mean probability of a person in each cell of ``window``, 0..1.
    """

    window: CellWindow
    band: int
    probability: FloatGrid


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face found by one look.

    score: the detector's, 0..1. confirmed: whether a second detector, on a close-up, saw it
    too; plain large faces count as confirmed without it.
    """

    box: Box
    score: float
    band: int
    confirmed: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A face compared with the profile.

    distance: to the nearest template, in the identity model's unit.
    yaw_degrees: estimated turn of the head, 0 = frontal.
    ratios: anthropometric ratios of the face, see ``landmarks.RATIOS``.
    embedding: (128,) float32, for enrollment; never leaves the machine.
    """

    face: Face
    distance: float
    yaw_degrees: float
    ratios: dict[str, float]
    embedding: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mouth:
    """How far the mouth of the face in ``box`` is open, see :func:`homeveil.perceive.lips.opening`.
    """

    box: Box
    opening: float


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """How a body is held.

    joints: (JOINTS, 2) float32: x and y in pixels, guessed where they are not seen.
    probability: (rows, cols) that a cell shows this body and nobody else's, 0..1.
    """

    joints: NDArray[np.float32]
    probability: FloatGrid

    def check(self, grid: Grid) -> None:
        """Raise PerceptionError unless all is there, and what it should be."""
        if self.joints.shape != (JOINTS, 2) or self.probability.shape != grid.shape:
            raise PerceptionError("a pose has the wrong shape")
        if not np.isfinite(self.joints).all() or not _is_probability(self.probability):
            raise PerceptionError("a pose holds what is no place or no probability")


def _is_probability(cells: FloatGrid) -> bool:
    """Whether all lie in 0..1 but for rounding; what is no number does not."""
    return bool(((cells >= -_ROUNDING) & (cells <= 1 + _ROUNDING)).all())


class Depth(enum.IntEnum):
    """``NOTHING``: what was seen last stands. ``AGENT``: mask and face of the agent.
    ``WHOLE``: these and the whole frame."""

    NOTHING = 0
    AGENT = 1
    WHOLE = 2


@dataclass(frozen=True, slots=True)
class LookRequest:
    """What to look at in a frame.

    depth: how much of it.
    regions: windows to look at with the people mask and the face detector, and the band
        that each belongs to.
    agent: window round the agent, for a close mask of the silhouette.
    known: faces that need not be compared with the profile again in this frame.
    first: the face to be compared before all others, if it need be.
    checks: windows for second looks with the people mask alone.
    mouths: faces whose mouths are to be looked at.
    pose: whether to look how the body is held below the face ``first``, or the one most like
        the profile's where there is none.
    """

    depth: Depth = Depth.WHOLE
    regions: tuple[tuple[CellWindow, int], ...] = ()
    agent: CellWindow | None = None
    known: tuple[Box, ...] = ()
    checks: tuple[CellWindow, ...] = ()
    mouths: tuple[Box, ...] = ()
    first: Box | None = None
    pose: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is to be looked at."""
        wanted = self.regions or self.checks or self.mouths or self.pose
        return self.depth is Depth.NOTHING and not wanted


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All looks at one frame.

    wide: people mask of the whole frame, None where less was asked for. close: people mask
    round the agent, if asked for. looked: where faces were looked for, None for everywhere.
    checks: second looks, one for each window asked for, in that order. mouths: of the faces asked
    for, those of which something can be said. pose: if asked for, and if one was seen.
    """

    wide: PeopleLook | None = None
    close: PeopleLook | None = None
    people: tuple[PeopleLook, ...] = ()
    faces: tuple[Face, ...] = ()
    identities: tuple[Identity, ...] = ()
    checks: tuple[PeopleLook, ...] = ()
    looked: Box | None = None
    mouths: tuple[Mouth, ...] = ()
    pose: Pose | None = None

    def check(self, grid: Grid, request: LookRequest) -> None:
        """Raise PerceptionError unless every number is finite (a ratio may be infinite), every
        shape fits, and what was asked for is there."""
        self._check_looks(grid, request)
        for face in (*self.faces, *(identity.face for identity in self.identities)):
            box = face.box
            if not np.isfinite([box.x0, box.y0, box.x1, box.y1, face.score]).all():
                raise PerceptionError("a face box is not finite")
        for identity in self.identities:
            if not np.isfinite([identity.distance, identity.yaw_degrees]).all():
                raise PerceptionError("an identity distance is not finite")
            # Infinite is as unlike as can be; what is no number is unlike nothing.
            if np.isnan(list(identity.ratios.values())).any():
                raise PerceptionError("a ratio of a face is no number")
        for mouth in self.mouths:
            box = mouth.box
            if not np.isfinite([box.x0, box.y0, box.x1, box.y1, mouth.opening]).all():
                raise PerceptionError("a mouth is not finite")
        if self.pose is not None:
            self.pose.check(grid)

    def _check_looks(self, grid: Grid, request: LookRequest) -> None:
        looks = [*self.people, *self.checks]
        looks += [look for look in (self.wide, self.close) if look is not None]
        for look in looks:
            if look.probability.shape != look.window.shape:
                raise PerceptionError("people mask has the wrong shape")
            if not _is_probability(look.probability):
                raise PerceptionError("people mask holds what is no probability")
            if look.window.row1 > grid.rows or look.window.col1 > grid.cols:
                raise PerceptionError("people mask lies outside the frame")
        if request.depth is Depth.WHOLE and self.wide is None:
            raise PerceptionError("the whole-frame look is missing")
        if self.wide is not None and self.wide.window != CellWindow(0, 0, grid.rows, grid.cols):
            raise PerceptionError("the whole-frame look does not cover the frame")
