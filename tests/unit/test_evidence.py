"""Who was seen and stirs is not gone."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.evidence import BANDS, LOOKS_NEEDED, SOMEBODY_CELLS, Evidence
from homeveil.clear.scene import Scene
from homeveil.grid import BoolGrid, Grid
from homeveil.perceive.observation import Observation
from rooms import CELL, HEIGHT, WIDTH, frames, looks, texture

GRID = Grid(WIDTH, HEIGHT, CELL)
NONE = np.zeros(GRID.shape, bool)


def area(top: int, bottom: int, left: int, right: int) -> BoolGrid:
    cells = NONE.copy()
    cells[top:bottom, left:right] = True
    return cells


BODY = area(8, 22, 25, 27)


def look(evidence: Evidence, seen: BoolGrid) -> None:
    for one in looks(seen):
        evidence.add_look(one, NONE, NONE)
    evidence.occupied()


def test_they_are_there_until_the_place_was_looked_at_anew() -> None:
    evidence = Evidence(GRID)
    look(evidence, BODY)
    evidence.forget(BODY)
    evidence.occupied()
    assert (evidence.stirred() == BODY).all()
    for _ in range(LOOKS_NEEDED - 1):
        look(evidence, NONE)
        assert (evidence.stirred() == BODY).all()
    look(evidence, NONE)
    assert not evidence.stirred().any()


def test_they_are_there_while_looks_see_them() -> None:
    evidence = Evidence(GRID)
    look(evidence, BODY)
    evidence.forget(BODY)
    for _ in range(LOOKS_NEEDED + 1):
        look(evidence, BODY)
        assert (evidence.stirred() == BODY).all()


def test_who_stirs_part_by_part_is_one() -> None:
    evidence = Evidence(GRID)
    look(evidence, BODY)
    for row in range(8, 22):
        evidence.forget(area(row, row + 1, 25, 27))
        evidence.occupied()
    assert (evidence.stirred() == BODY).all()


def test_what_is_too_small_to_be_anybody_is_not_remembered() -> None:
    evidence = Evidence(GRID)
    speck = area(8, 11, 25, 28)
    assert speck.sum() < SOMEBODY_CELLS
    look(evidence, speck)
    evidence.forget(speck)
    evidence.occupied()
    assert not evidence.stirred().any()


@pytest.mark.parametrize("sways", [True, False])
def test_a_sliver_beside_who_sways_is_not_cleared(sways: bool) -> None:
    """Somebody half behind a door: looks see them but for a sliver, and what they say of the rest
    is void as soon as it moves."""
    scene, room = Scene(GRID, hold_seconds=0.3), texture(12)
    first, other = room.copy(), room.copy()
    pixels = np.repeat(np.repeat(BODY, CELL, 0), CELL, 1)
    other[pixels] = np.clip(room[pixels].astype(int) + 12, 0, 255)
    sliver = area(8, 22, 27, 28)
    for number, frame in enumerate(frames(lambda n: other if sways and n % 2 else first, 20)):
        seconds = number / 10
        changed = scene.advance(frame, seconds, NONE, NONE)
        seen = Observation(None, None, looks(BODY), (), (), ())
        scene.observe(seen, NONE, changed | (BODY & sways & (number > 0)))
        scene.settle(frame, seconds, NONE, NONE, NONE)
        scene.remember(frame)
        assert not (scene.on_plate & (sliver | BODY)).any(), number
    assert scene.on_plate[:, :20].all()


def test_a_place_was_looked_at_enough_only_at_every_scale() -> None:
    """Somebody far away is seen at the finest, somebody near at the coarsest alone."""
    for band in range(1, BANDS):
        evidence = Evidence(GRID)
        for _ in range(LOOKS_NEEDED):
            for one in looks(NONE):
                if one.band != band:
                    evidence.add_look(one, NONE, NONE)
        (left,) = (one for one in looks(NONE) if one.band == band)
        for _ in range(LOOKS_NEEDED):
            assert not evidence.looked_enough().any()
            evidence.add_look(left, NONE, NONE)
        assert evidence.looked_enough().all()
