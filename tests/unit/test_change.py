"""What is read off whole frames: noise and exposure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeveil.clear.change import NoiseMeter, exposure_gain


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
