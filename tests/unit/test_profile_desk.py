"""The desk in a profile: checked when made, whole after the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homeveil.errors import ProfileError
from homeveil.profile.desk import DeskTemplate
from homeveil.profile.store import load_profile, save_profile
from homeveil.profile.template import Profile

SQUARE = ((0.1, 0.5), (0.9, 0.5), (0.9, 1.0), (0.1, 1.0))


def _desk() -> DeskTemplate:
    rng = np.random.default_rng(2)
    return DeskTemplate(SQUARE, rng.integers(0, 256, (40, 120, 3), dtype=np.uint8))


def test_a_desk_comes_back_from_the_file(tmp_path: Path) -> None:
    """Zone and clean look survive; neither stands in the file in the clear."""
    desk = _desk()
    save_profile(tmp_path / "p.veil", Profile(None, desk=desk), "secret")
    back = load_profile(tmp_path / "p.veil", "secret").desk
    assert back is not None
    assert back.polygon == SQUARE
    np.testing.assert_array_equal(back.clean, desk.clean)
    assert desk.clean.tobytes()[:32] not in (tmp_path / "p.veil").read_bytes()


def test_a_large_picture_is_refused() -> None:
    """What is kept of a desk is coarse."""
    with pytest.raises(ProfileError):
        DeskTemplate(SQUARE, np.zeros((720, 1280, 3), np.uint8))


@pytest.mark.parametrize("polygon", [SQUARE[:2], ((0.0, 0.0), (1.5, 0.0), (1.0, 1.0))])
def test_a_zone_is_checked(polygon: tuple[tuple[float, float], ...]) -> None:
    """Three corners or more, inside the frame."""
    with pytest.raises(ProfileError):
        DeskTemplate(polygon, np.zeros((40, 120, 3), np.uint8))


def test_the_clean_look_cannot_be_changed() -> None:
    """What was enrolled stays so."""
    with pytest.raises(ValueError, match="read-only"):
        _desk().clean[0, 0] = 0
