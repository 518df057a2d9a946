"""Small things about files that several parts need."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_MOST_BYTES = 200
"""Of a name that goes into that of a temporary file: names end at 255."""


def open_regular(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: does not wait for a writer, should the path be a pipe, and
    refuses devices, which need not end. Raises OSError."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "not a regular file")
    return handle


def begin_of_name(path: Path) -> str:
    """The name, or as many of its characters as leave room for more in a name of the same file
    system."""
    return os.fsencode(path.name)[:_MOST_BYTES].decode("utf-8", "ignore")
