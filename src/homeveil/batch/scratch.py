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

_NAME = re.compile(r"homeveil-raw-([0-9a-f]+)-(\d+)-(\d+)-(\d+)-\w+", re.ASCII)
_FIRST_SPACE = "4026531836"
"""The number of the processes' namespace that a machine starts with, outside all containers."""


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
    boot, space = _here()
    return f"homeveil-raw-{boot}-{space}-{os.getpid()}-{_born(os.getpid())}-"


def _here() -> tuple[str, str]:
    """What a process's number belongs to: the machine's start, and a container of it. ("0", "0")
    where that cannot be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
        # Of another container, where none of its own is mounted.
        known = os.readlink("/proc/self") == str(os.getpid())
    except (OSError, ValueError):
        known = False
    if not known:
        return "0", "0"
    return boot.replace("-", ""), "".join(filter(str.isdigit, space))


def sweep() -> None:
    """Take away the folders of processes of this user's that are gone. Another container's are
    its own affair: whether its processes live cannot be seen from here."""
    here = _here()
    if not hasattr(os, "getuid") or here == ("0", "0"):
        return
    for path in Path(tempfile.gettempdir()).glob("homeveil-raw-*"):
        found = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError):
            mine = path.lstat().st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
            if found and mine and _is_gone(here, *found.groups()):
                shutil.rmtree(path, ignore_errors=True)


def _is_gone(here: tuple[str, str], boot: str, space: str, process: str, born: str) -> bool:
    if (boot, space) == here:
        return _born(int(process)) != int(born)
    # Nothing of this machine itself outlives its stop.
    return boot != here[0] and space == here[1] == _FIRST_SPACE


def _born(process: int) -> int:
    """When a process began, in ticks since the machine did; a number is given to another one
    after it. 0 for one that is gone, -1 where that cannot be known."""
    if not Path("/proc/self/stat").exists():
        return -1
    try:
        text = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])
