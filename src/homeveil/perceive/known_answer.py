"""A drawn person, whom every network that looks for people must see before it is trusted.

Hashes tell that a file is the one meant; not that what runs it, on this processor, gives its
answers, nor that a model of the user's own looks for people at all. One that sees nobody anywhere
would clear the whole room.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Ellipse = tuple[float, float, float, float]
"""Middle and half axes, in heights of the picture, from the middle of its upper edge."""

HEAD: Ellipse = (0.0, 0.38, 0.09, 0.13)
CHEST: Ellipse = (0.0, 0.88, 0.18, 0.1)
"""What lies well inside the drawn head and body."""

_WALL, _HAIR, _SHIRT = (150, 160, 165), (50, 36, 30), (60, 80, 130)
_NECK, _SKIN, _SHADE, _LIPS = (190, 140, 115), (215, 165, 140), (190, 135, 115), (165, 80, 80)
_WHITE, _IRIS = (235, 232, 228), (50, 35, 25)
_PARTS: tuple[tuple[Ellipse, tuple[int, int, int]], ...] = (
    ((0.0, 0.36, 0.135, 0.185), _HAIR),
    ((0.0, 1.05, 0.36, 0.4), _SHIRT),
    ((0.0, 0.58, 0.06, 0.13), _NECK),
    ((0.0, 0.4, 0.105, 0.15), _SKIN),
    *(
        part
        for side in (-0.043, 0.043)
        for part in (
            ((side, 0.375, 0.022, 0.01), _WHITE),
            ((side, 0.375, 0.01, 0.01), _IRIS),
            ((side, 0.347, 0.027, 0.006), _HAIR),
        )
    ),
    ((0.0, 0.425, 0.013, 0.022), _SHADE),
    ((0.0, 0.475, 0.035, 0.01), _LIPS),
    ((0.0, 0.255, 0.11, 0.06), _HAIR),
)
_BITS = 4


@cache
def drawn_person(width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB, read-only: head and shoulders before a wall."""
    rgb = np.full((height, width, 3), _WALL, np.uint8)
    for part, colour in _PARTS:
        _fill(rgb, part, colour)
    soft = np.asarray(cv2.GaussianBlur(rgb, (0, 0), max(0.6, height / 250)), dtype=np.uint8)
    soft.flags.writeable = False
    return soft


def pixels_of(part: Ellipse, width: int, height: int) -> NDArray[np.bool_]:
    """(height, width): the pixels of a part of the drawn person."""
    mask = np.zeros((height, width), np.uint8)
    _fill(mask, part, (1,))
    return mask.astype(bool)


def _fill(picture: NDArray[np.uint8], part: Ellipse, colour: tuple[int, ...]) -> None:
    height, width = picture.shape[:2]
    x, y, across, down = (round(side * height * 2**_BITS) for side in part)
    middle = (x + width * 2 ** (_BITS - 1), y)
    cv2.ellipse(picture, middle, (across, down), 0, 0, 360, colour, -1, cv2.LINE_AA, _BITS)
