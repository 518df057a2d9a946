"""How far mouths are seen to open: those of the example's still, warped, and those of clips.

    python -m benchmarks.lips [CLIP ...] [--json F]

Over all faces of a clip, and all moments, the range of the opening within 0.4 s, as the gate's
second key sees it: a mouth that is still should stay below ``MOVES``, one that speaks above it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import record
from homeveil import frame_from_array
from homeveil.clear.lips import (
    INTERVAL_SECONDS,
    LEAST_LOOKS,
    LEAST_SECONDS,
    MOVES,
    OTHER_MOVES,
    REACH_SECONDS,
)
from homeveil.clear.tracks import Tracks
from homeveil.frames import RawFrame
from homeveil.grid import Box
from homeveil.media.reader import VideoReader
from homeveil.perceive.exposure import gain_for
from homeveil.perceive.faces import FaceBoxes
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.loading import load_models
from homeveil.perceive.observation import WHOLE
from homeveil.policy import Policy

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mouths import opened, speaking, still

SECONDS, RATE = 4.0, 25
GAPS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
SCALES = (0.5, 0.75, 1.0, 2.0)
MOMENT_SECONDS = 0.02


Row = tuple[float, int, float, float]
"""Seconds, number of the track, opening, longer side of the face in pixels."""


class Looker:
    """Looks at every face of a frame as often as the key does."""

    def __init__(self) -> None:
        data = load_models({}).data
        self._faces = FaceBoxes(data["face_detection_full"], data["face_detection_short"])
        self.identity = FaceIdentity(
            data["face_landmarks"], data["face_embedding"], lambda probe: 9.0
        )

    def rows(self, frames: Iterable[RawFrame]) -> list[Row]:
        """All openings."""
        tracks, rows, before = Tracks(None, Policy()), [], float("-inf")
        for frame in frames:
            seconds = frame.time.seconds
            if seconds - before < INTERVAL_SECONDS:
                continue
            before, gain = seconds, gain_for(frame)
            whole = Box(0, 0, frame.width, frame.height)
            found = self._faces.merged(self._faces.look(frame, whole, WHOLE, gain))
            tracks.update(tuple(found), (), seconds)
            for track in tracks.tracks:
                mouth = None if track.misses else self.identity.mouth(frame, track.box)
                if mouth is not None:
                    side = max(track.box.width, track.box.height)
                    rows.append((seconds, track.number, mouth.opening, side))
        return rows


def example(gap: float, scale: float, sway: float) -> Iterator[RawFrame]:
    """The still, its mouth opening by ``gap`` pixels, in fresh noise. scale: of the picture.
    sway: how far the head moves, in pixels and degrees."""
    rng = np.random.default_rng(5)
    for number in range(round(SECONDS * RATE)):
        seconds = number / RATE
        picture = opened(still(), speaking(seconds, gap))
        if sway:
            angle = sway * np.sin(2 * np.pi * 0.7 * seconds)
            turn = cv2.getRotationMatrix2D((304, 200), angle, 1 + sway * 0.01 * np.sin(4 * seconds))
            turn[0, 2] += sway * np.sin(2 * np.pi * 0.5 * seconds)
            picture = cv2.warpAffine(picture, turn, (640, 360), borderMode=cv2.BORDER_REFLECT)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
        noisy = picture + rng.normal(0, 2, picture.shape)
        yield frame_from_array(np.clip(noisy, 0, 255).astype(np.uint8), "rgb", seconds)


def ranges(rows: list[Row]) -> np.ndarray:
    """Range of the opening round every moment, over all faces."""
    found = []
    for face in {row[1] for row in rows}:
        looks = np.array([(row[0], row[2]) for row in rows if row[1] == face])
        for moment in np.arange(looks[0, 0], looks[-1, 0], MOMENT_SECONDS):
            near = looks[np.abs(looks[:, 0] - moment) <= REACH_SECONDS]
            if len(near) >= LEAST_LOOKS and np.ptp(near[:, 0]) >= LEAST_SECONDS:
                found.append(np.ptp(near[:, 1]))
    return np.array(found)


class Table:
    """Rows as they are measured, and one over all clips of a folder."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, object]] = {}
        self._groups: dict[str, tuple[list[Row], list[np.ndarray]]] = {}
        print("| what | looks | face px | p5 | p50 | p95 | p99 | max | still | other moves |")
        print("|---|---|---|---|---|---|---|---|---|---|")

    def add(self, group: str, name: str, rows: list[Row]) -> None:
        found = ranges(rows)
        all_rows, all_found = self._groups.setdefault(group, ([], []))
        all_rows += rows
        all_found.append(found)
        self._tell(f"{group}, {name}", rows, found)

    def sum_up(self, group: str) -> None:
        rows, found = self._groups[group]
        self._tell(f"{group}, all", rows, np.concatenate(found))

    def _tell(self, name: str, rows: list[Row], found: np.ndarray) -> None:
        if not found.size:
            print(f"| {name} | {len(rows)} | | | | | | | | |", flush=True)
            return
        low, high = (round(side) for side in np.percentile([row[3] for row in rows], [5, 95]))
        shares = [round(float(one), 3) for one in np.percentile(found, [5, 50, 95, 99, 100])]
        still, moves = float(np.mean(found < MOVES)), float(np.mean(found >= OTHER_MOVES))
        text = " | ".join(f"{share:.3f}" for share in shares)
        print(
            f"| {name} | {len(rows)} | {low}-{high} | {text} | {still:.1%} | {moves:.1%} |",
            flush=True,
        )
        self.results[name] = {
            "looks": len(rows),
            "face_pixels": [low, high],
            "range_p5_p50_p95_p99_max": shares,
            "still_share": round(still, 4),
            "other_moves_share": round(moves, 4),
        }


def cost(looker: Looker) -> float:
    """What one look at a mouth takes, in milliseconds."""
    frame, box, spent = next(example(3.0, 2.0, 0.0)), Box(536, 160, 692, 316), []
    for _ in range(100):
        begin = time.perf_counter()
        looker.identity.mouth(frame, box)
        spent.append(1000 * (time.perf_counter() - begin))
    print(f"\none look at a mouth: {np.median(spent):.2f} ms (median of {len(spent)})")
    return round(float(np.median(spent)), 2)


def group_of(clip: Path) -> tuple[str, str]:
    """FOLDER, NAME of FOLDER/NAME.mkv or FOLDER/NAME/video.mp4."""
    if clip.stem == "video":
        return clip.parents[1].name, clip.parent.name
    return clip.parent.name, clip.stem


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    looker, table = Looker(), Table()
    for clip in arguments.clips:
        with VideoReader(clip) as reader:
            table.add(*group_of(clip), looker.rows(reader))
    for group in dict.fromkeys(group_of(clip)[0] for clip in arguments.clips):
        table.sum_up(group)
    for scale in SCALES:
        for gap in GAPS if scale == 1.0 else (0.0, 3.0, 6.0):
            for sway in (0.0, 3.0):
                name = f"x{scale:g}, {gap:g} px open, sway {sway:g}"
                table.add("example", name, looker.rows(example(gap, scale, sway)))
    milliseconds = cost(looker)
    if arguments.json:
        about = record("homeveil", "ai-edge-litert", "numpy")
        result = {**about, "look_ms": milliseconds, "rows": table.results}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
