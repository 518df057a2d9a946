"""Whose faces make a profile, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxes import needs_models
from clips import make
from homeveil.cli.enroll import DESK_SECONDS, _desk_frames
from homeveil.enrollment import Enrollment
from homeveil.errors import EnrollmentError, PerceptionError
from homeveil.fakes import FAKE_MODEL_SHA256, FakePerceiver, FakeScene
from homeveil.grid import Box
from homeveil.perceive.landmarks import RATIOS
from homeveil.perceive.loading import load_perceiver
from homeveil.perceive.observation import Face, Identity
from homeveil.pictures import frame_from_array
from homeveil.policy import Policy
from mouths import STILL, Picture, still

FACE = Face(Box(0, 0, 96, 96), 0.9, 0)
OWN_SPREAD = 0.27
"""Of one person's faces from their mean, as the identity model gives them."""


def person(number: int) -> np.ndarray:
    """The mean of somebody's embeddings; any two are 0.48 apart."""
    mean = np.zeros(128)
    mean[number] = 0.48 / np.sqrt(2)
    return mean


def faces(mean: np.ndarray, count: int, seed: int = 0) -> list[Identity]:
    """Faces of one person, the head turned a little differently in each."""
    rng = np.random.default_rng(seed)
    scatter = rng.normal(size=(count, 128))
    scatter *= OWN_SPREAD / np.linalg.norm(scatter, axis=1, keepdims=True)
    return [
        Identity(FACE, 9.0, -10 + 20 * n / max(count - 1, 1), dict.fromkeys(RATIOS, 1.0), embedding)
        for n, embedding in enumerate((mean + scatter).astype(np.float32))
    ]


def enrollment(good: list[Identity]) -> Enrollment:
    return Enrollment(FakePerceiver(FakeScene()), FAKE_MODEL_SHA256, good)


@pytest.mark.parametrize(("count", "others"), [(8, 3), (8, 8), (20, 20), (6, 2)])
def test_two_people_are_not_enrolled_as_one(count: int, others: int) -> None:
    """Both would lie near enough to the mean to be shown as the agent."""
    mixed = faces(person(0), count) + faces(person(1), others, seed=1)
    with pytest.raises(EnrollmentError, match="more than one person"):
        enrollment(mixed).finish()


@pytest.mark.parametrize(("count", "others"), [(8, 1), (8, 2), (20, 4)])
def test_a_few_faces_of_somebody_else_leave_no_trace(count: int, others: int) -> None:
    """What lies among the agent's is left out, not mixed in."""
    own = faces(person(0), count)
    profile = enrollment(own + faces(person(1), others, seed=1)).finish()
    alone = enrollment(own).finish()
    assert profile.face is not None
    assert alone.face is not None
    assert profile.face.embeddings_used == count
    assert np.allclose(profile.face.templates, alone.face.templates)
    assert profile.face.spread == pytest.approx(alone.face.spread)


def with_mask(picture: Picture, colour: tuple[int, int, int]) -> Picture:
    """With what covers mouth, cheeks and chin."""
    masked = picture.copy()
    cv2.ellipse(masked, (305, 143), (34, 24), 0, 0, 360, colour, -1, cv2.LINE_AA)
    return masked


def with_sunglasses(picture: Picture) -> Picture:
    dark = picture.copy()
    dark[112:128, 275:336] = 12
    return dark


def further_off(picture: Picture) -> Picture:
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.pad(small, ((0, 180), (0, 320), (0, 0)), constant_values=120)


PICTURES: dict[str, tuple[Callable[[Picture], Picture], str | None]] = {
    "as it is": (lambda picture: picture, None),
    "nobody": (lambda picture: np.full_like(picture, 90), "no face"),
    "two": (lambda picture: np.concatenate([picture, picture], 1), "more than one person"),
    "far off": (further_off, "too small"),
    "dark": (lambda picture: (picture * 0.2).astype(np.uint8), "too dark"),
    "bright": (lambda picture: (255 - (255 - picture) * 0.15).astype(np.uint8), "too bright"),
    "blurred": (lambda picture: cv2.GaussianBlur(picture, (0, 0), 8), "blurred"),
    "aside": (lambda _: still(STILL.with_name("05.jpg")), "turned away"),
    "sunglasses": (with_sunglasses, "covered"),
    "blue mask": (lambda picture: with_mask(picture, (90, 150, 210)), "covered"),
    "green mask": (lambda picture: with_mask(picture, (120, 190, 170)), "covered"),
}


@needs_models
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_would_spoil_the_profile_does_not_count(name: str) -> None:
    """And the reason is told."""
    change, reason = PICTURES[name]
    perceiver = load_perceiver(None, Policy())
    try:
        collected = Enrollment(perceiver, FAKE_MODEL_SHA256)
        picture = np.ascontiguousarray(change(still()))
        assert collected.take(frame_from_array(picture, "rgb", 0.0)) == reason
    finally:
        perceiver.close()
    assert len(collected.good) == (reason is None)


def test_embeddings_that_are_no_numbers_make_no_profile() -> None:
    """A model that answers so is not believed."""
    nothing = [Identity(FACE, 9.0, 0.0, {}, np.full(128, np.nan, np.float32))] * 8
    with pytest.raises(EnrollmentError):
        enrollment(nothing).finish()


def test_a_look_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of ours, which quotes nothing of the picture."""

    def fails(*_: object) -> None:
        raise RuntimeError("pixels")

    monkeypatch.setattr(FakePerceiver, "look", fails)
    grey = frame_from_array(np.full((64, 64, 3), 128, np.uint8), "rgb", 0.0)
    with pytest.raises(PerceptionError, match=r"\(RuntimeError\)") as caught:
        enrollment([]).take(grey)
    assert "pixels" not in str(caught.value)


def test_every_video_counts() -> None:
    """The times of each begin anew."""
    perceiver = FakePerceiver(FakeScene())
    collected = Enrollment(perceiver, FAKE_MODEL_SHA256)
    grey = np.full((64, 64, 3), 128, np.uint8)
    for _ in range(2):
        for number in range(10):
            collected.take(frame_from_array(grey, "rgb", number / 4), spaced=True)
    assert len(perceiver.looks) == 20


def test_a_desk_is_seen_whenever_its_recording_begins(tmp_path: Path) -> None:
    """The clock of a recorder that has run for long does not begin at 0."""
    for begin in (0, 60_000):
        times = [begin + n * 100 for n in range(80)]
        seen = [frame.time.seconds for frame in _desk_frames(make(tmp_path / "d.mkv", times=times))]
        assert seen[0] == begin / 1000
        assert seen[-1] - seen[0] == pytest.approx(DESK_SECONDS)


def test_a_long_video_is_enrolled_in_a_moment() -> None:
    """Not every face is held against every other; another person's half is found all the same."""
    hours = faces(person(0), 20_000)
    begin = time.monotonic()
    profile = enrollment(hours).finish()
    with pytest.raises(EnrollmentError, match="more than one person"):
        enrollment(hours + faces(person(1), 10_000, seed=1)).finish()
    assert time.monotonic() - begin < 60
    assert profile.face is not None
    assert profile.face.embeddings_used == 60
