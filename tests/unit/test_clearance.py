"""What begins a change, and the last steps of a decision: what is an edge, and of whom."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.clearance import Clearance, Decision, Reason
from homeveil.clear.scene import Origin, Scene
from homeveil.fakes import fake_profile
from homeveil.grid import BoolGrid, Box, Grid
from homeveil.policy import Policy
from rooms import frames, texture, with_patch

GRID = Grid.over(320, 240)


def columns(first: int, last: int) -> BoolGrid:
    cells = np.zeros(GRID.shape, bool)
    cells[:, first:last] = True
    return cells


def reasons_of(
    *, agent: BoolGrid, others: BoolGrid, rimless: BoolGrid, grow: int = 1, seconds: float = 1.0
) -> list[Reason]:
    """Of each column, where nothing is scene and the agent is verified from 0 to 2 s."""
    clearance = Clearance(GRID, fake_profile(), Policy(grow_cells=grow))
    clearance._verified[1] = (0.0, 2.0)
    none, run = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, np.int32)
    decision = Decision(
        0, seconds, none, run - 1, run, agent, 1, others, rimless, unexplained=none, arrived=none
    )
    reasons = clearance.resolve(decision)
    assert (reasons == reasons[0]).all()
    return [Reason(value) for value in reasons[0]]


def test_what_the_agent_uncovers_beside_somebody_came_in() -> None:
    """Of what changes near the agent, the cells at and beside somebody else's are theirs."""
    room, other = texture(1), texture(2)
    first, second = frames(lambda n: with_patch(room, other[:80, :80], 80 * n - 80, 80), 2)
    scene = Scene(GRID, 0.6)
    changed = GRID.cells_in(Box(0, 80, 80, 160))
    others = GRID.cells_in(Box(0, 80, 32, 160))
    nobody = columns(0, 0)
    scene.advance(first, 0.0, nobody, nobody)
    assert (scene.advance(second, 0.1, columns(0, 40), others) == changed).all()
    theirs = GRID.cells_in(Box(0, 80, 40, 160))
    assert set(scene.origin[theirs]) == {Origin.ARRIVED}
    assert set(scene.origin[changed & ~theirs]) == {Origin.UNCOVERED}
    assert set(scene.origin[~changed]) == {Origin.STARTUP}


def test_a_change_voids_second_looks_at_it() -> None:
    """What they were to excuse is not there any more; looks elsewhere go on."""
    room = texture(1)
    first, second = frames(lambda n: with_patch(room, texture(2)[:32, :32], 80 * n - 32, 80), 2)
    for place, is_void in ((Box(48, 80, 80, 112), True), (Box(160, 80, 192, 112), False)):
        clearance = Clearance(GRID, None, Policy())
        clearance.begin(first, 0.0)
        cells = GRID.cells_in(place)
        clearance._second.suspect(cells, ~columns(0, 0), 0.0)
        assert clearance._second.ask(2)
        clearance.begin(second, 0.1)
        assert bool(clearance._second.ask(2)) is not is_void


@pytest.mark.parametrize("grow", [1, 3])
def test_cells_of_the_agent_beside_somebody_are_veiled(grow: int) -> None:
    """As many as the policy says, since an outline is never exact."""
    found = reasons_of(
        agent=columns(4, 20), others=columns(20, 26), rimless=columns(0, 0), grow=grow
    )
    assert set(found[4 : 20 - grow]) == {Reason.AGENT}
    assert set(found[20 - grow : 20]) == {Reason.EDGE}
    assert set(found[20:26]) == {Reason.PERSON}
    assert set(found[26:]) == {Reason.UNCLEARED}


def test_what_is_merely_nearer_to_somebody_has_no_edge() -> None:
    found = reasons_of(agent=columns(4, 20), others=columns(20, 26), rimless=columns(20, 26))
    assert set(found[4:20]) == {Reason.AGENT}
    assert set(found[20:26]) == {Reason.PERSON}


@pytest.mark.parametrize("seconds", [0.0, 2.1])
def test_outside_the_time_of_proof_nobody_is_the_agent(seconds: float) -> None:
    nobody = columns(0, 0)
    found = reasons_of(agent=columns(4, 20), others=nobody, rimless=nobody, seconds=seconds)
    assert set(found) == {Reason.UNCLEARED}


def test_the_agents_rim_reaches_into_nobody() -> None:
    """One cell more for hair and clothes, but none that somebody claims or is near."""
    clearance = Clearance(GRID, fake_profile(), Policy())
    (frame,) = frames(lambda _: texture(1), 1)
    agent, nobody = columns(10, 20), columns(0, 0)

    def with_edge(others: BoolGrid, claimed: BoolGrid) -> BoolGrid:
        return clearance._with_edge(frame, 0.0, agent, others, claimed)

    assert (with_edge(nobody, nobody) == columns(9, 21)).all()
    assert (with_edge(nobody, columns(20, 24)) == columns(9, 20)).all()
    assert (with_edge(columns(21, 24), nobody) == columns(9, 20)).all()
    assert (with_edge(columns(22, 24), nobody) == columns(9, 20)).all()
    assert (with_edge(columns(23, 24), nobody) == columns(9, 21)).all()


