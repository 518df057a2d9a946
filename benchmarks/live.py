"""A camera for half an hour, with a stream fetched and the worker's page open: delay, memory,
processor time.

    python -m benchmarks.live --clip CLIP --profile AGENT.veil [--minutes 30] [--json FILE]

The clip, which must hold H.264, is repeated at 15 frames a second, with the sound of the example
clip beside it, and played at its own pace. The passphrase is in HOMEVEIL_PASSPHRASE. Memory is
proportional set size, summed over the command's processes; growth compares the means of the
second tenth and of the last tenth of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks import machine

RATE = 15
SAMPLE_SECONDS = 10.0
EXAMPLE = Path(__file__).parents[1] / "examples" / "demo.mp4"


def main() -> int:
    """Film, measure, print, write; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--screenshot", type=Path, help="of the page, to be looked at")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _long(arguments.clip, folder / "source.mkv", 60 * arguments.minutes)
        measured = _film(source, arguments, folder)
    record = {
        **machine.record("av", "numpy", "ai-edge-litert", "onnxruntime", "uvicorn"),
        "minutes": arguments.minutes,
        "clip": arguments.clip.name,
        **measured,
    }
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 0


def _long(clip: Path, path: Path, seconds: float) -> Path:
    """The clip's packets again and again at RATE, and the example's sound."""
    with av.open(str(path), "w") as made:
        with av.open(str(clip)) as first, av.open(str(EXAMPLE)) as heard:
            picture = made.add_stream_from_template(first.streams.video[0], opaque=True)
            sound = made.add_stream_from_template(heard.streams.audio[0], opaque=True)
        step, number, sounded = Fraction(1, RATE), 0, 0
        while number * step < seconds:
            with av.open(str(clip)) as given:
                packets = [packet for packet in given.demux(video=0) if packet.size]
            shown = sorted(range(len(packets)), key=lambda index: packets[index].pts)
            order = {index: place for place, index in enumerate(shown)}
            for index, packet in enumerate(packets):
                packet.time_base = step
                packet.dts, packet.pts = number + index, number + order[index] + 2
                packet.duration, packet.stream = 1, picture
                made.mux(packet)
            number += len(packets)
            while Fraction(sounded * 1024, 48_000) < number * step:
                with av.open(str(EXAMPLE)) as heard:
                    for packet in heard.demux(audio=0):
                        if packet.size:
                            packet.dts = packet.pts = sounded * 1024
                            packet.time_base = Fraction(1, heard.streams.audio[0].rate)
                            packet.stream, sounded = sound, sounded + 1
                            made.mux(packet)
    return path


