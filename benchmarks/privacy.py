"""Redacts clips with pixel ground truth through the command line and scores the output.

    python -m benchmarks.privacy --clips DIR --enroll DIR --scorer privacy_score.py \
        --style fill --out DIR [--json benchmarks/results/NAME.json]

clips: folders with ``video.mp4`` and ``gt.json``. enroll: one folder of stills per agent, named
as the agent's character in ``gt.json``. The scorer reads output pixels only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("numpy", "av", "ai-edge-litert", "onnxruntime", "opencv-python-headless")


def main() -> int:
    """Enroll, redact, score; the scorer's exit status."""
    return run(options(__doc__, style="veil").parse_args())


def run(arguments: argparse.Namespace) -> int:
    """The same for clips, stills, scorer, style, output folder and JSON file as given."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    environment = {"HOMEVEIL_PASSPHRASE": "benchmark", **os.environ}
    clips = sorted(path.parent for path in arguments.clips.glob("*/gt.json"))
    seconds: dict[str, float] = {}
    for clip in clips:
        profile = enrolled(clip, arguments, environment)
        begin = time.perf_counter()
        run_command(
            environment,
            "redact", clip / "video.mp4", arguments.out / f"{clip.name}.mp4",
            "--profile", profile, "--style", arguments.style, "--quiet",
        )  # fmt: skip
        seconds[clip.name] = round(time.perf_counter() - begin, 2)
        print(f"{clip.name}: {seconds[clip.name]} s", file=sys.stderr)
    scores = arguments.out / "scores.json"
    status = score(arguments.scorer, clips, arguments.out)
    if arguments.json:
        arguments.json.write_text(json.dumps(_record(arguments, scores, seconds), indent=1) + "\n")
    return status


def options(doc: str, *, style: str) -> argparse.ArgumentParser:
    """What every run over scored clips is told. doc: of the module. style: the default."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name in ("clips", "enroll", "scorer", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--style", default=style)
    parser.add_argument("--json", type=Path)
    return parser


def score(scorer: Path, clips: list[Path], folder: Path) -> int:
    """Score the clips' files in ``folder`` into its ``scores.json``, with a sheet of the worst
    frames; the scorer's exit status."""
    command = [
        *(sys.executable, scorer, "--gt", *clips, "--out-dir", folder),
        *("--json", folder / "scores.json", "--sheet", folder / "worst.png"),
    ]
    return subprocess.run(command, check=False).returncode


def enrolled(clip: Path, arguments: argparse.Namespace, environment: dict[str, str]) -> Path:
    """The profile of a clip's agent, in the output folder."""
    people = json.loads((clip / "gt.json").read_text())["persons"]
    agent = next(one["character"] for one in people if one["role"] == "agent")
    profile = arguments.out / f"{agent}.veil"
    if not profile.exists():
        run_command(environment, "enroll", profile, "--images", arguments.enroll / agent)
    return Path(profile)


def machine() -> dict[str, object]:
    """When and on what it was measured."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def run_command(environment: dict[str, str], *words: object) -> None:
    """Run a command of ours to its end. Raises CalledProcessError."""
    command = [sys.executable, "-m", "homeveil.cli", *map(str, words)]
    subprocess.run(command, env=environment, check=True)


def scored(scores: Path) -> dict[str, object]:
    """What is kept of the scorer's document: the figures of all clips and of each."""
    document = json.loads(scores.read_text())
    keep = ("clip", "protect_pct", "protect_minor_pct", "protect_head_pct",
            "protect_minor_head_pct", "protect_depicted_pct", "soft_leak_pct",
            "exposed_person_frames", "person_frames", "entry_exposure_max", "keep_pct",
            "keep_seated_pct", "scene_keep_pct", "desk_keep_pct", "flicker_pct")  # fmt: skip
    return {
        "total": {key: document["total"][key] for key in keep if key in document["total"]},
        "clips": [{key: clip.get(key) for key in keep} for clip in document["clips"]],
    }


def _record(
    arguments: argparse.Namespace, scores: Path, seconds: dict[str, float]
) -> dict[str, object]:
    return {**machine(), "style": arguments.style, "seconds": seconds, **scored(scores)}


if __name__ == "__main__":
    sys.exit(main())
