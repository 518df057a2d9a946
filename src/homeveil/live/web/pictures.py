"""The picture that leaves, small, as JPEG: made of veiled frames, once for all who look."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import cv2

from homeveil import _kernels
from homeveil.errors import FrameError
from homeveil.frames import VeiledFrame
from homeveil.grid import Box
from homeveil.live.board import Board

MOST_SIDE = 640
"""Pixels of the longer side."""

LEAST_SECONDS = 0.19
"""Between two pictures, so that there are no more than some five a second."""

_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Shot:
    """number: counts from 1. jpeg: no more than MOST_SIDE pixels each way."""

    number: int
    jpeg: bytes


class Pictures:
    """Safe for all threads. Nothing is encoded while nobody asks."""

    def __init__(self, board: Board, least_seconds: float = LEAST_SECONDS) -> None:
        self._board, self._least = board, least_seconds
        self._lock = threading.Lock()
        self._frame: VeiledFrame | None = None
        self._shot: Shot | None = None
        self._made = 0.0

    def latest(self) -> Shot | None:
        """What left last, or did ``least_seconds`` ago; None before the first frame."""
        with self._lock:
            frame, now = self._board.picture(), time.monotonic()
            if frame is None:
                return None
            fresh = self._shot is None or now - self._made >= self._least
            if frame is not self._frame and fresh:
                number = self._shot.number + 1 if self._shot else 1
                self._shot = Shot(number, jpeg_of(frame))
                self._frame, self._made = frame, now
            return self._shot


def jpeg_of(frame: VeiledFrame) -> bytes:
    """``frame`` as JPEG, shrunk to MOST_SIDE; a function of its planes alone. The frame is not
    changed. Raises FrameError for anything but a VeiledFrame."""
    if not isinstance(frame, VeiledFrame):
        raise FrameError(f"the page shows a VeiledFrame, not {type(frame).__name__}")
    scale = min(1.0, MOST_SIDE / max(frame.width, frame.height))
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    rgb = _kernels.thumbnail(frame, Box(0, 0, frame.width, frame.height), size)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    if not done:
        raise FrameError("the picture cannot be encoded as JPEG")
    return data.tobytes()
