"""The operating curve of the voice gate: what leaks against what is kept, as its edges move.

    python -m benchmarks.voice_curve --judge DIR --work DIR --sound monitor \
        --naive baselines_table.txt --json OUT.json --plot docs/voice_curve.svg

work: folder with ``scenes`` as made by ``benchmarks.voice``. naive: the judge's own table of
gates by embedding alone, drawn beside ours. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.voice import AGENTS, enrolled, mean
from homeveil._kernels import Verdict
from homeveil.clear.gate import ChannelGate, rule_of
from homeveil.clear.keys import key_rule_of
from homeveil.perceive.hearing import Listener, load_voice_models
from homeveil.perceive.sound_features import HOP, SAMPLE_RATE_HZ
from homeveil.policy import Muted, Policy, Sound
from homeveil.veil.muting import Mute

SHIFTS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Added to every edge of the rule, in natural logarithms of odds."""


def one(job: tuple[Path, Path, str]) -> list[dict[str, Any]]:
    """All shifts on one scene; the networks run once."""
    folder, judge, sound = job
    sys.path.insert(0, str(judge))
    scorer = importlib.import_module("voice_score")
    policy = Policy(sound=Sound(sound))
    voice = enrolled(folder / "enrol.wav").voice
    mix = scorer.decode(str(folder / "mix.wav")).astype(np.float32)
    listener = Listener(SAMPLE_RATE_HZ, voice, load_voice_models(policy))
    heard = [listener.push(mix), listener.finish()]
    scene = scorer.Scene(str(folder))
    preset, agent, seed = folder.name.rsplit("-", 2)
    rows = []
    for shift in SHIFTS:
        base = rule_of(policy)
        edges = ("over_other", "over_overlap", "peak")
        rule = replace(base, **{edge: getattr(base, edge) + shift for edge in edges})
        gate = ChannelGate(rule, key_rule_of(policy, voice))
        verdicts = [*gate.take(heard[0]), *gate.take(heard[1]), *gate.finish()]
        opened = [verdict is Verdict.OPEN for verdict, _ in verdicts]
        result = scorer.score(scene, painted(mix, opened), do_align=False, estoi=False)
        keys = ("agent_kept_pct", "leak_ms_per_min_clear", "overlap_muted_pct")
        rows.append(
            {"preset": preset, "agent": agent, "seed": int(seed), "shift": shift}
            | {key: result[key] for key in keys}
        )
    return rows


def painted(mix: np.ndarray, opened: list[bool]) -> np.ndarray:
    """(n,) at 16 kHz as the gate leaves it, from which frames it opened."""
    out, mute = np.zeros((1, len(mix)), np.float32), Mute(SAMPLE_RATE_HZ, 1, Muted.SILENCE)
    for t, now in enumerate(opened):
        start = HOP * t + 120
        piece = mix[None, start : start + HOP].copy()
        near = [0 <= k < len(opened) and opened[k] for k in (t - 1, t + 1)]
        mute.apply(piece, start, before=[near[0]], now=[now], after=[near[1]])
        out[:, start : start + HOP] = piece
    return out[0]


def curve(rows: list[dict[str, Any]], agent: str | None = None) -> list[tuple[float, ...]]:
    """(kept, clear leak, overlap muted) for every shift, of one agent or of all."""
    points = []
    for shift in SHIFTS:
        chosen = [row for row in rows if row["shift"] == shift and agent in (None, row["agent"])]
        keys = ("agent_kept_pct", "leak_ms_per_min_clear", "overlap_muted_pct")
        points.append(tuple(mean(row[key] for row in chosen) or 0.0 for key in keys))
    return points


def naive(path: Path) -> dict[str, list[tuple[float, float]]]:
    """(kept, clear leak) of the judge's gates by embedding, by name."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if words and words[0].startswith("gate_"):
            name = words[0].split("@")[0]
            found.setdefault(name, []).append((float(words[4]), float(words[2])))
    return found


def draw(rows: list[dict[str, Any]], rivals: dict[str, list[tuple[float, float]]], path: Path,
         title: str) -> None:  # fmt: skip
    """Clear leak (logarithmic) and overlap passed against what is kept."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "homeveil"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.4))
    points = np.array(curve(rows))
    worst = np.array([
        [min(c[k][0] for c in each), max(c[k][1] for c in each), min(c[k][2] for c in each)]
        for each in [[curve(rows, agent) for agent in AGENTS]] for k in range(len(SHIFTS))
    ])  # fmt: skip
    left.plot(points[:, 0], points[:, 1] + 1, "o-", label="homeveil, mean of agents")
    left.plot(worst[:, 0], worst[:, 1] + 1, "s--", label="homeveil, worst agent")
    for name, line in rivals.items():
        shown = np.array(line)
        left.plot(shown[:, 0], shown[:, 1] + 1, ".-", alpha=0.6, label=f"embedding alone, {name}")
    left.axhline(121, color="grey", linewidth=0.8)
    left.axvline(90, color="grey", linewidth=0.8)
    left.set_yscale("log")
    left.set_xlabel("agent kept, %")
    left.set_ylabel("clear leak + 1, ms per minute of others")
    left.legend(fontsize=8)
    right.plot(points[:, 0], 100 - points[:, 2], "o-", label="mean of agents")
    right.plot(worst[:, 0], 100 - worst[:, 2], "s--", label="worst agent")
    right.axhline(5, color="grey", linewidth=0.8)
    right.axvline(90, color="grey", linewidth=0.8)
    right.set_xlabel("agent kept, %")
    right.set_ylabel("overlap passed, %")
    right.legend(fontsize=8)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Score, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("judge", "work", "json", "plot"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--naive", type=Path)
    parser.add_argument("--sound", choices=("monitor", "call"), default="monitor")
    arguments = parser.parse_args()
    folders = sorted(path.parent for path in (arguments.work / "scenes").glob("*/truth.json"))
    jobs = [(folder, arguments.judge, arguments.sound) for folder in folders]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = [row for found in pool.map(one, jobs) for row in found]
    for shift, point in zip(SHIFTS, curve(rows), strict=True):
        print(f"{shift:+.1f}: kept {point[0]:.1f} clear {point[1]:.0f} muted {point[2]:.1f}")
    arguments.json.write_text(json.dumps(rows) + "\n")
    rivals = naive(arguments.naive) if arguments.naive else {}
    draw(rows, rivals, arguments.plot, f"Voice gate, {arguments.sound}: {len(jobs)} scenes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
