"""The veiled picture as a camera of this machine, for programs that expect one."""

from __future__ import annotations

from typing import Any

from homeveil.errors import OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.outputs.newest import Newest
from homeveil.media.sound_track import SoundFormat
from homeveil.pictures import array_from_frame


class VirtualCamera(Newest):
    """device: such as ``/dev/video10``, or empty for the first that there is. Sound does not
    leave here.

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
        super().begin(width, height, frame_rate, sound)

    def _use(self, frame: VeiledFrame) -> None:
        picture = array_from_frame(frame, "rgb")
        self._camera.send(picture)
        self._bytes += picture.nbytes

    def close(self) -> None:
        super().close()
        if self._camera is not None:
            self._camera.close()
