"""Faces found by several looks, one box each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boxes import needs_models
from homeveil import frame_from_array
from homeveil.clear.tracks import Tracks
from homeveil.fakes import fake_profile
from homeveil.frames import RawFrame
from homeveil.grid import Box, Grid
from homeveil.models import store
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.loading import load_perceiver
from homeveil.perceive.observation import Face, Identity, LookRequest
from homeveil.policy import Policy
from mouths import Picture, still

SIZE = (640, 576)
FACE = Box(207, 187, 435, 414)


def agent() -> Picture:
    """The example's agent, close by, with the face in FACE."""
    return cv2.resize(still()[30:210, 205:405], SIZE, interpolation=cv2.INTER_CUBIC)


def with_face(picture: Picture, share: float, right: float, down: float) -> Picture:
    """``picture`` with a face before the agent's: ``share`` of its width, moved by shares of
    it."""
    side = int(FACE.width * share * 1.25)
    head = cv2.resize(still()[78:172, 258:352], (side, side), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[0:side, 0:side] - side / 2
    oval = x**2 + y**2 < (side / 2) ** 2
    left = int(FACE.centre[0] + right * FACE.width - side / 2)
    top = int(FACE.centre[1] + down * FACE.height - side / 2)
    out = picture.copy()
    out[top : top + side, left : left + side][oval] = (head * 0.8)[oval]
    return out


def raw(picture: Picture) -> RawFrame:
    return frame_from_array(np.ascontiguousarray(picture), "rgb", seconds=1.0)


@needs_models
@pytest.mark.parametrize(
    "place", [(0.4, -0.3, 0.2), (0.5, 0.3, 0.2), (0.5, -0.35, 0.0), (0.4, 0.3, 0.3)]
)
def test_a_face_before_the_agents_cheek_ends_identity(place: tuple[float, float, float]) -> None:
    """A child's face that lies almost wholly in the box of the agent's is nobody's but theirs:
    both are found, and the agent must prove itself anew."""
    perceiver = load_perceiver(None, Policy())
    try:
        alone, both = (
            perceiver.look(frame, Grid.over(*SIZE), LookRequest()).faces
            for frame in (raw(agent()), raw(with_face(agent(), *place)))
        )
    finally:
        perceiver.close()
    assert len(alone) == 1
    assert alone[0].box.overlap(FACE) > 0.8
    tracks = Tracks(fake_profile(), Policy())
    for n in range(4):
        mine = Identity(alone[0], 0.2, 0.0, {}, np.zeros(128, np.float32))
        tracks.update(alone, (mine,), 0.1 * n)
    assert tracks.agent is not None
    assert len(both) == 2
    tracks.update(both, (), 0.4)
    assert tracks.agent is None


@needs_models
def test_a_face_too_small_to_be_told_is_not_compared() -> None:
    """Of a few pixels anybody might be the agent."""
    data = store.load(("face_landmarks", "face_embedding"), {}).data
    identity = FaceIdentity(data["face_landmarks"], data["face_embedding"], lambda embedding: 1.0)
    compared = []
    for share in (1.0, 0.33, 0.32, 0.1):
        small = cv2.resize(still(), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        face = Face(Box(269 * share, 90 * share, 342 * share, 164 * share), 0.9, 0)
        compared.append(identity.compare(raw(small), face) is not None)
    identity.close()
    assert compared == [True, True, False, False]
