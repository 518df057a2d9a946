"""Is there speech at all, whoever's: the only door to webrtcvad, and Silero's network.

webrtcvad hears speech in fans and music too. Neither ever opens anything: enrollment
counts frames by webrtcvad, and a policy can ask the gate to stay closed without speech.
"""

from __future__ import annotations

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from homeveil.errors import ModelError, PerceptionError
from homeveil.perceive._onnx import StreamNetwork
from homeveil.perceive.sound_features import HOP, SAMPLE_RATE_HZ, Array

_AGGRESSIVENESS = 2


class SpeechDetector:
    """Speech in 10 ms of 16 kHz sound; keeps state from frame to frame."""

    def __init__(self) -> None:
        self._detector = webrtcvad.Vad(_AGGRESSIVENESS)

    def frames(self, samples: Array, count: int) -> NDArray[np.bool_]:
        """(count,) for the frames that start at samples 0, 160, ... of ``samples`` (n,)."""
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
        found = np.zeros(count, bool)
        for index in range(min(count, len(pcm) // HOP)):
            piece = pcm[index * HOP : (index + 1) * HOP].tobytes()
            found[index] = self._detector.is_speech(piece, SAMPLE_RATE_HZ)
        return found


class SileroNetwork:
    """Silero's network (version 6, ONNX, 16 kHz). Raises ModelError for another one."""

    CHUNK, CONTEXT = 512, 64

    def __init__(self, model: bytes) -> None:
        try:
            self._network = StreamNetwork(model)
            # Also the first run, after which nothing more of the runtime is loaded.
            self.probability(np.zeros(self.CONTEXT + self.CHUNK, np.float32), self.start())
        except Exception as error:
            raise ModelError(
                f"model speech is not Silero's network of version 6 ({type(error).__name__}: "
                f"{error}); run `homeveil models pull speech`"
            ) from error

    @staticmethod
    def start() -> Array:
        """State before the first chunk."""
        return np.zeros((2, 1, 128), np.float32)

    def probability(self, samples: Array, state: Array) -> tuple[float, Array]:
        """(64 + 512,) at 16 kHz, the first 64 heard before -> probability, next state."""
        rate = np.array(SAMPLE_RATE_HZ, np.int64)
        found, following = self._network.run(
            {"input": samples[None], "state": state, "sr": rate}
        )
        if found.shape != (1, 1) or following.shape != state.shape:
            raise PerceptionError(f"speech network gave {found.shape} and {following.shape}")
        if not np.isfinite(following).all():
            # It would be heard for as long as the stretch goes on.
            raise PerceptionError("speech network remembers no numbers")
        return float(found[0, 0]), following


class SpeechStream:
    """Probability of speech in each 10 ms of a stream at 16 kHz.

    webrtcvad says 0 or 1; with a network the smaller of the two counts.
    """

    def __init__(self, silero: SileroNetwork | None = None) -> None:
        self._detector = SpeechDetector()
        self._rest = np.zeros(0, np.float32)
        self.spoken: NDArray[np.bool_] = np.zeros(0, bool)
        """What webrtcvad said of the 10 ms that the last push completed."""
        self._silero = silero
        if silero is not None:
            self._state = silero.start()
            self._chunk = np.zeros(silero.CONTEXT, np.float32)
            self._chunks = np.zeros(0, np.float32)
            self._waiting = np.zeros(0, bool)
            self._first = self._first_chunk = 0

    def push(self, samples: Array) -> Array:
        """Take (n,) samples; give (m,) for the 10 ms now known."""
        self._rest = np.concatenate([self._rest, samples])
        count = len(self._rest) // HOP
        self.spoken = self._detector.frames(self._rest, count)
        self._rest = self._rest[count * HOP :]
        if self._silero is None:
            return self.spoken.astype(np.float32)
        return self._with(self._silero, samples)

    def _with(self, silero: SileroNetwork, samples: Array) -> Array:
        self._chunk = np.concatenate([self._chunk, samples])
        while len(self._chunk) >= silero.CONTEXT + silero.CHUNK:
            piece = self._chunk[: silero.CONTEXT + silero.CHUNK]
            found, self._state = silero.probability(piece, self._state)
            self._chunks = np.append(self._chunks, np.float32(found))
            self._chunk = self._chunk[silero.CHUNK :]
        self._waiting = np.concatenate([self._waiting, self.spoken])
        # 10 ms belong to the chunk that holds their middle.
        middle = np.arange(self._first, self._first + len(self._waiting)) * HOP + HOP // 2
        chunk = middle // silero.CHUNK - self._first_chunk
        known = int(np.searchsorted(chunk, len(self._chunks)))
        sure = self._chunks[chunk[:known]]
        spoken, self._waiting = self._waiting[:known], self._waiting[known:]
        self._first += known
        past = (self._first * HOP + HOP // 2) // silero.CHUNK - self._first_chunk
        self._chunks = self._chunks[past:]
        self._first_chunk += past
        return np.asarray(np.where(spoken | ~np.isfinite(sure), sure, 0.0), np.float32)
