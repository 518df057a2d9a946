"""What tests of the served page share: boards that show something, a client that says what it
likes, a broadcast with bounded queues."""

from __future__ import annotations

import http.client
import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from clips import veiled_frame
from homeveil.audio import VeiledAudio
from homeveil.frames import _SEAL, Timestamp, VeiledFrame
from homeveil.live.board import Board, Cause, OutputStatus
from homeveil.live.web.server import WebServer

TOKEN = "a-token_of-these-tests-0123456789"

OUTPUTS = [
    OutputStatus("udp 127.0.0.1:5004", True, 1_234_567, 3),
    OutputStatus("file day.mkv", False, 42, 0, "the disk is full"),
]


def grey(number: int = 0, level: int = 90, size: tuple[int, int] = (64, 48)) -> VeiledFrame:
    """A frame that the veil let through."""
    return veiled_frame(number, Fraction(1, 15), size, level=level)


def tone(level_db: float, seconds: float = 0.1) -> VeiledAudio:
    """A stretch of sound of this level that left."""
    samples = np.full((1, int(seconds * 48_000)), 10 ** (level_db / 20), np.float32)
    return VeiledAudio(samples, 48_000, Timestamp(0, Fraction(1, 48_000)), 1.0, seal=_SEAL)


def board(cause: Cause | None = None) -> Board:
    """A board that shows one frame and has two outputs."""
    made = Board()
    made.show(grey(), cause, None if cause else 0.04)
    made.watch(lambda: OUTPUTS, {"veiled": lambda: 2, "sound": lambda: 0})
    made.today.add(3725.0, 34_200_000)
    return made


@contextmanager
def serving(shown: Board, **options: Any) -> Iterator[WebServer]:
    """A server of ``shown``, with page and metrics unless told otherwise."""
    wanted = {"page": True, "metrics": True, "broadcast": None, "token": TOKEN, **options}
    with WebServer(shown, **wanted) as server:
        yield server


@contextmanager
def leaving(shown: Board, frames: Sequence[VeiledFrame], rate: float = 15.0) -> Iterator[None]:
    """Shows ``frames`` over and over, as a session would: a card as soon as it is paused."""
    done = threading.Event()
    size = (frames[0].width, frames[0].height)
    card = veiled_frame(0, Fraction(1, 15), size, level=24)

    def run() -> None:
        number = 0
        while not done.wait(1 / rate):
            if shown.paused:
                shown.show(card, Cause.PAUSED)
                continue
            shown.show(frames[number % len(frames)], None, 0.04)
            shown.hear(tone(-24.0))
            shown.today.add(1 / rate, 20_000)
            number += 1

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Answer:
    """headers: by name in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: WebServer, path: str, method: str = "GET", body: bytes = b"", **headers: str | None
) -> Answer:
    """One request as a browser's own page would make it; headers are named with ``_`` for ``-``
    and left out if None."""
    own = f"127.0.0.1:{server.port}"
    told: dict[str, str | None] = {"Host": own}
    if method == "POST":
        told |= {"Origin": f"http://{own}", "Content-Type": "application/json"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in told.items():
            if value is not None:
                connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )
    finally:
        connection.close()


@dataclass(eq=False)
class Queue:
    """One client's share: at most ``most`` chunks; more push the oldest out."""

    most: int
    dropped: int = 0
    closed: bool = False
    _chunks: deque[bytes] = field(default_factory=deque)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def put(self, chunk: bytes) -> None:
        with self._news:
            self._chunks.append(chunk)
            if len(self._chunks) > self.most:
                self._chunks.popleft()
                self.dropped += 1
            self._news.notify()

    def next(self, timeout: float) -> bytes | None:
        with self._news:
            self._news.wait_for(lambda: self._chunks or self.closed, timeout)
            if self._chunks:
                return self._chunks.popleft()
            return b"" if self.closed else None

    def close(self) -> None:
        with self._news:
            self.closed = True
            self._news.notify_all()


class Chunks:
    """A broadcast of numbered chunks, each of ``size`` bytes, ``rate`` a second."""

    def __init__(self, size: int = 16_384, rate: float = 100.0, most: int = 32) -> None:
        self.clients: list[Queue] = []
        self.sent = 0
        self._size, self._rate, self._most = size, rate, most
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def subscribe(self) -> Queue:
        client = Queue(self._most)
        self.clients.append(client)
        return client

    def __enter__(self) -> Chunks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(1 / self._rate):
            chunk = self.sent.to_bytes(8, "big") * (self._size // 8)
            self.sent += 1
            for client in list(self.clients):
                if not client.closed:
                    client.put(chunk)


