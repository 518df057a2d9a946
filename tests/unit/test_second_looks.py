"""Second looks: what may excuse a still thing that a mask took for somebody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from homeveil.clear.second import SIZES, SecondLooks
from homeveil.fakes import FakePerceiver, FakeScene
from homeveil.frames import RawFrame
from homeveil.grid import CellWindow, Grid
from homeveil.perceive.observation import WHOLE, LookRequest, Observation, PeopleLook
from homeveil.policy import Policy, Style
from homeveil.redactor import Redactor
from rooms import frames, shown, texture

GRID = Grid(640, 360, 8)
PATCH = CellWindow(20, 30, 24, 34)


def patch_cells(window: CellWindow = PATCH) -> np.ndarray:
    cells = np.zeros(GRID.shape, bool)
    cells[window.index] = True
    return cells


def review(looks: SecondLooks, probability_of) -> np.ndarray:
    """Answer every look with ``probability_of(side of the window)`` until none is asked."""
    excused = np.zeros(GRID.shape, bool)
    while windows := looks.ask(8):
        answers = [
            PeopleLook(w, WHOLE, np.full(w.shape, probability_of(w.shape[1]), np.float32))
            for w in windows
        ]
        excused |= looks.answer(answers)
    return excused


def opened(cells: np.ndarray) -> SecondLooks:
    looks = SecondLooks(GRID)
    looks.suspect(cells, np.ones(GRID.shape, bool), 0.0)
    return looks


def sides() -> list[int]:
    """Sides of the windows of the ladder, smallest first."""
    return sorted({window.shape[1] for _, window in SecondLooks(GRID)._ladder(PATCH)})


def test_what_one_size_takes_for_somebody_is_excused() -> None:
    ladder = sides()
    for size in ladder:
        excused = review(opened(patch_cells()), lambda side, size=size: float(side == size))
        assert (excused == patch_cells()).all()


def test_what_two_sizes_in_a_row_see_is_excused_and_three_are_not() -> None:
    ladder = sides()
    assert len(ladder) == SIZES
    for first in range(SIZES - 2):
        two, three = ladder[first : first + 2], ladder[first : first + 3]
        assert review(opened(patch_cells()), lambda side, s=two: float(side in s)).any()
        assert not review(opened(patch_cells()), lambda side, s=three: float(side in s)).any()


def test_a_change_voids_the_review() -> None:
    looks = opened(patch_cells())
    assert looks.ask(4)
    looks.forget(patch_cells(CellWindow(21, 31, 22, 32)))
    assert looks.ask(4) == ()


def test_large_things_are_never_excused() -> None:
    assert opened(patch_cells(CellWindow(2, 2, 30, 30))).ask(8) == ()


def test_a_patch_that_also_moved_is_not_reviewed() -> None:
    looks = SecondLooks(GRID)
    settled = np.ones(GRID.shape, bool)
    settled[22, 33] = False
    looks.suspect(patch_cells(), settled, 0.0)
    assert looks.ask(8) == ()


class Suspicious(FakePerceiver):
    """Sees somebody in one place in the finest band, and ``again`` on second looks there."""

    again = 0.0

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        seen = FakePerceiver.look(self, frame, grid, request)
        place = np.zeros(grid.shape, np.float32)
        place[20:24, 10:14] = 1.0
        people = tuple(
            PeopleLook(w, band, 0.9 * place[w.index] if band >= 3 else look.probability)
            for (w, band), look in zip(request.regions, seen.people, strict=True)
        )
        checks = tuple(PeopleLook(w, WHOLE, self.again * place[w.index]) for w in request.checks)
        return replace(seen, people=people, checks=checks)


@pytest.mark.parametrize(("again", "is_shown"), [(0.0, True), (0.6, False)])
def test_a_thing_is_shown_only_when_second_looks_see_nobody(again: float, is_shown: bool) -> None:
    perceiver = Suspicious(FakeScene())
    perceiver.again = again
    policy = Policy(style=Style.FILL, looks_per_second=1000.0)
    raws = frames(lambda n: texture(1), 60)
    with Redactor(None, policy, perceiver=perceiver, delay_seconds=0.0) as redactor:
        out = [veiled for raw in raws for veiled in redactor.process(raw)]
    share = shown(raws[-1].planes[0], out[-1].planes[0], 80, 160, 112, 192)
    assert share > 0.98 if is_shown else share < 0.05
