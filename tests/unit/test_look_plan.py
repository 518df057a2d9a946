"""The budget of looks goes where least is known, and is not wasted."""

from __future__ import annotations

import numpy as np

from homeveil.clear.evidence import Evidence
from homeveil.clear.plan import START_LOOKS, LookPlan
from homeveil.grid import Grid

GRID = Grid(640, 360, 8)


def test_a_still_scene_costs_nothing() -> None:
    plan = LookPlan(GRID, 80.0)
    plan.earn(0.5, 0)
    assert plan.choose(Evidence(GRID), np.zeros(GRID.shape, np.float32)) == ()


def test_one_flickering_cell_costs_one_look_a_frame() -> None:
    plan = LookPlan(GRID, 80.0)
    wanted = np.zeros(GRID.shape, np.float32)
    wanted[20, 30] = 1
    plan.earn(0.5, 1)
    assert len(plan.choose(Evidence(GRID), wanted)) == 1


def test_few_cells_wait_for_company() -> None:
    """Single cells that flicker get few looks a second; many cells all there are."""
    for cells, least, most in ((1, 5, 40), (200, 395, 405)):
        plan = LookPlan(GRID, 80.0)
        plan.spend(START_LOOKS)
        wanted = np.zeros(GRID.shape, np.float32)
        wanted.flat[:cells] = 1
        looks = 0
        for _ in range(50):
            plan.earn(0.1, cells)
            looks += len(plan.choose(Evidence(GRID), wanted))
        assert least <= looks <= most


def test_no_frame_takes_all() -> None:
    """Looks that were saved up are not spent on one frame, which would come late."""
    plan = LookPlan(GRID, 80.0)
    plan.spend(START_LOOKS)
    plan.earn(10.0, 1000)
    assert plan.earn(1 / 30, 1000) == 4


def test_the_budget_holds() -> None:
    plan = LookPlan(GRID, 80.0)
    everything = np.ones(GRID.shape, np.float32)
    plan.earn(0.5, everything.size)
    assert len(plan.choose(Evidence(GRID), everything)) == START_LOOKS
    counts = []
    for _ in range(50):
        plan.earn(0.1, everything.size)
        counts.append(len(plan.choose(Evidence(GRID), everything)))
    assert sum(counts) <= 50 * 0.1 * 80 + 1


def test_looks_spent_elsewhere_are_gone() -> None:
    plan = LookPlan(GRID, 80.0)
    plan.spend(plan.earn(0.5, 1000))
    assert plan.choose(Evidence(GRID), np.ones(GRID.shape, np.float32)) == ()
