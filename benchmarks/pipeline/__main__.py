"""Where a frame's time goes, and how the cost grows with pixels.

    python -m benchmarks.pipeline [--clip F --images DIR] [--json F] [--plot F.svg]

On the example clip, scaled, no delay, no encoding; start-up is left out. Processor time, so that
a busy machine disturbs little. clip, images: another clip, and the folder of stills of its agent,
at 1280x720 alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.pipeline import material, parts
from homeveil import _kernels
from homeveil.policy import Policy
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor

SIZES = ((640, 360), (960, 540), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
RATE, WARM_SECONDS, SECONDS = 15, 4.0, 6.0


def main() -> int:
    """Measure, print, write; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clip", "images", "json", "plot"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    if bool(arguments.clip) != bool(arguments.images):
        parser.error("--clip and --images go together")
    agent = material.profile()
    scenes = {"calm": (material.DEMO, material.CALM_SECONDS), "company": (material.DEMO, None)}
    table = {
        name: _measure(agent, (1280, 720), scene, in_parts=True) for name, scene in scenes.items()
    }
    if arguments.clip:
        other = material.profile(arguments.images)
        table["clip"] = _measure(other, (1280, 720), (arguments.clip, None), in_parts=True)
    growth = []
    for size in SIZES:
        row = {"size": size, "cpu_ms": {}}
        for name, scene in scenes.items():
            row["cpu_ms"][name] = _measure(agent, size, scene)["cpu_ms"]
        growth.append(row)
        print(row, file=sys.stderr, flush=True)
    record = {
        **machine.record("numpy", "ai-edge-litert", "onnxruntime", "opencv-python-headless"),
        "kernels": _kernels.cpu_name(),
        "frames_per_second": RATE,
        "at_1280x720": table,
        "growth": growth,
        "peak_mib_of_all": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    text = json.dumps(record, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", "utf-8")
    if arguments.plot:
        arguments.plot.write_text(_plot(growth), "utf-8")
    return 0


def _measure(
    agent: Profile,
    size: tuple[int, int],
    scene: tuple[Path, float | None],
    *,
    in_parts: bool = False,
) -> dict[str, object]:
    """scene: a clip, and how much of its beginning to use, if not all."""
    clip, shown = scene
    raws = material.frames(clip, size, RATE, seconds=WARM_SECONDS + SECONDS, shown_seconds=shown)
    warm = round(WARM_SECONDS * RATE)
    with Redactor(agent, Policy(), delay_seconds=0.0) as redactor, parts.timed() as ledger:
        for raw in raws[:warm]:
            list(redactor.process(raw))
        for spent in ledger.parts.values():
            spent.calls, spent.seconds, spent.bytes = 0, 0.0, 0
        begin = time.process_time()
        for raw in raws[warm:]:
            list(redactor.process(raw))
        used = time.process_time() - begin
    count = len(raws) - warm
    result: dict[str, object] = {"cpu_ms": round(1000 * used / count, 2), "frames": count}
    if in_parts:
        result["parts"] = ledger.rows(count)
    return result


def _plot(growth: list[dict[str, object]]) -> str:
    """Processor time over megapixels, both scenes, as SVG."""
    width, height, left, low = 640, 360, 60, 310
    most_x = max(w * h for w, h in (row["size"] for row in growth)) / 1e6
    most_y = 1.1 * max(max(row["cpu_ms"].values()) for row in growth)

    def place(megapixels: float, cpu_ms: float) -> tuple[float, float]:
        return left + 540 * megapixels / most_x, low - 280 * cpu_ms / most_y

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left} 20V{low}H610" fill="none" stroke="black"/>',
        f'<text x="{left}" y="14">processor ms per frame</text>',
        f'<text x="610" y="{low + 40}" text-anchor="end">megapixels</text>',
    ]
    for scene, colour in (("calm", "#2166ac"), ("company", "#b2182b")):
        points = [
            place(row["size"][0] * row["size"][1] / 1e6, row["cpu_ms"][scene]) for row in growth
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), row in zip(points, growth, strict=True):
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            lines.append(f'<text x="{x + 5:.1f}" y="{y - 5:.1f}">{row["cpu_ms"][scene]:.0f}</text>')
        x, y = points[-1]
        lines.append(f'<text x="{x - 60:.1f}" y="{y - 18:.1f}" fill="{colour}">{scene}</text>')
    for row in growth:
        columns, rows = row["size"]
        x, _ = place(columns * rows / 1e6, 0)
        lines.append(f'<text x="{x:.1f}" y="{low + 16}" text-anchor="middle">{rows}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main())
