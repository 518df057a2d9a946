"""Where a live session's veiled frames and sound go."""

from __future__ import annotations

from typing import Protocol

from homeveil.audio import VeiledAudio
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.media.sound_track import SoundFormat


class LiveOutput(Protocol):
    """Takes frames and sound in order. ``begin`` once, first. Nothing here may wait or raise:
    an output that is slow or gone loses what is its own and tells in ``status``. What is taken
    must stay as it is."""

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """What will come. All frames have this size."""

    def take(self, frame: VeiledFrame) -> None:
        """Take one frame."""

    def hear(self, sound: VeiledAudio) -> None:
        """Take one stretch of sound."""

    def status(self) -> OutputStatus:
        """How it fares."""

    def waiting(self) -> int:
        """Frames that wait in it."""

    def close(self) -> None:
        """End it, within a few seconds."""
