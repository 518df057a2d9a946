"""The engine of one machine: worker processes, one decode-to-encode pipeline each.

Each worker keeps to its share of the cores, so that its decoder, looks and encoder make as
many threads as it can run. A worker ends when this process does, and is replaced when it
dies; the file it was at counts as lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from homeveil.batch import places
from homeveil.batch.cores import available_cores, shares
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.scratch import lasting, sweep
from homeveil.errors import IsolationError, UsageError

BYTES_PER_WORKER = 1 << 30
"""Memory set aside for a worker and its isolated process; 0.7 GiB were measured at 720p."""

_MOST_LINE = 1 << 26
_MOST_IDLE_DEATHS = 8


@dataclass(slots=True)
class _Worker:
    """lent: the target of the job that has its cores, which another worker does."""

    process: subprocess.Popen[bytes]
    cores: frozenset[int]
    scratch: str
    job: Job | None = None
    lent: str = ""
    heard: bytes = b""


class Pool(Engine):
    """``workers`` processes, as many as cores and memory allow if None. Raises UsageError."""

    start = "from homeveil.batch.worker import main; main"
    """What a worker runs, called with its cores and its scratch folder."""

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers; give at least 1")
        if sys.platform == "win32":
            raise UsageError("the pool needs Linux or macOS; on Windows use --engine ray")
        self.size = workers or default_workers()
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._idle_deaths = 0
        sweep()
        try:
            for cores in shares(available_cores(), self.size):
                self._workers.append(self._started(cores))
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        return len(self._idle())

    def _idle(self) -> list[_Worker]:
        return [one for one in self._workers if one.job is None and not one.lent]

    @property
    def process_ids(self) -> list[int]:
        """Of the workers."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, job: Job) -> None:
        worker, *others = self._idle()[: job.stretches]
        if others:
            cores = worker.cores.union(*(one.cores for one in others))
            job = dataclasses.replace(job, cores=tuple(sorted(cores)))
            for one in others:
                one.lent = job.target
        worker.job = job
        pipe = worker.process.stdin
        # A worker that died meanwhile is found out when it is read.
        with contextlib.suppress(BrokenPipeError):
            if pipe is not None:
                pipe.write(job.to_json().encode() + b"\n")
                pipe.flush()

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        done: list[tuple[Job, Outcome]] = []
        for key, _ in self._selector.select(seconds):
            worker: _Worker = key.data
            data = os.read(key.fd, 1 << 16)
            worker.heard += data
            if not data or len(worker.heard) > _MOST_LINE:
                done += self._replace(worker)
            elif worker.heard.endswith(b"\n"):
                if worker.job is not None:
                    done.append((worker.job, Outcome.from_json(worker.heard.decode())))
                    self._give_back(worker.job)
                worker.heard, worker.job = b"", None
        return done

    def _started(self, cores: frozenset[int]) -> _Worker:
        root = str(Path(__file__).parents[2])
        paths = [root, *(entry for entry in sys.path if entry and entry != root)]
        told = ",".join(map(str, sorted(cores)))
        # Raw recordings that a worker fetches must not outlive it, however it ends.
        # Should both be killed at once, the next run sweeps it away.
        scratch = str(lasting())
        code = f"import sys; sys.path[:] = {paths!r}; {self.start}({told!r}, {scratch!r})"
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What a terminal sends reaches this process alone, which then ends its workers.
            start_new_session=True,
        )
        worker = _Worker(process, cores, scratch)
        if process.stdout is not None:
            self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _replace(self, dead: _Worker) -> list[tuple[Job, Outcome]]:
        self._end(dead)
        new = self._started(dead.cores)
        new.lent = dead.lent
        self._workers[self._workers.index(dead)] = new
        if dead.job is None:
            self._idle_deaths += 1
            if self._idle_deaths > _MOST_IDLE_DEATHS:
                raise IsolationError(
                    f"workers do not start (status {dead.process.returncode}); run"
                    " `homeveil doctor`"
                )
            return []
        self._give_back(dead.job)
        places.remove_staged(dead.job.staging)
        code = dead.process.returncode
        how = f"killed by signal {-code}" if code < 0 else f"status {code}"
        return [(dead.job, Outcome(f"{dead.job.source}: its worker died ({how})", lost=True))]

    def _give_back(self, job: Job) -> None:
        for one in self._workers:
            if one.lent == job.target:
                one.lent = ""

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.wait()
        shutil.rmtree(worker.scratch, ignore_errors=True)
        for pipe in (worker.process.stdout, worker.process.stdin):
            if pipe is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(pipe)
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def close(self) -> None:
        for worker in self._workers:
            self._end(worker)
            if worker.job is not None:
                places.remove_staged(worker.job.staging)
        self._workers.clear()
        self._selector.close()


def default_workers() -> int:
    """One for each core, fewer where memory is short."""
    return max(1, min(len(available_cores()), available_bytes() // BYTES_PER_WORKER))


def available_bytes() -> int:
    """Memory to be had without swapping, within the container's limit."""
    room = [1 << 62]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        told = next(line for line in lines if line.startswith("MemAvailable"))
        room.append(int(told.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text("ascii"))
        room.append(most - int((group / "memory.current").read_text("ascii")))
    return max(0, min(room))
