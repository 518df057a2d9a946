"""Names of files that a run reads and writes: which are the same file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from homeveil.emit.side_files import check_apart
from homeveil.errors import OutputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.mp4").write_bytes(b"raw")
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    (tmp_path / "dangling").symlink_to("new.json")
    (tmp_path / "here").symlink_to(tmp_path, target_is_directory=True)
    os.link("in.mp4", "hard.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("in.mp4", ["in.mp4"]), ("in.mp4", ["link.mp4"]), ("in.mp4", ["hard.mp4"]),
        ("in.mp4", ["here/in.mp4"]), ("in.mp4", ["x/../in.mp4"]),
        ("in.mp4", ["new.json", "new.json"]), ("in.mp4", ["new.json", "here/new.json"]),
        ("in.mp4", ["new.json", "dangling"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [Path, lambda name: Path(name).absolute()])
def test_one_file_under_two_names_is_refused(
    folder: Path, read: str, written: list[str], whole: Callable[[str], Path]
) -> None:
    """Whether it exists yet or not, and whatever it is called; what is told says who else."""
    (folder / "x").mkdir()
    with pytest.raises(OutputError, match="would be written over the"):
        check_apart(
            [("input", Path(read))],
            [(f"file {number}", whole(name)) for number, name in enumerate(written)],
        )


def test_different_files_are_let_be(folder: Path) -> None:
    """What is read may be read twice; names that cannot be are left to whoever opens them."""
    check_apart(
        [("input", Path("in.mp4")), ("profile", Path("in.mp4"))],
        [("report", Path("a")), ("plot", Path("b")), ("ledger", Path("x" * 300))],
    )
