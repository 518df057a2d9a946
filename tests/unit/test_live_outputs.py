"""One encoded stream for many readers, and what carries it."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from clips import veiled_frame
from homeveil.desk.findings import Change
from homeveil.desk.times import Live
from homeveil.desk_events import DeskEvents
from homeveil.desk_rules import DeskItem
from homeveil.errors import OutputError, UsageError
from homeveil.fakes import ScriptedDesk, finding
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.live.outputs import push
from homeveil.live.outputs.broadcast import MOST_WAITING_BYTES, Broadcast, Chunk
from homeveil.live.outputs.desk import DeskWatch
from homeveil.live.outputs.newest import Newest
from homeveil.live.outputs.push import Push
from homeveil.live.outputs.recorder import Recorder
from homeveil.live.outputs.transport import Transport
from homeveil.live.outputs.virtual_camera import VirtualCamera
from homeveil.media.live_source import read_source
from homeveil.media.sound_track import SoundFormat
from homeveil.policy import Policy
from homeveil.veil.card import card, silence
from live import until
from receivers import answer, webhook

MS = Fraction(1, 1000)


def decoded(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), format="mpegts") as container:
        return list(container.decode(video=0))


def streamed(
    transport: Transport, count: int = 45, *, sound: SoundFormat | None = None, step: int = 100
) -> None:
    """Send frames at a pace that the encoder keeps."""
    transport.begin(64, 48, 1000 / step, sound)
    for number in range(count):
        transport.take(veiled_frame(number * step, MS, level=60 + number))
        if sound is not None:
            samples = sound.rate * step // 1000
            at = Timestamp.from_seconds(number * step / 1000)
            transport.hear(silence(sound.rate, sound.channels, samples, at))
        until(lambda: transport.waiting() < 4)


# ------------------------------------------------------------------ broadcast
def test_a_reader_begins_at_a_key_frame() -> None:
    broadcast = Broadcast()
    reader = broadcast.subscribe()
    broadcast.put(Chunk(b"a", False, 0))
    broadcast.put(Chunk(b"K", True, 1))
    broadcast.put(Chunk(b"b", False, 2))
    assert [reader.next(0), reader.next(0), reader.next(0)] == [b"K", b"b", None]
    assert reader.dropped == 1


def test_a_slow_reader_loses_and_is_not_waited_for() -> None:
    broadcast = Broadcast()
    slow, quick = broadcast.subscribe(), broadcast.subscribe()
    piece = bytes(MOST_WAITING_BYTES // 4)
    for number in range(20):
        broadcast.put(Chunk(piece, number % 2 == 0, number))
        assert quick.next(0) == piece
    kept = list(iter(lambda: slow.next_chunk(0), None))
    assert len(kept) <= 4
    assert kept[0].key
    assert slow.dropped >= 12
    assert quick.dropped == 0


def test_the_end_comes_after_what_waits() -> None:
    broadcast = Broadcast()
    reader = broadcast.subscribe()
    broadcast.put(Chunk(b"K", True, 0))
    broadcast.end()
    assert [reader.next(0), reader.next(0)] == [b"K", b""]
    assert broadcast.subscribe().next(0) == b""


# ------------------------------------------------------------------ transport
def test_a_stream_can_be_read_from_any_key_frame() -> None:
    transport = Transport(Policy())
    reader = transport.broadcast.subscribe()
    streamed(transport, 65, sound=SoundFormat(16_000, 1))
    transport.close()
    chunks = list(iter(lambda: reader.next_chunk(1.0), Chunk(b"", False, 0.0)))
    keys = [index for index, chunk in enumerate(chunks) if chunk.key]
    assert len(keys) >= 3
    last = decoded(b"".join(chunk.data for chunk in chunks))[-1].pts
    for key in keys:
        rest = b"".join(chunk.data for chunk in chunks[key:])
        assert rest[0] == 0x47
        frames = decoded(rest)
        assert frames[0].key_frame
        assert frames[-1].pts == last
        with av.open(io.BytesIO(rest), format="mpegts") as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 0


def test_times_pass_through() -> None:
    transport = Transport(Policy())
    reader = transport.broadcast.subscribe()
    streamed(transport, 20)
    transport.close()
    data = b"".join(iter(lambda: reader.next(1.0), b""))
    times = [float(frame.pts * frame.time_base) for frame in decoded(data)]
    assert times == pytest.approx([number * 0.1 + times[0] for number in range(20)], abs=1e-4)


def test_nothing_is_lost_at_the_end() -> None:
    """Sound comes later than its picture: what waits for it leaves all the same."""
    transport = Transport(Policy())
    reader = transport.broadcast.subscribe()
    transport.begin(64, 48, 10, SoundFormat(16_000, 1))
    for number in range(40):
        transport.take(veiled_frame(number * 100, MS, level=60 + number))
        if number >= 15:
            at = Timestamp.from_seconds((number - 15) / 10)
            transport.hear(silence(16_000, 1, 1600, at))
        until(lambda: transport.waiting() < 4)
    transport.close()
    data = b"".join(iter(lambda: reader.next(1.0), b""))
    assert len(decoded(data)) == 40
    with av.open(io.BytesIO(data), format="mpegts") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 25 * 1600


def test_an_output_takes_nothing_raw() -> None:
    transport = Transport(Policy())
    shapes = plane_shapes(PixelFormat.I420, 64, 48)
    raw = RawFrame(tuple(np.zeros(s, np.uint8) for s in shapes), PixelFormat.I420, 64, 48,
                   Timestamp(0, MS))  # fmt: skip
    with pytest.raises(UsageError):
        transport.take(raw)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        transport.hear(np.zeros(3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoder", "preset", "size"),
    [
        ("no_such", "veryfast", (64, 48)),
        ("libvpx-vp9", "veryfast", (64, 48)),
        ("mpeg2video", "veryfast", (64, 48)),
        ("libx264", "nonsense", (64, 48)),
        ("libx264", "veryfast", (65, 48)),
    ],
)
def test_an_encoder_that_cannot_be_had_is_told(
    encoder: str, preset: str, size: tuple[int, int]
) -> None:
    """When it begins, not when the first frame finds it out and nothing leaves."""
    with pytest.raises(OutputError, match="libx264"):
        Transport(Policy(video_encoder=encoder, encoder_preset=preset)).begin(*size, 10, None)


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_a_picture_leaves_the_encoder_before_the_next_one_comes(encoder: str) -> None:
    transport = Transport(Policy(video_encoder=encoder))
    reader = transport.broadcast.subscribe()
    transport.begin(64, 48, 10, None)
    for number in range(3):
        transport.take(veiled_frame(number * 100, MS))
        assert reader.next(20.0)
    transport.close()


def test_a_stream_goes_on_after_the_encoder_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A frame that is too large makes it fail. Who reads along goes on with the next encoder, at a
    key frame; nobody has to come back."""
    transport = Transport(Policy())
    recorder = Recorder(transport.broadcast, tmp_path)
    recorder.begin(64, 48, 10, None)
    until(lambda: recorder._reader is not None)
    streamed(transport, 15)
    until(lambda: recorder.status().bytes and not transport.waiting())
    transport.take(veiled_frame(1500, MS, (128, 96)))
    until(lambda: not transport.status().going)
    assert transport.status().trouble.startswith("the encoder failed")
    until(lambda: not recorder.status().going)
    before = recorder.status().bytes
    for number in range(16, 1000):
        transport.take(veiled_frame(number * 100, MS, level=90))
        time.sleep(0.02)
        if transport.status().going:
            break
    assert transport.status().trouble == ""
    until(lambda: recorder.status().going)
    transport.take(veiled_frame((number + 1) * 100, MS, level=90))
    transport.close()
    recorder.close()
    assert recorder.status().bytes > before
    (file,) = tmp_path.glob("homeveil-*.ts")
    frames = decoded(file.read_bytes())
    assert round(float((frames[-1].pts - frames[0].pts) * frames[0].time_base), 3) > 1.5
    assert any(frame.key_frame for frame in frames[15:])
    assert sum("trying again" in record.getMessage() for record in caplog.records) == 1


