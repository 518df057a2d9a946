"""The part of the picture that is watched: a small picture of the zone, and what in it counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.desk_rules import Point
from homeveil.frames import VeiledFrame
from homeveil.grid import BoolGrid, Box, Grid

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PIXELS = 80_000
"""Size of a look that is compared with a clean one, or that finds the surface, whatever the
frame's."""

CLOSE_SIDE, CLOSE_PIXELS = 576, 100_000
"""Longer side of a look for items alone, and what it may cost: the detector knows items as large
as they are where a desk is as wide as that."""

CLOSEST = 2.0
"""A frame is never looked at larger than if it were as wide as so many looks: a zone may be a
small part of a desk."""

STEP = 32
MARGIN = 0.04
ANYWHERE: tuple[Point, ...] = ((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0))
"""Where the work surface is looked for while no zone is given."""


def resized(mask: Mask, size: tuple[int, int]) -> Mask:
    """``mask`` at another size (width, height), each pixel the nearest one's."""
    return np.asarray(
        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), bool
    )


@dataclass(frozen=True, slots=True)
class View:
    """A box of the frame that holds the zone, and the size it is watched at.

    Its size depends on the polygon and the frame's aspect alone, so that a look enrolled at
    one resolution fits another. ``box``: in pixels of the frame; ``size``: width, height;
    ``inside``: (height, width), True in the polygon, where it is not narrowed further.
    """

    polygon: tuple[Point, ...]
    frame: tuple[int, int]
    box: Box
    size: tuple[int, int]
    inside: Mask = field(repr=False)

    @classmethod
    def of(cls, polygon: tuple[Point, ...], width: int, height: int) -> View:
        """The view of a zone in frames of ``width`` x ``height``, of some PIXELS."""
        box = _around(polygon, width, height)
        scale = math.sqrt(PIXELS / max(box.area, 1.0))
        wide, high = (
            max(STEP, STEP * round(side * scale / STEP)) for side in (box.width, box.height)
        )
        return cls._looking(polygon, (width, height), box, (wide, high))

    @classmethod
    def close(cls, polygon: tuple[Point, ...], width: int, height: int) -> View:
        """The view for items alone. Nothing in it is stretched: where its sides are no multiples
        of STEP, it is larger than the zone."""
        box = _around(polygon, width, height)
        scale = min(
            CLOSE_SIDE / max(box.width, box.height),
            math.sqrt(CLOSE_PIXELS / max(box.area, 1.0)),
            CLOSEST * CLOSE_SIDE / max(width, height),
        )
        (x0, x1, wide), (y0, y1, high) = (
            _stepped(*side, scale)
            for side in ((box.x0, box.x1, width), (box.y0, box.y1, height))
        )
        return cls._looking(polygon, (width, height), Box(x0, y0, x1, y1), (wide, high))

    @classmethod
    def _looking(
        cls, polygon: tuple[Point, ...], frame: tuple[int, int], box: Box, size: tuple[int, int]
    ) -> View:
        view = cls(polygon, frame, box, size, np.ones(size[::-1], bool))
        return view.narrowed(polygon)

    def narrowed(self, polygon: tuple[Point, ...]) -> View:
        """The same view, of which only what lies in ``polygon``, too, counts."""
        (width, height), (wide, high) = self.frame, self.size
        box = self.box
        corners = [
            ((x * width - box.x0) / box.width * wide, (y * height - box.y0) / box.height * high)
            for x, y in polygon
        ]
        within = np.zeros((high, wide), np.uint8)
        cv2.fillPoly(within, [np.round(corners).astype(np.int32)], 1)
        return replace(self, inside=self.inside & within.astype(bool))

    @property
    def share(self) -> float:
        """Of the frame: how much of it counts. Lines, which have no area, do not."""
        inside = cv2.erode(self.inside.astype(np.uint8), np.ones((3, 3), np.uint8))
        width, height = self.frame
        return float(inside.mean()) * self.box.area / (width * height)

    def shares(self, box: Box) -> Box:
        """A box of the view, in shares of the frame's width and height."""
        sx, sy = self.box.width / self.size[0], self.box.height / self.size[1]
        width, height = self.frame
        return Box(
            (self.box.x0 + box.x0 * sx) / width,
            (self.box.y0 + box.y0 * sy) / height,
            (self.box.x0 + box.x1 * sx) / width,
            (self.box.y0 + box.y1 * sy) / height,
        )

    def pixels(self, shares: Box) -> Box:
        """A box given in shares of the frame, in pixels of the view."""
        sx, sy = self.size[0] / self.box.width, self.size[1] / self.box.height
        width, height = self.frame
        return Box(
            (shares.x0 * width - self.box.x0) * sx,
            (shares.y0 * height - self.box.y0) * sy,
            (shares.x1 * width - self.box.x0) * sx,
            (shares.y1 * height - self.box.y0) * sy,
        )

    def picture(self, frame: VeiledFrame) -> Rgb:
        """(height, width, 3) RGB of the view."""
        return _kernels.thumbnail(frame, self.box, self.size)

    def withheld(self, frame: VeiledFrame) -> Mask:
        """(height, width): what was painted over, and one pixel about it."""
        painted = self._cells(frame.withheld, frame)
        return np.asarray(cv2.dilate(painted, np.ones((3, 3), np.uint8)), bool)

    def agent(self, frame: VeiledFrame) -> Mask:
        """(height, width): what shows the agent."""
        return np.asarray(self._cells(frame.agent, frame), bool)

    def _cells(self, cells: BoolGrid, frame: VeiledFrame) -> NDArray[np.uint8]:
        """(height, width): a grid of the frame's cells as the view shows it."""
        cell = Grid.over(frame.width, frame.height).cell
        wide, high = self.size
        matrix = np.array(
            [
                [wide / self.box.width * cell, 0, 0],
                [0, high / self.box.height * cell, 0],
            ],
            np.float32,
        )
        # A cell's centre lies half a cell from its corner; warpAffine maps centres.
        matrix[0, 2] = (cell / 2 - self.box.x0) * wide / self.box.width - 0.5
        matrix[1, 2] = (cell / 2 - self.box.y0) * high / self.box.height - 0.5
        shown = cv2.warpAffine(
            cells.astype(np.uint8),
            matrix,
            self.size,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(shown, np.uint8)


def _around(polygon: tuple[Point, ...], width: int, height: int) -> Box:
    """The polygon's box and a margin, in pixels of the frame."""
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return Box(
        max(0.0, min(xs) - MARGIN) * width,
        max(0.0, min(ys) - MARGIN) * height,
        min(1.0, max(xs) + MARGIN) * width,
        min(1.0, max(ys) + MARGIN) * height,
    )


def _stepped(first: float, last: float, whole: int, scale: float) -> tuple[float, float, int]:
    """A side grown within ``whole`` to the next multiple of STEP at ``scale``, and that."""
    steps = max(1, math.ceil((last - first) * scale / STEP - 0.1))
    grown = min(float(whole), steps * STEP / scale)
    first = min(max(0.0, (first + last - grown) / 2), whole - grown)
    return first, first + grown, steps * STEP
