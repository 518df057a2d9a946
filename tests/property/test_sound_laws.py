"""The laws for sound, for whatever the networks may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil.audio import RawAudio, VeiledAudio, audio_from_array
from homeveil.errors import FrameError, UsageError
from homeveil.frames import Timestamp
from homeveil.media.sound_track import SoundFormat
from homeveil.media.writer import SoundWriter
from homeveil.perceive.hearing import FRAMES_AHEAD, Heard
from homeveil.policy import ModelFile, Muted, Policy, Sound, SpeechKey
from homeveil.profile.template import Profile
from homeveil.voice_gate import VoiceGate
from speakers import some_speaker
from voices import ALONE, BOTH_SPEAK, OTHER, Script, anybody, noise, pieces, run

RATE = 16_000
SECONDS = 4.0
DELAYED = (Sound.MONITOR, Sound.CALL)


@st.composite
def scripts(draw: st.DrawFn) -> np.ndarray:
    """(400, 4): stretches of the agent, of somebody else and of both, of any length."""
    rows: list[np.ndarray] = []
    while len(rows) < 400:
        who = draw(st.sampled_from([ALONE, OTHER, BOTH_SPEAK]))
        rows += [who] * draw(st.integers(1, 120))
    return np.array(rows[:400], np.float32)


@st.composite
def observations(draw: st.DrawFn) -> np.ndarray:
    """(400,): what a key may see, in stretches of any length."""
    values: list[float] = []
    while len(values) < 400:
        one = draw(st.sampled_from([0.0, 0.45, 0.55, 1.0, np.nan]))
        values += [one] * draw(st.integers(1, 200))
    return np.array(values[:400])


def gate(script: np.ndarray, policy: Policy, ahead: int = 0) -> VoiceGate:
    """A gate whose networks say what the script says."""
    return VoiceGate(
        anybody(),
        policy,
        listen=lambda rate: Script(rate, lambda t: script[min(t, len(script) - 1)], ahead),
    )


policies = st.builds(
    Policy,
    sound=st.sampled_from([Sound.MONITOR, Sound.CALL]),
    strict_voice=st.booleans(),
    muted=st.sampled_from(list(Muted)),
)


@given(scripts(), policies)
@settings(max_examples=40, deadline=None)
def test_what_is_muted_cannot_be_heard(script: np.ndarray, policy: Policy) -> None:
    """Law 3: two inputs that differ only where the gate is closed give the same samples."""
    sound = noise(SECONDS, RATE)
    probe = run(gate(script, Policy(sound=policy.sound, strict_voice=policy.strict_voice)),
                np.ones_like(sound), RATE)  # fmt: skip
    muted = probe == 0
    other = np.where(muted, noise(SECONDS, RATE, seed=1), sound)
    first, second = (run(gate(script, policy), one, RATE) for one in (sound, other))
    assert np.array_equal(first, second)
    closed = run(gate(script, policy), np.zeros_like(sound), RATE)
    assert np.array_equal(first[muted], closed[muted])


@given(scripts(), policies, st.integers(5, 9000))
@settings(max_examples=40, deadline=None)
def test_only_frames_of_the_agent_alone_open(
    script: np.ndarray, policy: Policy, block: int
) -> None:
    """Law 1: a sample leaves only where the frame that decides it was the agent's; whatever
    the size of the blocks, every sample leaves once and none before its time."""
    # Small blocks over less of it: each costs a call.
    sound = np.ones((1, min(round(SECONDS * RATE), 4000 * block)), np.float32)
    one = gate(script, Policy(sound=policy.sound, strict_voice=policy.strict_voice))
    out = run(one, sound, RATE, block)
    assert out.shape == sound.shape
    frame = (np.arange(out.shape[1]) / RATE * 100 - 0.75).astype(int)
    allowed = (script[np.clip(frame, 0, 399)] == ALONE).all(1)
    allowed &= np.arange(out.shape[1]) / RATE >= 0.0075
    assert not out[0, ~allowed].any()


@pytest.mark.parametrize("value", [np.nan, 1e30])
@pytest.mark.parametrize("policy", [Policy(muted=Muted.COMFORT, sound=one) for one in DELAYED])
def test_a_fault_in_what_is_muted_cannot_be_heard(value: float, policy: Policy) -> None:
    """Law 3: a sample that begins a new stretch changes nothing of the noise in the place of
    sound that is muted either way."""
    sound = noise(SECONDS, RATE)
    faulty = sound.copy()
    faulty[0, RATE + 123] = value
    closed = np.tile(OTHER, (400, 1))
    first, second = (run(gate(closed, policy), one, RATE, 320) for one in (sound, faulty))
    assert first.any()
    assert np.array_equal(first, second)


def keyed(script: np.ndarray, policy: Policy, seen: np.ndarray, ahead: int) -> VoiceGate:
    """The same with observations for every key: speech and likeness from ``seen`` (400,)."""

    def listen(rate: int) -> Script:
        one = Script(rate, lambda t: script[min(t, 399)], ahead)
        one.speech = lambda t: float(seen[min(t, 399)])
        one.likeness = lambda w: float(seen[min(40 * w, 399)])
        return one

    voice = replace(anybody().voice, speaker=some_speaker())
    return VoiceGate(Profile(None, voice=voice), policy, listen=listen)


@given(
    scripts(),
    st.sampled_from([Sound.MONITOR, Sound.CALL]),
    observations(),
    st.sampled_from([0.0, 0.5, 12.0]),
    st.booleans(),
    st.integers(200, 9000),
)
@settings(max_examples=40, deadline=None)
def test_keys_only_close(
    script: np.ndarray, sound: Sound, seen: np.ndarray, near_db: float, quick: bool, block: int
) -> None:
    """Whatever the keys observe, no sample leaves that would not without them; and the size
    of the blocks changes nothing."""
    samples = noise(SECONDS, RATE)
    ahead = FRAMES_AHEAD[sound]
    policy = Policy(
        sound=sound,
        near_db=near_db,
        speech_key=SpeechKey.WEBRTCVAD if quick else SpeechKey.OFF,
        models={"speaker": ModelFile(Path("x"), "0" * 64)},
    )
    plain = run(gate(script, Policy(sound=sound), ahead), samples, RATE)
    out = run(keyed(script, policy, seen, ahead), samples, RATE)
    assert not out[plain == 0].any()
    again = run(keyed(script, policy, seen, ahead), samples, RATE, block)
    assert np.array_equal(again, out)


@given(st.lists(st.floats(width=32), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_answer_of_broken_numbers_opens(row: list[float]) -> None:
    """Law 2: log-odds that are not finite are a fault, not an opening."""
    answer = np.array(row, np.float32)
    out = run(gate(np.tile(answer, (400, 1)), Policy()), np.ones((1, RATE * 4), np.float32), RATE)
    if not np.isfinite(answer).all():
        assert not out.any()
    elif out.any():
        assert answer[1] > answer[2]
        assert answer[1] > answer[0]


@pytest.mark.parametrize("policy", [Policy(), Policy(sound=Sound.CALL)])
def test_samples_wait_exactly_as_long_as_promised(policy: Policy) -> None:
    """Nothing leaves before the delay of the mode is over, and then at once."""
    one = gate(np.tile(ALONE, (400, 1)), policy)
    wait = round(one.delay_seconds * RATE)
    left = 0
    for at in range(0, RATE * 3, 160):
        block = audio_from_array(np.ones((1, 160), np.float32), RATE, at / RATE)
        left += sum(piece.samples.shape[1] for piece in one.process(block))
        assert left == max(0, at + 160 - wait)


def test_times_are_kept() -> None:
    """Each piece starts where the one before ended, at the time of its first sample."""
    one = gate(np.tile(ALONE, (400, 1)), Policy())
    end = 7.25
    for piece in pieces(one, noise(SECONDS, RATE), RATE, 1234, start=7.25):
        assert piece.time.seconds == pytest.approx(end, abs=1e-9)
        end = piece.time.seconds + piece.seconds
    assert end == pytest.approx(7.25 + SECONDS)


def test_nobody_enrolled_is_nobody_heard() -> None:
    """Without a profile, or a voice in it, no sample of any input leaves."""
    for profile in (None, anybody()):
        if profile is None:
            one = VoiceGate(None)
        else:
            one = VoiceGate(profile, Policy(sound=Sound.WITHHELD))
        assert not run(one, noise(SECONDS, RATE), RATE).any()
        report = one.tally.report()
        assert report.cleared == 0
        assert report.seconds == pytest.approx(SECONDS)


def channels(says: list[np.ndarray], levels: list[np.ndarray], ahead: int = 0) -> VoiceGate:
    """A gate of several channels. says: what is answered of each, always. levels: (n,) dBFS that
    each seems to have in a frame; the last stays."""
    made: list[int] = []

    def listen(rate: int) -> Script:
        number = len(made) % len(says)
        made.append(number)
        script = Script(rate, lambda t: says[number], ahead)
        plain, seen = script.push, 0

        def push(samples: np.ndarray) -> Heard:
            nonlocal seen
            heard = plain(samples)
            frames = np.arange(seen, seen := seen + len(heard.level_db))
            given = levels[number][np.minimum(frames, len(levels[number]) - 1)]
            return replace(heard, level_db=given.astype(np.float32))

        script.push = push  # type: ignore[method-assign]
        return script

    return VoiceGate(anybody(), listen=listen)


def test_every_channel_must_be_the_agents() -> None:
    """A second voice on a channel of its own closes all; a quiet channel has no say, and none of
    its samples leaves."""

    def out(second: np.ndarray, level: float) -> np.ndarray:
        one = channels([ALONE, second], [np.array([-20.0]), np.array([level])])
        return run(one, np.ones((2, RATE * 4), np.float32), RATE)

    assert out(ALONE, -20.0).any(axis=1).all()
    assert not out(OTHER, -20.0).any()
    assert out(OTHER, -90.0).any(axis=1).tolist() == [True, False]
    assert out(ALONE, -90.0).any(axis=1).tolist() == [True, False]
    assert not run(
        channels([ALONE, ALONE], [np.array([-90.0])] * 2), np.ones((2, RATE * 4), np.float32), RATE
    ).any()


def test_a_channel_without_levels_is_not_quiet() -> None:
    """Law 2: what a listener does not say of a channel is doubt, and closes all of them."""
    made: list[int] = []

    def listen(rate: int) -> Script:
        made.append(rate)
        if len(made) % 2:
            return Script(rate, lambda t: ALONE)
        script = Script(rate, lambda t: OTHER)
        plain, none = script.push, np.zeros(0, np.float32)
        script.push = lambda samples: replace(  # type: ignore[method-assign]
            plain(samples), level_db=none
        )
        return script

    one = VoiceGate(anybody(), Policy(sound=Sound.CALL), listen=listen)
    assert not run(one, np.ones((2, RATE * 4), np.float32), RATE).any()


@given(
    st.lists(st.tuples(st.sampled_from([-20.0, -71.0, -95.0]), st.integers(1, 120)), min_size=1),
    st.integers(200, 9000),
    st.sampled_from([0, 125]),
)
@settings(max_examples=25, deadline=None)
def test_nothing_of_a_quiet_channel_leaves(
    parts: list[tuple[float, int]], block: int, ahead: int
) -> None:
    """Law 1: while the agent is let through on one channel, what is too quiet on the other to be
    judged leaves as silence, with ramps, whatever the size of the blocks."""
    levels = np.concatenate([np.full(count, level) for level, count in parts])[:400]
    both = [np.array([-20.0]), levels]
    sound = np.ones((2, round(SECONDS * RATE)), np.float32)
    out = run(channels([ALONE, ALONE], both, ahead), sound, RATE)
    again = run(channels([ALONE, ALONE], both, ahead), sound, RATE, block)
    assert np.array_equal(out, again)
    frame = (np.arange(out.shape[1]) * 400 // RATE - 3) // 4
    level = levels[np.clip(frame, 0, len(levels) - 1)]
    near = np.array(
        [levels[max(0, t - 5) : t + 6].max() if t < len(levels) + 5 else levels[-1]
         for t in range(frame.max() + 1)]
    )  # fmt: skip
    quiet = near[np.clip(frame, 0, None)] <= -70
    assert not out[1, quiet].any()
    assert out[0].any()
    loud = (out[0] == 1) & (level > -70)
    assert (out[1, loud] > 0).all()
    steps = np.abs(np.diff(out[1]))
    assert steps.max() <= 1.5 / (0.005 * RATE)


def test_raw_and_veiled_sound_are_different_types(tmp_path: object) -> None:
    """Law 5: nobody but the gate makes veiled sound, and no writer takes raw sound."""
    samples = np.zeros((1, 160), np.float32)
    time = Timestamp.from_seconds(0)
    with pytest.raises(FrameError, match="voice gate"):
        VeiledAudio(samples, RATE, time)
    writer = SoundWriter(f"{tmp_path}/a.wav", SoundFormat(RATE, 1))
    with writer, pytest.raises(UsageError, match="VeiledAudio"):
        writer.write(RawAudio(samples, RATE, time))  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="RawAudio"):
        list(VoiceGate(None).process(samples))  # type: ignore[arg-type]
