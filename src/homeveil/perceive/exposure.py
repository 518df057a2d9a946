"""Dark pictures are brightened for the models, which were trained in good light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.frames import RawFrame

TARGET_LUMA = 105.0
MOST_GAIN = 2.5
_LEAST_GAIN = 1.1
_STEP = 8


def gain_for(frame: RawFrame) -> float:
    """What brings ``frame`` into the light that models expect: one gain for all looks at it, so
    that they are treated alike."""
    mean = float(frame.planes[0][::_STEP, ::_STEP].mean())
    return min(MOST_GAIN, TARGET_LUMA / max(mean, 1.0))


def exposed(rgb: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    """``rgb``, (height, width, 3), brightened where that is worth it."""
    if gain < _LEAST_GAIN:
        return rgb
    return np.asarray(cv2.convertScaleAbs(rgb, alpha=gain), dtype=np.uint8)
