"""The veil: the one place where a raw frame becomes a veiled one.

Every withheld cell is overwritten from a small grid of colours. Under ``veil`` those are
the plate's cell colours, smoothed over the grid and drawn towards a neutral tint; under
``fill`` one colour. Both know nothing of what they hide. Under ``soft`` they are averages
of the hidden picture over blocks so large that at most six span a person, held in time:
the one style that carries a trace, for those who choose it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.frames import _SEAL, RawFrame, VeiledFrame
from homeveil.grid import BoolGrid, Grid
from homeveil.policy import Policy, Style

NEUTRAL = (112, 128, 128)
"""Y, U, V of the tint and of places that never had a plate."""

TINT = 0.6
"""Share of the tint in the veil."""

SMOOTHING_CELLS = 9.0
"""Standard deviation of the smoothing over the grid, in cells."""

SOFT_HOLD_SECONDS = 0.5

Colours = NDArray[np.uint8]
"""(rows, cols, 3) Y, U, V of each cell."""


class Veil:
    """Paints. ``frame`` is painted in place: its hidden pixels are gone afterwards."""

    def __init__(self, grid: Grid, policy: Policy) -> None:
        self._grid = grid
        self._style = policy.style
        self._fill = np.array(yuv(policy.fill_colour), np.uint8)
        self._blocks = policy.soft_blocks
        self._held: tuple[float, Colours] | None = None

    def paint(
        self,
        frame: RawFrame,
        withheld: BoolGrid,
        plate_colours: Colours,
        has_plate: BoolGrid,
        *,
        agent: BoolGrid | None = None,
        fault: bool = False,
    ) -> VeiledFrame:
        """Veil ``frame``, whose planes must be writable and nobody else's.

        withheld: cells to paint over. plate_colours: mean colour of each cell's plate,
        used where ``has_plate``. agent: cells that are the agent's, where they are shown. fault:
        the frame is withheld whole for a failure.
        """
        if fault:
            withheld = np.ones(self._grid.shape, bool)
        shown = np.zeros_like(withheld) if agent is None else agent & ~withheld
        if withheld.any():
            colours, smooth = self._colours(frame, withheld, plate_colours, has_plate, fault)
            _kernels.paint(frame, self._grid.cell, withheld, colours, smooth)
        return VeiledFrame(
            frame.planes,
            frame.pixel_format,
            frame.width,
            frame.height,
            frame.time,
            frame.colour,
            withheld=withheld,
            agent=shown,
            fault=fault,
            seal=_SEAL,
        )

    def card(self, frame: RawFrame) -> VeiledFrame:
        """The whole frame in one colour: for faults before anything was ever cleared."""
        blank = np.zeros(self._grid.shape, bool)
        colours = np.zeros((*self._grid.shape, 3), np.uint8)
        return self.paint(frame, ~blank, colours, blank, fault=True)

    def _colours(
        self,
        frame: RawFrame,
        withheld: BoolGrid,
        plate_colours: Colours,
        has_plate: BoolGrid,
        fault: bool,
    ) -> tuple[Colours, bool]:
        if self._style is Style.SOFT and not fault:
            return self._soft(frame, withheld), False
        if self._style is Style.FILL:
            return np.broadcast_to(self._fill, (*self._grid.shape, 3)).copy(), False
        return frosted(plate_colours, has_plate), True

    def _soft(self, frame: RawFrame, withheld: BoolGrid) -> Colours:
        """Averages over blocks sized to the widest hidden patch, renewed twice a second."""
        seconds = frame.time.seconds
        if self._held is not None and 0 <= seconds - self._held[0] < SOFT_HOLD_SECONDS:
            return self._held[1]
        means = _kernels.cell_means(frame, self._grid.cell).astype(np.float32)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            withheld.astype(np.uint8), connectivity=8
        )
        colours = np.broadcast_to(np.array(NEUTRAL, np.float32), means.shape).copy()
        for number in range(1, count):
            left, top, width, height, _ = stats[number]
            # Counted over the narrow side: one person of a group is never wider than it.
            size = max(2, -(-max(min(width, height), 2) // self._blocks))
            for row in range(top, top + height, size):
                for col in range(left, left + width, size):
                    block = (slice(row, row + size), slice(col, col + size))
                    inside = labels[block] == number
                    if inside.any():
                        colours[block][inside] = means[block][inside].mean(0)
        painted: Colours = np.rint(colours).astype(np.uint8)
        self._held = (seconds, painted)
        return painted


def frosted(plate_colours: Colours, has_plate: BoolGrid) -> Colours:
    """Plate colours smoothed over the grid, filled in where there is no plate, and tinted."""
    weight = has_plate.astype(np.float32)
    sigma = SMOOTHING_CELLS
    blurred_weight = cv2.GaussianBlur(weight, (0, 0), sigma)
    colours = np.empty((*has_plate.shape, 3), np.float32)
    for channel in range(3):
        neutral = float(NEUTRAL[channel])
        plane = (plate_colours[..., channel].astype(np.float32) - neutral) * weight
        smooth = cv2.GaussianBlur(plane, (0, 0), sigma)
        colours[..., channel] = neutral + (1 - TINT) * smooth / np.maximum(blurred_weight, 0.05)
    painted: Colours = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    return painted


def yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Y, U, V of R, G, B: limited-range BT.601 (ITU-R BT.601-7)."""
    red, green, blue = rgb
    y = 16 + 65.481 * red / 255 + 128.553 * green / 255 + 24.966 * blue / 255
    u = 128 - 37.797 * red / 255 - 74.203 * green / 255 + 112.0 * blue / 255
    v = 128 + 112.0 * red / 255 - 93.786 * green / 255 - 18.214 * blue / 255
    return round(y), round(u), round(v)
