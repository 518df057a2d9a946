"""Runs ours and others' tools in turn on the same clips and prints speed beside protection.

    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers/requirements.txt
    python -m benchmarks.peers --peers PEERS/bin/python --clips DIR --enroll DIR \
        --scorer privacy_score.py [--runs 5] [--seconds 30] [--json FILE]

A film without truth is timed alone; its agent is enrolled from other films of the same person:

    python -m benchmarks.peers --film F... --agent F... --rivals homeveil [--peers ...]

Times are of whole processes on a clip made longer; protection is scored on the clip as it is,
from output pixels, and nothing else with ``--runs 0``. Ratios are to the transcode of the same
run, so that a busy machine slows
both; printed are medians over all runs and clips.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.peers import clips, process
from benchmarks.peers.rivals import RIVALS, Call, Rival
from homeveil.models.store import locate

NAMES = ("c01_child8_walks_behind", "c07_agent_only")
ENVIRONMENT = {"HOMEVEIL_PASSPHRASE": "benchmark"}
SCORES = ("protect_pct", "protect_minor_pct", "exposed_person_frames", "person_frames",
          "keep_pct", "scene_keep_pct", "desk_keep_pct")  # fmt: skip


def main() -> int:
    """Measure, print, write; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("peers", "clips", "enroll", "scorer"):
        parser.add_argument(f"--{name}", type=_absolute)
    for name in ("film", "agent"):
        parser.add_argument(f"--{name}", type=_absolute, nargs="+", default=[])
    limit, *others = RIVALS
    names = [rival.name for rival in others]
    parser.add_argument("--rivals", nargs="+", choices=names, default=names)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if bool(arguments.film) != bool(arguments.agent):
        parser.error("--film and --agent go together")
    if not arguments.film and not (arguments.clips and arguments.enroll and arguments.scorer):
        parser.error("give --clips, --enroll and --scorer, or --film and --agent")
    # Ratios are to the transcode: it always runs.
    rivals = [limit, *(rival for rival in others if rival.name in arguments.rivals)]
    if arguments.peers is None and any(rival.foreign for rival in rivals):
        parser.error("others' tools need --peers")
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(arguments, rivals, Path(name))
        record = {
            **machine.record("av", "numpy", "onnxruntime", "ai-edge-litert"),
            "runs": arguments.runs,
            "size": clips.SIZE,
            "clips": {clip.name: clip.frames for clip in bench.clips},
            "rivals": bench.measure(),
        }
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 0


def _absolute(text: str) -> Path:
    # Without following links: an environment's Python is one.
    return Path(text).absolute()


class _Bench:
    def __init__(
        self, arguments: argparse.Namespace, rivals: Sequence[Rival], folder: Path
    ) -> None:
        self._arguments, self._rivals, self._folder = arguments, rivals, folder
        self._model = locate("face_detection_full").path
        if arguments.film:
            self.clips = [clips.film(arguments.film, folder, arguments.seconds)]
            videos = [word for film in arguments.agent for word in ("--video", str(film))]
            self._enroll(self.clips[0].agent, videos)
            return
        self.clips = [
            clips.make(arguments.clips / name, folder, arguments.seconds) for name in NAMES
        ]
        for agent in {clip.agent for clip in self.clips}:
            self._enroll(agent, ["--images", str(arguments.enroll / agent)])

    def _enroll(self, agent: str, pictures: Sequence[str]) -> None:
        profile = str(self._folder / f"{agent}.veil")
        words = [sys.executable, "-m", "homeveil.cli", "enroll", profile, *pictures]
        process.run(words, self._folder, ENVIRONMENT)

    def measure(self) -> dict[str, dict[str, object]]:
        costs: dict[str, list[dict[str, float]]] = {rival.name: [] for rival in self._rivals}
        for number in range(self._arguments.runs):
            for clip in self.clips:
                limit = None
                for rival in self._rivals:
                    cost = self._run(rival, clip, clip.long)
                    limit = limit or cost
                    told = {
                        "ms_per_frame": 1000 * cost.seconds / clip.frames,
                        "cpu_ms_per_frame": 1000 * cost.cpu_seconds / clip.frames,
                        "to_transcode": cost.seconds / limit.seconds,
                        "peak_mib": cost.peak_mib,
                        "bytes_per_frame": self._out(rival).stat().st_size / clip.frames,
                    }
                    costs[rival.name].append(told)
                    print(number, clip.name, rival.name, told, file=sys.stderr, flush=True)
        result: dict[str, dict[str, object]] = {}
        for rival in self._rivals:
            rows = costs[rival.name]
            medians = {
                key: round(statistics.median(row[key] for row in rows), 2)
                for key in (rows[0] if rows else ())
            }
            scored = rival.protects and not self._arguments.film
            result[rival.name] = {**medians, **(self._score(rival) if scored else {})}
        return result

    def _out(self, rival: Rival) -> Path:
        return self._folder / f"{RIVALS.index(rival)}.mp4"

    def _run(self, rival: Rival, clip: clips.Clip, source: Path) -> process.Cost:
        out = self._out(rival)
        out.unlink(missing_ok=True)
        call = Call(source, out, self._folder / f"{clip.agent}.veil", self._folder)
        python = self._arguments.peers or Path(sys.executable)
        words = rival.words(call, python, self._model)
        return process.run(words, self._folder, ENVIRONMENT)

    def _score(self, rival: Rival) -> dict[str, object]:
        """The clips as they are, redacted once more and scored together."""
        folder = self._folder / f"scored{RIVALS.index(rival)}"
        folder.mkdir()
        for clip in self.clips:
            assert clip.short is not None
            self._run(rival, clip, clip.short)
            self._out(rival).rename(folder / f"{clip.name}.mp4")
        scores = folder / "scores.json"
        words = [sys.executable, self._arguments.scorer, "--resize", "--gt"]
        words += [clip.truth for clip in self.clips]
        words += ["--out-dir", folder, "--json", scores]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
        total = json.loads(scores.read_text("utf-8"))["total"]
        return {name: total.get(name) for name in SCORES}


if __name__ == "__main__":
    sys.exit(main())
