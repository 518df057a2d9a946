"""Audits raw and redacted clips: the raw ones must be found, the redacted ones come out clean.

    python -m benchmarks.audit --clips DIR --enroll DIR --detector F.onnx --out DIR \
        [--styles fill veil] [--json benchmarks/results/audit.json]

clips: folders with ``video.mp4`` and ``gt.json``. enroll: one folder of stills per agent. What
was enrolled or redacted in ``--out`` before is taken as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.privacy import enrolled, machine
from homeveil import ModelFile, Policy, Style, load_profile, redact
from homeveil.audit import Audit, audit

PASSPHRASE = "benchmark"


def main() -> int:
    """Redact, audit, print; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "enroll", "detector", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--styles", nargs="+", default=["fill", "veil"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(arguments.detector.read_bytes()).hexdigest()
    detector = ModelFile(arguments.detector, digest)
    environment = {**os.environ, "HOMEVEIL_PASSPHRASE": PASSPHRASE}
    rows: dict[str, dict[str, dict[str, object]]] = {}
    for clip in sorted(path.parent for path in arguments.clips.glob("*/gt.json")):
        profile = load_profile(enrolled(clip, arguments, environment), PASSPHRASE)
        files = {"raw": clip / "video.mp4"}
        for style in arguments.styles:
            files[style] = arguments.out / f"{clip.name}_{style}.mp4"
            if not files[style].exists():
                policy = Policy(style=Style(style))
                redact(files["raw"], files[style], profile=profile, policy=policy)
        rows[clip.name] = {}
        for name, file in files.items():
            begin = time.perf_counter()
            found = audit(file, detector, profile=profile)
            seconds = time.perf_counter() - begin
            rows[clip.name][name] = _row(found, seconds)
            print(clip.name, name, rows[clip.name][name], file=sys.stderr, flush=True)
    record = {**machine(), "detector_sha256": digest, "clips": rows}
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _row(found: Audit, seconds: float) -> dict[str, object]:
    return {
        "frames": found.frames,
        "agent_frames": found.agent_frames,
        "frames_with_others": found.frames_with_others,
        "others": [(o.seconds, o.box, o.score, o.distance) for o in found.others[:12]],
        "ms_per_frame": round(1000 * seconds / found.frames),
    }


if __name__ == "__main__":
    sys.exit(main())
