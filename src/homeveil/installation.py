"""What this installation keeps in the user's state folder, and its secrets there.

A secret is made when first needed and readable by its owner alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from homeveil.errors import HomeveilError, UsageError


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
    base = os.environ.get("XDG_STATE_HOME") or home_folder("XDG_STATE_HOME") / ".local" / "state"
    return Path(base) / "homeveil"


def own_secret(
    path: Path, what: str, make: Callable[[], bytes], error: type[HomeveilError]
) -> bytes:
    """The secret in ``path``, made now if there is none. ``what`` names it in messages.

    Raises ``error`` when it cannot be read or made, or when others may read it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _keep(path, what, make, error)
    except OSError as failure:
        raise error(f"{path}: the {what} cannot be read ({failure.strerror})") from failure
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise error(f"{path}: others may read the {what}; run `chmod 600` on it")
    return data


def _keep(path: Path, what: str, make: Callable[[], bytes], error: type[HomeveilError]) -> bytes:
    data = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name that nobody had: what a run that was killed left must not be in the way.
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
            # Two first runs at once: the first secret to stand is everybody's.
            os.link(part, path)
        finally:
            os.unlink(part)
    except FileExistsError:
        return own_secret(path, what, make, error)
    except OSError as failure:
        raise error(f"{path}: the {what} cannot be made ({failure.strerror})") from failure
    return data
