"""Whether a cell still shows what it showed before.

A cell matches a reference when no 4x4 block of luma, no block of chroma and not the cell
as a whole differ by more than sensor noise. A global change of exposure is estimated from
the whole frame and taken out first, so that automatic gain does not veil the room.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, FloatGrid

BLOCK_SAMPLES = 16
"""Samples in the blocks whose sums the change kernel reports."""

LUMA_STEP = 7.0
CHROMA_STEP = 4.5
MEAN_STEP = 4.5
"""Grey levels: largest mean difference of a luma block, of a chroma block, and largest
mean absolute difference over a cell, in a flat picture without noise."""

LUMA_PER_TEXTURE = 0.45
MEAN_PER_TEXTURE = 0.25
"""Added per grey level of standard deviation of the reference: lenses, codecs and
fractions of a pixel of motion change textured places more."""

STRUCTURE_TEXTURE = 10.0
STRUCTURE_CORRELATION = 0.6
"""Cells with so much texture must also correlate with their reference."""

SHADE_CORRELATION = 0.85
SHADE_FLAT = 0.13
SHADE_TEXTURED = 0.4
SHADE_RESIDUAL = 3.0
SHADE_RESIDUAL_PER_TEXTURE = 0.2
"""Shadow and light: largest relative change of brightness of a flat and of a textured
cell with the same colour, and the residual that may be left once it is taken out."""

SHADOW_TEXTURE = 4.0
SHADOW_CORRELATION = 0.7
SHADOW_UNEVEN = 0.06
SHADOW_RESIDUAL = 1.5
"""A shadow cast on paper or wood: least standard deviation and correlation over a cell and
its neighbours, largest standard deviation of the gain there, and the factor on the
residual that is left."""

_MIN_LIT = 16
_GAIN_RANGE = (0.6, 1.7)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Differences of a frame from a reference, per cell.

    ``excess`` is the largest difference in units of its own tolerance: above 1 the cell
    does not match. (rows, cols) float32.
    """

    excess: FloatGrid

    @property
    def matches(self) -> BoolGrid:
        return self.excess <= 1.0


class NoiseMeter:
    """Running estimate of sensor noise from differences of consecutive frames.

    The lower quartile over cells is used: as long as a quarter of the picture holds
    still, motion does not raise it. Noise raises tolerances, so its effect is capped.
    """

    _CAP = 4.0

    def __init__(self) -> None:
        self.level = 1.0

    def update(self, mean_difference: FloatGrid) -> None:
        """mean_difference: mean absolute luma difference per cell, grey levels."""
        level = float(np.quantile(mean_difference, 0.25))
        self.level = min(self._CAP, 0.8 * self.level + 0.2 * max(0.3, level))

    @property
    def slack(self) -> float:
        """Factor on the tolerances."""
        return 1.0 + max(0.0, self.level - 1.5) * 0.25


def mean_difference(stats: _kernels.ChangeStats) -> FloatGrid:
    """Mean absolute luma difference per cell, grey levels."""
    return (stats.sad_y / np.maximum(stats.n, 1)).astype(np.float32)


def compare(
    frame: RawFrame, reference: RawFrame, cell: int, known: BoolGrid, slack: float
) -> tuple[Change, Moments]:
    """Compare ``frame`` with ``reference``.

    known: cells whose reference is meaningful; exposure is estimated from them.
    """
    stats = _kernels.change(frame, reference, cell)
    gain = exposure_gain(stats, known)
    if abs(gain - 256) > 2:
        stats = _kernels.change(frame, reference, cell, gain_q8=gain)
    moments = Moments(stats)
    excess = np.minimum(_as_is(stats, moments), _reshaded(stats, moments)) / slack
    return Change(excess.astype(np.float32)), moments


