"""One client of the MPEG-TS stream. A client that does not read waits alone: what it missed is
left out for it, and what waits for it here is one chunk and a socket's buffer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from homeveil.live.web.broadcast import Subscription

MEDIA_TYPE = "video/mp2t"
_WAIT_SECONDS = 0.25


class StreamAnswer(Response):
    """Sends what ``subscription`` gives until it ends, the client goes or ``ending`` is set;
    then closes it and calls ``done``. waiters: where to wait for the next bytes, one thread a
    client."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        subscription: Subscription,
        waiters: Executor,
        ending: asyncio.Event,
        done: Callable[[], None],
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._subscription, self._waiters = subscription, waiters
        self._ending, self._done = ending, done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        parts: list[asyncio.Future[object]] = []
        try:
            await send({"type": "http.response.start", **start})
            work = (self._pump(send), _gone(receive), self._ending.wait())
            parts = [asyncio.ensure_future(part) for part in work]
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            self._subscription.close()
            self._done()
        with contextlib.suppress(asyncio.CancelledError):
            await parts[0]

    async def _pump(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        chunk: bytes | None = None
        while chunk != b"":
            chunk = await loop.run_in_executor(
                self._waiters, self._subscription.next, _WAIT_SECONDS
            )
            if chunk is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": chunk != b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
