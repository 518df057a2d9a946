"""Faults while live: real processes are killed, stopped and starved, and every frame that leaves
meanwhile is a card."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from boxes import needs_box, needs_models
from faults import canary_clip, found, small_disk, written_under
from homeveil.errors import InputError, ModelError
from homeveil.isolation import Isolate
from homeveil.live.board import Board, Cause, State
from homeveil.live.outputs.push import Push
from homeveil.live.outputs.recorder import Recorder
from homeveil.live.outputs.transport import Transport
from homeveil.live.session import Session
from homeveil.models.store import cache_directory
from live import POLICY, Memory, Out, caught, running, session, shot, still_room, until

pytestmark = needs_models

BACK_SECONDS = 5.0
FRAME = 0.1


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return still_room(tmp_path_factory.mktemp("live") / "room.mkv", 60)


def is_open(memory: Memory) -> bool:
    return bool(memory.frames) and not memory.frames[-1].whole


def first_back(after: list[Out]) -> Out | None:
    """The first frame that is open after the first card; one may still have been on its way."""
    rest = itertools.dropwhile(lambda frame: not frame.fault, after)
    return next((frame for frame in rest if not frame.fault), None)


def check_closed_and_back(made: Session, memory: Memory, fault: float, over: float) -> None:
    """Frames put out after ``fault`` are cards, but for what the camera had caught before it and
    was on its way; and it is open again within five seconds of ``over``."""
    until(lambda: first_back(memory.after(fault)) is not None, BACK_SECONDS + 5)
    after = memory.after(fault)
    last_good = next(n for n, frame in enumerate(after) if frame.fault)
    on_their_way = [caught(made, frame) for frame in after[:last_good]]
    assert all(at <= fault for at in on_their_way), "a frame of after the fault left as if good"
    back = first_back(after)
    assert back is not None
    assert back.at - over <= BACK_SECONDS
    assert all(frame.whole for frame in after if frame.fault)
    # Nothing stands still meanwhile: cards come about as often as frames did.
    cards = [frame.at for frame in after if frame.fault and frame.at < back.at]
    gaps = [b - a for a, b in itertools.pairwise(cards)]
    assert max(gaps, default=0) < 5 * FRAME


@needs_box
@pytest.mark.parametrize("part", ["clearing", "camera"])
def test_a_process_killed(room: Path, part: str) -> None:
    with session(shot(room)) as (made, memory, board):
        until(lambda: is_open(memory))
        assert made.take is not None
        os.kill(made.take.processes[part], signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: memory.frames[-1].fault)
        check_closed_and_back(made, memory, killed, killed)
        assert board.counts().restarts >= 1
        until(lambda: is_open(memory))
        assert board.status.state is State.OPEN


@needs_box
@pytest.mark.parametrize("part", ["clearing", "camera"])
def test_a_process_stalled_for_two_seconds(room: Path, part: str) -> None:
    with session(shot(room)) as (made, memory, _):
        until(lambda: is_open(memory))
        assert made.take is not None
        process = made.take.processes[part]
        os.kill(process, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            time.sleep(2.0)
            while_stopped = memory.after(stopped)
        finally:
            os.kill(process, signal.SIGCONT)
        going = time.monotonic()
        assert any(frame.fault for frame in while_stopped)
        assert all(frame.fault or caught(made, frame) <= stopped for frame in while_stopped)
        check_closed_and_back(made, memory, stopped, going)


@needs_box
def test_a_process_that_never_goes_on_is_replaced(room: Path) -> None:
    with session(shot(room)) as (made, memory, _):
        until(lambda: is_open(memory))
        assert made.take is not None
        process = made.take.processes["clearing"]
        os.kill(process, signal.SIGSTOP)
        until(lambda: made.take is not None and made.take.processes.get("clearing") != process)
        until(lambda: is_open(memory))


@needs_box
def test_a_model_removed(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models"
    shutil.copytree(cache_directory(), models)
    monkeypatch.setenv("HOMEVEIL_MODELS", str(models))
    with session(shot(room)) as (made, memory, board):
        until(lambda: is_open(memory))
        models.rename(tmp_path / "gone")
        assert made.take is not None
        os.kill(made.take.processes["clearing"], signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: "model" in board.status.detail)
        assert board.status.cause is Cause.FAULT
        (tmp_path / "gone").rename(models)
        check_closed_and_back(made, memory, killed, time.monotonic())


def test_what_is_missing_at_the_beginning_ends_it(
    room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEVEIL_MODELS", str(tmp_path))
    memory = Memory()
    made = Session(shot(room), [memory], Board())
    with running(made) as raised:
        until(lambda: raised)
    assert isinstance(raised[0], ModelError)
    assert memory.frames == []


def test_a_file_that_is_none_ends_it(tmp_path: Path) -> None:
    memory = Memory()
    made = Session(shot(tmp_path / "none.mp4"), [memory], Board())
    with running(made) as raised:
        until(lambda: raised)
    assert isinstance(raised[0], InputError)
    assert memory.frames == []


def test_a_camera_that_is_not_there_yet_is_waited_for(room: Path) -> None:
    """A stream that nobody sends yet: cards leave, and pictures once it comes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with session(shot(f"tcp://127.0.0.1:{port}")) as (_, memory, board):
        until(lambda: memory.frames and board.status.cause is Cause.NO_CAMERA)
        assert all(frame.fault for frame in memory.frames)
        assert f"127.0.0.1:{port}" in board.status.detail
        with serving(room, port):
            until(lambda: is_open(memory))
        # And the sender is gone again.
        gone = time.monotonic()
        until(lambda: memory.frames[-1].fault)
        later = memory.after(gone + 1.0)
        assert all(frame.fault for frame in later)


