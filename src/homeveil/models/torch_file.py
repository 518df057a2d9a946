"""Reads tensors out of a PyTorch file of the old, unzipped kind, without PyTorch.

The format is five pickles and raw storages. A pickle can name any code; this reader knows
three names, each a plain value of ours, and refuses every other, so that a hostile file
can waste a little memory at most.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MOST_VALUES = 1 << 28

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of float32 that tensors share, by its key in the file."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor: where it lies in its storage, in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _FloatStorage:
    """Stands for the type's name in the file."""


def _view(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> _View:
    if not isinstance(storage, _Storage) or type(offset) is not int:
        raise ValueError("tensor")
    sizes, steps = _naturals(shape), _naturals(strides)
    if len(sizes) != len(steps) or len(sizes) > 8 or offset < 0:
        raise ValueError("tensor shape")
    last = offset + sum((n - 1) * step for n, step in zip(sizes, steps, strict=True))
    if all(sizes) and last >= storage.size:
        raise ValueError("tensor outside its storage")
    return _View(storage, offset, sizes, steps)


def _naturals(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or any(type(n) is not int or n < 0 for n in value):
        raise ValueError("tensor shape")
    return value


_KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch", "FloatStorage"): _FloatStorage,
}


class _Reader(pickle.Unpickler):
    """Knows the names in ``_KNOWN`` and storages, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise ValueError(f"the name {module}.{name}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) != 6:
            raise ValueError("storage")
        kind, storage, key, _, size, view = pid
        if kind != "storage" or storage is not _FloatStorage or view is not None:
            raise ValueError("storage")
        if not isinstance(key, str) or type(size) is not int or not 0 <= size <= _MOST_VALUES:
            raise ValueError("storage")
        return _Storage(key, size)


def read_state(data: bytes, key: str) -> Tensors:
    """The tensors under ``key`` of the saved object, by name.

    ModelError for anything but a whole little-endian file of float32 tensors.
    """
    try:
        return _read(data, key)
    except Exception as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    text = str(error) if isinstance(error, ValueError) else type(error).__name__
    raise ModelError(f"PyTorch file: cannot be read ({text[:120]})") from None


def _read(data: bytes, key: str) -> Tensors:
    file = io.BytesIO(data)
    if _Reader(file).load() != _MAGIC or _Reader(file).load() != _PROTOCOL:
        raise ValueError("not of the old format")
    system = _Reader(file).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("not little-endian")
    saved = _Reader(file).load()
    keys = _Reader(file).load()
    state = saved.get(key) if isinstance(saved, dict) else None
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise ValueError(f"nothing under {key!r}")
    storages = {name: _storage(file) for name in keys}
    if file.read(1):
        raise ValueError("a tail")
    return {name: _tensor(view, storages) for name, view in state.items()}


def _storage(file: io.BytesIO) -> NDArray[np.float32]:
    count = int.from_bytes(file.read(8), "little", signed=True)
    if not 0 <= count <= _MOST_VALUES:
        raise ValueError("storage size")
    raw = file.read(4 * count)
    if len(raw) != 4 * count:
        raise ValueError("cut short")
    return np.frombuffer(raw, "<f4").astype(np.float32)


def _tensor(view: object, storages: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    if not isinstance(view, _View):
        raise ValueError("a value that is no tensor")
    values = storages[view.storage.key]
    if len(values) != view.storage.size:
        raise ValueError("storage size")
    tail = values[view.offset :]
    strides = tuple(4 * step for step in view.strides)
    shaped = np.lib.stride_tricks.as_strided(tail, view.shape, strides, writeable=False)
    return np.array(shaped)
