"""Events as JSON Lines: into a file, or out of standard output."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from homeveil.desk.events import Event
from homeveil.emit.events.carrier import NotDelivered
from homeveil.errors import EventError

_BEGINNING = b'{"data":{'
"""How the one form of every event begins."""


class LinesFile:
    """Appends to a file, a line an event, each on the disk before it counts as taken.

    A torn last line, which a power cut can leave, is taken off. Raises EventError when the
    file cannot be written or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # A pipe would have us wait for its reader.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            self._handle = os.open(path, flags, 0o644)
        except OSError as error:
            raise EventError(f"{path}: events cannot be written ({error.strerror})") from error
        try:
            self._mend()
        except BaseException:
            self.close()
            raise

    def _mend(self) -> None:
        size = os.fstat(self._handle).st_size
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            raise EventError(f"{self._path}: is no file; give - for standard output")
        with self._path.open("rb") as file:
            head = file.read(len(_BEGINNING))
            file.seek(max(0, size - 4096))
            tail = file.read()
        if not _BEGINNING.startswith(head[: len(_BEGINNING)]):
            raise EventError(f"{self._path}: holds something else than events; give another name")
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._handle, size - torn)

    def send(self, event: Event) -> None:
        """Append one line, whole or not at all."""
        size = None
        try:
            size = os.fstat(self._handle).st_size
            line = event.line + b"\n"
            if os.write(self._handle, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._handle)
        except OSError as error:
            if size is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, size)
            raise NotDelivered(error.strerror or "cannot be written") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._handle)


class LinesOut:
    """Writes to standard output, a line an event."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._handle = os.dup(sys.stdout.fileno())

    def send(self, event: Event) -> None:
        """Write one line."""
        left = event.line + b"\n"
        try:
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            raise NotDelivered(error.strerror or "cannot be written") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._handle)
