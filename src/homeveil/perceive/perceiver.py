"""All looks at one frame, and what keeps a failing look from doing harm."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from homeveil.errors import PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import Box, Grid
from homeveil.perceive.exposure import gain_for
from homeveil.perceive.observation import (
    WHOLE,
    Depth,
    Face,
    Identity,
    LookRequest,
    Mouth,
    Observation,
    PeopleLook,
    Pose,
)

if TYPE_CHECKING:
    from homeveil.perceive.faces import FaceBoxes
    from homeveil.perceive.identity import FaceIdentity
    from homeveil.perceive.people import PeopleMask
    from homeveil.perceive.pose import BodyPose

SAME_FACE = 0.3
"""Overlap from which two boxes are one face."""

MAX_COMPARED = 3
"""Faces compared with the profile in one frame: the one that passes for the agent's, then the
largest."""


_NOWHERE = Box(0, 0, 0, 0)

A = TypeVar("A")
B = TypeVar("B")


class Perceiver(Protocol):
    """Looks at frames. An implementation decides nothing and keeps nothing."""

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        """Do what ``request`` asks for, in its depth or deeper."""
        ...

    def close(self) -> None:
        """Free the models."""
        ...


class _People(NamedTuple):
    """See :class:`Observation`."""

    wide: PeopleLook | None
    close: PeopleLook | None
    looks: tuple[PeopleLook, ...]
    checks: tuple[PeopleLook, ...]


class _Faces(NamedTuple):
    """See :class:`Observation`."""

    faces: tuple[Face, ...]
    identities: tuple[Identity, ...]
    looked: Box | None
    mouths: tuple[Mouth, ...]


class ModelPerceiver:
    """The default perceiver: face boxes, people masks, face identity, and the agent's pose.

    Faces and people, or both and the pose, are looked for side by side, each by its own models
    on a core of its own; the models let go of the interpreter lock while they run.
    """

    def __init__(
        self, faces: FaceBoxes, people: PeopleMask, identity: FaceIdentity, pose: BodyPose
    ) -> None:
        self._faces = faces
        self._people = people
        self._identity = identity
        self._pose = pose
        self._beside = concurrent.futures.ThreadPoolExecutor(1, "homeveil-faces")

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        gain = gain_for(frame)

        def people() -> _People:
            return self._look_for_people(frame, grid, request, gain)

        def faces() -> _Faces:
            return self._look_for_faces(frame, grid, request, gain)

        def pose(face: Box) -> Pose | None:
            return self._pose.of(frame, grid, face, gain)

        held = None
        if request.pose and request.first is not None:
            # A pose takes as long as all the rest.
            first = request.first
            held, (seen, found) = self._side_by_side(
                lambda: pose(first), lambda: (people(), faces())
            )
        else:
            seen, found = self._side_by_side(people, faces)
            if request.pose and found.identities:
                likest = min(found.identities, key=lambda identity: identity.distance)
                held = pose(likest.face.box)
        return Observation(
            seen.wide, seen.close, seen.looks, found.faces, found.identities, seen.checks,
            found.looked, found.mouths, held,
        )  # fmt: skip

    def _side_by_side(self, here: Callable[[], A], beside: Callable[[], B]) -> tuple[A, B]:
        """What both give. Nobody else may use their models, or the frame, until both have ended."""
        pending = self._beside.submit(beside)
        try:
            own = here()
        finally:
            concurrent.futures.wait((pending,))
        return own, pending.result()

    def _look_for_people(
        self, frame: RawFrame, grid: Grid, request: LookRequest, gain: float
    ) -> _People:
        wide = close = None
        if request.depth is Depth.WHOLE:
            wide = self._people.whole(frame, grid, gain)
        if request.agent is not None and request.depth is not Depth.NOTHING:
            close = self._people.close_up(frame, grid, request.agent, WHOLE, gain)
        looks = tuple(
            self._people.close_up(frame, grid, window, band, gain)
            for window, band in request.regions
        )
        checks = tuple(
            self._people.close_up(frame, grid, window, WHOLE, gain) for window in request.checks
        )
        return _People(wide, close, looks, checks)

    def _look_for_faces(
        self, frame: RawFrame, grid: Grid, request: LookRequest, gain: float
    ) -> _Faces:
        found: list[Face] = []
        looked: Box | None = _NOWHERE
        if request.agent is not None and request.depth is not Depth.NOTHING:
            looked = grid.box(request.agent)
            found += self._faces.look(frame, looked, WHOLE + 1, gain)
        # The agent's face must not seem lost for a look that was too narrow.
        if request.depth is Depth.WHOLE or (request.depth is Depth.AGENT and not found):
            found += self._faces.look(frame, Box(0, 0, frame.width, frame.height), WHOLE, gain)
            looked = None
        for window, band in request.regions:
            found += self._faces.look(frame, grid.box(window), band, gain)
        faces = [self._faces.confirm(frame, face, gain) for face in self._faces.merged(found)]
        identities = [self._identity.compare(frame, face) for face in compared(faces, request)]
        known = tuple(identity for identity in identities if identity is not None)
        mouths = self._mouths(frame, faces, request) if request.mouths else ()
        return _Faces(tuple(faces), known, looked, mouths)

    def _mouths(
        self, frame: RawFrame, faces: list[Face], request: LookRequest
    ) -> tuple[Mouth, ...]:
        """Each where the face was found in this frame, else where it was: detectors lose a face
        whose mouth is wide open."""
        places: list[Box] = []
        for box in request.mouths:
            here = max(faces, key=lambda face: face.box.overlap(box), default=None)
            found = here is not None and here.box.overlap(box) >= SAME_FACE
            places.append(here.box if here is not None and found else box)
        mouths = [self._identity.mouth(frame, box) for box in places]
        return tuple(mouth for mouth in mouths if mouth is not None)

    def close(self) -> None:
        self._beside.shutdown(wait=True)
        self._faces.close()
        self._people.close()
        self._identity.close()
        self._pose.close()


def compared(faces: Iterable[Face], request: LookRequest) -> list[Face]:
    """Those of ``faces`` that are compared with the profile. Whoever passes for the agent comes
    before all others: larger faces that no comparison ever settles must not put it off."""

    def rank(face: Face) -> tuple[float, float]:
        near = face.box.overlap(request.first) if request.first is not None else 0.0
        return -near, -face.box.area

    unknown = [
        face for face in faces if all(face.box.overlap(box) < SAME_FACE for box in request.known)
    ]
    return sorted(unknown, key=rank)[:MAX_COMPARED]


class WatchedPerceiver:
    """A perceiver whose failures all become PerceptionError, in bounded time.

    A look that raises, returns what is not finite or of the wrong shape, or outlasts
    ``timeout_seconds`` is a fault. While a stuck look has not come back, every further
    look fails at once: its late answer is about another frame and is thrown away.
    """

    def __init__(self, perceiver: Perceiver, timeout_seconds: float) -> None:
        self._perceiver = perceiver
        self._timeout = timeout_seconds
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "homeveil-look")
        self._stuck: concurrent.futures.Future[Observation] | None = None

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        if self._stuck is not None:
            if not self._stuck.done():
                raise PerceptionError("a look is still stuck")
            self._stuck = None
        if request.is_empty:
            return Observation(looked=_NOWHERE)
        future = self._worker.submit(self._perceiver.look, frame, grid, request)
        try:
            observation = future.result(timeout=self._timeout)
        except PerceptionError:
            raise
        except Exception as error:
            if not future.done():
                self._stuck = future
                raise PerceptionError(f"a look took longer than {self._timeout} s") from error
            # Its text may quote anything.
            raise PerceptionError(f"a look failed ({type(error).__name__})") from error
        observation.check(grid, request)
        return observation

    def close(self) -> None:
        self._worker.shutdown(wait=self._stuck is None, cancel_futures=True)
        if self._stuck is None or self._stuck.done():
            self._perceiver.close()
