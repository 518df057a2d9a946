"""Events to a webhook: one POST each, CloudEvents in structured mode (HTTP binding 1.0).

The certificate is verified against the system's authorities, or those in the file that
``SSL_CERT_FILE`` names. Redirections are not followed: nobody may send the token elsewhere. The
status counts once the answer's head is there; all of it must come within a time of its own,
however slowly its bytes drip.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3

from homeveil.desk.events import MEDIA_TYPE, Event
from homeveil.emit.events.carrier import NotDelivered, Refused

_MOST_ANSWER_BYTES = 65_536
_REFUSALS = frozenset({400, 409, 413, 415, 422})
"""Statuses that are about what was sent. All others are about the receiver: there is none (404), it
knows us not (401), it is busy (429)."""

_REST_SECONDS = 1.0
"""For what follows an answer's head; more only costs the connection."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """url: of one receiver. token: sent as a bearer token, or None. answer_seconds: for the whole
    head of an answer."""

    url: str
    token: str | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    answer_seconds: float = 10.0


class Webhook:
    """Any 2xx takes an event. One of ``_REFUSALS`` refuses it, unless it says when to come back;
    whatever else is answered, or is not, is tried again."""

    def __init__(self, target: WebhookTarget) -> None:
        self._url = target.url
        self._deadline = _Deadline()
        self._headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "homeveil"}
        if target.token is not None:
            self._headers["Authorization"] = f"Bearer {target.token}"
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._pool = urllib3.PoolManager(
            maxsize=1,
            retries=False,
            ssl_context=context,
            timeout=urllib3.Timeout(connect=target.connect_seconds, read=target.answer_seconds),
        )
        pool: Any = self._pool.connection_from_url(target.url)
        kind = pool.ConnectionCls
        answers = functools.partial(_Answer, self._deadline, target.answer_seconds)
        pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": staticmethod(answers)})

    def send(self, event: Event) -> None:
        """POST one event."""
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=event.line,
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NotDelivered(_in_words(error)) from error
        self._finish(answer)
        again = answer.headers.get("Retry-After")
        if answer.status in _REFUSALS and again is None:
            raise Refused(f"answered {answer.status}")
        if not 200 <= answer.status < 300:
            raise NotDelivered(f"answered {answer.status}", _seconds(again))

    def _finish(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Nothing in the rest matters; a connection that is read to its end serves again."""
        self._deadline.set(_REST_SECONDS)
        whole = False
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
            rest = answer.read(_MOST_ANSWER_BYTES, decode_content=False)
            whole = len(rest) < _MOST_ANSWER_BYTES
        if not whole:
            answer.close()
        answer.release_conn()

    def close(self) -> None:
        self._pool.clear()


class _Deadline:
    """When what is being read must have come."""

    def set(self, seconds: float) -> None:
        """So long from now."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than none. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Answer(http.client.HTTPResponse):
    """An answer whose head must have come within so many seconds."""

    def __init__(
        self, deadline: _Deadline, seconds: float, sock: socket.socket, **options: Any
    ) -> None:
        super().__init__(sock, **options)
        deadline.set(seconds)
        whole = self.fp
        self.fp = io.BufferedReader(_Timed(sock, deadline))
        whole.close()

    def begin(self) -> None:
        """Read the head. What only says that an answer is to come (1xx) is none; http.client
        knows that of 100 alone."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()


class _Timed(io.RawIOBase):
    """What a socket receives until a deadline; a time-out of its own holds for a byte alone."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock, self._deadline = sock, deadline
        self._received = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        read: int | None = self._received.readinto(room)
        return read

    def close(self) -> None:
        self._received.close()
        super().close()


def _in_words(error: Exception) -> str:
    """What went wrong, without the address or anything of the request."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {inner.verify_message}"
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After, which may also be a date; None without one that can be read."""
    if text is None or text.isdecimal():
        return None if text is None else float(text)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return email.utils.mktime_tz(email.utils.parsedate_tz(text)) - time.time()  # type: ignore[arg-type]
    return None
