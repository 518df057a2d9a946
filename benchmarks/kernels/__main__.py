"""The kernels beside OpenCV and memcpy: python -m benchmarks.kernels [--json F] [--rounds N]."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from homeveil import _kernels

from .contests import contests
from .race import race


def cpu_model() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "")


def main() -> int:
    """Run all contests in turn, print a table; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    rows = {}
    print("| kernel | ours p50 / p95 / p99, us | OpenCV, us | OpenCV / ours | MB/s | of memcpy |")
    print("|---|---|---|---|---|---|")
    for contest in contests():
        row = rows[contest.name] = race(contest, arguments.rounds)
        ours, best = row["us"]["ours"], row["us"][row["best_opencv"]]["p50"]
        print(
            f"| {contest.name} | {ours['p50']} / {ours['p95']} / {ours['p99']} | {best} "
            f"| {row['opencv_by_ours']} x | {row['mb_per_s']} | {row['share_of_copy']:.0%} |"
        )
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cpu": cpu_model(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "kernels": _kernels.cpu_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "command": f"python -m benchmarks.kernels --rounds {arguments.rounds}",
        "frame": "1280x720 I420, noise",
        "contests": rows,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
