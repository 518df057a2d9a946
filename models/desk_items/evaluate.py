"""Confusion and precision-recall on held-back pictures, beside a user's COCO detector.

python evaluate.py --traced FOLDER --photos COCO_SHARE [--yolox yolox_nano.onnx] --out FILE.json

Three sets: drawn desks of numbers that training cannot draw, ray-traced desks held back, COCO
pictures held back. Desks are looked at close up, as the watcher does. A box is right at an overlap
of 0.4; the threshold is that of the watcher. What is under 8 pixels, or more than 0.6 hidden, is
neither wanted nor wrong.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from data import UNSURE, Item, boxes_of, coco, load_photo, read_rendered, rendered, webcam
from items import KINDS
from sketch import PEOPLE, Studio

from homeveil.desk.difference import ChangeDetector, CleanDesk, Difference
from homeveil.desk.items import SAME, STRIDE, Detection, ItemDetector
from homeveil.desk.supplied import SuppliedDetector
from homeveil.desk.surface import FIRST_LOOKS, WorkSurface
from homeveil.desk.view import View
from homeveil.desk.watcher import SURE
from homeveil.grid import Box

HELD = 2**33
OVERLAP = 0.4
LONG = 512


Looked = tuple[np.ndarray, list[Item]]


def sized(rgb: np.ndarray, items: list[Item]) -> Looked:
    """The whole picture at some size the watcher looks at, sides that 32 divides."""
    scale = min(LONG / max(rgb.shape[:2]), 1.15)
    high, wide = (max(32, round(side * scale / 32) * 32) for side in rgb.shape[:2])
    sx, sy = wide / rgb.shape[1], high / rgb.shape[0]
    small = cv2.resize(np.ascontiguousarray(rgb), (wide, high), interpolation=cv2.INTER_AREA)
    return small, [(kind, a * sx, b * sy, c * sx, d * sy) for kind, a, b, c, d in items]


def closely(rgb: np.ndarray, mask: np.ndarray, kinds: list[str], whole: list[float]) -> Looked:
    """The desk as the watcher looks at it while no zone is drawn, its surface known."""
    high, wide = mask.shape
    work = WorkSurface(wide, high)
    desk = cut(work.wide, ((mask > 0) & (mask != PEOPLE)).astype(np.uint8))
    surface = desk[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.float32)
    for look in range(FIRST_LOOKS):
        work.take(surface, np.ones_like(surface, bool), look)
    view = View.close(work.close, wide, high)
    grown = view.size[0] * view.size[1] / view.box.area
    items = boxes_of(cut(view, mask), kinds, [size * grown for size in whole])
    return cut(view, rgb, cv2.INTER_LINEAR), items


def cut(view: View, picture: np.ndarray, how: int = cv2.INTER_NEAREST) -> np.ndarray:
    sx, sy = view.size[0] / view.box.width, view.size[1] / view.box.height
    matrix = np.array([[sx, 0, (0.5 - view.box.x0) * sx - 0.5], [0, sy, (0.5 - view.box.y0) * sy - 0.5]])
    return cv2.warpAffine(picture, matrix, view.size, flags=how, borderMode=cv2.BORDER_REPLICATE)


def sets(args: argparse.Namespace):
    """Name of a set -> pictures with their items."""
    studio, rng = Studio(), random.Random(5)
    drawn = (studio.scene(HELD + number) for number in range(args.count))
    yield "drawn", [closely(webcam(rgb, rng), *known) for rgb, *known in drawn]
    traced = (read_rendered(path) for path in rendered(args.traced, held=True))
    yield "ray_traced", [closely(webcam(rgb, rng), *known) for rgb, *known in traced]
    photos = (load_photo(photo) for photo in coco(args.photos, held=True))
    yield "coco", [sized(rgb, [one for one in items if one[0] != "other"]) for rgb, _, items in photos]


def score(pictures: list, detectors: list) -> dict[str, Any]:
    """Counts per kind at the watcher's threshold, the curve, and the confusion."""
    confusion: Counter[tuple[str, str]] = Counter()
    wanted: Counter[str] = Counter()
    ranked: dict[str, list[tuple[float, bool]]] = {kind: [] for kind in KINDS}
    for rgb, items in pictures:
        truth = [(kind, Box(*sides)) for kind, *sides in items]
        unsure = [one for one in truth if one[0] == UNSURE or max(one[1].width, one[1].height) < 8]
        truth = [one for one in truth if one not in unsure]
        wanted.update(kind for kind, _ in truth)
        found = merged([one for look in detectors for one in look(rgb)])
        free = list(truth)
        for one in sorted(found, key=lambda d: -d.score):
            kind = one.kind.value
            best = max(free, key=lambda t: t[1].overlap(one.box), default=None)
            on = best[0] if best and best[1].overlap(one.box) >= OVERLAP else None
            if on is None and any(box.shared(one.box) > OVERLAP * one.box.area
                                  for _, box in unsure):
                continue
            ranked[kind].append((one.score, on == kind))
            if one.score >= SURE[KINDS.index(kind)]:
                confusion[on or "nothing", kind] += 1
                if best and on:
                    free.remove(best)
        confusion.update((kind, "missed") for kind, _ in free)
    return {"kinds": {k: curve(ranked[k], wanted[k]) for k in KINDS if wanted[k] or ranked[k]},
            "confusion": {f"{a} -> {b}": n for (a, b), n in sorted(confusion.items())}}


