"""Stands before everything that is served: whom requests may come from, and what every answer
says to a browser.

Refused are requests under another host's name (a page of the web whose name was rebound to this
machine), requests that a browser makes for another site, also one on another port of this
machine, and changes that do not come from a page of ours. An error inside is logged by its kind
alone: neither path nor content reaches a log.
"""

from __future__ import annotations

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("homeveil")

ADDRESS = "127.0.0.1"
_NAMES = (ADDRESS, "localhost")
_READING = ("GET", "HEAD")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
}
"""Of every answer."""


class Guard:
    """Wraps ``app``, which is served on ``port``."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in _NAMES}
        if port == 80:
            self._hosts.update(_NAMES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Never raises but to be cancelled."""
        if scope["type"] != "http":
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app = self._app if refusal is None else refusal
        try:
            await app(scope, receive, answer)
        except Exception as error:
            _log.error("the page: a request failed (%s)", type(error).__name__)
            if not started:
                await PlainTextResponse("Internal error", 500)(scope, receive, answer)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        """What is said instead, to whom nothing is served."""
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return PlainTextResponse("Not a name of this server", 421)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # A link that somebody follows is no harm: what is linked is not told who linked it,
            # and the one who linked sees nothing of it.
            followed = headers.get("sec-fetch-mode") == "navigate"
            whole = headers.get("sec-fetch-dest") == "document"
            if method != "GET" or not (followed and whole):
                return PlainTextResponse("Not for other sites", 403)
        origin = headers.get("origin")
        if origin != f"http://{host}" and (origin is not None or method not in _READING):
            return PlainTextResponse("Not for other sites", 403)
        return None
