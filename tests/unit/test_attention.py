"""How deep a frame is looked at: less only while nothing stirs where nobody looks."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.attention import (
    CALM_SECONDS,
    CLOSE_SECONDS,
    STEADY_SECONDS,
    STIRRED_SECONDS,
    SWAYING_SECONDS,
    WHOLE_SECONDS,
    Attention,
)
from homeveil.grid import CellWindow
from homeveil.perceive.observation import Depth

SHAPE = (40, 60)
CLOSE = CellWindow(5, 15, 40, 45)
FRAME = 1 / 30


def body() -> np.ndarray:
    grid = np.zeros(SHAPE, bool)
    grid[10:40, 20:40] = True
    return grid


def patch(row: int, col: int, cells: int = 4) -> np.ndarray:
    grid = np.zeros(SHAPE, bool)
    grid[row : row + 2, col : col + cells // 2] = True
    return grid


def depths(attention: Attention, start: float, frames: int, **how: bool) -> list[Depth]:
    how = {"verified": True, "alone": True} | how
    return [attention.choose(start + n * FRAME, **how) for n in range(frames)]


@pytest.fixture
def calm() -> Attention:
    """Nothing has stirred for long, and all was just looked at."""
    attention = Attention()
    attention.disturb(0.0)
    depths(attention, 0.0, int(CALM_SECONDS / FRAME))
    attention.choose(1.0, verified=False, alone=True)
    return attention


def notice(attention: Attention, seconds: float, changed: np.ndarray) -> None:
    attention.notice(seconds, changed, np.full(SHAPE, 3.0, np.float32), body(), CLOSE)


def test_a_calm_scene_is_looked_at_now_and_then(calm: Attention) -> None:
    """The whole frame every half second, the agent a dozen times a second, else nothing."""
    chosen = depths(calm, 1.01, 60)
    assert chosen.count(Depth.WHOLE) == pytest.approx(2 / WHOLE_SECONDS, abs=1)
    looked = len(chosen) - chosen.count(Depth.NOTHING)
    assert 2 / (CLOSE_SECONDS + FRAME) - 1 <= looked <= 2 / CLOSE_SECONDS + 2


def test_what_stirs_far_from_the_agent_is_looked_at_in_the_same_frame(calm: Attention) -> None:
    """A patch that changed outside the close look: all is looked at, at once and often for a
    while."""
    depths(calm, 1.01, 10)
    notice(calm, 1.35, patch(20, 2))
    chosen = depths(calm, 1.35, int(CALM_SECONDS / FRAME) - 1)
    assert chosen[0] is Depth.WHOLE
    assert chosen.count(Depth.WHOLE) == pytest.approx(CALM_SECONDS / STIRRED_SECONDS, abs=2)


def test_what_stirs_beside_the_agent_is_looked_at_in_the_same_frame(calm: Attention) -> None:
    """A patch that changed at the outline's rim or beside it: a close look, at once."""
    for n, (row, col) in enumerate(((20, 41), (20, 19), (9, 25))):
        seconds = 1.06 + n
        calm.choose(seconds - 1.2 * SWAYING_SECONDS, verified=False, alone=True)
        notice(calm, seconds, patch(row, col))
        chosen = depths(calm, seconds, int(STEADY_SECONDS / FRAME))
        assert chosen[0] is not Depth.NOTHING
        assert chosen.count(Depth.NOTHING) <= len(chosen) // 2


def test_what_stirs_within_the_outline_changes_nothing(calm: Attention) -> None:
    """Hands that type before the agent's own body."""
    notice(calm, 1.1, patch(25, 28))
    assert Depth.NOTHING in depths(calm, 1.1, 4)


@pytest.mark.parametrize("close", [None, CLOSE])
def test_without_a_close_look_everything_beside_is_far(
    calm: Attention, close: CellWindow | None
) -> None:
    calm.notice(1.2, patch(20, 41), np.full(SHAPE, 3.0, np.float32), body(), close)
    assert (depths(calm, 1.2, 1) == [Depth.WHOLE]) == (close is None)


def test_doubt_looks_at_everything(calm: Attention) -> None:
    """Until somebody is verified all of every frame is looked at; often where others are."""
    assert set(depths(calm, 1.1, 30, verified=False)) == {Depth.WHOLE}
    assert depths(calm, 3.0, 30, alone=False).count(Depth.WHOLE) >= 7