def test_the_camera_changes_its_size(room: Path, tmp_path: Path) -> None:
    """In mid-stream: all is denied again, and outputs keep the size they began with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = tmp_path / "other.mkv"
    with av.open(str(other), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(300):
            frame = av.VideoFrame(320, 192, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([90 + number % 2]) * plane.buffer_size)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with session(shot(f"tcp://127.0.0.1:{port}")) as (_, memory, _board):
        with serving(room, port):
            until(lambda: is_open(memory))
        changed = time.monotonic()
        with serving(other, port):
            until(lambda: any(not f.fault for f in memory.after(changed + 0.5)))
            first = next(f for f in memory.after(changed + 0.5) if not f.fault)
            assert first.whole, "a new size was shown before it was cleared"
            until(lambda: is_open(memory))
    assert len(memory.begun) == 1
    assert {frame.luma.shape for frame in memory.frames} == {(96, 160)} or memory.begun[0][:2] != (
        160,
        96,
    )


class serving:  # noqa: N801  reads as what it does
    """A process that sends a file to who connects, at its own pace, as MPEG-TS."""

    def __init__(self, source: Path, port: int) -> None:
        import sys

        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(source), str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


_SERVER = """
import sys, time, av
given = av.open(sys.argv[1])
made = av.open(f"tcp://127.0.0.1:{sys.argv[2]}?listen=1", "w", format="mpegts",
               container_options={"flush_packets": "1", "mpegts_flags": "pat_pmt_at_frames"})
stream = made.add_stream_from_template(given.streams.video[0], opaque=True)
begin = time.monotonic()
for packet in given.demux(video=0):
    if not packet.size:
        continue
    wait = float((packet.dts or 0) * packet.time_base) - (time.monotonic() - begin)
    if wait > 0:
        time.sleep(wait)
    packet.stream = stream
    made.mux(packet)
