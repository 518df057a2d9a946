"""The encoded stream for programs of this machine that fetch it, and what they fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable

from homeveil.audio import VeiledAudio
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.broadcast import Broadcast, Subscription
from homeveil.media.sound_track import SoundFormat


class Served:
    """A :class:`homeveil.live.output.LiveOutput` that the loopback server takes its stream from."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._lock = threading.Lock()
        self._readers: list[_Counted] = []
        self._bytes = self._dropped = 0

    def subscribe(self) -> _Counted:
        """A new client's place in the stream."""
        reader = _Counted(self._broadcast.subscribe(), self._leave)
        with self._lock:
            self._readers.append(reader)
        return reader

    def _leave(self, reader: _Counted) -> None:
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._bytes += reader.bytes
                self._dropped += reader.dropped

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """Nothing is to be done."""

    def take(self, frame: VeiledFrame) -> None:
        """It comes encoded."""

    def hear(self, sound: VeiledAudio) -> None:
        """It comes encoded."""

    def status(self) -> OutputStatus:
        with self._lock:
            octets = self._bytes + sum(reader.bytes for reader in self._readers)
            dropped = self._dropped + sum(reader.dropped for reader in self._readers)
            return OutputStatus("stream on loopback", self._broadcast.fed, octets, dropped)

    def waiting(self) -> int:
        with self._lock:
            return sum(reader.waiting for reader in self._readers)

    def close(self) -> None:
        """Clients come to the end with the broadcast."""


class _Counted:
    """One client's place. bytes: fetched so far."""

    def __init__(self, reader: Subscription, leave: Callable[[_Counted], None]) -> None:
        self._reader, self._leave = reader, leave
        self.bytes = 0

    @property
    def dropped(self) -> int:
        """Chunks the client was too slow for."""
        return self._reader.dropped

    @property
    def waiting(self) -> int:
        """Chunks not fetched yet."""
        return self._reader.waiting

    def next(self, timeout: float) -> bytes | None:
        """See :class:`homeveil.live.outputs.broadcast.Subscription`."""
        data = self._reader.next(timeout)
        self.bytes += len(data or b"")
        return data

    def close(self) -> None:
        """Stop fetching."""
        self._reader.close()
        self._leave(self)
