"""Runs clips with pixel ground truth through a GStreamer pipeline and scores what comes out, beside
``homeveil redact``.

    python -m benchmarks.gstreamer --clips DIR --enroll DIR --scorer privacy_score.py \
        --out DIR [--style fill] [--json benchmarks/results/gstreamer.json]

Clips, stills and scorer as for ``benchmarks.privacy``. ``redact`` reads a file ahead; an element
does as much with the same ``delay``, and looks at nothing later with ``delay=0``, as live.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import privacy
from homeveil.gstreamer import plugin_folder
from homeveil.policy import Policy

COMPARED = ("protect_pct", "protect_minor_pct", "protect_head_pct", "protect_minor_head_pct",
            "protect_depicted_pct", "soft_leak_pct", "keep_pct", "keep_seated_pct",
            "scene_keep_pct", "desk_keep_pct", "flicker_pct")  # fmt: skip


def main() -> int:
    """Run each way, score each, compare; 1 if a figure of the same wait is off by 0.2."""
    arguments = privacy.options(__doc__, style="fill").parse_args()
    ahead = round(1000 * Policy().lookahead_seconds)
    runs = {
        name: _run(name, delay, arguments)
        for name, delay in (("redact", None), ("ahead", ahead), ("live", 0))
    }
    redact, same = (runs[name]["total"] for name in ("redact", "ahead"))
    worst = max(abs(redact[key] - same[key]) for key in COMPARED if redact.get(key) is not None)
    record = {
        **privacy.machine(),
        "gstreamer": _version(),
        "style": arguments.style,
        "delay_ms": {"ahead": ahead, "live": 0},
        "largest_difference_redact_ahead": round(worst, 3),
        "runs": runs,
    }
    text = json.dumps(record, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return int(worst > 0.2)


def _run(name: str, delay: int | None, arguments: argparse.Namespace) -> dict[str, object]:
    """Redact all clips one way and score them. delay: in ms, or None for ``redact``."""
    out = arguments.out / name
    out.mkdir(parents=True, exist_ok=True)
    environment = {"HOMEVEIL_PASSPHRASE": "benchmark", **os.environ}
    clips = sorted(path.parent for path in arguments.clips.glob("*/gt.json"))
    seconds: dict[str, float] = {}
    for clip in clips:
        profile = privacy.enrolled(clip, arguments, environment)
        source, target = clip / "video.mp4", out / f"{clip.name}.mp4"
        begin = time.perf_counter()
        if delay is None:
            command = [
                *(sys.executable, "-m", "homeveil.cli", "redact", str(source), str(target)),
                *("--profile", str(profile), "--style", arguments.style, "--quiet"),
            ]
        else:
            command = _pipeline(source, target, profile, arguments.style, delay)
        subprocess.run(
            command, check=True, env={**environment, "GST_PLUGIN_PATH": str(plugin_folder())}
        )
        seconds[clip.name] = round(time.perf_counter() - begin, 2)
        print(f"{name}: {clip.name}: {seconds[clip.name]} s", file=sys.stderr)
    privacy.score(arguments.scorer, clips, out)
    return {"seconds": seconds, **privacy.scored(out / "scores.json")}


def _pipeline(source: Path, target: Path, profile: Path, style: str, delay: int) -> list[str]:
    """gst-launch-1.0 with the encoder set as ``redact`` sets its own."""
    policy = Policy()
    words = (
        f"filesrc location={source} ! decodebin ! videoconvert ! video/x-raw,format=I420 "
        f"! homeveil profile={profile} style={style} delay={delay} "
        f"! x264enc pass=qual quantizer={policy.video_quality} "
        f"speed-preset={policy.encoder_preset} "
        f"! video/x-h264,profile=high ! mp4mux ! filesink location={target}"
    )
    return ["gst-launch-1.0", "-q", *words.split()]


def _version() -> str:
    told = subprocess.run(
        ["gst-launch-1.0", "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.splitlines()[-2].strip() if "\n" in told.stdout else told.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
