"""The standard streams of a command, which may be closed, full or read by nobody any more."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def open_all() -> None:
    """Standard streams that were closed lead nowhere, lest a file or pipe of ours takes their
    place; a name that standard output cannot encode is written as far as it can be."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  stays
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """One line on standard error. Where it takes none, the status alone must tell."""
    with contextlib.suppress(OSError):
        print(in_one_line(text), file=sys.stderr, flush=True)


def in_one_line(text: str) -> str:
    """What a name has in it that would end the line, or steer a terminal, shows as its number."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def give_up(stream: TextIO) -> None:
    """What is still to be written there is dropped, so that ending does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def end() -> None:
    """What standard error does not take is dropped, or Python would end with a status of its
    own for it."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        give_up(sys.stderr)
