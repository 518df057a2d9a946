"""The second key: how far a mouth is open, and what openings over time say about sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from homeveil.clear.lips import (
    INTERVAL_SECONDS,
    MOST_MISSES,
    MOST_OTHERS,
    MOVES,
    OTHER_MOVES,
    REACH_SECONDS,
    LipsKey,
)
from homeveil.errors import PerceptionError, UsageError
from homeveil.fakes import FakePerceiver, FakeScene, fake_profile
from homeveil.frames import RawFrame
from homeveil.grid import Box, Grid
from homeveil.gstreamer.sounds import SoundFlow
from homeveil.perceive.lips import opening
from homeveil.perceive.observation import WHOLE, Depth, Face, LookRequest, Mouth, Observation
from homeveil.perceive.perceiver import ModelPerceiver
from homeveil.policy import Lips, Policy, Sound, Style
from homeveil.redactor import Redactor
from homeveil.voice_gate import VoiceGate
from mouths import AGENT, CHILD, fill, key, tracks
from rooms import frames, texture
from voices import ALONE, Script, anybody, run

RATE = 16_000


# ------------------------------------------------------------------ one mouth
def mesh(gap: float, scale: float = 1.0, roll: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """(468, 3) landmarks of a face whose eyes are 60 apart and 40 above its nose."""
    points = np.zeros((468, 3))
    places = {
        (33,): (-30, 0), (133,): (-12, 0), (263,): (30, 0), (362,): (12, 0), (2,): (0, 40),
        (1,): (84 * math.sin(turn), 30), (234,): (-70, 10), (454,): (70, 10),
        (82, 13, 312): (0, 60), (87, 14, 317): (0, 60 + gap),
    }  # fmt: skip
    for numbers, place in places.items():
        points[list(numbers), :2] = place
    around = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    points[:, :2] = scale * points[:, :2] @ around.T + (300, 200)
    return points.astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 1.0, 7.0])
@pytest.mark.parametrize("roll", [0.0, 0.6, -1.2, 3.0])
def test_an_opening_knows_neither_scale_nor_roll(scale: float, roll: float) -> None:
    """It is the gap in heights of the upper face, however large the face and however it leans."""
    for gap in (0.0, 2.0, 16.0):
        assert opening(mesh(gap, scale, roll)) == pytest.approx(gap / 40, abs=1e-4)


def test_nothing_is_said_where_it_cannot_be() -> None:
    """A face turned aside, or landmarks that make no face."""
    assert opening(mesh(4.0, turn=math.radians(25))) is not None
    for turn in (35, -35):
        assert opening(mesh(4.0, turn=math.radians(turn))) is None
    flat = mesh(4.0)
    flat[2, 1] = flat[33, 1]
    assert opening(flat) is None
    assert opening(np.zeros((468, 3), np.float32)) is None


# ------------------------------------------------------------------ openings over time
def clock(stop: float, step: float = 0.08, start: float = 0.0) -> np.ndarray:
    return np.arange(start, stop, step)


def wave(height: float) -> Callable[[float], float]:
    """A mouth that opens and shuts four times a second."""
    return lambda t: height * (0.5 - 0.5 * math.cos(8 * math.pi * t))


def closed(lips: LipsKey, moments: Iterable[float]) -> list[bool]:
    return [lips.closes(at - 0.005, at + 0.005) for at in moments]


@pytest.mark.parametrize("mode", [Lips.CHECK, Lips.REQUIRE])
def test_a_still_mouth_closes_and_a_moving_one_does_not(mode: Lips) -> None:
    """Closed where the agent's mouth is still, up to 200 ms from where it moves."""
    lips = key(mode)
    fill(lips, clock(4.0), lambda t: wave(2 * MOVES)(t) if t < 2 else 0.0)
    assert not any(closed(lips, np.arange(0.3, 2.0, 0.01)))
    assert all(closed(lips, np.arange(2.25, 3.9, 0.01)))


@pytest.mark.parametrize("mode", [Lips.CHECK, Lips.REQUIRE])
def test_a_tremble_is_no_movement(mode: Lips) -> None:
    """A range just below the threshold is still, just above it moves; an open mouth that is held
    is still."""
    for height, still in ((0.95 * MOVES, True), (1.05 * MOVES, False)):
        lips = key(mode)
        fill(lips, clock(3.0), lambda t, height=height: 0.3 + height * (round(t / 0.08) % 2))
        assert set(closed(lips, np.arange(0.3, 2.7, 0.01))) == {still}


