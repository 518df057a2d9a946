"""The reader of PyTorch files, on files made here byte by byte, and on hostile ones."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil.errors import ModelError
from homeveil.models.conversion import convert
from homeveil.models.ge2e import BANDS, LAYERS, SIZE
from homeveil.models.torch_file import read_state

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001

Views = dict[str, tuple[str, int, tuple[int, ...], tuple[int, ...]]]


class _Named:
    """Pickles as a plain global, or as a call of one."""

    def __init__(self, module: str, name: str, arguments: tuple[object, ...] | None = None) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class _Writer(pickle._Pickler):  # type: ignore[misc,name-defined]
    """The pure-Python pickler, so that names can be written without their modules."""

    def save(self, value: object, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            self.write(b"c" + f"{value.module}\n{value.name}\n".encode())
            if value.arguments is not None:
                super().save(value.arguments)
                self.write(b"R")
            return
        super().save(value)


def _pickled(value: object) -> bytes:
    file = io.BytesIO()
    _Writer(file, protocol=2).dump(value)
    return file.getvalue()


class _Storage:
    def __init__(self, key: str, size: int) -> None:
        self.key, self.size = key, size


class _ObjectWriter(_Writer):
    """Writes a storage as PyTorch does: a tuple of six, marked as known by name."""

    def save(self, value: object, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Storage):
            self.write(b"(")
            for part in ("storage", _Named("torch", "FloatStorage"), value.key, "cpu",
                         value.size, None):  # fmt: skip
                self.save(part)
            self.write(b"tQ")
            return
        super().save(value)


def legacy_file(storages: dict[str, np.ndarray], views: Views, key: str = "model_state") -> bytes:
    """A file of the old kind: five pickles and raw float32."""
    state = OrderedDict()
    for name, (storage, offset, shape, strides) in views.items():
        arguments = (
            _Storage(storage, len(storages[storage])), offset, shape, strides, False, OrderedDict()
        )  # fmt: skip
        state[name] = _Named("torch._utils", "_rebuild_tensor_v2", arguments)
    file = io.BytesIO()
    for value in (MAGIC, PROTOCOL, {"little_endian": True, "protocol_version": PROTOCOL}):
        file.write(_pickled(value))
    _ObjectWriter(file, protocol=2).dump({key: state, "step": 7})
    file.write(_pickled(sorted(storages)))
    for name in sorted(storages):
        values = storages[name].astype("<f4")
        file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return file.getvalue()


def small() -> bytes:
    """Two tensors in one storage, one of them a transposed view, and one of its own."""
    return legacy_file(
        {"7": np.arange(12, dtype=np.float32), "30": np.array([5, 6], np.float32)},
        {
            "plain": ("7", 0, (2, 3), (3, 1)),
            "turned": ("7", 6, (3, 2), (1, 3)),
            "other": ("30", 1, (1,), (1,)),
        },
    )


def test_tensors_are_read_with_offsets_and_strides() -> None:
    """Views into one storage come out as what they show."""
    state = read_state(small(), "model_state")
    assert np.array_equal(state["plain"], np.arange(6, dtype=np.float32).reshape(2, 3))
    assert np.array_equal(state["turned"], np.arange(6, 12, dtype=np.float32).reshape(2, 3).T)
    assert np.array_equal(state["other"], [6])
    with pytest.raises(ModelError, match="nothing under"):
        read_state(small(), "optimiser")


@pytest.mark.parametrize("module", ["os", "builtins", "torch", "collections", "subprocess"])
def test_no_other_name_is_ever_called(module: str, tmp_path: Path) -> None:
    """A file that names code is refused before the code could run."""
    names = {"os": "system", "builtins": "eval", "torch": "load", "collections": "namedtuple"}
    witness = tmp_path / "ran"
    call = _Named(module, names.get(module, "run"), (f"touch {witness}",))
    data = _pickled(MAGIC) + _pickled(PROTOCOL) + _pickled({"little_endian": True})
    with pytest.raises(ModelError, match=f"{module}\\."):
        read_state(data + _pickled({"model_state": call}), "model_state")
    assert not witness.exists()


@pytest.mark.parametrize(
    "views",
    [
        {"a": ("7", 10, (2, 3), (3, 1))},
        {"a": ("7", 0, (2, 3), (1 << 40, 1))},
        {"a": ("7", -1, (2,), (1,))},
        {"a": ("7", 0, (2,), (-1,))},
        {"a": ("7", 0, (1 << 40,), (0, 1))},
        {"a": ("7", 0, (2, 2), (1,))},
    ],
)
def test_views_outside_their_storage_are_refused(views: Views) -> None:
    """No tensor reads memory that is not its storage's."""
    with pytest.raises(ModelError):
        read_state(legacy_file({"7": np.arange(12, dtype=np.float32)}, views), "model_state")


