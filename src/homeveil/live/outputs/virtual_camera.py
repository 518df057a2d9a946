"""The veiled picture as a camera of this machine, for programs that expect one."""

from __future__ import annotations

import threading
from typing import Any

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.media.sound_track import SoundFormat
from homeveil.pictures import array_from_frame


class VirtualCamera:
    """A :class:`homeveil.live.output.LiveOutput`. device: such as ``/dev/video10``, or empty for
    the first that there is. Only the newest frame waits. Sound does not leave here.

    Raises UsageError when pyvirtualcam is not installed, OutputError when there is no device.
    """

    def __init__(self, device: str = "") -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UsageError(
                "a virtual camera needs pyvirtualcam: `pip install 'homeveil[virtualcam]'`"
            ) from error
        self._module: Any = pyvirtualcam
        self._device = device
        self._camera: Any = None
        self._news = threading.Condition()
        self._frame: VeiledFrame | None = None
        self._ended = False
        self._bytes = self._dropped = 0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="virtual camera", daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """Raises OutputError when the device cannot be had."""
        try:
            self._camera = self._module.Camera(
                width=width,
                height=height,
                fps=frame_rate,
                fmt=self._module.PixelFormat.RGB,
                device=self._device or None,
            )
        except (RuntimeError, ValueError) as error:
            raise OutputError(
                f"virtual camera {self._device or '(any)'}: cannot be opened ({error}); on Linux "
                "load v4l2loopback: `modprobe v4l2loopback exclusive_caps=1`"
            ) from error
        self._thread.start()

    def take(self, frame: VeiledFrame) -> None:
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"an output takes a VeiledFrame, not {type(frame).__name__}")
        with self._news:
            self._dropped += self._frame is not None
            self._frame = frame
            self._news.notify()

    def hear(self, sound: VeiledAudio) -> None:
        """There is no sound in a virtual camera."""

    def status(self) -> OutputStatus:
        going = self._thread.is_alive()
        return OutputStatus("virtual camera", going, self._bytes, self._dropped, self._trouble)

    def waiting(self) -> int:
        return int(self._frame is not None)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._frame is not None or self._ended)
                frame, self._frame = self._frame, None
            if frame is None:
                return
            picture = array_from_frame(frame, "rgb")
            try:
                self._camera.send(picture)
            except (RuntimeError, OSError) as error:
                self._trouble = f"the virtual camera takes nothing more ({error})"
                return
            self._bytes += picture.nbytes

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if self._camera is not None:
            self._camera.close()
