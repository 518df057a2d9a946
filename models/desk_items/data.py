"""Training pictures: drawn and ray-traced desks, crops of COCO pictures, a webcam's look."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import torch
from items import KINDS
from learning import BATCH
from sketch import DESK, PEOPLE, Studio
from torch.utils.data import IterableDataset

SHAPES = ((192, 192), (288, 128), (384, 96))
"""Widths and heights of crops, each as many pixels: a desk before a webcam is a strip, on which a
keyboard is wider than a square of them."""

SCALES = (0.6, 0.8, 1.0, 1.0, 1.25, 1.6, 2.0)
STRIDE = 4
POOL = 900
CROPS = 16
RELIST = 4800
PHOTOS, TRACED = 0.1, 0.4
"""Shares of the pictures that are photographs and ray traced; the others are drawn."""

VEILED, HALF_VEILED, UNDER_ARMS = 0.12, 0.16, 0.12
"""Shares of the crops over which frosted cells lie anywhere, over one side of the item that the crop is
about, and over which an arm lies."""

LEAST_PIXELS = 20
LEAST_VISIBLE = 0.4
"""Share of an item's outline that must be seen for it to count, in training and in scoring."""

HELD_RENDERED = 5
"""Every fifth ray-traced picture is held back."""

UNSURE = ""
"""Kind of what is there but cannot be told: neither wanted nor wrong."""

COCO = {
    "cell phone": "phone", "book": "notebook", "laptop": "laptop", "keyboard": "keyboard",
    "mouse": "mouse", "cup": "mug", "bottle": "mug", "wine glass": "other", "bowl": "other",
    "remote": "other", "scissors": "other", "vase": "other", "clock": "other", "apple": "other",
    "banana": "other", "orange": "other", "teddy bear": "other", "fork": "other",
    "knife": "other", "spoon": "other", "donut": "other", "cake": "other",
}
Item = tuple[str, float, float, float, float]
Scene = tuple[np.ndarray, np.ndarray, list[Item]]


Photo = tuple[Path, list[Item], list[np.ndarray]]


def coco(folder: Path, *, held: bool) -> list[Photo]:
    """Pictures, items and outlines of people; every third picture, in the order of ids, is
    held back."""
    table = json.loads((folder / "instances.json").read_text())
    names = {entry["id"]: entry["name"] for entry in table["categories"]}
    found: dict[int, list[Item]] = {}
    people: dict[int, list[np.ndarray]] = {}
    for entry in table["annotations"]:
        if names[entry["category_id"]] == "person" and isinstance(entry["segmentation"], list):
            outlines = people.setdefault(entry["image_id"], [])
            outlines += [np.reshape(part, (-1, 2)) for part in entry["segmentation"]]
        kind = COCO.get(names[entry["category_id"]])
        if kind and not entry.get("iscrowd"):
            x, y, w, h = entry["bbox"]
            found.setdefault(entry["image_id"], []).append((kind, x, y, x + w, y + h))
    pictures = sorted(table["images"], key=lambda entry: entry["id"])
    return [
        (folder / "images" / one["file_name"], found.get(one["id"], []), people.get(one["id"], []))
        for i, one in enumerate(pictures)
        if (i % 3 == 0) is held
    ]


def load_photo(photo: Photo) -> tuple[np.ndarray, np.ndarray, list[Item]]:
    path, items, outlines = photo
    rgb = cv2.imread(str(path))[..., ::-1].copy()
    mask = np.zeros(rgb.shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], PEOPLE)
    return rgb, mask, items


def boxes_of(mask: np.ndarray, kinds: list[str], whole: list[float]) -> list[Item]:
    """Items of a mask with the boxes of what is seen of them; ``whole``: pixels of each one's
    outline. UNSURE is what is too small or too much hidden."""
    items: list[Item] = []
    for number, (kind, size) in enumerate(zip(kinds, whole, strict=True), 1):
        ys, xs = np.nonzero(mask == number)
        if len(xs):
            told = len(xs) >= LEAST_PIXELS and size and len(xs) >= LEAST_VISIBLE * size
            box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            items.append((kind if told else UNSURE, *box))
    return items


def rendered(folder: Path, *, held: bool) -> list[Path]:
    return [
        path for path in sorted(folder.glob("*.json"))
        if (int(path.stem) % HELD_RENDERED == 0) is held
    ]