@given(st.integers(0, 5000), st.integers(1, 255), st.booleans())
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_errors_and_nothing_else(at: int, flip: int, cut: bool) -> None:
    """Any byte changed, or the file cut anywhere: a ModelError, or tensors of that file."""
    data = bytearray(small())
    at %= len(data)
    if cut:
        del data[at:]
    else:
        data[at] ^= flip
    with contextlib.suppress(ModelError):
        state = read_state(bytes(data), "model_state")
        assert sum(value.size for value in state.values()) < 10_000


def checkpoint(**changes: np.ndarray) -> bytes:
    """A GE2E checkpoint with random weights."""
    rng = np.random.default_rng(11)
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (SIZE, SIZE), "linear.bias": (SIZE,)}
    for layer in range(LAYERS):
        shapes[f"lstm.weight_ih_l{layer}"] = (4 * SIZE, BANDS if layer == 0 else SIZE)
        shapes[f"lstm.weight_hh_l{layer}"] = (4 * SIZE, SIZE)
        shapes[f"lstm.bias_ih_l{layer}"] = shapes[f"lstm.bias_hh_l{layer}"] = (4 * SIZE,)
    values = {name: rng.normal(0, 0.1, shape) for name, shape in shapes.items()} | changes
    storages, views = {}, {}
    for name, value in values.items():
        storages[name] = value.astype(np.float32).ravel()
        steps = np.cumprod([1, *value.shape[:0:-1]])[::-1]
        views[name] = (name, 0, value.shape, tuple(int(step) for step in steps))
    return legacy_file(storages, views)


def plain_lstm(state: dict[str, np.ndarray], mel: np.ndarray) -> np.ndarray:
    """The encoder in numpy, frame by frame, in PyTorch's order of gates."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    h, c = (np.zeros((LAYERS, mel.shape[1], SIZE)) for _ in range(2))
    out = []
    for frame in mel:
        value = frame
        for k in range(LAYERS):
            total = value @ state[f"lstm.weight_ih_l{k}"].T + h[k] @ state[f"lstm.weight_hh_l{k}"].T
            total = total + state[f"lstm.bias_ih_l{k}"] + state[f"lstm.bias_hh_l{k}"]
            i, f, g, o = np.split(total, 4, axis=1)
            c[k] = sigmoid(f) * c[k] + sigmoid(i) * np.tanh(g)
            h[k] = value = sigmoid(o) * np.tanh(c[k])
        raw = np.maximum(value @ state["linear.weight"].T + state["linear.bias"], 0)
        out.append(raw / (np.linalg.norm(raw, axis=1, keepdims=True) + 1e-5))
    return np.array(out)


def test_the_converted_encoder_is_the_encoder() -> None:
    """The ONNX file is valid, equals the plain arithmetic, and may be run in pieces."""
    data = checkpoint()
    model = convert("ge2e_to_onnx", [data])
    assert model == convert("ge2e_to_onnx", [data])
    onnx.checker.check_model(onnx.load_from_string(model))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    mel = np.random.default_rng(5).random((30, 3, BANDS)).astype(np.float32)
    want = plain_lstm(read_state(data, "model_state"), mel)
    for step in (30, 7, 1):
        h = c = np.zeros((LAYERS, 3, SIZE), np.float32)
        parts = []
        for at in range(0, 30, step):
            slots, h, c = session.run(None, {"mel": mel[at : at + step], "h": h, "c": c})
            parts.append(slots)
        assert np.abs(np.concatenate(parts) - want).max() < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {"linear.bias": np.zeros(SIZE + 1)},
        {"lstm.weight_hh_l2": np.full((4 * SIZE, SIZE), np.nan)},
        {"lstm.weight_ih_l0": np.zeros((4 * SIZE, SIZE))},
    ],
)
def test_another_network_is_refused(changes: dict[str, np.ndarray]) -> None:
    """Weights of other shapes or broken numbers make no model."""
    with pytest.raises(ModelError, match="GE2E checkpoint"):
        convert("ge2e_to_onnx", [checkpoint(**changes)])
