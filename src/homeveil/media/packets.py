"""Packets of one stream, past damage, to the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homeveil.errors import InputError
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


def payload_sha256(path: Path, origin: float, step: float) -> list[tuple[int, str]]:
    """What a file holds, decoded by nobody: for each stretch of ``step`` seconds from
    ``origin`` on, by number, a SHA-256 over the payload of its packets. Raises InputError."""
    digests: dict[int, Any] = {}
    try:
        with _av.open_input(path) as container:
            for packet in container.demux():
                if not packet.size:
                    continue
                ticks = packet.pts if packet.pts is not None else packet.dts
                seconds = float((ticks or 0) * (packet.time_base or 0))
                index = max(0, int((seconds - origin) // step))
                digest = digests.setdefault(index, hashlib.sha256())
                digest.update(f"{packet.stream.index} {packet.size} ".encode())
                digest.update(bytes(packet))
    except (_av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({_av.reason(error)})") from error
    return [(index, digests[index].hexdigest()) for index in sorted(digests)]
