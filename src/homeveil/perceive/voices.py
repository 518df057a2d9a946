"""Whose voice: the embedding of what was heard, and the target-voice network over it.

The networks and the numbers are described in ``models/target_voice/README.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError, PerceptionError
from homeveil.perceive._onnx import StreamNetwork
from homeveil.perceive.sound_features import BANDS, Array
from homeveil.profile.voice import SLOTS, VOICE_SIZE, VoiceTemplate

BLOCK = 40
"""Frames between two starts of an embedding window; slot j holds one that is 40 j to
40 j + 39 frames old."""

_LAYERS = 3
_ANSWERS = 4

_ALL_ALIKE = 0.9999
"""Cosine of two sounds that share nothing, from which a network hears no difference; the default
one finds 0.52."""


class VoiceEmbeddings:
    """Embeddings of the three windows open at each frame, begun one after another."""

    def __init__(self, network: StreamNetwork) -> None:
        self._network = network
        self._h = np.zeros((_LAYERS, SLOTS, VOICE_SIZE), np.float32)
        self._c = np.zeros_like(self._h)
        self._frame = 0

    def push(self, mel: Array) -> Array:
        """(n, 40) -> (n, SLOTS, 256). Raises PerceptionError when the network gives anything
        else."""
        parts: list[Array] = []
        at = 0
        while at < len(mel):
            phase = self._frame % BLOCK
            if phase == 0:  # the oldest window ends, each moves one slot up, a new one begins
                for state in (self._h, self._c):
                    state[:, 1:] = state[:, :-1].copy()
                    state[:, 0] = 0
            piece = mel[at : at + BLOCK - phase]
            wide = np.repeat(piece[:, None], SLOTS, 1)
            slots, h, c = self._network.run({"mel": wide, "h": self._h, "c": self._c})
            _check(slots, (len(piece), SLOTS, VOICE_SIZE))
            self._h, self._c = np.array(h), np.array(c)
            parts.append(slots)
            at += len(piece)
            self._frame += len(piece)
        return np.concatenate(parts) if parts else np.zeros((0, SLOTS, VOICE_SIZE), np.float32)


def check_embedding(network: StreamNetwork) -> None:
    """Raise ModelError for a network that gives no embeddings, or the same for whatever it hears:
    by that everybody would be the agent."""
    noise = np.random.default_rng(0).random((BLOCK, BANDS)).astype(np.float32)
    try:
        first, second = (VoiceEmbeddings(network).push(mel) for mel in (noise, noise * 0))
    except Exception as error:
        raise ModelError(
            "model voice_embedding is not what listens for a voice "
            f"({type(error).__name__}: {error})"
        ) from error
    if are_alike(first[-1, 0], second[-1, 0]):
        raise ModelError("model voice_embedding gives the same for noise and silence; use another")


def are_alike(one: Array, other: Array) -> bool:
    """Whether a network hears no difference between two sounds that share nothing, by their
    embeddings, (n,) each; also where these are no numbers."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    # Written so that what is no number is alike, too.
    return not abs(float(one @ other)) <= _ALL_ALIKE * lengths


class TargetVoice:
    """The target-voice network with its state; an answer comes ``ahead`` frames late."""

    def __init__(self, network: StreamNetwork, voice: VoiceTemplate, ahead: int) -> None:
        self._network = network
        self._template = np.ascontiguousarray(voice.template[None])
        self._own = np.ascontiguousarray(voice.own[None])
        self._past = np.zeros(network.input_shape("past"), np.float32)
        self._memory = np.zeros(network.input_shape("memory"), np.float32)
        self._frame = 0
        self._ahead = ahead

    def push(self, sound: Array, slots: Array) -> Array:
        """(n, 41), (n, SLOTS, 256) -> (m, 4): of the frames now answered, log-odds of
        nobody, the agent alone, somebody else, the agent and somebody else. Raises
        PerceptionError when the network gives anything else: answers that do not belong to their
        frames, or a state that is no number, would go on for as long as the stretch."""
        first = self._frame
        self._frame += len(sound)
        phase = (np.arange(first, self._frame) % BLOCK).astype(np.float32)
        logits, self._past, self._memory = self._network.run(
            {
                "sound": sound[None],
                "slots": slots[None],
                "phase": phase,
                "template": self._template,
                "own": self._own,
                "past": self._past,
                "memory": self._memory,
            }
        )
        _check(logits, (1, len(sound), _ANSWERS))
        # The first answers are for frames before the first one.
        return logits[0, max(0, self._ahead - first) :]


def _check(found: Array, shape: tuple[int, ...]) -> None:
    if found.shape != shape:
        raise PerceptionError(f"voice network gave {found.shape}, expected {shape}")
    if not np.isfinite(found).all():
        raise PerceptionError("voice network gave no numbers")


def template_from(embeddings: list[Array]) -> tuple[Array, Array]:
    """Template (SLOTS, 256) of unit rows and own likeness (SLOTS,) from heard frames.

    embeddings: (n, SLOTS, 256) of each recording, only frames in which the agent speaks.
    """
    every: NDArray[np.float32] = np.concatenate(embeddings)
    mean = every.mean(0)
    mean /= np.linalg.norm(mean, axis=-1, keepdims=True) + 1e-6
    own = (every * mean).sum(-1).mean(0)
    return mean.astype(np.float32), own.astype(np.float32)