def test_a_card_holds_nothing() -> None:
    """All of one colour, withheld whole, and the same whatever came before."""
    one, other = (card(64, 48, Timestamp(at, MS), Policy()) for at in (0, 7))
    assert one.fault
    assert one.withheld.all()
    for a, b in zip(one.planes, other.planes, strict=True):
        assert a.min() == a.max()
        assert (a == b).all()


# ------------------------------------------------------------------ recordings
def test_recordings_roll_at_key_frames_and_lose_nothing(tmp_path: Path) -> None:
    transport = Transport(Policy())
    recorder = Recorder(transport.broadcast, tmp_path, minutes=3 / 60)
    recorder.begin(64, 48, 10, None)
    until(lambda: recorder._reader is not None)
    streamed(transport, 95)
    transport.close()
    recorder.close()
    files = sorted(tmp_path.glob("homeveil-*.ts"))
    assert len(files) >= 3
    assert not list(tmp_path.glob(".*"))
    frames = [frame for file in files for frame in decoded(file.read_bytes())]
    assert len(frames) == 95
    assert recorder.status().bytes == sum(file.stat().st_size for file in files)


def test_the_oldest_recordings_go(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"homeveil-20260101-00000{number}.ts").write_bytes(bytes(1000))
    transport = Transport(Policy())
    recorder = Recorder(transport.broadcast, tmp_path, minutes=2 / 60, keep_bytes=2500)
    recorder.begin(64, 48, 10, None)
    until(lambda: recorder._reader is not None)
    streamed(transport, 50)
    transport.close()
    recorder.close()
    assert not (tmp_path / "homeveil-20260101-000000.ts").exists()
    kept = sorted(tmp_path.glob("homeveil-*.ts"))
    assert sum(file.stat().st_size for file in kept[:-1]) <= 2500


