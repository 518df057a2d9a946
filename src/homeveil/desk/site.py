"""What events call the place they come from: names that change every day and with every run.

All of them are keyed hashes (HMAC-SHA-256, RFC 2104, cut to their first digits) under a secret
that is made when first needed and never leaves the installation. Without it, neither can two
days be joined nor can anything be computed back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from homeveil.errors import EventError
from homeveil.installation import own_secret, state_folder

_SECRET_BYTES, _RUN_BYTES = 32, 16
_SITE_DIGITS, _STREAM_DIGITS, _ID_DIGITS = 32, 16, 32


def secret_path() -> Path:
    """Where the secret is kept."""
    return state_folder() / "event_secret"


@dataclass(frozen=True, slots=True)
class Site:
    """secret: the installation's, 32 bytes. run: chosen at random for each run, and anew for each
    day of it, 16 bytes."""

    secret: bytes = field(repr=False)
    run: bytes = field(repr=False)

    @classmethod
    def of_installation(cls) -> Self:
        """A new run at this installation. Raises EventError."""
        path = secret_path()
        secret = own_secret(
            path, "event secret", lambda: secrets.token_bytes(_SECRET_BYTES), EventError
        )
        if len(secret) != _SECRET_BYTES:
            raise EventError(f"{path}: is no event secret; move it away, a new one will be made")
        return cls(secret, secrets.token_bytes(_RUN_BYTES))

    def another_run(self) -> Self:
        """The same installation, under names of streams that it never had."""
        return replace(self, run=secrets.token_bytes(_RUN_BYTES))

    def source(self, day: str) -> str:
        """``source`` of the events of a day (``YYYY-MM-DD``)."""
        site = self._hash(b"site", day.encode(), digits=_SITE_DIGITS)
        stream = self._hash(b"stream", day.encode(), self.run, digits=_STREAM_DIGITS)
        return f"/sites/{site}/{stream}"

    def event_id(self, source: str, sequence: int) -> str:
        """``id`` of an event: carries nothing that its source and number do not say."""
        return self._hash(b"event", source.encode(), str(sequence).encode(), digits=_ID_DIGITS)

    def _hash(self, *parts: bytes, digits: int) -> str:
        # Lengths before the parts: no two lists of parts give the same bytes.
        message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:digits]
