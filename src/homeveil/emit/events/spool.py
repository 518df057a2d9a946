"""Events that wait for a place: in order, bounded, on disk (SQLite), so that a restart loses none.

One thread puts, another takes the head and says when it is done; neither waits for the other
longer than ``_BUSY_SECONDS``. What the disk does not take, because it is full, waits in memory
within the same bound. A spool holds the lines of events and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections import deque
from pathlib import Path

from homeveil.desk.events import Event
from homeveil.errors import EventError
from homeveil.scoped import Scoped

_log = logging.getLogger("homeveil")

MOST_EVENTS = 10_000
"""About 5 MB: of a thing that flaps as fast as the limit lets it, more than a day."""

_MOST_AT_ONCE = 16
_BUSY_SECONDS = 0.02
_WRITES_IN_LOG = 100
"""Some 9 kB each."""


class Spool(Scoped):
    """The spool of one place. Of several at once for the same place, in other processes or
    in this, each has a file of its own; what an ended one left is taken over.

    folder: where files are kept, or None for memory alone. name: tells places apart; a file
    name. most: how many events may wait. Raises EventError.
    """

    def __init__(self, folder: Path | None, name: str, most: int = MOST_EVENTS) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._memory: deque[Event] = deque()
        self._dropped = 0
        self._disk = _claim(folder, name) if folder is not None else None
        self._waiting = 0
        if self._disk is not None:
            self._waiting = self._disk.count() or 0

    @property
    def waiting(self) -> int:
        """Events that are here."""
        return self._waiting

    @property
    def dropped(self) -> int:
        """Events that found no room, and lines from before that are no events (any more)."""
        return self._dropped + (self._disk.left_out if self._disk is not None else 0)

    @property
    def lasting(self) -> int:
        """Events that are here and outlive this process."""
        return self._waiting - len(self._memory)

    def put(self, event: Event) -> bool:
        """Take an event at the end; whether there was room."""
        with self._guard:
            if self._waiting >= self._most:
                self._dropped += 1
                if self._dropped == 1:
                    _log.warning("desk events are lost: %d wait already", self._most)
                return False
            # While some wait in memory, later ones must wait behind them.
            if self._memory or self._disk is None or not self._disk.append(event):
                self._memory.append(event)
            self._waiting += 1
            return True

    def head(self) -> Event | None:
        """The event that has waited longest; it stays."""
        event = None
        if self._disk is not None:
            self._disk.fold()
            event = self._disk.first()
        if event is None:
            with self._guard:
                if self._memory and self._disk is not None:
                    # Put since that look, and before what is in memory.
                    event = self._disk.first()
                if event is None and self._memory:
                    event = self._memory[0]
                if event is None and self._disk is not None:
                    # Lines that were no events any more are gone without being told.
                    left = self._disk.count()
                    self._waiting = self._waiting if left is None else left
        return event

    def done(self) -> None:
        """The event that ``head`` gave was taken."""
        # Not under the guard: the disk may take its time, and whoever puts must not wait for it.
        on_disk = self._disk is not None and self._disk.remove_first()
        with self._guard:
            if not on_disk:
                self._memory.popleft()
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the file; what waits there stays, an empty one goes."""
        if self._disk is not None:
            self._disk.close()


