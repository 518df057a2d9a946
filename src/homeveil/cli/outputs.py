"""Files that commands write beside the video, and where redacted videos were put."""

from __future__ import annotations

import json
import os
from pathlib import Path

from homeveil.errors import HomeveilError
from homeveil.installation import state_folder

_MOST_REMEMBERED = 200


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all. Raises OutputError."""
    from homeveil.media.staging import write_whole

    write_whole(path, text.encode())


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """What changes when another file takes this name; None if there is none."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_dev, known.st_ino, known.st_mtime_ns, known.st_size


def remember_output(path: Path) -> None:
    """Note that ``path`` is redacted, so that `inspect` puts nothing raw beside it.

    Kept on this machine, in the user's state folder. A failure to note is not a failure to
    redact.
    """
    try:
        name = str(path.resolve())
        outputs = [name, *(one for one in _remembered() if one != name)]
        file = _state_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(outputs[:_MOST_REMEMBERED]))
    except (OSError, HomeveilError):
        return


def redacted_beside(path: Path) -> Path | None:
    """A redacted video that still stands in the folder of ``path``, if any is known."""
    folder = Path(os.path.realpath(path)).parent  # Path.resolve() fails for a link to itself
    for output in map(Path, _remembered()):
        if output.parent == folder and output.exists():
            return output
    return None


def _state_file() -> Path:
    return state_folder() / "outputs.json"


def _remembered() -> list[str]:
    try:
        known = json.loads(_state_file().read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in known if isinstance(one, str)] if isinstance(known, list) else []
