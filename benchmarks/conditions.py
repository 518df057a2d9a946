"""Changes clips with pixel ground truth as cameras, networks and households do, and scores what
``homeveil redact`` leaves of them.

    python -m benchmarks.conditions --clips DIR --enroll DIR --scorer privacy_score.py \
        --out DIR [--only NAME ...] [--style fill] [--json benchmarks/results/conditions.json]

Clips, stills and scorer as for ``benchmarks.privacy``. The truth is changed with the picture:
masks are warped as frames are, so that a figure means what it means there. ``visitors`` and
``peekers`` cut the bystanders of another clip out by their masks and lay them into each clip,
behind who and what is there: scenes that nobody rendered.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import privacy

Pixels = NDArray[np.uint8]
MIRRORED, PART, ID = 0, 1, 2
"""Channels of a mask, as OpenCV reads it."""

PEOPLE = range(1, 20)
"""Instance ids of people; from 20 depicted ones, from 100 things."""


@dataclass(slots=True)
class Clip:
    """One clip. frames: (h, w, 3) BGR each. masks: (h, w, 3) each. truth: the document beside
    them, with as many ``frames``. encoder: settings of x264; as they are, no condition."""

    frames: list[Pixels]
    masks: list[Pixels]
    truth: dict[str, Any]
    encoder: dict[str, str] = field(default_factory=lambda: {"crf": "12", "preset": "veryfast"})

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        height, width = self.frames[0].shape[:2]
        return width, height


Change = Callable[[Clip, Callable[[], Clip]], Clip]
"""From a clip, and another when asked for, to a changed one; it may use up what it is given."""


def main() -> int:
    """Change, redact and score; the worst of the scorer's exit statuses."""
    parser = privacy.options(__doc__, style="fill")
    parser.add_argument("--only", nargs="+", choices=sorted(CHANGES), default=list(CHANGES))
    arguments = parser.parse_args()
    folders = sorted(path.parent for path in arguments.clips.glob("*/gt.json"))
    status, runs = 0, {}
    for name in arguments.only:
        here = arguments.out / name
        for number, folder in enumerate(folders):
            later = folders[number + 1 :] + folders[:number]
            write(CHANGES[name](read(folder), partial(_company, later)), here, folder.name)
        told = {**vars(arguments), "clips": here, "out": here / "redacted", "json": None}
        status = max(status, privacy.run(argparse.Namespace(**told)))
        runs[name] = privacy.scored(here / "redacted" / "scores.json")
        print(name, json.dumps(runs[name]["total"]), file=sys.stderr, flush=True)
    if arguments.json:
        record = {**privacy.machine(), "style": arguments.style, "conditions": runs}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return status


def read(folder: Path) -> Clip:
    """A clip with its truth."""
    with av.open(str(folder / "video.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    truth = json.loads((folder / "gt.json").read_text())
    names = [folder / "mask" / f"{one['i']:04d}.png" for one in truth["frames"]]
    masks = [np.asarray(cv2.imread(str(name), cv2.IMREAD_COLOR), np.uint8) for name in names]
    return Clip(frames, masks, truth)


def _company(folders: list[Path]) -> Clip:
    """The first of these clips in which there is anybody but the agent."""
    for folder in folders:
        people = json.loads((folder / "gt.json").read_text())["persons"]
        if any(one["role"] != "agent" for one in people):
            return read(folder)
    raise SystemExit("no clip with a bystander")


def write(clip: Clip, folder: Path, name: str) -> None:
    """Leave a clip in a folder of its name, with its truth, as ``read`` takes it."""
    (folder / name / "mask").mkdir(parents=True, exist_ok=True)
    width, height = clip.size
    with av.open(str(folder / name / "video.mp4"), "w") as container:
        rate = Fraction(clip.truth["fps"]).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options=clip.encoder)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode(None))
    for number, (mask, frame) in enumerate(zip(clip.masks, clip.truth["frames"], strict=True)):
        frame["i"], frame["t"] = number, number / clip.truth["fps"]
        cv2.imwrite(str(folder / name / "mask" / f"{number:04d}.png"), mask)
    clip.truth.update(clip=name, n_frames=len(clip.frames), width=width, height=height)
    (folder / name / "gt.json").write_text(json.dumps(clip.truth))


