"""Entry points of the kernels on whatever they are given, and the same from every set."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil import _kernels
from homeveil.errors import FrameError
from homeveil.frames import Colour, PixelFormat, RawFrame, Timestamp
from homeveil.grid import Box

sizes = st.tuples(st.integers(1, 90), st.integers(1, 60))
seeds = st.integers(0, 2**32 - 1)
cells = st.sampled_from([8, 16, 32])
edges = st.floats(-200, 300)
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


def weights(start: float, end: float, count: int, samples: int) -> np.ndarray:
    """(count, samples): what each output weighs each sample, along one axis."""
    found = np.zeros((count, samples))
    size = (end - start) / count
    for i in range(count):
        if size <= 1:
            at = start + (i + 0.5) * size - 0.5
            parts = {int(np.floor(at)): 1 - (at - np.floor(at)), int(np.floor(at)) + 1: at % 1}
        else:
            low, high = start + i * size, start + (i + 1) * size
            parts = {
                k: (min(k + 1, high) - max(k, low)) / size
                for k in range(int(np.floor(low)), int(np.ceil(high)))
            }
        for k, part in parts.items():
            found[i, min(max(k, 0), samples - 1)] += part
    return found


@given(seed=seeds, size=sizes, interleaved=st.booleans(), corner=st.tuples(edges, edges),
       extent=st.tuples(st.floats(0.5, 300), st.floats(0.5, 300)),
       target=st.tuples(st.integers(1, 70), st.integers(1, 50)))
@settings(max_examples=80, deadline=None)
def test_thumbnail_is_its_definition_within_a_level(
    seed: int, size: tuple[int, int], interleaved: bool, corner: tuple[float, float],
    extent: tuple[float, float], target: tuple[int, int],
) -> None:
    """Area mean where it shrinks, linear where it grows, edges repeated: a grey level off at
    most, for regions inside and outside the frame and any size of picture."""
    frame = noise(seed, size, interleaved=interleaved)
    for plane in frame.planes[1:]:
        plane[:] = 128
    frame = replace(frame, colour=Colour(full_range=True))
    region = Box(*corner, corner[0] + extent[0], corner[1] + extent[1])
    if extent[0] / target[0] > 64 or extent[1] / target[1] > 64:
        return  # samples are left out there, on purpose
    rgb = _kernels.thumbnail(frame, region, target)
    columns = weights(region.x0, region.x1, target[0], size[0])
    rows = weights(region.y0, region.y1, target[1], size[1])
    expected = rows @ frame.planes[0] @ columns.T
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 0] == rgb[..., 2]).all()
    assert np.abs(rgb[..., 0] - expected).max() <= 1


@given(seed=seeds, size=sizes, cell=cells, interleaved=st.booleans())
@settings(max_examples=60, deadline=None)
def test_cell_means_and_copies_equal_their_definition(
    seed: int, size: tuple[int, int], cell: int, interleaved: bool
) -> None:
    """Means are rounded means of each cell's samples; a copy takes those cells and no other."""
    frame, other = (noise(s, size, interleaved=interleaved) for s in (seed, seed + 1))
    means = _kernels.cell_means(frame, cell)
    planes = [p.astype(int) for p in noise(seed, size).planes]
    shape = (-(-size[1] // cell), -(-size[0] // cell))
    for channel, plane in enumerate(planes):
        side = cell if channel == 0 else cell // 2
        for row, col in np.ndindex(shape):
            block = plane[row * side : (row + 1) * side, col * side : (col + 1) * side]
            rounded = (block.sum() + block.size // 2) // block.size
            assert means[row, col, channel] == rounded
    mask = np.random.default_rng(seed).random(shape) < 0.5
    target = other.copy()
    _kernels.copy_cells(target, frame, cell, mask)
    for k, plane in enumerate(target.planes):
        high = cell if k == 0 else cell // 2
        wide = cell if k == 0 or interleaved else cell // 2
        taken = np.kron(mask, np.ones((high, wide), bool))[: plane.shape[0], : plane.shape[1]]
        assert (plane == np.where(taken, frame.planes[k], other.planes[k])).all()


@given(seed=seeds, size=st.tuples(st.integers(8, 50), st.integers(8, 40)),
       interleaved=st.booleans(), step=st.sampled_from([1, 2, 4]))
@settings(max_examples=15, deadline=None)
def test_explain_is_the_least_difference(
    seed: int, size: tuple[int, int], interleaved: bool, step: int
) -> None:
    """The best displacement by luma and chroma, among those whose cells are all allowed."""
    cell, (width, height) = 8, size
    a, b = (noise(s, size, interleaved=interleaved) for s in (seed, seed + 1))
    shape = (-(-height // cell), -(-width // cell))
    allowed = np.random.default_rng(seed).random(shape) < 0.8
    found = _kernels.explain(a, b, cell, allowed, np.ones(shape, bool), step)
    now, before = ([p.astype(int) for p in noise(s, size).planes] for s in (seed, seed + 1))
    for row, col in np.ndindex(shape):
        x0, y0 = col * cell, row * cell
        x1, y1 = min(x0 + cell, width), min(y0 + cell, height)
        best = np.inf
        for dy in range(-cell, cell + 1, step):
            for dx in range(-cell, cell + 1, step):
                if x0 + dx < 0 or y0 + dy < 0 or x1 + dx > width or y1 + dy > height:
                    continue
                rows = slice((y0 + dy) // cell, (y1 + dy - 1) // cell + 1)
                cols = slice((x0 + dx) // cell, (x1 + dx - 1) // cell + 1)
                if not allowed[rows, cols].all():
                    continue
                worst = 0
                for k in range(3):
                    half = 1 if k == 0 else 2
                    p0, q0 = x0 // half, y0 // half
                    p1, q1 = (x1 + half - 1) // half, (y1 + half - 1) // half
                    p, q = dx // half, dy // half
                    one = now[k][q0:q1, p0:p1]
                    two = before[k][q0 + q : q1 + q, p0 + p : p1 + p]
                    worst = max(worst, int(np.abs(one - two).sum()) * 16 // one.size)
                best = min(best, worst / 16)
        assert found[row, col] == best


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
    calls = [
        (good_cell and 0 <= gain < 2**16 and abs(offset) <= 255,
         lambda: _kernels.change(a, b, cell, gain, offset)),
        (good_cell, lambda: _kernels.cell_means(a, cell)),
        (good_cell, lambda: _kernels.copy_cells(a, b, cell, mask)),
        (good_cell, lambda: _kernels.paint(a, cell, mask, colours, smooth=True)),
        (good_cell and 1 <= step <= cell, lambda: _kernels.explain(a, b, cell, mask, mask, step)),
        (0 <= radius <= 1024, lambda: _kernels.grow(mask, radius)),
    ]
    for good, call in calls:
        if good:
            call()
        else:
            with pytest.raises(FrameError):
                call()


@given(seed=seeds, edges=st.lists(st.floats(), min_size=4, max_size=4),
       target=st.tuples(st.integers(0, 40), st.integers(0, 40)))
@settings(max_examples=80, deadline=None)
def test_any_region_is_shown_or_refused(
    seed: int, edges: list[float], target: tuple[int, int]
) -> None:
    """NaN, infinity, regions turned inside out, empty pictures: FrameError, nothing worse."""
    frame = noise(seed, (33, 21))
    try:
        rgb = _kernels.thumbnail(frame, Box(*edges), target)
    except FrameError:
        return
    assert rgb.shape == (target[1], target[0], 3)


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
        region = Box(seed - 20, seed - 30, 90 + seed / 3, 50 + seed / 7)
        for target in ((64, 40), (seed + 1, 17), (150, 120)):
            found.update(_kernels.thumbnail(a, region, target).tobytes())
        found.update(_kernels.explain(a, b, cell, mask, np.ones(shape, bool), 2).tobytes())
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
