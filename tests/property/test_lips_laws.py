"""The laws for the second key, whatever was seen of mouths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil.clear.lips import LipsKey
from homeveil.policy import Lips, Muted, Policy, Sound
from homeveil.veil.muting import RAMP_SECONDS
from homeveil.voice_gate import VoiceGate
from mouths import fill, key
from voices import ALONE, BOTH_SPEAK, OTHER, Script, anybody, noise, run

RATE = 16_000
SECONDS = 4.0

modes = st.sampled_from([Lips.CHECK, Lips.REQUIRE])
sounds = st.sampled_from([Sound.MONITOR, Sound.CALL])


@st.composite
def scripts(draw: st.DrawFn) -> np.ndarray:
    """(400, 4): stretches of the agent, now and then of others."""
    rows: list[np.ndarray] = []
    while len(rows) < 400:
        who = draw(st.sampled_from([ALONE, ALONE, ALONE, OTHER, BOTH_SPEAK]))
        rows += [who] * draw(st.integers(1, 200))
    return np.array(rows[:400], np.float32)


@dataclass(frozen=True)
class Scene:
    """Seconds in which mouths are still, move or are not seen, at a rate, and who is verified."""

    seconds: float
    step: float
    agent: float | None
    child: float | None
    verified: bool


gaps = st.sampled_from([0.0, None, 0.03, 0.3])
scenes = st.lists(
    st.builds(
        Scene, st.floats(0.1, 2.0), st.sampled_from([0.08, 0.04, 0.13, 0.3]), gaps, gaps,
        st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


def seen(mode: Lips, story: list[Scene]) -> LipsKey:
    """A key that saw one scene after another."""
    lips, start = key(mode), 0.0
    for scene in story:
        times = np.arange(start, start + scene.seconds, scene.step)

        def opens(t: float, gap: float | None, step: float = scene.step) -> float | None:
            return None if gap is None else gap * (round(t / step) % 2)

        fill(
            lips, times, partial(opens, gap=scene.agent), partial(opens, gap=scene.child),
            verified=lambda t, sure=scene.verified: sure,
        )  # fmt: skip
        start += scene.seconds
    return lips


def gate(script: np.ndarray, policy: Policy, lips: LipsKey | None) -> VoiceGate:
    return VoiceGate(
        anybody(),
        policy,
        lips=lips,
        listen=lambda rate: Script(rate, lambda t: script[min(t, len(script) - 1)]),
    )


@given(scripts(), modes, sounds, scenes)
@settings(max_examples=60, deadline=None)
def test_lips_only_ever_close(
    script: np.ndarray, mode: Lips, sound: Sound, story: list[Scene]
) -> None:
    """What leaves with the key is what leaves without it, or less: it opens no sample, raises
    none, and changes none but those it closes and the ramps beside them."""
    ones = np.ones((1, round(SECONDS * RATE)), np.float32)
    without = run(gate(script, Policy(sound=sound), None), ones, RATE, 320)[0]
    lips = seen(mode, story)
    with_key = run(gate(script, Policy(sound=sound, lips=mode), lips), ones, RATE, 320)[0]
    assert (np.abs(with_key) <= np.abs(without)).all()
    changed = with_key != without
    shut = np.flatnonzero(changed & (with_key == 0))
    if not shut.size:
        assert not changed.any()
        return
    reach = round(RAMP_SECONDS * RATE) + 1
    near = np.zeros(len(ones[0]), bool)
    for at in shut:
        near[max(0, at - reach) : at + reach + 1] = True
    assert not changed[~near].any()


@given(scripts(), modes, sounds, st.sampled_from(list(Muted)), scenes)
@settings(max_examples=40, deadline=None)
def test_what_lips_mute_cannot_be_heard(
    script: np.ndarray, mode: Lips, sound: Sound, muted: Muted, story: list[Scene]
) -> None:
    """Law 3: two inputs that differ only where the gate is closed give the same samples."""
    lips = seen(mode, story)
    first = noise(SECONDS, RATE)
    probe = gate(script, Policy(sound=sound, lips=mode), lips)
    closed = run(probe, np.ones_like(first), RATE) == 0
    second = np.where(closed, noise(SECONDS, RATE, seed=1), first)
    policy = Policy(sound=sound, lips=mode, muted=muted)
    one, other = (run(gate(script, policy, lips), given, RATE) for given in (first, second))
    assert np.array_equal(one, other)


@given(scripts(), modes, scenes)
@settings(max_examples=30, deadline=None)
def test_the_report_names_one_reason(
    script: np.ndarray, mode: Lips, story: list[Scene]
) -> None:
    """Law 4: whether the agent's mouth was still, another's moved or none was seen, the report
    says ``lips`` and how long in all; never where, nor how often."""
    one = gate(script, Policy(lips=mode), seen(mode, story))
    run(one, np.ones((1, round(SECONDS * RATE)), np.float32), RATE, 320)
    report = one.tally.report()
    assert set(report.withheld) <= {"not cleared", "lips"}
    assert not report.fault_spans
    total = report.cleared + sum(report.withheld.values())
    assert abs(total - SECONDS) < 0.01
