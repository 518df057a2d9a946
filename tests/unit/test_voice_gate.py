"""The gate with the real networks on the example's sound, and what it is made of."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from homeveil import _kernels
from homeveil._kernels import ClosedBy, GateMachine, GateRule, Verdict
from homeveil.audio import RawAudio, audio_from_array
from homeveil.clear.gate import _RULES, rule_of
from homeveil.errors import FrameError, UsageError
from homeveil.frames import Timestamp
from homeveil.perceive.hearing import CHUNK_FRAMES, FRAMES_AHEAD
from homeveil.perceive.sound_features import FILTERS, FrameStream, Resampler
from homeveil.policy import Muted, Policy, Sound
from homeveil.redaction import redact
from homeveil.voice_gate import DELAY_SECONDS, STEP_SECONDS, VoiceGate
from voices import (
    AGENT_FIRST,
    ALONE,
    BOTH,
    CHILD_ALONE,
    OTHER,
    SPOKEN,
    Script,
    agent,
    anybody,
    demo_sound,
    needs_models,
    run,
    span,
)

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000)


def at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """The same sound at another rate, linear between samples."""
    count = samples.shape[1] * wanted // rate
    times = np.arange(count) * rate / wanted
    rows = [np.interp(times, np.arange(samples.shape[1]), row) for row in samples]
    return np.array(rows, np.float32)


@needs_models
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_the_agent_is_heard_and_the_child_is_not(sound: Sound) -> None:
    """The example clip: the child alone is digital silence, both at once nearly so, and of
    the agent's first sentence most is there."""
    samples, rate = demo_sound()
    gate = VoiceGate(agent(), Policy(sound=sound))
    out = run(gate, samples, rate)
    assert out.shape == samples.shape
    assert not span(out, rate, CHILD_ALONE).any()
    assert np.mean(span(out, rate, BOTH) != 0) < 0.05
    spoken = np.abs(span(samples, rate, AGENT_FIRST)) > SPOKEN
    kept = spoken & (span(out, rate, AGENT_FIRST) == span(samples, rate, AGENT_FIRST))
    assert kept.sum() / spoken.sum() > (0.9 if sound is Sound.MONITOR else 0.6)


@needs_models
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_blocks_of_any_size_give_the_same(sound: Sound) -> None:
    """Streaming equals one call, bit for bit."""
    samples, rate = demo_sound()
    policy = Policy(sound=sound)
    whole = run(VoiceGate(agent(), policy), samples, rate, samples.shape[1])
    for block in (160, 777, 1024, 48_000):
        assert np.array_equal(run(VoiceGate(agent(), policy), samples, rate, block), whole)


