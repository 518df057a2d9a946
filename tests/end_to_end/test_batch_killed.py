"""Archives by the command line: workers killed, runs killed, two at once, disks full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archives import STATE, files_in, recorded, times_done
from commands import PASSPHRASE, Run
from faults import small_disk
from live import until

recordings = recorded(3)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `homeveil batch` and goes on; what still runs at the end is killed."""
    running = []

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "homeveil.cli", "batch", *map(str, words)]
        environment = {**os.environ, **PASSPHRASE, "XDG_STATE_HOME": str(tmp_path / "state")}
        with open(tmp_path / "log", "a") as log:
            running.append(
                subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment)
            )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def children(process: int) -> list[int]:
    """Processes begun by a process."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in listed.read_text("ascii").split()]


def writing(out: Path) -> list[Path]:
    """What is being written."""
    return list(out.glob(".homeveil-*/.*.part"))


def test_a_killed_worker_costs_one_try(
    started: Callable[..., subprocess.Popen[str]], recordings: Path, tmp_path: Path
) -> None:
    """SIGKILL while a worker writes: the file is done again, each is published once, and no
    command line of any process holds a secret."""
    out = tmp_path / "out"
    process = started(recordings, "--out", out, "--nobody", "--workers", 1)
    until(lambda: writing(out), seconds=60.0)
    (worker,) = children(process.pid)
    for one in (process.pid, worker, *children(worker)):
        told = Path(f"/proc/{one}/cmdline").read_bytes()
        assert PASSPHRASE["HOMEVEIL_PASSPHRASE"].encode() not in told
    os.kill(worker, signal.SIGKILL)
    assert process.wait(120) == 0, (tmp_path / "log").read_text()
    assert times_done(out / STATE) == dict.fromkeys(files_in(out), 1)
    assert len(files_in(out)) == 3


def test_a_killed_run_is_taken_up_where_it_was(
    started: Callable[..., subprocess.Popen[str]], run: Run, recordings: Path, tmp_path: Path
) -> None:
    """SIGKILL of the whole run: its workers end too, nothing half-written has a final name, and
    the next run, at once, does the rest and clears away what was left."""
    out = tmp_path / "out"
    process = started(recordings, "--out", out, "--nobody", "--workers", 1)
    until(lambda: (out / "cut00.mp4").exists() and writing(out), seconds=60.0)
    workers = children(process.pid)
    process.kill()
    process.wait()
    until(lambda: not any(Path(f"/proc/{one}/cwd").exists() for one in workers), seconds=60.0)
    done = [name for name in files_in(out) if not name.startswith(".")]
    assert len(done) < 3
    result = run("batch", recordings, "--out", out, "--nobody", "--workers", 1)
    assert result.returncode == 0, result.stderr
    assert files_in(out) == ["cut00.mp4", "cut01.mp4", "cut02.mp4"]
    assert times_done(out / STATE)["cut00.mp4"] == 1


def test_a_stopped_run_leaves_nothing(
    started: Callable[..., subprocess.Popen[str]], recordings: Path, tmp_path: Path
) -> None:
    """SIGTERM: workers end, what was being written is gone, status 130."""
    out = tmp_path / "out"
    process = started(recordings, "--out", out, "--nobody", "--workers", 1)
    until(lambda: writing(out), seconds=60.0)
    process.terminate()
    assert process.wait(30) == 130
    assert not [name for name in files_in(out) if name.startswith(".")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_stopped_twice_leaves_nothing(
    started: Callable[..., subprocess.Popen[str]],
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """Ctrl-C again, while it clears away: neither a piece of a result nor a folder of copies."""
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    process = started(recordings, "--out", out, "--nobody", "--workers", 2)
    until(lambda: writing(out), seconds=60.0)
    for _ in range(3):
        process.send_signal(number)
        time.sleep(0.005)
    assert process.wait(30) == 130
    assert not [name for name in files_in(out) if name.startswith(".")]
    assert not list(scratch.iterdir())


def test_two_runs_at_once_share_the_work(
    started: Callable[..., subprocess.Popen[str]], recordings: Path, tmp_path: Path
) -> None:
    """Both end well only when all is done, and no file is done twice."""
    out = tmp_path / "out"
    runs = [started(recordings, "--out", out, "--nobody", "--workers", 1) for _ in range(2)]
    assert [one.wait(180) for one in runs] == [0, 0], (tmp_path / "log").read_text()
    assert times_done(out / STATE) == dict.fromkeys(files_in(out), 1)
    assert len(files_in(out)) == 3


def test_a_full_disk_fails_and_leaves_nothing(run: Run, recordings: Path, tmp_path: Path) -> None:
    """A file system without room for the result: status 1, the rest is told, nothing is left,
    nothing is set aside; with room, the same command does it."""
    out, state = tmp_path / "out", tmp_path / "state.sqlite"
    words = ("batch", recordings / "cut00.mp4", "--out", out, "--nobody", "--tries", 1)
    with small_disk(out, "4k"):
        full = run(*words, "--state", state)
        left = files_in(out)
    assert full.returncode == 1, full.stderr
    assert "cannot be written" in full.stderr
    assert left == []
    assert run(*words, "--state", state).returncode == 0
    assert files_in(out) == ["cut00.mp4"]


def test_a_disk_without_room_for_a_copy_is_no_fault_of_the_file(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    """The disk of raw copies is full: failed, not set aside, and no piece of a copy stays."""
    out, raw = tmp_path / "out", tmp_path / "raw"
    url = f"local://{recordings / 'cut00.mp4'}"
    words = ("batch", url, "--out", out, "--nobody", "--tries", 1)
    with small_disk(raw, "4k"):
        full = run(*words, environment={"TMPDIR": str(raw)})
        left = files_in(raw)
    assert full.returncode == 1, full.stderr
    assert "no room for a copy" in full.stderr
    assert left == []
    assert run(*words).returncode == 0
    assert files_in(out) == ["cut00.mp4"]


def test_a_broken_state_file_stops_the_run(run: Run, recordings: Path, tmp_path: Path) -> None:
    """Named, with what to do; nothing is cleared that could not be remembered."""
    out = tmp_path / "out"
    out.mkdir()
    (out / STATE).write_bytes(os.urandom(9000))
    result = run("batch", recordings, "--out", out, "--nobody")
    assert result.returncode == 3
    assert "move it away" in result.stderr
    assert files_in(out) == []
