"""A camera and a microphone of this machine, fed as they come: the camera through OpenCV, the
microphone through PortAudio (the ``sounddevice`` package, where it is installed)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import InputError, UsageError
from homeveil.media.feed import EncodedSoundForm, FeedPacket, FeedWriter, Kind, PictureForm
from homeveil.media.live_source import LiveSource

_MICROSECOND = 1_000_000
SOUND_RATE = 48_000
_BLOCK_SECONDS = 0.02


class _Locked:
    """One feed for two threads."""

    def __init__(self, feed: FeedWriter) -> None:
        self._feed, self._lock = feed, threading.Lock()

    def send(self, kind: Kind, data: bytes, seconds: float) -> None:
        ticks = round(seconds * _MICROSECOND)
        with self._lock:
            self._feed.packet(FeedPacket(kind, data, ticks, ticks, True))


def feed_device(source: LiveSource, feed: FeedWriter) -> None:
    """Feed from a device until it is lost. Raises InputError, UsageError."""
    import cv2

    capture = _open(source)
    with ExitStack() as stack:
        stack.callback(capture.release)
        _set_up(capture, source)
        first = _picture(capture, source)
        height, width = first.shape[:2]
        rate = capture.get(cv2.CAP_PROP_FPS)
        sound = (
            EncodedSoundForm(SOUND_RATE, 1, "pcm_f32le") if source.microphone is not None else None
        )
        feed.forms(
            PictureForm(
                width,
                height,
                Fraction(rate).limit_denominator(1000) if 0 < rate <= 240 else None,
                "rawvideo",
                "yuv420p",
            ),
            sound,
        )
        locked = _Locked(feed)
        if source.microphone is not None:
            stack.enter_context(open_microphone(source.microphone, locked.send))
        while True:
            picture = _picture(capture, source)
            if picture.shape[:2] != (height, width):
                raise InputError(f"{source.place}: the camera changed its size; starting anew")
            planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
            locked.send(Kind.PICTURE, planes.tobytes(), time.monotonic())


def _open(source: LiveSource) -> Any:
    import cv2

    return cv2.VideoCapture(source.place, cv2.CAP_V4L2)


def _set_up(capture: Any, source: LiveSource) -> None:
    import cv2

    if not capture.isOpened():
        raise InputError(
            f"{source.place}: cannot be opened; check that the camera is plugged in, that no other "
            "program holds it, and that you may read it (group video)"
        )
    # Compressed on the wire: most cameras give their larger sizes at full rate only so.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if source.size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, source.size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, source.size[1])
    if source.frame_rate is not None:
        capture.set(cv2.CAP_PROP_FPS, source.frame_rate)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)


def _picture(capture: Any, source: LiveSource) -> NDArray[np.uint8]:
    """Height and width even."""
    good, picture = capture.read()
    if not good:
        raise InputError(f"{source.place}: the camera stopped giving pictures; plug it in again")
    array: NDArray[np.uint8] = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    return array


def open_microphone(name: str, send: Callable[[Kind, bytes, float], None]) -> Any:
    """A context in which blocks of float32 at SOUND_RATE come to ``send``, with the moment of
    their first sample, from a thread of PortAudio's. name: of a device, or its number; empty or
    ``default`` for the system's own choice. Raises InputError, UsageError."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UsageError(
            "a microphone needs PortAudio: `pip install 'homeveil[microphone]'` and your system's "
            f"libportaudio2 ({error})"
        ) from error

    def take(block: NDArray[np.float32], _count: int, _times: Any, _status: Any) -> None:
        now = time.monotonic() - len(block) / SOUND_RATE
        send(Kind.SOUND, np.ascontiguousarray(block[:, 0]).tobytes(), now)

    device: int | str | None = int(name) if name.isdigit() else name
    if name in ("", "default"):
        device = None
    try:
        return sounddevice.InputStream(
            device=device,
            samplerate=SOUND_RATE,
            blocksize=round(SOUND_RATE * _BLOCK_SECONDS),
            channels=1,
            dtype="float32",
            callback=take,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise InputError(
            f"microphone {name or '(default)'}: cannot be opened ({error}); "
            "`python -m sounddevice` lists what there is"
        ) from error
