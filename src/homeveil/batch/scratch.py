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

_NAME = re.compile(r"homeveil-raw-(\d+)-(\d+)-\w+")


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
    return f"homeveil-raw-{os.getpid()}-{_born(os.getpid())}-"


def sweep() -> None:
    """Take away the folders of processes of this user's that are gone."""
    if not hasattr(os, "getuid"):
        return
    for path in Path(tempfile.gettempdir()).glob("homeveil-raw-*"):
        found = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError):
            mine = path.lstat().st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
            if found and mine and _born(int(found[1])) != int(found[2]):
                shutil.rmtree(path, ignore_errors=True)


def _born(process: int) -> int:
    """When a process began, in ticks since the machine did; a number is given to another one
    after it. 0 for one that is gone, -1 where that cannot be known."""
    if not Path("/proc/self/stat").exists():
        return -1
    try:
        text = Path(f"/proc/{process}/stat").read_text("ascii")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])
