"""What came onto a desk since it was clean: the network, its data, its training.

    python sketch.py --pairs --out PAIRS --count 3000
    python change.py --out RUN --pairs PAIRS --minutes 25 [--half]

A pair is a desk before and now: things stay, come and go, people come, the light changes. Only
what came is wanted; shadows, light and bare places where something lay are not. What the mask
gives to people is left out of training: the watcher masks them.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from data import veil, webcam
from learning import BATCH, begin, learn, options
from network import Residual, pyramid, unit
from sketch import PEOPLE
from torch import Tensor, nn
from torch.nn import functional as fn
from torch.utils.data import DataLoader, IterableDataset

SEED = 20261129
NAME = "desk_change.pt"
SIDE = 192
POOL = 500
CROPS = 12
FLOOR = 14.0
"""Grey levels added before the logarithm, so that noise in the dark does not count."""

ITEM = 400.0
"""Pixels at half size at which a thing counts as its pixels do; smaller ones count more."""

HELD = 10
"""Every tenth pair is held back."""

Pair = tuple[np.ndarray, np.ndarray, np.ndarray]


class DeskChange(nn.Module):
    """now (n, 3, h, w) and clean (n, 3, h/2, w/2), RGB 0..255, h and w multiples of 32. Output
    (n, 1, h/2, w/2): logit that something is here that is not in the clean look."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.clean = unit(3, 16, 2), unit(3, 12)
        self.both = nn.Sequential(nn.Conv2d(28, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        widths = (16, 24, 48, 64)
        self.down = nn.ModuleList(
            nn.Sequential(unit(a, b, 2), Residual(b)) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.side = nn.ModuleList(nn.Conv2d(b, 24, 1) for b in widths[1:])
        self.join = nn.ModuleList(unit(24, 24) for _ in widths[2:])
        self.fine = nn.Conv2d(24, 16, 1)
        self.head = unit(16, 12)
        self.out = nn.Conv2d(12, 1, 1)

    def forward(self, now: Tensor, clean: Tensor) -> Tensor:
        seen, known = ((x + FLOOR).log() - math.log(90) for x in (now, clean))
        x = first = self.both(torch.cat([self.now(seen), self.clean(known)], 1))
        x = pyramid(x, self.down, self.side, self.join)
        x = fn.interpolate(self.fine(x), scale_factor=2.0, mode="nearest") + first
        return self.out(self.head(x))


def load(path: Path) -> Pair:
    """Before, now, and a mask: 1.. each thing that came, PEOPLE, 0 elsewhere."""
    before, now = (
        cv2.imread(str(path.with_suffix(end)))[..., ::-1] for end in (".before.png", ".png")
    )
    mask = cv2.imread(str(path.with_suffix(".mask.png")), cv2.IMREAD_GRAYSCALE)
    came = np.zeros(256, np.uint8)
    for number, new in enumerate(json.loads(path.read_text())["came"], 1):
        came[number] = number * new
    came[PEOPLE] = PEOPLE
    return before, now, came[mask]


def pairs(folder: Path, *, held: bool) -> list[Path]:
    return [p for p in sorted(folder.glob("*.json")) if (int(p.stem) % HELD == 0) is held]


def cut(pair: Pair, rng: random.Random) -> tuple[np.ndarray, ...]:
    """now (3, n, n), clean (3, n/2, n/2), wanted and weight (n/2, n/2), n = SIDE."""
    height, width = pair[1].shape[:2]
    scale = rng.choice((0.7, 0.9, 1.1, 1.3, 1.6)) * rng.uniform(0.85, 1.15)
    left, top = (
        rng.uniform(-8, max(-8.0, side * scale - SIDE + 8)) for side in (width, height)
    )
    if rng.random() < 0.7 and pair[2].any():
        ys, xs = np.nonzero(pair[2])
        at = rng.randrange(len(ys))
        left, top = (c * scale - SIDE * rng.uniform(0.2, 0.8) for c in (xs[at], ys[at]))
    matrix = np.array([[scale, 0, -left], [0, scale, -top]], np.float32)
    if rng.random() < 0.5:
        matrix[0] = (-scale, 0, SIDE - 1 + left)
    shifted = matrix.copy()
    shifted[:, 2] += (rng.gauss(0, 0.5), rng.gauss(0, 0.5))  # a camera never stands quite still
    before = cv2.warpAffine(pair[0], shifted, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    now = cv2.warpAffine(pair[1], matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(pair[2], matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST,
                          borderValue=PEOPLE)
    balance = np.array([rng.uniform(0.95, 1.05) for _ in range(3)], np.float32)
    now = np.minimum(now * balance, 255).astype(np.uint8)
    camera = rng.getrandbits(64)
    before = webcam(before, random.Random(camera), still=True)
    now = webcam(now, random.Random(camera))
    hidden = mask == PEOPLE
    if rng.random() < 0.3:
        now, covered = veil(now, rng)
        hidden |= covered
    half = (SIDE // 2, SIDE // 2)
    clean = cv2.resize(before, half, interpolation=cv2.INTER_AREA)
    things = cv2.resize(np.where(mask == PEOPLE, 0, mask), half, interpolation=cv2.INTER_NEAREST)
    sizes = np.bincount(things.ravel(), minlength=256).astype(np.float32)
    weight = np.clip(ITEM / np.maximum(sizes, 1), 1, 12)[things]
    weight[things == 0] = 1
    weight[cv2.resize(hidden.astype(np.uint8), half, interpolation=cv2.INTER_AREA) > 0] = 0
    return (
        np.ascontiguousarray(now.transpose(2, 0, 1)), np.ascontiguousarray(clean.transpose(2, 0, 1)),
        (things > 0).astype(np.float32), weight.astype(np.float32),
    )


class Changes(IterableDataset):
    """Crops without end; ``seed`` and the worker decide everything."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        info = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (info.id if info else 0))
        cv2.setNumThreads(1)
        paths, pool = pairs(self.folder, held=False), []
        while True:
            made = load(rng.choice(paths))
            if len(pool) < POOL:
                pool.append(made)
            else:
                pool[rng.randrange(POOL)] = made
            for _ in range(CROPS):
                yield tuple(map(torch.from_numpy, cut(rng.choice(pool), rng)))


def losses(out: Tensor, batch: Sequence[Tensor]) -> dict[str, tuple[float, Tensor]]:
    _, _, wanted, weight = batch
    each = fn.binary_cross_entropy_with_logits(out[:, 0], wanted, reduction="none")
    return {"loss": (1, (each * weight).sum() / weight.sum())}


def inputs(batch: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(x.float().contiguous(memory_format=torch.channels_last) for x in batch[:2])


def main() -> None:
    parser = options(__doc__, minutes=25, seed=SEED)
    parser.add_argument("--pairs", type=Path, required=True)
    args = parser.parse_args()
    net = begin(args, DeskChange, NAME)
    changes = Changes(args.pairs, args.seed)
    loader = DataLoader(changes, BATCH, num_workers=args.workers, prefetch_factor=4)
    learn(net, loader, inputs, losses, args, NAME)


if __name__ == "__main__":
    main()
