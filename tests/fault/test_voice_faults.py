"""What goes wrong closes the gate, is told, and is over when its cause is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from homeveil.audio import RawAudio, audio_from_array
from homeveil.clear.lips import LipsKey
from homeveil.errors import FrameError, ModelError, ProfileError
from homeveil.frames import Timestamp
from homeveil.models import store
from homeveil.models.onnx_file import Graph, Port
from homeveil.perceive._onnx import StreamNetwork
from homeveil.perceive.hearing import Heard, load_voice_models
from homeveil.policy import Lips, ModelFile, Policy, Sound
from homeveil.voice_gate import VoiceGate
from speakers import file_of
from voices import (
    AGENT_FIRST,
    ALONE,
    OTHER,
    Script,
    agent,
    anybody,
    demo_sound,
    needs_models,
    run,
    span,
)

RATE = 16_000


class Breaks(Script):
    """Says that the agent speaks, and at a frame does what ``how`` does."""

    def __init__(self, at: int, how: Callable[[Heard], Heard]) -> None:
        super().__init__(RATE, lambda t: ALONE)
        self._at, self._how = at, how
        self._seen = 0

    def push(self, samples: np.ndarray) -> Heard:
        heard = super().push(samples)
        before, self._seen = self._seen, self._seen + len(heard.logits)
        return self._how(heard) if before <= self._at < self._seen else heard


def throws(heard: Heard) -> Heard:
    raise MemoryError


def not_numbers(heard: Heard) -> Heard:
    return replace(heard, logits=heard.logits * np.nan)


def wrong_shape(heard: Heard) -> Heard:
    return replace(heard, logits=heard.logits[:, :3])


def out_of_range(heard: Heard) -> Heard:
    return replace(heard, logits=np.full_like(heard.logits, np.inf))


def absurdly_sure(heard: Heard) -> Heard:
    return replace(heard, logits=heard.logits * np.float32(1e6))


def waits(rate: int) -> Script:
    """Speaks for the agent always, with what the real networks need to look ahead."""
    return Script(rate, lambda t: ALONE, ahead=125)


Spoils = Callable[[list[np.ndarray]], list[np.ndarray]]

FAULTS = [throws, not_numbers, wrong_shape, out_of_range, absurdly_sure]


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_a_fault_closes_the_gate(how: Callable[[Heard], Heard], sound: Sound) -> None:
    """The frame that failed is mute, the report tells of a fault, later sound may open."""
    made: list[object] = []

    def listen(rate: int) -> Script:
        made.append(rate)
        return Breaks(300, how) if len(made) == 1 else Script(rate, lambda t: ALONE)

    gate = VoiceGate(anybody(), Policy(sound=sound), listen=listen)
    out = run(gate, np.ones((1, RATE * 9), np.float32), RATE, 320)
    assert out.shape == (1, RATE * 9)
    failed = slice(round(3.0 * RATE), round(3.02 * RATE))
    assert not out[0, failed].any()
    assert out[0, RATE : round(1.4 * RATE)].all()
    assert out[0, RATE * 7 : RATE * 8].all()
    report = gate.tally.report()
    assert report.withheld["fault"] > 0
    assert any(start <= 3.015 <= end for start, end in report.fault_spans)


@pytest.mark.parametrize("how", FAULTS)
def test_a_model_that_always_fails_lets_nothing_out(how: Callable[[Heard], Heard]) -> None:
    """0 samples leave, however long it goes on."""

    class Always(Script):
        def push(self, samples: np.ndarray) -> Heard:
            heard = super().push(samples)
            return how(heard) if len(heard.logits) else heard

    gate = VoiceGate(anybody(), listen=lambda rate: Always(rate, lambda t: ALONE))
    assert not run(gate, np.ones((1, RATE * 6), np.float32), RATE, 320).any()


def test_a_listener_that_cannot_start_lets_nothing_out() -> None:
    """Also then every sample leaves, muted."""

    def listen(rate: int) -> Script:
        raise OSError("no memory")

    gate = VoiceGate(anybody(), listen=listen)
    out = run(gate, np.ones((1, RATE * 3), np.float32), RATE, 777)
    assert out.shape == (1, RATE * 3)
    assert not out.any()


def test_answers_that_do_not_come_are_late() -> None:
    """A verdict that is not there in time leaves its samples mute, and the time is kept."""
    gate = VoiceGate(anybody(), listen=lambda rate: Script(rate, lambda t: ALONE, ahead=190))
    out = run(gate, np.ones((1, RATE * 6), np.float32), RATE, 320)
    assert out.shape == (1, RATE * 6)
    assert not out[0, : RATE * 4].any()
    assert gate.tally.report().withheld["fault"] > 3.9


def test_samples_that_are_no_numbers_close_the_gate(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the block that holds them nor what waited for a verdict leaves, and why is said."""
    gate = VoiceGate(anybody(), listen=waits)
    sound = np.ones((1, RATE * 8), np.float32)
    sound[0, RATE * 3 + 5] = np.nan
    out = run(gate, sound, RATE, 320)
    assert "a sample is no number, or far beyond full scale" in caplog.text
    assert np.isfinite(out).all()
    assert not out[0, RATE * 2 : RATE * 3 + 320].any()
    assert out[0, RATE * 6 : RATE * 7].all()


