"""Kernels against independent numpy versions, on any size and layout."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from homeveil import _kernels
from homeveil.clear import change
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


def mean_around(plane: np.ndarray) -> np.ndarray:
    """Mean over 3x3 cells; at the edge the cell on the other side counts twice."""
    for axis in range(2):
        pad = [(1, 1) if axis == k else (0, 0) for k in range(2)]
        plane = np.pad(plane, pad, "reflect" if plane.shape[axis] > 1 else "edge")
    across = plane[:, :-2] + plane[:, 1:-1] + plane[:, 2:]
    return (across[:-2] + across[1:-1] + across[2:]) * (1 / 9)


def plain_excess(stats: _kernels.ChangeStats, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """The definition of the excess, and of texture."""
    n = np.maximum(stats.n, 1).astype(np.float64)
    mean_a, mean_b = stats.sum_a / n, stats.sum_b / n
    var_a = np.maximum(stats.sum_aa / n - mean_a**2, 0)
    var_b = np.maximum(stats.sum_bb / n - mean_b**2, 0)
    covariance = stats.sum_ab / n - mean_a * mean_b
    texture = np.sqrt(var_b)
    correlation = covariance / np.sqrt(var_a * var_b + 1e-6)
    chroma = stats.peak_uv / (16 * change.CHROMA_STEP)
    luma = stats.peak_y / (16 * (change.LUMA_STEP + change.LUMA_PER_TEXTURE * texture))
    mean = (stats.sad_y / n).astype(np.float32) / (
        change.MEAN_STEP + change.MEAN_PER_TEXTURE * texture
    )
    as_is = np.maximum(np.maximum(luma, mean), chroma)
    rich = texture > change.STRUCTURE_TEXTURE
    lack = (1 - correlation) / (1 - change.STRUCTURE_CORRELATION)
    unlike = rich & (correlation < change.STRUCTURE_CORRELATION)
    as_is = np.where(unlike, np.maximum(as_is, lack), as_is)
    gain = mean_a / np.maximum(mean_b, 1)
    both = mean_around(covariance) / np.sqrt(mean_around(var_a) * mean_around(var_b) + 1e-6)
    uneven = np.sqrt(np.maximum(mean_around(gain**2) - mean_around(gain) ** 2, 0))
    cast = (mean_around(var_b) > change.SHADOW_TEXTURE**2) & (both > change.SHADOW_CORRELATION)
    cast &= uneven < change.SHADOW_UNEVEN
    left = var_a + gain**2 * var_b - 2 * gain * covariance
    residual = np.sqrt(np.maximum(left, 0)) / (
        change.SHADE_RESIDUAL + change.SHADE_RESIDUAL_PER_TEXTURE * texture
    )
    textured = (rich & (correlation > change.SHADE_CORRELATION)) | cast
    shade = np.abs(gain - 1) / np.where(textured, change.SHADE_TEXTURED, change.SHADE_FLAT)
    residual = np.where(cast, residual / change.SHADOW_RESIDUAL, residual)
    reshaded = np.maximum(np.maximum(residual, shade), chroma)
    reshaded = np.where(mean_b < change._MIN_LIT, np.inf, reshaded)
    excess = np.where(as_is <= slack, as_is, np.minimum(as_is, reshaded)) / slack
    return excess, np.sqrt(var_a)


@given(
    seed=seeds, size=sizes, cell=cells, light=st.floats(0.5, 1.3), noise=st.integers(0, 60),
    slack=st.floats(1, 2),
)
@settings(max_examples=80, deadline=None)
def test_excess_equals_its_definition(
    seed: int, size: tuple[int, int], cell: int, light: float, noise: int, slack: float
) -> None:
    """Also of the same picture in another light, which may be a shadow."""
    a, rng = frame(seed, *size), np.random.default_rng(seed)
    changed = tuple(
        np.clip(plane * light + rng.integers(-noise, noise + 1, plane.shape), 0, 255).astype(
            np.uint8
        )
        for plane in a.planes
    )
    b = replace(a, planes=(changed[0], a.planes[1], a.planes[2]))
    stats = _kernels.change(b, a, cell)
    excess, texture = change._EXCESS.of(stats, slack)
    wanted, deviation = plain_excess(stats, slack)
    assert (excess == wanted.astype(np.float32)).all()
    assert (texture == deviation.astype(np.float32)).all()


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


def resampled(plane: np.ndarray, start: float, stop: float, n: int, axis: int) -> np.ndarray:
    """Area mean where [start, stop) shrinks to n, linear where it grows; edges repeated."""
    size, limit = (stop - start) / n, plane.shape[axis]
    weights = np.zeros((n, limit))
    for i in range(n):
        if size <= 1:
            at = start + (i + 0.5) * size - 0.5
            taps = [(floor(at), 1 - (at - floor(at))), (floor(at) + 1, at - floor(at))]
        else:
            low, high = start + i * size, start + (i + 1) * size
            taps = [
                (k, (min(high, k + 1) - max(low, k)) / size) for k in range(floor(low), ceil(high))
            ]
        for k, weight in taps:
            weights[i, min(max(k, 0), limit - 1)] += weight
    return np.moveaxis(np.tensordot(weights, plane.astype(float), (1, axis)), 0, axis)


@given(
    seed=seeds,
    size=sizes,
    corner=st.tuples(st.floats(-20, 60), st.floats(-20, 60)),
    extent=st.tuples(st.floats(0.5, 90), st.floats(0.5, 90)),
    out=st.tuples(st.integers(1, 70), st.integers(1, 40)),
)
@settings(max_examples=80, deadline=None)
def test_thumbnail_equals_its_definition(
    seed: int,
    size: tuple[int, int],
    corner: tuple[float, float],
    extent: tuple[float, float],
    out: tuple[int, int],
) -> None:
    """Any region, inside or outside the frame, is its area mean or its bilinear picture within
    what rounding of Y, U and V and of the conversion allows; both layouts give the same."""
    raw = frame(seed, *size)
    (x0, y0), (x1, y1) = corner, (corner[0] + extent[0], corner[1] + extent[1])
    assume(extent[0] / out[0] <= 64 and extent[1] / out[1] <= 64)
    rgb = _kernels.thumbnail(raw, Box(x0, y0, x1, y1), out)
    assert (rgb == _kernels.thumbnail(nv12(raw), Box(x0, y0, x1, y1), out)).all()
    y, u, v = (
        resampled(resampled(plane, y0 / k, y1 / k, out[1], 0), x0 / k, x1 / k, out[0], 1)
        for plane, k in zip(raw.planes, (1, 2, 2), strict=True)
    )
    luma, u, v = (y - 16) * 255 / 219, u - 128, v - 128
    expected = [luma + 1.596 * v, luma - 0.3918 * u - 0.813 * v, luma + 2.0172 * u]
    # Half a level of Y and of U or V, and half a level of the result, and some for weights.
    for channel, allowed in zip(range(3), (2.6, 2.4, 2.9), strict=True):
        difference = np.abs(np.clip(expected[channel], 0, 255) - rgb[..., channel])
        assert difference.max() <= allowed


@given(
    seed=seeds,
    size=sizes,
    numbers=st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4),
    out=st.tuples(st.integers(-1, 4200), st.integers(-1, 40)),
)
@settings(max_examples=120, deadline=None)
def test_any_region_is_drawn_or_refused(
    seed: int,
    size: tuple[int, int],
    numbers: tuple[float, float, float, float],
    out: tuple[int, int],
) -> None:
    """Whatever numbers come in as a region, a picture or an error comes out."""
    raw = frame(seed, *size)
    try:
        region = Box(*numbers)
        rgb = _kernels.thumbnail(raw, region, out)
    except ValueError:
        return
    assert rgb.shape == (out[1], out[0], 3)


@given(seed=seeds, size=sizes, pad=st.integers(0, 40), flipped=st.booleans())
@settings(max_examples=60, deadline=None)
def test_padded_and_upside_down_planes_are_read_alike(
    seed: int, size: tuple[int, int], pad: int, flipped: bool
) -> None:
    """Strides of any length and sign change nothing, and what lies between rows is left alone."""
    raw = frame(seed, *size)
    wide = [np.full((p.shape[0], p.shape[1] + pad), 171, np.uint8) for p in raw.planes]
    views = []
    for memory, plane in zip(wide, raw.planes, strict=True):
        view = memory[::-1] if flipped else memory
        view[:, : plane.shape[1]] = plane
        views.append(view[:, : plane.shape[1]])
    padded = replace(raw, planes=tuple(views))
    region = Box(1.5, 0.5, size[0] + 2, size[1] - 0.25)
    small = _kernels.thumbnail(raw, region, (9, 7))
    assert (small == _kernels.thumbnail(padded, region, (9, 7))).all()
    assert (_kernels.to_rgb(raw) == _kernels.to_rgb(padded)).all()
    assert (_kernels.cell_means(raw, 8) == _kernels.cell_means(padded, 8)).all()
    for one, two in zip(
        _kernels.change(raw, raw, 8), _kernels.change(padded, raw, 8), strict=True
    ):
        assert (one == two).all()
    every = np.ones((-(-size[1] // 8), -(-size[0] // 8)), bool)
    colours = np.random.default_rng(seed).integers(0, 256, (*every.shape, 3), dtype=np.uint8)
    _kernels.paint(padded, 8, every, colours, smooth=True)
    _kernels.paint(raw, 8, every, colours, smooth=True)
    for memory, view, plane in zip(wide, views, raw.planes, strict=True):
        assert (view == plane).all()
        assert (memory[:, plane.shape[1] :] == 171).all()


@given(seed=seeds, size=sizes, cell=cells, fraction=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_copy_takes_the_cells_and_nothing_else(
    seed: int, size: tuple[int, int], cell: int, fraction: float
) -> None:
    """Cells of the mask come from the source, all others stay, in both layouts."""
    shape = (-(-size[1] // cell), -(-size[0] // cell))
    mask = np.random.default_rng(seed).random(shape) < fraction
    source = frame(seed, *size)
    target = frame(seed + 1, *size)
    before, mixed = target.copy(), nv12(target).copy()
    _kernels.copy_cells(target, source, cell, mask)
    _kernels.copy_cells(mixed, nv12(source), cell, mask)
    for index, side in enumerate((cell, cell // 2, cell // 2)):
        plane = target.planes[index]
        taken = np.kron(mask, np.ones((side, side), bool))[: plane.shape[0], : plane.shape[1]]
        expected = np.where(taken, source.planes[index], before.planes[index])
        assert (plane == expected).all()
    assert all((x == y).all() for x, y in zip(nv12(target).planes, mixed.planes, strict=True))


@given(seed=seeds, size=sizes, cell=cells)
@settings(max_examples=40, deadline=None)
def test_cell_means_are_rounded_means(seed: int, size: tuple[int, int], cell: int) -> None:
    """Each cell's mean colour, rounded half up, in both layouts."""
    raw = frame(seed, *size)
    means = _kernels.cell_means(raw, cell)
    assert (means == _kernels.cell_means(nv12(raw), cell)).all()
    for row, col in np.ndindex(means.shape[:2]):
        for index, side in enumerate((cell, cell // 2, cell // 2)):
            block = raw.planes[index][
                row * side : (row + 1) * side, col * side : (col + 1) * side
            ].astype(int)
            assert means[row, col, index] == (block.sum() + block.size // 2) // block.size


@given(seed=seeds, size=sizes, cell=cells)
@settings(max_examples=40, deadline=None)
def test_luma_means_are_those_of_the_comparison(
    seed: int, size: tuple[int, int], cell: int
) -> None:
    """Mean luma and mean absolute difference of luma, exactly."""
    a, b = frame(seed, *size), frame(seed + 1, *size)
    stats = _kernels.change(a, b, cell)
    assert (_kernels.luma_means(a, cell) == stats.sum_a / stats.n).all()
    assert (_kernels.luma_means(b, cell) == stats.sum_b / stats.n).all()
    assert (_kernels.luma_differences(a, b, cell) == stats.sad_y / stats.n).all()


@given(seed=seeds, cell=st.sampled_from([8, 16]), layout=st.sampled_from(["i420", "nv12"]))
@settings(max_examples=25, deadline=None)
def test_explain_equals_its_definition(seed: int, cell: int, layout: str) -> None:
    """Within the limit: the least of the worst plane's mean absolute difference over all allowed
    blocks."""
    rng = np.random.default_rng(seed)
    width, height = (int(n) for n in rng.integers(cell, 3 * cell + 5, 2))
    a, b = frame(seed, width, height), frame(seed + 1, width, height)
    shape = (-(-height // cell), -(-width // cell))
    allowed, wanted = rng.random(shape) < 0.8, rng.random(shape) < 0.5
    pair = (a, b) if layout == "i420" else (nv12(a), nv12(b))
    # Few blocks of noise are nearer than 60 levels: limits on both sides of what is found.
    most = rng.uniform(20, 110, shape).astype(np.float32)
    explained = _kernels.explain(*pair, cell, allowed, wanted, most, cell // 2)
    for row, col in np.ndindex(shape):
        x0, y0 = col * cell, row * cell
        x1, y1 = min(x0 + cell, width), min(y0 + cell, height)
        least = np.inf
        steps = range(-cell, cell + 1, cell // 2)
        for dy, dx in ((dy, dx) for dy in steps for dx in steps):
            if x0 + dx < 0 or y0 + dy < 0 or x1 + dx > width or y1 + dy > height:
                continue
            block = (slice((y0 + dy) // cell, (y1 + dy - 1) // cell + 1),
                     slice((x0 + dx) // cell, (x1 + dx - 1) // cell + 1))
            if not allowed[block].all():
                continue
            worst = 0
            for index, k in enumerate((1, 2, 2)):
                here = (slice(y0 // k, -(-y1 // k)), slice(x0 // k, -(-x1 // k)))
                there = (slice(y0 // k + dy // k, -(-y1 // k) + dy // k),
                         slice(x0 // k + dx // k, -(-x1 // k) + dx // k))
                d = np.abs(a.planes[index][here].astype(int) - b.planes[index][there])
                worst = max(worst, int(d.sum()) * 16 // d.size)
            least = min(least, worst / 16)
        within = least <= most[row, col]
        assert explained[row, col] == (wanted[row, col] and within)
        if wanted[row, col] and np.isfinite(least):  # the limit itself is within
            for limit in (least, least - 1 / 16):
                exact = np.full(shape, limit, np.float32)
                found = _kernels.explain(*pair, cell, allowed, wanted, exact, cell // 2)
                assert found[row, col] == (limit == least)


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
    exactly, anything = np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32)
    assert _kernels.explain(raw, raw, 8, every, every, exactly, 2).all()
    assert not _kernels.explain(raw, raw, 8, none, every, anything, 2).any()
    assert not _kernels.explain(raw, raw, 8, every, none, anything, 2).any()


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


@given(
    rows=st.integers(1, 12), cols=st.integers(1, 14), seed=seeds,
    share=st.floats(0, 1), corners=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_label_numbers_what_hangs_together(
    rows: int, cols: int, seed: int, share: float, corners: bool
) -> None:
    """Patches are numbered in the order of their first cells; a flood from each says which
    cells are its own."""
    mask = np.random.default_rng(seed).random((rows, cols)) < share
    expected = np.zeros(mask.shape, np.int32)
    number = 0
    for first in zip(*np.nonzero(mask), strict=True):
        if expected[first]:
            continue
        number += 1
        flood = [first]
        while flood:
            row, col = flood.pop()
            if not (0 <= row < rows and 0 <= col < cols) or not mask[row, col]:
                continue
            if expected[row, col]:
                continue
            expected[row, col] = number
            beside = [(0, 1), (0, -1), (1, 0), (-1, 0)]
            if corners:
                beside += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            flood += [(row + down, col + across) for down, across in beside]
    count, labels = _kernels.label(mask, corners=corners)
    assert count == number
    assert (labels == expected).all()


def test_colours_come_back() -> None:
    """RGB to planes and back stays within what 4:2:0 of flat blocks loses."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (12, 15, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    planes = _kernels.from_rgb(rgb)
    back = _kernels.to_rgb(RawFrame(planes, PixelFormat.I420, 30, 24, NOW))
    assert np.abs(back.astype(int) - rgb.astype(int)).max() <= 4


def test_out_is_filled_or_refused() -> None:
    """A picture of the caller's is filled and given back; one of another size, kind or with
    gaps is refused, and so is one that must not be written."""
    raw = frame(2, 40, 30)
    region, mine = Box(0, 0, 40, 30), np.empty((6, 8, 3), np.uint8)
    assert _kernels.thumbnail(raw, region, (8, 6), out=mine) is mine
    assert (mine == _kernels.thumbnail(raw, region, (8, 6))).all()
    for wrong in (
        np.empty((8, 6, 3), np.uint8), np.empty((6, 8, 3), np.int8),
        np.empty((6, 16, 3), np.uint8)[:, ::2],
    ):
        with pytest.raises(FrameError, match="out"):
            _kernels.thumbnail(raw, region, (8, 6), out=wrong)
    mine.flags.writeable = False
    with pytest.raises(FrameError, match="read-only"):
        _kernels.thumbnail(raw, region, (8, 6), out=mine)


@pytest.mark.parametrize("name", ["c", "avx2", "neon", "something else"])
def test_the_environment_lowers_the_kernels(name: str) -> None:
    """HOMEVEIL_CPU chooses a set; one that the processor lacks means the reference."""
    code = "from homeveil import _kernels; print(_kernels.cpu_name())"
    asked = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HOMEVEIL_CPU": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() in {"c", name}
    if name == "something else":
        assert asked.stdout.strip() == "c"


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
    eye = np.eye(2, 3)
    for shape in ((9, 9), (9, 9, 1), (9, 9, 4), (0, 9, 3)):
        with pytest.raises(FrameError):
            _kernels.warp(np.zeros(shape, np.uint8), eye, (8, 8))
    with pytest.raises(FrameError, match="float32"):
        _kernels.warp(np.zeros((9, 9, 3), np.float32), eye, (8, 8))
    with pytest.raises(FrameError):
        _kernels.warp(np.zeros((9, 9, 3), np.uint8), eye, (8, -8))
    for plane in raw.planes:
        plane.flags.writeable = False
    with pytest.raises(FrameError, match="read-only"):
        _kernels.paint(raw, 8, mask, np.zeros((4, 4, 3), np.uint8), smooth=False)
