"""The only door to MediaPipe. Models come as bytes whose hash was checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import PerceptionError
from homeveil.scoped import Scoped

# MediaPipe's native log writes start-up chatter to the user's terminal.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

Rgb = NDArray[np.uint8]
"""(height, width, 3) uint8, contiguous."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Native start-up chatter of the runtimes goes nowhere; Python's own errors are raised.

    It is written to file descriptor 2 past every Python setting, and would stand between
    the user and the progress bar.
    """
    try:
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


class _Task(Scoped):
    """A MediaPipe task that is closed for certain: left open, it raises at exit."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def close(self) -> None:
        if self._task is not None:
            with _quiet():
                self._task.close()
            self._task = None

    def _image(self, rgb: Rgb) -> Any:
        if self._task is None:
            raise PerceptionError("a model was used after it was closed")
        return mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)


class Segmenter(_Task):
    """Probability of a person per pixel of a small picture."""

    def __init__(self, model: bytes) -> None:
        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_buffer=model),
            output_confidence_masks=True,
            output_category_mask=False,
        )
        with _quiet():
            super().__init__(vision.ImageSegmenter.create_from_options(options))
            self.run(np.zeros((16, 16, 3), np.uint8))

    def run(self, rgb: Rgb) -> NDArray[np.float32]:
        """(height, width) float32, 0..1, the size of ``rgb``."""
        masks = self._task.segment(self._image(rgb)).confidence_masks
        return np.array(masks[-1].numpy_view(), dtype=np.float32).reshape(rgb.shape[:2])


class FaceFinder(_Task):
    """Face boxes in a small picture."""

    def __init__(self, model: bytes, min_score: float) -> None:
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=model),
            min_detection_confidence=min_score,
            min_suppression_threshold=0.3,
        )
        with _quiet():
            super().__init__(vision.FaceDetector.create_from_options(options))
            self.run(np.zeros((16, 16, 3), np.uint8))

    def run(self, rgb: Rgb) -> list[tuple[float, float, float, float, float]]:
        """x0, y0, x1, y1 in pixels of ``rgb`` and the score of each face."""
        found = []
        for detection in self._task.detect(self._image(rgb)).detections:
            box = detection.bounding_box
            found.append(
                (
                    float(box.origin_x),
                    float(box.origin_y),
                    float(box.origin_x + box.width),
                    float(box.origin_y + box.height),
                    float(detection.categories[0].score),
                )
            )
        return found
