"""The agent's outline, and what the agent showed before: what they are trusted with."""

from __future__ import annotations

import numpy as np

from homeveil.clear.silhouette import Memory, Sight, body_distance, claimed_by, outline, reach
from homeveil.grid import BoolGrid, Box, CellWindow, Grid
from homeveil.perceive.observation import WHOLE, Observation, PeopleLook
from rooms import HEIGHT, WIDTH, frames, texture

GRID = Grid.over(WIDTH, HEIGHT)
WHOLE_FRAME = CellWindow(0, 0, *GRID.shape)
FACE = Box(100, 60, 140, 100)
NONE = np.zeros(GRID.shape, bool)
FLAT = np.zeros(GRID.shape, np.float32)


def mask(window: CellWindow, probability: float) -> PeopleLook:
    return PeopleLook(window, WHOLE, np.full(window.shape, probability, np.float32))


def columns(first: int, last: int) -> BoolGrid:
    cells = NONE.copy()
    cells[:, first:last] = True
    return cells


def test_an_outline_ends_where_no_body_can_be() -> None:
    """A mask that covers all the picture is not all the agent."""
    everywhere = np.ones(GRID.shape, np.float32)
    assert (outline(GRID, everywhere, FACE) == GRID.cells_in(reach(FACE, HEIGHT))).all()
    assert not outline(GRID, everywhere, FACE)[:2].any()


def test_what_is_as_near_to_somebody_is_theirs() -> None:
    """Midway, and some way to the agent's side of it."""
    other = FACE.moved(80, 0)
    claimed = claimed_by(GRID, FACE, body_distance(GRID, FACE), other, NONE)
    row = claimed[int(FACE.centre[1]) // GRID.cell]
    middle = int((FACE.centre[0] + other.centre[0]) / 2) // GRID.cell
    assert row[middle - 1 : middle + 4].all()
    assert not row[: int(FACE.centre[0]) // GRID.cell + 2].any()


def test_a_face_that_is_seen_is_behind_nothing() -> None:
    """However sure a pose is of the agent there: a small child may sit before them."""
    child, ours = Box(111, 120, 129, 138), body_distance(GRID, FACE)
    face, everywhere = GRID.cells_in(child), np.ones(GRID.shape, bool)
    unsure = claimed_by(GRID, FACE, ours, child, NONE)
    assert unsure[face].all()
    assert (claimed_by(GRID, FACE, ours, child, everywhere) == unsure).all()
    # One who passes behind an arm shows all of the face but its lower rim.
    arm = NONE.copy()
    arm[int(child.y1) // GRID.cell :] = True
    claimed = claimed_by(GRID, FACE, ours, child, arm)
    assert (claimed == unsure & ~arm | face).all()
    assert (unsure & arm & ~face).any()


def test_a_mask_of_before_says_nothing_of_what_is_new() -> None:
    """A close mask is void with the next look at the whole frame, the wide one where a cell
    changed."""
    sight, close = Sight(GRID), CellWindow(5, 5, 25, 20)
    sight.update(Observation(wide=mask(WHOLE_FRAME, 0.0), close=mask(close, 1.0)))
    assert sight.probability()[close.index].all()
    sight.update(Observation(wide=mask(WHOLE_FRAME, 0.0)))
    assert not sight.probability().any()
    assert sight.empty(sight.probability()).all()
    sight.forget(columns(3, 6))
    assert (sight.empty(sight.probability()) == ~columns(3, 6)).all()
    sight.update(Observation(wide=mask(WHOLE_FRAME, 1.0)))
    sight.forget(columns(3, 6))
    assert (sight.probability() == ~columns(3, 6)).all()


def test_only_what_the_agent_showed_undisputed_explains() -> None:
    """Not what somebody showed beside them, or where the agent was before."""
    room = texture(1)
    over = room.copy()
    over[:, 112:120] = room[:, 120:128]  # somebody comes one cell further, over column 14
    first, second = frames(lambda n: over if n else room, 2)
    memory, agent = Memory(GRID), columns(10, 15)
    memory.keep(first, agent)
    assert (memory.recalls(first, columns(5, 25), FLAT) == agent).all()
    assert (memory.recalls(second, agent, FLAT) == columns(10, 14)).all()
    memory.keep(second, columns(10, 14))
    assert (memory.recalls(second, agent, FLAT) == columns(10, 14)).all()
    assert not memory.explains(second, first, agent, columns(14, 15), FLAT).any()


def test_what_comes_back_from_memory_must_fit_better() -> None:
    """Than what was seen a frame ago, since it is trusted for longer."""
    lights = (100, 103, 104)
    before, alike, near = frames(lambda n: np.full((HEIGHT, WIDTH), lights[n], np.uint8), 3)
    memory, every = Memory(GRID), ~NONE
    memory.keep(before, every)
    assert memory.recalls(alike, every, FLAT).all()
    assert not memory.recalls(near, every, FLAT).any()
    assert memory.explains(near, before, every, every, FLAT).all()