def twice(own: ItemDetector, rgb: np.ndarray) -> list[Detection]:
    """The mean of a look and a mirrored one, which is what the watcher's tracks come to. What one
    of them lacks has half its scores."""
    here, there = (list(own.look(rgb, mirrored=mirrored).items) for mirrored in (False, True))
    found = []
    for one in here:
        best = max(there, key=lambda other: one.box.overlap(other.box), default=None)
        if best is not None and one.box.overlap(best.box) >= SAME:
            there.remove(best)
            found.append(Detection(one.box, (one.scores + best.scores) / 2))
        else:
            found.append(Detection(one.box, one.scores / 2))
    return found + [Detection(one.box, one.scores / 2) for one in there]


def merged(found: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for one in sorted(found, key=lambda d: -d.score):
        if all(one.box.overlap(other.box) < 0.5 for other in kept):
            kept.append(one)
    return kept


def curve(ranked: list[tuple[float, bool]], wanted: int) -> dict[str, Any]:
    """Average precision and some points (threshold, precision, recall)."""
    ranked = sorted(ranked, reverse=True)
    right = np.cumsum([hit for _, hit in ranked])
    points, precision = [], right / np.arange(1, len(ranked) + 1)
    hits = [i for i, (_, hit) in enumerate(ranked) if hit]
    area = float(sum(precision[i] for i in hits) / wanted) if wanted else 0.0
    for threshold in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7):
        count = sum(s >= threshold for s, _ in ranked)
        got = int(right[count - 1]) if count else 0
        points.append([threshold, round(got / count, 3) if count else None,
                       round(got / wanted, 3) if wanted else None])
    return {"wanted": wanted, "average_precision": round(area, 3), "points": points}


def compared(zone: np.ndarray) -> View:
    """How the watcher looks at a desk with a clean look of it. ``zone``: (h, w), where it is."""
    high, wide = zone.shape
    ys, xs = np.nonzero(zone)
    x0, x1, y0, y1 = xs.min() / wide, (xs.max() + 1) / wide, ys.min() / high, (ys.max() + 1) / high
    return View.of(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), wide, high)


def filmed(view: View, picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """With a camera's noise."""
    seen = cut(view, picture, cv2.INTER_LINEAR)
    return np.clip(seen + draw.normal(0, 2.5, seen.shape), 0, 255).astype(np.uint8)


Compare = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], Difference]


