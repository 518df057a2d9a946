"""Voices for tests: the example's, and scripted listeners in place of the networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from homeveil.audio import VeiledAudio, audio_from_array
from homeveil.media.sound_reader import SoundReader
from homeveil.models.store import ModelStore, State
from homeveil.perceive.hearing import Heard
from homeveil.policy import Policy, Sound
from homeveil.profile.template import Profile
from homeveil.profile.voice import VoiceTemplate
from homeveil.voice_enrollment import VoiceEnrollment
from homeveil.voice_gate import VoiceGate

EXAMPLES = Path(__file__).parents[1] / "examples"
CHILD_ALONE = (2.6, 3.75)
"""Seconds of the example clip in which only the child speaks; then both, then the agent."""
BOTH = (3.75, 4.57)
AGENT_FIRST = (0.2, 2.495)

ALONE = np.array([-6, 6, -6, -6], np.float32)
OTHER = np.array([-6, -6, 6, -6], np.float32)
BOTH_SPEAK = np.array([-6, -6, -6, 6], np.float32)
SPOKEN = 0.02
"""Level above which samples count as let through."""

needs_models = pytest.mark.skipif(
    any(entry.state is not State.READY for entry in ModelStore().status()),
    reason="models are not pulled; run `homeveil models pull`",
)


@cache
def agent() -> Profile:
    """The example's agent, enrolled by voice."""
    enrollment = VoiceEnrollment.with_models_of(Policy(sound=Sound.CALL))
    with SoundReader(EXAMPLES / "enroll_voice.wav") as reader:
        assert enrollment.take(reader, "enroll_voice.wav") is None
    return Profile(None, voice=enrollment.finish())


@cache
def demo_sound() -> tuple[np.ndarray, int]:
    """The example clip's sound: (channels, n), and its rate."""
    with SoundReader(EXAMPLES / "demo.mp4") as reader:
        blocks = list(reader)
    return np.concatenate([block.samples for block in blocks], axis=1), blocks[0].rate


def anybody() -> Profile:
    """A profile with a voice that no network is asked about."""
    rows = np.eye(3, 256, dtype=np.float32)
    return Profile(None, voice=VoiceTemplate(rows, np.full(3, 0.8, np.float32), 30.0, 1, "0" * 64))


class Script:
    """A listener that says of frame ``t`` what ``says(t)`` says, whatever it hears. For the
    keys it observes speech(t) of a frame and likeness(w) of a window, where these are given."""

    speech: Callable[[int], float] | None = None
    likeness: Callable[[int], float] | None = None

    def __init__(self, rate: int, says: Callable[[int], np.ndarray], ahead: int = 0) -> None:
        self._rate, self._says, self._ahead = rate, says, ahead
        self._heard = self._frames = self._answered = 0

    def push(self, samples: np.ndarray) -> Heard:
        self._heard += len(samples)
        whole = max(0, (self._heard * 100 // self._rate) - 2)
        count, self._frames = whole - self._frames, whole
        heard = Heard(
            np.full(count, -20, np.float32),
            self._answers(whole - self._ahead),
            np.ones(count, np.float32),
        )
        return replace(heard, **self._observed(whole - count, whole))

    def _observed(self, first: int, last: int) -> dict[str, np.ndarray]:
        """Of the frames from ``first`` to before ``last``, and the windows that end there."""
        found = {}
        if self.speech is not None:
            found["speech"] = np.array([self.speech(t) for t in range(first, last)], np.float32)
        if self.likeness is not None:
            ended = [w for w in range(last // 40 + 1) if first <= 40 * w + 148 < last]
            found["likeness"] = np.array([self.likeness(w) for w in ended], np.float32)
        return found

    def finish(self) -> Heard:
        return Heard(np.zeros(0, np.float32), self._answers(self._frames))

    def _answers(self, until: int) -> np.ndarray:
        rows = [self._says(t) for t in range(self._answered, max(until, self._answered))]
        self._answered = max(until, self._answered)
        return np.array(rows, np.float32).reshape(-1, 4)


def run(
    gate: VoiceGate, samples: np.ndarray, rate: int, block: int | None = None, start: float = 0.0
) -> np.ndarray:
    """All of ``samples`` through the gate in blocks of ``block``: (channels, n)."""
    out = [piece.samples for piece in pieces(gate, samples, rate, block, start)]
    return np.concatenate(out, axis=1)


def pieces(
    gate: VoiceGate, samples: np.ndarray, rate: int, block: int | None = None, start: float = 0.0
) -> list[VeiledAudio]:
    """What the gate gave, piece by piece."""
    out: list[VeiledAudio] = []
    samples = np.atleast_2d(samples)
    for at in range(0, samples.shape[1], block or rate):
        part = samples[:, at : at + (block or rate)]
        out += gate.process(audio_from_array(part, rate, start + at / rate))
    return [*out, *gate.flush()]


def span(samples: np.ndarray, rate: int, seconds: tuple[float, float]) -> np.ndarray:
    """The samples between two times."""
    return samples[..., round(seconds[0] * rate) : round(seconds[1] * rate)]


def noise(seconds: float, rate: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    """Loud noise: (channels, n)."""
    count = round(seconds * rate)
    return np.random.default_rng(seed).normal(0, 0.2, (channels, count)).astype(np.float32)


