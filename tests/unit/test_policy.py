"""The policy: what it takes, and what it refuses by name."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homeveil.desk.watcher import DeskModels
from homeveil.desk_rules import DeskItem, DeskRules, Severity
from homeveil.errors import ModelError, PolicyError
from homeveil.perceive.hearing import load_voice_models
from homeveil.perceive.loading import load_models
from homeveil.policy import Lips, ModelFile, Muted, Policy, Sound, SpeechKey, Style


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    """A policy without keys is the default policy."""
    path = tmp_path / "p.toml"
    path.write_text("")
    assert Policy.from_toml(path) == Policy()


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    """Keys, styles, colours and models are read; model paths are relative to the file."""
    path = tmp_path / "p.toml"
    path.write_text(
        'style = "soft"\nfill_colour = [1, 2, 3]\nlookahead_seconds = 1\nlips = "require"\n'
        '[models.face_embedding]\npath = "m.onnx"\nsha256 = "AB"\n'
    )
    policy = Policy.from_toml(path)
    assert policy.style is Style.SOFT
    assert policy.lips is Lips.REQUIRE
    assert Policy.from_document(policy.to_document(), path).lips is Lips.REQUIRE
    assert policy.fill_colour == (1, 2, 3)
    assert policy.models["face_embedding"] == ModelFile(tmp_path / "m.onnx", "ab")


def test_a_mark_at_the_beginning_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b'\xef\xbb\xbfstyle = "soft"\n')
    assert Policy.from_toml(path).style is Style.SOFT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("unknown = 1", "unknown"),
        ('style = "none"', "none"),
        ('lips = "strict"', "off, check, require"),
        ("lips = true", "lips"),
        ("accept_distance = 2.0", "accept_distance"),
        ("accept_distance = nan", "accept_distance"),
        ('hold_seconds = "long"', "hold_seconds"),
        ("fill_colour = [1, 2]", "fill_colour"),
        ("fill_colour = 7", "fill_colour"),
        ("fill_colour = [true, 0, 0]", "fill_colour"),
        ("grow_cells = 1.5", "grow_cells"),
        ("drop_distance = 0.1", "drop_distance"),
        ("[models.x]\npath = 'a'", "models.x"),
        ("style = ", "TOML"),
        ("speech_key = true", "speech_key"),
        ("speaker_accept = 1.5", "speaker_accept"),
        ("speaker_accept = -0.1", "speaker_accept"),
        ("speaker_accept = 0.5", r"\[models\.speaker\]"),
        ("[models.speech]\npath = 'a'\nsha256 = '00'", "silero"),
        (
            "speech_key = 'webrtcvad'\n[models.speech]\npath = 'a'\nsha256 = '00'",
            r"\[models\.speech\]",
        ),
        ("near_db = -6", "near_db"),
        ("near_db = nan", "near_db"),
        ("desk = 3", "desk"),
        ("[desk]\ncolour = 1", "colour"),
        ("[desk]\nzone = 'My Desk'", "My Desk"),
        ("[desk]\npolygon = [[0, 0], [1, 1]]", "corners"),
        ("[desk]\npolygon = [[0, 0], [1, 0], [1, 1.5]]", "outside"),
        ("[desk]\npolygon = [[0, 0], [1, 0], [nan, 1]]", "outside"),
        ("[desk]\npolygon = [[0.5, 0.7], [0.5, 0.7], [0.5, 0.7]]", "encloses"),
        ("[desk]\npolygon = [[0, 0.5], [0.5, 0.5], [1, 0.5]]", "encloses"),
        ("[desk]\npolygon = [[0.5, 0.5], [0.53, 0.5], [0.53, 0.53], [0.5, 0.53]]", "0.1%"),
        ("[desk]\npolygon = [[0, 0], [1, 0], [0, 1], [1, 1]]", "in the order"),
        ("[desk]\npolygon = [[0.1, 0.6], [0.9, 0.6], [0, 1], [1, 1]]", "cross"),
        ("[desk]\npolygon = [[0.5, 0], [0.8, 1], [0, 0.4], [1, 0.4], [0.2, 1]]", "cross"),
        (f"[desk]\npolygon = [{', '.join(2 * ['[0.2, 0.4], [0.8, 0.4], [0.8, 0.9]'])}]", "once"),
        ("[desk]\npolygon = [[0, 0], [0.6, 0], [0.3, 0], [0.9, 0], [0.9, 1], [0, 1]]", "once"),
        ("[desk]\npermitted = ['sofa']", "sofa"),
        ("[desk.severity]\nphone = 'dire'", "dire"),
        ("[desk]\nround_seconds = 0", "round_seconds"),
        ("[desk]\nround_seconds = '10'", "round_seconds"),
        ("[desk]\nround_seconds = true", "round_seconds"),
        ("[desk]\nround_seconds = nan", "round_seconds"),
        ("[desk]\npolygon = ['00', '10', '11']", "corners"),
        ("[desk]\npolygon = [['0', '0'], ['1', '0'], ['1', '1']]", "corners"),
        ("[desk]\npolygon = [[false, 0], [true, 0], [1, 1]]", "corners"),
        ("[desk.permitted]\nmug = 1", "a list of kinds"),
        ("[desk]\npermitted = [['mug']]", "kinds: phone"),
        ("[desk]\nseverity = 'info'", "severity"),
        ("[desk]\nzone = 5", "zone is 5; give text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    """An unknown key or a value out of range is an error that names it, and its file."""
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=named) as caught:
        Policy.from_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "policy: " not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sound": "withheld"},
        {"lips": "require"},
        {"speech_key": "silero"},
        {"style": "fill"},
        {"muted": "comfort"},
        {"lips": Sound.CALL},
        {"desk": {}},
        {"models": {"speaker": "m.onnx"}},
        {"models": None},
        {"fill_colour": None},
        {"video_encoder": 3},
    ],
)
def test_what_is_of_another_kind_is_refused(wrong: dict[str, Any]) -> None:
    """Text for a member would not be taken for it: the lips, say, would not be required."""
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Policy(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": None}, {"polygon": None}, {"polygon": [1, 2, 3]}, {"polygon": np.eye(3)},
        {"polygon": [(0, 0, 0), (1, 0, 0), (1, 1, 0)]}, {"permitted": None}, {"permitted": "pen"},
        {"severity": None}, {"severity": [("phone", "info")]}, {"round_seconds": None},
        {"round_seconds": 10**400},
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused_of_the_desk_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        DeskRules(**wrong)


def test_the_path_of_a_model_may_be_text(tmp_path: Path) -> None:
    """As that of a profile, an input or an output may."""
    file = ModelFile("m.onnx", "ab")  # type: ignore[arg-type]
    assert file == ModelFile(Path("m.onnx"), "ab")
    document = Policy(models={"speaker": file}).to_document()
    assert Path(document["models"]["speaker"]["path"]).is_absolute()


@pytest.mark.parametrize("name", ["video_encoder", "encoder_preset"])
def test_text_that_is_none_is_told_with_its_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f"{name} = 5")
    with pytest.raises(PolicyError, match=rf"p\.toml: {name} is 5; give text"):
        Policy.from_toml(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A policy that cannot be read is never replaced by the default."""
    with pytest.raises(PolicyError, match=r"none\.toml"):
        Policy.from_toml(tmp_path / "none.toml")