def comparison(change: ChangeDetector) -> Compare:
    """Of the desk when it was clean with now, in the zone, but for what is unknown."""

    def compare(empty, full, zone, unknown) -> Difference:
        half = (empty.shape[1] // 2, empty.shape[0] // 2)
        small = np.maximum(cv2.resize(empty, half, interpolation=cv2.INTER_AREA), 1)
        return CleanDesk(change, small, (empty.shape[1], empty.shape[0])).compare(full, zone, unknown)

    return compare


def against_clean(compare: Compare, count: int, *, moved_lamp: bool) -> dict[str, Any]:
    """Items found against the clean look of drawn desks, and boxes where no item is."""
    studio, found, asked, false = Studio(), 0, 0, 0
    for number in range(count):
        empty, full, mask, kinds = studio.pair(HELD + number, moved_lamp=moved_lamp)
        desk = cv2.morphologyEx((mask > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9)))
        if not desk.any():
            continue
        view, draw = compared(desk), np.random.default_rng(number)
        empty, full = filmed(view, empty, draw), filmed(view, full, draw)
        mask, zone = cut(view, mask), cut(view, desk)
        zone = cv2.erode(zone, np.ones((7, 7)), borderValue=1).astype(bool)
        difference = compare(empty, full, zone, np.zeros_like(zone))
        marked = cv2.resize(difference.mask.astype(np.uint8), view.size) > 0
        for one in range(1, len(kinds) + 1):
            item = (mask == one) & zone
            if item.sum() >= 60 and min(np.ptp(axis) for axis in np.nonzero(item)) >= 5:
                asked += 1
                found += (marked & item).sum() > 0.25 * item.sum()
        near = cv2.dilate(((mask > 0) & (mask < 200)).astype(np.uint8), np.ones((15, 15))) > 0
        for box in difference.boxes:
            piece = (slice(int(box.y0), int(box.y1)), slice(int(box.x0), int(box.x1)))
            false += (marked & near)[piece].sum() < 0.3 * max(1, marked[piece].sum())
    return {"items": asked, "found": int(found), "false_boxes": int(false), "pictures": count}


def in_company(compare: Compare, count: int, *, moved_lamp: bool) -> dict[str, Any]:
    """Boxes found where only people and their shadows came. People are masked with a margin,
    as the watcher does from what the network says."""
    studio, boxes = Studio(), 0
    for number in range(count):
        empty, full, mask, desk = studio.company(HELD + number, moved_lamp=moved_lamp)
        if not desk.any():
            continue
        view, draw = compared(desk), np.random.default_rng(number)
        empty, full = filmed(view, empty, draw), filmed(view, full, draw)
        zone = cv2.erode(cut(view, desk.astype(np.uint8)), np.ones((7, 7)), borderValue=1)
        people = cv2.dilate(cut(view, (mask == PEOPLE).astype(np.uint8)), np.ones((13, 13))) > 0
        boxes += len(compare(empty, full, zone.astype(bool), people).boxes)
    return {"pictures": count, "false_boxes": boxes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--items", type=Path, default=here / "desk_items.onnx")
    parser.add_argument("--change", type=Path, default=here / "desk_change.onnx")
    parser.add_argument("--traced", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--yolox", type=Path)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    own = ItemDetector(args.items.read_bytes())
    looks = {"own": [lambda rgb: twice(own, rgb)]}
    if args.yolox:
        theirs = SuppliedDetector(args.yolox.read_bytes())
        looks["yolox"] = [theirs.look]
        looks["both"] = [*looks["own"], theirs.look]
    result: dict[str, Any] = {}
    for name, pictures in sets(args):
        result[name] = {who: score(pictures, look) for who, look in looks.items()}
        result[name]["pictures"] = len(pictures)
    compare = comparison(ChangeDetector(args.change.read_bytes()))
    lamps = {"same_lamp": False, "other_lamp": True}
    for name, look in (("against_clean", against_clean), ("in_company", in_company)):
        result[name] = {
            lamp: look(compare, args.count, moved_lamp=moved) for lamp, moved in lamps.items()
        }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    for name in ("drawn", "ray_traced", "coco"):
        for who in looks:
            kinds = result[name][who]["kinds"]
            print(name, who, {k: (v["wanted"], v["average_precision"]) for k, v in kinds.items()})
    print(result["against_clean"], result["in_company"])


if __name__ == "__main__":
    main()
