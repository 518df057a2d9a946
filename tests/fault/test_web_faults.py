"""What goes wrong around the served page: ports, clients that hang, errors inside. The session
never notices."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest

from homeveil.errors import OutputError, UsageError
from homeveil.live.board import Board
from homeveil.live.web.app import MOST_STREAMS
from homeveil.live.web.server import WebServer
from pages import TOKEN, Chunks, ask, board, grey, serving
from receivers import free_port, wait_until

PAGE = f"/{TOKEN}/"


def connect(server: WebServer, buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(10)
    client.connect(("127.0.0.1", server.port))
    return client


def request(server: WebServer, path: str, buffer: int | None = None) -> socket.socket:
    """A client that has asked, and reads nothing yet."""
    client = connect(server, buffer)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    return client


def test_a_port_that_is_taken_is_said() -> None:
    with serving(board()) as server, pytest.raises(OutputError) as caught:
        WebServer(board(), port=server.port, page=True, metrics=True, broadcast=None)
    told = str(caught.value)
    assert f"127.0.0.1:{server.port}" in told
    assert "taken" in told
    assert "choose another" in told
    for port in (-1, 65_536):
        with pytest.raises(UsageError, match="port"):
            WebServer(board(), port=port, page=True, metrics=True, broadcast=None)


def test_the_port_asked_for_is_had_again_at_once() -> None:
    """Also with a connection of before that is not yet forgotten."""
    port = free_port()
    for _ in range(2):
        with serving(board(), port=port) as server:
            assert server.port == port
            assert ask(server, "/health").status == 200


def test_a_client_that_does_not_read_is_alone_in_it() -> None:
    """It loses chunks; the others, the page and the broadcast go on."""
    with (
        Chunks(size=65_536, rate=200.0, most=16) as chunks,
        serving(board(), broadcast=chunks) as server,
    ):
        slow = request(server, "/stream.ts", buffer=4096)
        wait_until(lambda: len(chunks.clients) == 1)
        quick = request(server, "/stream.ts")
        read = 0
        while chunks.clients[0].dropped < 100:
            read += len(quick.recv(1 << 20))
        assert read > 100 * 65_536
        assert chunks.clients[1].dropped == 0
        begin = time.monotonic()
        assert ask(server, f"{PAGE}state").status == 200
        assert time.monotonic() - begin < 1.0
        slow.close()
        quick.close()
        wait_until(lambda: all(client.closed for client in chunks.clients))


def test_a_stream_is_whole_chunks_in_order_and_ends() -> None:
    with Chunks(rate=400.0, most=1000) as chunks, serving(board(), broadcast=chunks) as server:
        ended = threading.Timer(0.3, lambda: [client.close() for client in chunks.clients])
        ended.start()
        answer = ask(server, "/stream.ts")
    assert answer.status == 200
    assert answer.headers["content-type"] == "video/mp2t"
    assert "content-length" not in answer.headers
    assert len(answer.body) % 16_384 == 0
    numbers = [
        int.from_bytes(answer.body[start : start + 8], "big")
        for start in range(0, len(answer.body), 16_384)
    ]
    assert len(numbers) > 10
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_clients_that_are_gone_make_room() -> None:
    with Chunks() as chunks, serving(board(), broadcast=chunks) as server:
        for _ in range(2):
            clients = [request(server, "/stream.ts") for _ in range(MOST_STREAMS)]
            for client in clients:
                assert client.recv(12) == b"HTTP/1.1 200"
            assert ask(server, "/stream.ts").status == 503
            for client in clients:
                client.close()
            wait_until(lambda: all(client.closed for client in chunks.clients))
        assert len(chunks.clients) == 2 * MOST_STREAMS


def test_those_who_say_nothing_do_not_take_all_there_is() -> None:
    """Hundreds of connections that ask nothing: few are held, the rest are cut, and once they are
    gone the page is served again. Each would cost the session a descriptor."""
    with serving(board()) as server:
        clients = [connect(server) for _ in range(300)]
        wait_until(lambda: len([one for one in clients if not is_cut(one)]) <= 64)
        assert len([one for one in clients if not is_cut(one)]) >= 60
        for client in clients:
            client.close()
        wait_until(lambda: ask(server, PAGE).status == 200)


def is_cut(client: socket.socket) -> bool:
    """Whether the other side has ended a connection on which nothing was said."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_broadcast_that_fails_costs_its_client(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        closed = 0

        def subscribe(self) -> Broken:
            return self

        def next(self, timeout: float) -> bytes | None:
            raise OSError("what nobody may read")

        def close(self) -> None:
            Broken.closed += 1

    with caplog.at_level(logging.DEBUG), serving(board(), broadcast=Broken()) as server:
        for number in range(1, MOST_STREAMS + 3):
            client = request(server, "/stream.ts")
            while client.recv(4096):
                pass
            client.close()
            wait_until(lambda: Broken.closed == number)  # noqa: B023
        assert ask(server, "/health").status == 200
    assert "a request failed (OSError)" in caplog.text
    assert "what nobody may read" not in caplog.text


def test_an_error_inside_is_told_by_its_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    shown = board()

    def broken() -> list[object]:
        raise ValueError("what nobody may read")

    shown.watch(broken, {"veiled": broken})  # type: ignore[arg-type, dict-item]
    with caplog.at_level(logging.DEBUG), serving(shown) as server:
        for path in ("/metrics", "/health", f"{PAGE}state"):
            answer = ask(server, path)
            assert (answer.status, b"read" in answer.body) == (500, False)
        assert ask(server, PAGE).status == 200
        assert ask(server, f"{PAGE}picture").status == 200
    assert "a request failed (ValueError)" in caplog.text
    assert "what nobody may read" not in caplog.text


