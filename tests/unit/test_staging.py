"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from homeveil.errors import OutputError
from homeveil.media.staging import StagedFile, check_target, write_whole


@pytest.mark.parametrize("name", ["日" * 83, "a" * 255, "é" * 127 + "x"])
def test_names_may_be_as_long_as_names_can_be(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"whole")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_stream_of_the_systems_is_no_file_to_be_replaced(tmp_path: Path) -> None:
    """`--report /dev/stdout` with standard output sent into a file: for root, the link itself
    would become a file."""
    with open(tmp_path / "out", "w") as file:
        for name in (f"/dev/fd/{file.fileno()}", f"/dev/../dev/fd/{file.fileno()}"):
            with pytest.raises(OutputError, match="is no plain file"):
                check_target(Path(name))


def test_what_is_private_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    staged = StagedFile(path, private=True)
    assert stat.S_IMODE(staged.working_path.stat().st_mode) == 0o600
    staged.publish()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_where_modes_cannot_be_set_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick's file system refuses it. What is private stays unwritten there."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    write_whole(tmp_path / "out.json", b"whole")
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / "sheet.png", b"raw", private=True)
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]
    assert (tmp_path / "out.json").read_bytes() == b"whole"


def test_stopped_while_it_is_flushed_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what stood there replaced."""

    def stopped(handle: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.json").write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.json", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"before"
