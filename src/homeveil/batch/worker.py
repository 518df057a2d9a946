"""A worker process of the pool: a job a line on standard input, an outcome a line back."""

from __future__ import annotations

import os
import queue
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable

from homeveil.batch.cores import keep_to
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.work import clear


def main(cores: str, scratch: str, work: Callable[[Job], Outcome] = clear) -> None:
    """Work until standard input ends, on these cores (numbers with commas). scratch: a folder of
    its own for what it fetches, which is removed then."""
    tempfile.tempdir = scratch
    own = [int(core) for core in cores.split(",")]
    keep_to(own)
    answers = os.dup(1)
    # Whatever a library prints must not stand between the answers.
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, scratch), daemon=True).start()
    while True:
        job = Job.from_json(jobs.get())
        keep_to(job.cores or own)
        outcome = work(job)
        _write(answers, outcome.to_json().encode() + b"\n")


def _listen(jobs: queue.SimpleQueue[str], scratch: str) -> None:
    """Take jobs. When nobody is there any more to take the answer, the worker ends at once:
    somebody else may be about to do the same file."""
    for line in sys.stdin:
        jobs.put(line)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
