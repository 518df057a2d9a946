"""The people masks' last layer, rewritten, says what the files say; other files are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from boxes import needs_models
from homeveil.models import store
from homeveil.perceive._graph import quicker
from homeveil.perceive._litert import LiteNetwork

MASKS = ("people_mask_wide", "people_mask_square")
OTHERS = ("face_detection_full", "face_detection_short", "face_landmarks")


def file_of(purpose: str) -> bytes:
    return store.load((purpose,), {}).data[purpose]


@needs_models
@pytest.mark.parametrize("purpose", MASKS)
def test_the_numbers_stay_the_same(purpose: str) -> None:
    model = file_of(purpose)
    assert quicker(model) != model
    rng = np.random.default_rng(5)
    with LiteNetwork(model, purpose) as plain, LiteNetwork(quicker(model), purpose) as rewritten:
        width, height = plain.size
        shape = (1, height, width, 1)
        for level in (0, 128, 255, None):
            rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
            if level is not None:
                rgb[:] = level
            (wanted,), (found,) = plain.run(rgb, 0.0, shape), rewritten.run(rgb, 0.0, shape)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@needs_models
@pytest.mark.parametrize("purpose", OTHERS)
def test_other_networks_are_left_alone(purpose: str) -> None:
    model = file_of(purpose)
    assert quicker(model) is model


@needs_models
def test_nothing_is_rewritten_twice() -> None:
    once = quicker(file_of("people_mask_square"))
    assert quicker(once) is once


def test_what_is_no_model_is_left_alone() -> None:
    rng = np.random.default_rng(6)
    for size in (0, 3, 40, 4000):
        for _ in range(50):
            data = rng.integers(0, 256, size, np.uint8).tobytes()
            assert quicker(data) is data
        assert quicker(bytes(size)) == bytes(size)


@needs_models
def test_a_damaged_file_is_left_alone_or_still_whole() -> None:
    """Whatever becomes of it, reading it raises nothing here; the runtime judges it."""
    model, rng = file_of("people_mask_wide"), np.random.default_rng(7)
    for _ in range(200):
        data = bytearray(model)
        for place in rng.integers(0, len(data), 20):
            data[place] = int(rng.integers(0, 256))
        assert len(quicker(bytes(data))) >= len(model)
