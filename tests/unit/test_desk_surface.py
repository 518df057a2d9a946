"""Where the work surface is looked for, and how closely it is then looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from homeveil.desk.surface import FIRST_LOOKS, WIDE_SECONDS, WorkSurface, beside_agent
from homeveil.desk.view import ANYWHERE, CLOSE_PIXELS, CLOSE_SIDE, CLOSEST, STEP, View
from homeveil.grid import Box

SIZE = (1280, 720)


def strip(work: WorkSurface, top: float, bottom: float = 1.0) -> NDArray[np.float32]:
    """A surface over the whole width between two heights of the wide view."""
    wide, high = work.wide.size
    surface = np.zeros((high // 4, wide // 4), np.float32)
    surface[round(top * high / 4) : round(bottom * high / 4)] = 0.9
    return surface


def looked(work: WorkSurface, surface: NDArray[np.float32], times: int, start: float = 0.0) -> None:
    for number in range(times):
        work.take(surface, np.ones(surface.shape, bool), start + number)


def test_a_strip_at_the_lower_rim_is_looked_at_closely() -> None:
    """After the first looks the view is the strip and what stands on it, larger than before."""
    work = WorkSurface(*SIZE)
    looked(work, strip(work, 0.75), FIRST_LOOKS - 1)
    assert work.close == ANYWHERE
    looked(work, strip(work, 0.75), 1)
    (left, top), (right, bottom) = work.close[0], work.close[2]
    assert (left, right, bottom) == (0.0, 1.0, 1.0)
    assert 0.70 < top < 0.84
    close = View.close(work.close, *SIZE)
    assert close.size[0] / close.box.width > 1.1 * work.wide.size[0] / work.wide.box.width
    assert close.box.area < 0.6 * work.wide.box.area


def test_without_a_surface_everything_is_looked_at() -> None:
    """A speck is none."""
    work = WorkSurface(*SIZE)
    surface = strip(work, 1.0)
    surface[-3:, :5] = 0.9
    looked(work, surface, FIRST_LOOKS)
    assert work.close == ANYWHERE


def test_what_was_hidden_does_not_count_as_bare() -> None:
    """Somebody before the desk does not make it smaller."""
    work = WorkSurface(*SIZE)
    looked(work, strip(work, 0.75), FIRST_LOOKS)
    before = work.close
    nothing = np.zeros_like(strip(work, 0.75))
    for number in range(20):
        work.take(nothing, np.zeros(nothing.shape, bool), 10.0 + number)
    assert work.close == before


def test_a_surface_on_the_agent_alone_is_none() -> None:
    """It counts on the agent as far as it goes on beside; where one side is not seen, beside the
    other; where none is, as it looks."""
    surface = np.full((8, 100), 0.9, np.float32)
    surface[:4, :40] = surface[:4, 60:] = 0.0
    agent = np.zeros(surface.shape, bool)
    agent[:, 40:60] = True
    seen = np.ones(surface.shape, bool)
    kept = beside_agent(surface, agent, seen)
    assert (kept[:4] == 0).all()
    assert np.allclose(kept[4:], surface[4:])
    surface[:4, :40] = 0.9
    assert (beside_agent(surface, agent, seen)[:4, agent[0]] == 0).all()
    seen[:4, 60:] = False
    assert np.allclose(beside_agent(surface, agent, seen), surface)
    seen[:] = False
    assert np.allclose(beside_agent(surface, agent, seen), surface)


def test_a_desk_that_comes_to_light_is_looked_at_whole() -> None:
    """Half of it was hidden at first; wide looks go on, and the view widens."""
    work = WorkSurface(*SIZE)
    left_half = strip(work, 0.75)
    left_half[:, left_half.shape[1] // 2 :] = 0
    looked(work, left_half, FIRST_LOOKS)
    assert work.close[2][0] < 0.65
    looked(work, strip(work, 0.75), 12, start=10.0)
    assert work.close[2][0] == 1.0


def test_wide_looks_are_few_and_survive_a_clock_set_back() -> None:
    """One in a while, and at once after a jump into the past."""
    work = WorkSurface(*SIZE)
    assert work.due(0.0)
    looked(work, strip(work, 0.75), FIRST_LOOKS)
    last = FIRST_LOOKS - 1.0
    assert not work.due(last + 0.5 * WIDE_SECONDS)
    assert work.due(last + WIDE_SECONDS)
    assert work.due(last - 100)


@given(
    st.tuples(*[st.floats(-50, 700)] * 4),
    st.sampled_from([ANYWHERE, ((0.1, 0.7), (0.9, 0.7), (0.9, 0.95), (0.1, 0.95))]),
)
def test_a_box_keeps_its_place_from_view_to_view(
    corners: tuple[float, float, float, float], polygon: tuple[tuple[float, float], ...]
) -> None:
    """Into shares of the frame and back, in views of frames of any size."""
    box = Box(*corners)
    view = View.of(polygon, *SIZE)
    back = view.pixels(view.shares(box))
    assert (back.x0, back.y0, back.x1, back.y1) == pytest.approx(corners, abs=1e-6)
    half = View.of(polygon, SIZE[0] // 2, SIZE[1] // 2)
    moved = half.pixels(view.shares(box))
    assert (moved.x0, moved.y1) == pytest.approx((box.x0, box.y1), abs=1e-6)


SHARES = st.tuples(st.floats(0, 0.8), st.floats(0.02, 1.0))


@given(SHARES, SHARES, st.sampled_from([SIZE, (640, 360), (720, 1280), (1920, 1080), (320, 240)]))
def test_a_close_look_stretches_nothing(
    across: tuple[float, float], down: tuple[float, float], frame: tuple[int, int]
) -> None:
    """It holds the zone, lies in the frame, costs no more than it may, and is as large one way
    as the other, but where the frame ends."""
    x0, x1 = across[0], min(1.0, across[0] + across[1])
    y0, y1 = down[0], min(1.0, down[0] + down[1])
    view = View.close(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), *frame)
    box, (width, height) = view.box, frame
    slack = 0.1 * STEP * max(box.width / view.size[0], box.height / view.size[1]) + 1e-6
    assert -1e-6 <= box.x0 <= x0 * width + slack
    assert x1 * width - slack <= box.x1 <= width + 1e-6
    assert -1e-6 <= box.y0 <= y0 * height + slack
    assert y1 * height - slack <= box.y1 <= height + 1e-6
    assert view.size[0] % STEP == view.size[1] % STEP == 0
    assert view.size[0] * view.size[1] <= (CLOSE_PIXELS**0.5 + STEP) ** 2 + STEP * CLOSE_SIDE
    across_scale, down_scale = view.size[0] / box.width, view.size[1] / box.height
    assert min(across_scale, down_scale) <= CLOSEST * CLOSE_SIDE / max(frame) * (1 + 1e-6)
    if box.width < width - 1 and box.height < height - 1:
        assert across_scale == pytest.approx(down_scale, rel=1e-6)


def test_a_zone_that_is_a_small_part_of_a_desk_is_not_blown_up() -> None:
    """A telephone in it would be larger than any the detector knows."""
    small = View.close(((0.4, 0.7), (0.5, 0.7), (0.5, 0.8), (0.4, 0.8)), *SIZE)
    assert small.size[0] / small.box.width == pytest.approx(CLOSEST * CLOSE_SIDE / SIZE[0])