def read_rendered(path: Path) -> tuple[np.ndarray, np.ndarray, list[str], list[float]]:
    """Picture, mask, kinds and outlines as `Studio.scene` gives them."""
    rgb = cv2.imread(str(path.with_suffix(".png")))[..., ::-1]
    mask = cv2.imread(str(path.with_suffix(".mask.png")), cv2.IMREAD_GRAYSCALE)
    about = json.loads(path.read_text())
    return rgb, mask, about["kinds"], about["whole"]


def load_rendered(path: Path) -> Scene:
    rgb, mask, kinds, whole = read_rendered(path)
    return rgb, mask, boxes_of(mask, kinds, whole)


NOISE: np.ndarray = np.random.default_rng(1).normal(0, 1, 2**22).astype(np.float32)


def webcam(rgb: np.ndarray, rng: random.Random, *, still: bool = False) -> np.ndarray:
    """Blur, light, colour, noise and JPEG of a cheap camera. ``still``: the same camera over
    some seconds, with little noise left; a generator of the same state gives the same camera."""
    x = rgb.astype(np.float32)
    blur, soft = rng.uniform(0.3, 1.3), rng.random() < 0.7
    if soft:
        x = cv2.GaussianBlur(x, (0, 0), blur)
    gain, gamma = rng.uniform(0.45, 1.25), rng.uniform(0.75, 1.35)
    curve = 255 * np.minimum(np.arange(0, 1.13, 1 / 1024) * gain, 1) ** gamma
    tint = np.array([rng.uniform(0.88, 1.12) for _ in range(3)], np.float32)
    x = curve.astype(np.float32)[(x * (tint * (1024 / 255))).astype(np.int16)]
    if rng.random() < 0.15:
        x = x * 0.3 + 0.7 * x.mean(2, keepdims=True)
    first = rng.randrange(NOISE.size // 2 - x.size) + still * NOISE.size // 2
    noise = NOISE[first : first + x.size].reshape(x.shape)
    x = x + noise * rng.uniform(0, 6) * (0.15 if still else 1) * (1.5 - x / 255)
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.8:
        _, packed = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(45, 95)])
        x = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return x


def frosted(rgb: np.ndarray) -> np.ndarray:
    """The colour of cells that are painted over."""
    return (np.array([110, 112, 114]) * 0.6 + 0.4 * rgb.mean((0, 1))).astype(np.uint8)


