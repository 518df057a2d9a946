"""The only door to OpenCV's network runner: a face detector that redaction does not use."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError, PerceptionError
from homeveil.scoped import Scoped

# It writes to the user's terminal that it is going to use the processor.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)

_MOST_FACES = 500
_SAME_FACE = 0.3
_NUMBERS = 15
"""Box, five landmarks and a score."""


class FaceDetector(Scoped):
    """A detector of OpenCV's ``FaceDetectorYN`` kind (Wu et al. 2023, YuNet), from an ONNX file
    with a free input size."""

    def __init__(self, model: bytes, name: str, least_score: float) -> None:
        self._name = name
        try:
            # Once at the smallest size, so that a file of another kind is told here.
            self._runner: cv2.FaceDetectorYN | None = cv2.FaceDetectorYN.create(
                "onnx", np.frombuffer(model, np.uint8), np.empty(0, np.uint8), (32, 32),
                least_score, _SAME_FACE, _MOST_FACES,
            )  # fmt: skip
            self._runner.detect(np.zeros((32, 32, 3), np.uint8))
        except (cv2.error, SystemError) as error:
            raise ModelError(
                f"{name}: cannot be run as a face detector of OpenCV's FaceDetectorYN; give a "
                "YuNet file with a free input size"
            ) from error

    def faces(self, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, 5): x0, y0, x1, y1 in pixels and the score, 0..1, of the faces in a picture of any
        size. Faces of some 10 to 300 pixels are found."""
        if self._runner is None:
            raise PerceptionError("a model was used after it was closed")
        height, width = rgb.shape[:2]
        try:
            self._runner.setInputSize((width, height))
            _, found = self._runner.detect(np.ascontiguousarray(rgb[..., ::-1]))
        except cv2.error as error:
            raise PerceptionError(f"{self._name}: failed on {width}x{height} pixels") from error
        if found is None:
            return np.empty((0, 5))
        if found.shape[1] != _NUMBERS or not np.isfinite(found).all():
            raise PerceptionError(f"{self._name}: answered with what is no face")
        boxes = found[:, [0, 1, 2, 3, 14]].astype(np.float64)
        boxes[:, 2:4] += boxes[:, :2]
        return boxes

    def close(self) -> None:
        self._runner = None
