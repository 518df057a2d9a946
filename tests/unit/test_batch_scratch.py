"""Raw copies of an archive's files go, also when who made them was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from homeveil.batch.pool import Pool
from homeveil.batch.scratch import scratch, sweep

_HOLDS = """
import time
from homeveil.batch.pool import Pool
from homeveil.batch.scratch import scratch
with scratch() as folder:
    (folder / "raw.mp4").write_bytes(b"raw")
    print(folder, flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_goes_with_the_next(place: Path) -> None:
    gone, left = holder(place)
    living, kept = holder(place)
    try:
        os.kill(gone.pid, signal.SIGKILL)
        gone.wait()
        assert (left / "raw.mp4").exists()
        with scratch() as own:
            assert own.stat().st_mode & 0o777 == 0o700
            assert not left.exists()
            assert (kept / "raw.mp4").exists()
        assert not own.exists()
    finally:
        living.kill()
        living.wait()
    sweep()
    assert list(place.iterdir()) == []


_RUNS = """
import time
from homeveil.batch.pool import Pool
with Pool(1) as pool:
    print(*pool.process_ids, flush=True)
    time.sleep(600)
"""


def test_a_run_killed_with_all_its_workers_leaves_its_copies_to_the_next(place: Path) -> None:
    """As a container that is stopped, or a machine without power: nobody is left to tidy up."""
    run = subprocess.Popen(
        [sys.executable, "-c", _RUNS], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    assert run.stdout is not None
    worker = int(run.stdout.readline())
    (folder,) = place.iterdir()
    (folder / "raw.mp4").write_bytes(b"raw")
    os.kill(worker, signal.SIGSTOP)
    run.kill()
    run.wait()
    os.kill(worker, signal.SIGKILL)
    assert (folder / "raw.mp4").exists()
    with Pool(1):
        assert not folder.exists()
    assert list(place.iterdir()) == []


def test_a_number_that_another_process_has_now_is_no_excuse(place: Path) -> None:
    with scratch() as own:
        name = own.name.split("-")
    (place / "-".join([*name[:5], "12345", "abc"])).mkdir()
    sweep()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("boot", "space", "stays"),
    [
        ("own", "other", True), ("other", "other", True), ("other", "own", False),
        ("other", "own, a container", True),
    ],
)  # fmt: skip
def test_what_another_container_may_work_at_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, boot: str, space: str, stays: bool
) -> None:
    """Its processes cannot be seen from here. What a machine left before it was stopped goes."""
    with scratch() as own:
        name = own.name.split("-")
    first = "1" if "container" in space else name[3]
    monkeypatch.setattr("homeveil.batch.processes._FIRST_SPACE", first)
    name[2] = name[2] if boot == "own" else "0123abcd"
    name[3] = "2" if space == "other" else name[3]
    left = place / "-".join([*name[:4], "1", "12345", "abc"])
    left.mkdir()
    sweep()
    assert left.exists() is stays


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_run_in_a_container_leaves_the_copies_of_others(place: Path) -> None:
    """Containers that share a folder for temporary files see none of each other's processes."""
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces to be had here")
    living, kept = holder(place)
    try:
        code = "from homeveil.batch.scratch import sweep; sweep()"
        environment = {**os.environ, "TMPDIR": str(place)}
        subprocess.run([*apart, sys.executable, "-c", code], env=environment, check=True)
        assert (kept / "raw.mp4").exists()
    finally:
        living.kill()
        living.wait()


def test_a_process_may_have_any_name(place: Path) -> None:
    """Also one that is no text."""
    with scratch() as own:
        name = own.name.split("-")
    program = place / os.fsdecode(b"caf\xe9")
    shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "60"])
    try:
        (place / "-".join([*name[:4], str(process.pid), "12345", "abc"])).mkdir()
        sweep()
        assert list(place.iterdir()) == [program]
    finally:
        process.kill()
        process.wait()


def test_what_is_not_ours_stays(place: Path) -> None:
    with scratch() as own:
        name = own.name.split("-")
    (place / "homeveil-raw-x").mkdir()
    (place / "-".join([*name[:4], "1", "2", "abc"])).symlink_to(place / "homeveil-raw-x")
    (place / "other").mkdir()
    sweep()
    assert len(list(place.iterdir())) == 3
