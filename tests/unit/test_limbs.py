"""Where the agent's body can be by its pose, and what a pose network must give."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.limbs import POSE_SECONDS, STEADY_SECONDS, UNION_SECONDS, Limbs, bust, reach
from homeveil.clear.silhouette import body_distance, claimed_by
from homeveil.errors import PerceptionError
from homeveil.fakes import fake_frames
from homeveil.grid import BoolGrid, Box, Grid
from homeveil.models import store
from homeveil.perceive.observation import JOINTS, Depth, LookRequest, Observation, Pose
from homeveil.perceive.pose import BodyPose
from rooms import texture
from voices import needs_models

GRID = Grid.over(640, 360)
FACE = Box(290, 60, 350, 120)


def pose(left: tuple[float, float] = (420, 330), own: BoolGrid | None = None) -> Pose:
    """Of somebody who sits upright below FACE. left: where the left hand is."""
    joints = np.zeros((JOINTS, 2), np.float32)
    joints[:11] = FACE.centre
    joints[11], joints[12] = (375, 150), (265, 150)
    joints[13], joints[14] = (395, 240), (245, 240)
    joints[23], joints[24] = (355, 380), (285, 380)
    joints[25], joints[26] = joints[27], joints[28] = (355, 500), (285, 500)
    for wrist, at in ((15, left), (16, (250, 330))):
        joints[wrist] = joints[wrist + 2] = joints[wrist + 4] = joints[wrist + 6] = at
    whole = np.ones(GRID.shape, np.float32)
    return Pose(joints, whole if own is None else own.astype(np.float32))


def at(cells: BoolGrid, x: float, y: float) -> bool:
    return bool(cells[int(y) // GRID.cell, int(x) // GRID.cell])


def test_head_trunk_and_arms_are_reached_and_nothing_beside_them() -> None:
    cells = reach(GRID, FACE, pose())
    for x, y in ((320, 90), (320, 45), (320, 200), (375, 160), (395, 240), (408, 290), (420, 330)):
        assert at(cells, x, y), (x, y)
    for x, y in ((400, 90), (240, 90), (440, 200), (200, 200), (500, 330), (320, 5)):
        assert not at(cells, x, y), (x, y)


def test_a_raised_hand_is_reached_where_it_is() -> None:
    assert not at(reach(GRID, FACE, pose()), 460, 120)
    assert at(reach(GRID, FACE, pose((460, 120))), 460, 120)


def test_legs_are_reached_where_they_stand() -> None:
    tall = Grid(640, 640, 8)
    standing = Pose(pose().joints, np.ones(tall.shape, np.float32))
    assert at(reach(tall, FACE, standing), 355, 480)
    assert not at(bust(tall, FACE), 355, 480)


def test_what_the_pose_knows_to_be_another_body_is_not_reached() -> None:
    """Its own mask cuts what is round the bones; a trace of it, and a cell more, is enough."""
    own = np.ones(GRID.shape, bool)
    own[:, 320 // GRID.cell :] = False
    cells = reach(GRID, FACE, pose(own=own))
    assert at(cells, 316, 200)
    assert at(cells, 324, 200)
    assert not at(cells, 340, 200)


def test_without_a_pose_the_arms_are_nobodys() -> None:
    cells = bust(GRID, FACE)
    for x, y in ((320, 90), (320, 200), (370, 160), (270, 160)):
        assert at(cells, x, y), (x, y)
    for x, y in ((440, 240), (460, 120), (200, 300), (400, 90)):
        assert not at(cells, x, y), (x, y)
    assert not (bust(GRID, FACE) & ~reach(GRID, FACE, pose()))[: 330 // GRID.cell].any()


def test_a_pose_stands_until_something_stirs() -> None:
    limbs = Limbs(GRID)
    assert limbs.wanted(0.0)
    limbs.take(0.0, FACE, pose())
    first = limbs.cells(0.0, FACE)
    assert not limbs.wanted(60.0)
    assert (limbs.cells(60.0, FACE) == first).all()
    limbs.stir(GRID.cells_in(FACE))
    assert limbs.wanted(60.0)


def test_what_stirs_beyond_the_limbs_is_looked_at_sooner() -> None:
    limbs = Limbs(GRID)
    for stirred, seconds in ((FACE, STEADY_SECONDS), (Box(440, 80, 480, 140), POSE_SECONDS)):
        limbs.take(0.0, FACE, pose())
        limbs.stir(GRID.cells_in(stirred))
        assert not limbs.wanted(0.9 * seconds)
        assert limbs.wanted(seconds)


def test_after_limbs_moved_the_last_poses_count_together_and_a_cell_wider() -> None:
    limbs = Limbs(GRID)
    limbs.take(0.0, FACE, pose())
    limbs.take(0.1, FACE, pose((460, 120)))
    exact = limbs.cells(0.1, FACE)
    assert at(exact, 460, 120)
    assert not at(exact, 424, 335)
    limbs.stir(GRID.cells_in(FACE))
    assert (limbs.cells(0.15, FACE) == exact).all()
    limbs.stir(GRID.cells_in(Box(440, 180, 480, 220)))
    cells = limbs.cells(0.15, FACE)
    assert at(cells, 460, 120)
    assert at(cells, 424, 335)
    late = limbs.cells(0.1 + UNION_SECONDS, FACE)
    assert at(late, 460, 120)
    assert not at(late, 424, 345)


def test_a_failed_pose_leaves_head_and_trunk() -> None:
    limbs = Limbs(GRID)
    assert (limbs.cells(0.0, FACE) == bust(GRID, FACE)).all()
    limbs.take(0.0, FACE, pose())
    limbs.take(0.1, FACE, None)
    assert (limbs.cells(0.1, FACE) == bust(GRID, FACE)).all()
    limbs.take(0.2, FACE, pose())
    limbs.follow(1)
    assert (limbs.cells(0.2, FACE) == bust(GRID, FACE)).all()
    assert limbs.wanted(0.2)


def test_a_pose_of_another_face_is_none() -> None:
    """The network may find whoever is nearer; theirs are not the agent's limbs."""
    limbs, other = Limbs(GRID), pose()
    other.joints[:11] += (90, 20)
    limbs.take(0.0, FACE, other)
    assert (limbs.cells(0.0, FACE) == bust(GRID, FACE)).all()


