"""Reader of dlib's network serialisation, for the one network that homeveil uses.

The format is sequential: first the nesting (outermost layer first, one version number
each), then the details of every layer, innermost first. Integers are packed (a control
byte with sign and length, then little-endian bytes), reals are two integers (mantissa
and binary exponent), tensors are four dimensions and raw float32. Source: dlib 19
``dlib/serialize.h``, ``dlib/float_details.h`` and ``dlib/dnn/core.h`` (Boost licence).

Nothing in the file is executed or unpickled, every length is checked against the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError

Floats = NDArray[np.float32]

_MAX_LAYERS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One computing layer.

    kind: ``con``, ``affine``, ``relu``, ``max_pool``, ``avg_pool``, ``add_prev`` or ``fc``.
    size: rows and columns of the window; (0, 0) for a pool over everything.
    stride, padding: rows, columns.
    weights: con (filters, channels, rows, columns); affine (channels,); fc (inputs, outputs).
    offsets: con and affine (channels,).
    """

    kind: str
    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    weights: Floats | None = None
    offsets: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A parsed network in the order of computation.

    ``steps`` holds a :class:`Layer`, or None where the nesting has a tag or a skip (dlib
    gives both the same version number; the builder knows which it expects).
    """

    channel_means: tuple[float, float, float]
    rows: int
    columns: int
    steps: tuple[Layer | None, ...]


class _Reader:
    """A cursor over the bytes; anything unexpected is a ModelError."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def fail(self, what: str) -> ModelError:
        return ModelError(f"dlib network: {what} at byte {self.position}; the file is not usable")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.position:
            raise self.fail(f"{count} bytes expected, file ends")
        piece = self.data[self.position : self.position + count]
        self.position += count
        return piece

    def integer(self) -> int:
        control = self.take(1)[0]
        if control & 0x70 or not 1 <= control & 0x0F <= 8:
            raise self.fail("malformed integer")
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def expect(self, *values: int) -> None:
        for value in values:
            if self.integer() != value:
                raise self.fail(f"number {value} expected")

    def pair(self) -> tuple[int, int]:
        return self.integer(), self.integer()

    def real(self) -> float:
        mantissa, exponent = self.pair()
        if abs(exponent) > 1100:
            raise self.fail("real number that is not finite")
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            raise self.fail("real number that is not finite") from None

    def text(self) -> str:
        length = self.integer()
        if not 0 <= length <= 64:
            raise self.fail("name too long")
        return self.take(length).decode("latin-1")

    def tensor(self) -> Floats:
        self.expect(2)
        shape = tuple(self.integer() for _ in range(4))
        if min(shape) < 0:
            raise self.fail("negative dimension")
        if max(shape) > len(self.data):
            # Also of nothing: a side of 0 beside it leaves no values to miss.
            raise self.fail("impossible size")
        count = math.prod(shape)
        values = np.frombuffer(self.take(4 * count), dtype="<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise self.fail("weight that is not finite")
        return values.reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """Shape of a view into the parameter tensor."""
        self.expect(1)
        return tuple(self.integer() for _ in range(4))


def parse_network(data: bytes) -> Network:
    """Parse the bytes of a metric-learning network over a fixed-size RGB picture.

    Raises ModelError on anything that this reader does not know, trailing bytes included.
    """
    reader = _Reader(data)
    reader.expect(1)
    if reader.text() != "loss_metric_2":
        raise reader.fail("no metric loss on top")
    reader.real(), reader.real()  # margin and distance threshold: training only
    nesting = _read_nesting(reader)
    if reader.text() != "input_rgb_image_sized":
        raise reader.fail("input is not an RGB picture of fixed size")
    means = (reader.real(), reader.real(), reader.real())
    rows, columns = reader.pair()
    steps: list[Layer | None] = []
    for index, version in enumerate(reversed(nesting)):
        if version == 1:
            steps.append(None)
            continue
        steps.append(_read_layer(reader))
        _skip_state(reader)
        if index == 0:
            reader.expect(1)  # sample expansion factor of the input
    if reader.position != len(data):
        raise reader.fail("bytes after the last layer")
    return Network(means, rows, columns, tuple(steps))


def _read_nesting(reader: _Reader) -> list[int]:
    nesting: list[int] = []
    while True:
        version = reader.integer()
        nesting.append(version)
        if version == 3:  # the layer that holds the input
            return nesting
        if version not in (1, 2) or len(nesting) > _MAX_LAYERS:
            raise reader.fail("malformed nesting")


def _skip_state(reader: _Reader) -> None:
    """Three flags and three tensors of the trainer; empty in a published network."""
    if reader.take(3).strip(b"01"):
        raise reader.fail("malformed flag")
    for _ in range(3):
        if reader.tensor().size:
            raise reader.fail("training state")


def _read_layer(reader: _Reader) -> Layer:
    name = reader.text()
    if name == "con_4":
        return _read_convolution(reader)
    if name == "affine_":
        return _read_affine(reader)
    if name == "fc_2":
        return _read_fully_connected(reader)
    if name in ("max_pool_2", "avg_pool_2"):
        window = reader.pair()
        return Layer(name[:-2], window, reader.pair(), reader.pair())
    if name in ("relu_", "add_prev_"):
        return Layer(name[:-1])
    raise reader.fail(f"unknown layer {name!r}")


def _skip_rates(reader: _Reader) -> None:
    """Learning rate and weight decay multipliers."""
    for _ in range(4):
        reader.real()


def _split(
    reader: _Reader, parameters: Floats, first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """The two views that share one parameter tensor."""
    flat, middle = parameters.reshape(-1), math.prod(first)
    if min(first + second) < 0 or middle + math.prod(second) != flat.size:
        raise reader.fail("parameters do not fit their shape")
    return flat[:middle].reshape(first), flat[middle:]


def _read_convolution(reader: _Reader) -> Layer:
    parameters = reader.tensor()
    filters, window = reader.integer(), reader.pair()
    stride, padding = reader.pair(), reader.pair()
    weights, offsets = _split(reader, parameters, reader.alias(), reader.alias())
    _skip_rates(reader)
    if weights.shape[0] != filters or weights.shape[2:] != window or offsets.size != filters:
        raise reader.fail("filters do not fit their shape")
    return Layer("con", window, stride, padding, weights, offsets)


def _read_affine(reader: _Reader) -> Layer:
    parameters = reader.tensor()
    weights, offsets = _split(reader, parameters, reader.alias(), reader.alias())
    reader.expect(0)  # one factor per channel, as after a convolution
    if weights.size != offsets.size:
        raise reader.fail("factors and offsets differ in number")
    return Layer("affine", weights=weights.reshape(-1), offsets=offsets)


def _read_fully_connected(reader: _Reader) -> Layer:
    outputs, inputs = reader.pair()
    parameters = reader.tensor()
    weights, offsets = _split(reader, parameters, reader.alias(), reader.alias())
    reader.expect(1)  # without bias
    _skip_rates(reader)
    if weights.shape != (inputs, outputs, 1, 1) or offsets.size:
        raise reader.fail("last layer does not fit its shape")
    return Layer("fc", weights=weights.reshape(inputs, outputs))
