"""From an MPEG transport stream on standard input to a server, packet by packet.

A process of its own: while FFmpeg speaks to a server it may keep every thread of a Python process
from running. The first line on standard input says where to; on standard output stands a line of
JSON whenever something was carried, and the last one says what went wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from homeveil.media import _av

_TELL_SECONDS = 0.25
_ANNOUNCED = ("rtsp",)


def main() -> None:
    """Carry what comes; the exit status says whether all went well."""
    told = json.loads(sys.stdin.buffer.readline())
    carried, next_time = 0, 0.0

    def went(octets: int) -> None:
        nonlocal carried, next_time
        carried += octets
        if time.monotonic() >= next_time:
            next_time = time.monotonic() + _TELL_SECONDS
            _tell({"bytes": carried})

    try:
        remux(sys.stdin.buffer, told["url"], told["form"], went)
        _tell({"bytes": carried})
    except (_av.FFmpegError, OSError, ValueError) as error:
        _tell({"bytes": carried, "error": _av.reason(error)})
        sys.exit(1)


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def remux(source: BinaryIO, url: str, form: str, went: Callable[[int], None]) -> None:
    """source: gives an MPEG transport stream. url, form: where to, as FFmpeg names the form.
    went: told of the bytes of every packet carried. Raises FFmpegError when the other side is
    gone."""
    with (
        _av.open_transport_input(_Unbuffered(source)) as given,
        _av.open_push(url, form) as made,
    ):
        picture, sound = given.streams.video[0], next(iter(given.streams.audio), None)
        carried: dict[int, Any] = {
            picture.index: made.add_stream_from_template(picture, opaque=True)
        }
        again: _Again | None = None
        if sound is not None and form in _ANNOUNCED:
            again = _Again(made, sound)
        elif sound is not None:
            carried[sound.index] = made.add_stream_from_template(sound, opaque=True)
        for packet in given.demux():
            if packet.dts is None:
                continue
            size = packet.size
            if packet.stream.index in carried:
                packet.stream = carried[packet.stream.index]
                made.mux(packet)
            elif again is not None:
                again.take(packet)
            went(size)


class _Again:
    """Sound encoded once more, for a form that must say beforehand how to decode it: in a
    transport stream every packet of AAC says that for itself."""

    def __init__(self, made: _av.OutputContainer, sound: _av.AudioStream) -> None:
        self._decoder = sound.codec_context
        layout, rate = self._decoder.layout.name, self._decoder.sample_rate
        stream = made.add_stream("aac", rate=rate, layout=layout)
        self._made, self._stream = made, stream

    def take(self, packet: Any) -> None:
        """Decode, encode and send one packet."""
        for frame in self._decoder.decode(packet):
            self._made.mux(self._stream.encode(frame))


class _Unbuffered:
    """Gives what is there, without waiting for as much as was asked for."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        return self._source.read1(size)  # type: ignore[attr-defined,no-any-return]


if __name__ == "__main__":
    main()
