"""The picture networks, each with what its input means and what its output says."""

from __future__ import annotations

from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError, PerceptionError
from homeveil.perceive._graph import quicker
from homeveil.perceive._litert import LiteNetwork
from homeveil.perceive.known_answer import CHEST, HEAD, drawn_person, pixels_of

Rgb = NDArray[np.uint8]
"""(height, width, 3) uint8, contiguous."""

Found = tuple[float, float, float, float, float]
"""x0, y0, x1, y1 in pixels, and a score."""

LANDMARK_SIDE = 192
_POSE_POINTS = 39
_POSE_JOINTS = 33
_LANDMARKS = 468

_SAME_FACE = 0.3
"""Overlap (Jaccard index) from which two raw boxes are averaged into one."""


class Segmenter(LiteNetwork):
    """Probability of a person per pixel (selfie segmentation). Raises ModelError for a network
    that cannot tell a drawn one from a wall."""

    def __init__(self, model: bytes, name: str) -> None:
        super().__init__(quicker(model), name)
        width, height = self.size
        self._shape = (1, height, width, 1)
        self.require(self._shape)
        seen = self.probability(drawn_person(width, height))
        head, chest = (seen[pixels_of(part, width, height)].mean() for part in (HEAD, CHEST))
        if not min(head, chest) >= 0.5 > seen[0].mean():
            raise _knows_nobody(name)

    def probability(self, rgb: Rgb) -> NDArray[np.float32]:
        """(height, width) float32, 0..1, for ``rgb`` of the network's own size."""
        (mask,) = self.run(rgb, 0.0, self._shape)
        return mask[0, ..., 0]


class FaceMesh(LiteNetwork):
    """468 face landmarks in a square picture of one face."""

    def __init__(self, model: bytes) -> None:
        super().__init__(model, "face_landmarks")
        self._shape = (1, 1, 1, 3 * _LANDMARKS)
        self.require(self._shape)

    def points(self, rgb: Rgb) -> NDArray[np.float32]:
        """Landmarks (468, 3) in pixels of ``rgb`` (192, 192, 3); z in the same unit.

        The mesh is fitted to whatever is shown: whether that is a face is the detector's
        word, and whether the fit is plausible the caller's to check.
        """
        (points,) = self.run(rgb, 0.0, self._shape)
        return points.reshape(_LANDMARKS, 3)

    def presence(self) -> float:
        """Log-odds that the last picture was one of a face; minus infinity if the network does
        not say. Faces gave 16 and more, shirts and walls -9 and less."""
        said = self.also((1, 1, 1, 1))
        return float(said.flat[0]) if said is not None else float("-inf")


class PoseNetwork(LiteNetwork):
    """Joints and mask of one body in a square picture round its hips."""

    def __init__(self, model: bytes) -> None:
        super().__init__(model, "body_pose")
        width, height = self.size
        self._shapes = (1, 5 * _POSE_POINTS), (1, 1), (1, height, width, 1)
        self.require(*self._shapes)

    def body(self, rgb: Rgb) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """What is seen in ``rgb`` of the network's own size: (33, 2), x and y of each joint in its
        pixels; (height, width), the probability of this body and nobody else's, 0..1; and how sure
        it is that somebody is there at all, 0..1."""
        points, presence, mask = self.run(rgb, 0.0, *self._shapes)
        joints = np.ascontiguousarray(points.reshape(_POSE_POINTS, 5)[:_POSE_JOINTS, :2])
        probability = 1 / (1 + np.exp(-np.clip(mask[0, ..., 0], -30, 30)))
        return joints, probability.astype(np.float32), float(presence[0, 0])


class FaceFinder(LiteNetwork):
    """Face boxes (BlazeFace, Bazarevsky et al. 2019): a score and a box at every anchor.

    strides: of the layers of anchors, in pixels, each with ``per_layer`` anchors at the
    centre of every stride; neighbours of one stride share a grid. Raises ModelError for a network
    that does not find a drawn face, or finds one elsewhere.
    """

    def __init__(
        self, model: bytes, name: str, min_score: float, strides: tuple[int, ...], per_layer: int
    ) -> None:
        super().__init__(model, name)
        self._side = self.size[0]
        self._least = float(np.log(min_score / (1 - min_score)))
        self._anchors = _anchors(self._side, strides, per_layer)
        self._shapes = (1, len(self._anchors), 16), (1, len(self._anchors), 1)
        self.require(*self._shapes)
        self._square = np.zeros((self._side, self._side, 3), np.uint8)
        x, y = (HEAD[0] + 0.5) * self._side, HEAD[1] * self._side
        seen = self.faces(drawn_person(self._side, self._side))
        there = [x0 < x < x1 and y0 < y < y1 for x0, y0, x1, y1, _ in seen]
        if not there or not all(there):
            raise _knows_nobody(name)

    def faces(self, rgb: Rgb) -> list[Found]:
        """Faces in a picture of any size, best first."""
        height, width = rgb.shape[:2]
        longer = max(height, width)
        left, top = (longer - width) // 2, (longer - height) // 2
        raw, logits = self.run(self._letterboxed(rgb), -1.0, *self._shapes)
        if not np.isfinite(logits).all():
            raise PerceptionError("a face network answered with what is no number")
        good = np.flatnonzero(logits[0, :, 0] >= self._least)
        if not good.size:
            return []
        scores = 1 / (1 + np.exp(-logits[0, good, 0].astype(np.float64)))
        boxes = raw[0, good, :4].astype(np.float64) / self._side
        centre, half = boxes[:, :2] + self._anchors[good], boxes[:, 2:] / 2
        corners = np.hstack([centre - half, centre + half]) * longer - (left, top, left, top)
        return _merged(corners, scores)

    def _letterboxed(self, rgb: Rgb) -> Rgb:
        """``rgb`` in the middle of a black square of the network's size."""
        height, width = rgb.shape[:2]
        side, longer = self._side, max(height, width)
        left, top = (longer - width) // 2, (longer - height) // 2
        if longer == side:
            self._square[:] = 0
            self._square[top : top + height, left : left + width] = rgb
            return self._square
        scale = longer / side
        to_picture = np.array([[scale, 0, -left], [0, scale, -top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(rgb, to_picture, (side, side), self._square, flags)
        return self._square


def _knows_nobody(name: str) -> ModelError:
    return ModelError(
        f"model {name} cannot tell a drawn person from the wall behind, and so might miss anybody; "
        "use another model"
    )


def _anchors(side: int, strides: tuple[int, ...], per_layer: int) -> NDArray[np.float64]:
    """(n, 2) x and y of the anchors as shares of the side."""
    grids = []
    for stride, layers in groupby(strides):
        count = -(-side // stride)
        middle = (np.arange(count) + 0.5) / count
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        grids.append(np.repeat(grid, per_layer * len(list(layers)), axis=0))
    return np.concatenate(grids)


def _merged(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> list[Found]:
    """One box a face: boxes that overlap the best are averaged by score into it."""
    found: list[Found] = []
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    while scores.size:
        low = np.maximum(boxes[0, :2], boxes[:, :2])
        high = np.minimum(boxes[0, 2:], boxes[:, 2:])
        both = np.prod(np.maximum(high - low, 0), axis=1)
        same = both > _SAME_FACE * np.maximum(area[0] + area - both, 1e-9)
        same[0] = True
        x0, y0, x1, y1 = np.average(boxes[same], axis=0, weights=scores[same])
        found.append((float(x0), float(y0), float(x1), float(y1), float(scores[0])))
        boxes, scores, area = boxes[~same], scores[~same], area[~same]
    return found