@pytest.mark.parametrize("wrong", ["nan joint", "nan mask", "few joints", "other grid"])
def test_a_pose_that_is_none_is_a_fault(wrong: str) -> None:
    good = pose()
    joints, mask = good.joints.copy(), good.probability.copy()
    if wrong == "nan joint":
        joints[5, 1] = np.nan
    elif wrong == "nan mask":
        mask[3, 3] = np.nan
    elif wrong == "few joints":
        joints = joints[:-1]
    else:
        mask = mask[:-1]
    with pytest.raises(PerceptionError, match="pose"):
        Observation(pose=Pose(joints, mask)).check(GRID, LookRequest(Depth.NOTHING))


@needs_models
@pytest.mark.parametrize(
    "face", [FACE, Box(-30, -20, 30, 40), Box(630, 350, 700, 420), Box(2000, 50, 2060, 110)]
)
def test_nobody_has_no_pose_wherever_the_face_is_said_to_be(face: Box) -> None:
    """Of a picture without anybody, also where the square reaches far past the frame."""
    network = BodyPose(store.load(("body_pose",), {}).data["body_pose"])
    (frame,) = fake_frames(lambda n: texture(3, 640, 360), 1)
    assert network.of(frame, GRID, face, 1.0) is None
    network.close()


def test_beside_the_head_is_above_the_shoulders() -> None:
    """By the pose seen last, or by the face where there was none."""
    limbs, everywhere = Limbs(GRID), np.ones(GRID.shape, bool)
    low = pose()
    low.joints[11:13, 1] = 200
    for seen, last in ((pose(), 150), (low, 200), (None, 156)):
        limbs.take(0.0, FACE, seen)
        rows = np.flatnonzero(limbs.beside_head(everywhere).any(axis=1))
        assert rows[0] == 0
        assert abs((rows[-1] + 1) * GRID.cell - last) <= GRID.cell / 2


def test_beyond_doubt_the_body_is_before_who_is_further_away() -> None:
    """Below the shoulders alone, and by a pose of now."""
    sure = np.full(GRID.shape, 0.9, np.float32)
    sure[:, : 320 // GRID.cell] = 0.99
    limbs = Limbs(GRID)
    limbs.follow(1)
    limbs.take(1.0, FACE, Pose(pose().joints, sure))
    cells = limbs.before_others(1.0)
    assert at(cells, 250, 300)
    assert not at(cells, 300, 90)
    assert not at(cells, 400, 300)
    assert not at(cells, 200, 300)
    limbs.stir(np.ones(GRID.shape, bool))
    assert limbs.before_others(1.0 + STEADY_SECONDS).any()
    assert not limbs.before_others(1.01 + STEADY_SECONDS).any()


@pytest.mark.parametrize(
    ("side", "down", "claims"), [(30, 0, False), (50, 0, True), (40, 80, True)]
)
def test_somebody_as_near_or_on_the_lap_claims_what_is_the_agents(
    side: float, down: float, claims: bool
) -> None:
    """Only who is further away, as a smaller face says, is behind what is surely the agent's."""
    x = FACE.x1 + 60
    other = Box(x, FACE.y0 + down, x + side, FACE.y0 + down + side)
    ours, every = body_distance(GRID, FACE), ~GRID.cells_in(other)
    below = (other.centre[0] - 10, other.y1 + 60)
    assert at(claimed_by(GRID, FACE, ours, other, np.zeros(GRID.shape, bool)), *below)
    assert at(claimed_by(GRID, FACE, ours, other, every), *below) is claims
