"""One file of an archive, in a worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import register_implementation

from homeveil.batch.jobs import Job
from homeveil.batch.work import clear
from homeveil.policy import Policy


class _StillSent(LocalFileSystem):
    """A server to which somebody still sends the file that is fetched from it."""

    protocol = "stillsent"

    def get_file(self, rpath: str, lpath: str, *others: Any, **named: Any) -> None:
        super().get_file(rpath, lpath, *others, **named)
        with open(self._strip_protocol(rpath), "ab") as file:
            file.write(b"more")

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix("stillsent://")))


@pytest.fixture
def still_sent() -> None:
    register_implementation("stillsent", _StillSent, clobber=True)


@pytest.mark.usefixtures("still_sent")
def test_a_recording_that_grows_while_it_is_fetched_is_not_done(tmp_path: Path) -> None:
    """What was fetched is a piece of it: no result, and it is tried again."""
    (tmp_path / "in.mp4").write_bytes(b"the beginning")
    target = tmp_path / "out" / "in.mp4"
    outcome = clear(
        Job(f"stillsent://{tmp_path}/in.mp4", str(target), None, Policy().to_document())
    )
    assert "changed while it was read" in outcome.reason
    assert outcome.blames_file
    assert list(target.parent.iterdir()) == []


def test_a_bad_recording_is_told_of_by_its_own_name(tmp_path: Path) -> None:
    """Not by that of the copy that was fetched."""
    (tmp_path / "in.mp4").write_bytes(b"no recording")
    url = f"local://{tmp_path}/in.mp4"
    outcome = clear(Job(url, str(tmp_path / "out.mp4"), None, Policy().to_document()))
    assert outcome.reason.startswith(f"{url}: not a media file")


def test_what_need_not_end_is_no_recording(tmp_path: Path) -> None:
    """A device or a pipe, which a manifest may name, holds up nothing."""
    (tmp_path / "device.mp4").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("device.mp4", "pipe.mp4"):
        target = tmp_path / "out" / name
        outcome = clear(Job(str(tmp_path / name), str(target), None, Policy().to_document()))
        assert "not a regular file" in outcome.reason


def test_a_name_that_is_too_long_is_told_before_any_work(tmp_path: Path) -> None:
    """The file is not at fault: it is not even read."""
    (tmp_path / "in.mp4").write_bytes(b"no recording")
    target = tmp_path / "out" / f"{'b' * 256}.mp4"
    outcome = clear(Job(str(tmp_path / "in.mp4"), str(target), None, Policy().to_document()))
    assert "cannot be written" in outcome.reason
    assert not outcome.blames_file
    assert list(target.parent.iterdir()) == []


def test_a_profile_that_is_gone_is_no_fault_of_the_file(tmp_path: Path) -> None:
    """It lay on a server, from which it was taken in mid-run."""
    (tmp_path / "in.mp4").write_bytes(b"no recording")
    gone = f"local://{tmp_path}/agent.veil"
    outcome = clear(
        Job(str(tmp_path / "in.mp4"), str(tmp_path / "out.mp4"), gone, Policy().to_document())
    )
    assert "agent.veil: no such file" in outcome.reason
    assert not outcome.blames_file