def _film(source: Path, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    out = folder / "out"
    out.mkdir()
    words = [sys.executable, "-m", "homeveil.cli", "camera", str(source), "--realtime"]
    words += ["--profile", str(arguments.profile), "--sound", "call"]
    words += ["--http", "--page", "--metrics", "--record", str(out), "--record-minutes", "5"]
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
    )
    begin = time.monotonic()
    said = _Said(process)
    address = said.addresses()
    fetched = _Fetched(address["stream"])
    samples: list[tuple[float, float]] = []
    metrics = ""
    processor = 0.0
    with _Browser(arguments.chromium, address["your page"]) as browser:
        while process.poll() is None:
            browser.look(SAMPLE_SECONDS)
            if arguments.screenshot and len(samples) == 3:
                browser.keep(arguments.screenshot)
            tree = _tree(process.pid)
            memory = sum(map(_memory, tree))
            if memory and process.poll() is None:
                samples.append((time.monotonic() - begin, memory))
                processor = max(processor, sum(map(_processor, tree)))
                metrics = _get(address["metrics"]) or metrics
        pictures = browser.pictures()
    seconds = time.monotonic() - begin
    tenth = max(1, len(samples) // 10)
    early = statistics.fmean(memory for _, memory in samples[tenth : 2 * tenth])
    late = statistics.fmean(memory for _, memory in samples[-tenth:])
    return {
        "status": process.returncode,
        "seconds": round(seconds, 1),
        "memory_mib": {
            "early": round(early, 1),
            "late": round(late, 1),
            "growth_pct": round(100 * (late / early - 1), 2),
            "samples": len(samples),
        },
        "cores": round(processor / seconds, 3),
        "fetched_mib": round(fetched.bytes / 2**20, 1),
        "page_pictures": pictures,
        "recordings": _recorded(out),
        **_told(metrics),
        "log": said.lines[-5:],
    }


class _Said:
    """What the command says on standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.lines.append(line.strip())

    def addresses(self) -> dict[str, str]:
        while True:
            found = dict(
                re.findall(r"(your page|stream|metrics): .*?(\S+)$", "\n".join(self.lines), re.M)
            )
            if len(found) == 3:
                # What is no terminal is told where the page's address stands.
                page = Path(found["your page"]).read_text("utf-8").strip()
                return {**found, "your page": page}
            if self._process.poll() is not None:
                raise SystemExit("\n".join(self.lines))
            time.sleep(0.1)


class _Fetched:
    """A program that fetches the stream."""

    def __init__(self, url: str) -> None:
        self.bytes = 0
        threading.Thread(target=self._run, args=(url,), daemon=True).start()

    def _run(self, url: str) -> None:
        with urllib.request.urlopen(url) as stream:
            while part := stream.read1(65536):
                self.bytes += len(part)


class _Browser:
    """The worker's page, open."""

    def __init__(self, chromium: str, url: str) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        self._page = self._browser.new_page()
        self._count = 0
        self._page.on("response", self._seen)
        self._page.goto(url)

    def _seen(self, response: Any) -> None:
        self._count += response.url.split("?")[0].endswith("picture") and response.ok

    def __enter__(self) -> _Browser:
        return self

    def look(self, seconds: float) -> None:
        """Let the page do its work, and count."""
        self._page.wait_for_timeout(1000 * seconds)

    def keep(self, path: Path) -> None:
        """Write down how the page looks."""
        self._page.screenshot(path=path, full_page=True)

    def pictures(self) -> int:
        """How many it was given."""
        return self._count

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def _tree(process: int) -> list[int]:
    """A process and its children."""
    found = [process]
    for number in found:
        for task in Path(f"/proc/{number}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text("ascii").split()]
            except OSError:
                continue
    return found


def _memory(process: int) -> float:
    """MiB."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text("ascii")
    except OSError:
        return 0.0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]


def _processor(process: int) -> float:
    """Seconds."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _told(metrics: str) -> dict[str, Any]:
    """The session's own counts."""
    bounds = [
        (float(bound), float(count))
        for bound, count in re.findall(
            r'homeveil_latency_seconds_bucket\{le="([^"]+)"\} (\S+)', metrics
        )
    ]
    total = bounds[-1][1] if bounds else 0.0

    def within(share: float) -> float | None:
        return next((bound for bound, count in bounds if count >= share * total), None)

    def value(name: str) -> float:
        found = re.search(rf"^homeveil_{name} (\S+)", metrics, re.M)
        return float(found[1]) if found else 0.0

    return {
        "frames": value("frames_total"),
        "fault_frames": value("fault_frames_total"),
        "late_frames": value("late_frames_total"),
        "restarts": value("restarts_total"),
        "latency_s_at_most": {f"p{share * 100:g}": within(share) for share in (0.5, 0.95, 0.99)},
        "latency_histogram": bounds,
        "latency_mean_s": round(value("latency_seconds_sum") / max(1.0, total), 4),
    }


def _recorded(folder: Path) -> dict[str, Any]:
    frames = 0
    files = sorted(folder.iterdir())
    for file in files:
        with av.open(str(file)) as container:
            frames += sum(packet.size > 0 for packet in container.demux(video=0))
    return {"files": len(files), "frames": frames, "hidden": sum(f.name[0] == "." for f in files)}


if __name__ == "__main__":
    sys.exit(main())