"""


# ------------------------------------------------------------------ pause
@needs_box
def test_pause_takes_effect_with_the_next_frame_and_lets_go_of_the_camera(room: Path) -> None:
    with session(shot(room)) as (made, memory, board):
        until(lambda: is_open(memory))
        assert made.take is not None
        held = made.take.processes
        for part, number in held.items():
            assert os.path.exists(f"/proc/{number}"), part
        count = len(memory.frames)
        board.pause(True)
        paused = time.monotonic()
        until(lambda: len(memory.frames) >= count + 3)
        after = memory.after(paused)
        assert all(frame.fault and frame.whole for frame in after)
        assert board.status.state is State.PAUSED
        until(lambda: not any(os.path.exists(f"/proc/{number}") for number in held.values()))
        sounds = len(memory.sounds)
        time.sleep(0.5)
        assert all(not sound.samples.any() for sound in memory.sounds[sounds:])
        board.pause(False)
        until(lambda: is_open(memory))
        assert board.status.state is State.OPEN


@needs_box
def test_a_pause_that_is_over_at_once_ends_the_take(room: Path) -> None:
    """A card leaves, the camera is let go, and other processes begin, which know of nothing."""
    with session(shot(room)) as (made, memory, board):
        until(lambda: is_open(memory))
        take = made.take
        assert take is not None
        held = take.processes
        board.pause(True)
        board.pause(False)
        covered = time.monotonic()
        until(lambda: made.take not in (None, take))
        until(lambda: not any(os.path.exists(f"/proc/{number}") for number in held.values()))
        until(lambda: first_back(memory.after(covered)) is not None)
        # One may have been on its way.
        assert any(frame.fault for frame in memory.after(covered)[:2])
        assert made.take is not None
        assert not set(made.take.processes.values()) & set(held.values())
        until(lambda: is_open(memory))
        assert board.status.state is State.OPEN


# ------------------------------------------------------------------ outputs
@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full."""
    with small_disk(tmp_path / "small", "64k", lazily=True) as place:
        yield place


def test_a_full_disk_stops_the_recording_alone(room: Path, disk: Path) -> None:
    transport = Transport(POLICY)
    recorder = Recorder(transport.broadcast, disk)
    reader = transport.broadcast.subscribe()
    with session(shot(room), transport, recorder) as (_, memory, _board):
        until(lambda: "full" in recorder.status().trouble, 40)
        assert not recorder.status().going
        full = time.monotonic()
        before = len(memory.frames)
        until(lambda: len(memory.frames) > before + 5)
        assert reader.next(1.0)
        for file in disk.glob("*.ts"):
            file.unlink()
        until(lambda: recorder.status().going, BACK_SECONDS)
        assert not any(frame.fault for frame in memory.after(full))


class Receiver:
    """A server that takes an MPEG-TS stream over TCP and can be gone."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.data = bytearray()
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._taken.append(taken)
            while part := self._receive(taken):
                self.data += part

    def _receive(self, taken: socket.socket) -> bytes:
        try:
            return taken.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for taken in self._taken:
            taken.close()


def test_a_server_that_goes_and_comes_back(room: Path) -> None:
    server = Receiver()
    transport = Transport(POLICY)
    push = Push(transport.broadcast, f"tcp://127.0.0.1:{server.port}")
    with session(shot(room), transport, push) as (_, memory, _board):
        until(lambda: len(server.data) > 20_000)
        server.close()
        gone = time.monotonic()
        until(lambda: push.status().trouble)
        time.sleep(1.0)
        assert not any(frame.fault for frame in memory.after(gone))
        again = Receiver(server.port)
        until(lambda: len(again.data) > 20_000, BACK_SECONDS)
        until(lambda: push.status().going)
    again.close()


# ------------------------------------------------------------------ canaries
@needs_box
@pytest.mark.parametrize("isolate", [Isolate.REQUIRE, Isolate.OFF])
def test_no_canary_of_the_camera_is_in_what_was_written(tmp_path: Path, isolate: Isolate) -> None:
    source, pieces = canary_clip(tmp_path / "canary.mkv", frames=40)
    folder = tmp_path / "out"
    folder.mkdir()
    transport = Transport(POLICY)
    recorder = Recorder(transport.broadcast, folder)
    memory = Memory()
    board = Board()
    made = Session(shot(source, isolate=isolate), [memory, transport, recorder], board)
    with made:
        made.run()
    assert sum(not frame.fault for frame in memory.frames) > 10
    assert all(frame.whole for frame in memory.frames)
    assert any(folder.iterdir())
    for data in written_under(folder):
        assert found(data, pieces) == 0
    for frame in memory.frames:
        assert found(frame.luma.tobytes(), pieces) == 0
    for sound in memory.sounds:
        assert not sound.samples.any()
