"""The feed between the process that holds the camera and the one that clears."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import copy_with, make, make_sound_only, picture, take_sound_out, with_cover
from homeveil.errors import InputError, UsageError
from homeveil.frames import Colour, RawFrame
from homeveil.media.capture import MachineClock, Pace, capture, read_order, write_order
from homeveil.media.feed import (
    _HEAD,
    EncodedSoundForm,
    FeedPacket,
    FeedReader,
    FeedWriter,
    Kind,
    PictureForm,
)
from homeveil.media.feed_decoder import FeedPictures, FeedSound
from homeveil.media.live_source import LiveSource, SourceKind, read_source
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.media.turn import Turn
from live import until

FORM = PictureForm(640, 360, Fraction(30_000, 1001), "h264", "yuv420p", b"\1\2")
SOUND = EncodedSoundForm(48_000, 2, "aac", b"\3")


def fed(write: Callable[[FeedWriter], None], *, cut: int | None = None) -> FeedReader:
    """A reader of what ``write`` wrote, or of its first ``cut`` bytes."""
    reading, writing = os.pipe()
    write(FeedWriter(writing))
    os.close(writing)
    if cut is not None:
        data = os.read(reading, 10**6)
        os.close(reading)
        reading, writing = os.pipe()
        os.write(writing, data[:cut])
        os.close(writing)
    return FeedReader(reading)


packets = st.builds(
    FeedPacket,
    st.sampled_from([Kind.PICTURE, Kind.SOUND]),
    st.binary(max_size=300),
    st.integers(-(2**62), 2**62),
    st.integers(-(2**62), 2**62),
    st.booleans(),
)


turns = st.builds(Turn, st.booleans(), st.booleans(), st.booleans())


points = st.integers(1, 22)
colours = st.builds(Colour, points, points, points, full_range=st.booleans())


@given(st.lists(packets, max_size=5), st.booleans(), turns, colours)
def test_what_is_sent_arrives(
    sent: list[FeedPacket], sound: bool, turn: Turn, colour: Colour
) -> None:
    form = replace(FORM, turn=turn, colour=colour)

    def write(feed: FeedWriter) -> None:
        feed.forms(form, SOUND if sound else None)
        for packet in sent:
            feed.packet(packet)
        feed.end()

    reader = fed(write)
    assert reader.picture == form
    assert reader.sound == (SOUND if sound else None)
    assert list(reader) == sent


def test_an_end_that_is_not_told_of_is_an_error() -> None:
    """A camera's process that was killed must not pass for a recording that is over."""
    reader = fed(lambda feed: feed.forms(FORM, None))
    with pytest.raises(InputError, match="ended"):
        list(reader)


@given(st.integers(0, 400))
def test_a_feed_cut_anywhere_is_an_error(cut: int) -> None:
    def write(feed: FeedWriter) -> None:
        feed.forms(FORM, SOUND)
        feed.packet(FeedPacket(Kind.PICTURE, bytes(150), 1, 1, True))
        feed.packet(FeedPacket(Kind.SOUND, bytes(50), 1, 1, True))

    with pytest.raises(InputError):
        list(fed(write, cut=cut))


def test_the_other_side_says_what_is_wrong() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        fed(lambda feed: feed.fail("/dev/video0: cannot be opened\x07"))


@pytest.mark.parametrize(
    "form",
    [
        PictureForm(0, 360, None, "h264", ""),
        PictureForm(640, 10**6, None, "h264", "yuv420p"),
        PictureForm(640, 360, None, "../x", "yuv420p"),
        PictureForm(640, 360, Fraction(5000), "h264", "yuv420p"),
        PictureForm(640, 360, None, "h264", "yuv420p", bytes(40_000)),
    ],
)
def test_a_form_out_of_range_is_refused(form: PictureForm) -> None:
    with pytest.raises(InputError):
        fed(lambda feed: feed.forms(form, None))


@pytest.mark.parametrize(("turn", "good"), [(0, True), (7, True), (8, False), (255, False)])
def test_a_turn_that_is_none_is_refused(turn: int, good: bool) -> None:
    reading, writing = os.pipe()
    FeedWriter(writing).forms(FORM, None)
    data = bytearray(os.read(reading, 10**6))
    data[_HEAD.size + 4 * 4] = turn
    os.write(writing, data)
    os.close(writing)
    if good:
        assert FeedReader(reading).picture.turn == Turn(bool(turn), bool(turn), bool(turn))
    else:
        with pytest.raises(InputError, match="no feed"):
            FeedReader(reading)
    os.close(reading)


