"""Numbers that kernels must refuse, and the same bytes from every set of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil import _kernels
from homeveil.errors import FrameError
from homeveil.frames import PixelFormat, RawFrame, Timestamp
from homeveil.grid import Box

sizes = st.tuples(st.integers(1, 90), st.integers(1, 60))
seeds = st.integers(0, 2**32 - 1)
NOW = Timestamp.from_seconds(0)


def noise(seed: int, size: tuple[int, int], *, interleaved: bool = False) -> RawFrame:
    """A frame of noise; the same picture in both layouts."""
    rng = np.random.default_rng(seed)
    width, height = size
    y = rng.integers(0, 256, (height, width), dtype=np.uint8)
    u, v = rng.integers(0, 256, (2, (height + 1) // 2, (width + 1) // 2), dtype=np.uint8)
    if not interleaved:
        return RawFrame((y, u, v), PixelFormat.I420, width, height, NOW)
    uv = np.stack([u, v], axis=-1).reshape(u.shape[0], -1)
    return RawFrame((y, uv), PixelFormat.NV12, width, height, NOW)


@given(seed=seeds, size=sizes, cell=st.integers(-40, 40), gain=st.integers(-(2**17), 2**17),
       offset=st.integers(-600, 600), step=st.integers(-4, 40), radius=st.integers(-4, 3000))
@settings(max_examples=80, deadline=None)
def test_numbers_out_of_range_are_refused(
    seed: int, size: tuple[int, int], cell: int, gain: int, offset: int, step: int, radius: int
) -> None:
    """A kernel answers or raises FrameError, and it answers just where it should."""
    a, b = noise(seed, size), noise(seed + 1, size)
    good_cell = cell in (8, 16, 32)
    shape = (-(-size[1] // cell), -(-size[0] // cell)) if good_cell else (1, 1)
    mask = np.ones(shape, bool)
    colours = np.zeros((*shape, 3), np.uint8)
    limits = np.zeros(shape, np.float32)
    calls = [
        (good_cell and 0 <= gain < 2**16 and abs(offset) <= 255,
         lambda: _kernels.change(a, b, cell, gain, offset)),
        (good_cell, lambda: _kernels.cell_means(a, cell)),
        (good_cell, lambda: _kernels.luma_means(a, cell)),
        (good_cell, lambda: _kernels.luma_differences(a, b, cell)),
        (good_cell, lambda: _kernels.copy_cells(a, b, cell, mask)),
        (good_cell, lambda: _kernels.paint(a, cell, mask, colours, smooth=True)),
        (good_cell and 1 <= step <= cell,
         lambda: _kernels.explain(a, b, cell, mask, mask, limits, step)),
        (False, lambda: _kernels.explain(a, b, cell, mask, mask, limits - 1, step)),
        (0 <= radius <= 1024, lambda: _kernels.grow(mask, radius)),
        (True, lambda: _kernels.label(mask)),
        (False, lambda: _kernels.label(mask[:0])),
    ]
    for good, call in calls:
        if good:
            call()
        else:
            with pytest.raises(FrameError):
                call()


def digest() -> str:
    """Of what every kernel makes of many frames."""
    found = hashlib.sha256()
    for seed in range(60):
        size = (seed * 7 % 131 + 9, seed * 5 % 71 + 9)
        a, b = (noise(s, size, interleaved=seed % 2 == 1) for s in (seed, seed + 100))
        cell = (8, 16, 32)[seed % 3]
        shape = (-(-size[1] // cell), -(-size[0] // cell))
        mask = np.random.default_rng(seed).random(shape) < 0.6
        for array in _kernels.change(a, b, cell, 200 + seed, seed - 30):
            found.update(array.tobytes())
        means = _kernels.cell_means(a, cell)
        found.update(means.tobytes())
        found.update(_kernels.luma_means(a, cell).tobytes())
        found.update(_kernels.luma_differences(a, b, cell).tobytes())
        region = Box(seed - 20, seed - 30, 90 + seed / 3, 50 + seed / 7)
        for target in ((64, 40), (seed + 1, 17), (150, 120)):
            found.update(_kernels.thumbnail(a, region, target).tobytes())
        most = np.random.default_rng(seed + 1).uniform(20, 110, shape)
        every = np.ones(shape, bool)
        found.update(_kernels.explain(a, b, cell, mask, every, most, 2).tobytes())
        found.update(_kernels.to_rgb(a).tobytes())
        _kernels.paint(a, cell, mask, means, smooth=seed % 4 > 1)
        for plane in a.planes:
            found.update(plane.tobytes())
    return found.hexdigest()


def test_every_set_makes_the_same_bytes() -> None:
    """HOMEVEIL_CPU=c gives what the processor's own set gives, to the bit."""
    code = "import test_kernel_entries as t; print(t._kernels.cpu_name(), t.digest())"
    folder = os.path.dirname(__file__)
    slow = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=folder,
        env={**os.environ, "HOMEVEIL_CPU": "c"},
    )
    assert slow.stdout.split() == ["c", digest()]