def veil(rgb: np.ndarray, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Under frosted cells, as they lie over people in veiled frames; and where they lie."""
    out = rgb.copy()
    for _ in range(rng.randint(1, 3)):
        w, h = rng.randint(2, 12) * 8, rng.randint(2, 10) * 8
        x, y = (rng.randint(-4, side // 8) * 8 for side in out.shape[1::-1])
        piece = out[max(0, y) : y + h, max(0, x) : x + w]
        if piece.size:
            piece[:] = frosted(out)
    return out, (out != rgb).any(2)


def side_veil(rgb: np.ndarray, box: tuple[float, ...], rng: random.Random):
    """Frosted cells over one side of ``box``; and where they lie."""
    out = rgb.copy()
    x0, y0, x1, y1 = box
    share = rng.uniform(0.15, 0.6)
    if rng.random() < 0.6:
        cut = (x1 - x0) * share
        a, b = (x0 - 40, x0 + cut) if rng.random() < 0.5 else (x1 - cut, x1 + 40)
        c, d = y0 - rng.uniform(0, 40), y1 + rng.uniform(0, 20)
    else:
        cut = (y1 - y0) * share
        c, d = (y0 - 40, y0 + cut) if rng.random() < 0.5 else (y1 - cut, y1 + 40)
        a, b = x0 - rng.uniform(0, 30), x1 + rng.uniform(0, 30)
    a, b, c, d = (max(0, round(v / 8) * 8) for v in (a, b, c, d))
    colour = frosted(out)
    for y in range(c, min(d, out.shape[0]), 8):
        # An edge of cells is no straight line.
        left, right = (max(0, v + 8 * rng.choice((-1, 0, 0, 0, 1))) for v in (a, b))
        out[y : y + 8, left:right] = colour
    return out, (out != rgb).any(2)


def limb(rgb: np.ndarray, area: np.ndarray, box: tuple[float, ...], rng: random.Random):
    """A sleeve or an arm over a part of ``box``; and where it lies."""
    high, wide = area.shape
    x0, y0, x1, y1 = box
    tip = (rng.uniform(x0 - 8, x1 + 8), rng.uniform(y0, y1))
    end = (tip[0] + rng.uniform(-120, 120), tip[1] + rng.choice((-1, 1, 1)) * rng.uniform(30, 160))
    thick = rng.uniform(10, 34)
    where = np.zeros((high, wide), np.uint8)
    ends = [tuple(int(v * 8) for v in point) for point in (tip, end)]
    cv2.line(where, *ends, 255, round(thick), cv2.LINE_AA, 3)
    skin = np.array(rng.choice(((224, 172, 140), (198, 134, 96), (141, 85, 54), (90, 56, 37))))
    colour = skin if rng.random() < 0.5 else np.array([rng.uniform(10, 230) for _ in range(3)])
    colour = colour * rng.uniform(0.4, 1.0)
    shade = cv2.GaussianBlur(where, (0, 0), thick / 4).astype(np.float32)[..., None] / 255
    alpha = where.astype(np.float32)[..., None] / 255
    painted = colour * (0.55 + 0.45 * shade)
    if rng.random() < 0.3:
        stripes = np.sin(np.arange(wide) / rng.uniform(1, 4))[None, :, None]
        painted = painted * (1 + 0.3 * stripes)
    out = np.clip(rgb * (1 - alpha) + painted * alpha, 0, 255).astype(np.uint8)
    covered = where > 127
    area = area.copy()
    area[covered] = PEOPLE
    return out, area, covered


def crop(rgb, mask, items: list[Item], size: tuple[int, int], rng: random.Random):
    """A piece of ``size`` (width, height) at a random scale, perhaps mirrored, perhaps veiled, about
    an item or anywhere."""
    height, width = rgb.shape[:2]
    wide, high = size
    scale = rng.choice(SCALES) * rng.uniform(0.85, 1.15)
    scale = max(scale, wide * 0.6 / width, high * 0.6 / height)
    told = [one for one in items if one[0] != UNSURE]
    aim = None
    if told and rng.random() < 0.85:
        aim = rng.choice(told)
        _, x0, y0, x1, y1 = aim
        cx, cy = (x0 + x1) / 2 * scale, (y0 + y1) / 2 * scale
    else:
        cx, cy = rng.uniform(0, width * scale), rng.uniform(0, height * scale)
    left = cx - wide * rng.uniform(0.2, 0.8)
    top = cy - high * rng.uniform(0.2, 0.8)
    left = min(max(left, -8), max(-8, width * scale - wide + 8))
    top = min(max(top, -8), max(-8, height * scale - high + 8))
    flip = rng.random() < 0.5
    matrix = np.array([[scale, 0, -left], [0, scale, -top]], np.float32)
    if flip:
        matrix[0] = (-scale, 0, wide - 1 + left)
    if scale < 0.8:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.45 / scale)
    cut = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR)
    area = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST)
    covered = np.zeros(area.shape, bool)

    def placed(item: Item) -> tuple[float, float, float, float]:
        _, x0, y0, x1, y1 = item
        a, b = x0 * scale - left, x1 * scale - left
        if flip:
            a, b = wide - b, wide - a
        return a, y0 * scale - top, b, y1 * scale - top

    chance = rng.random()
    if chance < VEILED:
        cut, covered = veil(cut, rng)
    elif aim is not None and chance < VEILED + HALF_VEILED + UNDER_ARMS:
        if chance < VEILED + HALF_VEILED:
            cut, covered = side_veil(cut, placed(aim), rng)
        else:
            cut, area, covered = limb(cut, area, placed(aim), rng)
    kept, unsure = [], []
    for kind, *sides in items:
        a, c, b, d = placed((kind, *sides))
        inside = (max(0, a), max(0, c), min(wide, b), min(high, d))
        w, h = inside[2] - inside[0], inside[3] - inside[1]
        if w <= 1 or h <= 1:
            continue
        x0, y0, x1, y1 = (round(side) for side in inside)
        hidden = covered[y0:y1, x0:x1].mean() > 1 - LEAST_VISIBLE
        small = w * h < 0.35 * (b - a) * (d - c) or max(w, h) < 7
        (unsure if kind == UNSURE or hidden or small else kept).append((kind, *inside))
    return cut, area, kept, unsure


def targets(kept: list[Item], unsure: list[Item], area: np.ndarray):
    """heat (kinds, rows, cols), weight (rows, cols), box (4, rows, cols), where (rows, cols),
    ground (2, rows, cols): desk and people; -1 unknown."""
    coarse = area[2::STRIDE, 2::STRIDE]
    rows, cols = coarse.shape
    heat = np.zeros((len(KINDS), rows, cols), np.float32)
    weight = np.ones((rows, cols), np.float32)
    box = np.zeros((4, rows, cols), np.float32)
    where = np.zeros((rows, cols), np.float32)
    surface = np.isin(coarse, [*range(1, 20), DESK]).astype(np.float32)
    if not (area == DESK).any():
        surface[:] = -1
    ground = np.stack([surface, (coarse == PEOPLE).astype(np.float32)])
    for _, x0, y0, x1, y1 in unsure:
        weight[int(y0 / STRIDE) : int(y1 / STRIDE) + 1, int(x0 / STRIDE) : int(x1 / STRIDE) + 1] = 0
    ys, xs = np.mgrid[0:rows, 0:cols]
    for kind, x0, y0, x1, y1 in sorted(kept, key=lambda i: -(i[3] - i[1]) * (i[4] - i[2])):
        cx, cy = (x0 + x1) / 2 / STRIDE, (y0 + y1) / 2 / STRIDE
        ix, iy = min(cols - 1, int(cx)), min(rows - 1, int(cy))
        sx = max(0.7, (x1 - x0) / STRIDE / 10)
        sy = max(0.7, (y1 - y0) / STRIDE / 10)
        bump = np.exp(-((xs - ix) ** 2 / (2 * sx**2) + (ys - iy) ** 2 / (2 * sy**2)))
        channel = heat[KINDS.index(kind)]
        np.maximum(channel, bump, out=channel)
        near = bump > 0.4
        px, py = (xs + 0.5) * STRIDE, (ys + 0.5) * STRIDE
        sides = np.stack([px - x0, py - y0, x1 - px, y1 - py]) / STRIDE
        box[:, near] = np.log(np.maximum(sides[:, near], 0.15))
        where[near] = 1
    weight[heat.max(0) > 0.5] = 1
    return heat, weight, box, where, ground


class Desks(IterableDataset):
    """Crops without end, as many of one shape as make a batch. ``seed`` and the worker decide
    everything, but for what is still being written to the folders. drawn, traced: folders of
    `sketch.py` and `render.py`; without the first desks are drawn as they are needed, which is
    slower."""

    def __init__(
        self, drawn: Path | None, traced: Path | None, photos: Path | None, seed: int
    ) -> None:
        self.drawn, self.traced, self.seed = drawn, traced, seed
        self.photos = coco(photos, held=False) if photos else []
        self.photos = [one for one in self.photos if one[1] or crc32(one[0].name.encode()) % 4]

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        info = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (info.id if info else 0))
        cv2.setNumThreads(1)
        traced, drawn = [], []
        studio = None if self.drawn and any(self.drawn.glob("*.json")) else Studio()
        pool: list[Scene] = []
        size = SHAPES[0]
        for number in count():
            if number % RELIST == 0:  # more may have been written
                traced = rendered(self.traced, held=False) if self.traced else []
                drawn = sorted(self.drawn.glob("*.json")) if self.drawn else []
            if number % BATCH == 0:
                size = rng.choice(SHAPES)
            # A picture costs more than cutting from it: each new one joins a pool.
            if number % CROPS == 0:
                made = self._picture(rng, studio, drawn, traced)
                if len(pool) < POOL:
                    pool.append(made)
                else:
                    pool[rng.randrange(POOL)] = made
            cut, area, kept, unsure = crop(*rng.choice(pool), size, rng)
            cut = webcam(cut, rng)
            image = torch.from_numpy(np.ascontiguousarray(cut.transpose(2, 0, 1)))
            yield image, *map(torch.from_numpy, targets(kept, unsure, area))

    def _picture(
        self, rng: random.Random, studio: Studio | None, drawn: list[Path], traced: list[Path]
    ) -> Scene:
        chance = rng.random()
        if self.photos and chance < PHOTOS:
            return load_photo(rng.choice(self.photos))
        if traced and chance < PHOTOS + TRACED:
            return load_rendered(rng.choice(traced))
        if studio is None:
            return load_rendered(rng.choice(drawn))
        rgb, mask, kinds, whole = studio.scene(rng.randrange(2**31))
        return rgb, mask, boxes_of(mask, kinds, whole)
