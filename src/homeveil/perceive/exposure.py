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


def exposed(rgb: NDArray[np.uint8], frame: RawFrame) -> NDArray[np.uint8]:
    """``rgb``, (height, width, 3), a look at ``frame``, in the light that models expect.

    The gain is that of the whole frame, so that all looks at it are treated alike.
    """
    mean = float(frame.planes[0][::_STEP, ::_STEP].mean())
    gain = min(MOST_GAIN, TARGET_LUMA / max(mean, 1.0))
    if gain < _LEAST_GAIN:
        return rgb
    return np.asarray(cv2.convertScaleAbs(rgb, alpha=gain), dtype=np.uint8)