# ------------------------------------------------------------------ pictures
def captured(path: Path) -> tuple[FeedReader, list[RawFrame]]:
    """What comes of a file through the feed."""
    reading, writing = os.pipe()
    source = read_source(str(path), realtime=True)
    sender = threading.Thread(target=capture, args=(source, FeedWriter(writing)))
    sender.start()
    reader = FeedReader(reading)
    pictures = FeedPictures(reader.picture, path)
    packets = [packet for packet in reader if packet.kind is Kind.PICTURE]
    frames = [frame for packet in packets for frame in pictures.decode(packet)]
    frames += pictures.finish()
    sender.join()
    os.close(reading)
    os.close(writing)
    return reader, frames


def check_as_read(path: Path, count: int = 2) -> None:
    """Through the feed come the frames that a reader gives, of the size that was told before."""
    feed, live = captured(path)
    with VideoReader(path) as reader:
        read = list(reader)
        assert (feed.picture.width, feed.picture.height) == (reader.width, reader.height)
        assert feed.picture.colour == read[0].colour, "what leaves first is described by it"
    assert len(live) == len(read) == count
    for ours, theirs in zip(live, read, strict=True):
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        assert (ours.pixel_format, ours.colour) == (theirs.pixel_format, theirs.colour)
        assert all(map(np.array_equal, ours.planes, theirs.planes))


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize(
    ("codec", "suffix", "size"),
    [
        ("libx264", "mp4", (64, 48)), ("libx265", "mkv", (64, 48)), ("ffv1", "mp4", (63, 47)),
        ("mjpeg", "mov", (63, 47)), ("prores", "mov", (64, 48)), ("libvpx-vp9", "mkv", (63, 47)),
    ],
)  # fmt: skip
def test_what_a_file_wants_turned_is_turned(
    tmp_path: Path, codec: str, suffix: str, size: tuple[int, int],
    degrees: int, across: bool, down: bool,
) -> None:  # fmt: skip
    """People lie sideways to no model, and the left hand is the left hand, as in a file."""
    layout = {"mjpeg": "yuvj420p", "prores": "yuv422p10le"}.get(codec, "yuv420p")
    options = {
        "libx264": {"bf": "0"}, "libx265": {"x265-params": "bframes=0:log-level=none"},
    }.get(codec, {})  # fmt: skip
    source = make(
        tmp_path / "a.mkv", codec=codec, pixel_format=layout, size=size, times=[0, 20],
        options=options,
    )  # fmt: skip
    turn = (degrees, across, down)
    check_as_read(copy_with(source, tmp_path / f"b.{suffix}", turn=turn))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_what_waits_to_be_put_in_order_comes_at_the_end(tmp_path: Path, suffix: str) -> None:
    """Of a file whose pictures hang on later ones none is lost."""
    options = {"bf": "3", "b-adapt": "0", "b-pyramid": "normal"}
    times = list(range(0, 240, 20))
    clip = make(tmp_path / f"a.{suffix}", codec="libx264", times=times, options=options)
    with av.open(str(clip)) as container:
        ticks = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert ticks != sorted(ticks)
    check_as_read(clip, len(times))


def test_av1_is_decoded_by_what_ffmpeg_takes_for_it(tmp_path: Path) -> None:
    """By the codec's own name it takes a decoder that wants a graphics card."""
    check_as_read(make(tmp_path / "a.mkv", codec="libsvtav1", times=[0, 20]))


