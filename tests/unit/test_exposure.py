"""Dark pictures are brightened for the models, and only for them."""

from __future__ import annotations

import numpy as np

from homeveil.fakes import fake_frames
from homeveil.perceive.exposure import MOST_GAIN, TARGET_LUMA, exposed, gain_for


def frame_of(level: int):
    return next(fake_frames(lambda n: np.full((72, 128), level, np.uint8), 1))


def test_dark_frames_come_to_the_target() -> None:
    dark = frame_of(60)
    rgb = np.full((8, 8, 3), 60, np.uint8)
    assert abs(int(exposed(rgb, gain_for(dark))[0, 0, 0]) - TARGET_LUMA) <= 1
    assert (dark.planes[0] == 60).all()


def test_lit_frames_pass_as_they_are() -> None:
    rgb = np.full((8, 8, 3), 120, np.uint8)
    assert exposed(rgb, gain_for(frame_of(120))) is rgb


def test_black_frames_are_not_blown_up() -> None:
    rgb = np.full((8, 8, 3), 10, np.uint8)
    assert exposed(rgb, gain_for(frame_of(0))).max() <= 10 * MOST_GAIN
    assert exposed(np.full((8, 8, 3), 250, np.uint8), gain_for(frame_of(30))).max() == 255