# What changes each picture and nothing in it.


def _light(change: Callable[[NDArray[np.float32], float, np.random.Generator], Any]) -> Change:
    """change: from (h, w, 3) BGR of 0 to 255, the time in s and a seeded generator to another."""

    def changed(clip: Clip, _: object) -> Clip:
        chance = np.random.default_rng(20261129)
        for number, pixels in enumerate(clip.frames):
            seconds = number / clip.truth["fps"]
            told = change(pixels.astype(np.float32), seconds, chance)
            clip.frames[number] = np.clip(np.rint(told), 0, 255).astype(np.uint8)
        return clip

    return changed


def _grey(pixels: NDArray[np.float32], *_: object) -> Any:
    luma = pixels @ np.array([0.114, 0.587, 0.299], np.float32)
    return np.repeat(luma[..., None], 3, axis=2)


def _dark(pixels: NDArray[np.float32], _: float, chance: np.random.Generator) -> Any:
    return pixels * 0.6 + chance.normal(0, 4, pixels.shape)


def _bright(pixels: NDArray[np.float32], *_: object) -> Any:
    return 255 * np.minimum(pixels * 1.35 / 255, 1) ** 0.8


def _warm(pixels: NDArray[np.float32], *_: object) -> Any:
    return pixels * np.array([0.62, 0.9, 1.12], np.float32)


def _mains(pixels: NDArray[np.float32], seconds: float, _: object) -> Any:
    rows = np.arange(len(pixels))[:, None, None] / len(pixels)
    return pixels * (1 + 0.07 * np.sin(2 * np.pi * (1.7 * seconds + 2 * rows)))


def _exposure(pixels: NDArray[np.float32], seconds: float, _: object) -> Any:
    return pixels * (1 + 0.25 * math.tanh(3 * math.sin(2 * math.pi * seconds / 4)))


def _unfocused(pixels: NDArray[np.float32], *_: object) -> Any:
    return cv2.GaussianBlur(pixels, (0, 0), 1.6)


def _coarse(clip: Clip, _: object) -> Clip:
    clip.encoder = {"crf": "36", "preset": "veryfast"}
    return clip


# What moves the picture, and the truth with it.


def _moved(matrix: Callable[[float, np.random.Generator, tuple[int, int]], Any]) -> Change:
    """matrix: from the time in s, a seeded generator, width and height to (2, 3), from old to new
    places in pixels."""

    def changed(clip: Clip, _: object) -> Clip:
        chance, fps = np.random.default_rng(20261129), clip.truth["fps"]
        for number, pixels in enumerate(clip.frames):
            by = np.float32(matrix(number / fps, chance, clip.size))
            clip.frames[number] = _warped(pixels, by, clip.size, cv2.INTER_CUBIC)
            clip.masks[number] = _warped(clip.masks[number], by, clip.size, cv2.INTER_NEAREST)
        return clip

    return changed


def _warped(pixels: Pixels, by: Any, size: tuple[int, int], how: int) -> Pixels:
    border = cv2.BORDER_REPLICATE if how == cv2.INTER_CUBIC else cv2.BORDER_CONSTANT
    return np.asarray(cv2.warpAffine(pixels, by, size, flags=how, borderMode=border), np.uint8)


def _mirror(_: float, __: object, size: tuple[int, int]) -> Any:
    return [[-1, 0, size[0] - 1], [0, 1, 0]]


def _shaken(_: float, chance: np.random.Generator, size: tuple[int, int]) -> Any:
    x, y = chance.normal(0, 1.5, 2)
    return _about(size, 1.03, math.radians(float(chance.normal(0, 0.2))), (x, y))


def _bumped(seconds: float, _: object, size: tuple[int, int]) -> Any:
    later = seconds >= 3.5
    return _about(size, 1.12, math.radians(2.0 if later else 0), (18 if later else 0, 0))


