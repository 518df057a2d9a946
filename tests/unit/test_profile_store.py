"""The profile file: what goes in comes out, for its owner alone."""

from __future__ import annotations

import datetime
import getpass
import json
import os
import stat
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homeveil.errors import PassphraseError, ProfileError
from homeveil.profile import (
    PASSPHRASE_VARIABLE,
    FaceTemplate,
    Profile,
    VoiceTemplate,
    erase_profile,
    load_profile,
    read_passphrase,
    save_profile,
)
from homeveil.profile.store import check_place, decode_profile, encode_profile
from speakers import some_speaker

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX modes")


@pytest.fixture
def profile() -> Profile:
    """A profile with every field in use."""
    templates = np.random.default_rng(3).normal(size=(3, 128)).astype(np.float32)
    return Profile(
        FaceTemplate(templates, 0.31, 15, "ab" * 32),
        {"head_to_shoulder": 0.42, "eye_to_chin": 1.1},
        {"head_to_shoulder": 0.02, "eye_to_chin": 0.03},
        created_utc=datetime.date(2026, 2, 3),
        voice=voice_template(),
    )


def voice_template(seed: int = 5) -> VoiceTemplate:
    """A voice that could have been enrolled."""
    rows = np.random.default_rng(seed).normal(size=(3, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return VoiceTemplate(rows, np.array([0.9, 0.8, 0.85], np.float32), 31.5, 2, "cd" * 32)


def test_round_trip(tmp_path: Path, profile: Profile) -> None:
    """Everything saved is loaded again, bit for bit."""
    path = tmp_path / "agent.hvprofile"
    save_profile(path, profile, "correct horse")
    loaded = load_profile(path, "correct horse")
    assert loaded.face.templates.tobytes() == profile.face.templates.tobytes()
    for name in ("spread", "embeddings_used", "model_sha256"):
        assert getattr(loaded.face, name) == getattr(profile.face, name)
    for name in ("ratios", "ratio_spread", "created_utc", "version"):
        assert getattr(loaded, name) == getattr(profile, name)
    for name in ("template", "own"):
        assert getattr(loaded.voice, name).tobytes() == getattr(profile.voice, name).tobytes()
    for name in ("seconds", "recordings", "model_sha256"):
        assert getattr(loaded.voice, name) == getattr(profile.voice, name)


def test_a_speaker_template_comes_back(tmp_path: Path, profile: Profile) -> None:
    """What a speaker model of the user's own said is kept, bit for bit."""
    speaker = some_speaker("ef" * 32)
    save_profile(
        tmp_path / "p", replace(profile, voice=replace(profile.voice, speaker=speaker)), "secret"
    )
    loaded = load_profile(tmp_path / "p", "secret").voice.speaker
    assert loaded.template.tobytes() == speaker.template.tobytes()
    assert loaded.spread.tobytes() == speaker.spread.tobytes()
    assert (loaded.model_sha256, loaded.accept) == (speaker.model_sha256, speaker.accept)


def test_profiles_from_before_speaker_models_open(profile: Profile) -> None:
    """Without such a template the file is what it was, and what is newer than we know is
    refused."""
    document = json.loads(encode_profile(profile))
    assert set(document["voice"]) == {"template", "own", "seconds", "recordings", "model_sha256"}
    assert decode_profile(json.dumps(document).encode()).voice.speaker is None
    document["voice"]["timbre"] = 1
    with pytest.raises(ValueError, match="keys"):
        decode_profile(json.dumps(document).encode())


def test_a_voice_or_a_face_alone_comes_back(tmp_path: Path, profile: Profile) -> None:
    """A profile may hold only one of the two; the other is then nobody."""
    for index, one in enumerate((replace(profile, voice=None), Profile(None, voice=profile.voice))):
        path = tmp_path / str(index)
        save_profile(path, one, "secret")
        loaded = load_profile(path, "secret")
        assert (loaded.face is None, loaded.voice is None) == (one.face is None, one.voice is None)


def test_content_is_not_readable(tmp_path: Path, profile: Profile) -> None:
    """Neither numbers nor names stand in the file, and no two files are alike."""
    paths = tmp_path / "a", tmp_path / "b"
    for path in paths:
        save_profile(path, profile, "secret")
    first, second = (path.read_bytes() for path in paths)
    assert b"head_to_shoulder" not in first
    assert profile.face.templates.tobytes()[:16] not in first
    assert first[45:61] != second[45:61]


@posix
def test_file_is_for_its_owner_alone(tmp_path: Path, profile: Profile) -> None:
    """The mode is 0600 whatever the umask says."""
    path = tmp_path / "agent"
    before = os.umask(0)
    try:
        save_profile(path, profile, "secret")
        save_profile(path, profile, "secret", overwrite=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent"]


@pytest.mark.parametrize("name", ["日" * 83, "a" * 255, "é" * 127 + "x"])
def test_names_may_be_as_long_as_names_can_be(
    tmp_path: Path, profile: Profile, name: str
) -> None:
    check_place(tmp_path / name)
    save_profile(tmp_path / name, profile, "secret")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_file_system_without_second_names(
    tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT: the name is taken first, and given back when the file cannot have it."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "agent"
    monkeypatch.setattr(os, "link", refuse)
    save_profile(path, profile, "secret")
    load_profile(path, "secret")
    before = path.read_bytes()
    with pytest.raises(ProfileError, match="exists already"):
        save_profile(path, profile, "secret")
    assert path.read_bytes() == before
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ProfileError, match="cannot be written"):
        save_profile(tmp_path / "other", profile, "secret")
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent"]


def test_existing_file_is_kept(tmp_path: Path, profile: Profile) -> None:
    """Saving over a file needs to be asked for."""
    path = tmp_path / "agent"
    path.write_bytes(b"mine")
    with pytest.raises(ProfileError, match="exists already"):
        save_profile(path, profile, "secret")
    assert path.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1
    save_profile(path, profile, "secret", overwrite=True)
    load_profile(path, "secret")


def test_what_a_link_leads_to_is_replaced(tmp_path: Path, profile: Profile) -> None:
    """The profile that was to be replaced does not stand on under its other name."""
    (tmp_path / "kept").mkdir()
    real, link = tmp_path / "kept" / "agent", tmp_path / "agent"
    save_profile(real, profile, "old")
    link.symlink_to(real)
    with pytest.raises(ProfileError, match="exists already"):
        save_profile(link, profile, "new")
    check_place(link)
    save_profile(link, profile, "new", overwrite=True)
    assert link.is_symlink()
    load_profile(real, "new")
    assert list((tmp_path / "kept").iterdir()) == [real]


def test_wrong_passphrase(tmp_path: Path, profile: Profile) -> None:
    """A wrong passphrase is told as such and does not appear in the message."""
    path = tmp_path / "agent"
    save_profile(path, profile, "right")
    with pytest.raises(PassphraseError) as caught:
        load_profile(path, "wr0ng-one")
    assert "wr0ng-one" not in str(caught.value)


def test_accents_are_one_however_composed(tmp_path: Path, profile: Profile) -> None:
    """A passphrase typed with combining accents opens one made with composed letters."""
    path = tmp_path / "agent"
    save_profile(path, profile, "caf\u00e9")
    load_profile(path, "cafe\u0301")


def test_empty_passphrase_is_refused(tmp_path: Path, profile: Profile) -> None:
    """Nothing is written under an empty passphrase, nor under one that is not text."""
    for passphrase in ("", "\udcff"):
        with pytest.raises(ProfileError, match="passphrase"):
            save_profile(tmp_path / "agent", profile, passphrase)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place_is_a_profile_error(tmp_path: Path, profile: Profile) -> None:
    """A folder that is not there is an error with the path."""
    with pytest.raises(ProfileError, match="nowhere"):
        save_profile(tmp_path / "nowhere" / "agent", profile, "secret")


def test_erased_profile_is_gone(tmp_path: Path, profile: Profile) -> None:
    """Erasing overwrites the very blocks (seen through a second name) and unlinks."""
    path, second = tmp_path / "agent", tmp_path / "second_name"
    save_profile(path, profile, "secret")
    before = path.read_bytes()
    os.link(path, second)
    erase_profile(path)
    assert not path.exists()
    after = second.read_bytes()
    assert len(after) == len(before)
    assert before[:64] not in after
    assert sum(a == b for a, b in zip(before, after, strict=True)) < len(before) / 50


def test_erase_leaves_other_files_alone(tmp_path: Path, profile: Profile) -> None:
    """A mistyped path costs nothing: only a profile is erased, and no link followed."""
    other = tmp_path / "thesis.txt"
    other.write_text("ten years of work", "utf-8")
    with pytest.raises(ProfileError, match="left alone"):
        erase_profile(other)
    assert other.read_text("utf-8") == "ten years of work"
    save_profile(tmp_path / "agent", profile, "secret")
    (tmp_path / "link").symlink_to(tmp_path / "agent")
    with pytest.raises(ProfileError, match="link"):
        erase_profile(tmp_path / "link")
    load_profile(tmp_path / "agent", "secret")
    with pytest.raises(ProfileError, match="cannot be read"):
        erase_profile(tmp_path / "absent")


@posix
def test_passphrase_file_must_be_private(tmp_path: Path) -> None:
    """A passphrase file that others may read is refused, one that is private is read."""
    path = tmp_path / "passphrase"
    path.write_text("from a file\n", "utf-8")
    path.chmod(0o644)
    with pytest.raises(ProfileError, match="chmod 600"):
        read_passphrase(file=path)
    path.chmod(0o600)
    assert read_passphrase(file=path) == "from a file"


@posix
@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 5000])
def test_unusable_passphrase_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, binary and huge files are not passphrases."""
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ProfileError):
        read_passphrase(file=path)


def test_file_comes_before_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is file, environment, terminal; an empty variable is refused, not skipped."""
    path = tmp_path / "passphrase"
    path.write_bytes(b" spaces stay \r\n")
    path.chmod(0o600)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "from the environment")
    assert read_passphrase(file=path) == " spaces stay "
    assert read_passphrase() == "from the environment"
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "")
    with pytest.raises(ProfileError, match="empty"):
        read_passphrase()
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(ProfileError, match="no passphrase"):
        read_passphrase(prompt=False)
    with pytest.raises(ProfileError, match="cannot be read"):
        read_passphrase(file=tmp_path / "absent")


def test_prompt_asks_twice_when_confirming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two different answers are an error; without an answer too."""
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    answers = iter(["one", "one", "one", "two", ""])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert read_passphrase(confirm=True) == "one"
    with pytest.raises(ProfileError, match="differ"):
        read_passphrase(confirm=True)
    with pytest.raises(ProfileError, match="empty"):
        read_passphrase()


def test_no_terminal_means_no_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where typing would be shown, nothing is read from standard input."""
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    code = (
        "from homeveil.errors import ProfileError\n"
        "from homeveil.profile import read_passphrase\n"
        "try: read_passphrase()\n"
        "except ProfileError as error: print(error)\n"
    )
    with warnings.catch_warnings():
        done = subprocess.run(
            [sys.executable, "-c", code],
            input="typed\n",
            capture_output=True,
            text=True,
            check=True,
            start_new_session=True,
        )
    assert "no terminal" in done.stdout
