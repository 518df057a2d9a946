"""The application: what stands under which path.

    /health  /metrics  /stream.ts          for software of this machine, without a token
    /TOKEN/                                the worker's page, and all that belongs to it

A wrong token and a path that does not exist get the same answer. The picture is fetched again
and again instead of being one endless answer (``multipart/x-mixed-replace``): a browser does not
say when such an answer has stopped, and the page must never show an old picture as what leaves
now; and a client that is slow then asks for less by itself, and nothing waits for it here.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from homeveil.desk.events import canonical
from homeveil.live.board import Board
from homeveil.live.web.broadcast import Broadcast
from homeveil.live.web.guard import Guard
from homeveil.live.web.metrics import CONTENT_TYPE, Metrics
from homeveil.live.web.pictures import Pictures
from homeveil.live.web.stream import StreamAnswer
from homeveil.live.web.telling import health_of, state_of
from homeveil.live.web.words import Words, choose, languages

MOST_STREAMS = 8
_MOST_BODY_BYTES = 64
_MOST_HANDS = 8
_JSON = "application/json"

_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_PLACE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Served:
    """What is served. token: of the page, None for no page. metrics: also ``/health``."""

    board: Board
    token: str | None
    metrics: bool
    broadcast: Broadcast | None


def build_app(served: Served, port: int, ending: asyncio.Event) -> ASGIApp:
    """The application behind its guard. ending: ends all streams once set."""
    routes: list[BaseRoute] = []
    if served.metrics:
        routes += _for_machines(served.board)
    if served.broadcast is not None:
        routes.append(_stream(served.broadcast, ending))
    if served.token is not None:
        page = Router(_Page(served.board).routes(), redirect_slashes=False)
        routes.append(Mount("/{token}", _Behind(served.token, page)))
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Guard(app, port)


def _for_machines(board: Board) -> list[BaseRoute]:
    gathered = Metrics(board)

    def health(_: Request) -> Response:
        told = health_of(board)
        return JSONResponse(told, 200 if told["ok"] else 503)

    def metrics(_: Request) -> Response:
        return Response(gathered.text(), media_type=CONTENT_TYPE)

    return [Route("/health", health), Route("/metrics", metrics)]


def _stream(broadcast: Broadcast, ending: asyncio.Event) -> BaseRoute:
    waiters = ThreadPoolExecutor(MOST_STREAMS, "homeveil stream")
    clients = threading.Semaphore(MOST_STREAMS)

    async def stream(request: Request) -> Response:
        if request.method != "GET":
            return Response(media_type=StreamAnswer.media_type)
        if not clients.acquire(blocking=False):
            return PlainTextResponse("Too many clients", 503)
        try:
            subscription = broadcast.subscribe()
        except BaseException:
            clients.release()
            raise
        return StreamAnswer(subscription, waiters, ending, clients.release)

    return Route("/stream.ts", stream)


class _Behind:
    """``app`` for those who know the token; there is nothing for others."""

    def __init__(self, token: str, app: ASGIApp) -> None:
        self._token, self._app = token.encode(), app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = str(scope["path_params"]["token"]).encode()
        if not secrets.compare_digest(given, self._token):
            raise HTTPException(404)
        await self._app(scope, receive, send)


class _Page:
    """The worker's page."""

    def __init__(self, board: Board) -> None:
        self._board, self._pictures = board, Pictures(board)
        # Threads of its own, and no turns: covering never waits for what else is asked, nor for
        # an uncovering that is still under way.
        self._hands = ThreadPoolExecutor(_MOST_HANDS, "homeveil switch")
        self._template = _static("page.html").decode()

    def routes(self) -> list[BaseRoute]:
        """Below the token. Those that ask the board run in threads: nobody waits for them."""
        files = [Route(f"/{name}", _file(name, kind)) for name, kind in _FILES.items()]
        return [
            Route("/", self.page),
            Route("/picture", self.picture),
            Route("/state", self.state),
            Route("/events", self.events),
            Route("/pause", self.pause, methods=["POST"]),
            *files,
        ]

    async def page(self, request: Request) -> Response:
        """The page itself."""
        words = _words(request)
        text = _PLACE.sub(lambda match: self._part(match[1], words), self._template)
        return Response(text, media_type="text/html", headers={"Vary": "Accept-Language"})

    def _part(self, name: str, words: Words) -> str:
        if name == "lang":
            return words.code
        if name == "switch":
            return "\n".join(_link(one, one is words) for one in languages().values())
        if name == "words":
            return html.escape(json.dumps(dict(words.texts), ensure_ascii=False))
        return html.escape(words[name])

    def picture(self, request: Request) -> Response:
        """What left last, as JPEG; 204 if that is what the client has."""
        shot = self._pictures.latest()
        if shot is None or request.query_params.get("after") == str(shot.number):
            return Response(status_code=204)
        return Response(shot.jpeg, media_type="image/jpeg", headers={"X-Picture": str(shot.number)})

    def state(self, request: Request) -> Response:
        """This moment."""
        return JSONResponse(state_of(self._board, _words(request)))

    def events(self, _: Request) -> Response:
        """The last desk events, one a line, in the form in which they were sent."""
        lines = b"".join(canonical(event) + b"\n" for event in self._board.events())
        return Response(lines, media_type="text/plain")

    async def pause(self, request: Request) -> Response:
        """Cover or uncover the camera, and say how it is then."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BODY_BYTES:
                return PlainTextResponse("Too long", 413)
        paused = _paused(body)
        if paused is None or not request.headers.get("content-type", "").startswith(_JSON):
            return PlainTextResponse('Send {"paused": true} or false as JSON', 400)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._hands, self._board.pause, paused)
        return await run_in_threadpool(self.state, request)


def _paused(body: bytes) -> bool | None:
    """What is asked for; None if it cannot be told."""
    try:
        told = json.loads(body)
    except ValueError:
        return None
    fits = isinstance(told, dict) and list(told) == ["paused"] and isinstance(told["paused"], bool)
    return told["paused"] if fits else None


def _words(request: Request) -> Words:
    return choose(request.query_params.get("lang"), request.headers.get("accept-language"))


def _link(words: Words, chosen: bool) -> str:
    current = ' aria-current="true"' if chosen else ""
    name = html.escape(words.name)
    code = words.code
    return f'<a href="./?lang={code}" lang="{code}" hreflang="{code}"{current}>{name}</a>'


def _static(name: str) -> bytes:
    return resources.files(__package__).joinpath("static", name).read_bytes()


def _file(name: str, kind: str) -> Callable[[Request], Any]:
    data = _static(name)

    async def file(_: Request) -> Response:
        return Response(data, media_type=kind)

    return file