def _panned(seconds: float, _: object, size: tuple[int, int]) -> Any:
    return _about(size, 1.2, 0, (30 * math.sin(2 * math.pi * seconds / 8), 0))


def _closer(_: float, __: object, size: tuple[int, int]) -> Any:
    return _about(size, 1.35, 0, (0, -40))


def _farther(_: float, __: object, size: tuple[int, int]) -> Any:
    return _about(size, 0.7, 0, (0, 0))


def _about(size: tuple[int, int], scale: float, turn: float, shift: tuple[float, float]) -> Any:
    """Scale and turn (in radians) about the middle, then shift by pixels."""
    x, y = size[0] / 2, size[1] / 2
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    return [[a, b, x - a * x - b * y + shift[0]], [-b, a, y + b * x - a * y + shift[1]]]


def _larger(clip: Clip, _: object) -> Clip:
    size = 2 * clip.size[0], 2 * clip.size[1]
    clip.frames = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_CUBIC), np.uint8)
                   for one in clip.frames]  # fmt: skip
    clip.masks = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_NEAREST), np.uint8)
                  for one in clip.masks]  # fmt: skip
    return clip


# What changes when pictures come.


def _picked(numbers: Callable[[int, float], list[int]], per_second: float = 1) -> Change:
    """numbers: from the number of frames and frames a second to the frames that come, in order.
    per_second: times as many frames a second."""

    def changed(clip: Clip, _: object) -> Clip:
        chosen = numbers(len(clip.frames), clip.truth["fps"])
        clip.frames = [clip.frames[one] for one in chosen]
        clip.masks = [clip.masks[one] for one in chosen]
        clip.truth["frames"] = [dict(clip.truth["frames"][one]) for one in chosen]
        clip.truth["fps"] *= per_second
        return clip

    return changed


def _stalled(count: int, fps: float) -> list[int]:
    """The picture stands still for a second, two seconds in, and then jumps."""
    first, last = round(2 * fps), round(3 * fps)
    return [first if first <= one < last else one for one in range(count)]


# Who comes in as well.


@dataclass(frozen=True, slots=True)
class _Guest:
    """Who is cut out. boxes: x0, y0, x1, y1 of them in each frame, None where they are not."""

    clip: Clip
    ids: dict[int, int]
    """From their ids there to new ones."""

    boxes: list[tuple[int, int, int, int] | None]

    @classmethod
    def of(cls, clip: Clip, host: Clip) -> _Guest:
        """All bystanders of ``clip``, under ids that are free in ``host``, who are added to its
        truth."""
        people = [one for one in clip.truth["persons"] if one["role"] != "agent"]
        taken = {one["id"] for one in host.truth["persons"]}
        ids = {
            one["id"]: new
            for one, new in zip(people, (n for n in PEOPLE if n not in taken), strict=False)
        }
        host.truth["persons"] += [{**one, "id": ids[one["id"]]} for one in people]
        boxes = []
        for mask in clip.masks:
            rows, cols = np.nonzero(_of(mask, list(ids)))
            corners = (
                (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) if len(rows) else None
            )
            boxes.append(corners)
        return cls(clip, ids, boxes)

    def lay(self, host: Clip, number: int, source: int, by: Any) -> None:
        """Lay them as they are in frame ``source`` behind all that is marked in the host's."""
        pixels = _warped(self.clip.frames[source], np.float32(by), host.size, cv2.INTER_CUBIC)
        mask = _warped(self.clip.masks[source], np.float32(by), host.size, cv2.INTER_NEAREST)
        room = host.masks[number][..., ID] == 0
        clear = cv2.erode(room.astype(np.float32), np.ones((3, 3)))[..., None]
        for old, new in self.ids.items():
            theirs = _of(mask, [old]) & room
            soft = cv2.GaussianBlur(theirs.astype(np.float32), (0, 0), 0.7)[..., None] * clear
            mixed = soft * pixels + (1 - soft) * host.frames[number]
            host.frames[number] = np.rint(mixed).astype(np.uint8)
            host.masks[number][theirs, MIRRORED] = 0
            host.masks[number][theirs, ID] = new
            host.masks[number][theirs, PART] = mask[theirs, PART]


