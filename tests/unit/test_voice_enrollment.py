"""What recordings a voice is enrolled from, and which are refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from homeveil.audio import RawAudio, audio_from_array
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
