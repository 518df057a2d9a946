"""Times kernels, OpenCV and memcpy in turns, prints a table and writes it as JSON.

    python -m benchmarks.kernels [--rounds 400] [--out benchmarks/results/kernels.json]

In each round every contender of a group runs once, so that whatever else the machine does
falls on all of them alike. Ratios are of medians. The copy that is compared with is of as many
bytes as the kernel must at least read, or write where it only writes; a copy does both.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.kernels.contenders import Group, Work, groups
from homeveil import _kernels


def timed(work: dict[str, Work], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each contender, (rounds,)."""
    for call in work.values():
        call()
    seconds = {name: np.empty(rounds) for name in work}
    for number in range(rounds):
        for name, call in work.items():
            start = time.perf_counter()
            call()
            seconds[name][number] = time.perf_counter() - start
    return seconds


def row(group: Group, rounds: int) -> dict[str, Any]:
    """All figures of a group."""
    work = {"homeveil": group.ours, **group.opencv}
    if group.copy is not None:
        work["memcpy"] = group.copy
    seconds = timed(work, rounds)
    result: dict[str, Any] = {"group": group.name, "goal": group.goal, "bytes": group.touched}
    for name, times in seconds.items():
        p50, p95, p99 = np.percentile(times, (50, 95, 99)) * 1e3
        result[name] = {
            "p50_ms": round(p50, 4), "p95_ms": round(p95, 4), "p99_ms": round(p99, 4),
            "least_ms": round(times.min() * 1e3, 4),
        }
    ours = result["homeveil"]
    ours["mb_per_s"] = round(group.touched / 1e3 / ours["p50_ms"])
    if group.opencv:
        best = min(group.opencv, key=lambda name: result[name]["p50_ms"])
        result["best_opencv"] = best
        result["opencv_ratio"] = round(result[best]["p50_ms"] / ours["p50_ms"], 2)
    if group.copy is not None:
        result["memcpy_share"] = round(result["memcpy"]["p50_ms"] / ours["p50_ms"], 3)
    return result


def line(result: dict[str, Any]) -> str:
    """A row of the table in benchmarks/results/README.md."""
    ours = result["homeveil"]
    best = result.get("best_opencv")
    opencv = f"{result[best]['p50_ms']:.3f}" if best else ""
    ratio = f"{result['opencv_ratio']:.1f} x" if best else ""
    share = f"{result['memcpy_share'] * 100:.0f} %" if "memcpy_share" in result else ""
    rate = f"{ours['mb_per_s'] / 1000:.1f}" if ours["mb_per_s"] else ""
    times = " / ".join(f"{ours[key]:.3f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
    return f"| {result['group']} | {times} | {rate} | {opencv} | {ratio} | {share} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    print("| kernel | ms p50 / p95 / p99 | GB/s | OpenCV ms | OpenCV / ours | of memcpy |")
    print("|---|---|---|---|---|---|")
    results = []
    for group in groups():
        results.append(row(group, arguments.rounds))
        print(line(results[-1]), flush=True)
    if arguments.out:
        report = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}",
            "cpu": _processor(),
            "kernels": _kernels.cpu_name(),
            "versions": {"opencv": cv2.__version__, "numpy": np.__version__},
            "threads": 1,
            "rounds": arguments.rounds,
            "frame": "1280x720 I420",
            "rows": results,
        }
        arguments.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _processor() -> str:
    try:
        for entry in Path("/proc/cpuinfo").read_text().splitlines():
            if entry.startswith("model name"):
                return entry.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


if __name__ == "__main__":
    main()
