"""Writer of ONNX files: the protocol-buffer wire format of the few messages needed.

Written out here rather than with the ``onnx`` package, so that the same weights give the
same bytes whatever versions are installed (the manifest pins the result by hash), and so
that the package needs neither ``onnx`` nor its protobuf. Field numbers: ``onnx/onnx.proto``
of ONNX 1.16; ``onnx.checker`` accepts the result (see the tests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 8
OPSET = 13

_ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int64": 7}


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers as two's complement, as protobuf has it
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _chunk(tag: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    little = values.astype(values.dtype.newbyteorder("<"))
    return b"".join(
        (
            *(_number(1, size) for size in values.shape),
            _number(2, _ELEMENT_TYPES[values.dtype.name]),
            _chunk(8, name),
            _chunk(9, little.tobytes()),
        )
    )


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _chunk(1, name) + _number(3, value) + _number(20, 2)
    return _chunk(1, name) + b"".join(_number(8, item) for item in value) + _number(20, 7)


@dataclass(frozen=True, slots=True)
class Port:
    """Input or output of a graph; a text in ``shape`` names a free dimension."""

    name: str
    element_type: str
    shape: tuple[int | str, ...]

    def encode(self) -> bytes:
        """ValueInfoProto."""
        dimensions = b"".join(
            _chunk(1, _chunk(2, size) if isinstance(size, str) else _number(1, size))
            for size in self.shape
        )
        tensor_type = _number(1, _ELEMENT_TYPES[self.element_type]) + _chunk(2, dimensions)
        return _chunk(1, self.name) + _chunk(2, _chunk(1, tensor_type))


@dataclass(slots=True)
class Graph:
    """A graph in the making: add nodes in order, then :meth:`encode`."""

    name: str
    nodes: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)

    def constant(self, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Store a tensor; gives its name."""
        self.constants.append(_tensor(name, values))
        return name

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str | Sequence[str],
        **attributes: int | Sequence[int],
    ) -> str:
        """Add one operator, named as its first output; gives that name. An empty text among
        ``inputs`` leaves an optional one out."""
        outputs = (output,) if isinstance(output, str) else output
        self.nodes.append(
            b"".join(
                (
                    *(_chunk(1, name) for name in inputs),
                    *(_chunk(2, name) for name in outputs),
                    _chunk(3, outputs[0]),
                    _chunk(4, operator),
                    *(_chunk(5, _attribute(*item)) for item in sorted(attributes.items())),
                )
            )
        )
        return outputs[0]

    def encode(
        self, sources: Sequence[Port], results: Sequence[Port], metadata: Mapping[str, str]
    ) -> bytes:
        """The whole file (ModelProto)."""
        graph = b"".join(
            (
                *(_chunk(1, node) for node in self.nodes),
                _chunk(2, self.name),
                *(_chunk(5, constant) for constant in self.constants),
                *(_chunk(11, source.encode()) for source in sources),
                *(_chunk(12, result.encode()) for result in results),
            )
        )
        return b"".join(
            (
                _number(1, IR_VERSION),
                _chunk(2, "homeveil"),
                _chunk(7, graph),
                _chunk(8, _chunk(1, "") + _number(2, OPSET)),
                *(
                    _chunk(14, _chunk(1, key) + _chunk(2, value))
                    for key, value in sorted(metadata.items())
                ),
            )
        )