@pytest.mark.parametrize("mode", [Lips.CHECK, Lips.REQUIRE])
def test_another_mouth_that_moves_closes(mode: Lips) -> None:
    """For 200 ms about, though the agent's own moves; one that trembles does not."""
    for height, closes in ((1.05 * OTHER_MOVES, True), (0.95 * OTHER_MOVES, False)):
        lips = key(mode)

        def child(t: float, height: float = height) -> float:
            return height * (round(t / 0.08) % 2) if 2 <= t < 3 else 0.0

        fill(lips, clock(5.0), wave(0.3), child)
        assert set(closed(lips, np.arange(2.0, 3.0, 0.01))) == {closes}
        assert not any(closed(lips, np.arange(0.3, 1.7, 0.01)))
        assert not any(closed(lips, np.arange(3.3, 4.7, 0.01)))


def test_only_the_verified_face_is_the_agents() -> None:
    """Where nobody is verified, a mouth that moves opens nothing and closes; a face that proved
    to be the agent's soon after is not held against them."""
    for mode in (Lips.CHECK, Lips.REQUIRE):
        lips = key(mode)
        fill(lips, clock(3.0), wave(0.3), verified=lambda t: False)
        assert all(closed(lips, np.arange(0.3, 2.7, 0.01)))
    lips = key(Lips.CHECK)
    fill(lips, clock(3.0), wave(0.3), verified=lambda t: t > 1)
    assert not any(closed(lips, np.arange(0.3, 2.7, 0.01)))
    lips = key(Lips.CHECK)
    fill(lips, clock(4.0), wave(0.3), verified=lambda t: not 1 < t < 2)
    assert not any(closed(lips, [0.7, *np.arange(2.25, 3.7, 0.01)]))
    assert all(closed(lips, np.arange(1.05, 1.95, 0.01)))


@pytest.mark.parametrize(("mode", "unknown"), [(Lips.CHECK, False), (Lips.REQUIRE, True)])
def test_what_is_not_seen_is_open_to_a_check_and_closed_where_required(
    mode: Lips, unknown: bool
) -> None:
    """Before the first frame, in gaps, after the last one, at too low a rate, and with no face."""
    lips = key(mode)
    assert closed(lips, [0.0, 5.0]) == [unknown, unknown]
    fill(lips, [*clock(1.0), *clock(3.0, start=2.0)], wave(0.3))
    assert set(closed(lips, np.arange(1.25, 1.75, 0.01))) == {unknown}
    assert not any(closed(lips, [0.5, 2.5]))
    assert set(closed(lips, [3.3, 60.0])) == {unknown}
    slow = key(mode)
    fill(slow, clock(4.0, 0.25), lambda t: 0.0)
    assert set(closed(slow, np.arange(0.3, 3.7, 0.01))) == {unknown}
    away = key(mode)
    fill(away, clock(3.0), None)
    assert set(closed(away, np.arange(0.3, 2.7, 0.01))) == {unknown}


def test_looks_too_close_together_say_nothing() -> None:
    """Three in a tenth of a second are no 400 ms."""
    lips = key(Lips.CHECK)
    fill(lips, [1.0, 1.03, 1.06], lambda t: 0.0, every=True)
    assert not any(closed(lips, [1.0, 1.05]))


@pytest.mark.parametrize("jitter", [0.0, 0.02, 0.035])
def test_a_variable_frame_rate_is_judged_by_times(jitter: float) -> None:
    """Frames at uneven times: moments count, not numbers of frames."""
    rng = np.random.default_rng(3)
    times = np.sort(clock(6.0, 0.09) + rng.uniform(-jitter, jitter, len(clock(6.0, 0.09))))
    lips = key(Lips.REQUIRE)
    fill(lips, times, lambda t: wave(0.3)(t) if t < 3 else 0.05, every=True)
    assert not any(closed(lips, np.arange(0.4, 2.9, 0.01)))
    assert all(closed(lips, np.arange(3.25, 5.7, 0.01)))


def test_a_look_counts_for_200_ms_to_either_side() -> None:
    """One opening within stillness: the gate is open that long round it, and no longer."""
    lips = key(Lips.CHECK)
    times = clock(4.0, 0.1)
    fill(lips, times, lambda t: 0.3 if abs(t - 2.0) < 0.01 else 0.0)
    opened = [at for at in np.arange(1.0, 3.0, 0.005) if not closed(lips, [at])[0]]
    assert min(opened) == pytest.approx(2.0 - REACH_SECONDS, abs=0.011)
    assert max(opened) == pytest.approx(2.0 + REACH_SECONDS, abs=0.011)


