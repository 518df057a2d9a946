"""The GE2E voice encoder as a streaming network.

Wan et al., "Generalized End-to-End Loss for Speaker Verification" (ICASSP 2018): three
LSTM layers of 256 over 40 mel bands, a linear layer, ReLU, unit length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError
from homeveil.models.onnx_file import Graph, Port
from homeveil.models.torch_file import Tensors, read_state

BANDS, SIZE, LAYERS = 40, 256, 3
_SHORTEST = 1e-5


def ge2e_to_onnx(member: bytes) -> bytes:
    """The encoder of a Resemblyzer checkpoint as ONNX, float32.

    Inputs: ``mel`` (frames, batch, 40) power mel; ``h`` and ``c`` (3, batch, 256), zero
    where a window begins. Outputs: ``slots`` (frames, batch, 256), what the embedding of
    the window would be if it ended with this frame, of unit length; ``h_next``,
    ``c_next``.
    """
    state = read_state(member, "model_state")
    graph = Graph("voice_embedding")
    value = "mel"
    states: dict[str, list[str]] = {"h": [], "c": []}
    for layer in range(LAYERS):
        value = _lstm(graph, state, layer, value, states)
    weight = _taken(state, "linear.weight", (SIZE, SIZE))
    graph.node("MatMul", [value, graph.constant("projection", weight.T.copy())], "projected")
    bias = graph.constant("bias", _taken(state, "linear.bias", (SIZE,)))
    graph.node("Add", ["projected", bias], "raw")
    graph.node("Relu", ["raw"], "positive")
    graph.node("ReduceL2", ["positive"], "length", axes=(-1,), keepdims=1)
    shortest = graph.constant("shortest", np.array(_SHORTEST, np.float32))
    graph.node("Add", ["length", shortest], "divisor")
    graph.node("Div", ["positive", "divisor"], "slots")
    for name, parts in states.items():
        graph.node("Concat", parts, f"{name}_next", axis=0)
    hidden = (LAYERS, "batch", SIZE)
    return graph.encode(
        [
            Port("mel", "float32", ("frames", "batch", BANDS)),
            Port("h", "float32", hidden),
            Port("c", "float32", hidden),
        ],
        [
            Port("slots", "float32", ("frames", "batch", SIZE)),
            Port("h_next", "float32", hidden),
            Port("c_next", "float32", hidden),
        ],
        {"input": "power mel, 40 bands, level-normalised, 10 ms", "distance": "cosine"},
    )


def _lstm(
    graph: Graph, state: Tensors, layer: int, value: str, states: dict[str, list[str]]
) -> str:
    """One layer from its slice of ``h`` and ``c``; the name of its output."""
    width = BANDS if layer == 0 else SIZE
    name = f"lstm_{layer}"
    inputs = [
        value,
        graph.constant(
            f"{name}_w", _gates(_taken(state, f"lstm.weight_ih_l{layer}", (4 * SIZE, width)))[None]
        ),
        graph.constant(
            f"{name}_r", _gates(_taken(state, f"lstm.weight_hh_l{layer}", (4 * SIZE, SIZE)))[None]
        ),
        graph.constant(
            f"{name}_b",
            np.concatenate(
                [
                    _gates(_taken(state, f"lstm.bias_{part}_l{layer}", (4 * SIZE,)))
                    for part in ("ih", "hh")
                ]
            )[None],
        ),
        "",
    ]
    axis = np.array([0], np.int64)
    for part in ("h", "c"):
        bounds = [
            graph.constant(f"{name}_{part}_{edge}", np.array([at], np.int64))
            for edge, at in (("from", layer), ("to", layer + 1))
        ]
        axes = graph.constant(f"{name}_{part}_axis", axis)
        inputs.append(graph.node("Slice", [part, *bounds, axes], f"{name}_{part}"))
    outputs = (f"{name}_all", f"{name}_h_next", f"{name}_c_next")
    graph.node("LSTM", inputs, outputs, hidden_size=SIZE)
    states["h"].append(outputs[1])
    states["c"].append(outputs[2])
    directions = graph.constant(f"{name}_directions", np.array([1], np.int64))
    return graph.node("Squeeze", [outputs[0], directions], f"{name}_out")


def _gates(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch's order of gates (input, forget, cell, output) to ONNX's (i, o, f, c)."""
    i, f, c, o = np.split(rows, 4)
    return np.concatenate([i, o, f, c])


def _taken(state: Tensors, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    value = state.get(name)
    if value is None or value.shape != shape or not np.isfinite(value).all():
        found = "missing" if value is None else f"of shape {value.shape}"
        raise ModelError(f"GE2E checkpoint: {name} is {found}, expected {shape}")
    return value
