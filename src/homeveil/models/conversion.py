"""From the files inside a carrier to the files homeveil runs.

Every conversion is a pure function of the members' bytes, so that its result can be
pinned by hash like a download.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from homeveil.errors import ModelError
from homeveil.models.dlib_network import Floats, Layer, Network, parse_network
from homeveil.models.ge2e import ge2e_to_onnx
from homeveil.models.onnx_file import Graph, Port


def convert(name: str, members: Sequence[bytes]) -> bytes:
    """Apply conversion ``name`` of the manifest to the members, in the manifest's order."""
    try:
        conversion = _CONVERSIONS[name]
    except KeyError:
        raise ModelError(
            f"manifest: unknown conversion {name!r}; known: {', '.join(sorted(_CONVERSIONS))}"
        ) from None
    return conversion(members)


def _as_it_is(members: Sequence[bytes]) -> bytes:
    (member,) = members
    return member


def _dlib_to_onnx(members: Sequence[bytes]) -> bytes:
    """dlib's face recognition network as ONNX, float32.

    Input ``chips``: uint8 (N, 150, 150, 3), RGB, one aligned face each. The graph holds
    dlib's normalisation, (value - channel mean) / 256. Output ``embeddings``: float32
    (N, 128), compared by Euclidean distance.
    """
    (member,) = members
    network = parse_network(member)
    return _Builder(network).build()


def _ge2e_to_onnx(members: Sequence[bytes]) -> bytes:
    (member,) = members
    return ge2e_to_onnx(member)


