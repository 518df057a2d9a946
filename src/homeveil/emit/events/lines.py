"""Events as JSON Lines: into a file, or out of standard output."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from homeveil.desk.events import MOST_BYTES, Event
from homeveil.emit.events.carrier import Gone, NotDelivered
from homeveil.errors import EventError

_BEGINNING = b'{"data":{'
"""How the one form of every event begins."""

_LOCKED_SECONDS = 5.0
"""Others hold the lock while they write one line to the disk."""


class LinesFile:
    """Appends to a file, a line an event, each on the disk before it counts as taken.

    A torn last line, which a power cut can leave, is taken off. Raises EventError when the
    file cannot be written, or its first line is no event or its last one never was to be one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = self._opened()

    def _opened(self) -> int:
        """The file that has the name now, made if there is none."""
        try:
            # A pipe would have us wait for its reader.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            handle = os.open(self._path, flags, 0o644)
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        try:
            with _alone(handle):
                self._mend(handle)
        except OSError as error:
            os.close(handle)
            raise _cannot_write(self._path, error) from error
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _mend(self, handle: int) -> None:
        known = os.fstat(handle)
        if not stat.S_ISREG(known.st_mode):
            raise EventError(f"{self._path}: is no file; give - for standard output")
        if known.st_size == 0:
            return
        with open(handle, "rb", closefd=False) as file:
            first = file.readline(MOST_BYTES + 1)
            file.seek(max(0, known.st_size - MOST_BYTES - 1))
            _, end, torn = file.read().rpartition(b"\n")
        # What a power cut tears may also end in zeros.
        ours = _BEGINNING.startswith(torn.rstrip(b"\0")[: len(_BEGINNING)])
        alone = len(first) == known.st_size and not end
        if not _is_event(first.removesuffix(b"\n")) or not (alone or (end and ours)):
            raise EventError(
                f"{self._path}: holds something else than events, or a single one cut short; "
                "give another name"
            )
        if alone:
            os.write(handle, b"\n")
        elif torn:
            os.ftruncate(handle, known.st_size - len(torn))

    def send(self, event: Event) -> None:
        """Append one line, whole or not at all."""
        try:
            self._follow()
            with _alone(self._handle):
                self._append(event.line + b"\n")
        except OSError as error:
            raise NotDelivered(error.strerror or "cannot be written") from error

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._handle).st_size
        try:
            if os.write(self._handle, line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")
            os.fsync(self._handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, size)
            raise

    def _follow(self) -> None:
        """After the file was moved away or removed, go on in the one that has its name: nobody
        looks for events in another."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self._path), os.fstat(self._handle)):
                return
        try:
            handle = self._opened()
        except EventError as error:
            raise NotDelivered("it was replaced by what cannot be written to") from error
        os.close(self._handle)
        self._handle = handle

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._handle)


@contextlib.contextmanager
def _alone(handle: int) -> Iterator[None]:
    """No other run that tells events there writes meanwhile. Raises OSError if somebody keeps the
    file locked; a file system without locks has none."""
    end = time.monotonic() + _LOCKED_SECONDS
    while not _locked(handle):
        if time.monotonic() > end:
            raise OSError(errno.EAGAIN, "somebody else keeps it locked")
        time.sleep(0.001)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def _cannot_write(path: Path, error: OSError) -> EventError:
    return EventError(f"{path}: events cannot be written ({error.strerror})")


def _is_event(line: bytes) -> bool:
    try:
        Event(line)
    except EventError:
        return False
    return True


class LinesOut:
    """Writes to standard output, a line an event."""

    def __init__(self) -> None:
        """Raises EventError where it is no file, as in a notebook."""
        try:
            sys.stdout.flush()
            self._handle = os.dup(sys.stdout.fileno())
        except (OSError, ValueError, AttributeError) as error:
            raise EventError(
                "standard output: events cannot be written there; give a file"
            ) from error
        self._left = b""

    def send(self, event: Event) -> None:
        """Write one line; of one that failed midway, what is left of it."""
        self._left = self._left or event.line + b"\n"
        try:
            while self._left:
                self._left = self._left[os.write(self._handle, self._left) :]
        except BrokenPipeError as error:
            raise Gone("nobody reads it any more") from error
        except OSError as error:
            raise NotDelivered(error.strerror or "cannot be written") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._handle)
