"""Checks that several parts of a profile share."""

from __future__ import annotations

import re

from homeveil.errors import ProfileError

_HASH = re.compile(r"[0-9a-f]{64}")


def check_hash(value: object) -> None:
    """ProfileError unless ``value`` is a SHA-256 in lower-case hex."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ProfileError("profile: model_sha256 must be 64 lower-case hex digits")