class Moments:
    """Means, deviations and correlation of frame (a) and reference (b) per cell."""

    def __init__(self, stats: _kernels.ChangeStats) -> None:
        n = np.maximum(stats.n, 1).astype(np.float64)
        self.mean_a, self.mean_b = stats.sum_a / n, stats.sum_b / n
        self.var_a = np.maximum(stats.sum_aa / n - self.mean_a**2, 0)
        self.var_b = np.maximum(stats.sum_bb / n - self.mean_b**2, 0)
        self.covariance = stats.sum_ab / n - self.mean_a * self.mean_b
        self.texture = np.sqrt(self.var_b)
        self.texture_now = np.sqrt(self.var_a).astype(np.float32)
        self.correlation = self.covariance / np.sqrt(self.var_a * self.var_b + 1e-6)


def _as_is(stats: _kernels.ChangeStats, moments: Moments) -> NDArray[np.float64]:
    """Excess of the plain difference."""
    texture = moments.texture
    luma = stats.peak_y / (BLOCK_SAMPLES * (LUMA_STEP + LUMA_PER_TEXTURE * texture))
    mean = mean_difference(stats) / (MEAN_STEP + MEAN_PER_TEXTURE * texture)
    excess = np.maximum(np.maximum(luma, mean), _chroma(stats))
    # A plain difference can stay small over texture while the picture is another.
    unlike = (texture > STRUCTURE_TEXTURE) & (moments.correlation < STRUCTURE_CORRELATION)
    lack = (1 - moments.correlation) / (1 - STRUCTURE_CORRELATION)
    return np.where(unlike, np.maximum(excess, lack), excess)


def _reshaded(stats: _kernels.ChangeStats, moments: Moments) -> NDArray[np.float64]:
    """Excess once a change of brightness of this cell alone is taken out."""
    gain = moments.mean_a / np.maximum(moments.mean_b, 1)
    left = moments.var_a + gain**2 * moments.var_b - 2 * gain * moments.covariance
    residual = np.sqrt(np.maximum(left, 0)) / (
        SHADE_RESIDUAL + SHADE_RESIDUAL_PER_TEXTURE * moments.texture
    )
    textured = (moments.texture > STRUCTURE_TEXTURE) & (moments.correlation > SHADE_CORRELATION)
    cast = _cast(moments, gain)
    shade = np.abs(gain - 1) / np.where(textured | cast, SHADE_TEXTURED, SHADE_FLAT)
    residual = np.where(cast, residual / SHADOW_RESIDUAL, residual)
    excess = np.maximum(np.maximum(residual, shade), _chroma(stats))
    return np.where(moments.mean_b < _MIN_LIT, np.inf, excess)


def _cast(moments: Moments, gain: NDArray[np.float64]) -> BoolGrid:
    """Cells on which a shadow may lie: gain smooth, faint texture still there beneath.

    Judged over the cell and its eight neighbours, where the texture of paper or wood
    stands out from the noise. Somebody in front would wipe it out.
    """
    a, b, both = (
        cv2.blur(moment, (3, 3)) for moment in (moments.var_a, moments.var_b, moments.covariance)
    )
    correlation = both / np.sqrt(a * b + 1e-6)
    middle = cv2.blur(gain, (3, 3))
    uneven = np.sqrt(np.maximum(cv2.blur(gain**2, (3, 3)) - middle**2, 0))
    cast: BoolGrid = (
        (b > SHADOW_TEXTURE**2)
        & (correlation > SHADOW_CORRELATION)
        & (uneven < SHADOW_UNEVEN)
    )
    return cast


def _chroma(stats: _kernels.ChangeStats) -> NDArray[np.float64]:
    return stats.peak_uv / (BLOCK_SAMPLES * CHROMA_STEP)


def exposure_gain(stats: _kernels.ChangeStats, known: BoolGrid) -> int:
    """Median brightness ratio of frame and reference in 1/256; 256 when it cannot be told."""
    samples = np.maximum(stats.n, 1)
    before: NDArray[np.float64] = stats.sum_b / samples
    usable = known & (before > _MIN_LIT) & (before < 235)
    if usable.sum() < 16:
        return 256
    ratio = float(np.median((stats.sum_a / samples)[usable] / before[usable]))
    return round(256 * min(_GAIN_RANGE[1], max(_GAIN_RANGE[0], ratio)))
