"""Listens to one channel: samples in, log-odds of who speaks for each 10 ms out.

Frame ``t`` begins at ``t * 10 ms``; its answer speaks for the middle of its window, the
samples from ``t * 10 + 7.5`` to ``t * 10 + 17.5 ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from homeveil.errors import ModelError
from homeveil.models import store
from homeveil.models.purposes import (
    EMBEDDING_PURPOSE,
    SPEAKER_PURPOSE,
    TARGET_PURPOSES,
    check_purposes,
    key_purposes,
)
from homeveil.perceive.sound_features import (
    HOP,
    SAMPLE_RATE_HZ,
    WINDOW,
    Array,
    FrameStream,
    Resampler,
)
from homeveil.perceive.voices import TargetVoice, VoiceEmbeddings, check_embedding
from homeveil.policy import Policy, Sound, SpeechKey
from homeveil.profile.voice import SLOTS, VOICE_SIZE, VoiceTemplate

if TYPE_CHECKING:
    from homeveil.perceive._onnx import StreamNetwork
    from homeveil.perceive.keys import KeyModels, KeyStream

SPEAKER_STEP, SPEAKER_WINDOW = 40, 150
"""Frames of 10 ms from one window of the speaker model to the next, and in a window."""

FRAMES_AHEAD: Mapping[Sound, int] = {Sound.MONITOR: 125, Sound.CALL: 6}
"""How many frames the network of each mode looks ahead."""

AGENT_ALONE = 1
"""Which of the four answers says so."""

CHUNK_FRAMES: Mapping[Sound, int] = {Sound.MONITOR: 4, Sound.CALL: 2}
"""Frames that go through the networks at once; a divisor of ``voices.BLOCK``."""


@dataclass(frozen=True, slots=True)
class VoiceModels:
    """The networks of one mode, loaded, and the hashes they had. keys: what the policy's
    further keys listen with, if it asks for any."""

    embedding: StreamNetwork
    target: StreamNetwork
    mode: Sound
    sha256: Mapping[str, str]
    keys: KeyModels | None = None

    def serve(self, policy: Policy) -> bool:
        """Whether they observe all that a policy's keys go by."""
        if policy.speech_key is not SpeechKey.OFF and not (self.keys and self.keys.speech):
            return False
        return all(
            store.expected_sha256(purpose, policy.models) == self.sha256.get(purpose)
            for purpose in key_purposes(policy)
        )


def load_voice_models(policy: Policy) -> VoiceModels:
    """Read and check the voice networks. Raises ModelError for the first that is amiss, and for
    those that cannot listen: they would mute all without an error."""
    check_purposes(policy.models)
    purposes = (EMBEDDING_PURPOSE, TARGET_PURPOSES[policy.sound])
    loaded = store.load((*purposes, *key_purposes(policy)), policy.models)
    # Imported here: ONNX Runtime takes a while to load.
    from homeveil.perceive._onnx import StreamNetwork

    try:
        embedding, target = (StreamNetwork(loaded.data[purpose]) for purpose in purposes)
    except Exception as error:
        raise ModelError(
            f"a voice model cannot be run ({type(error).__name__}: {error}); "
            "run `homeveil models verify`"
        ) from error
    check_embedding(embedding)
    keys: KeyModels | None = None
    if policy.speech_key is not SpeechKey.OFF or SPEAKER_PURPOSE in policy.models:
        from homeveil.perceive.keys import KeyModels

        keys = KeyModels.of(policy, loaded)
    models = VoiceModels(embedding, target, policy.sound, loaded.sha256, keys)
    try:
        _try_out(replace(models, keys=None))
    except Exception as error:
        raise ModelError(
            f"models {' and '.join(purposes)} are not what listens for a voice "
            f"({type(error).__name__}: {error}); see models/target_voice/README.md"
        ) from error
    return models


def _try_out(models: VoiceModels) -> None:
    """Have them listen to a moment of silence for nobody's voice."""
    rows, own = np.eye(SLOTS, VOICE_SIZE, dtype=np.float32), np.zeros(SLOTS, np.float32)
    nobody = VoiceTemplate(rows, own, 1.0, 1, "0" * 64)
    Listener(SAMPLE_RATE_HZ, nobody, models).push(np.zeros(SAMPLE_RATE_HZ // 10, np.float32))


@dataclass(frozen=True, slots=True)
class Heard:
    """What one push gave. level_db: (n,) of the frames that came. logits: (m, 4) of the
    frames that were answered, ``ahead`` frames before those. alike: (n,) likeness of the
    enrolled voice and of what was heard in the last 0.8 to 1.2 s up to each frame that came.

    speech, likeness: what the keys observed, see ``keys.KeyStream``; each goes on where it
    stopped, and is empty without its key.
    """

    level_db: Array
    logits: Array
    alike: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    speech: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    likeness: Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def then(self, after: Heard) -> Heard:
        """Both, one after the other."""
        return Heard(
            np.concatenate([self.level_db, after.level_db]),
            np.concatenate([self.logits, after.logits]),
            np.concatenate([self.alike, after.alike]),
            np.concatenate([self.speech, after.speech]),
            np.concatenate([self.likeness, after.likeness]),
        )


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
        self._template = voice.template[-1]
        self._keys: KeyStream | None = None
        if models.keys is not None:
            # Imported here: whoever has no such key need not load what listens for one.
            from homeveil.perceive.keys import KeyStream

            self._keys = KeyStream(models.keys, voice)
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
        return heard.then(self._take(silence))

    def _take(self, samples: Array) -> Heard:
        self._waiting = np.concatenate([self._waiting, samples])
        levels, logits = [np.zeros(0, np.float32)], [np.zeros((0, 4), np.float32)]
        alike = [np.zeros(0, np.float32)]
        speech, likeness = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
        while len(self._waiting) >= self._wanted:
            piece, self._waiting = self._waiting[: self._wanted], self._waiting[self._wanted :]
            self._wanted = self._chunk * HOP
            frames = self._features.push(piece)
            slots = self._embeddings.push(frames.mel)
            levels.append(frames.level_db)
            logits.append(self._target.push(frames.sound, slots))
            alike.append(slots[:, -1] @ self._template)
            if self._keys is not None:
                for parts, part in zip((speech, likeness), self._keys.push(piece), strict=True):
                    parts.append(part)
        every = (levels, logits, alike, speech, likeness)
        return Heard(*(np.concatenate(parts) for parts in every))
