"""The server: one thread, one port of 127.0.0.1.

with WebServer(board, page=True, metrics=True, broadcast=None) as server:
    print(server.page_url)       # holds the token: for the worker's eyes, not for a log
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import re
import secrets
import socket
import threading
import time

from homeveil.errors import OutputError, UsageError
from homeveil.live.board import Board
from homeveil.live.web.broadcast import Broadcast
from homeveil.scoped import Scoped

_log = logging.getLogger("homeveil")

_TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SEND_BUFFER_BYTES = 128 * 1024
_MOST_HEAD_BYTES = 16 * 1024
_START_SECONDS, _GRACE_SECONDS, _CLOSE_SECONDS = 5.0, 1, 2.5


class WebServer(Scoped):
    """Serves until it is closed. Whatever happens in it, the session goes on.

    port: 0 for any that is free. page: the worker's page, under ``token`` (made up if None: 16
    or more of A-Z, a-z, 0-9, - and _). metrics: ``/metrics`` and ``/health``. broadcast: what
    ``/stream.ts`` is taken from, None for no stream. The port that was had is in ``port``.

    Raises UsageError if ``homeveil[page]`` is not installed, OutputError if the port cannot be
    had.
    """

    def __init__(
        self,
        board: Board,
        *,
        port: int = 0,
        page: bool,
        metrics: bool,
        broadcast: Broadcast | None,
        token: str | None = None,
    ) -> None:
        if not (page or metrics or broadcast is not None):
            raise UsageError("nothing to serve; ask for the page, the metrics or the stream")
        if token is not None and not _TOKEN.fullmatch(token):
            raise UsageError("a token has 16 to 128 of A-Z, a-z, 0-9, '-' and '_'")
        try:
            import uvicorn

            from homeveil.live.web.app import Served, build_app
            from homeveil.live.web.connection import MOST_CONNECTIONS, Connection
            from homeveil.live.web.guard import ADDRESS
        except ModuleNotFoundError as error:
            raise UsageError(
                f"the page, metrics and stream need {error.name}; pip install 'homeveil[page]'"
            ) from error
        self._closed = False
        self._page, self._metrics, self._streams = page, metrics, broadcast is not None
        self._token = token or secrets.token_urlsafe(_TOKEN_BYTES)
        self._socket = _listen(ADDRESS, port)
        self.port: int = self._socket.getsockname()[1]
        self._base = f"http://{ADDRESS}:{self.port}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        served = Served(board, self._token if page else None, metrics, broadcast)
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_app(served, self.port, self._ending),
                http=Connection,
                ws="none",
                lifespan="off",
                # Paths hold the token: there is no log of requests, and no other of this server's.
                access_log=False,
                log_config=None,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                backlog=MOST_CONNECTIONS,  # as many are taken in one go
                timeout_graceful_shutdown=_GRACE_SECONDS,
                h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
            )
        )
        self._thread = threading.Thread(target=self._run, name="homeveil page", daemon=True)
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.005)
        if not self._server.started:
            self.close()
            raise OutputError(f"{self._base}: the server does not start; try another port")

    @property
    def page_url(self) -> str | None:
        """Of the worker's page, with its token; None without a page."""
        return f"{self._base}/{self._token}/" if self._page else None

    @property
    def metrics_url(self) -> str | None:
        """Of the metrics; None without them. ``/health`` stands beside it."""
        return f"{self._base}/metrics" if self._metrics else None

    @property
    def stream_url(self) -> str | None:
        """Of the stream; None without one."""
        return f"{self._base}/stream.ts" if self._streams else None

    def close(self) -> None:
        """Within some two seconds, whoever is connected and whatever a request waits for."""
        if self._closed:
            return
        self._closed = True
        self._server.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_CLOSE_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            _log.error("the page: its server ended (%s)", type(error).__name__)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            # Those who did not read what was sent would else be waited for.
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


def _listen(address: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise UsageError(f"port {port}: give one of 1..65535, or 0 for any that is free")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: a client that is slow is not sent seconds ahead of what it reads.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((address, port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise OutputError(
            f"{address}:{port}: this port {why}; choose another, or 0 for any that is free"
        ) from error
    return listener
