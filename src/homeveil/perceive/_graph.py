"""A people mask's last layer in a form that runs quicker and gives the same numbers.

The masks end in a transposed convolution of 2x2 with a stride of 2. Its blocks do not overlap,
so it is a convolution of 1x1 with four outputs, which are then laid side by side. LiteRT spends
a third of a mask's time on the first form and next to none on the second, and adds up the same
products in the same order. No weight is changed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TRANSPOSED = b"Convolution2DTransposeBias"
_CONV_2D, _DEPTH_TO_SPACE, _DEQUANTIZE = 3, 5, 6
_CONV_2D_OPTIONS, _DEPTH_TO_SPACE_OPTIONS = 1, 94
_VALID = 1


def quicker(model: bytes) -> bytes:
    """``model``, a TensorFlow Lite file, with such a last layer rewritten; as it is where there
    is none or the file is not understood."""
    try:
        return _rewritten(_File(model)) or model
    except (struct.error, LookupError, ValueError, StopIteration):
        return model


def _rewritten(file: _File) -> bytes | None:
    codes, (graph,) = file.vector(file.root, 1), file.tables(file.root, 2)
    buffers = file.vector(file.root, 4)
    tensors, operators = file.vector(graph, 0), file.vector(graph, 3)

    def shape(tensor: int) -> list[int]:
        return file.numbers(file.at(tensors[tensor]), 0)

    def code(operator: int) -> int:
        return file.number(operator, 0)

    *_, one, other, spread, _ = map(file.at, operators)
    if file.text(file.at(codes[code(spread)]), 1) != _TRANSPOSED:
        return None
    picture, weights, bias = file.numbers(spread, 1)
    (result,) = file.numbers(spread, 2)
    made = {file.numbers(operator, 2)[0]: operator for operator in (one, other)}
    weigh, shift = made[weights], made[bias]
    (narrow_weights,), (narrow_bias,) = file.numbers(weigh, 1), file.numbers(shift, 1)
    _, rows, cols, depth = shape(picture)
    if {file.kind(codes, code(operator)) for operator in (weigh, shift)} != {_DEQUANTIZE}:
        return None
    if shape(weights) != [1, 2, 2, depth] or shape(result) != [1, 2 * rows, 2 * cols, 1]:
        return None
    conv = next(n for n in range(len(codes)) if file.kind(codes, n) == _CONV_2D)
    room = file.number(file.at(tensors[narrow_bias]), 2)
    (value,) = np.frombuffer(file.text(file.at(buffers[room]), 0), "<f2")
    for tensor in (weights, narrow_weights):
        file.set_numbers(file.at(tensors[tensor]), 0, [4, 1, 1, depth])
    # What widened the bias is not needed any more: its place is the new operator's, the place
    # of what it read that of the new operator's result.
    four, shuffle = narrow_bias, code(spread)
    file.point(buffers[room], [_Numbers("B", np.full(4, value, "<f4").tobytes())])
    file.point(tensors[bias], [_Numbers("i", [4]), None, room])
    file.point(tensors[four], [_Numbers("i", [1, rows, cols, 4])])
    file.point(codes[shuffle], [_DEPTH_TO_SPACE, None, None, _DEPTH_TO_SPACE])
    first, second, third = operators[-4:-1]
    file.point(first, weigh)
    inputs, outputs = _Numbers("i", [picture, weights, bias]), _Numbers("i", [four])
    file.point(second, [conv, inputs, outputs, _CONV_2D_OPTIONS, [_VALID, 1, 1]])
    inputs, outputs = _Numbers("i", [four]), _Numbers("i", [result])
    file.point(third, [shuffle, inputs, outputs, _DEPTH_TO_SPACE_OPTIONS, [2]])
    return bytes(file.data)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A vector; kind as in ``struct``."""

    kind: str
    values: Sequence[float]

    def packed(self) -> bytes:
        return struct.pack(f"<{len(self.values)}{self.kind}", *self.values)


_Fields = Sequence["int | _Numbers | _Fields | None"]


class _File:
    """A FlatBuffer whose tables are read and replaced; fields go by their number in TFLite's
    ``schema.fbs``. A place holds an offset, which only points onward: what is new is put at the
    end."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.root = self.at(0)

    def at(self, place: int) -> int:
        """What a place points to."""
        return place + int(struct.unpack_from("<I", self.data, place)[0])

    def _field(self, table: int, field: int) -> int:
        """Where a field lies; ValueError if it is left out."""
        layout = table - struct.unpack_from("<i", self.data, table)[0]
        size = struct.unpack_from("<H", self.data, layout)[0]
        at = 4 + 2 * field
        offset = struct.unpack_from("<H", self.data, layout + at)[0] if at < size else 0
        if not offset:
            raise ValueError(f"field {field} is not there")
        return int(table + offset)

    def number(self, table: int, field: int) -> int:
        """A field of 4 bytes; 0 if it is left out."""
        try:
            return int(struct.unpack_from("<i", self.data, self._field(table, field))[0])
        except ValueError:
            return 0

    def kind(self, codes: list[int], number: int) -> int:
        """Which operator a code stands for."""
        return self.number(self.at(codes[number]), 3)

    def vector(self, table: int, field: int) -> list[int]:
        """The places of a vector's elements of 4 bytes."""
        start = self.at(self._field(table, field))
        count = struct.unpack_from("<I", self.data, start)[0]
        if count > len(self.data):
            raise ValueError(f"a vector of {count}")
        return [start + 4 + 4 * index for index in range(count)]

    def tables(self, table: int, field: int) -> list[int]:
        return [self.at(place) for place in self.vector(table, field)]

    def numbers(self, table: int, field: int) -> list[int]:
        return [
            int(struct.unpack_from("<i", self.data, place)[0])
            for place in self.vector(table, field)
        ]

    def set_numbers(self, table: int, field: int, values: list[int]) -> None:
        """Write over a vector of as many."""
        for place, value in zip(self.vector(table, field), values, strict=True):
            struct.pack_into("<i", self.data, place, value)

    def text(self, table: int, field: int) -> bytes:
        """A vector of bytes; none if it is left out."""
        try:
            start = self.at(self._field(table, field))
        except ValueError:
            return b""
        count = struct.unpack_from("<I", self.data, start)[0]
        return bytes(self.data[start + 4 : start + 4 + count])

    def point(self, place: int, target: int | _Fields) -> None:
        """Let a place point to a table: one that is there, or a new one with these fields."""
        table = target if isinstance(target, int) else self._new(target)
        struct.pack_into("<I", self.data, place, table - place)

    def _new(self, fields: _Fields) -> int:
        self._align()
        layout, count = len(self.data), len(fields)
        offsets = [0 if field is None else 4 + 4 * n for n, field in enumerate(fields)]
        self.data += struct.pack(f"<{2 + count}H", 4 + 2 * count, 4 + 4 * count, *offsets)
        self._align()
        table = len(self.data)
        self.data += struct.pack("<i", table - layout) + bytes(4 * count)
        for place, field in zip(range(table + 4, len(self.data), 4), fields, strict=True):
            if isinstance(field, int):
                struct.pack_into("<i", self.data, place, field)
            elif isinstance(field, _Numbers):
                self._align(4)
                struct.pack_into("<I", self.data, place, len(self.data) - place)
                self.data += struct.pack("<I", len(field.values)) + field.packed()
            elif field is not None:
                self.point(place, field)
        return table

    def _align(self, ahead: int = 0) -> None:
        """What follows in ``ahead`` bytes lies at a multiple of 16."""
        self.data += bytes(-(len(self.data) + ahead) % 16)
