"""Rivals in turn, in one process: each meets the same moods of a machine that is not idle."""

from __future__ import annotations

import time

import numpy as np

from .contests import Action, Contest

_ENOUGH_SECONDS = 0.0005


def race(contest: Contest, rounds: int) -> dict[str, object]:
    """Microseconds (p50, p95, p99) of ours, of each OpenCV form and of the copy; ratios of
    medians; MB/s of the bytes that must be touched."""
    source = np.ones(contest.touched_bytes, np.uint8)
    target = np.empty_like(source)
    runners: dict[str, Action] = {
        "ours": contest.ours,
        **{f"opencv, {name}": run for name, run in contest.opencv.items()},
        "copy": lambda: np.copyto(target, source),
    }
    repeats = {name: _repeats(run) for name, run in runners.items()}
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - begin) / repeats[name])
    spread = {name: _spread(values) for name, values in times.items()}
    rivals = {name: spread[name]["p50"] for name in spread if name.startswith("opencv")}
    best = min(rivals, key=lambda name: rivals[name])
    ours, copy = spread["ours"]["p50"], spread["copy"]["p50"]
    return {
        "us": spread,
        "best_opencv": best,
        "opencv_by_ours": round(rivals[best] / ours, 2),
        "share_of_copy": round(copy / ours, 3),
        "mb_per_s": round(contest.touched_bytes / ours),
        "copy_mb_per_s": round(contest.touched_bytes / copy),
    }


def _repeats(run: Action) -> int:
    """So many that one reading of the clock is far above its grain."""
    run()
    begin = time.perf_counter()
    run()
    return max(1, int(_ENOUGH_SECONDS / max(time.perf_counter() - begin, 1e-6)))


def _spread(seconds: list[float]) -> dict[str, float]:
    values = np.percentile(np.array(seconds) * 1e6, [50, 95, 99])
    return {name: round(float(v), 1) for name, v in zip(("p50", "p95", "p99"), values, strict=True)}
