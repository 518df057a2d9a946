"""Real receivers of events, started by tests: an HTTP(S) server that can misbehave, and
mosquitto."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Fault = Callable[[http.server.BaseHTTPRequestHandler, int], bool]
"""Handler and number of the request, from 0; whether it has dealt with the request badly."""


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that must happen; how long it takes is not what is tested."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@dataclass
class Received:
    """taken: bodies that were answered with 2xx. headers: of each of them. requests: all."""

    url: str = ""
    taken: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0


def unique(lines: list[bytes]) -> list[dict[str, Any]]:
    """Events with repetitions left out, by id."""
    return list({event["id"]: event for event in map(json.loads, lines)}.values())


def numbers(lines: list[bytes]) -> list[int]:
    """Sequence numbers without repetitions, in the order of arrival."""
    return [int(event["sequence"]) for event in unique(lines)]


@contextmanager
def webhook(
    fault: Fault | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Received]:
    """A webhook on loopback; ``fault`` may spoil requests."""
    received = Received()
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            with lock:
                number = received.requests
                received.requests += 1
            self.body = body = self.rfile.read(int(self.headers["Content-Length"]))
            if fault is not None and fault(self, number):
                return
            received.taken.append(body)
            received.headers.append(dict(self.headers.items()))
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls is not None else "http"
    received.url = f"{scheme}://localhost:{server.server_address[1]}/desk"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(status: int, **headers: str) -> Fault:
    """Answers so, always."""

    def fault(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


def reset(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
    """Cuts the connection hard (RST)."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    os.close(handler.connection.detach())
    return True


def for_first(count: int, fault: Fault) -> Fault:
    """``fault`` for the first requests, none later."""
    return lambda handler, number: number < count and fault(handler, number)


MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)


class Broker:
    """mosquitto on a port of loopback, which can be killed and started again."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        folder.chmod(0o777)
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
            f"user root\nlog_dest none\n{settings}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._settings)])
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto does not start"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send_signal(self, number: int) -> None:
        """SIGSTOP: it stays connected and does nothing. SIGCONT: it goes on."""
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def old_broker(broker: Broker) -> Iterator[int]:
    """The port of one that knows MQTT 3.1.1 alone: it answers other versions as that standard
    says (3.2.2.3, return code 1), and hands everything else to ``broker``."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            first = self.request.recv(4096)
            if first[8] != 4:  # after its type, one byte of length, and the name of the protocol
                self.request.sendall(b"\x20\x02\x00\x01")
                return
            with socket.create_connection(("127.0.0.1", broker.port)) as onward:
                onward.sendall(first)
                back = threading.Thread(target=_pass_on, args=(onward, self.request), daemon=True)
                back.start()
                _pass_on(self.request, onward)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def picky_broker(reason: int, wanted: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """The port of one that acknowledges whatever holds ``wanted`` with ``reason`` (MQTT 5, 3.4.2),
    and what it took."""
    taken: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (packet := self._packet()) is not None:
                kind, body = packet
                if kind >> 4 == 1:
                    self.wfile.write(b"\x20\x03\x00\x00\x00")
                if kind >> 4 != 3:
                    continue
                topic = 2 + int.from_bytes(body[:2], "big")
                refused = wanted in body
                if not refused:
                    taken.append(body[topic + 3 :])
                code = bytes([reason if refused else 0])
                self.wfile.write(b"\x40\x03" + body[topic : topic + 2] + code)

        def _packet(self) -> tuple[int, bytes] | None:
            head = self.rfile.read(1)
            length = shift = 0
            while head and (octet := self.rfile.read(1)):
                length |= (octet[0] & 0x7F) << shift
                shift += 7
                if octet[0] < 0x80:
                    return head[0], self.rfile.read(length)
            return None

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], taken
        server.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
