"""Log mel bands as Kaldi makes them, which speaker networks in ONNX read.

25 ms every 10 ms at 16 kHz, without a frame that is not whole: mean taken off, pre-emphasis
0.97, Hamming window, power spectrum of 512, 80 triangles on Kaldi's mel scale from 20 Hz
to 8 kHz, natural logarithm, the mean over time taken off (as WeSpeaker's exports expect).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.perceive.sound_features import HOP, SAMPLE_RATE_HZ, WINDOW, Array

BANDS = 80

_FULL_SCALE = 32768.0
_PRE_EMPHASIS = 0.97
_SPECTRUM = 512
_LOWEST_HZ = 20.0
_FLOOR = 1.1920929e-07


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))


def _triangles() -> Array:
    """(BANDS, _SPECTRUM // 2), without the bin at 8 kHz."""
    ends = _mel(np.array([_LOWEST_HZ, SAMPLE_RATE_HZ / 2]))
    edges = np.linspace(ends[0], ends[1], BANDS + 2)[:, None]
    bins = _mel(np.arange(_SPECTRUM // 2) * SAMPLE_RATE_HZ / _SPECTRUM)[None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rise, fall)), np.float32)


_FILTERS = _triangles()
_TAPER = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))


def kaldi_bands(samples: Array) -> Array:
    """(n,) at 16 kHz, full scale 1, at least 400 -> (1 + (n - 400) // 160, 80) float32."""
    cut = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * _FULL_SCALE
    cut = cut - cut.mean(1, keepdims=True)
    before = np.concatenate([cut[:, :1], cut[:, :-1]], axis=1)
    spectrum = np.fft.rfft((cut - _PRE_EMPHASIS * before) * _TAPER, _SPECTRUM, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2)[:, :-1].astype(np.float32)
    bands = np.log(np.maximum(power @ _FILTERS.T, _FLOOR))
    return np.asarray(bands - bands.mean(0), np.float32)
