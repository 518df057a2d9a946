"""Full disks, killed processes, missing rights: nothing half-made stands under a name."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clips import veiled_frame
from faults import small_disk
from homeveil.emit.files import FileSink
from homeveil.errors import OutputError

MS = Fraction(1, 1000)
ENDLESS = """
    import sys
    from fractions import Fraction
    from pathlib import Path
    from clips import veiled_frame
    from homeveil.emit.files import FileSink
    sink = FileSink(Path(sys.argv[1]))
    for number in range(100000):
        sink.write(veiled_frame(number * 40, Fraction(1, 1000), level=number % 200))
        if number == 40:
            print("writing", flush=True)
"""


def noisy(number: int):
    """A frame that does not compress."""
    frame = veiled_frame(number * 40, MS, (320, 240))
    frame.planes[0][:] = np.random.default_rng(number).integers(0, 255, (240, 320))
    return frame


def write_much(sink: FileSink) -> None:
    """More than any of the disks here holds."""
    for number in range(200):
        sink.write(noisy(number))
    sink.commit()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        yield disk


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_full_disk_leaves_nothing(disk: Path, suffix: str) -> None:
    """When the disk fills up, one line says so and the disk is empty again."""
    sink = FileSink(disk / f"a{suffix}", quality=5)
    with pytest.raises(OutputError, match="disk is full") as caught:
        write_much(sink)
    assert "\n" not in str(caught.value)
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_file_size_limit_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files ends like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = FileSink(tmp_path / f"a{suffix}", quality=5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="size limit"):
            write_much(sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_at_the_very_end_is_noticed(tmp_path: Path) -> None:
    """A file so small that all of it is written by commit() fails there, and is gone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = FileSink(tmp_path / "a.mp4")
    sink.write(veiled_frame(0, MS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OutputError):
            sink.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """After SIGKILL in mid-write the final name does not exist; a .part file may."""
    target = tmp_path / "a.mp4"
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ENDLESS), str(target)],
        stdout=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    assert all(path.name.endswith(".part") for path in tmp_path.iterdir())


def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    """A directory one may not write into is an OutputError before any frame."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if os.access(closed, os.W_OK):
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match=r"permission|Permission"):
            FileSink(closed / "a.mp4")
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_directory_that_vanishes_is_an_output_error(tmp_path: Path) -> None:
    """The directory goes while the file is written: commit() fails in one line."""
    away = tmp_path / "away"
    away.mkdir()
    sink = FileSink(away / "a.mp4")
    sink.write(veiled_frame(0, MS))
    for path in away.iterdir():
        path.unlink()
    away.rmdir()
    with pytest.raises(OutputError):
        sink.commit()
    assert list(tmp_path.iterdir()) == []
