"""Sound to what the voice networks read: 16 kHz, power mel bands, a tracked level.

Training uses this very module (``models/target_voice``), so that there is one arithmetic.
Frame ``t`` covers the samples [160 t, 160 t + 400) at 16 kHz: it is whole 25 ms after it
begins. Results do not depend on how the samples were cut into blocks, as long as each
call completes the same number of frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from homeveil._kernels import ResampleFilter

Array = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
WINDOW, HOP, BANDS = 400, 160, 40

LEVEL_FRAMES = 10  # the level is the mean power of the last 100 ms
RELEASE_DB = 0.03  # per frame: the tracked level falls by 3 dB a second
LEVEL_FLOOR_DB = -55.0
LEVEL_TARGET_DB = -25.5  # loud 100 ms of speech lie here when all of it averages -30 dBFS
POWER_FLOOR = 1e-10
LOG_FLOOR, LOG_MEAN, LOG_SPREAD = 1e-5, -6.0, 3.0
TRACK_MEAN_DB, TRACK_SPREAD_DB = -35.0, 15.0

_ZERO_CROSSINGS = 16
_PASSBAND = 0.95
_KAISER_BETA = 8.0
_PHASES = 512


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


class Resampler:
    """One channel at any rate to 16 kHz, with 1 to 2 ms of delay.

    Windowed-sinc interpolation (J. O. Smith, Digital Audio Resampling). Output ``k`` lies
    at the same moment as input ``k * rate / 16000``. A library was not used here because
    those at hand hold 20 to 120 ms back, more than a call allows.
    """

    def __init__(self, rate: int) -> None:
        divisor = math.gcd(rate, SAMPLE_RATE_HZ)
        self._up, self._down = SAMPLE_RATE_HZ // divisor, rate // divisor
        self._half = 0
        if rate != SAMPLE_RATE_HZ:
            self._half, self._filter = _filter(rate, self._up, self._down)
        # The buffer starts with silence, so that the first outputs have a past.
        self._rest = np.zeros(self._half, np.float32)
        self._origin = -self._half
        self._given = 0

    def push(self, samples: Array) -> Array:
        """Take (n,) samples; give those at 16 kHz that they complete."""
        if not self._half:
            return np.asarray(samples, np.float32)
        self._rest = np.concatenate([self._rest, samples])
        end = self._origin + len(self._rest)
        # Output k needs input up to k * down // up + half.
        count = ((end - 1 - self._half) * self._up + self._up - 1) // self._down + 1
        if count <= self._given:
            return np.zeros(0, np.float32)
        at = self._given * self._down - (self._origin + self._half - 1) * self._up
        out = self._filter.apply(self._rest, at, count - self._given)
        self._given = count
        keep = int(count * self._down // self._up - self._origin - self._half + 1)
        if keep > 0:
            self._rest = self._rest[keep:]
            self._origin += keep
        return out

    def finish(self) -> Array:
        """The last outputs, as if silence followed."""
        return self.push(np.zeros(self._half, np.float32))


@lru_cache(maxsize=2)
def _filter(rate: int, up: int, down: int) -> tuple[int, ResampleFilter]:
    """Half the taps of a phase, and all taps. A rate that has no large factor in common with
    16 kHz has as many phases as that: they are made once for all channels, some at a time."""
    cutoff = min(1.0, SAMPLE_RATE_HZ / rate) * _PASSBAND
    half = math.ceil(_ZERO_CROSSINGS / cutoff)
    taps = np.empty((up, 2 * half), np.float32)
    for first in range(0, up, _PHASES):
        phase = np.arange(first, min(up, first + _PHASES))[:, None] / up
        offset = np.arange(1 - half, half + 1)[None] - phase
        inside = np.clip(1 - (offset / half) ** 2, 0, None)
        window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
        taps[first : first + _PHASES] = cutoff * np.sinc(cutoff * offset) * window
    return half, ResampleFilter(taps, down)


@dataclass(frozen=True, slots=True)
class Frames:
    """Features of n consecutive frames.

    mel: (n, 40) level-normalised power, what the embedding network reads. sound: (n, 41)
    scaled log mel and the tracked level, what the target-voice network reads. level_db:
    (n,) power of the frame itself in dBFS.
    """

    mel: Array
    sound: Array
    level_db: Array

    def __len__(self) -> int:
        return len(self.mel)


class FrameStream:
    """Samples at 16 kHz in, the frames they complete out."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._powers = np.zeros(0, np.float32)
        self._track_db = LEVEL_FLOOR_DB

    def push(self, samples: Array) -> Frames:
        """Take (n,) samples, full scale 1."""
        waiting = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        count = max(0, (len(waiting) - WINDOW) // HOP + 1)
        self._rest = waiting[count * HOP :]
        if not count:
            none = np.zeros((0, BANDS), np.float32)
            return Frames(none, np.zeros((0, BANDS + 1), np.float32), np.zeros(0, np.float32))
        cut = _windows(waiting, WINDOW, HOP, count)
        spectrum = np.fft.rfft(cut * TAPER, axis=1)
        mel = ((spectrum.real**2 + spectrum.imag**2) @ FILTERS.T).astype(np.float32)
        power = (np.add.reduce(cut.astype(np.float64) ** 2, 1) / WINDOW).astype(np.float32)
        track = self._track(power)
        mel *= 10.0 ** ((LEVEL_TARGET_DB - track[:, None]) / 10.0)
        log = (np.log(mel + LOG_FLOOR) - LOG_MEAN) / LOG_SPREAD
        level = (track[:, None] - TRACK_MEAN_DB) / TRACK_SPREAD_DB
        sound = np.concatenate([log, level], axis=1).astype(np.float32)
        return Frames(mel.astype(np.float32), sound, 10.0 * np.log10(power + POWER_FLOOR))

    def _track(self, power: Array) -> Array:
        """Tracked level in dB: up at once with the 100 ms mean, down by 3 dB a second."""
        held = np.concatenate([self._powers, power])
        # At the start a mean is over the frames there are.
        early = min(len(power), LEVEL_FRAMES - 1 - len(self._powers))
        means = [held[: len(self._powers) + i + 1].mean() for i in range(early)]
        full = np.add.reduce(_windows(held, LEVEL_FRAMES, 1, len(power) - early), 1)
        recent = np.concatenate([np.array(means, np.float32), full / LEVEL_FRAMES])
        self._powers = held[1 - LEVEL_FRAMES :]
        out: Array = (10.0 * np.log10(recent + POWER_FLOOR)).astype(np.float32)
        for i, level in enumerate(out.tolist()):
            self._track_db = max(level, self._track_db - RELEASE_DB, LEVEL_FLOOR_DB)
            out[i] = self._track_db
        return out


def _windows(samples: Array, size: int, step: int, count: int) -> Array:
    """(count, size) views of samples (n,), each begun ``step`` after the one before."""
    width = samples.itemsize
    return np.ndarray((count, size), samples.dtype, samples, strides=(step * width, width))
