"""What a line of a ledger is: canonical JSON, numbered, chained to the line before, signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = 1
FIRST = "0" * 64
"""``previous`` of the first entry."""

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
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise ValueError("no entry")
    if set(entry) != CHAIN | KINDS[entry["kind"]]:
        raise ValueError("unknown or missing keys")
    if type(entry["number"]) is not int or canonical(entry) != line:
        raise ValueError("not in its canonical form")
    return entry


def is_signed(entry: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether ``key`` signed the entry."""
    body = {name: value for name, value in entry.items() if name != "signature"}
    try:
        key.verify(bytes.fromhex(entry["signature"]), canonical(body))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