HOUR = 3600


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        # The night the clocks go back: an hour of names comes twice.
        ({"20261101-015000": -2 * HOUR, "20261101-010000": -HOUR}, "20261101-015000"),
        # Two of one second.
        ({"20260101-000000": -20, "20260101-000000-1": -10}, "20260101-000000"),
        # The clock was an hour ahead and is set right.
        ({"20260101-120000": HOUR, "20260101-110000": -HOUR // 2}, "20260101-120000"),
    ],
    ids=["clocks-go-back", "one-second", "clock-set-back"],
)
def test_the_one_that_goes_is_the_oldest(
    tmp_path: Path, there: dict[str, float], gone: str
) -> None:
    """Whatever the names say, and whatever the clock did; and nothing goes but recordings."""
    now = time.time()
    (tmp_path / "homeveil-best-of.ts").write_bytes(bytes(9000))
    for name, age in there.items():
        path = tmp_path / f"homeveil-{name}.ts"
        path.write_bytes(bytes(1000))
        os.utime(path, (now + age, now + age))
    stream = Broadcast()
    recorder = Recorder(stream, tmp_path, keep_bytes=1800)
    recorder.begin(64, 48, 10, None)
    until(lambda: recorder._reader is not None)
    stream.put(Chunk(bytes(800), True, 0.0))
    stream.end()
    until(lambda: not recorder._thread.is_alive())
    recorder.close()
    left = {path.name for path in tmp_path.iterdir()}
    assert f"homeveil-{gone}.ts" not in left
    assert left >= {f"homeveil-{name}.ts" for name in (*there, "best-of") if name != gone}
    assert len(left) == 3


@pytest.mark.parametrize(
    "wishes", [{"minutes": 0.0}, {"minutes": float("nan")}, {"keep_bytes": -1}, {"keep_bytes": 0}]
)
def test_recordings_without_room_are_refused(tmp_path: Path, wishes: dict[str, float]) -> None:
    """Less than nothing to keep would delete what is there."""
    with pytest.raises(UsageError):
        Recorder(Broadcast(), tmp_path, **wishes)  # type: ignore[arg-type]


