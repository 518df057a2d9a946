"""How far a mouth is open, from the landmarks of a face.

Landmark numbers are those of the MediaPipe face mesh (468 points).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.perceive.landmarks import yaw_degrees

MIN_FACE_PIXELS = 32
"""Of smaller faces nothing is said: their lips are a pixel or two apart."""

MAX_YAW_DEGREES = 30.0
"""Of faces turned further the mesh guesses the lips."""

_UPPER, _LOWER = (82, 13, 312), (87, 14, 317)
"""Inner rims of the lips, each point below another."""

_EYES = (33, 133, 263, 362)
_NOSE = 2


def opening(points: NDArray[np.float32]) -> float | None:
    """Gap between the inner lips in heights of the face from the eyes to the base of the nose,
    which no mouth moves; None where it cannot be said.

    points: (468, 3) landmarks in pixels of any scale and roll. Both lengths lie along the
    face, so that a nod shortens them alike.
    """
    if abs(yaw_degrees(points)) > MAX_YAW_DEGREES:
        return None
    across = points[263, :2] - points[33, :2]
    length = float(np.hypot(*across))
    if length < 1e-3:
        return None
    down = np.array([-across[1], across[0]]) / length
    eyes = points[list(_EYES), :2].mean(0)
    height = float((points[_NOSE, :2] - eyes) @ down)
    # Eyes above the nose, by about as much as they are apart: else it is no face.
    if not 0.15 < height / length < 1.5:
        return None
    gap = points[list(_LOWER), :2].mean(0) - points[list(_UPPER), :2].mean(0)
    return float(gap @ down) / height
