"""The veiled stream to a server, such as MediaMTX, without encoding it again."""

from __future__ import annotations

from urllib.parse import urlsplit

from homeveil.errors import UsageError
from homeveil.live.outputs.broadcast import Broadcast, Subscription
from homeveil.live.outputs.carrier import Carrier
from homeveil.media.remux import Remux

_FORMATS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "udp": "mpegts",
    "tcp": "mpegts",
    "srt": "mpegts",
}


class Push(Carrier):
    """url: where to; its scheme chooses the form. Raises UsageError."""

    def __init__(self, broadcast: Broadcast, url: str) -> None:
        parts = urlsplit(url)
        form = _FORMATS.get(parts.scheme)
        if form is None or not parts.hostname:
            raise UsageError(
                f"--stream takes {', '.join(_FORMATS)} addresses, not {parts.scheme or url[:40]!r}"
            )
        place = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        super().__init__(broadcast, f"stream to {parts.scheme}://{place}")
        self._url, self._form = url, form

    def _carry(self, reader: Subscription) -> None:
        def read(_size: int) -> bytes:
            chunk = self._next(reader)
            return chunk.data if chunk is not None else b""

        Remux(read, self._url, self._form, self._went).run()
