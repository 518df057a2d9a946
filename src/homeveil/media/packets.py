"""Packets of one stream, past damage, to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeveil.media import _av

_MOST_READ_ERRORS = 3


class Packets:
    """Iterates the packets of ``stream``, then gives None to flush the decoder.

    A part of the file that cannot be read is skipped; several in a row end it. damaged:
    how many were skipped. cut: the end was damage, not the end of the file.
    """

    def __init__(
        self, container: _av.InputContainer, stream: _av.VideoStream | _av.AudioStream
    ) -> None:
        self._container, self._stream = container, stream
        self.damaged = 0
        self.cut = False

    def __iter__(self) -> Iterator[_av.Packet[Any] | None]:
        errors_in_a_row = 0
        while errors_in_a_row < _MOST_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        errors_in_a_row = 0
                        yield packet
                break
            except _av.FFmpegError:
                self.damaged += 1
                errors_in_a_row += 1
        self.cut = errors_in_a_row > 0
        yield None
