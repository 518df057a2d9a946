"""Whether a cell still shows what it showed before.

A cell matches a reference when no 4x4 block of luma, no block of chroma and not the cell
as a whole differ by more than sensor noise. A global change of exposure is estimated from
the whole frame and taken out first, so that automatic gain does not veil the room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.frames import PixelFormat, RawFrame
from homeveil.grid import BoolGrid, CellWindow, FloatGrid

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
_MAX_LIT = 235
_MIN_USABLE = 16
"""Grey levels between which a cell tells the exposure, and how many must."""

NO_GAIN = 256
_GAIN_RANGE = (0.6, 1.7)

_EXCESS = _kernels.Excess(
    _kernels.ExcessRule(
        luma_step=LUMA_STEP,
        chroma_step=CHROMA_STEP,
        mean_step=MEAN_STEP,
        luma_per_texture=LUMA_PER_TEXTURE,
        mean_per_texture=MEAN_PER_TEXTURE,
        structure_texture=STRUCTURE_TEXTURE,
        structure_correlation=STRUCTURE_CORRELATION,
        shade_correlation=SHADE_CORRELATION,
        shade_flat=SHADE_FLAT,
        shade_textured=SHADE_TEXTURED,
        shade_residual=SHADE_RESIDUAL,
        shade_residual_per_texture=SHADE_RESIDUAL_PER_TEXTURE,
        shadow_texture=SHADOW_TEXTURE,
        shadow_correlation=SHADOW_CORRELATION,
        shadow_uneven=SHADOW_UNEVEN,
        shadow_residual=SHADOW_RESIDUAL,
        least_lit=_MIN_LIT,
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Differences of a frame from a reference, per cell.

    ``excess`` is the largest difference in units of its own tolerance: above 1 the cell
    does not match. ``texture`` is the standard deviation of the frame's luma, grey levels.
    Both (rows, cols) float32.
    """

    excess: FloatGrid
    texture: FloatGrid

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

    def update(self, differences: NDArray[np.float64]) -> None:
        """differences: mean absolute luma difference per cell, grey levels."""
        level = _quantile(differences.astype(np.float32).ravel(), 0.25)
        self.level = min(self._CAP, 0.8 * self.level + 0.2 * max(0.3, level))

    @property
    def slack(self) -> float:
        """Factor on the tolerances."""
        return 1.0 + max(0.0, self.level - 1.5) * 0.25


class Lit(NamedTuple):
    """A frame, and the (rows, cols) mean luma of its cells, grey levels."""

    frame: RawFrame
    light: NDArray[np.float64]

    @classmethod
    def of(cls, frame: RawFrame, cell: int) -> Lit:
        return cls(frame, _kernels.luma_means(frame, cell))


def compare(
    now: Lit,
    before: Lit,
    cell: int,
    known: BoolGrid,
    slack: float,
    asked: BoolGrid | None = None,
) -> Change:
    """Compare a frame with what was ``before``.

    known: cells of which that is meaningful; exposure is estimated from them. asked: the cells of
    which the answer is wanted, all unless given; of others it may be anything.
    """
    gain = exposure_gain(now.light, before.light, known)
    if asked is None:
        return Change(*_EXCESS.of(_kernels.change(now.frame, before.frame, cell, gain), slack))
    # A shadow is told by the cells around.
    window = CellWindow.around(_kernels.grow(asked, 1))
    a, b = (_part(lit.frame, window, cell) for lit in (now, before))
    excess, texture = np.full((2, *asked.shape), np.inf, np.float32)
    excess[window.index], texture[window.index] = _EXCESS.of(
        _kernels.change(a, b, cell, gain), slack
    )
    return Change(excess, texture)


def _part(frame: RawFrame, window: CellWindow, cell: int) -> RawFrame:
    """What ``frame`` shows in ``window``, in the same memory."""
    y0, x0 = window.row0 * cell, window.col0 * cell
    y1, x1 = min(window.row1 * cell, frame.height), min(window.col1 * cell, frame.width)
    step = 2 if frame.pixel_format is PixelFormat.NV12 else 1
    rows = slice(y0 // 2, (y1 + 1) // 2)
    cols = slice(x0 // 2 * step, (x1 + 1) // 2 * step)
    luma, *chroma = frame.planes
    planes = (luma[y0:y1, x0:x1], *(plane[rows, cols] for plane in chroma))
    return replace(frame, planes=planes, width=x1 - x0, height=y1 - y0)


def exposure_gain(
    light: NDArray[np.float64], before: NDArray[np.float64], known: BoolGrid
) -> int:
    """Median brightness ratio of frame and reference in 1/256; 256 when it cannot be told, or
    when there is hardly a change. light, before: mean luma of each cell."""
    usable = known & (before > _MIN_LIT) & (before < _MAX_LIT)
    if usable.sum() < _MIN_USABLE:
        return NO_GAIN
    ratio = _quantile(light[usable] / before[usable], 0.5)
    gain = round(NO_GAIN * min(_GAIN_RANGE[1], max(_GAIN_RANGE[0], ratio)))
    return gain if abs(gain - NO_GAIN) > 2 else NO_GAIN


def brightened(frame: RawFrame, gain_q8: int) -> RawFrame:
    """``frame`` in a light ``gain_q8`` / 256 times as strong; itself where that is the same."""
    if gain_q8 == NO_GAIN:
        return frame
    luma = cv2.convertScaleAbs(frame.planes[0], alpha=gain_q8 / NO_GAIN)
    return replace(frame, planes=(np.asarray(luma, np.uint8), *frame.planes[1:]))


def _quantile(values: NDArray[Any], share: float) -> float:
    """What numpy.quantile gives of values (n,), in an eighth of the time."""
    below = int((values.size - 1) * share)
    weight = values.dtype.type((values.size - 1) * share - below)
    upper = min(below + 1, values.size - 1)
    ordered = np.partition(values, (below, upper))
    step = ordered[upper] - ordered[below]
    if weight < 0.5:
        return float(ordered[below] + step * weight)
    return float(ordered[upper] - step * (1 - weight))
