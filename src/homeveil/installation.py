"""What this installation keeps in the user's state folder, and its secrets there.

A secret is made when first needed and readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from homeveil.errors import HomeveilError, UsageError
from homeveil.files import open_regular, write_whole


def home_folder(instead: str) -> Path:
    """The user's own folder. ``instead``: the variable that makes it unnecessary.

    Raises UsageError for an account without one, as in many a container.
    """
    try:
        return Path.home()
    except RuntimeError as failure:
        raise UsageError(f"this account has no home folder; set HOME or {instead}") from failure


def state_folder() -> Path:
    """The folder; it need not exist yet. Raises UsageError."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored. A secret would come to
    # lie wherever a command is run, beside outputs too.
    if not os.path.isabs(base):
        return home_folder("XDG_STATE_HOME") / ".local" / "state" / "homeveil"
    return Path(base) / "homeveil"


def own_secret(
    path: Path, what: str, make: Callable[[], bytes], error: type[HomeveilError]
) -> bytes:
    """The secret in ``path``, made now if there is none. ``what`` names it in messages.

    Raises ``error`` when it cannot be read or made, or when others may read it.
    """
    if not os.path.lexists(path):
        try:
            _keep(path, make())
        except OSError as failure:
            raise error(f"{path}: the {what} cannot be made ({failure.strerror})") from failure
    try:
        with open(path, "rb", opener=open_regular) as file:
            data, mode = file.read(), os.fstat(file.fileno()).st_mode
    except OSError as failure:
        raise error(f"{path}: the {what} cannot be read ({failure.strerror})") from failure
    if os.name == "posix" and mode & 0o077:
        raise error(f"{path}: others may read the {what}; run `chmod 600` on it")
    return data


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Two first runs at once: the first secret to stand is everybody's.
        write_whole(path, data, overwrite=False)
