"""Chooses the settings of the gate on scenes of held-out speakers.

python tune.py --validation validation_ordinary.npz --mode monitor

Prints, for growing demands on muted overlap and on clear leaks, the settings that keep most of
the agent. Those of `homeveil.clear.gate` were taken from these lists. The definition is the one
that `tests/unit/test_voice_gate.py` holds the state machine to, over many scenes at once.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homeveil._kernels import GateRule

Array = NDArray[np.float32]
NOBODY, ALONE, OTHER, OVERLAP = range(4)


def slide(values: Array, before: int, after: int, what: str) -> Array:
    """Mean or maximum over [t - before, t + after], edges repeated."""
    padding = [(0, 0)] * (values.ndim - 1) + [(before, after)]
    view = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, padding, mode="edge"), before + after + 1, axis=-1
    )
    return np.asarray(getattr(view, what)(axis=-1))


def opened(logits: Array, rule: GateRule) -> NDArray[np.bool_]:
    """(scenes, frames, 4) -> (scenes, frames)."""
    scenes, frames = logits.shape[:2]
    other = slide(logits[..., ALONE] - logits[..., OTHER], rule.smooth, rule.smooth, "mean")
    both = slide(logits[..., ALONE] - logits[..., OVERLAP], rule.smooth, rule.smooth, "mean")
    clear = logits[..., ALONE] - np.logaddexp(logits[..., OTHER], logits[..., OVERLAP])
    clear = np.clip(slide(clear, rule.smooth, rule.smooth, "mean"), -8, 8)
    recent = slide(clear, rule.span - 1, 0, "mean")
    good = (other > rule.over_other) & (both > rule.over_overlap)
    good &= logits[..., ALONE] - logits[..., OTHER] > rule.over_other - rule.slack
    good &= logits[..., ALONE] - logits[..., OVERLAP] > rule.over_overlap - rule.slack
    position = np.zeros((scenes, frames), int)
    granted = np.zeros((scenes, frames), bool)
    here, grant = np.zeros(scenes, int), np.zeros(scenes, bool)
    least = rule.before + rule.after + rule.shortest
    for t in range(frames):
        here = np.where(good[:, t], here + 1, 0)
        grant = good[:, t] & (grant | ((recent[:, t] > rule.peak) & (here >= least)))
        position[:, t], granted[:, t] = here, grant
    left, ahead = np.zeros((scenes, frames), int), np.zeros(scenes, int)
    for t in range(frames - 1, -1, -1):
        ahead = np.where(good[:, t], ahead + 1, 0)
        left[:, t] = ahead
    known = np.arange(frames)[None] + np.clip(left - 1, 0, rule.wait - rule.smooth)
    granted = np.take_along_axis(granted, np.minimum(known, frames - 1), 1)
    spoke = logits[..., ALONE] > logits[..., NOBODY]
    heard = slide(spoke.astype(np.float32), rule.hang, rule.after, "max") > 0
    return good & granted & heard & (position > rule.before) & (left > rule.after)


def figures(found: NDArray[np.bool_], label: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Agent kept in %, clear leak in ms per minute of others, overlap muted in %."""
    alone, other, both = label == ALONE, label == OTHER, label == OVERLAP
    return (
        100 * float((found & alone).sum() / alone.sum()),
        60_000 * float((found & other).sum() / (other | both).sum()),
        100 - 100 * float((found & both).sum() / both.sum()),
    )


def candidates(mode: str) -> list[GateRule]:
    """The grid."""
    edges = itertools.product((-1, -0.5, 0, 0.5, 1, 2), (-2, -1, -0.5, 0, 1), (-9, 0, 1, 2, 3))
    if mode == "call":
        margins = ((5, 1), (10, 1), (20, 1))
        return [
            GateRule(a, b, peak, 1, 0, before, after, 1, 20, 15, after)
            for (a, b, peak), (before, after) in itertools.product(edges, margins)
        ]
    return [
        GateRule(a, b, peak, 1, 1, margin, margin, 5, 20, 15, 15)
        for (a, b, peak), margin in itertools.product(edges, (3, 4, 6, 10))
    ]


def main() -> None:
    """Search, and print the best for each demand."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--mode", choices=("monitor", "call"), required=True)
    arguments = parser.parse_args()
    scenes = np.load(arguments.validation)
    logits, label = scenes[arguments.mode].astype(np.float32), scenes["label"]
    rows = [
        (figures(opened(logits, rule), label), rule) for rule in candidates(arguments.mode)
    ]
    for muted, leak in itertools.product((96, 97, 98, 99), (60, 150, 300, 600)):
        fit = [row for row in rows if row[0][2] >= muted and row[0][1] <= leak]
        if fit:
            (kept, clear, mute), rule = max(fit, key=lambda row: row[0][0])
            print(f"muted >= {muted}, leak <= {leak}: {kept:.1f} {clear:.0f} {mute:.1f}  {rule}")


if __name__ == "__main__":
    main()
