"""How far mouths are seen to open: those of the example's still, warped, and those of clips.

    python -m benchmarks.lips [CLIP ...]

For each face of a clip (``all``: every face with enough looks) the range of its opening within
0.4 s, as the gate's second key sees it, over all moments: a mouth that is still should stay below
``MOVES``, one that speaks above it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from homeveil import frame_from_array
from homeveil.clear.lips import LEAST_LOOKS, LEAST_SECONDS, MOVES, OTHER_MOVES, REACH_SECONDS
from homeveil.clear.lips import LipsKey as Key
from homeveil.clear.tracks import Tracks
from homeveil.frames import RawFrame
from homeveil.media.reader import VideoReader
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.perceive.observation import Mouth
from homeveil.policy import Lips, Policy
from homeveil.redactor import Redactor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mouths import opened, speaking, still

SECONDS, RATE = 6.0, 25
GAPS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
SCALES = (0.6, 0.75, 1.0, 2.0)
MOMENT_SECONDS = 0.02


class Recorder(Key):
    """Keeps what it was told. rows: seconds, face, opening, side of the face in pixels."""

    def __init__(self) -> None:
        super().__init__(Policy(lips=Lips.CHECK))
        self.rows: list[tuple[float, tuple[int, int], float, float]] = []

    def take(self, seconds: float, mouths: tuple[Mouth, ...], tracks: Tracks) -> None:
        before = len(self._looks)
        super().take(seconds, mouths, tracks)
        for look, mouth in zip(self._looks[before:], mouths, strict=False):
            side = max(mouth.box.width, mouth.box.height)
            self.rows.append((seconds, look.face, look.opening, side))


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


def ranges(rows: list[tuple[float, tuple[int, int], float, float]]) -> np.ndarray:
    """Range of the opening round every moment, over all faces."""
    found = []
    for face in {row[1] for row in rows}:
        looks = np.array([(row[0], row[2]) for row in rows if row[1] == face])
        if len(looks) < LEAST_LOOKS:
            continue
        for moment in np.arange(looks[0, 0], looks[-1, 0], MOMENT_SECONDS):
            near = looks[np.abs(looks[:, 0] - moment) <= REACH_SECONDS]
            if len(near) >= LEAST_LOOKS and np.ptp(near[:, 0]) >= LEAST_SECONDS:
                found.append(np.ptp(near[:, 1]))
    return np.array(found)


def measure(name: str, frames: Iterator[RawFrame]) -> None:
    """One row."""
    policy, key = Policy(), Recorder()
    with Redactor(
        None, policy, perceiver=load_perceiver(None, policy, load_models({})),
        delay_seconds=0.0, lips=key,
    ) as redactor:  # fmt: skip
        for raw in frames:
            list(redactor.process(raw))
    found = ranges(key.rows)
    if not found.size:
        print(f"| {name} | {len(key.rows)} | | | | | | |", flush=True)
        return
    low, high = np.percentile([row[3] for row in key.rows], [5, 95])
    p5, p50, p95, p99 = np.percentile(found, [5, 50, 95, 99])
    print(
        f"| {name} | {len(key.rows)} | {low:.0f}-{high:.0f} | {p5:.3f} | {p50:.3f} | {p95:.3f} | "
        f"{p99:.3f} | {found.max():.3f} | {np.mean(found < MOVES):.0%} | "
        f"{np.mean(found >= OTHER_MOVES):.0%} |",
        flush=True,
    )


def cost() -> None:
    """What one look at a mouth takes."""
    data = load_models({}).data
    identity = FaceIdentity(data["face_landmarks"], data["face_embedding"], lambda _: 9.0)
    frame = next(example(3.0, 2.0, 0.0))
    from homeveil.grid import Box

    box, spent = Box(536, 160, 692, 316), []
    for _ in range(100):
        begin = time.perf_counter()
        identity.mouth(frame, box)
        spent.append(1000 * (time.perf_counter() - begin))
    print(f"\none look at a mouth: {np.median(spent):.2f} ms (median of {len(spent)})")


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--skip-example", action="store_true")
    arguments = parser.parse_args()
    print("| clip | looks | face px | p5 | p50 | p95 | p99 | max | still | other moves |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for clip in arguments.clips:
        with VideoReader(clip) as reader:
            measure(f"{clip.parent.name}/{clip.stem}", iter(reader))
    if not arguments.skip_example:
        for scale in SCALES:
            for gap in GAPS if scale == 1.0 else (0.0, 3.0):
                for sway in (0.0, 3.0):
                    name = f"example x{scale:g}, {gap:g} px open, sway {sway:g}"
                    measure(name, example(gap, scale, sway))
    cost()
    return 0


if __name__ == "__main__":
    sys.exit(main())