def test_a_layout_of_pixels_that_is_not_known_yet_is_awaited(tmp_path: Path) -> None:
    """A camera sends damage while FFmpeg looks for it: the decoder finds it out in time."""
    times = [n * 20 for n in range(6)]
    whole = make(tmp_path / "a.webm", codec="libvpx-vp9", times=times)
    broken = copy_with(whole, tmp_path / "b.webm", broken=frozenset(range(6)))
    feed, frames = captured(broken)
    assert feed.picture.pixel_format == ""
    assert frames == []
    pictures = FeedPictures(feed.picture, broken)
    with av.open(str(whole)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                frames += pictures.decode(FeedPacket(Kind.PICTURE, bytes(packet), 0, 0, True))
    assert [(frame.width, frame.height) for frame in frames] == [(64, 48)] * 6


def test_pictures_without_times_are_of_when_they_come() -> None:
    """JPEG after JPEG, as many cameras send over HTTP: FFmpeg says that each lasts 40 ms, and one
    that sends ten a second would fall behind its own pictures."""
    sent: list[float] = []

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for number in range(12):
                data = cv2.imencode(".jpg", picture(number))[1].tobytes()
                sent.append(time.monotonic())
                self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(data), data))
                time.sleep(0.1)

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = read_source(f"http://127.0.0.1:{server.server_address[1]}/video")
        reading, writing = os.pipe()

        def send() -> None:
            try:
                with contextlib.suppress(InputError):
                    capture(source, FeedWriter(writing))
            finally:
                os.close(writing)

        sender = threading.Thread(target=send)
        sender.start()
        reader = FeedReader(reading)
        times = []
        with contextlib.suppress(InputError):
            for packet in reader:
                times.append(packet.pts / 1_000_000)
        sender.join()
        os.close(reading)
        server.shutdown()
    assert reader.picture.frame_rate is None
    assert len(times) == len(sent)
    assert all(came >= went for came, went in zip(times, sent, strict=True))
    assert times == sorted(set(times))


def test_h264_without_a_container_is_taken(tmp_path: Path) -> None:
    """As small cameras send it over TCP: no packet of it has a time."""
    data = make(tmp_path / "a.h264", options={"bf": "0"}).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                taken.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        source = read_source(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        reading, writing = os.pipe()
        try:
            with pytest.raises(InputError, match="has ended"):
                capture(source, FeedWriter(writing))
        finally:
            os.close(writing)
        reader = FeedReader(reading)
        pictures, frames = FeedPictures(reader.picture, tmp_path), []
        with contextlib.suppress(InputError):
            for packet in reader:
                frames += pictures.decode(packet)
        os.close(reading)
    assert len(frames) == 10
    times = [frame.time.pts for frame in frames]
    assert times == sorted(set(times))


def test_a_cover_is_not_the_picture(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", times=[0, 20], options={"bf": "0"})
    both = with_cover(clip, tmp_path / "b.mp4")
    with av.open(str(both)) as container:
        assert [stream.width for stream in container.streams.video] == [16, 64]
    check_as_read(both)
    alone = with_cover(make_sound_only(tmp_path / "a.m4a"), tmp_path / "c.mp4")
    with pytest.raises(InputError, match="no picture"):
        capture(read_source(str(alone), realtime=True), FeedWriter(os.open(os.devnull, os.O_RDWR)))


def test_sound_that_is_announced_and_never_comes_is_left_out(tmp_path: Path) -> None:
    """As a camera does whose microphone is switched off: in the tables there is sound, and no
    packet of it."""
    clip = make(tmp_path / "a.ts", times=[0, 20], options={"bf": "0"}, sound=True)
    take_sound_out(clip)
    feed, frames = captured(clip)
    assert feed.sound is None
    assert len(frames) == 2


def test_sound_of_many_channels_is_mixed_down(tmp_path: Path) -> None:
    """As from a file; what a decoder is not told of it does not decode."""
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="hexadecagonal")
        samples = np.full((1, 1600 * 16), 8000, np.int16)
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="hexadecagonal")
        block.sample_rate = 16_000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    with SoundReader(path) as reader:
        read = list(reader)
    packets = []
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size:
                at = round(packet.pts * packet.time_base * 1_000_000)
                packets.append(FeedPacket(Kind.SOUND, bytes(packet), at, at, True))
    sound = FeedSound(EncodedSoundForm(16_000, 16, "pcm_s16le"), path)
    live = [block for packet in packets for block in sound.decode(packet)]
    assert sound.form.channels == 1
    heard, told = (np.concatenate([one.samples for one in way], axis=1) for way in (live, read))
    assert heard.shape == told.shape == (1, 1600)
    assert np.array_equal(heard, told)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_one_wrong_time_is_not_believed(tmp_path: Path, kind: str) -> None:
    """A packet that claims to be shown or heard an hour later than those round it."""
    clip = make(tmp_path / "a.mkv", options={"bf": "0"}, sound=True)
    moved = 0
    with av.open(str(clip)) as given, av.open(str(tmp_path / "b.ts"), "w") as made:
        streams = {
            one.index: made.add_stream_from_template(one, opaque=True) for one in given.streams
        }
        for packet in given.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.stream.type == kind and moved == 0 and packet.pts * packet.time_base > 0.4:
                moved = round(3600 / packet.time_base)
                packet.pts += moved
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
    assert moved
    reading, writing = os.pipe()
    source = read_source(str(tmp_path / "b.ts"), realtime=True)
    sender = threading.Thread(target=capture, args=(source, FeedWriter(writing)))
    sender.start()
    now = time.monotonic()
    packets = list(FeedReader(reading))
    sender.join()
    os.close(reading)
    os.close(writing)
    assert len(packets) > 12
    assert {packet.kind for packet in packets} == {Kind.PICTURE, Kind.SOUND}
    assert sum(packet.kind is Kind.PICTURE for packet in packets) == 10
    assert all(abs(packet.pts / 10**6 - now) < 60 for packet in packets)



