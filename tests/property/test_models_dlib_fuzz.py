"""The reader of dlib files on arbitrary bytes: a ModelError or a network, nothing else."""

from __future__ import annotations

import contextlib
import struct

from hypothesis import example, given
from hypothesis import strategies as st

from homeveil.errors import ModelError
from homeveil.models.conversion import convert
from homeveil.models.dlib_network import parse_network


def _integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def _text(value: bytes) -> bytes:
    return _integer(len(value)) + value


def _real(mantissa: int, exponent: int) -> bytes:
    return _integer(mantissa) + _integer(exponent)


_STATE = b"110" + (_integer(2) + _integer(0) * 4) * 3
_HEAD = b"".join(
    (
        _integer(1) + _text(b"loss_metric_2") + _real(1, -4) + _real(1, -1),
        _integer(2) * 3 + _integer(3) + _text(b"input_rgb_image_sized"),
        _real(1, 7) * 3 + _integer(4) + _integer(4),
    )
)


def _alias(*shape: int) -> bytes:
    return _integer(1) + b"".join(_integer(size) for size in shape)


def _tiny_network() -> bytes:
    """con 1x1 to two channels, affine, pool over everything, two outputs."""
    con = _text(b"con_4") + _tensor(8) + b"".join(map(_integer, (2, 1, 1, 1, 1, 0, 0)))
    con += _alias(2, 3, 1, 1) + _alias(1, 2, 1, 1) + _real(1, 0) * 4 + _STATE + _integer(1)
    affine = _text(b"affine_") + _tensor(4) + _alias(1, 2, 1, 1) * 2 + _integer(0) + _STATE
    pool = _text(b"avg_pool_2") + b"".join(map(_integer, (0, 0, 1, 1, 0, 0))) + _STATE
    last = _text(b"fc_2") + _integer(2) + _integer(2) + _tensor(4)
    last += _alias(2, 2, 1, 1) + _alias(0, 0, 0, 0) + _integer(1) + _real(1, 0) * 4 + _STATE
    return _HEAD + con + affine + pool + last


def _tensor(count: int) -> bytes:
    shape = _integer(2) + _integer(count) + _integer(1) * 3
    return shape + struct.pack(f"<{count}f", *range(count))


def test_tiny_network_is_read_and_converted() -> None:
    """The smallest network of this form parses and becomes a graph (the fuzz has a seed)."""
    network = parse_network(_tiny_network())
    kinds = [step.kind if step else None for step in network.steps]
    assert kinds == ["con", "affine", "avg_pool", "fc"]
    assert convert("dlib_to_onnx", [_tiny_network()])


@given(st.binary(max_size=400))
@example(b"")
def test_random_bytes(data: bytes) -> None:
    """Arbitrary bytes are refused with a ModelError."""
    with contextlib.suppress(ModelError):
        convert("dlib_to_onnx", [data])


@given(st.data())
def test_mutated_network(data: st.DataObject) -> None:
    """A network with changed bytes gives a ModelError or a graph, whatever was changed."""
    network = bytearray(_tiny_network())
    for _ in range(data.draw(st.integers(1, 4))):
        network[data.draw(st.integers(0, len(network) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelError):
        convert("dlib_to_onnx", [bytes(network)])


def test_every_single_byte_changed() -> None:
    """A ModelError or a graph, for each byte, with each of a few values."""
    whole, refusals = _tiny_network(), set()
    for place in range(len(whole)):
        for value in (0, 1, 6, 8, 127, 128, 129, 255):
            network = bytearray(whole)
            network[place] = value
            try:
                convert("dlib_to_onnx", [bytes(network)])
            except ModelError as error:
                refusals.add(str(error).partition(" at byte")[0])
    assert "dlib network: a window that does not move" in refusals
    assert "dlib network: impossible size" in refusals


@given(st.integers(0, len(_tiny_network()) - 1))
def test_cut_network(length: int) -> None:
    """Every proper beginning of a network is refused."""
    try:
        parse_network(_tiny_network()[:length])
    except ModelError:
        return
    raise AssertionError(f"{length} bytes were taken for a network")
