"""Where veiled frames go."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from homeveil.frames import VeiledFrame


@runtime_checkable
class Sink(Protocol):
    """Takes veiled frames in order. Life: ``write`` any number of times, then once
    ``commit`` (what was written counts) or ``abort`` (none of it does)."""

    def write(self, frame: VeiledFrame) -> None:
        """Take one frame. Raises UsageError for anything but a VeiledFrame."""

    def commit(self) -> None:
        """All frames were written; make the result visible. Raises OutputError."""

    def abort(self) -> None:
        """Leave nothing behind. Never raises; harmless after ``commit``."""
