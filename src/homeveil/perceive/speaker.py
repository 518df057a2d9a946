"""Whose voice, by a speaker embedding of the user's own (``[models.speaker]``).

Windows of 1.5 s, one begun every 0.4 s, are compared with the enrolled template. What
the network reads is told by its file: sound (1, N), or 80 mel bands (1, T, 80), both
float32; it gives one vector (1, D).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import EnrollmentError, ModelError, PerceptionError
from homeveil.perceive._onnx import Network
from homeveil.perceive.hearing import SPEAKER_STEP as STEP_FRAMES
from homeveil.perceive.hearing import SPEAKER_WINDOW as WINDOW_FRAMES
from homeveil.perceive.kaldi_features import BANDS, kaldi_bands
from homeveil.perceive.sound_features import HOP, Array
from homeveil.perceive.speech import SpeechDetector
from homeveil.perceive.voices import are_alike
from homeveil.profile.voice import ACCEPT_FLOOR, QUANTILES, SpeakerTemplate

SPOKEN_FRAMES = 75
"""Frames of a window in which somebody must speak for it to count."""

NOT_SPOKEN = -1.0
"""Likeness that stands for a window that does not count; the network is not asked."""

MIN_WINDOWS = 10

_APART = -(-WINDOW_FRAMES // STEP_FRAMES)
"""Windows this many steps apart share no sample."""

_MOST_NUMBERS = 4096
_BUZZ_SAMPLES = 100
"""A period of 160 Hz."""

_WANTED = f"one float32 input, sound (1, N) or mel bands (1, T, {BANDS}), and one output (1, D)"


class SpeakerNetwork:
    """A window of sound to a vector of unit length. Raises ModelError for a file that is
    no such network."""

    def __init__(self, model: bytes) -> None:
        try:
            self._network = Network(model)
        except Exception as error:
            raise ModelError(
                f"model speaker cannot be run ({type(error).__name__}: {error})"
            ) from error
        sources, results = self._network.ports()
        told = " and ".join(f"{port.element_type} {port.shape}" for port in (*sources, *results))
        if len(sources) != 1 or len(results) != 1 or sources[0].element_type != "tensor(float)":
            raise ModelError(f"model speaker has {told}; expected {_WANTED}")
        shape = sources[0].shape
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (BANDS, None)):
            raise ModelError(f"model speaker has {told}; expected {_WANTED}")
        self._bands = len(shape) == 3
        # Also the first run, after which nothing more of the runtime is loaded.
        probe = np.random.default_rng(0).normal(0, 0.1, WINDOW_FRAMES * HOP).astype(np.float32)
        pulses = np.arange(len(probe)) % _BUZZ_SAMPLES < _BUZZ_SAMPLES // 4
        buzz = np.where(pulses, 0.25, 0).astype(np.float32)
        try:
            found, other = self._run(probe), self._run(buzz)
        except Exception as error:
            raise ModelError(
                f"model speaker does not take 1.5 s of sound ({type(error).__name__}: {error}); "
                f"expected {_WANTED}"
            ) from error
        form = found.shape
        if len(form) != 2 or form[0] != 1 or not 2 <= form[1] <= _MOST_NUMBERS:
            raise ModelError(f"model speaker gave {form}; expected {_WANTED}")
        if not np.isfinite(found).all() or not found.any():
            raise ModelError("model speaker gives no numbers for noise; it is of no use")
        if other.shape != form or are_alike(found[0], other[0]):
            raise ModelError("model speaker gives the same for noise and a buzz; it is of no use")
        self.size: int = form[1]

    def embed(self, window: Array) -> Array:
        """(24000,) at 16 kHz -> (D,) of unit length; not finite where the network fails."""
        found = self._run(window)
        if found.shape != (1, self.size):
            raise PerceptionError(f"speaker network gave {found.shape}")
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.asarray(found[0] / np.linalg.norm(found[0]))

    def _run(self, window: Array) -> Array:
        return self._network.run((kaldi_bands(window) if self._bands else window)[None])


class SpeakerStream:
    """Likeness of the windows that samples complete. Window ``w`` begins at frame 40 w."""

    def __init__(self, network: SpeakerNetwork, template: Array) -> None:
        if template.shape != (network.size,):
            raise ModelError(
                f"model speaker gives {network.size} numbers, the profile holds {len(template)}"
            )
        self._network, self._template = network, template
        self._samples = np.zeros(0, np.float32)
        self._spoken = np.zeros(0, bool)

    def push(self, samples: Array, spoken: NDArray[np.bool_]) -> Array:
        """Take (n,) samples, and of the frames they complete whether there was speech;
        give the cosines (j,) of whole windows: NOT_SPOKEN for one that does not count,
        not finite where the network failed."""
        self._samples = np.concatenate([self._samples, samples])
        self._spoken = np.concatenate([self._spoken, spoken])
        found: list[float] = []
        while min(len(self._samples) // HOP, len(self._spoken)) >= WINDOW_FRAMES:
            likeness = NOT_SPOKEN
            if self._spoken[:WINDOW_FRAMES].sum() >= SPOKEN_FRAMES:
                vector = self._network.embed(self._samples[: WINDOW_FRAMES * HOP])
                likeness = float(vector @ self._template)
            found.append(likeness)
            self._samples = self._samples[STEP_FRAMES * HOP :]
            self._spoken = self._spoken[STEP_FRAMES:]
        return np.array(found, np.float32)


def windows_of(samples: Array, network: SpeakerNetwork) -> list[tuple[int, Array]]:
    """Number and embedding (D,) of every window of a recording that counts."""
    spoken = SpeechDetector().frames(samples, len(samples) // HOP)
    found = []
    for start in range(0, len(spoken) - WINDOW_FRAMES + 1, STEP_FRAMES):
        if spoken[start : start + WINDOW_FRAMES].sum() >= SPOKEN_FRAMES:
            piece = samples[start * HOP : (start + WINDOW_FRAMES) * HOP]
            found.append((start // STEP_FRAMES, network.embed(piece)))
    return found


def speaker_template(
    recordings: list[list[tuple[int, Array]]], model_sha256: str
) -> SpeakerTemplate:
    """Template and own spread from the windows of each recording.

    The spread are cosines of windows to a template of others: of the other recordings, or
    where there is one recording of the windows that share no sample with it.
    Raises EnrollmentError when there is too little, or the network does not know the voice.
    """
    every = [(r, w, vector) for r, found in enumerate(recordings) for w, vector in found]
    if len(every) < MIN_WINDOWS:
        raise EnrollmentError(
            f"{len(every)} windows of 1.5 s with speech of at least {MIN_WINDOWS}; "
            "speak for at least half a minute, about anything"
        )
    vectors = np.array([vector for _, _, vector in every], np.float64)
    if not np.isfinite(vectors).all():
        raise ModelError("model speaker gives no numbers for this voice; use another one")
    several = len({r for r, _, _ in every}) > 1
    own = []
    for index, (r, w, _) in enumerate(every):
        others = [
            k for k, (s, v, _) in enumerate(every)
            if (s != r if several else abs(v - w) >= _APART)
        ]  # fmt: skip
        if others:
            own.append(float(vectors[index] @ _unit(vectors[others].mean(0))))
    if not own or np.median(own) < ACCEPT_FLOOR:
        raise EnrollmentError(
            "the policy's speaker model does not know this voice again; enroll from longer "
            "recordings, or leave the model out"
        )
    spread = np.quantile(own, np.linspace(0, 1, QUANTILES))
    return SpeakerTemplate(
        _unit(vectors.mean(0)).astype(np.float32), spread.astype(np.float32), model_sha256
    )


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / (np.linalg.norm(vector) + 1e-12))
