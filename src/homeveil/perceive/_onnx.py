"""The only door to ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# From 1.29 on ONNX Runtime reports the device, the process and its sessions to its maker
# unless this is set before it is loaded; then it makes no identifier, no file and no
# connection (microsoft/onnxruntime, pull request 27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

# Whoever loaded it before us may not have known.
onnxruntime.disable_telemetry_events()


def _session(model: bytes) -> onnxruntime.InferenceSession:
    """A model on one thread of the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model, sess_options=options, providers=["CPUExecutionProvider"]
    )
    # It keeps the file's bytes beside the weights, in case it should be made once more.
    session.disable_fallback()
    session._model_bytes = None
    return session


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. shape: a free dimension is None."""

    name: str
    element_type: str
    shape: tuple[int | None, ...]


def _ports(told: list[onnxruntime.NodeArg]) -> list[Port]:
    return [
        Port(one.name, one.type, tuple(n if isinstance(n, int) else None for n in one.shape))
        for one in told
    ]


class Network:
    """A model with one input and one output, on one thread of the CPU."""

    def __init__(self, model: bytes) -> None:
        self._session = _session(model)
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Output for one input batch."""
        (result,) = self._session.run(None, {self._input: batch})
        return np.asarray(result, dtype=np.float32)

    def ports(self) -> tuple[list[Port], list[Port]]:
        """Inputs and outputs, as the file tells them."""
        return _ports(self._session.get_inputs()), _ports(self._session.get_outputs())


class StreamNetwork:
    """A model with several named inputs and outputs, such as one with state, on one thread of
    the CPU."""

    def __init__(self, model: bytes) -> None:
        self._session = _session(model)
        self._shapes = {port.name: tuple(port.shape) for port in self._session.get_inputs()}

    def input_shape(self, name: str) -> tuple[int, ...]:
        """Shape of an input without free dimensions."""
        return self._shapes[name]

    def run(
        self, inputs: Mapping[str, NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]:
        """All outputs, in the model's order."""
        return list(self._session.run(None, dict(inputs)))
