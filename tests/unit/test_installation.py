"""Secrets of this installation, in the user's state folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from homeveil.errors import LedgerError
from homeveil.installation import own_secret, state_folder


def secret(path: Path, value: bytes) -> bytes:
    return own_secret(path, "key", lambda: value, LedgerError)


def test_what_a_killed_run_left_is_not_in_the_way(tmp_path: Path) -> None:
    """In a container the next run may have the same process number."""
    left = tmp_path / f".key.{os.getpid()}.part"
    left.write_bytes(b"half")
    assert secret(tmp_path / "key", b"mine") == b"mine"
    assert secret(tmp_path / "key", b"another") == b"mine"
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / "key"]


def test_the_first_secret_to_stand_is_everybodys(tmp_path: Path) -> None:
    """One that came in while ours was made is taken."""
    path = tmp_path / "key"

    def made_too_late() -> bytes:
        secret(path, b"theirs")
        return b"ours"

    assert own_secret(path, "key", made_too_late, LedgerError) == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["link to nothing", "pipe", "folder"])
def test_what_is_no_secret_is_an_error(tmp_path: Path, kind: str) -> None:
    """At once, whatever stands there, and it stays."""
    path = tmp_path / "key"
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir(0o700)
    else:
        path.symlink_to(tmp_path / "nothing")
    with pytest.raises(LedgerError, match="cannot be read"):
        secret(path, b"mine")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("given", ["", "state", "./state"])
def test_a_relative_state_folder_is_ignored(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets lie in one place, not wherever a command is run."""
    monkeypatch.setenv("XDG_STATE_HOME", given)
    assert state_folder() == Path.home() / ".local" / "state" / "homeveil"
