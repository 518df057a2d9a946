"""Starts Python processes of a live session's, each with less than this one has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from homeveil.emit.events import PASSWORD, TOKEN, USERNAME
from homeveil.profile.store import PASSPHRASE_VARIABLE

_SECRETS = frozenset({PASSPHRASE_VARIABLE, TOKEN, USERNAME, PASSWORD})


def start(
    statement: str, *, confine: str, pass_fds: Sequence[int] = (), answers: bool = False
) -> subprocess.Popen[bytes]:
    """A process that gives up what ``confine`` says (a function of ``homeveil._confine``), dies
    with this one, knows none of its secrets and then runs ``statement``. What it is told goes
    through its standard input; ``answers``: standard output is a pipe too. Raises OSError."""
    root = str(Path(__file__).parents[2])
    paths = [root, *(entry for entry in sys.path if entry and entry != root)]
    lock = ""
    if sys.platform.startswith("linux"):
        lock = f"from homeveil import _confine; _confine.{confine}({os.getpid()}); "
    return subprocess.Popen(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {paths!r}; {lock}{statement}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=pass_fds,
        env={name: value for name, value in os.environ.items() if name not in _SECRETS},
        start_new_session=True,
    )
