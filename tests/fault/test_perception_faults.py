"""Perception that fails, for real: nothing unveiled leaves, and the stream goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from boxes import needs_models
from homeveil import frame_from_array
from homeveil.errors import FrameError, ModelError, PerceptionError
from homeveil.fakes import FakePerceiver, FakeScene, fake_frames, fake_profile
from homeveil.frames import PixelFormat, RawFrame
from homeveil.grid import Box, CellWindow, Grid
from homeveil.models import store
from homeveil.models.onnx_file import Graph, Port
from homeveil.models.purposes import PICTURE_PURPOSES
from homeveil.perceive._graph import _File
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.loading import load_perceiver
from homeveil.perceive.observation import (
    WHOLE,
    Face,
    LookRequest,
    Mouth,
    Observation,
    PeopleLook,
)
from homeveil.perceive.perceiver import WatchedPerceiver
from homeveil.policy import Policy, Style
from homeveil.redactor import Redactor
from mouths import still
from rooms import frames, shown, texture

AGENT = Box(140, 60, 180, 100)
ROOM = texture(21)
POLICY = Policy(style=Style.FILL, looks_per_second=1000.0, look_timeout_seconds=0.3)
BAD = range(12, 15)


class Failing(FakePerceiver):
    """Fails in its own way at the frames in BAD."""

    count = -1

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        self.count += 1
        good = super().look(frame, grid, request)
        return self.fail(good) if self.count in BAD else good

    def fail(self, good: Observation) -> Observation:
        raise NotImplementedError


class Raising(Failing):
    def fail(self, good: Observation) -> Observation:
        raise RuntimeError("the model broke")


class NotFinite(Failing):
    def fail(self, good: Observation) -> Observation:
        broken = good.wide.probability.copy()
        broken[0, 0] = np.nan
        return replace(good, wide=replace(good.wide, probability=broken))


class WrongShape(Failing):
    def fail(self, good: Observation) -> Observation:
        return replace(good, wide=replace(good.wide, probability=good.wide.probability[1:]))


class InfiniteFace(Failing):
    def fail(self, good: Observation) -> Observation:
        face = replace(good.faces[0], box=Box(0, 0, float("inf"), 10))
        return replace(good, faces=(face,))


class NotANumberDistance(Failing):
    def fail(self, good: Observation) -> Observation:
        return replace(good, identities=(replace(good.identities[0], distance=float("nan")),))


def redacted(perceiver, raws, *, profile=True, policy=POLICY, delay=0.0):
    """Output frames and the tally."""
    who = fake_profile() if profile else None
    with Redactor(who, policy, perceiver=perceiver, delay_seconds=delay) as redactor:
        out = [veiled for raw in raws for veiled in redactor.process(raw)]
        out += list(redactor.flush())
    return out, redactor.tally


@pytest.mark.parametrize("kind", [Raising, NotFinite, WrongShape, InfiniteFace, NotANumberDistance])
def test_a_failed_look_veils_the_frame_whole(kind: type[Failing]) -> None:
    """A look that raises or returns nonsense: that frame is withheld whole and recorded, the
    stream goes on, and the agent has to prove itself again."""
    raws = frames(lambda n: ROOM, 30)
    out, tally = redacted(kind(FakeScene(agent=AGENT)), raws)
    assert len(out) == len(raws)
    for n in BAD:
        assert out[n].fault
        assert out[n].veiled_share == 1.0
        assert shown(raws[n].planes[0], out[n].planes[0], 0, 0, 320, 240) < 0.03
    first = BAD.stop
    assert shown(raws[first].planes[0], out[first].planes[0], 145, 65, 175, 95) < 0.03
    assert shown(raws[29].planes[0], out[29].planes[0], 145, 65, 175, 95) > 0.99
    assert [span.reason for span in tally.spans].count("fault") == 1


def test_who_takes_the_agents_place_while_looks_fail_came_in() -> None:
    """Looks fail for seconds, the agent goes meanwhile, and somebody whom no detector sees sits
    down there: they are no part of the room that the agent left behind."""
    with_agent, with_guest = ROOM.copy(), ROOM.copy()
    with_agent[60:230, 110:210] = texture(9)[60:230, 110:210]
    with_guest[110:200, 120:200] = texture(5)[110:200, 120:200]

    class FailingLong(FakePerceiver):
        def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
            if 8.0 <= frame.time.seconds < 13.0:
                raise RuntimeError("the model broke")
            return super().look(frame, grid, request)

    def seen(seconds: float) -> FakeScene:
        return FakeScene(agent=AGENT if 5.0 <= seconds < 8.0 else None)

    def picture(n: int) -> np.ndarray:
        return with_agent if 50 <= n < 80 else with_guest if n >= 110 else ROOM

    raws = frames(picture, 200)
    out, _ = redacted(FailingLong(seen), raws)
    assert shown(raws[49].planes[0], out[49].planes[0], 125, 115, 195, 195) > 0.99
    assert out[129].fault
    for n in range(130, 200):
        assert shown(raws[n].planes[0], out[n].planes[0], 125, 115, 195, 195) < 0.03


def _nan(look: PeopleLook) -> PeopleLook:
    return replace(look, probability=np.full_like(look.probability, np.nan))


def _last(looks: tuple[PeopleLook, ...], spoil: Callable[[PeopleLook], PeopleLook]) -> Any:
    return (*looks[:-1], spoil(looks[-1]))


def _lower(look: PeopleLook) -> PeopleLook:
    window = look.window
    return replace(look, window=replace(window, row0=window.row0 + 9, row1=window.row1 + 9))


def _further(look: PeopleLook) -> PeopleLook:
    window = look.window
    return replace(look, window=replace(window, col0=window.col0 + 19, col1=window.col1 + 19))


def _told(seen: Observation, **other: Any) -> Observation:
    """With something else said of the face that was compared."""
    return replace(seen, identities=(replace(seen.identities[0], **other),))


NO_ANSWERS: dict[str, Callable[[Observation], Observation]] = {
    "no look at the whole": lambda seen: replace(seen, wide=None),
    "half a look at the whole": lambda seen: replace(
        seen,
        wide=PeopleLook(CellWindow(0, 0, 15, 40), WHOLE, seen.wide.probability[:15]),
    ),
    "a close mask without numbers": lambda seen: replace(seen, close=_nan(seen.close)),
    "a close mask of logits": lambda seen: replace(
        seen, close=replace(seen.close, probability=seen.close.probability * 6 - 3)
    ),
    "a scan without numbers": lambda seen: replace(seen, people=_last(seen.people, _nan)),
    "a scan past the bottom": lambda seen: replace(seen, people=_last(seen.people, _lower)),
    "a second look without numbers": lambda seen: replace(
        seen, checks=_last(seen.checks, _nan)
    ),
    "a face without a score": lambda seen: replace(
        seen, faces=(replace(seen.faces[0], score=np.nan),)
    ),
    "another face compared": lambda seen: _told(seen, face=Face(Box(0, 0, np.nan, 9), 0.9, WHOLE)),
    "a face turned nowhere": lambda seen: _told(seen, yaw_degrees=np.nan),
    "a mouth open by nothing": lambda seen: replace(seen, mouths=(Mouth(AGENT, np.nan),)),
    "a scan past the side": lambda seen: replace(seen, people=_last(seen.people, _further)),
    "a ratio that is none": lambda seen: _told(seen, ratios={"cheeks_to_height": np.nan}),
}


@pytest.mark.parametrize("wrong", NO_ANSWERS)
def test_no_part_of_an_answer_may_be_none(wrong: str) -> None:
    """What was asked for is there, covers what it should and is made of numbers, whatever is
    looked at: or the look is a fault."""
    (raw,) = frames(lambda n: ROOM, 1)
    grid = Grid.over(raw.width, raw.height)
    window = CellWindow(10, 10, 25, 30)
    request = LookRequest(regions=((window, 2),), agent=window, checks=(window,))
    good = FakePerceiver(FakeScene(agent=AGENT)).look(raw, grid, request)
    good.check(grid, request)
    with pytest.raises(PerceptionError):
        NO_ANSWERS[wrong](good).check(grid, request)


def test_only_a_look_that_goes_on_took_too_long() -> None:
    """One that raises a timeout of its own has ended, and the next may begin."""

    class Late(FakePerceiver):
        def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
            raise TimeoutError("of its own")

    (raw,) = frames(lambda n: ROOM, 1)
    grid = Grid.over(raw.width, raw.height)
    watched = WatchedPerceiver(Late(FakeScene(agent=AGENT)), 60.0)
    for _ in range(2):
        with pytest.raises(PerceptionError, match="failed \\(TimeoutError"):
            watched.look(raw, grid, LookRequest())
    watched.close()


def broken(model: bytes) -> bytes:
    """A network whose largest weights are no numbers any more."""
    weights = max(_weights(model), key=len)
    return model.replace(weights, b"\xff" * len(weights))


def blind(model: bytes) -> bytes:
    """A network with no weights but 0, which says the same of whatever it is shown."""
    for weights in sorted(_weights(model), key=len, reverse=True)[:40]:
        model = model.replace(weights, bytes(len(weights)))
    return model


def _weights(model: bytes) -> list[bytes]:
    file = _File(model)
    return [file.text(file.at(at), 0) for at in file.vector(file.root, 4)]


@needs_models
@pytest.mark.parametrize(
    "purpose",
    ["people_mask_wide", "people_mask_square", "face_detection_full", "face_detection_short"],
)
def test_a_network_that_knows_no_person_is_an_error_at_the_start(purpose: str) -> None:
    """One that says the same whatever it is shown might clear a room full of people."""
    models = store.load(PICTURE_PURPOSES, {})
    load_perceiver(None, POLICY, models).close()
    data = {**models.data, purpose: blind(models.data[purpose])}
    with pytest.raises(ModelError, match=f"{purpose} cannot tell"):
        load_perceiver(None, POLICY, replace(models, data=data))


@needs_models
def test_a_face_mesh_that_breaks_is_a_fault() -> None:
    """A face that cannot be compared for want of numbers is none that merely looks away."""
    data = store.load(("face_landmarks", "face_embedding"), {}).data
    raw = frame_from_array(still(), "rgb", seconds=0.0)
    face = Face(Box(269, 90, 342, 164), 0.9, 0)
    whole = FaceIdentity(data["face_landmarks"], data["face_embedding"], lambda embedding: 1.0)
    assert whole.compare(raw, face) is not None
    mesh = broken(data["face_landmarks"])
    identity = FaceIdentity(mesh, data["face_embedding"], lambda embedding: 1.0)
    with pytest.raises(PerceptionError, match="no number"):
        identity.compare(raw, face)


def embedding_of(picture: str, size: int, scale: float) -> bytes:
    """A network that gives the means of the columns of a face in some random mixtures."""
    graph = Graph("embedding")
    mix = np.random.default_rng(1).normal(size=(150, size)).astype(np.float32) * scale
    graph.node("Cast", ["chips"], "numbers", to=1)
    graph.node("ReduceMean", ["numbers"], "means", axes=(1, 3), keepdims=0)
    graph.node("MatMul", ["means", graph.constant("mix", mix)], "out")
    return graph.encode(
        [Port("chips", picture, ("N", 150, 150, 3))], [Port("out", "float32", ("N", size))], {}
    )


@needs_models
@pytest.mark.parametrize(
    ("model", "told"),
    [
        (b"no model", "cannot be run"),
        (embedding_of("float32", 128, 1.0), "cannot be run"),
        (embedding_of("uint8", 64, 1.0), "gave"),
        (embedding_of("uint8", 128, float("nan")), "no numbers"),
        (embedding_of("uint8", 128, 1e-6), "anybody's"),
        (embedding_of("uint8", 128, 0.0), "anybody's"),
    ],
    ids=["junk", "another input", "another size", "no numbers", "too near", "always the same"],
)
def test_an_identity_model_that_knows_nobody_is_an_error_at_the_start(
    model: bytes, told: str
) -> None:
    """One whose embeddings all lie close together would take everybody for the agent."""
    mesh = store.load(("face_landmarks",), {}).data["face_landmarks"]
    with pytest.raises(ModelError, match=told):
        FaceIdentity(mesh, model, lambda embedding: float(np.linalg.norm(embedding)))


def test_a_look_that_hangs_is_a_fault() -> None:
    """A look past its time limit veils its frame and those that follow while it hangs; its
    late answer is not used."""
    release = threading.Event()

    class Hanging(FakePerceiver):
        count = -1

        def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
            self.count += 1
            if self.count == 5:
                release.wait(30)
            return super().look(frame, grid, request)

    raws = frames(lambda n: ROOM, 9)
    perceiver = Hanging(FakeScene(agent=AGENT))
    with Redactor(fake_profile(), POLICY, perceiver=perceiver, delay_seconds=0.0) as redactor:
        out = [veiled for raw in raws[:8] for veiled in redactor.process(raw)]
        release.set()
        assert [veiled.fault for veiled in out] == [False] * 5 + [True] * 3
        assert all(veiled.veiled_share == 1.0 for veiled in out[5:])
        assert redactor._perceiver._stuck is not None
        redactor._perceiver._stuck.result(30)
        late = len(perceiver.looks)
        (veiled,) = redactor.process(raws[8])
        assert not veiled.fault
        assert len(perceiver.looks) == late + 1


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (641, 359), (2, 16), (16, 2)])
def test_any_size_comes_out_as_it_went_in(size: tuple[int, int]) -> None:
    """Frames of one pixel and of odd sides: same size, same count, first frame withheld."""
    width, height = size
    raws = list(fake_frames(lambda n: texture(4, width, height), 4))
    out, _ = redacted(FakePerceiver(FakeScene()), raws, profile=False)
    assert [(veiled.width, veiled.height) for veiled in out] == [size] * 4
    assert out[0].veiled_share == 1.0


def test_a_change_of_size_starts_denied_again() -> None:
    """After a change of size nothing learnt before counts."""
    small = list(fake_frames(lambda n: texture(4, 160, 120), 30))
    large = [
        replace(raw, time=replace(raw.time, pts=raw.time.pts + 900_000))
        for raw in fake_frames(lambda n: ROOM, 5)
    ]
    out, _ = redacted(FakePerceiver(FakeScene()), small + large, profile=False)
    assert out[29].veiled_share == 0.0
    assert out[30].veiled_share == 1.0
    assert out[30].width == 320


@pytest.mark.parametrize("style", Style)
def test_what_is_known_breaks_and_so_does_the_way_out(style: Style) -> None:
    """Not even what to do about a failure can be done: the frame is withheld whole all the same,
    and whoever holds its sound is told before it leaves."""
    told: list[tuple[float, bool]] = []
    raws = frames(lambda n: ROOM, 12)
    policy = replace(POLICY, style=style)
    perceiver = FakePerceiver(FakeScene(agent=AGENT))
    with Redactor(fake_profile(), policy, perceiver=perceiver, delay_seconds=0.2) as redactor:
        redactor.decided = lambda seconds, failed: told.append((seconds, failed))
        out = [veiled for raw in raws[:10] for veiled in redactor.process(raw)]
        assert redactor._stream is not None
        redactor._stream.clearance.scene = None  # type: ignore[assignment]
        broken = [veiled for raw in raws[10:] for veiled in redactor.process(raw)]
        broken += redactor.flush()
    assert told == [(raw.time.seconds, n >= 10) for n, raw in enumerate(raws)]
    assert not any(veiled.fault for veiled in out)
    assert len(out) + len(broken) == len(raws)
    for veiled, raw in zip(broken, raws[-len(broken) :], strict=True):
        assert veiled.fault
        assert veiled.withheld.all()
        assert len(np.unique(veiled.planes[0])) == 1
        assert veiled.time == raw.time


def test_what_breaks_on_the_way_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Else all that leaves is cards, and nobody learns why."""

    def watch(frame: RawFrame, reasons: np.ndarray) -> None:
        raise ValueError("what it saw")

    raws = frames(lambda n: ROOM, 3)
    looks = FakePerceiver(FakeScene())
    with Redactor(None, POLICY, perceiver=looks, delay_seconds=0.0, watch=watch) as redactor:
        out = [veiled for raw in raws for veiled in redactor.process(raw)]
    assert all(veiled.fault and veiled.withheld.all() for veiled in out)
    assert [one.message for one in caplog.records] == ["frame withheld: ValueError"] * 3


