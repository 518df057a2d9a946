"""Whose face it is: an embedding of the aligned chip and its distance to a profile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.errors import ModelError, PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import Box
from homeveil.perceive import landmarks, lips
from homeveil.perceive._onnx import Network
from homeveil.perceive.networks import LANDMARK_SIDE, FaceMesh
from homeveil.perceive.observation import Face, Identity, Mouth
from homeveil.profile.template import EMBEDDING_SIZE

MIN_FACE_PIXELS = 24
"""Smaller faces are not compared: 32 px were fine and 16 px were not (measured)."""

_PICTURE_SIDE = 256
_PICTURE_REACH = 0.75
"""Half side of the picture of a face, in sides of the face box: what the mesh was trained on."""

_LEAST_BLANK_DISTANCE = 0.45
"""From a profile to a picture without a face; 9 people lay 0.69 and more away."""

Distance = Callable[[NDArray[np.float32]], float]
"""Embedding (128,) to its distance from the profile."""


class FaceIdentity:
    """Compares a face with the profile, or says nothing when it cannot. Raises ModelError for a
    network that gives no embeddings, or takes what is no face for the profile's."""

    def __init__(self, landmarker: bytes, embedding: bytes, distance: Distance) -> None:
        self._landmarks = FaceMesh(landmarker)
        self._distance = distance
        side = landmarks.CHIP_SIDE
        wanted = f"expected uint8 (N, {side}, {side}, 3) to float32 (N, {EMBEDDING_SIZE})"
        try:
            self._embedding = Network(embedding)
            found = self._embedding.run(np.full((1, side, side, 3), 128, np.uint8))
        except Exception as error:
            raise ModelError(
                f"model face_embedding cannot be run ({type(error).__name__}); {wanted}"
            ) from error
        if found.shape != (1, EMBEDDING_SIZE) or not np.isfinite(found).all():
            raise ModelError(f"model face_embedding gave {found.shape} or no numbers; {wanted}")
        if not distance(found[0]) > _LEAST_BLANK_DISTANCE:
            raise ModelError(
                "model face_embedding takes an empty picture for the profile's face, and so it "
                "would anybody's; use another model and enroll again"
            )

    def compare(self, frame: RawFrame, face: Face) -> Identity | None:
        """None when the face is too small or has no landmarks. Raises PerceptionError when the
        network that gives them says what is no number."""
        if max(face.box.width, face.box.height) < MIN_FACE_PIXELS:
            return None
        picture = _picture_of(face.box)
        points = self._finite_points(frame, picture)
        if not _plausible(points, face.box, picture):
            return None
        rgb = _kernels.thumbnail(frame, picture, (_PICTURE_SIDE, _PICTURE_SIDE))
        chip = _kernels.warp(
            rgb, landmarks.chip_transform(points), (landmarks.CHIP_SIDE, landmarks.CHIP_SIDE)
        )
        embedding = self._embedding.run(chip[None])[0]
        return Identity(
            face,
            self._distance(embedding),
            landmarks.yaw_degrees(points),
            landmarks.face_ratios(points),
            embedding,
        )

    def mouth(self, frame: RawFrame, box: Box) -> Mouth | None:
        """How far the mouth of the face in ``box`` is open; None when it cannot be said, or when
        there is no face.

        The mesh is fitted twice, the second time where it lay the first time: what it says of
        lips hangs on how the face lies in the picture, and a detector's box wanders.
        """
        if max(box.width, box.height) < lips.MIN_FACE_PIXELS:
            return None
        picture = _picture_of(box)
        points = self._finite_points(frame, picture)
        if self._landmarks.presence() <= 0:
            return None
        scale = picture.width / _PICTURE_SIDE
        low, high = (end(points[:, :2], axis=0) * scale for end in (np.min, np.max))
        x, y = picture.x0, picture.y0
        picture = _picture_of(Box(x + low[0], y + low[1], x + high[0], y + high[1]))
        points = self._finite_points(frame, picture)
        if self._landmarks.presence() <= 0 or not _plausible(points, box, picture):
            return None
        opening = lips.opening(points)
        return Mouth(box, opening) if opening is not None else None

    def _finite_points(self, frame: RawFrame, picture: Box) -> NDArray[np.float32]:
        points = self._points(frame, picture)
        if not np.isfinite(points).all():
            raise PerceptionError("the face mesh answered with what is no number")
        return points

    def _points(self, frame: RawFrame, picture: Box) -> NDArray[np.float32]:
        """(468, 3) landmarks in ``picture``, as if it were _PICTURE_SIDE wide."""
        small = _kernels.thumbnail(frame, picture, (LANDMARK_SIDE, LANDMARK_SIDE))
        points = self._landmarks.points(small)
        points *= _PICTURE_SIDE / LANDMARK_SIDE
        return points

    def close(self) -> None:
        self._landmarks.close()


def _picture_of(face: Box) -> Box:
    x, y = face.centre
    reach = _PICTURE_REACH * max(face.width, face.height)
    return Box(x - reach, y - reach, x + reach, y + reach)


def _plausible(points: NDArray[np.float32], face: Box, picture: Box) -> bool:
    """Whether the mesh was fitted to the face that was asked for, not to a neighbour or a wall."""
    scale = picture.width / _PICTURE_SIDE
    x, y = points[:, :2].mean(0) * scale + (picture.x0, picture.y0)
    width = float(np.ptp(points[:, 0])) * scale / max(face.width, 1.0)
    return bool(face.x0 <= x < face.x1 and face.y0 <= y < face.y1 and 0.4 < width < 1.6)