def test_what_a_crash_left_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / ".homeveil-20260101-000000.ts.part").write_bytes(b"G" * 188)
    (tmp_path / ".homeveil-20260101-000001.ts.part").write_bytes(b"")
    Recorder(Broadcast(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["homeveil-20260101-000000.ts"]


def test_what_another_recorder_writes_is_left_to_it(tmp_path: Path) -> None:
    """Two cameras may record into one folder: neither takes or deletes what the other is at."""
    one, other = Broadcast(), Broadcast()
    first = Recorder(one, tmp_path)
    first.begin(64, 48, 10, None)
    until(lambda: first._reader is not None)
    one.put(Chunk(b"a" * 188, True, 0.0))
    until(lambda: first.status().bytes == 188)
    second = Recorder(other, tmp_path, keep_bytes=1)
    second.begin(64, 48, 10, None)
    until(lambda: second._reader is not None)
    other.put(Chunk(b"b" * 188, True, 0.0))
    until(lambda: second.status().bytes == 188)
    other.end()
    second.close()
    one.put(Chunk(b"c" * 188, False, 1.0))
    one.end()
    first.close()
    kept = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert kept == [b"a" * 188 + b"c" * 188, b"b" * 188]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="make it first"):
        Recorder(Broadcast(), tmp_path / "none")


# ------------------------------------------------------------------ push
_RTSP_SERVER = """
import sys, av
options = {"rtsp_flags": "listen", "listen_timeout": "60"}
with av.open(sys.argv[1], container_options=options) as container:
    for packet in container.demux():
        if packet.size:
            print(packet.stream.type, flush=True)
"""


def test_an_rtsp_server_gets_picture_and_sound() -> None:
    """FFmpeg's own RTSP server takes what is announced and recorded to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"rtsp://127.0.0.1:{port}/desk"
    server = subprocess.Popen(
        [sys.executable, "-c", _RTSP_SERVER, url], stdout=subprocess.PIPE, text=True
    )
    got = {"video": 0, "audio": 0}

    def count() -> None:
        for line in server.stdout or ():
            got[line.strip()] += 1

    threading.Thread(target=count, daemon=True).start()
    transport = Transport(Policy())
    push = Push(transport.broadcast, url)
    push.begin(64, 48, 20, None)
    until(lambda: push._reader is not None)
    transport.begin(64, 48, 20, SoundFormat(16_000, 1))
    try:
        for number in range(600):
            transport.take(veiled_frame(number * 50, MS, level=60 + number % 100))
            transport.hear(silence(16_000, 1, 800, Timestamp.from_seconds(number * 0.05)))
            time.sleep(0.03)
            if min(got.values()) > 20:
                break
        assert min(got.values()) > 20, push.status()
        assert push.status().going
        assert push.status().bytes > 0
    finally:
        transport.close()
        push.close()
        server.kill()
        server.wait()


def test_a_server_that_takes_nothing_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It holds the connection and reads nothing of it."""
    monkeypatch.setattr(push, "STALL_SECONDS", 2.0)
    transport = Transport(Policy(video_quality=5))
    noise = np.random.default_rng(1)
    stop = threading.Event()

    def film() -> None:
        for number in range(10**6):
            if stop.wait(0.05):
                return
            frame = veiled_frame(number * 100, MS, size=(320, 180))
            planes = tuple(noise.integers(0, 255, p.shape, np.uint8) for p in frame.planes)
            transport.take(replace(frame, planes=planes))

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = Push(transport.broadcast, f"tcp://127.0.0.1:{server.getsockname()[1]}")
        transport.begin(320, 180, 10, None)
        sender.begin(320, 180, 10, None)
        camera = threading.Thread(target=film)
        camera.start()
        try:
            first, _ = server.accept()
            until(lambda: "takes nothing" in sender.status().trouble, 120)
            second, _ = server.accept()
            first.close()
            second.close()
        finally:
            stop.set()
            camera.join()
            sender.close()
            transport.close()


def test_an_address_nobody_can_send_to_is_refused() -> None:
    """Whatever is wrong with it, and without a word that may be of a password."""
    for url in (
        "ftp://host/hunter2", "rtsp://", "/tmp/hunter2", "//me:hunter2@host/x", "rtsp://host:99999",
        "tcp://me:hunter2@host", "udp://me:hunter2@host:0/", "tcp://me:hunter2@host/x",
        "rtsp://me:hunter2/x@host", "rtsp://me:hunter2#@host", "rtsp://me:x@[::1/hunter2",
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            Push(Broadcast(), url)
        assert "hunter2" not in str(caught.value)


def test_a_name_holds_no_secret() -> None:
    push = Push(Broadcast(), "rtsp://me:secret@host:8554/desk?key=other")
    assert push.status().name == "stream to rtsp://host:8554"
    assert Push(Broadcast(), "udp://[::1]:9000").status().name == "stream to udp://[::1]:9000"


def test_a_scheme_in_capitals_is_sent_to() -> None:
    """FFmpeg itself does not know it so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = Transport(Policy())
        push = Push(transport.broadcast, f"TCP://127.0.0.1:{server.getsockname()[1]}")
        push.begin(64, 48, 10, None)
        until(lambda: push._reader is not None)
        streamed(transport, 65)
        server.settimeout(20)
        taken, _ = server.accept()
        with taken:
            taken.settimeout(20)
            assert taken.recv(1) == b"G"
        transport.close()
        push.close()


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "srt"])
def test_an_address_that_ffmpeg_has_no_protocol_for_is_refused(scheme: str) -> None:
    """It would be tried for ever. Which there are, FFmpeg itself says when it is to read one."""
    needed = {"rtsp": "tcp", "rtsps": "tls"}.get(scheme, scheme)
    missing = False
    try:
        av.open(f"{needed}://127.0.0.1:1?timeout=1", format="mpegts", timeout=(0.2, 0.2))
    except av.error.ProtocolNotFoundError:
        missing = True
    except av.FFmpegError:
        pass
    address = f"{scheme}://me:hunter2@127.0.0.1:9000/x"
    if not missing:
        assert Push(Broadcast(), address).status().name == f"stream to {scheme}://127.0.0.1:9000"
        assert read_source(address).name == f"{scheme}://127.0.0.1:9000"
        return
    for use in (lambda: Push(Broadcast(), address), lambda: read_source(address)):
        with pytest.raises(UsageError, match=f"no {scheme} here") as caught:
            use()
        assert "hunter2" not in str(caught.value)


def test_an_output_that_fails_says_so_once_and_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log of a service is all that is read of it."""
    caplog.set_level("INFO", logger="homeveil")
    gone = threading.Event()

    class Going(Newest):
        def _use(self, frame: VeiledFrame) -> None:
            if gone.is_set():
                raise RuntimeError("hunter2")

    output = Going("virtual camera")
    output.begin(64, 48, 10, None)
    gone.set()
    for number in range(2):
        output.take(veiled_frame(number, MS))
        until(lambda: not output.waiting())
        until(lambda: not output.status().going)
    assert output.status().trouble == "virtual camera: failed (RuntimeError)"
    gone.clear()
    output.take(veiled_frame(2, MS))
    until(lambda: output.status().going)
    assert output.status().trouble == ""
    output.close()
    assert [record.getMessage() for record in caplog.records] == [
        "virtual camera: failed (RuntimeError); trying again",
        "virtual camera: is back",
    ]


def test_a_virtual_camera_whose_device_fails_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here is no such device: what stands for pyvirtualcam fails as it does, once while sending
    and once while opening."""
    made: list[Device] = []

    class Device:
        def __init__(self, **asked: object) -> None:
            self.asked, self.sent, self.closed = asked, 0, False
            made.append(self)
            if len(made) == 2:
                raise RuntimeError("device busy")

        def send(self, picture: np.ndarray) -> None:
            assert picture.shape == (48, 64, 3)
            if len(made) == 1 and self.sent:
                raise RuntimeError("device gone")
            self.sent += 1

        def close(self) -> None:
            self.closed = True

    stand_in = SimpleNamespace(Camera=Device, PixelFormat=SimpleNamespace(RGB="rgb"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", stand_in)
    output = VirtualCamera("/dev/video10")
    output.begin(64, 48, 10, None)
    for number in range(1000):
        output.take(veiled_frame(number, MS))
        time.sleep(0.02)
        if len(made) == 3 and made[2].sent:
            break
    assert made[0].closed
    assert made[2].sent
    assert made[2].asked == made[0].asked
    until(lambda: output.status().going)
    output.close()
    assert made[2].closed


def test_desk_events_that_are_refused_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On the page while the session goes on, and in the log at its end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    desk = ScriptedDesk({0.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    with webhook(answer(400)) as received:
        events = DeskEvents([received.url], watcher=desk, clock=Live(batched=False))
        output = DeskWatch(events)
        output.begin(64, 48, 10, None)
        output.take(veiled_frame(0, MS))
        until(lambda: output.status().trouble == "1 events were refused")
        output.close()
    assert "1 events were refused there" in caplog.text


def test_desk_events_that_wait_or_are_lost_are_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody took the events of a live session: what it says last is how many wait for the next
    run, and how many there is no next run for."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    caplog.set_level("INFO", logger="homeveil")
    kinds = (DeskItem.PHONE, DeskItem.PAPER)
    desk = ScriptedDesk({0.0: [finding(Change.APPEARED, kind) for kind in kinds]})
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://localhost:{nobody.getsockname()[1]}/desk"
        events = DeskEvents([url], clock=Live(), watcher=desk, patience_seconds=0.3)
        output = DeskWatch(events)
        output.begin(64, 48, 10.0, None)
        output.take(veiled_frame(0, MS))
        until(lambda: output.waiting() == 0)
        # Its spool takes one more, as a disk does that is nearly full.
        events._deliveries[0]._spool._most = 1
        output.close()
    assert f"{url[:-5]}: 1 events wait for the next run" in caplog.text
    assert f"{url[:-5]}: 1 events are lost" in caplog.text
