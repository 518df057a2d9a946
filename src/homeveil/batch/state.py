"""What became of each input, in one SQLite file that several runs of a machine may share.

A file is worked at by whoever holds its lease. The holder renews it while at work; a lease
that nobody renewed for ``LEASE_SECONDS``, or whose holder is known to be dead, is anybody's.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from homeveil.batch.jobs import Basis, Job, Outcome
from homeveil.batch.processes import Process
from homeveil.errors import OutputError
from homeveil.scoped import Scoped

LEASE_SECONDS = 60.0
_MOST_LEFT = 10 * LEASE_SECONDS
_BUSY_SECONDS = 30.0
_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    target TEXT PRIMARY KEY, source TEXT NOT NULL, stamp TEXT NOT NULL DEFAULT '',
    content TEXT NOT NULL DEFAULT '', policy TEXT NOT NULL DEFAULT '',
    models TEXT NOT NULL DEFAULT '', profile TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT 'new', reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0, starts INTEGER NOT NULL DEFAULT 0,
    times_done INTEGER NOT NULL DEFAULT 0, wall_seconds REAL NOT NULL DEFAULT 0,
    bytes_in INTEGER NOT NULL DEFAULT 0, bytes_out INTEGER NOT NULL DEFAULT 0,
    peak_bytes INTEGER NOT NULL DEFAULT 0, report TEXT NOT NULL DEFAULT '{}',
    owner TEXT, lease_until REAL NOT NULL DEFAULT 0
)
"""
_FIELDS = (
    "target, source, stamp, content, policy, models, profile, outcome, reason, attempts,"
    " times_done, wall_seconds, bytes_in, bytes_out, peak_bytes, report, owner, lease_until"
)
_KINDS = (*[str] * 9, int, int, int | float, *[int] * 3, str, str | None, int | float)
"""Of ``_FIELDS``. Anybody who may write to a folder of results can put other things there."""