def test_faces_of_another_stream_are_others() -> None:
    """After a change of size tracks are numbered anew; none inherits another's mouth."""
    lips = key(Lips.REQUIRE)
    fill(lips, clock(1.0), lambda t: 0.0)
    lips.begin()
    fill(lips, clock(1.16, start=1.0), lambda t: 0.3)
    assert all(closed(lips, [0.9, 1.0, 1.1]))


def test_it_forgets() -> None:
    """Nothing of the stream before counts, and memory stays bounded."""
    lips = key(Lips.CHECK)
    fill(lips, clock(900.0, 0.06), wave(0.3), wave(0.0))
    assert len(lips._looks) < 10_000
    assert closed(lips, [899.0]) == [False]
    fill(lips, clock(910.0, 0.06, 900.0), lambda t: 0.0)
    assert closed(lips, [905.0]) == [True]
    lips.forget()
    assert closed(lips, [905.0]) == [False]


# ------------------------------------------------------------------ whom it asks for
def test_few_mouths_are_looked_at() -> None:
    """The agent's and the two largest others, those first that do not hold still, also if a
    detector missed them; not in every frame, and not the agent's when it is lost."""
    poster = Box(200, 0, 280, 80)
    extra = [(3, Box(400, 0, 440, 40)), (4, Box(500, 0, 545, 45)), (5, poster)]
    seen = tracks(True, AGENT, CHILD, *(box for _, box in extra))
    lips = key(Lips.CHECK)
    asked = lips.ask(1.0, seen, lambda box: box == poster)
    assert asked[0] == AGENT
    assert len(asked) == 1 + MOST_OTHERS
    assert poster not in asked
    assert lips.ask(1.0 + INTERVAL_SECONDS / 2, seen, lambda box: False) == ()
    assert lips.seen_to == 1.0 + INTERVAL_SECONDS / 2
    assert poster in lips.ask(2.0, seen, lambda box: False)
    assert key(Lips.OFF).ask(1.0, seen, lambda box: False) == ()
    for track in seen.tracks:
        track.misses = MOST_MISSES
    assert {AGENT, CHILD} <= {*lips.ask(3.0, seen, lambda box: box != CHILD)}
    for track in seen.tracks:
        track.misses += 1
    asked = lips.ask(4.0, seen, lambda box: box != CHILD)
    assert AGENT not in asked
    assert CHILD in asked


class Watching(FakePerceiver):
    """A perceiver in front of which the agent's mouth moves."""

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        t = frame.time.seconds
        self.scene = FakeScene(AGENT, (CHILD,), (wave(0.3)(t), 0.0))
        return super().look(frame, grid, request)


@pytest.mark.parametrize("with_lips", [False, True])
def test_mouths_are_looked_at_only_for_the_key(with_lips: bool) -> None:
    """Without it no frame asks for a mouth; with it what is seen reaches the key."""
    policy = Policy(style=Style.FILL, lips=Lips.REQUIRE)
    perceiver = Watching(FakeScene())
    lips = LipsKey(policy) if with_lips else None
    with Redactor(
        fake_profile(), policy, perceiver=perceiver, delay_seconds=0.0, lips=lips
    ) as redactor:
        for raw in frames(lambda n: texture(21), 30):
            list(redactor.process(raw))
        assert any(request.mouths for request in perceiver.looks) == with_lips
        if lips is not None:
            assert not any(closed(lips, np.arange(1.0, 2.5, 0.01)))
            assert {request.depth for request in perceiver.looks if request.mouths} >= {
                Depth.WHOLE
            }
            redactor.reset()
            assert all(closed(lips, np.arange(1.0, 2.5, 0.01)))


