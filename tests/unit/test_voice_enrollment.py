"""What recordings a voice is enrolled from, and which are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from homeveil.audio import RawAudio, audio_from_array
from homeveil.errors import EnrollmentError
from homeveil.media.sound_reader import SoundReader
from homeveil.policy import Policy
from homeveil.voice_enrollment import Recording, VoiceEnrollment
from voices import EXAMPLES, needs_models

pytestmark = needs_models
RATE = 16_000


@cache
def voice() -> np.ndarray:
    """(n,): the example's agent, half a minute at 16 kHz."""
    with SoundReader(EXAMPLES / "enroll_voice.wav") as reader:
        assert reader.rate == RATE
        return np.concatenate([block.samples[0] for block in reader])


def blocks(samples: np.ndarray, size: int) -> Iterator[RawAudio]:
    for at in range(0, samples.shape[-1], size):
        yield audio_from_array(samples[..., at : at + size].astype(np.float32), RATE, at / RATE)


@cache
def enrollment() -> VoiceEnrollment:
    return VoiceEnrollment.with_models_of(Policy())


def measured(samples: np.ndarray, size: int = RATE) -> Recording:
    return enrollment().measure(blocks(samples, size), "a recording")


def noisy(ratio_db: float) -> np.ndarray:
    """The voice with noise so far below its mean power."""
    power = np.mean(voice() ** 2) / 10 ** (ratio_db / 10)
    return voice() + np.random.default_rng(3).normal(0, np.sqrt(power), len(voice()))


def gated(samples: np.ndarray) -> np.ndarray:
    """With digital silence wherever the clean voice is 30 dB below its loud parts."""
    count = len(voice()) // 320
    power = np.mean(voice()[: count * 320].reshape(count, 320) ** 2, axis=1)
    open_ = np.repeat(power > np.quantile(power, 0.95) / 1000, 320)
    return samples[: count * 320] * open_


@pytest.mark.parametrize("how", ["plain", "silence before", "faint before", "silence in pauses"])
def test_noise_is_found_beside_silence(how: str) -> None:
    """Silence put before the speech, or in its pauses, hides no noise in it."""
    samples = noisy(6.0)
    if how == "silence before":
        samples = np.concatenate([np.zeros(6 * RATE), samples])
    elif how == "faint before":
        faint = np.random.default_rng(4).normal(0, 1e-4, 6 * RATE)
        samples = np.concatenate([faint, samples])
    elif how == "silence in pauses":
        samples = gated(samples)
    assert measured(samples).fault() == "too much noise"


def test_a_headset_that_gates_its_pauses_is_no_fault() -> None:
    """Digital silence between the words of a clean voice."""
    assert measured(gated(voice())).fault() is None


@pytest.mark.parametrize("size", [320, 4096, 60 * RATE])
def test_clipping_is_found_at_any_level(size: int) -> None:
    """Turned down after it clipped, on one channel, below a click: clipped all the same,
    whatever the size of the blocks."""
    flat = np.clip(voice() / np.abs(voice()).max() * 8, -1, 1) * 0.4
    assert measured(flat, size).fault() == "clipped"
    assert measured(np.stack([voice(), flat]), size).clipped_share > 0.002
    flat[5000] = 1.0
    assert measured(flat, size).fault() == "clipped"


@pytest.mark.parametrize("level", [0.01, 0.4, 1.0])
def test_a_peak_is_no_clipping(level: float) -> None:
    """A voice that reaches its peak, however high that is, beside a channel of next to nothing."""
    loud = voice() / np.abs(voice()).max() * level
    nothing = np.random.default_rng(5).integers(-1, 2, len(loud)) / 32_768
    assert measured(np.stack([loud, nothing]), 1152).clipped_share < 0.0005


def moved(samples: np.ndarray, factor: float) -> np.ndarray:
    """As from another body: pitch and formants times ``factor``."""
    return np.interp(np.arange(0, len(samples) - 1, factor), np.arange(len(samples)), samples)


def coloured(samples: np.ndarray, db_per_octave: float, top_hz: float) -> np.ndarray:
    """As from another microphone."""
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE), 20)
    gain = 10 ** (db_per_octave * np.log2(hertz / 1000) / 20) / (1 + (hertz / top_hz) ** 8)
    made = np.fft.irfft(np.fft.rfft(samples) * gain, len(samples))
    return made / np.abs(made).max() / 2


@cache
def part(number: int, of: int, factor: float = 1.0) -> Recording:
    """A part of the voice, of somebody else's where ``factor`` is not 1."""
    piece = np.array_split(voice(), of)[number]
    made = piece if factor == 1.0 else moved(piece, factor)
    return enrollment().measure(blocks(made, RATE), f"{factor}-{number}.wav")


def enrolled(*recordings: Recording) -> str:
    """Why nothing is enrolled from them; empty where a voice is."""
    assert not any(one.fault() for one in recordings)
    try:
        VoiceEnrollment(enrollment().models, list(recordings)).finish()
    except EnrollmentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("factor", [0.85, 1.15, 1.2])
def test_recordings_of_two_people_are_refused(factor: float) -> None:
    """One of each, one among several, half and half: none makes a profile, and where it can be
    told, the one that is not like the others is named."""
    told = enrolled(part(0, 2), part(1, 2, factor))
    assert "two people" in told
    assert "1.0-0.wav" in told
    assert f"{factor}-1.wav" in told
    told = enrolled(part(0, 3), part(1, 3, factor), part(2, 3))
    assert told.startswith(f"{factor}-1.wav: sounds like somebody else")
    told = enrolled(part(0, 3), part(1, 3), part(0, 3, factor), part(2, 3, factor))
    assert "sounds like somebody else" in told


def test_one_voice_of_several_microphones_is_enrolled() -> None:
    """Another colour or a narrower band is no other person."""
    pieces = np.array_split(voice(), 3)
    made = [pieces[0], coloured(pieces[1], 2.0, 8000), coloured(pieces[2], -1.5, 6000)]
    assert not enrolled(*(measured(one) for one in made))
    assert not enrolled(part(0, 2), measured(coloured(np.array_split(voice(), 2)[1], 2.0, 7000)))


def test_a_recording_without_a_frame_to_compare_is_refused() -> None:
    """Nothing is like nothing."""
    good = part(0, 2)
    blank = replace(good, label="blank.wav", heard=np.zeros_like(good.heard))
    assert "two people" in enrolled(good, blank)


def test_a_recording_counts_once() -> None:
    """Given twice it is no more speech than before."""
    twice = VoiceEnrollment(enrollment().models)
    half = voice()[: 15 * RATE]
    assert twice.take(blocks(half, RATE), "a.wav") is None
    assert twice.take(blocks(half, RATE), "copy.wav") == "the same as another"
    with pytest.raises(EnrollmentError, match=r"of at least 20; copy.wav .* once"):
        twice.finish()


@pytest.mark.parametrize("value", [np.nan, 1e3, -3e38])
def test_a_recording_of_impossible_samples_is_told_as_such(value: float) -> None:
    """One that is no number, or a thousand times full scale, says nothing of a voice."""
    samples = voice()[: 5 * RATE].copy()
    samples[RATE] = value
    with pytest.raises(EnrollmentError, match="a recording: holds samples that are no numbers"):
        measured(samples)
