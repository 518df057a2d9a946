"""From one container to another, packet by packet, without decoding."""

from __future__ import annotations

from collections.abc import Callable

from homeveil.media import _av


class Remux:
    """read: gives bytes of an MPEG transport stream, up to any number, empty at the end. url,
    form: where to, as FFmpeg names the form. went: told of the bytes of every packet carried.

    ``run`` goes on to the end of the stream. Raises FFmpegError when the other side is gone.
    """

    def __init__(
        self, read: Callable[[int], bytes], url: str, form: str, went: Callable[[int], None]
    ) -> None:
        self._read, self._url, self._form, self._went = _Buffered(read), url, form, went

    def run(self) -> None:
        """Carry all that comes."""
        with (
            _av.open_transport_input(self._read) as source,
            _av.open_push(self._url, self._form) as target,
        ):
            streams = {
                stream.index: target.add_stream_from_template(stream, opaque=True)
                for stream in source.streams
                if stream.type in ("video", "audio")
            }
            for packet in source.demux():
                if packet.dts is None or packet.stream.index not in streams:
                    continue
                size = packet.size
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
                self._went(size)


class _Buffered:
    """FFmpeg asks for as many bytes as it likes; chunks come as they are."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._source, self._rest = read, b""

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = self._source(size)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