def _of(mask: Pixels, ids: list[int]) -> NDArray[np.bool_]:
    """Where people of these ids are seen directly."""
    return np.isin(mask[..., ID], ids) & (mask[..., MIRRORED] == 0)


def _visitors(clip: Clip, other: Callable[[], Clip]) -> Clip:
    """The bystanders of the next clip that has any, mirrored and smaller, slide in from the side
    within a second and a half and do what they do there."""
    guest = _Guest.of(other(), clip)
    (width, height), scale = clip.size, 0.8
    for number in range(len(clip.frames)):
        seconds = number / clip.truth["fps"]
        away = width * max(0.0, 1 - (seconds - 0.5) / 1.5)
        by = [[-scale, 0, width - 1 + away], [0, scale, height * (1 - scale) * 0.6]]
        if seconds >= 0.5:
            guest.lay(clip, number, number % len(guest.clip.frames), by)
    return clip


def _peekers(clip: Clip, other: Callable[[], Clip]) -> Clip:
    """Bystanders of the next clip stand behind the agent, hidden but for what shows beside a neck
    or an arm, come out sideways from the second second on, and go back."""
    guest, agents = (
        _Guest.of(other(), clip),
        [one["id"] for one in clip.truth["persons"] if one["role"] == "agent"],
    )
    whole = [number for number, box in enumerate(guest.boxes) if box is not None]
    area = {number: _area(guest.boxes[number]) for number in whole}
    source = max(whole, key=lambda number: area[number])
    x0, y0, x1, _ = guest.boxes[source] or (0, 0, 1, 1)
    width, height = clip.size
    for number, mask in enumerate(clip.masks):
        rows, cols = np.nonzero(_of(mask, agents))
        if not len(rows):
            continue
        seconds = number / clip.truth["fps"]
        out = 0.2 * width * max(0.0, math.sin(2 * math.pi * (seconds - 1) / 8))
        scale = 0.5 * (cols.max() - cols.min()) / (x1 - x0)
        x = (cols.min() + cols.max()) / 2 + out - scale * (x0 + x1) / 2
        y = rows.min() + 0.12 * height - scale * y0
        guest.lay(clip, number, source, [[scale, 0, x], [0, scale, y]])
    return clip


def _area(box: tuple[int, int, int, int] | None) -> int:
    return (box[2] - box[0]) * (box[3] - box[1]) if box is not None else 0


CHANGES: dict[str, Change] = {
    "as_is": lambda clip, _: clip,
    "grey": _light(_grey),
    "dark": _light(_dark),
    "bright": _light(_bright),
    "warm": _light(_warm),
    "mains": _light(_mains),
    "exposure": _light(_exposure),
    "unfocused": _light(_unfocused),
    "coarse": _coarse,
    "mirror": _moved(_mirror),
    "shaken": _moved(_shaken),
    "bumped": _moved(_bumped),
    "panned": _moved(_panned),
    "closer": _moved(_closer),
    "farther": _moved(_farther),
    "larger": _larger,
    "backwards": _picked(lambda count, _: list(range(count))[::-1]),
    "slow": _picked(lambda count, _: list(range(0, count, 3)), 1 / 3),
    "stalled": _picked(_stalled),
    "quick": _picked(lambda count, _: list(range(count)), 3),
    "held": _picked(lambda count, _: [one // 3 for one in range(3 * count)], 3),
    "visitors": _visitors,
    "peekers": _peekers,
}
"""What is done to every clip: light and camera (grey: infrared; mains: bands of a lamp on
alternating current; exposure: swings of a quarter; coarse: 36 of x264's rate factor), places
(bumped: turned and shifted after 3.5 s; closer and farther: 1.35 and 0.7), times (slow: a third of
the frames; stalled: a second without a new one; quick: thrice as fast; held: each frame thrice, in
the same time), people."""


if __name__ == "__main__":
    sys.exit(main())
