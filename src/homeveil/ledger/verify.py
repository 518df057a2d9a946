"""Checks a ledger, and an output against it.

The chain of hashes makes every entry depend on all before it, so the signature of the last
one vouches for the whole; only where something is wrong are the others looked at, to say
where.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from homeveil.errors import HomeveilError, InputError, LedgerError
from homeveil.ledger.entries import FIRST, FORMAT, is_signed, line_sha256, parse
from homeveil.ledger.keys import installation_key, key_path, public_hex, public_key


@dataclass(frozen=True, slots=True)
class Verification:
    """findings: what is wrong and where, one line each; empty if all is well. entries: those
    that are whole. seconds: of presentation time that they tell of. outcome: ``done``,
    ``failed`` or ``open-ended``. signer: ``own`` (this installation), ``given`` (the key that
    was asked for) or ``unknown`` (whoever made it: integrity, not origin)."""

    findings: tuple[str, ...]
    entries: int
    seconds: float
    outcome: str
    signer: str


def verify(path: Path, *, key: str | None = None, against: Path | None = None) -> Verification:
    """Check a ledger, and with ``against`` the file it tells of.

    key: public key of the signer that is expected, 64 hex digits; else the one that the
    ledger names is taken, and ``signer`` says whose it is. Raises LedgerError if the ledger
    cannot be read or is none at all; InputError if ``against`` cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read ({error.strerror})") from error
    *lines, rest = data.split(b"\n")
    checker = _Checker(path, lines, rest, key)
    checker.check()
    if against is not None:
        checker.compare(against)
    return checker.result()


class _Checker:
    def __init__(self, path: Path, lines: list[bytes], rest: bytes, key: str | None) -> None:
        self._lines, self._rest = lines, rest
        self._findings: list[str] = []
        self._entries: list[dict[str, Any] | None] = [_parsed(line) for line in lines]
        first = self._entries[0] if self._entries else None
        nothing = not any(self._entries)
        if nothing or (key is None and (first is None or first["kind"] != "start")):
            raise LedgerError(f"{path}: is no ledger, or its first entry is gone; nothing to check")
        named = str(first["public_key"]) if first and first["kind"] == "start" else ""
        self._key: Ed25519PublicKey = public_key(named if key is None else key)
        self._signer = "given" if key is not None else _signer(named)
        if key is not None and named and named != public_hex(self._key):
            self._findings.append("entry 0: is signed by another installation than was asked for")
        if first and first.get("format", FORMAT) != FORMAT:
            raise LedgerError(f"{path}: has format {first['format']}; this version knows {FORMAT}")

    def check(self) -> None:
        """The chain, the signature that vouches for it, and how it ends."""
        previous, when = FIRST, "at the start"
        suspects: set[int] = set()
        for number, (line, entry) in enumerate(zip(self._lines, self._entries, strict=True)):
            found = len(self._findings)
            if entry is None:
                self._findings.append(f"entry {number} ({when}): is damaged, or no entry")
            elif entry["number"] != number:
                self._findings.append(
                    f"entry {number} ({when}): says it is number {entry['number']}; entries were "
                    "removed, added or moved"
                )
            elif entry["previous"] != previous:
                self._findings.append(
                    f"entry {number} ({when}): does not follow on the entry before it, one of the "
                    "two was changed"
                )
            if len(self._findings) > found:
                suspects |= {number - 1, number}
            previous = line_sha256(line)
            when = _when(entry) or when
        whole = [entry for entry in self._entries if entry is not None]
        last = max((n for n, entry in enumerate(self._entries) if entry is not None), default=-1)
        self._check_signatures(suspects | {last})
        if self._rest:
            self._findings.append(f"after the last entry ({when}): cut off in mid-writing")
        kinds = [entry["kind"] for entry in whole]
        if "start" in kinds[1:] or "end" in kinds[:-1]:
            self._findings.append("an entry that begins or ends a ledger stands in the middle")
        if kinds and kinds[-1] != "end":
            self._findings.append(
                f"no closing entry: cut off {when}, or the run was ended by force then"
            )

    def _check_signatures(self, numbers: set[int]) -> None:
        for number in sorted(numbers):
            entry = self._entries[number] if number >= 0 else None
            if entry is not None and not is_signed(entry, self._key):
                self._findings.append(
                    f"entry {number} ({_when(entry) or 'no time'}): was changed, or signed by "
                    "somebody else"
                )

    def compare(self, output: Path) -> None:
        """The file that the ledger tells of with the one that is there."""
        from homeveil.media.packets import payload_sha256

        try:
            with output.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{output}: cannot be read ({error.strerror})") from error
        told = next((e for e in self._entries if e is not None and e["kind"] == "file"), None)
        if told is None:
            self._findings.append(f"{output}: the ledger tells of no finished file")
            return
        if digest == told["sha256"]:
            return
        start = next((e for e in self._entries if e is not None and e["kind"] == "segment"), None)
        head = self._entries[0] or {}
        step = head.get("segment_ms", 10_000) / 1000
        origin = start["start_ms"] / 1000 if start else 0.0
        try:
            got = dict(payload_sha256(output, origin, step))
        except InputError:
            self._findings.append(f"{output}: is not the file that was written; it is no recording")
            return
        said = {int(index): str(digest) for index, digest in told["packets_sha256"]}
        bad = sorted(i for i in got.keys() | said.keys() if got.get(i) != said.get(i))
        where = "its packets are the same, what surrounds them is not"
        if bad:
            at = origin + bad[0] * step
            where = f"{len(bad)} stretches differ, the first from {at:.0f} s on"
        self._findings.append(f"{output}: is not the file that was written; {where}")

    def result(self) -> Verification:
        whole = [entry for entry in self._entries if entry is not None]
        ended = whole[-1]["outcome"] if whole and whole[-1]["kind"] == "end" else "open-ended"
        times = [entry for entry in whole if entry["kind"] == "segment"]
        seconds = (times[-1]["end_ms"] - times[0]["start_ms"]) / 1000 if times else 0.0
        return Verification(tuple(self._findings), len(whole), seconds, ended, self._signer)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        return parse(line)
    except (ValueError, RecursionError, KeyError):
        return None


def _when(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["kind"] != "segment":
        return ""
    return f"at {entry['end_ms'] / 1000:.1f} s"


def _signer(named: str) -> str:
    try:
        if key_path().exists() and public_hex(installation_key().public_key()) == named:
            return "own"
    except (HomeveilError, OSError):
        # Nobody's folder, or one that this account may not look into: it has no key there.
        return "unknown"
    return "unknown"
