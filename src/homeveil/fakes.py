"""Stand-ins for tests of software that embeds homeveil: no camera, no models, no waiting.

They go in where the real parts go in; nothing has to be patched.

    scene = FakeScene(agent=Box(80, 60, 140, 120))
    with Redactor(fake_profile(), perceiver=FakePerceiver(scene)) as redactor: ...

    desk = ScriptedDesk({2.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    with DeskEvents(["events.jsonl"], watcher=desk) as events: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from homeveil.desk.findings import Change, Finding
from homeveil.desk_rules import DeskItem
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Box, CellWindow, FloatGrid, Grid
from homeveil.perceive.observation import (
    JOINTS,
    WHOLE,
    Face,
    Identity,
    LookRequest,
    Mouth,
    Observation,
    PeopleLook,
    Pose,
)
from homeveil.perceive.perceiver import compared
from homeveil.profile.template import EMBEDDING_SIZE, FaceTemplate, Profile

FAKE_MODEL_SHA256 = "0" * 64
_BODY_SIDES = 1.3


@dataclass(frozen=True, slots=True)
class FakeScene:
    """Who a FakePerceiver sees: face boxes in pixels; a body hangs below each.

    agent: the enrolled agent's face, or None. others: faces of other people. openings: how far
    their mouths are open, the agent's first; of further ones nothing can be said.
    """

    agent: Box | None = None
    others: tuple[Box, ...] = ()
    openings: tuple[float, ...] = ()


@dataclass(slots=True)
class FakePerceiver:
    """Sees what it is told to.

    scene: one scene for every frame, or a function from seconds to the scene then.
    looks: requests that were served, for assertions.
    """

    scene: FakeScene | Callable[[float], FakeScene]
    looks: list[LookRequest] = field(default_factory=list)
    closed: bool = False

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        """Observations of the scene, as exact as the grid allows."""
        self.looks.append(request)
        scene = self.scene(frame.time.seconds) if callable(self.scene) else self.scene
        near = _people(grid, scene)
        agent = Face(scene.agent, 0.95, WHOLE) if scene.agent is not None else None
        others = tuple(Face(box, 0.9, WHOLE) for box in scene.others)
        whole = CellWindow(0, 0, grid.rows, grid.cols)
        faces = (*((agent,) if agent is not None else ()), *others)
        identities = [
            _identity(face, 0.2 if face is agent else 0.7) for face in compared(faces, request)
        ]
        return Observation(
            wide=PeopleLook(whole, WHOLE, near),
            close=(
                PeopleLook(request.agent, WHOLE, near[request.agent.index])
                if request.agent is not None
                else None
            ),
            people=tuple(
                PeopleLook(window, band, near[window.index]) for window, band in request.regions
            ),
            faces=faces,
            identities=tuple(identities),
            checks=tuple(
                PeopleLook(window, WHOLE, near[window.index]) for window in request.checks
            ),
            mouths=_mouths(scene, request),
            pose=_pose(grid, scene) if request.pose else None,
        )

    def close(self) -> None:
        self.closed = True


class ScriptedDesk:
    """A desk's watcher that finds what it is told to, whatever the frames show.

    script: seconds -> what is found in the first frame at that time or later.
    """

    def __init__(self, script: Mapping[float, Sequence[Finding]]) -> None:
        self._script = sorted(script.items(), reverse=True)

    def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
        """What the script has had for the time up to this frame."""
        found: list[Finding] = []
        while self._script and self._script[-1][0] <= frame.time.seconds:
            found += self._script.pop()[1]
        return tuple(found)


def finding(
    change: Change, item: DeskItem | None = None, *, confidence: float = 0.9, number: int = 0
) -> Finding:
    """Something found on the desk ``desk``, at 0 s."""
    return Finding(change, "desk", item, number, confidence, 0.0)


def fake_profile(spread: float = 0.3) -> Profile:
    """A profile that a FakePerceiver's agent satisfies."""
    template = np.zeros((1, EMBEDDING_SIZE), np.float32)
    return Profile(face=FaceTemplate(template, spread, 5, FAKE_MODEL_SHA256))


def fake_frames(
    picture: Callable[[int], np.ndarray],
    count: int,
    *,
    frames_per_second: float = 10.0,
    pixel_format: PixelFormat = PixelFormat.I420,
) -> Iterator[RawFrame]:
    """Frames whose luma is ``picture(number)``, (height, width) uint8, and grey chroma."""
    for number in range(count):
        luma = np.ascontiguousarray(picture(number), dtype=np.uint8)
        height, width = luma.shape
        shapes = plane_shapes(pixel_format, width, height)[1:]
        chroma = tuple(np.full(shape, 128, np.uint8) for shape in shapes)
        time = Timestamp.from_seconds(number / frames_per_second)
        yield RawFrame((luma, *chroma), pixel_format, width, height, time)


def body_of(face: Box, height: float) -> Box:
    """The body that a FakePerceiver hangs below a face."""
    x, _ = face.centre
    side = max(face.width, face.height)
    return Box(x - _BODY_SIDES * side, face.y1, x + _BODY_SIDES * side, height)


def _people(grid: Grid, scene: FakeScene) -> FloatGrid:
    near = np.zeros(grid.shape, np.float32)
    boxes = (*((scene.agent,) if scene.agent is not None else ()), *scene.others)
    for box in boxes:
        near[grid.cells_in(box)] = 1.0
        near[grid.cells_in(body_of(box, grid.height))] = 1.0
    return near


def _pose(grid: Grid, scene: FakeScene) -> Pose | None:
    """As wide as the body, with the arms along it and the legs out of sight."""
    if scene.agent is None:
        return None
    body, own = body_of(scene.agent, grid.height), np.zeros(grid.shape, np.float32)
    own[grid.cells_in(scene.agent) | grid.cells_in(body)] = 1.0
    joints = np.full((JOINTS, 2), scene.agent.centre, np.float32)
    inset = 0.2 * body.width
    for first, down in ((11, body.y0), (13, (body.y0 + body.y1) / 2), (15, body.y1)):
        joints[first], joints[first + 1] = (body.x1 - inset, down), (body.x0 + inset, down)
    joints[17::2], joints[18::2] = joints[15], joints[16]
    return Pose(joints, own)


def _mouths(scene: FakeScene, request: LookRequest) -> tuple[Mouth, ...]:
    faces = (*((scene.agent,) if scene.agent is not None else ()), *scene.others)
    said = zip(faces, scene.openings, strict=False)
    asked = request.mouths
    return tuple(
        Mouth(box, opening) for box, opening in said if any(one.overlap(box) > 0.3 for one in asked)
    )


def _identity(face: Face, distance: float) -> Identity:
    return Identity(face, distance, 0.0, {}, np.full(EMBEDDING_SIZE, distance, np.float32))
