"""Events to a webhook: one POST each, CloudEvents in structured mode (HTTP binding 1.0).

The certificate is verified against the system's authorities, or those in the file that
``SSL_CERT_FILE`` names. Redirections are not followed: nobody may send the token elsewhere.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import urllib3

from homeveil.desk.events import MEDIA_TYPE, Event
from homeveil.emit.events.carrier import NotDelivered

_MOST_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """url: of one receiver. token: sent as a bearer token, or None."""

    url: str
    token: str | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    answer_seconds: float = 10.0


class Webhook:
    """Any 2xx takes an event; whatever else is answered, or is not, is tried again."""

    def __init__(self, target: WebhookTarget) -> None:
        self._url = target.url
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
            try:
                # Nothing in the answer matters; a connection that is read to the end serves again.
                whole = len(answer.read(_MOST_ANSWER_BYTES)) < _MOST_ANSWER_BYTES
            finally:
                answer.release_conn()
            if not whole:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NotDelivered(_in_words(error)) from error
        if not 200 <= answer.status < 300:
            raise NotDelivered(
                f"answered {answer.status}", _seconds(answer.headers.get("Retry-After"))
            )

    def close(self) -> None:
        self._pool.clear()


def _in_words(error: Exception) -> str:
    """What went wrong, without the address or anything of the request."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {inner.verify_message}"
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After; its other form, a date, is left to the backoff."""
    return float(text) if text is not None and text.isdecimal() and len(text) < 6 else None