def test_the_desk_has_a_table_of_its_own(tmp_path: Path) -> None:
    """Zone, polygon, permitted kinds and severities are read, and survive being written."""
    path = tmp_path / "p.toml"
    path.write_text(
        '[desk]\nzone = "left"\npolygon = [[0, 0.5], [1, 0.5], [1, 1]]\npermitted = ["mug"]\n'
        '[desk.severity]\nphone = "critical"\n'
    )
    policy = Policy.from_toml(path)
    assert policy.desk.polygon == ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0))
    assert policy.desk.permitted == {DeskItem.MUG}
    assert policy.desk.severity == {DeskItem.PHONE: Severity.CRITICAL}
    assert Policy.from_document(policy.to_document(), path) == policy


def test_every_setting_changes_the_digest() -> None:
    """The digest in a report tells one policy from another, whatever setting differs."""
    base = Policy(models={"speaker": ModelFile(Path("x"), "00")})
    other = {
        "style": Style.FILL,
        "fill_colour": (0, 0, 0),
        "models": {"speaker": ModelFile(Path("x"), "01")},
        "desk": DeskRules(zone="other"),
        "sound": Sound.CALL,
        "strict_voice": True,
        "muted": Muted.COMFORT,
        "lips": Lips.CHECK,
        "speech_key": SpeechKey.SILERO,
        "speaker_accept": 0.5,
        "near_db": 12.0,
        "video_encoder": "mpeg4",
        "encoder_preset": "slow",
        "video_quality": 30,
        "grow_cells": 2,
        "soft_blocks": 5,
        "drop_distance": 0.6,
    }
    for item in fields(Policy):
        value = other.get(item.name)
        if value is None:
            value = getattr(base, item.name) * 0.9
        assert replace(base, **{item.name: value}).digest() != base.digest(), item.name


@pytest.mark.parametrize(
    "load",
    [
        lambda policy: load_models(policy.models),
        load_voice_models,
        lambda policy: DeskModels.load(policy.models),
    ],
    ids=["picture", "sound", "desk"],
)
def test_a_model_for_no_purpose_is_an_error_whatever_is_loaded(load, tmp_path: Path) -> None:
    """A misspelt name must not leave out what the policy asks for."""
    policy = Policy(models={"speeker": ModelFile(tmp_path / "m.onnx", "00")})
    with pytest.raises(ModelError, match="'speeker'"):
        load(policy)