@needs_models
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_no_verdict_is_late_at_any_rate(sound: Sound, rate: int) -> None:
    """The delay of each mode is enough for its networks, whatever the rate and block."""
    samples, own = demo_sound()
    sound_in = at_rate(samples, own, rate)[:, : rate * 3]
    for block in (rate // 50, 1024):
        gate = VoiceGate(agent(), Policy(sound=sound))
        out = run(gate, sound_in, rate, block)
        assert out.shape == sound_in.shape
        assert "fault" not in gate.tally.report().withheld


@needs_models
def test_strict_keeps_no_more() -> None:
    """A strict gate opens only where the normal one does."""
    samples, rate = demo_sound()
    normal = run(VoiceGate(agent()), samples, rate)
    strict = run(VoiceGate(agent(), Policy(strict_voice=True)), samples, rate)
    assert np.mean(strict != 0) <= np.mean(normal != 0)
    assert not strict[(normal == 0) & (samples != 0)].any()


@needs_models
def test_comfort_noise_knows_nothing() -> None:
    """It is the same wherever the gate is closed, low, and never the sound itself."""
    samples, rate = demo_sound()
    silent = run(VoiceGate(agent()), samples, rate)
    comfort = run(VoiceGate(agent(), Policy(muted=Muted.COMFORT)), samples, rate)
    nobody = run(VoiceGate(None, Policy(muted=Muted.COMFORT)), samples, rate)
    child = [round(t * rate) for t in CHILD_ALONE]
    assert np.array_equal(comfort[:, child[0] : child[1]], nobody[:, child[0] : child[1]])
    level = 20 * np.log10(np.sqrt(np.mean(nobody**2)))
    assert -70 < level < -62
    opened = np.abs(silent) > SPOKEN
    assert np.allclose(comfort[opened], silent[opened], atol=0.01)


@needs_models
def test_a_voice_on_one_channel_only_mutes_both() -> None:
    """Somebody who is in both channels with opposite signs is gone from their mean, and
    must be heard all the same: each channel is listened to."""
    samples, rate = demo_sound()
    first = samples[0]
    child = np.zeros_like(first)
    start, stop = (round(t * rate) for t in CHILD_ALONE)
    late = round(0.2 * rate)
    child[late : late + stop - start] = first[start:stop]
    alone = np.stack([first, first])
    opposite = np.stack([first + child, first - child])
    open_alone, open_opposite = (
        np.mean(span(run(VoiceGate(agent()), one, rate), rate, (0.25, 0.5)) != 0)
        for one in (alone, opposite)
    )
    assert open_alone > 0.9
    assert open_opposite == 0


@pytest.mark.parametrize("muted", list(Muted))
def test_a_block_of_minutes_is_muted_like_any_other(muted: Muted) -> None:
    """One of more samples than the kernel takes at once; and the gate goes on after it."""
    count, rate = 2**24 + 480_000, 48_000
    gate = VoiceGate(None, Policy(muted=muted))
    (out,) = gate.process(audio_from_array(np.ones(count, np.float32), rate, 0.0))
    assert out.samples.shape == (1, count - round(gate.delay_seconds * rate))
    assert np.abs(out.samples).max() < 0.01
    small = VoiceGate(None, Policy(muted=muted))
    pieces = [
        piece.samples
        for at in range(0, rate * 20, 777)
        for piece in small.process(audio_from_array(np.ones(777, np.float32), rate, at / rate))
    ]
    whole = np.concatenate(pieces, axis=1)
    assert np.array_equal(out.samples[:, : whole.shape[1]], whole)
    block = audio_from_array(np.ones(rate, np.float32), rate, count / rate)
    (after,) = gate.process(block)
    assert np.abs(after.samples).max() < 0.01
    assert len(list(gate.flush())) == 1
    assert gate.tally.report().seconds == pytest.approx(count / rate + 1)


def test_every_rule_fits_its_delay() -> None:
    """Look-ahead, wait, window, chunk and step of each mode add up to less than its delay."""
    for (call, _), rule in _RULES.items():
        mode = Sound.CALL if call else Sound.MONITOR
        frames = FRAMES_AHEAD[mode] + rule.wait + 1 + CHUNK_FRAMES[mode] - 1
        # The last frame needed, its follower, the window's end, less where a frame decides;
        # then the wait for a whole step, and the resampler's own.
        needed = frames * 0.01 + 0.025 - 0.0075 + STEP_SECONDS[mode] + 0.0022
        assert needed <= DELAY_SECONDS[mode], (call, rule)


def reference(logits: np.ndarray, rule: GateRule, keyed: np.ndarray) -> np.ndarray:
    """(n,) open, straight from the definition: runs, peaks and margins over whole arrays. A
    frame that a key closed speaks against the agent as strongly as can be."""
    other, both = logits[:, 1] - logits[:, 2], logits[:, 1] - logits[:, 3]
    clear = logits[:, 1] - np.logaddexp(logits[:, 2], logits[:, 3])
    other, both, clear = (np.where(keyed, -32, value) for value in (other, both, clear))
    count = len(logits)

    def smooth(values: np.ndarray) -> np.ndarray:
        reach = rule.smooth
        return np.array(
            [values[max(0, t - reach) : t + reach + 1].mean() for t in range(count)]
        )

    good = (smooth(other) > rule.over_other) & (smooth(both) > rule.over_overlap)
    good &= (other > rule.over_other - rule.slack) & (both > rule.over_overlap - rule.slack)
    clear = np.clip(smooth(clear), -8, 8)
    peaks = np.array([clear[max(0, t - rule.span + 1) : t + 1].mean() for t in range(count)])
    good &= ~keyed
    spoke = (logits[:, 1] > logits[:, 0]) & ~keyed
    opened = np.zeros(count, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        need = rule.before + rule.after + rule.shortest
        granted = [
            t for t in range(start, stop) if t - start + 1 >= need and peaks[t] > rule.peak
        ]
        if not granted:
            continue
        for t in range(start + rule.before, stop - rule.after):
            # A grant reaches back to frames whose verdict has not left yet.
            known = granted[0] <= t + rule.wait - rule.smooth
            near = spoke[max(0, t - rule.hang) : t + rule.after + 1]
            opened[t] = known and near.any()
    return opened


@pytest.mark.parametrize("rule", list(_RULES.values()))
def test_the_machine_is_the_definition(rule: GateRule) -> None:
    """The state machine in C equals the definition on random answers."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        mood = np.repeat(rng.random(40) < 0.6, rng.integers(1, 40, 40))[:, None]
        logits = np.where(mood, ALONE, OTHER) * rng.uniform(0, 0.7)
        logits = (logits + rng.normal(0, 1.2, (len(mood), 4))).astype(np.float32)
        machine, verdicts = GateMachine(rule), []
        keyed = rng.random(len(logits)) < rng.choice([0, 0.03])
        for row, closed in zip(logits, keyed, strict=True):
            given = machine.step(row, ClosedBy.KEY if closed else ClosedBy.NOTHING)
            verdicts += [] if given is None else [given]
        while (given := machine.finish()) is not None:
            verdicts.append(given)
        opened = np.array([verdict is Verdict.OPEN for verdict in verdicts])
        assert np.array_equal(opened, reference(logits, rule, keyed))


def test_the_machine_names_its_states() -> None:
    """Closed, then a candidate, open, in doubt where the evidence breaks off, closed."""
    rule = GateRule(
        over_other=0, over_overlap=0, peak=1, slack=0, smooth=0, before=5, after=0, shortest=1,
        span=1, hang=3, wait=0,
    )  # fmt: skip
    machine = GateMachine(rule)
    rows = [OTHER] * 3 + [ALONE] * 10 + [OTHER] * 8
    names = [machine.step(row, ClosedBy.NOTHING) for row in rows]
    order = [names[0]]
    for name in names:
        if name is not order[-1]:
            order.append(name)
    assert order == [
        Verdict.CLOSED, Verdict.CANDIDATE, Verdict.OPEN, Verdict.DOUBT, Verdict.CLOSED,
    ]  # fmt: skip
    assert machine.step(ALONE, ClosedBy.FAULT) is Verdict.FAULT
    assert machine.step(ALONE, ClosedBy.KEY) is Verdict.CLOSED


def test_the_kernel_refuses_what_it_cannot_gate() -> None:
    """Other types, shapes and rules are errors before C is reached."""
    with pytest.raises(FrameError):
        _kernels.gate_block(
            np.zeros(4), before=False, now=False, after=False, ramp=2, fill=None
        )
    with pytest.raises(FrameError):
        _kernels.gate_block(
            np.zeros(4, np.float32), before=False, now=False, after=False, ramp=2,
            fill=np.zeros(3, np.float32),
        )  # fmt: skip
    machine = GateMachine(rule_of(Policy()))
    with pytest.raises(FrameError):
        machine.step(np.zeros(3, np.float32), ClosedBy.NOTHING)


@pytest.mark.parametrize("rate", RATES)
def test_resampling_is_exact_and_does_not_depend_on_blocks(rate: int) -> None:
    """A tone comes out as that tone at 16 kHz, at the same moment."""
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    want = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    found = []
    for block in (rate // 100, 777):
        one = Resampler(rate)
        parts = [one.push(tone[at : at + block]) for at in range(0, rate, block)]
        found.append(np.concatenate([*parts, one.finish()]))
    assert np.array_equal(found[0], found[1])
    assert abs(len(found[0]) - 16_000) <= 1
    count = min(len(found[0]), 16_000) - 100
    assert np.abs(found[0][100:count] - want[100:count]).max() < 1e-3


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_resampling_lets_nothing_fold_back(rate: int) -> None:
    """A tone above 8 kHz does not come out as another one."""
    tone = np.sin(2 * np.pi * 10_000 * np.arange(rate) / rate).astype(np.float32)
    out = Resampler(rate).push(tone)
    assert np.abs(out[200:-200]).max() < 10 ** (-80 / 20)


def test_a_rate_of_many_phases_is_prepared_once_and_in_little_memory() -> None:
    """One that has no factor in common with 16 kHz, however many channels and stretches."""
    tracemalloc.start()
    Resampler(48_001)
    (now, peak), weights = tracemalloc.get_traced_memory(), 16_000 * 102 * 4
    assert peak < 4 * weights
    for _ in range(8):
        Resampler(48_001)
    assert tracemalloc.get_traced_memory()[0] < now + weights / 10
    tracemalloc.stop()


def test_features_do_not_depend_on_blocks() -> None:
    """Frames are the same however samples arrive."""
    sound = np.random.default_rng(2).normal(0, 0.1, 16_000).astype(np.float32)
    whole = FrameStream().push(sound)
    stream = FrameStream()
    parts = [stream.push(sound[at : at + 333]) for at in range(0, 16_000, 333)]
    assert np.allclose(np.concatenate([part.sound for part in parts]), whole.sound, atol=1e-5)
    assert FILTERS.shape == (40, 201)
    assert (FILTERS.sum(1) > 0).all()


def opened(gate: VoiceGate, seconds: float) -> np.ndarray:
    """(n,) of 10 ms: whether sound is let through, of so many seconds."""
    out = run(gate, np.ones((1, round(16_000 * seconds)), np.float32), 16_000)
    return out[0].reshape(-1, 160).any(axis=1)


def always() -> VoiceGate:
    """A gate that hears the agent alone, always."""
    return VoiceGate(anybody(), listen=lambda rate: Script(rate, lambda t: ALONE))


def test_no_fault_of_the_picture_is_forgotten() -> None:
    """However many were told before the sound of their time came."""
    gate = always()
    for number in range(4000):
        gate.withhold(1 + number / 100, 1 + number / 100 + 0.001)
    found = opened(gate, 45)
    assert found[20:90].all()
    assert not found[101:4095].any()
    assert found[4110:4490].all()


@pytest.mark.parametrize("rate", [8_000, 11_025, 48_000])
@pytest.mark.parametrize("when", range(6))
def test_what_has_not_left_can_be_withheld_to_the_last_sample(rate: int, when: int) -> None:
    """Also the rest of 10 ms of which the first part has left already."""
    block = rate // 600
    gate = VoiceGate(
        anybody(), Policy(sound=Sound.CALL), listen=lambda rate: Script(rate, lambda t: ALONE)
    )
    count = rate // 2
    out: list[np.ndarray] = []
    left = -1
    for at in range(0, count, block):
        part = np.ones((1, min(block, count - at)), np.float32)
        given = gate.process(audio_from_array(part, rate, at / rate))
        out += [piece.samples[0] for piece in given]
        if left < 0 and at > rate // 4 + when * block:
            left = sum(map(len, out))
            gate.withhold(left / rate, left / rate + 0.02)
    out += [piece.samples[0] for piece in gate.flush()]
    samples = np.concatenate(out)
    assert len(samples) == count
    assert samples[left - 5 : left].any()
    assert not samples[left : left + rate // 50].any()
    assert samples[left + rate // 25 : count - rate // 25].all()


def test_what_is_withheld_ends_with_its_stream() -> None:
    """After a reset other sound comes, on a clock of its own."""
    gate = always()
    gate.withhold(1.0, float("inf"))
    assert not opened(gate, 4)[110:].any()
    gate.reset()
    assert opened(gate, 4)[110:390].all()


@pytest.mark.parametrize(
    "span",
    [(float("nan"), 1.0), (1.0, float("nan")), (2.0, 1.0), (None, 1.0), (1.0, None), ("1", "2")],
)
def test_spans_that_are_none_are_refused(span: tuple[Any, Any]) -> None:
    """They would withhold nothing, or end the sound later."""
    with pytest.raises(UsageError, match="cannot be withheld"):
        always().withhold(*span)


SILENCE = np.zeros((1, 480), np.float32)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RawAudio(SILENCE, 48_000.0, Timestamp.from_seconds(0)), "a whole number"),
        (lambda: RawAudio(SILENCE, 44_100.5, Timestamp.from_seconds(0)), "a whole number"),
        (lambda: RawAudio(SILENCE, "48000", Timestamp.from_seconds(0)), "a whole number"),
        (lambda: RawAudio(SILENCE, 48_000, 0.0), "give a Timestamp"),
        (lambda: RawAudio([[0.0]], 48_000, Timestamp.from_seconds(0)), "give a numpy array"),
        (lambda: audio_from_array([0.0, 1.0], 48_000, 0.0), "give a numpy array"),
        (lambda: VoiceGate(None, "policy.toml"), "policy is str; give"),
        (lambda: redact("in.mp4", "out.mp4", profile=None, policy="p.toml"), "policy is str"),
        (lambda: redact("in.mp4", "out.mp4", profile=None, sound_track="0"), "counted from 0"),
    ],
)
def test_what_is_of_another_kind_is_told(make: Callable[[], object], words: str) -> None:
    """Where it is given, and not by whatever it meets first."""
    with pytest.raises(UsageError, match=words):
        make()


def test_a_rate_of_numpy_is_a_rate() -> None:
    """Also where times are counted with it, and cut again and again."""
    sound = RawAudio(np.zeros((1, 4800), np.float32), np.int64(48_000), Timestamp.from_seconds(9))
    for number in range(8):
        _, sound = sound.split(9 + number / 100)
        assert sound.time.seconds == pytest.approx(9 + number / 100, abs=1e-4)
