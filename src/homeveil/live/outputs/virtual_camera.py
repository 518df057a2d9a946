"""The veiled picture as a camera of this machine, for programs that expect one."""

from __future__ import annotations

import contextlib
from typing import Any

from homeveil.errors import OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.outputs.newest import Newest
from homeveil.media.sound_track import SoundFormat
from homeveil.pictures import array_from_frame


class VirtualCamera(Newest):
    """device: such as ``/dev/video10``, or empty for the first that there is. Sound does not
    leave here. After a failure the device is opened anew.

    Raises UsageError when pyvirtualcam is not installed.
    """

    def __init__(self, device: str = "") -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UsageError(
                "a virtual camera needs pyvirtualcam: `pip install 'homeveil[virtualcam]'`"
            ) from error
        super().__init__("virtual camera")
        self._module: Any = pyvirtualcam
        self._device = device
        self._camera: Any = None
        self._form = 0, 0, 0.0

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """Raises OutputError when the device cannot be had."""
        self._form = width, height, frame_rate
        try:
            self._camera = self._open()
        except (RuntimeError, ValueError) as error:
            raise OutputError(
                f"virtual camera {self._device or '(any)'}: cannot be opened ({error}); on Linux "
                "load v4l2loopback: `modprobe v4l2loopback exclusive_caps=1`"
            ) from error
        super().begin(width, height, frame_rate, sound)

    def _open(self) -> Any:
        width, height, frame_rate = self._form
        return self._module.Camera(
            width=width,
            height=height,
            fps=frame_rate,
            fmt=self._module.PixelFormat.RGB,
            device=self._device or None,
        )

    def _use(self, frame: VeiledFrame) -> None:
        if self._camera is None:
            self._camera = self._open()
        picture = array_from_frame(frame, "rgb")
        try:
            self._camera.send(picture)
        except Exception:
            self._let_go()
            raise
        self._bytes += picture.nbytes

    def _let_go(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            # Of a device that is gone there may be nothing to close any more.
            with contextlib.suppress(Exception):
                camera.close()

    def close(self) -> None:
        super().close()
        self._let_go()
