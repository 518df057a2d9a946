"""What begins a change, and the last steps of a decision: what is an edge, and of whom."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.camera import CameraMotion
from homeveil.clear.clearance import Clearance, Decision, Reason
from homeveil.clear.evidence import LOOKS_NEEDED
from homeveil.clear.limbs import bust
from homeveil.clear.scene import Origin, Scene
from homeveil.clear.tracks import Track
from homeveil.fakes import FakePerceiver, FakeScene, fake_profile
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, Box, CellWindow, Grid
from homeveil.perceive.observation import WHOLE, LookRequest, Observation, PeopleLook
from homeveil.policy import Policy, Style
from homeveil.redactor import Redactor
from rooms import frames, looks, shown, texture, with_masks, with_patch

GRID = Grid.over(320, 240)


def columns(first: int, last: int) -> BoolGrid:
    cells = np.zeros(GRID.shape, bool)
    cells[:, first:last] = True
    return cells


def outlined(clearance: Clearance, body: BoolGrid, agent: BoolGrid | None = None) -> None:
    """As a look at 0 s leaves it: the agent's outline, and what of it is shown as the agent's."""
    clearance._outline, clearance._outlined_seconds = body, 0.0
    clearance._agent_before = body if agent is None else agent


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


@pytest.mark.parametrize("somebody", [True, False])
def test_the_least_that_changes_beside_somebody_came_in(somebody: bool) -> None:
    """A fingertip that comes out further; elsewhere a single cell is noise."""
    room = texture(1)
    first, second = frames(lambda n: with_patch(room, room[80:88, 80:88] + 25 * n, 80, 80), 2)
    cell, nobody = GRID.cells_in(Box(80, 80, 88, 88)), columns(0, 0)
    others = GRID.cells_in(Box(64, 64, 80, 160)) if somebody else nobody
    scene = Scene(GRID, 0.6)
    scene.advance(first, 0.0, nobody, nobody)
    assert (scene.advance(second, 0.1, nobody, others) == cell).all()
    assert set(scene.origin[cell]) == {Origin.ARRIVED if somebody else Origin.STARTUP}
    assert set(scene.origin[~cell]) == {Origin.STARTUP}


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
    outlined(clearance, agent)
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
    outlined(clearance, body)
    clearance._company_seconds = 0.0
    for number, frame in enumerate(others, 1):
        seconds = number / 30
        clearance.begin(frame, seconds)
        agent, foreign = clearance._contest(frame, seconds, body, none, none, none)
        assert (agent == body).all()
        assert not foreign.any()
        unexplained = change if number <= 3 else none
        assert (clearance._unexplained == unexplained).all(), number


def test_what_came_in_while_a_look_failed_explains_nothing() -> None:
    """Where the agent was before the failed frame, somebody else may be in it."""
    room, other = texture(1), texture(2)[:80, :16]
    pictures = [room, *(with_patch(room, other, x, 80) for x in (96, 98))]
    first, second, third = frames(lambda n: pictures[n], 3)
    clearance = Clearance(GRID, fake_profile(), Policy())
    body, none = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    outlined(clearance, body)
    clearance._company_seconds = 0.0
    clearance.begin(second, 0.1)
    assert clearance.fault(second, 0.1).fault
    clearance.begin(third, 0.2)
    clearance._contest(third, 0.2, body, none, none, none)
    theirs = GRID.cells_in(Box(104, 80, 112, 160))
    assert clearance._unexplained[theirs].all()


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
    outlined(clearance, body)
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


def test_what_is_disputed_is_no_more_the_agents_for_a_likeness_or_with_time() -> None:
    """Half of the outline is somebody whom the mask swallowed and nobody sees. They do not become
    the agent cell by cell, by what the agent showed beside them a frame ago, nor when they hold
    still for seconds."""
    room = texture(1)
    picture = room.copy()
    picture[:, 120:128] = room[:, 112:120]
    first, *others = frames(lambda n: picture if n else room, 30)
    clearance = Clearance(GRID, fake_profile(), Policy())
    body, theirs, none = columns(10, 20), columns(15, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    outlined(clearance, body, body & ~theirs)
    clearance._foreign_until[theirs] = 1.0
    for number, frame in enumerate(others, 1):
        clearance.begin(frame, number / 10)
        agent, foreign = clearance._contest(frame, number / 10, body, none, none, none)
        assert (foreign == theirs).all(), number
        assert (agent == body & ~theirs).all(), number
        outlined(clearance, body, agent)
        clearance.scene.remember(frame)


def test_what_changed_and_is_not_explained_is_not_the_agents_for_a_second() -> None:
    """Where somebody moved a moment ago, a few cells of the outline show something else: they are
    not given back in the next frame for holding still, nor is the one amid them that happens to
    show what the agent did beside it."""
    room = texture(1)
    patch = GRID.cells_in(Box(112, 120, 136, 144))
    picture = with_patch(room, texture(2)[:24, :24], 112, 120)
    picture[128:136, 120:128] = room[128:136, 128:136]
    first, *others = frames(lambda n: picture if n else room, 10)
    clearance = Clearance(GRID, fake_profile(), Policy())
    body, none = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    outlined(clearance, body)
    clearance._company_seconds = 0.0
    clearance._moved_seconds[patch] = 0.0
    for number, frame in enumerate(others, 1):
        clearance.begin(frame, number / 10)
        agent, foreign = clearance._contest(frame, number / 10, body, none, none, none)
        assert (foreign == patch).all(), number
        assert (agent == body & ~patch).all(), number
        clearance._agent_before = agent
        clearance.scene.remember(frame)


class Beside(FakePerceiver):
    """Whose mask runs on into somebody who has always been beside the agent's head."""

    place = Box(176, 48, 240, 96)

    def look(self, frame: RawFrame, grid: Grid, request: LookRequest) -> Observation:
        seen = FakePerceiver.look(self, frame, grid, request)
        return with_masks(seen, np.maximum(seen.wide.probability, grid.cells_in(self.place)))


