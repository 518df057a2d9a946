"""Names of what a run writes beside its output: none may cost anybody another file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from homeveil.errors import OutputError

Named = tuple[str, Path]
"""What a file is to the run, such as ``report``, and where it is."""


def check_apart(read: Iterable[Named], written: Iterable[Named]) -> None:
    """Raise OutputError if a file of ``written`` is one of ``read``, or another of its own."""
    written = list(written)
    if not written:
        return
    taken = {_identity(path): what for what, path in read}
    for what, path in written:
        identity = _identity(path)
        if identity in taken:
            raise OutputError(
                f"{path}: the {what} would be written over the {taken[identity]}; give another name"
            )
        taken[identity] = what


def _identity(path: Path) -> tuple[int, int] | str:
    """The same for all names of one file, whether it exists yet or not."""
    try:
        known = path.stat()
    except OSError:
        return os.path.realpath(path)
    except ValueError:  # no name that a file can have
        return os.path.abspath(path)
    return known.st_dev, known.st_ino