# ------------------------------------------------------------------ clocks
@given(st.lists(st.floats(0, 0.4), min_size=2, max_size=60), st.floats(-1e5, 1e5))
def test_delays_on_the_way_do_not_move_the_clock_forward(waits: list[float], start: float) -> None:
    """A packet never gets a later time than the quickest one on the way would have given it."""
    clock = MachineClock()
    for number, wait in enumerate(waits):
        seconds = number * 0.05
        offset = clock.map(start + seconds, 1000 + seconds + wait)
        best = 1000 - start + min(waits[: number + 1])
        assert offset <= best + 100e-6 * (seconds + 1) + 1e-6
        assert offset >= 1000 - start - 1e-6


def test_the_clock_follows_a_jump() -> None:
    clock = MachineClock()
    clock.map(10.0, 100.0)
    assert clock.map(5000.0, 100.1) == pytest.approx(100.1 - 5000.0)


def test_a_file_keeps_its_pace() -> None:
    pace, begin = Pace(), time.monotonic()
    for number in range(4):
        pace.map(7 + number * 0.05, time.monotonic())
    assert time.monotonic() - begin >= 0.149


# ------------------------------------------------------------------ names
@pytest.mark.parametrize(
    ("place", "kind", "name"),
    [
        ("0", SourceKind.DEVICE, "/dev/video0"),
        ("/dev/video3", SourceKind.DEVICE, "/dev/video3"),
        ("rtsp://me:secret@cam.local:554/a?key=1", SourceKind.STREAM, "rtsp://cam.local:554"),
        ("RTSP://me:secret@cam.local/A", SourceKind.STREAM, "rtsp://cam.local"),
        ("http://10.0.0.7/x", SourceKind.STREAM, "http://10.0.0.7"),
        ("rtsp://[fe80::1]:554/x", SourceKind.STREAM, "rtsp://[fe80::1]:554"),
    ],
)
def test_a_source_is_known_by_its_name(place: str, kind: SourceKind, name: str) -> None:
    source = read_source(place)
    assert (source.kind, source.name) == (kind, name)
    # So FFmpeg knows it.
    assert source.place.startswith(name.partition(":")[0])
    assert read_order(write_order(source)) == source


def test_a_file_must_be_asked_for() -> None:
    with pytest.raises(UsageError, match="--realtime"):
        read_source("film.mp4")
    assert read_source("film.mp4", realtime=True).kind is SourceKind.FILE


@pytest.mark.parametrize(
    "place",
    [
        "ftp://host/x", "file:///etc/passwd", "rtsp://", "concat://a", "xtsp://me:secret@host/x",
        "tcp://me:secret@host/x", "udp://me:secret@host:0", "me:secret@host/x",
        "rtsp:me:secret@host/x", "rtsp:/me:secret@host/x",
        "rtsp://me:secret@host:abc/x", "rtsp://me:sec/ret@host/x", "rtsp://[me:secret/x",
    ],
)  # fmt: skip
def test_an_address_of_no_camera_is_refused(place: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_source(place)
    assert not any(part in str(refusal.value) for part in ("secret", "sec", "ret@", "passwd"))


def test_secrets_of_an_address_stay_out_of_the_arguments() -> None:
    """Arguments can be read by everybody on the machine."""
    from homeveil.live.camera import Camera

    silent = socket.create_server(("127.0.0.1", 0))
    place = f"rtsp://me:secret@127.0.0.1:{silent.getsockname()[1]}/a"
    with silent, Camera(LiveSource(SourceKind.STREAM, place)) as camera:
        line = Path(f"/proc/{camera.process_id}/cmdline")
        # For a moment after it was started it has none yet.
        until(line.read_bytes)
        assert b"homeveil" in line.read_bytes()
        assert b"secret" not in line.read_bytes()