class Stub:
    """In the place of networks: faces where they are said to be; each mouth tells its place."""

    def __init__(self, *boxes: Box) -> None:
        self.found = [Face(box, 0.9, WHOLE) for box in boxes]

    def look(self, *_: object) -> list[Face]:
        return self.found

    def merged(self, faces: list[Face]) -> list[Face]:
        return faces

    def confirm(self, frame: object, face: Face, gain: float) -> Face:
        return face

    def whole(self, frame: object, grid: Grid, gain: float) -> None:
        return None

    def compare(self, frame: object, face: Face) -> None:
        return None

    def mouth(self, frame: object, box: Box) -> Mouth:
        return Mouth(box, 0.1)

    def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("depth", "found", "places"),
    [
        (Depth.WHOLE, [AGENT.moved(4, 3), CHILD], [AGENT.moved(4, 3)]),
        (Depth.WHOLE, [CHILD], [AGENT]),
        (Depth.NOTHING, [], [AGENT]),
    ],
)
def test_a_mouth_is_looked_at_where_its_face_is(
    depth: Depth, found: list[Box], places: list[Box]
) -> None:
    """Where it was found in this frame, else where it was before."""
    stub = Stub(*found)
    perceiver = ModelPerceiver(stub, stub, stub, stub)  # type: ignore[arg-type]
    (raw,) = frames(lambda n: texture(21), 1)
    request = LookRequest(depth, mouths=(AGENT,))
    seen = perceiver.look(raw, Grid.over(raw.width, raw.height), request)
    perceiver.close()
    assert [mouth.box for mouth in seen.mouths] == places


@pytest.mark.parametrize("bad", [Mouth(AGENT, math.nan), Mouth(Box(0, 0, math.inf, 9), 0.1)])
def test_a_mouth_that_is_no_number_is_a_fault(bad: Mouth) -> None:
    """Such a frame is withheld whole, and its sound with it."""
    with pytest.raises(PerceptionError, match="mouth"):
        Observation(mouths=(bad,)).check(Grid.over(64, 48), LookRequest(Depth.NOTHING))


# ------------------------------------------------------------------ the gate
def gate(policy: Policy, lips: LipsKey | None) -> VoiceGate:
    """A gate that hears the agent alone, always."""
    return VoiceGate(
        anybody(), policy, lips=lips, listen=lambda rate: Script(rate, lambda t: ALONE)
    )


@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_the_gate_is_closed_where_the_lips_are_still(sound: Sound) -> None:
    """To 20 ms; the report tells the reason, and nothing more."""
    policy = Policy(sound=sound, lips=Lips.CHECK)
    lips = key(Lips.CHECK)
    fill(lips, clock(9.0), lambda t: wave(0.3)(t) if not 3 <= t < 6 else 0.0)
    one = gate(policy, lips)
    out = run(one, np.ones((1, RATE * 9), np.float32), RATE, 320)[0]
    assert out[RATE : round(2.9 * RATE)].all()
    assert not out[round(3.25 * RATE) : round(5.75 * RATE)].any()
    assert out[round(6.1 * RATE) : round(8.5 * RATE)].all()
    report = one.tally.report()
    assert set(report.withheld) <= {"not cleared", "lips"}
    assert report.withheld["lips"] == pytest.approx(2.65, abs=0.2)
    assert not report.fault_spans


def test_sound_without_its_picture() -> None:
    """Where lips are required nothing is heard; a check has no say."""
    sound = np.ones((1, RATE * 4), np.float32)
    off = run(gate(Policy(), None), sound, RATE)
    assert not run(gate(Policy(lips=Lips.REQUIRE), None), sound, RATE).any()
    assert np.array_equal(run(gate(Policy(lips=Lips.CHECK), None), sound, RATE), off)
    with pytest.raises(UsageError, match="without its picture"):
        SoundFlow(None, Policy(lips=Lips.REQUIRE))
    SoundFlow(None, Policy(lips=Lips.CHECK)).close()


def test_two_policies_do_not_mix() -> None:
    """A key made for another mode than the gate's is refused."""
    with pytest.raises(UsageError, match="policy"):
        gate(Policy(lips=Lips.REQUIRE), key(Lips.CHECK))


def test_a_key_that_fails_closes() -> None:
    """Where it raises, the gate is closed, and that is told as a fault."""
    lips = key(Lips.CHECK)

    def broken(start: float, end: float) -> bool:
        if 2.0 < start < 2.5:
            raise ZeroDivisionError
        return False

    lips.closes = broken  # type: ignore[method-assign]
    one = gate(Policy(lips=Lips.CHECK), lips)
    out = run(one, np.ones((1, RATE * 6), np.float32), RATE, 320)[0]
    assert not out[round(2.01 * RATE) + 200 : round(2.49 * RATE)].any()
    assert out[round(2.6 * RATE) : round(5.5 * RATE)].all()
    assert one.tally.report().withheld["fault"] > 0
