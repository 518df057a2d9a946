"""What looks may clear, and what they may not."""

from __future__ import annotations

import numpy as np

from homeveil.clear.scene import THING_PATIENCE_SECONDS, Scene
from homeveil.grid import Box, Grid
from homeveil.perceive.observation import Observation
from rooms import CELL, HEIGHT, WIDTH, frames, looks, texture, with_patch

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
