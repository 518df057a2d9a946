"""One encoded stream to many readers. Each begins at a key frame, and a reader that is too slow
goes on at a later one: nobody is waited for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

MOST_WAITING_BYTES = 8 * 2**20


class Chunk(NamedTuple):
    """Whole transport packets. key: a decoder can begin here. seconds: of the stream, when the
    chunk was made."""

    data: bytes
    key: bool
    seconds: float


class Subscription:
    """One reader's place in the stream. dropped: chunks it was too slow for."""

    def __init__(self, leave: Callable[[Subscription], None]) -> None:
        self._leave = leave
        self._news = threading.Condition()
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._begun = False
        self._ended = False
        self.dropped = 0

    def put(self, chunk: Chunk) -> None:
        """Take one chunk; never waits."""
        with self._news:
            if self._bytes + len(chunk.data) > MOST_WAITING_BYTES:
                self.dropped += len(self._chunks)
                self._chunks.clear()
                self._bytes = 0
                self._begun = False
            self._begun = self._begun or chunk.key
            if not self._begun:
                self.dropped += 1
                return
            self._chunks.append(chunk)
            self._bytes += len(chunk.data)
            self._news.notify_all()

    def next_chunk(self, timeout: float) -> Chunk | None:
        """The next chunk, waited for; None after ``timeout`` seconds. One without data is the
        end."""
        with self._news:
            self._news.wait_for(lambda: self._chunks or self._ended, timeout)
            if self._chunks:
                chunk = self._chunks.popleft()
                self._bytes -= len(chunk.data)
                return chunk
            return Chunk(b"", False, 0.0) if self._ended else None

    def next(self, timeout: float) -> bytes | None:
        """The data of the next chunk; None after ``timeout`` seconds, empty at the end."""
        chunk = self.next_chunk(timeout)
        return None if chunk is None else chunk.data

    @property
    def waiting(self) -> int:
        """Chunks not read yet."""
        return len(self._chunks)

    def end(self) -> None:
        """Nothing more comes."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def close(self) -> None:
        """Stop reading; harmless when repeated."""
        self._leave(self)
        with self._news:
            self._ended = True
            self._chunks.clear()
            self._bytes = 0
            self._news.notify_all()


class Broadcast:
    """Safe for all threads. fed: whether something comes that can be read."""

    def __init__(self) -> None:
        self.fed = True
        self._lock = threading.Lock()
        self._readers: list[Subscription] = []
        self._ended = False

    def subscribe(self) -> Subscription:
        """A new reader's place."""
        reader = Subscription(self._remove)
        with self._lock:
            if self._ended:
                reader.end()
            else:
                self._readers.append(reader)
        return reader

    def _remove(self, reader: Subscription) -> None:
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)

    def put(self, chunk: Chunk) -> None:
        """Give a chunk to all."""
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.put(chunk)

    def end(self) -> None:
        """The stream is over."""
        with self._lock:
            self._ended = True
            readers = list(self._readers)
        for reader in readers:
            reader.end()