@pytest.mark.parametrize("company", [False, True])
def test_while_somebody_is_about_a_rim_that_changed_must_be_explained(company: bool) -> None:
    """What comes out beside the agent's neck is not hair. The agent who moves a little is."""
    room = texture(1)
    rows, moved = slice(80, 160), room.copy()
    moved[rows, 72:80] = texture(2)[rows, 72:80]
    moved[rows, 160:168] = room[rows, 152:160]
    first, second = frames(lambda n: moved if n else room, 2)
    clearance = Clearance(GRID, fake_profile(), Policy())
    agent, nobody = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    clearance._outline = clearance._agent_before = agent
    if company:
        clearance._company_seconds = 0.0
    clearance.begin(second, 0.1)
    shown = clearance._with_edge(second, 0.1, agent, nobody, nobody)
    came_out = GRID.cells_in(Box(72, 80, 80, 160))
    expected = columns(9, 21) & ~came_out if company else columns(9, 21)
    assert (shown == expected).all()


def test_the_rim_of_what_is_not_explained_is_not_either() -> None:
    """Half a head that comes out beside the agent's would show the other half: what is withdrawn
    is withdrawn with its rim."""
    clearance = Clearance(GRID, fake_profile(), Policy())
    none = np.zeros(GRID.shape, bool)
    clearance._unexplained = columns(10, 12)
    (frame,) = frames(lambda _: texture(1), 1)
    agent = clearance._with_edge(frame, 0.0, columns(10, 20), none, none)
    assert (agent == columns(9, 21)).all()
    assert (clearance._unexplained == columns(9, 12)).all()
    clearance._unexplained = columns(9, 10)
    clearance._verified[1] = (0.0, 2.0)
    clearance._moves.append((1.2, columns(6, 8)))
    run = np.zeros(GRID.shape, np.int32)
    decision = Decision(
        0, 1.0, none, run - 1, run, agent, 1, none, none, columns(9, 12), arrived=none
    )
    reasons = clearance.resolve(decision)
    assert (reasons[:, 9:12] == Reason.PERSON).all()
    assert (reasons[:, 13:20] == Reason.AGENT).all()


def test_what_was_not_explained_is_not_either_while_it_holds_still() -> None:
    """For a moment: a camera may give each frame thrice, and who moves slowly past one does not
    change in every frame."""
    room = texture(1)
    change = GRID.cells_in(Box(96, 80, 112, 160))
    picture = with_patch(room, texture(2)[:80, :16], 96, 80)
    first, *others = frames(lambda n: picture if n else room, 6, rate=30)
    clearance = Clearance(GRID, fake_profile(), Policy())
    body, none = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    clearance._outline = clearance._agent_before = body
    clearance._company_seconds = 0.0
    for number, frame in enumerate(others, 1):
        seconds = number / 30
        clearance.begin(frame, seconds)
        agent, foreign = clearance._contest(frame, seconds, body, none, none, none)
        assert (agent == body).all()
        assert not foreign.any()
        unexplained = change if number <= 3 else none
        assert (clearance._unexplained == unexplained).all(), number


def test_what_comes_out_beside_the_head_is_withdrawn_for_as_long_as_frames_wait() -> None:
    """With nobody about, what the agent does not explain is shown. Above the shoulders it is
    remembered: when somebody comes out there soon after, it was theirs."""
    room = texture(1)
    picture = with_patch(room, texture(2)[:160, :16], 96, 40)
    first, second = frames(lambda n: picture if n else room, 2)
    clearance = Clearance(GRID, fake_profile(), Policy())
    clearance._limbs._shoulders = 120.0
    clearance._verified[1] = (0.0, 2.0)
    body, none = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    clearance._outline = clearance._agent_before = body
    clearance.begin(second, 0.1)
    agent, foreign = clearance._contest(second, 0.1, body, none, none, none)
    beside = GRID.cells_in(Box(96, 40, 112, 120))
    assert (agent == body).all()
    assert not foreign.any()
    assert (clearance._unexplained == beside).all()
    run = np.zeros(GRID.shape, np.int32)

    def decided() -> Decision:
        return Decision(
            0, 0.1, none, run - 1, run, agent, 1, none, none, clearance._unexplained, arrived=none
        )

    assert (clearance.resolve(decided())[body] == Reason.AGENT).all()
    clearance._moves.append((0.4, columns(6, 8)))
    reasons = clearance.resolve(decided())
    assert (reasons[beside] == Reason.PERSON).all()
    assert (reasons[columns(15, 20)] == Reason.AGENT).all()
