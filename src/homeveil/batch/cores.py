"""Which cores a worker keeps to. Decoder, looks and encoder make as many threads as they see
cores: workers that all see all cores are in each other's way."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

_held: list[int] = []
_all: list[int] = []


def available_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares(cores: Sequence[int], workers: int) -> list[frozenset[int]]:
    """The cores of each worker: even shares, or one core for several workers."""
    if workers >= len(cores):
        return [frozenset({cores[number % len(cores)]}) for number in range(workers)]
    bounds = [number * len(cores) // workers for number in range(workers + 1)]
    return [frozenset(cores[a:b]) for a, b in itertools.pairwise(bounds)]


def keep_to(cores: Iterable[int]) -> None:
    """Keep this process, and those it starts, to these cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, set(cores))


def keep_to_free(count: int) -> None:
    """Keep this process to ``count`` cores that no other worker of this user keeps to, until
    another count is asked for or it ends; to any, where there are too few."""
    if len(_held) == count or not hasattr(os, "sched_setaffinity"):
        return
    while _held:
        os.close(_held.pop())
    if not _all:
        _all.extend(available_cores())
    import fcntl

    folder = Path(tempfile.gettempdir()) / f"homeveil-cores-{os.getuid()}"
    known, free = _all, []
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        for core in known:
            handle = os.open(folder / str(core), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                continue
            _held.append(handle)
            free.append(core)
            if len(free) == count:
                break
    others = [core for core in known if core not in free]
    start = os.getpid() % max(1, len(others))
    keep_to([*free, *(others[start:] + others[:start])][:count])
