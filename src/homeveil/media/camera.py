"""Frames from a camera of this machine, through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from homeveil import _kernels
from homeveil.errors import InputError
from homeveil.frames import Colour, PixelFormat, RawFrame, Timestamp


def camera_frames(number: int, seconds: float) -> Iterator[RawFrame]:
    """Frames of camera ``number`` for ``seconds``; InputError when it cannot be opened or
    stops giving frames."""
    import cv2

    capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise InputError(
                f"camera {number}: cannot be opened; check that it is plugged in, that no other "
                "program holds it, and that you may read /dev/video*"
            )
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            good, picture = capture.read()
            if not good:
                raise InputError(f"camera {number}: stopped giving frames; plug it in again")
            height, width = picture.shape[:2]
            planes = _kernels.from_rgb(np.asarray(picture, np.uint8), bgr=True)
            stamp = Timestamp.from_seconds(now)
            yield RawFrame(planes, PixelFormat.I420, width, height, stamp, Colour(matrix=6))
    finally:
        capture.release()
