"""Addresses, read and named so that no message holds what may be a secret in them: user, password,
path and query."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


def read_address(text: str) -> SplitResult:
    """Its parts, with a port that is one. Raises ValueError, which quotes nothing of it."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "its host or port cannot be read (in a password / ? # are %2F %3F %23)"
        ) from None
    return parts


def name_of(parts: SplitResult) -> str:
    """``scheme://host:port``."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port is not None else ''}"


def shown(text: str) -> str:
    """What may be said of an address that is none, or not a good one."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return "what is no address"
    try:
        return repr(name_of(read_address(text)))
    except ValueError:
        return f"'{scheme[0]}://…'"