_OUTCOMES = frozenset({"new", "done", "failed", "poison"})


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one input.

    outcome: ``new``, ``done``, ``failed`` or ``poison`` (set aside). attempts: failed ones in
    a row that may be the file's fault. times_done: how often it was published. owner: who has
    its lease, until ``lease_until`` (seconds since 1970).
    """

    target: str
    source: str
    stamp: str
    basis: Basis
    outcome: str
    reason: str
    attempts: int
    times_done: int
    wall_seconds: float
    bytes_in: int
    bytes_out: int
    peak_bytes: int
    report: dict[str, Any]
    owner: str | None
    lease_until: float

    @classmethod
    def new(cls, job: Job) -> Row:
        """Nothing is known yet."""
        return cls(
            job.target, job.source, "", Basis(), "new", "",
            0, 0, 0.0, 0, 0, 0, {}, None, 0.0,
        )  # fmt: skip

    @property
    def held(self) -> bool:
        """Whether somebody is at work on it. A lease far longer than any that is given is one of
        a clock that was ahead."""
        left = self.lease_until - time.time()
        return self.owner is not None and 0 <= left <= _MOST_LEFT and _alive(self.owner)


class State(Scoped):
    """The state file at ``path``, made if it is not there. copied: work on a copy in memory, so
    that nothing is made or changed.

    Raises OutputError if it is no state file, broken, or cannot be written: work that is
    remembered nowhere is not begun.
    """

    def __init__(self, path: Path, *, copied: bool = False) -> None:
        self.path = path
        self.owner = f"{Process.this()} {secrets.token_hex(6)}"
        with self._told():
            self._base = sqlite3.connect(
                ":memory:" if copied else path, timeout=_BUSY_SECONDS, isolation_level=None
            )
            try:
                if copied and os.path.exists(path):
                    self._copy()
                self._open()
            except BaseException:
                self._base.close()
                raise

    def _copy(self) -> None:
        with self._connected() as file:
            file.backup(self._base)

    def _open(self) -> None:
        sound = self._base.execute("PRAGMA quick_check").fetchone()[0]
        if sound != "ok":
            raise sqlite3.DatabaseError(sound)
        version = self._base.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise OutputError(f"{self.path}: a state file of another version; name another")
        self._base.execute(_TABLE)
        self._base.execute(f"PRAGMA user_version = {_VERSION}")
        # A broken file that still opens shows here, not in mid-run.
        self.rows()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise OutputError(
                f"{self.path}: state file cannot be used ({error}); check place and disk, and if"
                " it is broken move it away: what was done is then done again"
            ) from error

    def get(self, target: str) -> Row | None:
        """What is known about ``target``."""
        with self._told():
            row = self._ask(f"SELECT {_FIELDS} FROM files WHERE target = ?", target).fetchone()
            return _row(row) if row else None

    def rows(self) -> list[Row]:
        """All that is known."""
        with self._told():
            found = self._base.execute(f"SELECT {_FIELDS} FROM files ORDER BY target").fetchall()
            return [_row(one) for one in found]

    def claim(self, job: Job, seen: Row | None) -> int | None:
        """Take the lease of a job; gives the number of this start, or None if another run
        has it or has finished it since it was ``seen``."""
        now, owner = time.time(), seen.owner if seen else None
        with self._told():
            self._ask(
                "INSERT OR IGNORE INTO files (target, source) VALUES (?, ?)",
                job.target,
                job.source,
            )
            row = self._ask(
                # The stamp is that of what was done, and not of another recording.
                "UPDATE files SET owner = ?, lease_until = ?, starts = starts + 1,"
                " stamp = CASE WHEN source = ? THEN stamp ELSE '' END, source = ?"
                " WHERE target = ? AND times_done = ?"
                " AND (owner IS NULL OR lease_until NOT BETWEEN ? AND ? OR (owner = ? AND ?))"
                " RETURNING starts",
                self.owner, now + LEASE_SECONDS, job.source, job.source, job.target,
                seen.times_done if seen else 0, now, now + _MOST_LEFT,
                owner, bool(owner and not _alive(owner)),
            ).fetchone()  # fmt: skip
        return int(row[0]) if row else None

    @contextlib.contextmanager
    def renewed(self) -> Iterator[None]:
        """Keep all leases of this run meanwhile, however long it waits for something else."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(LEASE_SECONDS / 4):
                # Where that fails the next thing that is noted will, and is told.
                with contextlib.suppress(sqlite3.Error), self._connected() as base:
                    base.execute(
                        "UPDATE files SET lease_until = ? WHERE owner = ?",
                        (time.time() + LEASE_SECONDS, self.owner),
                    )

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _connected(self) -> contextlib.closing[sqlite3.Connection]:
        """Another connection, which another thread needs."""
        return contextlib.closing(
            sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        )

    def forget_failures(self, target: str) -> None:
        """Begin anew: what failed was another content, policy, profile or model."""
        with self._told():
            self._ask(
                "UPDATE files SET attempts = 0, outcome = 'new', reason = '' WHERE target = ?"
                " AND outcome <> 'done'",
                target,
            )

    def set_stamp(self, target: str, stamp: str) -> None:
        """The content is the one already done, under another stamp. A run whose lease has gone to
        another notes nothing."""
        with self._told():
            self._ask(
                "UPDATE files SET stamp = ?, owner = NULL WHERE target = ? AND owner = ?",
                stamp, target, self.owner,
            )  # fmt: skip

    def finish(self, job: Job, stamp: str, basis: Basis, outcome: Outcome, tries: int) -> str:
        """Note what came of a job and give its lease back; gives what it counts as now. A
        run whose lease has gone to another notes nothing. After a failure content and sizes stay
        those of the result that stands."""
        row = self.get(job.target)
        failures = (row.attempts if row else 0) + outcome.blames_file
        kind = "done" if outcome.done else "poison" if failures >= tries else "failed"
        sums = basis.content, outcome.bytes_in, outcome.bytes_out
        if row and not outcome.done:
            sums = row.basis.content, row.bytes_in, row.bytes_out
        with self._told():
            self._ask(
                "UPDATE files SET stamp = ?, content = ?, policy = ?, models = ?, profile = ?,"
                " outcome = ?, reason = ?, attempts = ?, times_done = times_done + ?,"
                " wall_seconds = ?, bytes_in = ?, bytes_out = ?, peak_bytes = ?, report = ?,"
                " owner = NULL WHERE target = ? AND owner = ?",
                stamp, sums[0], basis.policy, basis.models, basis.profile, kind,
                outcome.reason, 0 if outcome.done else failures, int(outcome.done),
                outcome.wall_seconds, sums[1], sums[2], outcome.peak_bytes,
                json.dumps(outcome.report), job.target, self.owner,
            )  # fmt: skip
        return kind

    def _ask(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._base.execute(statement, [_stored(value) for value in values])

    def close(self) -> None:
        """Give back all leases and close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._base.execute("UPDATE files SET owner = NULL WHERE owner = ?", (self.owner,))
        self._base.close()


def _stored(value: object) -> Any:
    """A name of this machine that is not UTF-8 is kept as the bytes that it is."""
    if isinstance(value, str) and not _is_unicode(value):
        return value.encode("utf-8", "surrogateescape")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _row(told: tuple[Any, ...]) -> Row:
    told = tuple(
        one.decode("utf-8", "surrogateescape") if isinstance(one, bytes) else one for one in told
    )
    right = all(map(isinstance, told, _KINDS)) and all(
        _is_number(one) for one in told if isinstance(one, float)
    )
    if not right or told[7] not in _OUTCOMES or "\0" in told[1]:
        raise ValueError("a row that no run wrote")
    target, source, stamp, content, policy, models, profile, outcome, reason, *rest = told
    attempts, times_done, wall_seconds, bytes_in, bytes_out, peak, report, owner, lease = rest
    basis = Basis(content, policy, models, profile)
    return Row(
        target, source, stamp, basis, outcome, reason, attempts, times_done, wall_seconds,
        bytes_in, bytes_out, peak, _report(report), owner, lease,
    )  # fmt: skip


def _report(text: str) -> dict[str, Any]:
    """What is told of a file. Raises ValueError for what a summary cannot add up."""
    try:
        report = json.loads(text)
        sound, spans = report.get("sound") or {}, report.get("spans", ())
        numbers = [report.get(key, 0) for key in ("frames", "seconds", "veiled_share")]
        numbers += [sound.get(key, 0) for key in ("seconds", "cleared")]
        numbers += sound.get("withheld", {}).values()
        numbers += [span[key] for span in spans for key in ("start_seconds", "end_seconds")]
        known = not report or {"frames", "veiled_share"} <= report.keys()
        known = known and all(isinstance(span["reason"], str) for span in spans)
        known = known and all(map(_is_number, numbers)) and 0 <= report.get("veiled_share", 0) <= 1
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("a report that no run wrote") from error
    if not known:
        raise ValueError("a report that no run wrote")
    return cast(dict[str, Any], report)


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _alive(owner: str) -> bool:
    """Whether the run may still live; only of this machine can it be known that it does not."""
    process = Process.named(owner.partition(" ")[0])
    return process is None or not process.is_gone
