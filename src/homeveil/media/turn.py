"""How stored pictures are turned and mirrored to stand upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil.frames import Plane


@dataclass(frozen=True, slots=True)
class Turn:
    """How stored planes become upright: transpose first, then mirror.

    ``transpose`` swaps rows and columns; ``mirror_x`` and ``mirror_y`` then reverse
    columns and rows. The eight combinations are all that right angles and mirrors give.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def __bool__(self) -> bool:
        return self.transpose or self.mirror_x or self.mirror_y

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Turn:
        """From a display matrix (ISO/IEC 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy),
        nine 32-bit numbers; other angles go to the nearest right one."""
        a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height upright of what is stored as ``width`` x ``height``, or the other
        way round."""
        return (height, width) if self.transpose else (width, height)

    def plane(self, plane: Plane, samples: int) -> Plane:
        """``plane`` upright in memory of its own; ``samples`` interleaved per column."""
        pixels: NDArray[np.uint8] = plane.reshape(plane.shape[0], -1, samples)
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        pixels = pixels[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]
        return np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)


UPRIGHT = Turn()
