"""Sound to features: a streaming power mel with a slow level tracker, in numpy alone.

Training repeats this arithmetic in torch (`network.py`); a check in `export.py` compares the two.
Frame `t` covers the samples [160 t, 160 t + 400) at 16 kHz, so it is ready 25 ms after it begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
WINDOW, HOP, BANDS = 400, 160, 40
BLOCK = 40  # frames between two starts of an embedding window
SLOTS = 3  # windows open at once; slot j holds one that is 40 j .. 40 j + 39 frames old

LEVEL_FRAMES = 10  # the level is the mean power of the last 100 ms
RELEASE_DB = 0.03  # per frame: the tracked level falls by 3 dB a second
LEVEL_FLOOR_DB = -55.0
LEVEL_TARGET_DB = -25.5  # loud 100 ms of speech lie here when all of it averages -30 dBFS
POWER_FLOOR = 1e-10
LOG_FLOOR, LOG_MEAN, LOG_SPREAD = 1e-5, -6.0, 3.0
TRACK_MEAN_DB, TRACK_SPREAD_DB = -35.0, 15.0


def mel_filters() -> Array:
    """Triangular filters, area-normalised, on Slaney's mel scale. -> (BANDS, WINDOW // 2 + 1)."""
    step, corner, ratio = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0
    top = corner / step + np.log(SAMPLE_RATE_HZ / 2 / corner) / ratio
    mels = np.linspace(0.0, top, BANDS + 2)
    linear = mels * step
    curved = corner * np.exp(ratio * (mels - corner / step))
    edges = np.where(mels < corner / step, linear, curved)
    bins = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE_HZ / WINDOW
    rise = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    shape = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(shape, np.float32)


FILTERS = mel_filters()
TAPER = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@dataclass(frozen=True)
class Frames:
    """Features of `n` consecutive frames.

    mel: (n, 40) level-normalised power, what the embedding network reads.
    sound: (n, 41) float32, scaled log mel and the tracked level, what the target-voice network
    reads.
    level_db: (n,) power of the frame itself in dBFS.
    """

    mel: Array
    sound: Array
    level_db: Array

    def __len__(self) -> int:
        return len(self.mel)


class FrameStream:
    """Samples in blocks of any size in, frames out; equal to one call on the whole."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._powers = np.zeros(0, np.float32)
        self._track_db = LEVEL_FLOOR_DB

    def push(self, samples: Array) -> Frames:
        """Take samples (any number, 16 kHz, full scale 1) and return the frames they complete."""
        waiting = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        count = max(0, (len(waiting) - WINDOW) // HOP + 1)
        self._rest = waiting[count * HOP :]
        if not count:
            empty = np.zeros((0, BANDS), np.float32)
            return Frames(empty, np.zeros((0, BANDS + 1), np.float32), np.zeros(0, np.float32))
        cut = np.lib.stride_tricks.sliding_window_view(waiting, WINDOW)[: count * HOP : HOP]
        spectrum = np.fft.rfft(cut * TAPER, axis=1)
        mel = ((spectrum.real**2 + spectrum.imag**2) @ FILTERS.T).astype(np.float32)
        power = (cut.astype(np.float64) ** 2).mean(1).astype(np.float32)
        track = self._track(power)
        mel *= 10.0 ** ((LEVEL_TARGET_DB - track[:, None]) / 10.0)
        log = (np.log(mel + LOG_FLOOR) - LOG_MEAN) / LOG_SPREAD
        level = (track[:, None] - TRACK_MEAN_DB) / TRACK_SPREAD_DB
        sound = np.concatenate([log, level], axis=1).astype(np.float32)
        return Frames(mel.astype(np.float32), sound, 10.0 * np.log10(power + POWER_FLOOR))

    def _track(self, power: Array) -> Array:
        """Tracked level in dB: up at once with the 100 ms mean, down by 3 dB a second."""
        held = np.concatenate([self._powers, power])
        out = np.empty(len(power), np.float32)
        for i in range(len(power)):
            end = len(self._powers) + i + 1
            recent = held[max(0, end - LEVEL_FRAMES) : end].mean()
            level = 10.0 * np.log10(recent + POWER_FLOOR)
            self._track_db = max(level, self._track_db - RELEASE_DB, LEVEL_FLOOR_DB)
            out[i] = self._track_db
        self._powers = held[-(LEVEL_FRAMES - 1) :]
        return out
