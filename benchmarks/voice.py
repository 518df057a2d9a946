"""Sends household scenes with ground truth through `homeveil enroll` and `redact` and scores
the samples that come out.

    python -m benchmarks.voice --judge DIR --speech DIR --noise DIR --work DIR \
        --sound monitor [--strict] [--seeds 1 2] [--json benchmarks/results/NAME.json]

judge: folder of ``household_audio.py`` and ``voice_score.py``. Scenes are composed once under
``work`` and used again. Nothing of the gate's own log is read.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import homeveil
from homeveil import Profile
from homeveil.media.sound_reader import SoundReader
from homeveil.voice_enrollment import VoiceEnrollment

PRESETS = (
    "agent_only", "quiet_office", "family_evening", "shared_desk", "phone_speaker",
    "tv_in_background", "noisy_street", "visitor_takes_call",
)  # fmt: skip
AGENTS = ("1688", "2033", "2609", "3080", "367")
SCENE_SECONDS = 90.0
PACKAGES = ("numpy", "av", "onnxruntime", "webrtcvad-wheels")
KEEP = (
    "agent_kept_pct", "leak_ms_per_min_clear", "overlap_muted_pct", "longest_leak_ms",
    "leak_events_ge_200ms", "onset_clip_ms_p95", "noise_passed_pct",
)  # fmt: skip
COLUMNS = (
    ("kept %", "agent_kept_pct", min),
    ("clear leak ms/min", "leak_ms_per_min_clear", max),
    ("overlap muted %", "overlap_muted_pct", min),
)


def scenes(arguments: argparse.Namespace) -> list[Path]:
    """Folders of all scenes, composed where they are missing."""
    sys.path.insert(0, str(arguments.judge))
    maker = importlib.import_module("household_audio")
    speech, noise = str(arguments.speech), str(arguments.noise)
    folders = []
    for preset in arguments.presets:
        for agent in AGENTS:
            for seed in arguments.seeds:
                folder = arguments.work / "scenes" / f"{preset}-{agent}-{seed}"
                if not (folder / "truth.json").exists():
                    maker.make_scene(
                        preset, speech, noise, str(folder),
                        agent=agent, seed=seed, seconds=SCENE_SECONDS,
                    )  # fmt: skip
                folders.append(folder)
    return folders


def enrolled(recording: Path) -> Profile:
    """A profile of the voice in one recording, which must be fit for it."""
    enrollment = VoiceEnrollment.with_models_of(homeveil.Policy())
    with SoundReader(recording) as reader:
        enrollment.take(reader, str(recording))
    return homeveil.Profile(None, voice=enrollment.finish())


def one(job: tuple[Path, Path, str, bool, Path]) -> dict[str, Any]:
    """Enroll, redact, score one scene."""
    folder, judge, sound, strict, out = job
    sys.path.insert(0, str(judge))
    scorer = importlib.import_module("voice_score")
    policy = homeveil.Policy(sound=homeveil.Sound(sound), strict_voice=strict)
    profile = enrolled(folder / "enrol.wav")
    target = out / f"{folder.name}.wav"
    begin = _processor_seconds()
    homeveil.redact(folder / "mix.wav", target, profile=profile, policy=policy)
    spent = _processor_seconds() - begin
    result = scorer.score(str(folder), scorer.decode(str(target)), estoi=False)
    preset, agent, seed = folder.name.rsplit("-", 2)
    row = {"preset": preset, "agent": agent, "seed": int(seed)}
    row |= {key: result[key] for key in (*KEEP, "delay_ms", "non_agent_s", "by_kind")}
    row["real_time_factor"] = round(spent / result["seconds"], 4)
    return row


def _processor_seconds() -> float:
    """Of this process and of those it waited for: what is isolated clears in one of its own."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def table(rows: list[dict[str, Any]]) -> str:
    """Mean over agents and seeds, the worst agent's mean in brackets."""
    lines = [
        "| preset | " + " | ".join(name for name, _, _ in COLUMNS)
        + " | longest leak ms | events >= 200 ms | onset clip p95 ms |",
        "|---" * (len(COLUMNS) + 4) + "|",
    ]  # fmt: skip
    for preset in (*sorted({row["preset"] for row in rows}), "all"):
        chosen = [row for row in rows if preset in ("all", row["preset"])]
        cells = []
        for _, key, worst in COLUMNS:
            agents = [
                mean(row[key] for row in chosen if row["agent"] == agent) for agent in AGENTS
            ]
            known = [value for value in agents if value is not None]
            total = mean(row[key] for row in chosen)
            cells.append("-" if total is None else f"{total:.1f} ({worst(known):.1f})")
        cells.append(str(max(row["longest_leak_ms"] for row in chosen)))
        cells.append(str(sum(row["leak_events_ge_200ms"] for row in chosen)))
        onset = mean(row["onset_clip_ms_p95"] for row in chosen)
        cells.append("-" if onset is None else f"{onset:.0f}")
        lines.append(f"| {preset} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean(values: Any) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def main() -> int:
    """Score everything; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("judge", "speech", "noise", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sound", choices=("monitor", "call"), default="monitor")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    name = arguments.sound + ("-strict" if arguments.strict else "")
    out = arguments.work / name
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (folder, arguments.judge, arguments.sound, arguments.strict, out)
        for folder in scenes(arguments)
    ]
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(one, jobs):
            rows.append(row)
            print(f"{len(rows)}/{len(jobs)} {row['preset']} {row['agent']}", file=sys.stderr)
    print(table(rows))
    if arguments.json:
        document = {
            "date": time.strftime("%Y-%m-%d"),
            "setting": name,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "packages": {package: version(package) for package in PACKAGES},
            "scene_seconds": SCENE_SECONDS,
            "scenes": rows,
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
