"""One command, and what it took: seconds, processor seconds, memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LEAST_SECONDS = 0.05
_SHARE = 0.02
"""How often memory is read: reading it takes so much of a core at most. At twenty times a second,
as it was once, it took a tenth of one from whatever has most memory."""


@dataclass(frozen=True, slots=True)
class Cost:
    """seconds: on the wall. cpu_seconds: user and system, of all processes. peak_mib: largest
    sum of proportional set sizes (memory that processes share counts once)."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end. Raises CalledProcessError with what it said."""
    log = folder / "log.txt"
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=output, cwd=folder, env={**os.environ, **environment}
        )
        watch = _Watch(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        watch.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = log.read_text("utf-8", "replace")[-2000:]
        raise subprocess.CalledProcessError(process.returncode, list(words), text)
    return Cost(seconds, used.ru_utime + used.ru_stime, watch.peak_kib / 1024)


class _Watch:
    """Adds up the memory of a process and its descendants, now and then."""

    def __init__(self, root: int) -> None:
        self.peak_kib = 0
        self._root = root
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _LEAST_SECONDS
        while not self._stopped.wait(pause):
            begin = time.thread_time()
            self.peak_kib = max(self.peak_kib, sum(map(_kib, _family(self._root))))
            pause = max(_LEAST_SECONDS, (time.thread_time() - begin) / _SHARE)


def _family(root: int) -> list[int]:
    family = [root]
    for member in family:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                family += map(int, (task / "children").read_text("ascii").split())
        except OSError:
            continue
    return family


def _kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