@needs_models
@pytest.mark.parametrize("value", [1e3, -3e38])
def test_one_sample_far_beyond_full_scale_deafens_nobody_for_long(value: float) -> None:
    """It is a fault of its time, and the agent is heard again soon after it."""
    samples, rate = demo_sound()
    samples = np.concatenate([samples, samples], axis=1)
    half = samples.shape[1] // 2
    samples[0, rate // 2] = value
    gate = VoiceGate(agent())
    out = run(gate, samples, rate, 1024)
    assert np.abs(out).max() < 1
    report = gate.tally.report()
    assert report.fault_spans[0][0] <= 0.5 <= report.fault_spans[0][1]
    assert report.withheld["fault"] < 2
    again = span(out[:, half:], rate, AGENT_FIRST) != 0
    assert again.mean() > 0.8


@pytest.mark.parametrize("jump", [0.5, -0.5, 3600.0, -2.0])
def test_a_gap_or_a_step_back_closes_the_gate(jump: float) -> None:
    """What waited for a verdict is muted, and the gate starts closed after the jump."""
    gate = VoiceGate(anybody(), listen=waits)
    before = [
        piece
        for at in range(0, RATE * 4, 320)
        for piece in gate.process(
            audio_from_array(np.ones((1, 320), np.float32), RATE, 10 + at / RATE)
        )
    ]
    assert sum(piece.samples.sum() for piece in before) > RATE
    block = audio_from_array(np.ones((1, 320), np.float32), RATE, 14 + jump)
    dropped = list(gate.process(block))
    assert sum(piece.samples.shape[1] for piece in dropped) == round(1.5 * RATE)
    out = np.concatenate([piece.samples for piece in dropped], axis=1)
    assert not out[0, round(0.15 * RATE) :].any()
    assert gate.tally.report().withheld["fault"] > 1.3
    assert not any(piece.samples.any() for piece in gate.flush())


def test_a_splice_closes_the_gate_though_times_go_on() -> None:
    """What waited for a verdict is muted, and who comes then must be known anew."""
    gate, ones = VoiceGate(anybody(), listen=waits), np.ones((1, RATE), np.float32)
    for number in range(4):
        list(gate.process(RawAudio(ones, RATE, Timestamp(number, Fraction(1)))))
    dropped = next(gate.process(RawAudio(ones, RATE, Timestamp(4, Fraction(1)), spliced=True)))
    assert dropped.samples.shape[1] == round(1.5 * RATE)
    assert not dropped.samples[0, round(0.3 * RATE) :].any()
    assert gate.tally.report().withheld["fault"] > 1.2


def test_another_rate_or_number_of_channels_closes_the_gate() -> None:
    """What waited leaves muted in its old form; what follows starts closed."""
    gate = VoiceGate(anybody(), listen=waits)
    list(gate.process(audio_from_array(np.ones((1, RATE), np.float32), RATE, 0.0)))
    (dropped,) = gate.process(audio_from_array(np.ones((2, 480), np.float32), 48_000, 1.0))
    assert (dropped.rate, dropped.channels, dropped.samples.shape[1]) == (RATE, 1, RATE)
    assert not dropped.samples.any()


def test_closing_passes_nothing_on() -> None:
    """What waited when the gate was closed is gone, and the gate takes no more."""
    gate = VoiceGate(anybody(), listen=lambda rate: Script(rate, lambda t: ALONE))
    block = audio_from_array(np.ones((1, RATE), np.float32), RATE, 0.0)
    list(gate.process(block))
    gate.close()
    assert not list(gate.flush())
    with pytest.raises(FrameError, match="closed"):
        list(gate.process(block))


class Interrupted(Script):
    """Hears the agent in what is soft and somebody else in what is loud; some of its turns are
    interrupted."""

    turns = 0

    def __init__(self, rate: int) -> None:
        super().__init__(rate, self._who)
        self._sound = np.zeros(0, np.float32)

    def push(self, samples: np.ndarray) -> Heard:
        Interrupted.turns += 1
        if 100 <= Interrupted.turns < 120:
            raise KeyboardInterrupt
        self._sound = np.concatenate([self._sound, samples])
        return super().push(samples)

    def _who(self, t: int) -> np.ndarray:
        heard = self._sound[160 * t + 120 : 160 * t + 280]
        return OTHER if (heard > 0.5).any() else ALONE


def left_by(gate: VoiceGate, sound: np.ndarray) -> np.ndarray:
    """(1, n) of what leaves a gate that is interrupted 20 times and goes on."""
    out: list[np.ndarray] = []
    interrupts = 0
    for at in range(0, sound.shape[1], 160):
        block = audio_from_array(sound[:, at : at + 160], RATE, at / RATE)
        try:
            out += [piece.samples for piece in gate.process(block)]
        except KeyboardInterrupt:
            interrupts += 1
    assert interrupts == 20
    return np.concatenate(out, axis=1)


def test_a_gate_that_goes_on_after_interrupts_knows_what_it_hears() -> None:
    """A step that was interrupted must not shift what is heard against what waits."""
    Interrupted.turns = 0
    sound = np.full((1, 6 * RATE), 0.25, np.float32)
    sound[0, 4 * RATE :] = 1.0
    gate = VoiceGate(anybody(), Policy(sound=Sound.CALL), listen=Interrupted)
    left = left_by(gate, sound)
    assert (left == 0.25).sum() > 3 * RATE
    assert left.max() <= 0.25


class Distracted(LipsKey):
    """Interrupted in some of the answers that it gives while samples leave."""

    answers = 0

    def closes(self, start_seconds: float, end_seconds: float) -> bool:
        self.answers += 1
        if 100 <= self.answers < 120:
            raise KeyboardInterrupt
        return super().closes(start_seconds, end_seconds)


def test_a_gate_interrupted_while_samples_leave_knows_what_was_judged() -> None:
    """Nor may it shift what was judged: the ends of what others say would leave."""
    Interrupted.turns = 1000
    sound = np.full((1, 60 * RATE), 0.25, np.float32)
    sound[0, 45 * RATE : 50 * RATE] = 1.0
    policy = Policy(lips=Lips.CHECK)
    gate = VoiceGate(anybody(), policy, listen=Interrupted, lips=Distracted(policy))
    left = left_by(gate, sound)
    assert (left == 0.25).sum() > 10 * RATE
    assert left.max() <= 0.25


class Spoilt:
    """A network whose answers to call number 20, or to all, are spoilt by ``how``."""

    def __init__(self, network: StreamNetwork, how: Spoils, *, once: bool = False) -> None:
        self.input_shape = network.input_shape
        self._network, self._how, self._once, self._calls = network, how, once, 0

    def run(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self._calls += 1
        first, *rest = self._network.run(inputs)
        return self._how([first, *rest]) if not self._once or self._calls == 20 else [first, *rest]


def one_too_many(found: list[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate([found[0], found[0][:, -1:]], axis=1), *found[1:]]


def one_too_few(found: list[np.ndarray]) -> list[np.ndarray]:
    return [found[0][:, 1:], *found[1:]]


@needs_models
@pytest.mark.parametrize("how", [one_too_many, one_too_few])
def test_answers_that_are_not_one_for_each_frame_let_nothing_out(how: Spoils) -> None:
    """They would be taken for those of other frames, and the agent's open for the child."""
    samples, rate = demo_sound()
    models = load_voice_models(Policy())
    for part in ("target", "embedding"):
        network = Spoilt(getattr(models, part), how)
        gate = VoiceGate(agent(), models=replace(models, **{part: network}))
        assert not run(gate, samples, rate, 1024).any()


@needs_models
@pytest.mark.parametrize("part", ["target", "embedding"])
def test_a_network_that_gave_no_numbers_once_is_begun_anew(part: str) -> None:
    """What it remembers is no number either: it would say nothing for the rest of the file."""
    samples, rate = demo_sound()
    samples = np.concatenate([samples, samples], axis=1)
    models = load_voice_models(Policy())
    network = Spoilt(
        getattr(models, part), lambda found: [one * np.nan for one in found], once=True
    )
    gate = VoiceGate(agent(), models=replace(models, **{part: network}))
    out = run(gate, samples, rate, 1024)
    assert 0.5 < gate.tally.report().withheld["fault"] < 2
    again = span(out[:, samples.shape[1] // 2 :], rate, AGENT_FIRST) != 0
    assert again.mean() > 0.8


@needs_models
def test_a_broken_model_is_an_error_at_the_start(tmp_path: Path) -> None:
    """A missing file, another hash or a file that is no model never makes a gate."""
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no model")
    digest = "2fd5d0c1a0f7d2a4a39bb0b9ec6ea4c4b8fd4d6ac2a3f2b5e5e1de0b5c1f6a00"
    for file in (ModelFile(tmp_path / "none", digest), ModelFile(junk, digest)):
        with pytest.raises(ModelError):
            load_voice_models(Policy(models={"voice_embedding": file}))
    real = ModelFile(junk, hashlib.sha256(junk.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="cannot be run"):
        VoiceGate(agent(), Policy(models={"voice_embedding": real}))


@needs_models
@pytest.mark.parametrize(
    ("purpose", "other"),
    [
        ("target_voice_monitor", "voice_embedding"),
        ("voice_embedding", "target_voice_monitor"),
        ("target_voice_monitor", "face_embedding"),
    ],
)
def test_a_network_for_something_else_is_an_error_at_the_start(
    tmp_path: Path, purpose: str, other: str
) -> None:
    """It runs, and would mute all of every file with a good exit status."""
    data = store.load((other,), {}).data[other]
    file = tmp_path / "other.onnx"
    file.write_bytes(data)
    policy = Policy(models={purpose: ModelFile(file, hashlib.sha256(data).hexdigest())})
    with pytest.raises(ModelError, match=r"not what listens for a voice|cannot be run"):
        load_voice_models(policy)


@needs_models
def test_a_voice_of_another_model_is_refused() -> None:
    """Templates of another embedding network mean nothing."""
    with pytest.raises(ProfileError, match="enroll the voice again"):
        VoiceGate(anybody())


@needs_models
def test_real_networks_after_a_gap() -> None:
    """With the real networks: a hole in the sound costs what waited, and nothing leaks."""
    samples, rate = demo_sound()
    gate = VoiceGate(agent())
    cut = round(1.5 * rate)
    first = list(gate.process(audio_from_array(samples[:, :cut], rate, 0.0)))
    rest = list(gate.process(audio_from_array(samples[:, cut:], rate, 9.0))) + list(gate.flush())
    assert not any(piece.samples.any() for piece in first)
    out = np.concatenate([piece.samples for piece in rest], axis=1)
    child = slice(round(2.65 * rate), round(3.7 * rate))
    assert not out[:, child].any()


@needs_models
@pytest.mark.parametrize(
    ("size", "value", "told"),
    [(256, 0.0625, "the same"), (256, float("nan"), "no numbers"), (128, 0.1, "expected")],
)
def test_an_embedding_that_knows_no_voice_is_an_error_at_the_start(
    size: int, value: float, told: str, tmp_path: Path
) -> None:
    """By one that gives the same for all sounds everybody would be heard."""
    graph = Graph("deaf")
    mix = np.zeros((40, size), np.float32)
    graph.node("MatMul", ["mel", graph.constant("mix", mix)], "nothing")
    own = np.full((1, 1, size), value, np.float32)
    graph.node("Add", ["nothing", graph.constant("own", own)], "slots")
    graph.node("Identity", ["h"], "h_next")
    graph.node("Identity", ["c"], "c_next")
    state = ("h", "c")
    model = graph.encode(
        [Port("mel", "float32", ("T", 3, 40)), *(Port(n, "float32", (3, 3, 256)) for n in state)],
        [
            Port("slots", "float32", ("T", 3, size)),
            *(Port(f"{n}_next", "float32", (3, 3, 256)) for n in state),
        ],
        {},
    )
    with pytest.raises(ModelError, match=told):
        load_voice_models(Policy(models={"voice_embedding": file_of(model, tmp_path)}))