class _Disk:
    """A table of lines. Its writers are the putting thread and the taking one, each with a
    connection of its own; a write-ahead log lets the one go on while the other reads."""

    def __init__(self, path: Path, lock: sqlite3.Connection) -> None:
        self._path, self._lock = path, lock
        self._done_to = self._head = self.left_out = self._written = 0
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._in, self._out = self._connect(), self._connect()
            self._in.execute("PRAGMA journal_mode=WAL")
            self._in.execute(
                "CREATE TABLE IF NOT EXISTS events"
                "(number INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB NOT NULL)"
            )
            (found,) = self._in.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError("it is damaged")
            self._in.execute("SELECT number, line FROM events LIMIT 1").fetchone()
            self._begin_log(self._in)
        except (OSError, sqlite3.Error, UnicodeError) as error:  # it may quote what is damaged
            lock.close()
            raise EventError(
                f"{path}: the spool of events cannot be used ({error}); free or repair the disk, "
                "or move the file away"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # NORMAL: a killed process loses nothing; after a power cut the file is whole.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection

    def count(self) -> int | None:
        """Lines that wait; None if the disk does not say."""
        query = "SELECT count(*) FROM events WHERE number > ?"
        with contextlib.suppress(sqlite3.Error):
            return int(self._out.execute(query, (self._done_to,)).fetchone()[0])
        return None

    def append(self, event: Event) -> bool:
        try:
            self._in.execute("INSERT INTO events(line) VALUES (?)", (event.line,))
        except sqlite3.Error:
            self._written = _WRITES_IN_LOG  # on a full disk, a log that is folded has room again
            return False
        self._written += 1
        return True

    def first(self) -> Event | None:
        query = "SELECT number, line FROM events WHERE number > ? ORDER BY number LIMIT 1"
        while True:
            self._head = 0
            try:
                row = self._out.execute(query, (self._done_to,)).fetchone()
            except sqlite3.Error:
                return None
            if row is None:
                return None
            self._head = row[0]
            try:
                return Event(row[1])
            except EventError:
                # Somebody else wrote into the file. What is no event does not leave.
                _log.warning("%s: holds what is no event; it was left out", self._path.name)
                self.left_out += 1
                self.remove_first()

    def remove_first(self) -> bool:
        """Forget what ``first`` gave; whether it had given anything."""
        if not self._head:
            return False
        # On a full disk the row stays; it is not told again before a restart.
        self._done_to, self._head = self._head, 0
        try:
            self._out.execute("DELETE FROM events WHERE number <= ?", (self._done_to,))
            self._written += 1
        except sqlite3.Error:
            self._written = _WRITES_IN_LOG
        return True

    def fold(self) -> None:
        """Now and then, fold the log into the table; for the taking thread, which may wait for
        the disk."""
        if self._written < _WRITES_IN_LOG:
            return
        self._written = 0
        with contextlib.suppress(sqlite3.Error):
            self._out.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._begin_log(self._out)

    @staticmethod
    def _begin_log(connection: sqlite3.Connection) -> None:
        """The first write to a folded log flushes the disk: whoever puts must not wait for that."""
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA user_version=1")

    def take_over(self, other: _Disk) -> None:
        """Append all that waits in another file, in one step, and empty that one."""
        rows = "SELECT line FROM events ORDER BY number"
        with contextlib.suppress(sqlite3.Error):
            self._in.execute("BEGIN IMMEDIATE")
            try:
                self._in.executemany(
                    "INSERT INTO events(line) VALUES (?)", other._out.execute(rows)
                )
                self._in.execute("COMMIT")
            except sqlite3.Error:
                self._in.execute("ROLLBACK")
                raise
            # Not before it is here to stay, also after a power cut.
            self._in.execute("PRAGMA wal_checkpoint(FULL)")
            self._begin_log(self._in)
            other._in.execute("DELETE FROM events")

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._out.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        is_empty = self.count() == 0
        self._in.close()
        self._out.close()
        if is_empty:
            # Still under the lock; the lock's own name must stay, or two could hold it.
            for more in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + more).unlink()
        self._lock.close()


def _claim(folder: Path, name: str) -> _Disk:
    """A file that nobody else uses, with what ended users of the others left."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EventError(
            f"{folder}: the spool of events cannot be made ({error.strerror})"
        ) from error
    own: _Disk | None = None
    for number in range(_MOST_AT_ONCE):
        path = folder / f"{name}-{number}.sqlite"
        if own is not None and not path.exists():
            continue
        lock = _lock(path.with_suffix(".lock"))
        if lock is None:
            continue
        disk = _Disk(path, lock)
        if own is None:
            own = disk
        else:
            own.take_over(disk)
            disk.close()
    if own is None:
        raise EventError(f"{folder}: more than {_MOST_AT_ONCE} at once tell events to one place")
    return own


def _lock(path: Path) -> sqlite3.Connection | None:
    """A lock that ends with this process, or None if somebody holds it."""
    try:
        # One that is there is not even opened: to close it again would let go of the lock that
        # another spool of this process has on it (POSIX).
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise EventError(f"{path}: the spool of events cannot be locked ({error})") from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return None
        raise EventError(
            f"{path}: the spool of events cannot be locked ({error}); free or repair the disk, or "
            "move the file away"
        ) from error
    return lock
