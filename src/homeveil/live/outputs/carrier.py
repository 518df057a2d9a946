"""A thread that carries the encoded stream somewhere, and comes back by itself when that place
was gone."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod

from homeveil.audio import VeiledAudio
from homeveil.errors import HomeveilError, OutputError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.broadcast import Broadcast, Chunk, Subscription
from homeveil.media import _av
from homeveil.media.sound_track import SoundFormat

_log = logging.getLogger("homeveil")

RETRY_SECONDS = (0.5, 3.0)
"""First and longest wait before the place is tried again."""

_END_SECONDS = 4.0


class Carrier:
    """A :class:`homeveil.live.output.LiveOutput` that reads along with a broadcast. Subclasses
    carry."""

    def __init__(self, broadcast: Broadcast, name: str) -> None:
        self._broadcast, self._name = broadcast, name
        self._reader: Subscription | None = None
        self._bytes = 0
        self._dropped = 0
        self._going = False
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        self._thread.start()

    def take(self, frame: VeiledFrame) -> None:
        """It comes encoded."""

    def hear(self, sound: VeiledAudio) -> None:
        """It comes encoded."""

    def status(self) -> OutputStatus:
        dropped = self._dropped + (self._reader.dropped if self._reader is not None else 0)
        going = self._going and self._broadcast.fed
        return OutputStatus(self._name, going, self._bytes, dropped, self._trouble)

    def waiting(self) -> int:
        return self._reader.waiting if self._reader is not None else 0

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)
        reader = self._reader
        if reader is not None:
            reader.close()

    def _run(self) -> None:
        wait = RETRY_SECONDS[0]
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._reader = reader = self._broadcast.subscribe()
            try:
                self._carry(reader)
                return
            except (OutputError, _av.FFmpegError, OSError, ValueError) as error:
                said = str(error) if isinstance(error, HomeveilError) else _av.reason(error)
                if not self._trouble:
                    _log.warning("%s: %s; trying again", self._name, said)
                self._trouble = said
            finally:
                self._going = False
                reader.close()
                self._dropped += reader.dropped
                self._reader = None
            if time.monotonic() - begun > RETRY_SECONDS[1]:
                wait = RETRY_SECONDS[0]
            self._stopping.wait(wait)
            wait = min(2 * wait, RETRY_SECONDS[1])

    @abstractmethod
    def _carry(self, reader: Subscription) -> None:
        """Carry chunks until the end of the stream or of the output. Whatever is raised is told,
        and the place is tried again."""

    def _next(self, reader: Subscription) -> Chunk | None:
        """The next chunk; None at the end."""
        while True:
            # What was encoded before the end still counts.
            chunk = reader.next_chunk(0.2)
            if chunk is not None:
                return chunk if chunk.data else None
            if self._stopping.is_set():
                return None

    def _went(self, octets: int) -> None:
        """So much was carried: all is well."""
        if not self._going:
            if self._trouble:
                _log.info("%s: is back", self._name)
            self._going, self._trouble = True, ""
        self._bytes += octets