_CONVERSIONS: Mapping[str, Callable[[Sequence[bytes]], bytes]] = {
    "none": _as_it_is,
    "dlib_to_onnx": _dlib_to_onnx,
    "ge2e_to_onnx": _ge2e_to_onnx,
}


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph: its name, channels, rows, columns."""

    name: str
    shape: tuple[int, int, int]


@dataclass(slots=True)
class _Builder:
    """Walks the layers once and writes the graph.

    ``branch`` is what the next ``add_prev`` adds: the residual trunk, or in a block that
    halves the picture the block's own output, while the trunk goes through the pool.
    """

    network: Network
    graph: Graph = field(default_factory=lambda: Graph("face_embedding"))
    trunk: _Value | None = None
    branch: _Value | None = None
    count: int = 0

    def build(self) -> bytes:
        network = self.network
        value = self._input()
        position = 0
        steps = network.steps
        while position < len(steps):
            step = steps[position]
            if step is None:
                double = position + 1 < len(steps) and steps[position + 1] is None
                value = self._mark(value, double=double)
                position += 2 if double else 1
            elif step.kind == "con":
                follower = steps[position + 1] if position + 1 < len(steps) else None
                if follower is None or follower.kind != "affine":
                    raise ModelError("dlib network: a convolution without its affine layer")
                value = self._convolution(value, step, follower)
                position += 2
            else:
                value = self._layer(value, step)
                position += 1
        (outputs, *rest) = value.shape
        if rest != [1, 1]:
            raise ModelError("dlib network: the result is not a vector")
        self.graph.node("Identity", [value.name], "embeddings")
        return self.graph.encode(
            [Port("chips", "uint8", ("N", network.rows, network.columns, 3))],
            [Port("embeddings", "float32", ("N", outputs))],
            {"input": "RGB, aligned face, 0..255", "distance": "Euclidean"},
        )

    def _name(self, operator: str) -> str:
        self.count += 1
        return f"{operator.lower()}_{self.count}"

    def _input(self) -> _Value:
        graph, network = self.graph, self.network
        means = np.array(network.channel_means, np.float32).reshape(1, 3, 1, 1)
        numbers = graph.node("Cast", ["chips"], "numbers", to=1)
        planes = graph.node("Transpose", [numbers], "planes", perm=(0, 3, 1, 2))
        centred = graph.node("Sub", [planes, graph.constant("channel_means", means)], "centred")
        scale = graph.constant("scale", np.array(1 / 256, np.float32))
        graph.node("Mul", [centred, scale], "normalised")
        return _Value("normalised", (3, network.rows, network.columns))

    def _mark(self, value: _Value, *, double: bool) -> _Value:
        if not double:
            self.trunk = self.branch = value
            return value
        if self.trunk is None:
            raise ModelError("dlib network: a skip to a layer that was not marked")
        self.branch = value
        return self.trunk

    def _convolution(self, value: _Value, layer: Layer, affine: Layer) -> _Value:
        """The convolution with its affine layer folded in (in float64, rounded once)."""
        weights, offsets = _arrays(layer)
        factors, shifts = _arrays(affine)
        if weights.shape[1] != value.shape[0] or factors.size != weights.shape[0]:
            raise ModelError("dlib network: a convolution does not fit the layer before it")
        wide = factors.astype(np.float64)
        folded = (weights * wide[:, None, None, None]).astype(np.float32)
        bias = (offsets * wide + shifts).astype(np.float32)
        name = self._name("conv")
        rows, columns = layer.padding
        self.graph.node(
            "Conv",
            [
                value.name,
                self.graph.constant(f"{name}_weights", folded),
                self.graph.constant(f"{name}_bias", bias),
            ],
            name,
            kernel_shape=layer.size,
            strides=layer.stride,
            pads=(rows, columns, rows, columns),
        )
        return _Value(name, (weights.shape[0], *_window(value, layer)))

    def _layer(self, value: _Value, layer: Layer) -> _Value:
        if layer.kind == "relu":
            return _Value(self.graph.node("Relu", [value.name], self._name("relu")), value.shape)
        if layer.kind == "add_prev":
            return self._add(value)
        if layer.kind == "fc":
            return self._fully_connected(value, layer)
        if layer.kind == "avg_pool" and layer.size == (0, 0):
            name = self.graph.node("GlobalAveragePool", [value.name], self._name("pool"))
            return _Value(name, (value.shape[0], 1, 1))
        if layer.kind not in ("max_pool", "avg_pool") or layer.padding != (0, 0):
            raise ModelError(f"dlib network: {layer.kind} is out of place")
        operator = "MaxPool" if layer.kind == "max_pool" else "AveragePool"
        name = self.graph.node(
            operator,
            [value.name],
            self._name("pool"),
            kernel_shape=layer.size,
            strides=layer.stride,
        )
        return _Value(name, (value.shape[0], *_window(value, layer)))

    def _add(self, value: _Value) -> _Value:
        """dlib adds tensors of different size as if the smaller went on with zeros."""
        if self.branch is None:
            raise ModelError("dlib network: a sum without a mark")
        first, second = value.shape, self.branch.shape
        shape = (max(first[0], second[0]), max(first[1], second[1]), max(first[2], second[2]))
        names = [self._padded(value, shape), self._padded(self.branch, shape)]
        return _Value(self.graph.node("Add", names, self._name("add")), shape)

    def _padded(self, value: _Value, shape: tuple[int, int, int]) -> str:
        if value.shape == shape:
            return value.name
        name = self._name("pad")
        missing = [want - have for want, have in zip(shape, value.shape, strict=True)]
        pads = np.array([0, 0, 0, 0, 0, *missing], np.int64)
        return self.graph.node("Pad", [value.name, self.graph.constant(f"{name}_by", pads)], name)

    def _fully_connected(self, value: _Value, layer: Layer) -> _Value:
        if layer.weights is None or layer.weights.shape[0] != int(np.prod(value.shape)):
            raise ModelError("dlib network: the last layer does not fit the one before it")
        flat = self.graph.node("Flatten", [value.name], self._name("flatten"), axis=1)
        weights = self.graph.constant("projection", layer.weights)
        name = self.graph.node("MatMul", [flat, weights], self._name("matmul"))
        return _Value(name, (layer.weights.shape[1], 1, 1))


def _arrays(layer: Layer) -> tuple[Floats, Floats]:
    if layer.weights is None or layer.offsets is None:
        raise ModelError(f"dlib network: a {layer.kind} layer without parameters")
    return layer.weights, layer.offsets


def _window(value: _Value, layer: Layer) -> tuple[int, int]:
    """Rows and columns after a window moved over the picture (floor, as dlib has it)."""
    if min(layer.stride) < 1:
        raise ModelError("dlib network: a window that does not move")
    rows, columns = (
        (side + 2 * padding - size) // stride + 1
        for side, padding, size, stride in zip(
            value.shape[1:], layer.padding, layer.size, layer.stride, strict=True
        )
    )
    if rows < 1 or columns < 1:
        raise ModelError("dlib network: a window larger than the picture")
    return rows, columns
