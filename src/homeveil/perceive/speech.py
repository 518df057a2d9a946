"""The only door to webrtcvad: is there speech at all, whoever's.

It hears speech in fans and music too, and never opens anything: it tells enrollment which
frames to count.
"""

from __future__ import annotations

import numpy as np
import webrtcvad
from numpy.typing import NDArray

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
