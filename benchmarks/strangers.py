"""Real people, each recording under each person's profile: who is shown, and who is not.

    python -m benchmarks.strangers --clips DIR --identities F.json --detector F.onnx --out DIR \
        [--seconds 2] [--style fill] [--json benchmarks/results/strangers.json]

clips: recordings of one person each. identities: names of recordings by person. Whoever is in
three of them is enrolled, from all but the one that is cleared. A recording is run forth and back
until ``--seconds`` are full, scaled to 1280x720, cleared, and looked at by a face detector that
clearing does not use: under somebody else's profile it must find no face at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.peers.clips import film
from benchmarks.privacy import run_command
from homeveil import ModelFile, Policy, Style, load_profile, redact
from homeveil.audit import audit

LEAST_RECORDINGS = 3
PASSPHRASE = "benchmark"


def main() -> int:
    """Clear, look, print; 1 if a stranger's face was found, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "identities", "detector", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--style", default="fill")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    detector = ModelFile(
        arguments.detector, hashlib.sha256(arguments.detector.read_bytes()).hexdigest()
    )
    recordings = {path.stem: path for path in sorted(arguments.clips.glob("*.mkv"))}
    told = json.loads(arguments.identities.read_text("utf-8"))
    people = {
        person: kept
        for person, names in told.items()
        if len(kept := [name for name in names if name in recordings]) >= LEAST_RECORDINGS
    }
    if len(people) < 2:
        parser.error(f"give {LEAST_RECORDINGS} recordings each of two persons at least")
    rows = []
    for whose, names in people.items():
        for name in names:
            folder = arguments.out / name
            folder.mkdir(parents=True, exist_ok=True)
            long = film([recordings[name]], folder, arguments.seconds).long
            raw = audit(long, detector)
            for person, known in people.items():
                profile = _profile(
                    person, [recordings[one] for one in known if one != name], folder
                )
                own = whose == person
                row = {"recording": name, "of": whose, "profile": person, "frames": raw.frames}
                row["raw_frames_with_faces"] = raw.frames_with_others
                rows.append(row | _cleared(long, profile, detector, arguments.style, own=own))
                print(rows[-1], file=sys.stderr, flush=True)
    summary = _summary(rows)
    print(json.dumps(summary, indent=1))
    if arguments.json:
        versions = machine.record("opencv-python-headless", "ai-edge-litert")
        record = {**versions, "rows": rows, "summary": summary}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(any(row["frames_with_faces"] for row in rows if row["of"] != row["profile"]))


def _profile(person: str, films: list[Path], folder: Path) -> Path:
    path = folder / f"{person}.veil"
    videos = [word for one in films for word in ("--video", one)]
    environment = {**os.environ, "HOMEVEIL_PASSPHRASE": PASSPHRASE}
    run_command(environment, "enroll", path, "--overwrite", *videos)
    return path


def _cleared(
    source: Path, path: Path, detector: ModelFile, style: str, *, own: bool
) -> dict[str, Any]:
    """frames_with_faces: of whomever, under one's own profile of anybody but the agent."""
    target, profile = path.with_suffix(".mp4"), load_profile(path, PASSPHRASE)
    report = redact(source, target, profile=profile, policy=Policy(style=Style(style)))
    found = audit(target, detector, profile=profile if own else None)
    return {
        "veiled_share": report.veiled_share,
        "frames_with_faces": found.frames_with_others,
        "frames_of_agent": found.agent_frames,
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the runs under one's own profile and of those under somebody else's."""
    summary = {}
    for name, own in (("own", True), ("other", False)):
        of = [row for row in rows if (row["of"] == row["profile"]) is own]
        shares = [row["veiled_share"] for row in of]
        counts = [key for key in rows[0] if "frames" in key]
        summary[name] = {"runs": len(of), "veiled_share": [min(shares), max(shares)]} | {
            key: sum(row[key] for row in of) for key in counts
        }
    return summary


if __name__ == "__main__":
    sys.exit(main())