def test_another_layout_in_mid_stream_begins_denied() -> None:
    """What was cleared lies in planes of the other kind; the room is looked at anew and shown."""
    raws = list(fake_frames(lambda n: ROOM, 20))
    for raw in fake_frames(lambda n: ROOM, 20, pixel_format=PixelFormat.NV12):
        raws.append(replace(raw, time=replace(raw.time, pts=raw.time.pts + 900_000 // 5)))
    out, _ = redacted(FakePerceiver(FakeScene()), raws, profile=False)
    assert [out[n].veiled_share for n in (19, 20, 39)] == [0.0, 1.0, 0.0]
    assert not any(veiled.fault for veiled in out)


def test_after_a_reset_nothing_is_known_or_left() -> None:
    """Frames that wait are gone; the same room is denied until it was looked at, and the agent
    until compared anew. Times may begin anew too."""
    raws = frames(lambda n: ROOM, 30)
    perceiver = FakePerceiver(FakeScene(agent=AGENT))
    with Redactor(fake_profile(), POLICY, perceiver=perceiver, delay_seconds=0.5) as redactor:
        before = [veiled for raw in raws for veiled in redactor.process(raw)]
        assert before[-1].veiled_share < 0.2
        redactor.reset()
        assert list(redactor.flush()) == []
        first = [*redactor.process(raws[0]), *redactor.flush()]
        assert [veiled.time for veiled in first] == [raws[0].time]
        assert first[0].veiled_share == 1.0


def test_both_layouts_are_decided_alike() -> None:
    """NV12 and I420 frames of one picture lose the same cells."""
    shares = []
    for pixel_format in PixelFormat:
        raws = list(fake_frames(lambda n: ROOM, 20, pixel_format=pixel_format))
        out, _ = redacted(FakePerceiver(FakeScene(agent=AGENT)), raws)
        shares.append([veiled.veiled_share for veiled in out])
    assert shares[0] == shares[1]


def test_time_that_does_not_increase_is_refused() -> None:
    """A frame out of order is an error, is not passed on, and harms no later frame."""
    raws = frames(lambda n: ROOM, 6)
    perceiver = FakePerceiver(FakeScene())
    with Redactor(None, POLICY, perceiver=perceiver, delay_seconds=0.0) as redactor:
        assert len(list(redactor.process(raws[1]))) == 1
        with pytest.raises(FrameError, match="does not come after"):
            list(redactor.process(raws[0]))
        assert len(list(redactor.process(raws[2]))) == 1


def test_a_closed_redactor_refuses() -> None:
    """After close() no frame is taken; frames that waited are gone, not passed on."""
    redactor = Redactor(None, POLICY, perceiver=FakePerceiver(FakeScene()), delay_seconds=5.0)
    assert list(redactor.process(next(fake_frames(lambda n: ROOM, 1)))) == []
    redactor.close()
    assert list(redactor.flush()) == []
    with pytest.raises(FrameError, match="closed"):
        list(redactor.process(next(fake_frames(lambda n: ROOM, 1))))


def test_the_input_is_left_as_it_was() -> None:
    """Painting happens on a copy: the caller's arrays keep their pixels."""
    raw = next(fake_frames(lambda n: ROOM, 1))
    before = raw.planes[0].copy()
    redacted(FakePerceiver(FakeScene()), [raw], profile=False)
    assert (raw.planes[0] == before).all()
