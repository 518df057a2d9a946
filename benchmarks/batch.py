"""What an archive costs: throughput of a pool, the engine's own cost, memory, a killed node.

    python -m benchmarks.batch [--files 200] [--json benchmarks/results/batch.json]

Files are cuts of 1.2 s from the example, 320x180. *Throughput*: blocks of files by two workers
on two cores and blocks by one on one core, in turn, so that what else the machine does meets
both. *Own cost*: the same files by `homeveil batch` with one worker and by `homeveil redact` in a
loop, on one core, in turn; seconds and processor seconds. *Scaling*: 1 and 2 workers are
measured; more, and all again for comparison, are simulated: real worker processes, pipes and
state, in which clearing is a sleep of as long as a file took here on one core. That measures
where the engine itself would end, not memory bandwidth or disks. *A killed node*: see
tests/end_to_end/test_batch_ray.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.pool import Pool
from homeveil.batch.run import Run
from homeveil.batch.state import State
from homeveil.policy import Policy

ROOT = Path(__file__).parents[1]
SECONDS = 1.2
BLOCKS = 5
LOOP = 4


def main() -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from archives import cuts

    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = cuts(folder / "in", 24)
        pool = throughput(files, arguments.files, folder)
        record = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "files": arguments.files,
            "file": f"320x180, {SECONDS} s, 10 frames/s",
            "throughput": pool,
            "own_cost": own_cost(files[:LOOP], folder),
            "scaling": scaling(pool["seconds_per_file_one_core"]),
            "load_before_and_after": [[round(one, 1) for one in load],
                                      [round(one, 1) for one in os.getloadavg()]],
        }  # fmt: skip
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def throughput(files: list[Path], count: int, folder: Path) -> dict[str, float]:
    """Files a second of two workers and of one on one core, medians over blocks; the most
    memory of a worker and its child, early and late."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    cpus: dict[int, list[float]] = {1: [], 2: []}
    for block in range(BLOCKS):
        for workers in (1, 2) if block % 2 else (2, 1):
            # One worker does less, so that both take about as long.
            size = count // BLOCKS if workers == 2 else max(2, count // BLOCKS // 3)
            source, out = folder / f"{block}-{workers}", folder / f"{block}-{workers}-out"
            source.mkdir()
            for number in range(size):
                shutil.copy(files[number % len(files)], source / f"{number:03}.mp4")
            seconds, cpu = timed(["batch", source, "--out", out, "--nobody", "--workers", workers,
                                "--quiet"], workers)  # fmt: skip
            rates[workers].append(size / seconds)
            cpus[workers].append(cpu / size)
            print(block, workers, rates[workers][-1], file=sys.stderr, flush=True)
    with sqlite3.connect(out / ".homeveil-batch.sqlite") as base:
        peaks = [row[0] for row in base.execute("SELECT peak_bytes FROM files ORDER BY target")]
    pairs = [two / one for two, one in zip(rates[2], rates[1], strict=True)]
    return {
        "files_per_second_two_workers": round(statistics.median(rates[2]), 4),
        "files_per_second_one_core": round(statistics.median(rates[1]), 4),
        "ratio_median": round(statistics.median(pairs), 3),
        "ratio_least": round(min(pairs), 3),
        "ratio_most": round(max(pairs), 3),
        # What an idle machine would give: two cores, each as much slower as a file costs more.
        "processor_seconds_per_file_one_core": round(statistics.median(cpus[1]), 3),
        "processor_seconds_per_file_two_workers": round(statistics.median(cpus[2]), 3),
        "ratio_by_processor_seconds": round(
            2 * statistics.median(cpus[1]) / statistics.median(cpus[2]), 3
        ),
        "seconds_per_file_one_core": round(1 / statistics.median(rates[1]), 3),
        "worker_peak_mb": round(max(peaks) / 2**20),
        "worker_peak_mb_first_file": round(peaks[0] / 2**20),
    }


def own_cost(files: list[Path], folder: Path) -> dict[str, float]:
    """Seconds a file of the pool to those of `homeveil redact` in a loop, on one core."""
    source = folder / "own"
    source.mkdir()
    for one in files:
        shutil.copy(one, source)
    walls: dict[str, list[float]] = {"batch": [], "loop": []}
    cpus: dict[str, list[float]] = {"batch": [], "loop": []}
    for number in range(3):
        out = folder / f"own-{number}"
        words = ["batch", source, "--out", out, "--nobody", "--workers", 1, "--quiet"]
        wall, cpu = timed(words, 1)
        walls["batch"].append(wall / len(files))
        cpus["batch"].append(cpu / len(files))
        spent = [timed(["redact", one, out / f"l-{one.name}", "--nobody", "--quiet"], 1)
                 for one in files]  # fmt: skip
        walls["loop"].append(statistics.mean(wall for wall, _ in spent))
        cpus["loop"].append(statistics.mean(cpu for _, cpu in spent))
    result = {}
    for name, told in (("seconds", walls), ("processor_seconds", cpus)):
        for way, values in told.items():
            result[f"{name}_{way}"] = round(statistics.median(values), 3)
        ratio = statistics.median(a / b for a, b in zip(told["batch"], told["loop"], strict=True))
        result[f"{name}_ratio"] = round(ratio, 3)
    return result


def timed(words: list[object], cores: int) -> tuple[float, float]:
    """Wall and processor seconds of one command on so many cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "homeveil.cli", *map(str, words)],
        check=True,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, set(allowed)),
    )
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Sleepers(Pool):
    """Workers that do nothing for as long as a file takes."""

    start = (
        f"sys.path.insert(0, {str(ROOT)!r}); import functools;"
        " from benchmarks.batch import sleep_for; from homeveil.batch.worker import main;"
        " functools.partial(main, work=sleep_for)"
    )


def sleep_for(job: Job) -> Outcome:
    """In place of clearing; the file's name says for how long."""
    seconds = float(Path(job.source).stem.split("_")[1])
    time.sleep(seconds)
    Path(job.target).write_bytes(b"x")
    return Outcome(content="x", wall_seconds=seconds, bytes_out=1)


def scaling(seconds: float) -> dict[str, dict[str, float]]:
    """Files a second and the share of the ideal, for numbers of workers, simulated."""
    table: dict[str, dict[str, float]] = {}
    for workers in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "out").mkdir()
            jobs = []
            for number in range(6 * workers):
                source = folder / f"{number:03}_{seconds}_.mp4"
                source.write_bytes(b"x")
                target = str(folder / "out" / source.name)
                jobs.append(Job(str(source), target, None, Policy().to_document()))
            with State(folder / "state") as state, Sleepers(workers) as pool:
                work = Run(jobs, state)
                begin = time.monotonic()
                work.work(pool)
                wall = time.monotonic() - begin
        rate = len(jobs) / wall
        table[str(workers)] = {
            "files_per_second": round(rate, 3),
            "of_ideal": round(rate * seconds / workers, 3),
        }
        print("simulated", workers, table[str(workers)], file=sys.stderr, flush=True)
    return table


if __name__ == "__main__":
    sys.exit(main())
