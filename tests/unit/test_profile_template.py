"""Templates and profiles as values: what they refuse and what a distance means."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from homeveil.errors import ProfileError
from homeveil.profile import EMBEDDING_SIZE, FaceTemplate, Profile, VoiceTemplate

HASH = "0123456789ab" + "c" * 52


def _template(**changes: Any) -> FaceTemplate:
    values: dict[str, Any] = {
        "templates": np.eye(2, EMBEDDING_SIZE, dtype=np.float32),
        "spread": 0.3,
        "embeddings_used": 5,
        "model_sha256": HASH,
    }
    return FaceTemplate(**(values | changes))


def test_distance_is_to_the_nearest_template() -> None:
    """Each probe is measured against every template; the nearest counts."""
    probes = np.zeros((3, EMBEDDING_SIZE))
    probes[0, 0], probes[1, 1], probes[2, 0] = 1.0, 1.5, 3.0
    assert _template().distance(probes) == pytest.approx([0.0, 0.5, 2.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_probe_that_is_not_finite_is_infinitely_far(value: float) -> None:
    """A broken embedding can never be near, and spoils no other."""
    probes = np.zeros((2, EMBEDDING_SIZE), np.float32)
    probes[0, 5], probes[1, 0] = value, 1.0
    assert list(_template().distance(probes)) == [np.inf, 0.0]


def test_no_probes_give_no_distances() -> None:
    """An empty batch is allowed."""
    assert _template().distance(np.empty((0, EMBEDDING_SIZE))).shape == (0,)


@pytest.mark.parametrize("shape", [(EMBEDDING_SIZE,), (1, 127), (1, 1, EMBEDDING_SIZE)])
def test_probe_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """Embeddings of another model's size are an error, not a broadcast."""
    with pytest.raises(ProfileError, match="shape"):
        _template().distance(np.zeros(shape))


@pytest.mark.parametrize(
    "changes",
    [
        {"templates": np.zeros(EMBEDDING_SIZE)},
        {"templates": np.zeros((0, EMBEDDING_SIZE))},
        {"templates": np.zeros((65, EMBEDDING_SIZE))},
        {"templates": np.zeros((1, 64))},
        {"templates": np.full((1, EMBEDDING_SIZE), np.nan)},
        {"templates": np.full((1, EMBEDDING_SIZE), 1e300)},
        {"spread": -0.1},
        {"spread": float("nan")},
        {"spread": True},
        {"embeddings_used": 0},
        {"embeddings_used": 2.0},
        {"embeddings_used": True},
        {"model_sha256": "abc"},
        {"model_sha256": HASH.upper()},
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_impossible_template_is_refused(changes: dict[str, Any]) -> None:
    """A template that cannot have come from an enrollment is never made."""
    with pytest.raises(ProfileError):
        _template(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"ratios": {"head": 1.0}},
        {"ratios": {"Head !": 1.0}, "ratio_spread": {"Head !": 1.0}},
        {"ratios": {"head": float("inf")}, "ratio_spread": {"head": 0.1}},
        {"ratios": {"head": 1.0}, "ratio_spread": {"head": -1.0}},
        {
            "ratios": {f"r{i}": 1.0 for i in range(65)},
            "ratio_spread": {f"r{i}": 1.0 for i in range(65)},
        },
        {"created_utc": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)},
        {"voice": "text"},
        {"face": None},
        {"face": "text"},
        {"version": 2},
    ],
)
def test_impossible_profile_is_refused(changes: dict[str, Any]) -> None:
    """A profile with odd names, broken numbers or a time of day is never made."""
    with pytest.raises(ProfileError):
        Profile(**{"face": _template(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"template": np.zeros((3, 255), np.float32)},
        {"template": np.zeros((3, 256), np.float32)},
        {"template": np.full((3, 256), np.nan, np.float32)},
        {"own": np.full(3, 1.5, np.float32)},
        {"own": np.zeros(2, np.float32)},
        {"seconds": 0.0},
        {"seconds": float("inf")},
        {"recordings": 0},
        {"recordings": True},
        {"model_sha256": "none"},
    ],
)
def test_impossible_voice_is_refused(changes: dict[str, Any]) -> None:
    """A voice template with other shapes, lengths or broken numbers is never made."""
    rows = np.eye(3, 256, dtype=np.float32)
    good = {"template": rows, "own": np.full(3, 0.8, np.float32), "seconds": 30.0}
    good |= {"recordings": 1, "model_sha256": HASH}
    VoiceTemplate(**good)
    with pytest.raises(ProfileError):
        VoiceTemplate(**{**good, **changes})


def test_values_cannot_be_changed() -> None:
    """What was validated stays so: arrays and maps are read-only copies."""
    source = np.zeros((1, EMBEDDING_SIZE), np.float32)
    template = _template(templates=source)
    source[0, 0] = 9.0
    assert template.templates[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        template.templates[0, 0] = 1.0
    profile = Profile(template, {"head": 1.0}, {"head": 0.1})
    with pytest.raises(TypeError):
        profile.ratios["head"] = 2.0  # type: ignore[index]


def test_printing_shows_no_template_digits_of_an_image() -> None:
    """A profile has no field that could hold a picture of anybody; ``desk`` holds a coarse one
    of the empty desk."""
    assert set(Profile.__dataclass_fields__) == {
        "face",
        "ratios",
        "ratio_spread",
        "created_utc",
        "voice",
        "desk",
        "version",
    }


def test_other_model_is_refused_with_both_hashes() -> None:
    """Templates of another identity model are an error that says which and what to do."""
    profile = Profile(_template())
    profile.require_model(HASH)
    profile.require_model(HASH.upper())
    with pytest.raises(ProfileError, match="enroll again") as caught:
        profile.require_model("f" * 64)
    assert "0123456789ab" in str(caught.value)
    assert "ffffffffffff" in str(caught.value)
