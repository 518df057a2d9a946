"""What a line of a ledger is: canonical JSON, numbered, chained to the line before, signed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = 1
FIRST = "0" * 64
"""``previous`` of the first entry."""

_MOST = 10**15

CHAIN = frozenset({"number", "previous", "kind", "signature"})
KINDS: Mapping[str, frozenset[str]] = {
    "start": frozenset(
        {"format", "version", "policy_sha256", "models", "public_key", "segment_ms", "started_utc",
         "isolation"}
    ),
    "segment": frozenset(
        {"segment", "start_ms", "end_ms", "frames", "content_sha256", "withheld_permille",
         "withheld_whole_ms", "fault_spans_ms", "sound_ms", "sound_cleared_ms"}
    ),
    "file": frozenset({"name", "bytes", "sha256", "packets_sha256"}),
    "end": frozenset({"outcome", "error", "frames_in", "frames", "damaged_packets"}),
}  # fmt: skip
"""Keys of each kind, besides those of the chain."""


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The one form in which an entry is written, signed and hashed."""
    return json.dumps(
        entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def line_sha256(line: bytes) -> str:
    """What the next entry is chained to; ``line`` without its line end."""
    return hashlib.sha256(line).hexdigest()


def parse(line: bytes) -> dict[str, Any]:
    """The entry in a line. ValueError for anything but the canonical form of a known kind."""
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("no entry")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError("no entry")
    if set(entry) != CHAIN | KINDS[kind]:
        raise ValueError("unknown or missing keys")
    if type(entry["number"]) is not int or canonical(entry) != line:
        raise ValueError("not in its canonical form")
    if not all(_TYPES[key](entry[key]) for key in _TYPES.keys() & entry.keys()):
        raise ValueError("a value of another kind")
    return entry


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_count(value: object) -> bool:
    return type(value) is int and abs(value) < _MOST


def _are_hashes(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and _is_count(pair[0]) and _is_hash(pair[1])
        for pair in value
    )


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "format": _is_count,
    "public_key": _is_hash,
    "segment_ms": lambda value: _is_count(value) and value in range(1, _MOST),
    "start_ms": _is_count,
    "end_ms": _is_count,
    "sha256": _is_hash,
    "packets_sha256": _are_hashes,
    "outcome": lambda value: value in ("done", "failed"),
}
"""What those must be that checking computes with: anybody can chain and sign other things."""


def is_signed(entry: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether ``key`` signed the entry."""
    body = {name: value for name, value in entry.items() if name != "signature"}
    try:
        signature = bytes.fromhex(entry["signature"])
        if signature.hex() != entry["signature"]:
            # Capitals mean the same, and are one flipped bit away.
            return False
        key.verify(signature, canonical(body))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
