"""A detector the user supplies: it adds candidates and names to our own.

A COCO ONNX of the YOLOX family (Ge et al., 2021, arXiv:2107.08430): one input (1, 3, s, s) BGR
0..255, one output (1, n, 85) of undecoded boxes at strides 8, 16 and 32.
"""

from __future__ import annotations

from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.items import KINDS, Detection
from homeveil.desk.view import Rgb
from homeveil.desk_rules import DeskItem
from homeveil.errors import ModelError
from homeveil.grid import Box
from homeveil.perceive._onnx import Network

STRIDES = (8, 16, 32)
GREY = 114
LEAST = 0.1
COCO = {
    39: DeskItem.MUG,  # bottle
    41: DeskItem.MUG,  # cup
    63: DeskItem.LAPTOP,
    64: DeskItem.MOUSE,
    65: DeskItem.OTHER,  # remote control
    66: DeskItem.KEYBOARD,
    67: DeskItem.PHONE,
    73: DeskItem.NOTEBOOK,  # book
}
"""Class of COCO, counted from 0, and the kind it is here."""


class SuppliedDetector:
    """Looks with the user's network at one of the sides that the network takes."""

    def __init__(self, model: bytes, side: int = 416) -> None:
        self._side = side
        self._network = Network(model)
        grids, scales = [], []
        for stride in STRIDES:
            count = side // stride
            ys, xs = np.mgrid[0:count, 0:count]
            grids.append(np.stack([xs, ys], -1).reshape(-1, 2))
            scales.append(np.full((count * count, 1), stride))
        self._grid = np.concatenate(grids).astype(np.float32)
        self._scale = np.concatenate(scales).astype(np.float32)

    @classmethod
    def of(cls, model: bytes, suffix: str) -> Self:
        """ModelError for a file of a kind that is not run here."""
        if suffix.lower() != ".onnx":
            raise ModelError(
                f"desk_detector: {suffix} files are not run; give a COCO ONNX of the YOLOX family"
            )
        return cls(model)

    def look(self, rgb: Rgb) -> tuple[Detection, ...]:
        """Items of known kinds in ``rgb`` (height, width, 3), boxes in its pixels."""
        height, width = rgb.shape[:2]
        scale = self._side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = np.full((self._side, self._side, 3), GREY, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(rgb, size)[..., ::-1]
        out = self._network.run(canvas.transpose(2, 0, 1)[None].astype(np.float32))
        if out.shape != (1, len(self._grid), 85) or not np.isfinite(out).all():
            raise ModelError(f"desk_detector: output {out.shape}, expected (1, n, 85)")
        return self._read(out[0], scale)

    def _read(self, out: NDArray[np.float32], scale: float) -> tuple[Detection, ...]:
        centre = (out[:, :2] + self._grid) * self._scale / scale
        half = np.exp(np.clip(out[:, 2:4], -6, 6)) * self._scale / scale / 2
        scores = out[:, 4:5] * out[:, 5:]
        classes = list(COCO)
        best = scores[:, classes].max(1)
        found: list[Detection] = []
        for i in np.argsort(-best)[:100]:
            if best[i] < LEAST:
                break
            (x, y), (w, h) = centre[i], half[i]
            box = Box(float(x - w), float(y - h), float(x + w), float(y + h))
            if any(box.overlap(one.box) > 0.5 for one in found):
                continue
            ours = np.zeros(len(KINDS), np.float32)
            for number in classes:
                at = KINDS.index(COCO[number])
                ours[at] = max(ours[at], scores[i, number])
            found.append(Detection(box, ours))
        return tuple(found)
