"""What came onto the desk since its clean look, whatever it is.

A network of our own compares the two pictures. It was trained to tell a thing that came from
light, from shade, and from the bare place of a thing that left (models/desk_items).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.items import sigmoid
from homeveil.desk.view import Mask, Rgb, resized
from homeveil.errors import ModelError
from homeveil.grid import Box
from homeveil.perceive._onnx import StreamNetwork

CAME, SURELY = 0.35, 0.9
"""Probability from which a pixel belongs to something that came, and what the surest pixel of a
thing must have: shades are rarely as sure."""

LEAST_AREA = 12
LEAST_SIDE = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """``mask``: (h, w) at half the view's size; ``boxes``: in pixels of the view."""

    mask: Mask
    boxes: tuple[Box, ...]


class ChangeDetector:
    """The network ``desk_change``: a picture, and the clean look at half its size."""

    def __init__(self, model: bytes) -> None:
        self._network = StreamNetwork(model)

    def look(self, rgb: Rgb, clean: Rgb) -> NDArray[np.float32]:
        """Probability that something came. rgb: (h, w, 3), sides that 32 divides; clean and
        the result: (h / 2, w / 2). ModelError for a network that does not give that."""
        now, known = (
            np.ascontiguousarray(picture.transpose(2, 0, 1))[None] for picture in (rgb, clean)
        )
        (out,) = self._network.run({"now": now, "clean": known})
        if out.shape != (1, 1, *clean.shape[:2]) or not np.isfinite(out).all():
            raise ModelError(f"desk_change: output {out.shape} is not that of a comparison")
        return sigmoid(out[0, 0])


class CleanDesk:
    """The zone's clean look, at half the view's size."""

    def __init__(self, detector: ChangeDetector, clean: Rgb, size: tuple[int, int]) -> None:
        half = (size[0] // 2, size[1] // 2)
        self._detector = detector
        self._clean = np.asarray(cv2.resize(clean, half, interpolation=cv2.INTER_AREA), np.uint8)
        never = cv2.resize((clean.max(2) == 0).astype(np.uint8), half)
        self._seen = cv2.dilate(never, np.ones((5, 5), np.uint8)) == 0

    def compare(self, rgb: Rgb, inside: Mask, unknown: Mask) -> Difference:
        """Things that were not there. ``inside``: the zone. ``unknown``: withheld, or a
        person; nothing is found there."""
        half = (self._clean.shape[1], self._clean.shape[0])
        known = resized(inside, half) & ~resized(unknown, half) & self._seen
        if not known.any():
            return Difference(known, ())
        came = self._detector.look(rgb, self._clean)
        mask = (came > CAME) & known
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8), connectivity=8
        )
        surest = np.zeros(count, np.float32)
        np.maximum.at(surest, labels[mask], came[mask])
        boxes: list[Box] = []
        for number in range(1, count):
            x, y, w, h, area = (int(v) for v in stats[number])
            if area < LEAST_AREA or min(w, h) < LEAST_SIDE or surest[number] < SURELY:
                mask[labels == number] = False
            else:
                boxes.append(Box(2.0 * x, 2.0 * y, 2.0 * (x + w), 2.0 * (y + h)))
        return Difference(mask, tuple(boxes))
