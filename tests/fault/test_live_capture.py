"""The process that holds the camera: what it may not, and what becomes of it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from boxes import TESTS, needs_box
from homeveil.isolation.box import missing_support
from homeveil.live.camera import Camera
from homeveil.media.live_source import LiveSource, SourceKind
from live import POLICY, Memory, running, still_room, until

needs_landlock = pytest.mark.skipif(bool(missing_support()), reason="needs Landlock")

_TRIES = """
import json, os, socket, subprocess, sys
from homeveil import _confine
_confine.capture(os.getppid())
folder = sys.argv[1]
done = {}

def attempt(name, what):
    try:
        what()
        done[name] = True
    except (OSError, subprocess.SubprocessError):
        done[name] = False

attempt("write", lambda: open(folder + "/new", "w").close())
attempt("append", lambda: open(folder + "/there", "a").close())
attempt("remove", lambda: os.unlink(folder + "/there"))
attempt("rename", lambda: os.rename(folder + "/there", folder + "/else"))
attempt("folder", lambda: os.mkdir(folder + "/folder"))
attempt("exec", lambda: subprocess.run(["/bin/true"], check=True))
attempt("shared memory", lambda: open("/dev/shm/homeveil-new", "w").close())
attempt("shared memory of others", lambda: os.open(sys.argv[3], os.O_WRONLY))
attempt("terminal of others", lambda: os.open(sys.argv[4], os.O_WRONLY | os.O_NOCTTY))
attempt("read", lambda: open(folder + "/there").close())
attempt("device", lambda: open("/dev/null", "w").close())
attempt("network", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2]))).close())
done["dumped"] = bool(int(open("/proc/self/coredump_filter").read(), 16))
print(json.dumps(done))
"""


@needs_landlock
def test_it_writes_no_file_and_runs_no_program(tmp_path: Path) -> None:
    """Devices and the network stay: that is what it is for. Not all of /dev is a device."""
    (tmp_path / "there").write_text("x")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.NamedTemporaryFile(dir="/dev/shm") as memory,
        contextlib.ExitStack() as stack,
    ):
        ends = os.openpty()
        for end in ends:
            stack.callback(os.close, end)
        words = [sys.executable, "-c", _TRIES, str(tmp_path), str(server.getsockname()[1]),
                 memory.name, os.ttyname(ends[1])]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    allowed = {name for name, worked in told.items() if worked}
    assert allowed == {"read", "device", "network"}
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@needs_landlock
def test_it_is_locked_whatever_it_holds(tmp_path: Path) -> None:
    """The one for a file gives up the network too."""
    source = still_room(tmp_path / "room.mkv", 5, sound=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        for kind, where, filters in (
            (SourceKind.FILE, str(source), "2"), (SourceKind.STREAM, place, "0"),
        ):  # fmt: skip
            with Camera(LiveSource(kind, where)) as camera:
                status = Path(f"/proc/{camera.process_id}/status")
                until(lambda status=status: "NoNewPrivs:\t1" in status.read_text("ascii"), 10)
                until(lambda s=status, f=filters: f"Seccomp:\t{f}" in s.read_text("ascii"), 10)
                limits = Path(f"/proc/{camera.process_id}/limits").read_text("ascii")
                (core,) = (line for line in limits.splitlines() if "core file" in line)
                assert core.split()[4:6] == ["0", "0"]


def test_it_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    source = still_room(tmp_path / "room.mkv", 30, sound=False)
    code = (
        "import time; from homeveil.live.camera import Camera;"
        " from homeveil.media.live_source import read_source;"
        f" camera = Camera(read_source({str(source)!r}, realtime=True));"
        " print(camera.process_id, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not Path(f"/proc/{process}").exists(), 10)


def test_who_reads_no_more_ends_it(tmp_path: Path) -> None:
    source = still_room(tmp_path / "room.mkv", 30, sound=False)
    with Camera(LiveSource(SourceKind.FILE, str(source))) as camera:
        camera.hand_over()
        process = camera.process_id
        state = Path(f"/proc/{process}/stat")
        until(lambda: state.read_text("ascii").rpartition(")")[2].split()[0] == "Z", 10)


@needs_box
def test_a_machine_that_is_too_slow_drops_and_never_lags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking takes three frames' time: some pictures are given up, and none comes late."""
    from homeveil.isolation import box
    from homeveil.live.board import Board
    from homeveil.live.session import Session
    from homeveil.live.take import Shot
    from homeveil.media.live_source import read_source

    start = box._START.replace(
        " from homeveil.isolation.inside import main;",
        f" sys.path.append({TESTS!r}); import attacks; attacks.slow(0.3);"
        " from homeveil.isolation.inside import main;",
    )
    monkeypatch.setattr(box, "_START", start)
    source = still_room(tmp_path / "room.mkv", 12, sound=False)
    memory, board, latencies = Memory(), Board(), []
    show = board.show

    def watch(frame: object, cause: object, latency: float | None = None) -> None:
        latencies.append(latency)
        show(frame, cause, latency)  # type: ignore[arg-type]

    monkeypatch.setattr(board, "show", watch)
    shot = Shot(read_source(str(source), realtime=True), None, POLICY)
    with running(Session(shot, [memory], board)) as raised:
        until(lambda: sum(not frame.fault for frame in memory.frames) > 15, 40)
        assert not raised
    assert board.counts().late_frames > 15
    seen = [latency for latency in latencies if latency is not None]
    # What waits in the pipe may cost a frame more than what is in hand.
    assert max(seen[3:]) < 0.1 + 2 * 0.3 + 0.3
    times = [frame.seconds for frame in memory.frames]
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
