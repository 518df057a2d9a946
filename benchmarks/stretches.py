"""What a seam costs: clips with pixel truth, cleared in two stretches and in one pass, scored.

    python -m benchmarks.stretches --clips DIR --enroll DIR --scorer privacy_score.py \
        --out DIR [--json benchmarks/results/stretches.json]

The clips have one key frame each; they are encoded again, hardly lossy, with one every half second.
They are short, so the opening, the seconds before a stretch and the trial are too: a quarter, an
eighth and an eighth of the clip. The second stretch is planned from the middle on. ``forced``: it
takes over there whatever is in dispute and whatever it shows: what a gap alone gives away.
``laxer``: cells that one pass withholds and the stretches show, as a share of all cells, over the
frames of the second stretch and over the first second of them; ``stricter``: the other way round.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import av
import numpy as np

from benchmarks import machine, privacy
from homeveil import stretching
from homeveil.clearing import Order
from homeveil.frames import VeiledFrame
from homeveil.isolation import Isolate
from homeveil.isolation.box import open_clearing
from homeveil.media.stretches import Lengths
from homeveil.policy import Policy, Sound, Style
from homeveil.profile.store import LockedProfile

PASSPHRASE = "benchmark"
Grids = dict[float, np.ndarray]


def main() -> int:
    """Clear both ways, score, compare; 0."""
    arguments = privacy.options(__doc__, style="fill").parse_args()
    environment = {**os.environ, "HOMEVEIL_PASSPHRASE": PASSPHRASE}
    policy = Policy(style=Style(arguments.style), sound=Sound.WITHHELD)
    ways = {name: arguments.out / name for name in ("one_pass", "stretches", "forced")}
    for folder in ways.values():
        folder.mkdir(parents=True, exist_ok=True)
    clips = sorted(path.parent for path in arguments.clips.glob("*/gt.json"))
    seams = []
    for clip in clips:
        profile = LockedProfile(privacy.enrolled(clip, arguments, environment), PASSPHRASE)
        source, seconds = keyed(clip / "video.mp4", arguments.out / f"{clip.name}_in.mp4")
        lengths = Lengths(seconds / 4, seconds / 8, 0.2, seconds / 8, seconds / 4)
        order = Order(source, profile, policy)
        one = one_pass(order, ways["one_pass"] / f"{clip.name}.mp4")
        for way in ("stretches", "forced"):
            told = compared(order, ways[way] / f"{clip.name}.mp4", lengths, one, way == "forced")
            seams.append({"clip": clip.name, "way": way, **told})
            print(seams[-1], file=sys.stderr)
    record = {
        **machine.record(*privacy.PACKAGES),
        "style": arguments.style,
        "seams": seams,
        **{name: scored(arguments.scorer, clips, folder) for name, folder in ways.items()},
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def keyed(source: Path, target: Path) -> tuple[Path, float]:
    """``source`` encoded again with a key frame every half second; and its seconds."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.video[0]
        rate = stream.average_rate
        options = {"crf": "6", "g": str(max(1, round(rate / 2)))}
        written = made.add_stream("libx264", rate=rate, options=options)
        written.width, written.height, written.pix_fmt = stream.width, stream.height, "yuv420p"
        count = 0
        for picture in given.decode(stream):
            picture.pict_type = av.video.frame.PictureType.NONE
            made.mux(written.encode(picture))
            count += 1
        made.mux(written.encode(None))
    return target, float(count / rate)


def one_pass(order: Order, target: Path) -> Grids:
    """Clear into ``target``; gives which cells of each frame were withheld, by its seconds."""
    grids: Grids = {}
    with (
        open_clearing(order, Isolate.AUTO) as clearing,
        stretching.file_sink(target, order, clearing.form) as sink,
    ):
        for veiled in clearing:
            if isinstance(veiled, VeiledFrame):
                grids[veiled.time.seconds] = veiled.withheld.copy()
                sink.write(veiled)
        sink.commit()
    return grids


def compared(
    order: Order, target: Path, lengths: Lengths, one: Grids, forced: bool
) -> dict[str, object]:
    """Clear in stretches; how the frames after the seam differ from those of one pass."""
    taken: dict[int, Grids] = {0: {}, 1: {}}
    seam: list[float] = []

    class Watched(stretching._Stretches):
        def _is_taken_over(self, part, clearing, frame):  # type: ignore[no-untyped-def]
            taken[part.number][frame.time.seconds] = frame.withheld.copy()
            if forced and clearing.takes_over > part.number:
                part.follower = clearing.takes_over
                part.stop = frame.time.pts * frame.time.time_base
                return True
            return super()._is_taken_over(part, clearing, frame)

        def join(self, chain):  # type: ignore[no-untyped-def]
            seam.extend(float(part.stop) for part in chain if part.stop is not None)
            return super().join(chain)

    stretching._Stretches = Watched  # type: ignore[misc]
    try:
        stretching.clear_in_stretches(order, target, Isolate.AUTO, 2, lengths)
    finally:
        stretching._Stretches = Watched.__base__  # type: ignore[misc]
    if not seam:
        return {"seam": None}
    after = {seconds: grid for seconds, grid in taken[1].items() if seconds >= seam[0]}
    near = [seconds for seconds in after if seconds < seam[0] + 1]
    return {
        "seam": seam[0],
        "laxer_pct": _share(one, after, list(after)),
        "laxer_first_second_pct": _share(one, after, near),
        "stricter_pct": _share(after, one, list(after)),
    }


def _share(withheld: Grids, shown: Grids, times: list[float]) -> float:
    """Percentage of cells that are in ``withheld`` and not in ``shown``."""
    more = [(withheld[seconds] & ~shown[seconds]).mean() for seconds in times]
    return round(100 * float(np.mean(more)), 3)


def scored(scorer: Path, clips: list[Path], folder: Path) -> dict[str, object]:
    """The scorer's figures for the files in ``folder``."""
    if status := privacy.score(scorer, clips, folder):
        raise SystemExit(f"{scorer} ended with {status}")
    return privacy.scored(folder / "scores.json")


if __name__ == "__main__":
    sys.exit(main())
