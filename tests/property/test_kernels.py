"""Kernels against independent numpy versions, on any size and layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil import _kernels
from homeveil.errors import FrameError
from homeveil.frames import PixelFormat, RawFrame, Timestamp
from homeveil.grid import Box

sizes = st.tuples(st.integers(1, 80), st.integers(1, 60))
seeds = st.integers(0, 2**32 - 1)
cells = st.sampled_from([8, 16, 32])
NOW = Timestamp.from_seconds(0)


def frame(seed: int, width: int, height: int) -> RawFrame:
    """An I420 frame of noise."""
    rng = np.random.default_rng(seed)
    rows, cols = (height + 1) // 2, (width + 1) // 2
    shapes = ((height, width), (rows, cols), (rows, cols))
    planes = tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)
    return RawFrame(planes, PixelFormat.I420, width, height, NOW)


def nv12(i420: RawFrame) -> RawFrame:
    """The same picture with interleaved chroma."""
    y, u, v = i420.planes
    uv = np.stack([u, v], axis=-1).reshape(u.shape[0], -1)
    return replace(i420, planes=(y, uv), pixel_format=PixelFormat.NV12)


@given(seed=seeds, size=sizes, cell=cells, gain=st.integers(100, 500), offset=st.integers(-40, 40))
@settings(max_examples=60, deadline=None)
def test_change_equals_its_definition(
    seed: int, size: tuple[int, int], cell: int, gain: int, offset: int
) -> None:
    """Sums, peaks and moments per cell are exactly those of the definition, in both layouts."""
    a, b = frame(seed, *size), frame(seed + 1, *size)
    stats = _kernels.change(a, b, cell, gain, offset)
    other = _kernels.change(nv12(a), nv12(b), cell, gain, offset)
    for one, two in zip(stats, other, strict=True):
        assert (one == two).all()
    ya, yb = (one.planes[0].astype(np.int64) for one in (a, b))
    difference = ya - np.clip((yb * gain >> 8) + offset, 0, 255)
    for row, col in np.ndindex(stats.n.shape):
        block = (slice(row * cell, (row + 1) * cell), slice(col * cell, (col + 1) * cell))
        assert stats.n[row, col] == ya[block].size
        assert stats.sad_y[row, col] == np.abs(difference[block]).sum()
        assert stats.sum_ab[row, col] == (ya[block] * yb[block]).sum()
        assert stats.sum_aa[row, col] == (ya[block] ** 2).sum()
        part = difference[block]
        peak = max(
            abs(int(part[y : y + 4, x : x + 4].sum())) * 16 // part[y : y + 4, x : x + 4].size
            for y in range(0, part.shape[0], 4)
            for x in range(0, part.shape[1], 4)
        )
        assert stats.peak_y[row, col] == peak


@given(seed=seeds, size=sizes, cell=cells, smooth=st.booleans())
@settings(max_examples=60, deadline=None)
def test_paint_overwrites_all_of_a_cell_and_nothing_else(
    seed: int, size: tuple[int, int], cell: int, smooth: bool
) -> None:
    """No sample of a withheld cell depends on what it was, no other sample changes; odd sides,
    last rows and columns and both layouts included."""
    rng = np.random.default_rng(seed)
    one, two = frame(seed, *size), frame(seed + 1, *size)
    shape = (-(-size[1] // cell), -(-size[0] // cell))
    mask = rng.random(shape) < 0.5
    colours = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    originals = one.copy()
    interleaved = nv12(one).copy()
    for target in (one, two, interleaved):
        _kernels.paint(target, cell, mask, colours, smooth)
    for index, side in enumerate((cell, cell // 2, cell // 2)):
        plane = one.planes[index]
        hidden = np.kron(mask, np.ones((side, side), bool))[: plane.shape[0], : plane.shape[1]]
        assert (plane[hidden] == two.planes[index][hidden]).all()
        assert (plane[~hidden] == originals.planes[index][~hidden]).all()
    assert all((x == y).all() for x, y in zip(nv12(one).planes, interleaved.planes, strict=True))


@given(seed=seeds, size=sizes)
@settings(max_examples=40, deadline=None)
def test_thumbnail_of_a_flat_frame_is_flat(seed: int, size: tuple[int, int]) -> None:
    """A frame of one colour gives pictures of one colour, whatever region and size."""
    rng = np.random.default_rng(seed)
    flat = frame(seed, *size)
    for plane in flat.planes:
        plane[:] = rng.integers(30, 220)
    x, y = rng.uniform(-20, 60, 2)
    region = Box(x, y, x + rng.uniform(1, 90), y + rng.uniform(1, 90))
    rgb = _kernels.thumbnail(flat, region, (int(rng.integers(1, 50)), int(rng.integers(1, 50))))
    assert (rgb == rgb[0, 0]).all()


def test_thumbnail_is_the_area_mean() -> None:
    """Shrinking by whole numbers averages; a picture twice as small keeps its mean."""
    raw = frame(7, 64, 48)
    for index in (1, 2):
        raw.planes[index][:] = 128
    rgb = _kernels.thumbnail(raw, Box(0, 0, 64, 48), (16, 12))
    means = raw.planes[0].reshape(12, 4, 16, 4).mean((1, 3))
    expected = np.clip((means - 16) * 255 / 219, 0, 255)
    assert np.abs(rgb[..., 1] - expected).max() < 1.6


@given(seed=seeds, size=st.tuples(st.integers(8, 70), st.integers(8, 50)))
@settings(max_examples=20, deadline=None)
def test_explain_finds_what_moved(seed: int, size: tuple[int, int]) -> None:
    """A frame explains itself wherever it is allowed to, and nothing is explained by nothing."""
    raw = frame(seed, *size)
    shape = (-(-size[1] // 8), -(-size[0] // 8))
    every, none = np.ones(shape, bool), np.zeros(shape, bool)
    assert (_kernels.explain(raw, raw, 8, every, every, 2) == 0).all()
    assert np.isinf(_kernels.explain(raw, raw, 8, none, every, 2)).all()
    assert np.isinf(_kernels.explain(raw, raw, 8, every, none, 2)).all()


@given(seed=seeds, radius=st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_grow_reaches_exactly_so_far(seed: int, radius: int) -> None:
    """A cell is set when one within the radius was, in all eight directions."""
    mask = np.random.default_rng(seed).random((9, 13)) < 0.05
    grown = _kernels.grow(mask, radius)
    for row, col in np.ndindex(mask.shape):
        window = mask[
            max(0, row - radius) : row + radius + 1, max(0, col - radius) : col + radius + 1
        ]
        assert grown[row, col] == window.any()


def test_colours_come_back() -> None:
    """RGB to planes and back stays within what 4:2:0 of flat blocks loses."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (12, 15, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    planes = _kernels.from_rgb(rgb)
    back = _kernels.to_rgb(RawFrame(planes, PixelFormat.I420, 30, 24, NOW))
    assert np.abs(back.astype(int) - rgb.astype(int)).max() <= 4


def test_wrong_arguments_are_refused() -> None:
    """Wrong shapes, cells and read-only planes are FrameErrors, not crashes."""
    raw = frame(1, 32, 32)
    mask = np.ones((4, 4), bool)
    with pytest.raises(FrameError, match="cell"):
        _kernels.change(raw, raw, 12)
    with pytest.raises(FrameError, match="differ"):
        _kernels.change(raw, frame(1, 33, 32), 8)
    with pytest.raises(FrameError, match="mask"):
        _kernels.copy_cells(raw, raw, 8, mask[:3])
    for plane in raw.planes:
        plane.flags.writeable = False
    with pytest.raises(FrameError, match="read-only"):
        _kernels.paint(raw, 8, mask, np.zeros((4, 4, 3), np.uint8), smooth=False)