class Narrow(Beside):
    """Of whom no more is seen than the agent's own mask may run over."""

    place = Box(176, 48, 216, 96)


@pytest.mark.parametrize("see", [Beside, Narrow])
def test_the_agents_rim_does_not_reach_into_who_is_beside_the_head(see: type[Beside]) -> None:
    """No face of theirs is seen and nothing of them ever changed, but no limb reaches there; nor
    are they cleared with the room."""
    perceiver = see(FakeScene(agent=Box(140, 60, 180, 100)))
    policy = Policy(looks_per_second=1000.0)
    with Redactor(fake_profile(), policy, perceiver=perceiver, delay_seconds=0.0) as redactor:
        for raw in frames(lambda _: texture(1), 24):
            (veiled,) = redactor.process(raw)
        assert redactor._stream is not None
        clearance = redactor._stream.clearance
        stray = clearance._limbs.beside_head(clearance._stray)
    assert stray.any()
    assert veiled.agent.any()
    assert veiled.withheld[stray].all()


@pytest.mark.parametrize(("is_agent", "misses"), [(True, 0), (True, 1), (False, 0)])
def test_only_a_verified_face_seen_now_needs_no_explanation(is_agent: bool, misses: int) -> None:
    """Where it was a frame ago somebody may have come before it."""
    clearance = Clearance(GRID, fake_profile(), Policy())
    face = Track(1, Box(140, 60, 180, 100), 0.9, 1.0, is_agent=is_agent, misses=misses)
    assert clearance._core(face).any() is np.bool_(is_agent and not misses)


