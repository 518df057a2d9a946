"""Face landmarks: alignment for the embedding, head turn, and ratios.

Landmark numbers are those of the MediaPipe face mesh (468 points).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = (263, 362, 33, 133, 2)
"""Outer and inner corner of the left eye, of the right eye, base of the nose."""

# dlib's mean face for five points (dlib, get_face_chip_details), in units of the chip
# before padding; a fact of the network we feed, not ours to choose.
_REFERENCE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)

CHIP_SIDE = 150
CHIP_PADDING = 0.25

RATIOS = ("cheeks_to_height", "eyes_to_cheeks", "nose_to_height", "mouth_to_cheeks")


def chip_transform(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """(2, 3) affine that maps chip pixels to picture pixels.

    points: (468, 3) landmarks in picture pixels. Least-squares similarity after
    Umeyama (1991).
    """
    target = (CHIP_PADDING + _REFERENCE) / (2 * CHIP_PADDING + 1) * CHIP_SIDE
    source = points[list(ALIGNMENT), :2].astype(np.float64)
    # Solved from chip to picture, the direction in which the chip is sampled.
    centre_from, centre_to = target.mean(0), source.mean(0)
    a, b = target - centre_from, source - centre_to
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = u @ sign @ vt
    scale = (singular * np.diag(sign)).sum() / (a**2).sum()
    linear = scale * rotation
    return np.hstack([linear, (centre_to - linear @ centre_from)[:, None]])


def yaw_degrees(points: NDArray[np.float32]) -> float:
    """Turn of the head to the side: 0 is frontal, positive towards picture right.

    From where the tip of the nose (1) lies between the cheeks (234, 454): a head is
    roughly a cylinder, so that offset is the sine of the turn.
    """
    left, right, nose = points[234, :2], points[454, :2], points[1, :2]
    across = right - left
    length = float(np.hypot(*across))
    if length < 1e-3:
        return 90.0
    along = float(np.dot(nose - (left + right) / 2, across)) / length
    # The tip stands out by some 0.6 of the half width in front of the axis.
    return float(np.degrees(np.arcsin(np.clip(along / (0.6 * length), -1.0, 1.0))))


def face_ratios(points: NDArray[np.float32]) -> dict[str, float]:
    """Anthropometric ratios of a frontal face, see ``RATIOS``; unitless."""

    def span(first: int, second: int) -> float:
        return float(np.hypot(*(points[first, :2] - points[second, :2])))

    eyes = (points[33, :2] + points[263, :2]) / 2
    height = float(np.hypot(*(points[152, :2] - eyes)))
    cheeks = span(234, 454)
    if height < 1e-3 or cheeks < 1e-3:
        return dict.fromkeys(RATIOS, float("inf"))
    nose = float(np.hypot(*(points[2, :2] - eyes)))
    return {
        "cheeks_to_height": cheeks / height,
        "eyes_to_cheeks": span(33, 263) / cheeks,
        "nose_to_height": nose / height,
        "mouth_to_cheeks": span(61, 291) / cheeks,
    }