def test_a_session_that_hangs_hangs_nobody_else() -> None:
    """A switch whose callback waits, or an output that does not answer, keeps its own request;
    the picture goes on, and closing does not wait for it."""
    shown = board()
    free = threading.Event()
    shown.on_pause(lambda _: free.wait(20) and None)
    server = WebServer(shown, page=True, metrics=True, broadcast=None, token=TOKEN)
    try:
        body = b'{"paused": true}'
        waiting = threading.Thread(
            target=lambda: _quietly(lambda: ask(server, f"{PAGE}pause", "POST", body))
        )
        waiting.start()
        wait_until(lambda: shown.paused)
        for path in (f"{PAGE}picture", f"{PAGE}state", "/health", "/metrics"):
            assert ask(server, path).status == 200
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 3.0
    finally:
        free.set()
        waiting.join()
        server.close()


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        call()


def test_covering_waits_for_nothing() -> None:
    """Not for an uncovering that hangs, nor for as many requests that hang as may be under way."""
    shown = board()
    free = threading.Event()
    shown.on_pause(lambda paused: None if paused else free.wait(20) and None)
    shown.watch(lambda: free.wait(20) and [], {})  # type: ignore[arg-type, return-value]
    shown.pause(True)
    with serving(shown) as server:
        clients = [request(server, f"{PAGE}state") for _ in range(45)]

        def press(paused: bool) -> socket.socket:
            client = connect(server)
            body = f'{{"paused": {str(paused).lower()}}}'
            client.sendall(
                f"POST {PAGE}pause HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                f"Origin: http://127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            return client

        for paused in (False, True, False, True):
            clients.append(press(paused))
            wait_until(lambda: shown.paused is paused, 2.0)  # noqa: B023
        free.set()
        for client in clients:
            assert client.recv(12) == b"HTTP/1.1 200"
            client.close()


def test_it_closes_whoever_is_connected() -> None:
    """Clients that wait, that never finish a request, that read nothing: closed in seconds, and
    the port is free."""
    with Chunks(size=65_536, rate=200.0) as chunks:
        server = WebServer(board(), page=True, metrics=True, broadcast=chunks, token=TOKEN)
        clients = [request(server, PAGE), connect(server), request(server, "/stream.ts", 4096)]
        half = connect(server)
        half.sendall(b"POST /x HTTP/1.1\r\nHost: 127")
        body = connect(server)
        body.sendall(
            f"POST {PAGE}pause HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin:"
            f" http://127.0.0.1:{server.port}\r\nContent-Length: 50\r\n\r\n{{".encode()
        )
        clients += [half, body, request(server, "/stream.ts")]
        wait_until(lambda: len(chunks.clients) == 2 and chunks.clients[0].dropped > 0)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 2.5
        wait_until(lambda: all(client.closed for client in chunks.clients))
        for client in clients:
            client.settimeout(2)
            _quietly(lambda: _drain(client))  # noqa: B023
            client.close()
        server.close()
        with serving(board(), port=server.port) as again:
            assert ask(again, "/health").status == 200


def _drain(client: socket.socket) -> None:
    while client.recv(1 << 16):
        pass


def test_nonsense_is_answered_or_cut_and_the_next_is_served() -> None:
    with serving(board()) as server:
        for said in (
            b"\x00\xff\x16\x03\x01" * 20, b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n", b"A" * 100_000,
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /health HTTP/1.0\r\n\r\n",
            b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        ):  # fmt: skip
            client = connect(server)
            _quietly(lambda: client.sendall(said))  # noqa: B023
            client.settimeout(3)
            with contextlib.suppress(ConnectionError):
                assert not client.recv(4096).startswith(b"HTTP/1.1 200")
            client.close()
        assert ask(server, "/health").status == 200


def test_memory_does_not_grow_with_what_is_asked() -> None:
    """Frames and requests without end: after some hundreds, nothing more is kept."""
    shown = board()
    frames = [grey(number, level=60 + number) for number in range(4)]
    with serving(shown) as server:
        def rounds(count: int) -> None:
            for number in range(count):
                shown.show(frames[number % 4], None, 0.04)
                for path in ("picture", "state", "events"):
                    ask(server, PAGE + path)
                ask(server, "/metrics")

        rounds(40)
        tracemalloc.start()
        rounds(20)
        before = tracemalloc.get_traced_memory()[0]
        rounds(120)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert after - before < 200_000


def test_frames_never_wait_for_those_who_look() -> None:
    """With the page asked by many at once, showing a frame takes what it always takes."""
    shown = Board()
    shown.show(grey(), None, 0.04)
    done = threading.Event()
    with serving(shown) as server:
        def look() -> None:
            while not done.is_set():
                ask(server, f"{PAGE}picture")

        lookers = [threading.Thread(target=look) for _ in range(6)]
        for one in lookers:
            one.start()
        wide = grey(size=(1280, 720))
        took = []
        for _ in range(60):
            begin = time.monotonic()
            shown.show(wide, None, 0.04)
            took.append(time.monotonic() - begin)
            time.sleep(0.01)
        done.set()
        for one in lookers:
            one.join()
    assert sorted(took)[len(took) // 2] < 0.02