def test_who_was_seen_on_the_lap_is_veiled_when_their_face_is_lost() -> None:
    """For as long as they hold still there: nobody else is seen, and the mask is the agent's."""
    room, agent, child = texture(1), texture(4, 104, 140), texture(5, 24, 32)
    seated = with_patch(room, agent, 108, 100)
    raws = frames(lambda n: with_patch(seated, child, 144, 144) if n >= 12 else seated, 48, rate=6)
    face, lap = Box(140, 60, 180, 100), Box(144, 144, 168, 176)

    def scene(seconds: float) -> FakeScene:
        return FakeScene(agent=face, others=(lap,) if 2 <= seconds < 3 else ())

    policy = Policy(style=Style.FILL)
    with Redactor(
        fake_profile(), policy, perceiver=FakePerceiver(scene), delay_seconds=0.0
    ) as redactor:
        out = [veiled for raw in raws for veiled in redactor.process(raw)]
    assert shown(raws[11].planes[0], out[11].planes[0], 120, 120, 200, 230) > 0.95
    for n in range(12, 48):
        assert shown(raws[n].planes[0], out[n].planes[0], 144, 144, 168, 176) < 0.05, n
    assert shown(raws[47].planes[0], out[47].planes[0], 120, 184, 200, 230) > 0.95


def test_looks_at_an_outline_say_nothing_of_the_room() -> None:
    """They are not counted while it stands: who is much like the agent would else be cleared with
    the room as soon as their mask shrinks."""
    perceiver = FakePerceiver(FakeScene(agent=Box(140, 60, 180, 100)))
    policy = Policy(looks_per_second=1000.0)
    with Redactor(fake_profile(), policy, perceiver=perceiver, delay_seconds=0.0) as redactor:
        for raw in frames(lambda _: texture(1), 12):
            list(redactor.process(raw))
        assert redactor._stream is not None
        clearance = redactor._stream.clearance
    enough = clearance.scene.evidence.looked_enough()
    assert clearance._outline.any()
    assert not (enough & clearance._outline).any()
    assert enough[:, :5].all()


def test_looks_round_an_outline_that_is_lost_say_nothing_of_the_room() -> None:
    """Nor do second looks: what was seen there was taken for the agent, and excuses nobody."""
    first, second = frames(lambda _: texture(1), 2)
    clearance = Clearance(GRID, fake_profile(), Policy())
    none, evidence = columns(0, 0), clearance.scene.evidence
    clearance.begin(first, 0.0)
    for one in looks(none) * LOOKS_NEEDED:
        evidence.add_look(one, none, none)
    clearance._second.suspect(GRID.cells_in(Box(64, 80, 72, 96)), ~none, 0.0)
    clearance._outline = columns(10, 20)
    clearance._outlined_seconds = 0.0
    clearance.begin(second, 0.1)
    whole = CellWindow(0, 0, *GRID.shape)
    nobody = PeopleLook(whole, WHOLE, np.zeros(GRID.shape, np.float32))
    clearance.finish(second, 0.1, Observation(wide=nobody))
    assert (evidence.looked_enough() == ~columns(8, 22)).all()
    assert clearance._second.ask(2) == ()


def test_when_the_camera_moves_what_is_somebodys_is_so_in_every_cell_they_touch() -> None:
    """By two cells and a half: cells that show a part of somebody else are theirs, and the agent's
    earlier look counts only in those that show nothing else."""
    (first,) = frames(lambda _: texture(1), 1)
    clearance = Clearance(GRID, fake_profile(), Policy())
    clearance.begin(first, 0.0)
    theirs, touched, filled = columns(10, 14), columns(12, 17), columns(13, 16)
    clearance._others = clearance._outsiders = clearance._supported = theirs
    clearance._claimed_before = clearance._agent_before = clearance._outline = theirs
    clearance._foreign_until[theirs] = 0.2
    clearance._memory.keep(first, theirs)
    clearance.scene.motion = CameraMotion(np.array([[1.0, 0, 20], [0, 1, 0]]))
    clearance._begin_anew(0.1)
    for cells in (clearance._others, clearance._outsiders, clearance._supported):
        assert (cells == touched).all()
    assert (clearance._claimed_before == touched).all()
    assert ((clearance._foreign_until >= 0.1) == touched).all()
    assert (clearance._outline == touched).all()
    assert (clearance._agent_before == filled).all()
    assert (clearance._memory._known == filled).all()


