"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from homeveil.errors import OutputError
from homeveil.files import begin_of_name, is_descriptor, sync_folder

_ATTEMPTS = 16


class StagedFile:
    """An empty file beside ``path`` that takes its place at ``publish()``.

    ``working_path`` is ``.NAME.XXXXXXXX.part`` in the same directory, made exclusively
    and readable by its owner alone; the mode that the umask asks for comes with the
    final name, where the file system lets it, or, ``private``, stays as it is. A killed
    process leaves at most the ``.part`` file. ``source`` is the file being read: writing onto
    it is refused.

    Raises OutputError, with nothing left behind.
    """

    def __init__(
        self, path: Path, source: Path | None = None, *, private: bool = False
    ) -> None:
        self.path = path
        check_target(path, source)
        self._handle, self.working_path = self._create()
        self._private = private
        self._mode = 0o600 if private else os.fstat(self._handle).st_mode & 0o777
        with contextlib.suppress(OSError):
            os.chmod(self.working_path, 0o600)

    def _create(self) -> tuple[int, Path]:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
        name = begin_of_name(self.path)
        for _ in range(_ATTEMPTS):
            part = self.path.with_name(f".{name}.{secrets.token_hex(4)}.part")
            try:
                return os.open(part, flags, 0o666), part
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(_cannot_write(self.path, error)) from error
        raise OutputError(f"{self.path}: no free temporary name beside it; clear old .part files")

    def publish(self) -> None:
        """Flush to disk and take the final name, replacing what stood there."""
        try:
            os.fsync(self._handle)
            self._close()
            self._set_mode()
            os.replace(self.working_path, self.path)
        except OSError as error:
            self.discard()
            raise OutputError(_cannot_write(self.path, error)) from error
        except BaseException:
            # Flushing takes seconds on a slow disk, and may be interrupted.
            self.discard()
            raise
        sync_folder(self.path.parent)

    def _set_mode(self) -> None:
        try:
            os.chmod(self.working_path, self._mode)
        except OSError:
            # A stick's file system has no modes to set: only what is private must have its own.
            if self._private:
                raise

    def discard(self) -> None:
        """Remove the working file, if it still is there."""
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self.working_path)

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a small file; what stood there stays until it is whole. Raises OutputError."""
    staged = StagedFile(path, private=private)
    try:
        staged.working_path.write_bytes(data)
    except OSError as error:
        staged.discard()
        raise OutputError(_cannot_write(path, error)) from error
    except BaseException:
        staged.discard()
        raise
    staged.publish()


def check_target(path: Path, source: Path | None = None) -> None:
    """Raise OutputError if ``path`` cannot become a file, or is ``source`` itself."""
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a directory; give a file name")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: no directory {path.parent}; make it first")
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path}: is the input itself; give the output another name")
        # A link of the system's to what is written to now would be replaced by a file.
        if path.exists() and (is_descriptor(path) or not path.is_file()):
            raise OutputError(f"{path}: is no plain file; give another name")
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: no permission to write into {path.parent}")


def _cannot_write(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror or error}); nothing was left there"
