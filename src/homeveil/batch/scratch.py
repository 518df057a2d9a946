"""A folder of this machine for raw copies, which does not outlive its process for long: whoever
comes next takes away what processes that are gone left behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from homeveil.batch.processes import Process

_NAME = re.compile(r"homeveil-raw-([0-9a-f-]+)-\w+", re.ASCII)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder that this user alone can read; gone afterwards."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_prefix()) as folder:
        yield Path(folder)


def lasting() -> Path:
    """Such a folder that stays until it is removed, or this process is gone and somebody comes."""
    return Path(tempfile.mkdtemp(prefix=_prefix()))


def _prefix() -> str:
    return f"homeveil-raw-{Process.this()}-"


def sweep() -> None:
    """Take away the folders of processes of this user's that are gone. Another container's are
    its own affair: whether its processes live cannot be seen from here."""
    if not hasattr(os, "getuid"):
        return
    for path in Path(tempfile.gettempdir()).glob("homeveil-raw-*"):
        name = _NAME.fullmatch(path.name)
        maker = Process.named(name[1]) if name else None
        with contextlib.suppress(OSError):
            mine = path.lstat().st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
            # Nothing of this machine itself outlives its stop.
            if maker and mine and (maker.is_gone or maker.stopped_with_machine):
                shutil.rmtree(path, ignore_errors=True)