def test_what_a_mask_said_of_a_cell_is_void_when_the_cell_changes() -> None:
    """Somebody may have come in while nobody looked."""
    first, second = frames(
        lambda n: with_patch(texture(1), texture(2)[:32, :32], 80 * n - 32, 80), 2
    )
    clearance = Clearance(GRID, None, Policy())
    clearance.begin(first, 0.0)
    sight, whole = clearance._sight, CellWindow(0, 0, *GRID.shape)
    sight.update(Observation(wide=PeopleLook(whole, WHOLE, np.zeros(GRID.shape, np.float32))))
    clearance.begin(second, 0.1)
    assert (sight.empty(sight.probability()) == ~GRID.cells_in(Box(48, 80, 80, 112))).all()


def test_the_limbs_of_one_face_are_not_those_of_another() -> None:
    """Whose face takes the place of the agent's has arms where theirs are, not the agent's."""
    face, everywhere = Box(140, 60, 180, 100), np.ones(GRID.shape, np.float32)
    (raw,) = frames(lambda _: texture(1), 1)
    pose = FakePerceiver(FakeScene(agent=face)).look(raw, GRID, LookRequest(pose=True)).pose
    clearance = Clearance(GRID, fake_profile(), Policy())
    clearance._pose_asked = True
    own = clearance._body(everywhere, Track(1, face, 0.9, 0.0), 0.0, pose)
    clearance._pose_asked = False
    other = clearance._body(everywhere, Track(2, face, 0.9, 0.1), 0.1, None)
    assert (other == bust(GRID, face)).all()
    assert (own & ~other).any()


def test_the_agent_is_not_alone_beside_a_face_that_moves() -> None:
    """Of a picture on the wall the agent need not be told apart in every frame."""
    face, place = Box(40, 60, 80, 100), Box(200, 60, 240, 100)
    looks_of = [with_patch(texture(1), texture(2 + n)[:40, :40], 200, 60) for n in range(4)]
    raws = frames(lambda n: looks_of[min(n, 3)], 7)
    clearance = Clearance(GRID, fake_profile(), Policy())
    agent = Track(1, face, 0.9, 0.0, is_agent=True)
    clearance.tracks.tracks = [agent, Track(2, place, 0.9, 0.0)]
    alone = []
    for number, raw in enumerate(raws):
        clearance.begin(raw, number / 10)
        clearance.scene.remember(raw)
        alone.append(clearance._is_alone(agent))
    assert alone[1:] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("place", [Box(330, 60, 370, 100), Box(200, 60, 200, 60)])
@pytest.mark.filterwarnings("error")
def test_a_face_in_no_cell_is_no_picture(place: Box) -> None:
    """As one that was at the rim when the camera was pushed; nor is that something to warn of."""
    clearance = Clearance(GRID, fake_profile(), Policy())
    (raw,) = frames(lambda _: texture(1), 1)
    clearance.begin(raw, 0.0)
    agent = Track(1, Box(40, 60, 80, 100), 0.9, 0.0, is_agent=True)
    clearance.tracks.tracks = [agent, Track(2, place, 0.9, 0.0)]
    assert not clearance._is_alone(agent)


@pytest.mark.parametrize("changed", [True, False])
def test_who_comes_out_beside_the_head_is_somebody(changed: bool) -> None:
    """Though no face is seen: from then on what changes in the outline must be explained. Hair that
    has been there from the start is nobody."""
    place = Box(160, 40, 176, 88)
    picture = with_patch(texture(1), texture(2)[:48, :16], 160, 40)
    first, second = frames(lambda n: picture if n and changed else texture(1), 2)
    clearance = Clearance(GRID, fake_profile(), Policy())
    body, none = columns(10, 20), columns(0, 0)
    clearance.begin(first, 0.0)
    outlined(clearance, body)
    clearance.begin(second, 0.1)
    clearance._limbs._shoulders = 120.0
    clearance._stray = GRID.cells_in(place)
    clearance._contest(second, 0.1, body, none, none, none)
    assert clearance._in_company(0.1) is changed
