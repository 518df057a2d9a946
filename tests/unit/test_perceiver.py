"""What the real perceiver tells, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boxes import needs_models
from homeveil import frame_from_array
from homeveil.errors import PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import Box, Grid
from homeveil.perceive.loading import load_perceiver
from homeveil.perceive.observation import Depth, LookRequest, Pose
from homeveil.perceive.perceiver import Perceiver
from homeveil.policy import Policy
from mouths import still

pytestmark = needs_models

FACE = Box(270, 90, 340, 165)
ASKED = LookRequest(Depth.WHOLE, first=FACE, pose=True)
LATER = replace(ASKED, pose_later=True)
NOTHING = LookRequest(Depth.NOTHING)


def raw() -> RawFrame:
    return frame_from_array(np.ascontiguousarray(still()), "rgb", seconds=1.0)


@pytest.fixture
def perceiver() -> Perceiver:
    return load_perceiver(None, Policy())


def same(one: Pose | None, other: Pose | None) -> bool:
    assert one is not None
    assert other is not None
    return np.array_equal(one.joints, other.joints) and np.array_equal(
        one.probability, other.probability
    )


def test_a_pose_left_for_later_is_that_of_its_own_frame(perceiver: Perceiver) -> None:
    """Also when the frame is painted over meanwhile, and when the next look asks again; it is
    told once."""
    frame = raw()
    grid = Grid.over(frame.width, frame.height)
    own = perceiver.look(frame, grid, ASKED)
    assert own.late_pose is None
    painted = frame.copy()
    first = perceiver.look(painted, grid, LATER)
    assert first.pose is None
    for plane in painted.planes:
        plane[:] = 128
    assert same(perceiver.look(painted, grid, NOTHING).late_pose, own.pose)
    assert perceiver.look(painted, grid, NOTHING).late_pose is None
    perceiver.look(frame, grid, LATER)
    both = perceiver.look(frame, grid, ASKED)
    assert same(both.late_pose, own.pose)
    assert same(both.pose, own.pose)
    perceiver.close()


def test_a_pose_that_fails_fails_the_next_look(
    perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that alone."""
    frame = raw()
    grid = Grid.over(frame.width, frame.height)

    def fails(*_: object) -> None:
        raise PerceptionError("a pose is not finite")

    with monkeypatch.context() as broken:
        broken.setattr("homeveil.perceive.networks.PoseNetwork.body", fails)
        assert perceiver.look(frame, grid, LATER).pose is None
        with pytest.raises(PerceptionError, match="pose"):
            perceiver.look(frame, grid, NOTHING)
    assert perceiver.look(frame, grid, ASKED).pose is not None
    perceiver.close()
