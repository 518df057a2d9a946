"""Times kernels, OpenCV and memcpy in turns, prints a table and writes it as JSON.

    python -m benchmarks.kernels [--rounds 400] [--out benchmarks/results/kernels.json]

In each round every contender of a group runs twice, so that whatever else the machine does
falls on all of them alike. The first run finds the frame where the others' work has left it,
mostly in memory; the second finds it in the cache, as after a decoder. Ratios are of medians.
The copy that is compared with is of as many bytes as the kernel must at least read, or write
where it writes more; a copy does both.
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

Times = dict[str, np.ndarray]


def timed(work: dict[str, Work], rounds: int) -> tuple[Times, Times]:
    """Milliseconds of each contender, (rounds,): out of memory, and out of the cache."""
    for call in work.values():
        call()
    runs = tuple({name: np.empty(rounds) for name in work} for _ in range(2))
    for number in range(rounds):
        for name, call in work.items():
            for run in runs:
                start = time.perf_counter()
                call()
                run[name][number] = (time.perf_counter() - start) * 1e3
    return runs[0], runs[1]


def figures(group: Group, times: Times) -> dict[str, Any]:
    """Quantiles of all contenders, and what they say about ours."""
    result: dict[str, Any] = {}
    for name, each in times.items():
        p50, p95, p99 = (round(float(q), 4) for q in np.percentile(each, (50, 95, 99)))
        result[name] = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
    ours = result["homeveil"]["p50_ms"]
    result["homeveil"]["mb_per_s"] = round(group.touched / 1e3 / ours)
    alike = [name for name in group.opencv if name not in group.lesser]
    for key, names in (("best", list(group.opencv)), ("best_alike", alike)):
        if names:
            best = min(names, key=lambda name: result[name]["p50_ms"])
            result[key] = best
            result[f"{key}_ratio"] = round(result[best]["p50_ms"] / ours, 2)
    if group.copy is not None:
        result["memcpy_share"] = round(result["memcpy"]["p50_ms"] / ours, 3)
    return result


def row(group: Group, rounds: int) -> dict[str, Any]:
    """All figures of a group."""
    work = {"homeveil": group.ours, **group.opencv}
    if group.copy is not None:
        work["memcpy"] = group.copy
    memory, cache = timed(work, rounds)
    return {
        "group": group.name,
        "goal": group.goal,
        "bytes": group.touched,
        "memory": figures(group, memory),
        "cache": figures(group, cache),
    }


def line(result: dict[str, Any]) -> str:
    """A row of the table in benchmarks/results/README.md."""
    cache, memory = result["cache"], result["memory"]
    ours, best = cache["homeveil"], cache.get("best")
    columns = [
        result["group"],
        " / ".join(f"{ours[key]:.3f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
        f"{ours['mb_per_s'] / 1000:.1f}" if result["bytes"] else "",
        f"{cache[best]['p50_ms']:.3f}" if best else "",
        f"{cache['best_ratio']:.1f} x" if best else "",
        f"{cache['best_alike_ratio']:.1f} x" if best else "",
        f"{cache['memcpy_share'] * 100:.0f} %" if "memcpy_share" in cache else "",
        f"{memory['homeveil']['p50_ms']:.3f}",
        f"{memory['best_ratio']:.1f} x" if best else "",
        f"{memory['memcpy_share'] * 100:.0f} %" if "memcpy_share" in memory else "",
    ]
    return f"| {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    print(
        "| kernel | ms p50 / p95 / p99 | GB/s | OpenCV ms | OpenCV / ours | equal work "
        "| of memcpy | from memory ms | OpenCV / ours | of memcpy |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
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
