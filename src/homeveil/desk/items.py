"""The detector of desk items: what lies in a small picture, where the desk is, where people."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.view import Rgb
from homeveil.desk_rules import DeskItem
from homeveil.errors import ModelError
from homeveil.grid import Box
from homeveil.perceive._onnx import Network

KINDS = (
    DeskItem.PHONE,
    DeskItem.PAPER,
    DeskItem.NOTEBOOK,
    DeskItem.PEN,
    DeskItem.CAMERA,
    DeskItem.LAPTOP,
    DeskItem.KEYBOARD,
    DeskItem.MOUSE,
    DeskItem.MUG,
    DeskItem.OTHER,
)
"""In the order of the network's channels; models/desk_items has the same list."""

STRIDE = 4
LEAST = 0.05
"""Confidence below which nothing is read from the network at all."""

SAME = 0.5
"""Overlap beyond which two boxes are one item."""

MOST = 40


@dataclass(frozen=True, slots=True)
class Detection:
    """One item in the picture. ``scores``: of each of KINDS, 0..1; ``score``: the highest."""

    box: Box
    scores: NDArray[np.float32]

    @property
    def score(self) -> float:
        return float(self.scores.max())

    @property
    def kind(self) -> DeskItem:
        return KINDS[int(self.scores.argmax())]


@dataclass(frozen=True, slots=True)
class Scene:
    """All the network says of a picture. surface, people: (height / 4, width / 4), 0..1."""

    items: tuple[Detection, ...]
    surface: NDArray[np.float32]
    people: NDArray[np.float32]


class ItemDetector:
    """The network of ``models/desk_items``: input uint8 RGB of any sides that 32 divides."""

    def __init__(self, model: bytes) -> None:
        self._network = Network(model)

    def look(self, rgb: Rgb, *, mirrored: bool = False) -> Scene:
        """What lies in ``rgb`` (height, width, 3). ``mirrored``: it is shown to the network with
        left and right exchanged, and what that says of it is told; the network errs otherwise."""
        height, width = rgb.shape[:2]
        shown = rgb[:, ::-1] if mirrored else rgb
        out = self._network.run(np.ascontiguousarray(shown.transpose(2, 0, 1))[None])
        if out.shape != (1, len(KINDS) + 6, height // STRIDE, width // STRIDE):
            raise ModelError(f"desk_items: output {out.shape} is not that of a desk detector")
        if not np.isfinite(out).all():
            raise ModelError("desk_items: the network gave a number that is not finite")
        if mirrored:
            out = out[..., ::-1].copy()
            left, right = len(KINDS), len(KINDS) + 2
            out[:, [left, right]] = out[:, [right, left]]
        scores = sigmoid(out[0, : len(KINDS)])
        ground = sigmoid(out[0, -2:])
        return Scene(_peaks(scores, out[0, len(KINDS) : -2]), ground[0], ground[1])


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def _peaks(
    scores: NDArray[np.float32], sides: NDArray[np.float32]
) -> tuple[Detection, ...]:
    """Local maxima of the best kind's score, best first, without doubles."""
    best = scores.max(0)
    peak = best >= cv2.dilate(best, np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(peak & (best >= LEAST))
    order = np.argsort(-best[ys, xs])[: 2 * MOST]
    found: list[Detection] = []
    for y, x in zip(ys[order], xs[order], strict=True):
        left, top, right, bottom = np.exp(np.clip(sides[:, y, x], -3, 5)) * STRIDE
        px, py = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        box = Box(px - left, py - top, px + right, py + bottom)
        if all(box.overlap(other.box) < SAME for other in found):
            found.append(Detection(box, scores[:, y, x]))
    return tuple(found[:MOST])
