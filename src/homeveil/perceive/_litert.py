"""The only door to LiteRT, which runs TensorFlow Lite files. Models come as bytes whose hash
was checked.

MediaPipe's own task runner gives the same numbers from these files (masks within 4e-5, face
scores within 0.01, both measured) but spends over a millisecond a look on threads and copies
between them, and misreads the face mesh.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError, PerceptionError
from homeveil.scoped import Scoped

# The runtime's native log writes start-up chatter to the user's terminal.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ai_edge_litert.interpreter import Interpreter


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Native start-up chatter goes nowhere; Python's own errors are raised.

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


class LiteNetwork(Scoped):
    """A network with one float32 picture as its input, on one thread of the CPU.

    size: width and height of that picture. Not for two threads at once; lets go of the
    interpreter lock while it runs.
    """

    def __init__(self, model: bytes, name: str) -> None:
        self._name = name
        try:
            with _quiet():
                runner = Interpreter(model_content=model, num_threads=1)
                runner.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{name}: the file cannot be run ({error})") from error
        self._runner: Interpreter | None = runner
        inputs = runner.get_input_details()
        if len(inputs) != 1 or len(inputs[0]["shape"]) != 4 or inputs[0]["dtype"] != np.float32:
            raise ModelError(f"{name}: the network does not take one float32 picture")
        self._input: int = inputs[0]["index"]
        _, height, width, _ = (int(side) for side in inputs[0]["shape"])
        self.size = (width, height)
        self._outputs = {
            tuple(int(side) for side in output["shape"]): int(output["index"])
            for output in runner.get_output_details()
        }
        self._tables: dict[float, NDArray[np.float32]] = {}

    def run(
        self, rgb: NDArray[np.uint8], low: float, *shapes: tuple[int, ...]
    ) -> list[NDArray[np.float32]]:
        """Outputs of the given shapes for ``rgb``, (height, width, 3) of the network's own
        size, whose 0..255 become ``low``..1."""
        if self._runner is None:
            raise PerceptionError("a model was used after it was closed")
        width, height = self.size
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise PerceptionError(f"{self._name}: does not take a picture of {rgb.shape}")
        # A view of the network's own memory, which must be gone when it runs.
        cv2.LUT(rgb, self._table(low), self._runner.tensor(self._input)()[0])
        self._runner.invoke()
        return [
            np.asarray(self._runner.get_tensor(self._outputs[shape]), np.float32)
            for shape in shapes
        ]

    def also(self, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        """A further output of the last run; None if there is none of this shape."""
        if self._runner is None or shape not in self._outputs:
            return None
        return np.asarray(self._runner.get_tensor(self._outputs[shape]), np.float32)

    def _table(self, low: float) -> NDArray[np.float32]:
        """What each of 0..255 becomes."""
        table = self._tables.get(low)
        if table is None:
            table = (np.arange(256) * ((1 - low) / 255)).astype(np.float32) + np.float32(low)
            self._tables[low] = table
        return table

    def require(self, *shapes: tuple[int, ...]) -> None:
        """Raise ModelError unless there are outputs of these shapes."""
        for shape in shapes:
            if shape not in self._outputs:
                raise ModelError(
                    f"{self._name}: no output of shape {shape}; it has {sorted(self._outputs)}"
                )

    def close(self) -> None:
        self._runner = None
