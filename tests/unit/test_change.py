"""What is read off whole frames: noise, exposure, and how they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil._kernels import cell_means, luma_means
from homeveil.clear.change import Lit, NoiseMeter, compare, exposure_gain
from homeveil.clear.mosaic import Mosaic
from homeveil.frames import PixelFormat, RawFrame, Timestamp, plane_shapes


@given(st.integers(0, 2**32 - 1), st.integers(1, 5000), st.floats(0.01, 60))
def test_noise_is_read_off_the_lower_quartile(seed: int, cells: int, spread: float) -> None:
    draw = np.random.default_rng(seed)
    differences = draw.random((cells, 1)) * spread
    meter = NoiseMeter()
    meter.update(differences)
    quartile = float(np.quantile(differences.astype(np.float32), 0.25))
    assert meter.level == min(4.0, 0.8 + 0.2 * max(0.3, quartile))


@given(st.integers(0, 2**32 - 1), st.integers(600, 5000), st.floats(0.7, 1.6))
def test_exposure_is_the_median_ratio(seed: int, cells: int, gain: float) -> None:
    draw = np.random.default_rng(seed)
    before = draw.uniform(60, 120, (cells, 1))
    light = before * gain + draw.normal(0, 1, before.shape)
    wanted = round(256 * float(np.median(light / before)))
    found = exposure_gain(light, before, np.ones(before.shape, bool))
    assert found == (wanted if abs(wanted - 256) > 2 else 256)


@pytest.mark.parametrize("known", [False, True])
def test_exposure_needs_something_known(known: bool) -> None:
    before = np.full((30, 30), 100.0)
    gain = exposure_gain(before * 1.2, before, np.full(before.shape, known))
    assert gain == (307 if known else 256)


def _frame(draw: np.random.Generator, pixel_format: PixelFormat, size: tuple[int, int]) -> RawFrame:
    """Smooth places, texture and noise."""
    planes = []
    for shape in plane_shapes(pixel_format, *size):
        coarse = draw.uniform(20, 230, (shape[0] // 16 + 1, shape[1] // 16 + 1))
        plane = coarse.repeat(16, 0).repeat(16, 1)[: shape[0], : shape[1]]
        plane = plane + draw.normal(0, 1, shape) * draw.choice((1, 20))
        planes.append(np.clip(plane, 0, 255).astype(np.uint8))
    return RawFrame(tuple(planes), pixel_format, *size, Timestamp.from_seconds(0))


_SIZES = st.tuples(st.integers(1, 90), st.integers(1, 70))
_LAYOUTS = st.sampled_from(PixelFormat)


@settings(max_examples=400)
@given(st.integers(0, 2**32 - 1), _LAYOUTS, _SIZES)
def test_cells_asked_of_differ_as_they_do_in_the_whole(
    seed: int, pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    draw = np.random.default_rng(seed)
    now, before = (Lit.of(_frame(draw, pixel_format, size), 8) for _ in range(2))
    if draw.random() < 0.8:  # a shadow falls on most of it
        luma, *chroma = before.frame.planes
        luma = luma.copy()
        shaded = luma[:, : draw.integers(1, size[0] + 1)]
        shaded[:] = shaded * draw.uniform(0.65, 0.85)
        now = Lit.of(replace(before.frame, planes=(luma, *chroma)), 8)
    known = draw.random(now.light.shape) < 0.7
    asked = draw.random(now.light.shape) < draw.choice((0.02, 0.5))
    asked[tuple(draw.integers(0, side) for side in asked.shape)] = True
    part = compare(now, before, 8, known, 1.2, asked)
    whole = compare(now, before, 8, known, 1.2)
    assert np.array_equal(part.excess[asked], whole.excess[asked])
    assert np.array_equal(part.texture[asked], whole.texture[asked])


@given(st.integers(0, 2**32 - 1), _LAYOUTS, _SIZES)
def test_a_mosaic_knows_its_light_and_colours(
    seed: int, pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    draw = np.random.default_rng(seed)
    first, *others = (Lit.of(_frame(draw, pixel_format, size), 8) for _ in range(3))
    mosaic, other = Mosaic(first, 8), Mosaic(others[0], 8)
    for _ in range(6):
        cells = draw.random(first.light.shape) < 0.3
        mosaic.take(other.lit if draw.random() < 0.5 else others[1], cells)
        other.take(mosaic.lit, ~cells)
        if draw.random() < 0.5:
            mosaic.colours()
    for one in (mosaic, other):
        assert np.array_equal(one.lit.light, luma_means(one.lit.frame, 8))
        assert np.array_equal(one.colours(), cell_means(one.lit.frame, 8))
    assert np.array_equal(first.light, luma_means(first.frame, 8))
