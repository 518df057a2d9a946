"""What looks may clear, and what they may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from homeveil import _kernels
from homeveil.clear.scene import THING_PATIENCE_SECONDS, Scene
from homeveil.grid import BoolGrid, Box, Grid
from homeveil.perceive.observation import Observation, PeopleLook
from rooms import CELL, HEIGHT, WIDTH, Picture, frames, looks, texture, with_patch

GRID = Grid(WIDTH, HEIGHT, CELL)
NONE = np.zeros(GRID.shape, bool)


def test_what_came_in_where_a_plate_is_known_waits_for_its_return() -> None:
    """For a minute; and what was never cleared waits for looks at once."""
    room, came_in = texture(1), GRID.cells_in(Box(96, 80, 160, 160))
    unseen = GRID.cells_in(Box(0, 0, 32, 240))
    other = with_patch(room, texture(2)[:80, :64], 96, 80)
    scene = Scene(GRID, hold_seconds=0.3)
    for number, frame in enumerate(frames(lambda n: other if n == 40 else room, 41)):
        seconds = number / 10
        scene.advance(frame, seconds, NONE, NONE)
        scene.observe(Observation(people=looks(NONE)), NONE, unseen)
        scene.settle(frame, seconds, NONE, NONE, NONE)
        scene.remember(frame)
        if number == 39:
            assert (scene.awaits_looks(seconds) == unseen).all()
    assert not scene.on_plate[came_in].any()
    assert (scene.awaits_looks(seconds) == unseen).all()
    later = seconds + THING_PATIENCE_SECONDS
    assert (scene.awaits_looks(later) == (unseen | came_in)).all()


def seen(sure: BoolGrid, faint: BoolGrid, probability: float) -> Observation:
    """Looks at all scales that see somebody in the cells ``sure``, the second of them something in
    ``faint``."""

    def of(look: PeopleLook) -> PeopleLook:
        there = np.where(faint, np.float32(probability), look.probability)
        return replace(look, probability=there) if look.band == 2 else look

    return Observation(people=tuple(map(of, looks(sure))))


def test_what_the_agent_left_is_cleared_where_it_is_empty_and_nobody_is_near() -> None:
    """The looks of that frame must call it empty, and neither somebody else nor what one scale
    takes for somebody may be beside it."""
    room, left = texture(1), GRID.cells_in(Box(96, 80, 160, 160))
    others = GRID.cells_in(Box(160, 80, 176, 160))
    empty = GRID.cells_in(Box(0, 0, 320, 120))
    spot = GRID.cells_in(Box(104, 88, 112, 96))
    after = with_patch(room, texture(2)[:80, :64], 96, 80)
    scene = Scene(GRID, hold_seconds=0.3)
    for number, frame in enumerate(frames(lambda n: after if n >= 20 else room, 30)):
        seconds = number / 10
        scene.advance(frame, seconds, left, NONE)
        scene.observe(seen(NONE, spot & (number >= 20), 0.2), NONE, NONE)
        scene.settle(frame, seconds, NONE, others & (number >= 20), empty | (number < 20))
        scene.remember(frame)
        if number == 19:
            assert scene.on_plate.all()
    near = _kernels.grow(others, 2) | _kernels.grow(spot, 1)
    assert (scene.on_plate == ~left | (empty & ~near)).all()


def test_beside_somebody_a_trace_is_enough() -> None:
    """Masks end where a sleeve or hair begins: what is next to somebody is not cleared, nor is what
    is near them and has a trace of them."""
    body = GRID.cells_in(Box(200, 64, 216, 176))
    trace = GRID.cells_in(Box(216, 64, 280, 120))
    scene = Scene(GRID, hold_seconds=0.3)
    for number, frame in enumerate(frames(lambda _: texture(1), 20)):
        scene.advance(frame, number / 10, NONE, NONE)
        scene.observe(seen(body, trace, 0.1), NONE, NONE)
        scene.settle(frame, number / 10, NONE, NONE, NONE)
        scene.remember(frame)
    beside, near = _kernels.grow(body, 1), _kernels.grow(body, 3)
    veiled = GRID.cells_in(Box(192, 56, 280, 176)) & ~scene.on_plate
    assert (veiled == GRID.cells_in(Box(192, 56, 280, 176)) & (beside | (near & trace))).all()


def test_after_a_shock_all_is_looked_at_anew() -> None:
    """Also the quarter of the room that shows no change: another place may have a wall there."""
    room, scene = texture(1), Scene(GRID, hold_seconds=0.3)
    other = with_patch(room, texture(2, 240, HEIGHT), 0, 0)
    for number, frame in enumerate(frames(lambda n: other if n >= 20 else room, 40)):
        scene.advance(frame, number / 10, NONE, NONE)
        if not 20 <= number < 30:
            scene.observe(Observation(people=looks(NONE)), NONE, NONE)
        scene.settle(frame, number / 10, NONE, NONE, NONE)
        scene.remember(frame)
        if number == 20:
            assert scene.began_anew
        assert scene.on_plate.all() or not 10 <= number < 20
        assert not scene.on_plate.any() or not 20 <= number < 30
    assert scene.on_plate.all()


def test_what_is_new_behind_a_gap_is_looked_at_anew() -> None:
    """Where no plate is known looks from before the gap say nothing of what is there now."""
    room, scene = texture(1), Scene(GRID, hold_seconds=0.3)
    place = GRID.cells_in(Box(96, 80, 160, 160))
    other = with_patch(room, texture(2)[:80, :64], 96, 80)
    for number, frame in enumerate(frames(lambda n: other if n >= 20 else room, 30)):
        if number == 20:
            scene.skip(same_room=False)
        scene.advance(frame, number / 10, NONE, NONE)
        if number < 20:
            scene.observe(Observation(people=looks(NONE)), NONE, NONE)
        scene.settle(frame, number / 10, place & (number < 20), NONE, NONE)
        scene.remember(frame)
        if number >= 10:
            assert (scene.on_plate == ~place).all(), number


@pytest.mark.parametrize("flickers", [False, True])
def test_a_speck_is_cleared_as_a_whole_or_not_at_all(flickers: bool) -> None:
    """What came in and is too small to be anybody is forgiven when all of it held still for a
    minute; while a corner of it stirs, it is not."""
    room, speck = texture(1), texture(2)[:16, :16]
    cells, corner = GRID.cells_in(Box(96, 80, 112, 96)), GRID.cells_in(Box(104, 88, 112, 96))

    def picture(number: int) -> Picture:
        there = with_patch(room, speck, 96, 80) if number >= 30 else room
        stirs = flickers and number >= 30 and number % 2
        return with_patch(there, texture(3)[:8, :8], 104, 88) if stirs else there

    scene = Scene(GRID, hold_seconds=0.3)
    for number, frame in enumerate(frames(picture, 45)):
        seconds = number / 10 if number < 30 else 3 + 8 * (number - 30)
        scene.advance(frame, seconds, NONE, NONE)
        scene.observe(Observation(people=looks(NONE)), NONE, NONE)
        scene.settle(frame, seconds, NONE, NONE, NONE)
        scene.remember(frame)
        if number >= 30:
            assert scene.on_plate[cells].any() == (number > 37 and not flickers), number
    assert scene.on_plate[~cells].all()
    assert scene.on_plate[cells & ~corner].all() == (not flickers)
