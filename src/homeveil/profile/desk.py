"""What is known of the desk: where it is, and a coarse look of it when it was clean."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ProfileError

MOST_CORNERS = 32
MOST_PIXELS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class DeskTemplate:
    """The desk zone as it was enrolled.

    polygon: corners as shares (x, y) of the frame's width and height.
    clean: uint8 (height, width, 3) RGB, read-only: the surroundings of the polygon in veiled
        frames, a few thousand pixels of desk; 0, 0, 0 where it was never seen. No person was
        in it, and the file is encrypted.
    """

    polygon: tuple[tuple[float, float], ...]
    clean: NDArray[np.uint8] = field(repr=False)

    def __post_init__(self) -> None:
        polygon = tuple((float(x), float(y)) for x, y in self.polygon)
        if not 3 <= len(polygon) <= MOST_CORNERS:
            raise ProfileError(f"profile: a desk zone has 3 to {MOST_CORNERS} corners")
        if not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in polygon):
            raise ProfileError("profile: a corner of the desk zone lies outside the frame")
        clean = np.array(self.clean, np.uint8, order="C")
        if clean.ndim != 3 or clean.shape[2] != 3 or not 0 < clean[..., 0].size <= MOST_PIXELS:
            raise ProfileError(f"profile: the clean desk is {clean.shape}, expected (h, w, 3)")
        clean.flags.writeable = False
        object.__setattr__(self, "polygon", polygon)
        object.__setattr__(self, "clean", clean)
