"""Small things about files that several parts need."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from homeveil.errors import UsageError

_MOST_BYTES = 200
"""Of a name that goes into that of a temporary file: names end at 255."""


def path_of(given: object, what: str) -> Path:
    """``given`` as a path. Raises UsageError for what no file is called."""
    name = os.fspath(given) if isinstance(given, os.PathLike) else given
    if isinstance(name, str) and "\0" not in name:
        with contextlib.suppress(UnicodeEncodeError):
            os.fsencode(name)
            return Path(name)
    raise UsageError(f"{what} is {given!r}; give the name of a file")


def is_descriptor(path: Path) -> bool:
    """Whether a name is that of something this process alone has open, as a standard stream is."""
    names = path.absolute().as_posix(), os.path.abspath(path)
    return any(name.startswith(("/dev/fd/", "/dev/std", "/proc/self/fd/")) for name in names)


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
    whole = os.fsencode(path.name)[:_MOST_BYTES].decode("utf-8", "ignore")
    return os.fsdecode(whole.encode())  # as names are told where the locale is not UTF-8


def write_whole(path: Path, data: bytes, *, overwrite: bool, mode: int = 0o600) -> None:
    """Write a file that stands under its name whole or not at all, and survives a power cut.

    mode: who may read it. Raises OSError; FileExistsError if the name is taken and ``overwrite``
    is not set.
    """
    begin = f".{begin_of_name(path)}-"
    # No name that a run before may have left: in a container every run has the same number.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=begin, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp made it 0600
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode != 0o600:
            os.chmod(name, mode)
        if overwrite:
            os.replace(name, path)
        else:
            _rename_to_free_name(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def _rename_to_free_name(name: str, path: Path) -> None:
    """Rename unless the target exists. A check followed by a rename could replace a file that came
    in between; and the name must never stand for less than all of the file."""
    try:
        os.link(name, path)
    except FileExistsError:
        raise
    except OSError:
        _rename_to_taken_name(name, path)
    else:
        os.unlink(name)


def _rename_to_taken_name(name: str, path: Path) -> None:
    """The same where files have one name only: the name is taken first, and empty for a moment."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
