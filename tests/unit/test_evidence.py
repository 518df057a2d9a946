"""Who was seen and stirs is not gone."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.evidence import (
    BANDS,
    FACE_ALONE,
    LOOKS_NEEDED,
    SOMEBODY_CELLS,
    Evidence,
    face_and_body,
)
from homeveil.clear.scene import Scene
from homeveil.grid import BoolGrid, Box, CellWindow, Grid
from homeveil.perceive.observation import Face, Observation, PeopleLook
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


def test_a_face_that_was_found_stays_until_its_place_changes() -> None:
    """Though later looks are less sure, and no mask sees anybody: with the body below it, it is
    somebody, and a plate there was wrong."""
    evidence, at = Evidence(GRID), Box(160, 80, 176, 96)
    person = GRID.cells_in(face_and_body(Face(at, FACE_ALONE, 2)))
    for score in (FACE_ALONE, 0.1):
        evidence.add_face(Face(at, score, 2))
        look(evidence, NONE)
        assert (evidence.face_there() == person).all()
        assert (evidence.contradicted() == person).all()
        assert (evidence.occupied()[0] == person).all()
    evidence.forget_looks(person)
    assert (evidence.face_there() == person).all()
    evidence.forget(person)
    assert not evidence.face_there().any()


def test_who_stands_has_feet() -> None:
    """Masks lose them first: what is below somebody tall is theirs too, and nobody's below a wide
    thing."""
    evidence, wide = Evidence(GRID), area(8, 12, 2, 16)
    look(evidence, BODY | wide)
    assert (evidence.occupied()[0] == (area(8, 29, 25, 27) | wide)).all()


def test_the_rim_of_a_look_does_not_count() -> None:
    """Whoever is cut off there is not seen; at the rim of the picture nothing is cut off."""
    evidence = Evidence(GRID)
    for window in (CellWindow(5, 5, 25, 35), CellWindow(0, 0, 20, 30)):
        evidence.add_look(PeopleLook(window, 1, np.ones(window.shape, np.float32)), NONE, NONE)
    inner, corner = area(7, 23, 8, 32), area(0, 18, 0, 27)
    assert (evidence.looks[1] == inner.astype(int) + corner).all()
    assert (evidence.votes[1] == inner.astype(int) + corner).all()


def test_what_was_excused_is_suspected_anew_when_it_changes() -> None:
    evidence = Evidence(GRID)
    look(evidence, BODY)
    evidence.excuse(BODY)
    assert not evidence.suspected().any()
    evidence.forget(BODY)
    look(evidence, BODY)
    assert (evidence.suspected() == BODY).all()
