"""What isolation costs: throughput of a whole redaction, and latency of one frame.

    python -m benchmarks.isolation [--runs 5] [--json benchmarks/results/isolation.json]

The example clip is scaled up to 1280x720 first. Throughput: ``redact`` with and without
isolation in turn, each in a process of its own; median of the ratios of neighbours. Seconds
per frame leave the start out: time between the first and the last frame written. Latency: an
isolated process that has nothing to do but send one veiled frame after another; its seconds
per frame are an upper bound of what a frame waits on its way.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

SIZE = (1280, 720)
FRAMES = 600
ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("CLIP", "ISOLATE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one_run(Path(arguments.one[0]), arguments.one[1])))
        return 0
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        clip = scaled(ROOT / "examples" / "demo.mp4", Path(folder) / "in.mp4")
        runs: dict[str, list[dict[str, float]]] = {"off": [], "require": []}
        for number in range(arguments.runs):
            for isolate in sorted(runs, reverse=bool(number % 2)):
                runs[isolate].append(measured(clip, isolate))
                print(isolate, runs[isolate][-1], file=sys.stderr)
        latency = [frame_latency(clip) for _ in range(arguments.runs)]
    ratio = {
        key: statistics.median(
            one[key] / other[key] for one, other in zip(runs["require"], runs["off"], strict=True)
        )
        for key in runs["off"][0]
    }
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "load_average": [round(load, 1) for load in (before, os.getloadavg()[0])],
        "size": SIZE,
        "runs": arguments.runs,
        "median": {
            isolate: {key: round(statistics.median(one[key] for one in all_), 4) for key in all_[0]}
            for isolate, all_ in runs.items()
        },
        "ratios_seconds_per_frame": [
            round(one["seconds_per_frame"] / other["seconds_per_frame"], 3)
            for one, other in zip(runs["require"], runs["off"], strict=True)
        ],
        "ratio_isolated_to_plain": {key: round(value, 3) for key, value in ratio.items()},
        "latency_ms_per_frame": round(1000 * statistics.median(latency), 3),
    }
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def measured(clip: Path, isolate: str) -> dict[str, float]:
    """One redaction in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.isolation", "--one", str(clip), isolate]
    run = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return result


def one_run(clip: Path, isolate: str) -> dict[str, float]:
    """Seconds in all and per frame; of both processes, seconds of the processor and megabytes
    at their peak."""
    import resource

    from homeveil import Isolate, Policy, redact

    marks: list[float] = []
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = redact(
            clip,
            Path(folder) / "out.mp4",
            profile=None,
            policy=Policy(),
            isolate=Isolate(isolate),
            progress=lambda _: marks.append(time.perf_counter()),
        )
    end = time.perf_counter()
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": end - begin,
        "seconds_per_frame": (marks[-1] - marks[0]) / (report.frames - 1),
        "processor_seconds": sum(one.ru_utime + one.ru_stime for one in both),
        "peak_mb": sum(one.ru_maxrss for one in both) / 1024,
    }


def frame_latency(clip: Path) -> float:
    """Seconds per frame of an isolated process that only sends."""
    from homeveil import Policy
    from homeveil.isolation import box

    plain = box._START
    sending = (
        " import benchmarks.isolation as sender; sender.send_repeatedly();"
        " from homeveil.isolation.inside import main;"
    )
    box._START = plain.replace(" from homeveil.isolation.inside import main;", sending)
    try:
        with box.Box(box.Order(clip, None, Policy())) as sender:
            frames = iter(sender)
            next(frames)
            begin = time.perf_counter()
            for _ in frames:
                pass
            return (time.perf_counter() - begin) / (FRAMES - 1)
    finally:
        box._START = plain


def send_repeatedly() -> None:
    """Called in the isolated process: the first frame veiled, sent again and again."""
    from homeveil import Timestamp, clearing
    from homeveil.clearing import here
    from homeveil.frames import _SEAL

    whole = here._PictureAndSound.__iter__

    def again(self: here._PictureAndSound) -> Iterator[clearing.Veiled]:
        first = next(iter(whole(self)))
        self.frames_read = FRAMES
        for number in range(FRAMES):
            time_ = Timestamp(first.time.pts + number, first.time.time_base)
            yield dataclasses.replace(first, time=time_, seal=_SEAL)

    here._PictureAndSound.__iter__ = again  # type: ignore[method-assign]


def scaled(source: Path, target: Path) -> Path:
    """``source`` in 1280x720, picture alone."""
    import av

    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream("libx264", rate=10, options={"crf": "18", "preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(old.decode(video=0)):
            large = frame.reformat(*SIZE, format="yuv420p", interpolation="BICUBIC")
            large.pts, large.time_base = number, Fraction(1, 10)
            new.mux(stream.encode(large))
        new.mux(stream.encode(None))
    return target


if __name__ == "__main__":
    sys.exit(main())
