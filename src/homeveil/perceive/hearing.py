"""Listens to one channel: samples in, log-odds of who speaks for each 10 ms out.

Frame ``t`` begins at ``t * 10 ms``; its answer speaks for the middle of its window, the
samples from ``t * 10 + 7.5`` to ``t * 10 + 17.5 ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from homeveil.errors import ModelError
from homeveil.models import store
from homeveil.perceive.sound_features import HOP, WINDOW, Array, FrameStream, Resampler
from homeveil.perceive.voices import TargetVoice, VoiceEmbeddings
from homeveil.policy import Policy, Sound
from homeveil.profile.voice import VoiceTemplate

if TYPE_CHECKING:
    from homeveil.perceive._onnx import StreamNetwork

EMBEDDING_PURPOSE = "voice_embedding"
TARGET_PURPOSES: Mapping[Sound, str] = {
    Sound.MONITOR: "target_voice_monitor",
    Sound.CALL: "target_voice_call",
}
VOICE_PURPOSES = (EMBEDDING_PURPOSE, *TARGET_PURPOSES.values())
"""Models that the voice gate needs: the first and that of its mode."""

FRAMES_AHEAD: Mapping[Sound, int] = {Sound.MONITOR: 125, Sound.CALL: 6}
"""How many frames the network of each mode looks ahead."""

CHUNK_FRAMES: Mapping[Sound, int] = {Sound.MONITOR: 4, Sound.CALL: 2}
"""Frames that go through the networks at once; a divisor of ``voices.BLOCK``."""


@dataclass(frozen=True, slots=True)
class VoiceModels:
    """The networks of one mode, loaded, and the hashes they had."""

    embedding: StreamNetwork
    target: StreamNetwork
    mode: Sound
    sha256: Mapping[str, str]


def load_voice_models(policy: Policy) -> VoiceModels:
    """Read and check the voice networks. Raises ModelError for the first that is amiss."""
    purposes = (EMBEDDING_PURPOSE, TARGET_PURPOSES[policy.sound])
    loaded = store.load(purposes, policy.models)
    # Imported here: ONNX Runtime takes a while to load.
    from homeveil.perceive._onnx import StreamNetwork

    try:
        embedding, target = (StreamNetwork(loaded.data[purpose]) for purpose in purposes)
    except Exception as error:
        raise ModelError(
            f"a voice model cannot be run ({type(error).__name__}: {error}); "
            "run `homeveil models verify`"
        ) from error
    return VoiceModels(embedding, target, policy.sound, loaded.sha256)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one push gave. level_db: (n,) of the frames that came. logits: (m, 4) of the
    frames that were answered, ``ahead`` frames before those."""

    level_db: Array
    logits: Array


class Hears(Protocol):
    """What listens to one channel of one stretch of unbroken sound."""

    def push(self, samples: Array) -> Heard:
        """Take (n,) samples at the channel's own rate."""

    def finish(self) -> Heard:
        """The end of the stretch: all answers still due."""


class Listener:
    """The default: runs the networks. All arithmetic is done in chunks of a fixed number of
    frames, so that block sizes cannot change a result."""

    def __init__(self, rate: int, voice: VoiceTemplate, models: VoiceModels) -> None:
        self._resampler = Resampler(rate)
        self._features = FrameStream()
        self._embeddings = VoiceEmbeddings(models.embedding)
        self.ahead = FRAMES_AHEAD[models.mode]
        self._target = TargetVoice(models.target, voice, self.ahead)
        self._chunk = CHUNK_FRAMES[models.mode]
        self._waiting = np.zeros(0, np.float32)
        self._wanted = WINDOW + (self._chunk - 1) * HOP

    def push(self, samples: Array) -> Heard:
        """Take (n,) samples at the channel's own rate."""
        return self._take(self._resampler.push(samples))

    def finish(self) -> Heard:
        """The end of the stretch: all answers still due, as if silence followed.

        The silence goes through all of the networks: rows of zeros in its place are
        nothing that they ever met, and cost the last second of every recording.
        """
        heard = self._take(self._resampler.finish())
        silence = np.zeros(WINDOW + (self.ahead + 2 * self._chunk) * HOP, np.float32)
        after = self._take(silence)
        return Heard(
            np.concatenate([heard.level_db, after.level_db]),
            np.concatenate([heard.logits, after.logits]),
        )

    def _take(self, samples: Array) -> Heard:
        self._waiting = np.concatenate([self._waiting, samples])
        levels, logits = [np.zeros(0, np.float32)], [np.zeros((0, 4), np.float32)]
        while len(self._waiting) >= self._wanted:
            piece, self._waiting = self._waiting[: self._wanted], self._waiting[self._wanted :]
            self._wanted = self._chunk * HOP
            frames = self._features.push(piece)
            slots = self._embeddings.push(frames.mel)
            levels.append(frames.level_db)
            logits.append(self._target.push(frames.sound, slots))
        return Heard(np.concatenate(levels), np.concatenate(logits))
