"""Reading: turned, cut off, damaged and unusual files."""

from __future__ import annotations

import gc
import io
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from clips import copy_with, cut, make, make_crowded, make_two_sizes, picture, veiled_frame
from homeveil import _kernels
from homeveil.errors import InputError
from homeveil.frames import Timestamp
from homeveil.media.extent import is_cut_off
from homeveil.media.picture import PictureReader
from homeveil.media.reader import VideoReader
from homeveil.media.turn import Turn
from homeveil.media.writer import VideoWriter

NOW = Timestamp.from_seconds(0)
SIXTY = [number * 100 for number in range(60)]


@pytest.mark.parametrize(
    ("turn", "upright"),
    [
        ((90, False, False), np.rot90),
        ((180, False, False), lambda rgb: np.rot90(rgb, 2)),
        ((270, False, False), lambda rgb: np.rot90(rgb, 3)),
        ((0, True, False), lambda rgb: rgb[:, ::-1]),
        ((0, False, True), lambda rgb: rgb[::-1]),
        ((90, True, True), lambda rgb: np.rot90(rgb, 3)),
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_turns_and_mirrors_are_applied(tmp_path: Path, turn, upright, size) -> None:
    """Every display matrix of right angles and mirrors leaves the picture upright."""
    source = make(tmp_path / "a.mkv", codec="ffv1", size=size)
    with VideoReader(copy_with(source, tmp_path / "b.mp4", turn=turn)) as reader:
        frame = next(iter(reader))
        want = upright(picture(0, size)).astype(int)
        got = _kernels.to_rgb(frame)
        assert (reader.width, reader.height) == (want.shape[1], want.shape[0])
        assert got.shape == want.shape
        assert np.abs(got.astype(int) - want).mean() < 6


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, lambda rgb: rgb), (2, lambda rgb: rgb[:, ::-1]), (6, lambda rgb: np.rot90(rgb, 3))],
)
def test_a_photograph_with_exif_is_read_upright(tmp_path: Path, orientation, upright) -> None:
    """What a phone notes beside the picture is no fault of it, and its orientation is followed."""
    good, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(picture(0, (64, 48))[..., ::-1]))
    assert good
    entry = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + entry
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg.tobytes()[:2] + segment + jpeg.tobytes()[2:])
    with VideoReader(path) as reader:
        got = _kernels.to_rgb(next(iter(reader)))
    want = upright(picture(0, (64, 48))).astype(int)
    assert got.shape == want.shape
    assert np.abs(got.astype(int) - want).mean() < 6


def test_interleaved_chroma_turns_in_pairs() -> None:
    """U and V of a pixel stay together, in their order, in every turn of an NV12 plane."""
    u, v = np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(50, 62, dtype=np.uint8)
    plane = np.stack([u, v.reshape(3, 4)], axis=-1).reshape(3, 8)
    for turn in (Turn(True, False, True), Turn(False, True, False), Turn(True, True, True)):
        got = turn.plane(plane, 2)
        assert np.array_equal(got[:, 0::2], turn.plane(u, 1))
        assert np.array_equal(got[:, 1::2], turn.plane(v.reshape(3, 4), 1))
        assert got.shape == ((4, 6) if turn.transpose else (3, 8))


def test_planes_outlive_the_reader_and_cannot_be_written(tmp_path: Path) -> None:
    """Held frames stay as they were while reading goes on and after close()."""
    with VideoReader(make(tmp_path / "a.mp4")) as reader:
        frames = iter(reader)
        first = next(frames)
        before = first.copy()
        for _ in frames:
            pass
    assert not first.planes[0].flags.writeable
    assert all(np.array_equal(a, b) for a, b in zip(first.planes, before.planes, strict=True))


def test_dropped_frames_are_freed_at_once(tmp_path: Path) -> None:
    """A frame that nobody holds gives its memory back without the garbage collector."""
    source = make(tmp_path / "a.mp4", times=SIXTY)
    turned = copy_with(source, tmp_path / "b.mp4", turn=(90, False, False))
    for path in (source, turned):
        with VideoReader(path) as reader:
            frames = iter(reader)
            next(frames)
            gc.collect()
            gc.disable()
            try:
                before = pictures_alive()
                for _ in frames:
                    pass
                assert pictures_alive() <= before + 2
            finally:
                gc.enable()


def pictures_alive() -> int:
    """Decoder pictures that have not been freed."""
    return sum(isinstance(item, av.VideoFrame) for item in gc.get_objects())


def test_frames_reordered_in_an_avi_come_evenly(tmp_path: Path) -> None:
    """AVI stores no presentation times; frames still come in their order, from zero."""
    source = make(tmp_path / "a.avi", times=list(range(30)), time_base=Fraction(1, 10))
    with VideoReader(source) as reader:
        assert [frame.time.pts for frame in reader] == list(range(30))
        assert reader.repaired_times <= 2  # the last ones leave the decoder without any time


@pytest.mark.parametrize("leaps", [{6: 20_000}, {6: 40_000, 8: 5_000}, {9: 3_000}])
def test_one_time_far_ahead_moves_no_other_picture(tmp_path: Path, leaps: dict[int, int]) -> None:
    """What follows stays where it was, beside its sound. The last one may well come later."""
    source = make(tmp_path / "a.mkv", codec="ffv1")
    with VideoReader(copy_with(source, tmp_path / "b.mkv", late=leaps)) as reader:
        times = [frame.time.pts for frame in reader]
    assert times[:9] == SIXTY[:9]
    assert times[9] == 900 + leaps.get(9, 0)


@pytest.mark.parametrize("step", [40, 1_500, 5_000])
def test_a_picture_that_comes_seldom_is_not_moved(tmp_path: Path, step: int) -> None:
    """A pause, or a picture every few seconds, is no mistake."""
    times = [0, 40, 80, *(3_000 + step * number for number in range(6))]
    with VideoReader(make(tmp_path / "a.mkv", codec="ffv1", times=times)) as reader:
        assert [frame.time.pts for frame in reader] == times
        assert reader.repaired_times == 0


def test_a_change_of_size_passes_through(tmp_path: Path) -> None:
    """Frames keep the size they have; the reader's is that of the first."""
    with VideoReader(make_two_sizes(tmp_path / "a.mkv")) as reader:
        sizes = [(frame.width, frame.height) for frame in reader]
        assert sizes == [(64, 48)] * 3 + [(33, 21)] * 3
        assert (reader.width, reader.height) == (64, 48)


def test_pixel_shape_turns_with_the_picture(tmp_path: Path) -> None:
    """Where the picture is turned by a quarter, wide pixels become tall ones."""
    base = Fraction(1, 25)
    with VideoWriter(
        tmp_path / "a.mp4", width=64, height=48, time_base=base, frame_rate=None,
        sample_aspect_ratio=Fraction(4, 3),
    ) as writer:  # fmt: skip
        writer.write(veiled_frame(0, base))
        writer.commit()
    turned = copy_with(tmp_path / "a.mp4", tmp_path / "b.mp4", turn=(90, False, False))
    with VideoReader(turned) as reader:
        assert reader.sample_aspect_ratio == Fraction(3, 4)


def test_sound_is_noticed(tmp_path: Path) -> None:
    """has_audio says whether there is sound; everything else beside the picture is passed by."""
    with VideoReader(make_crowded(tmp_path / "a.mkv")) as reader:
        assert reader.has_audio
        assert len(list(reader)) == 10
    with VideoReader(make(tmp_path / "b.mkv")) as reader:
        assert not reader.has_audio


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4"])
def test_a_cut_is_noticed(tmp_path: Path, name: str) -> None:
    """What lies before a cut is read, and ``truncated`` tells; it does not for a whole file."""
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    source = make(tmp_path / name, codec=codec, times=SIXTY, options={"g": "10"})
    whole = copy_with(source, tmp_path / f"whole-{name}", options={"movflags": "faststart"})
    with VideoReader(whole) as reader:
        assert len(list(reader)) == 60
        assert not reader.truncated
    with VideoReader(cut(whole, tmp_path / f"cut-{name}", 0.7)) as reader:
        assert 0 < len(list(reader)) < 60
        assert reader.truncated


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    seek = tell = None  # type: ignore[assignment]


def test_a_size_that_nobody_went_back_to_write_is_no_cut(tmp_path: Path) -> None:
    """As in sound that a recorder sent through a pipe."""
    path, pipe = tmp_path / "sent.wav", _Pipe()
    with av.open(pipe, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        samples = np.zeros((1, 16000), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    path.write_bytes(pipe.getvalue())
    assert path.read_bytes()[4:8] == b"\xff\xff\xff\xff"
    assert not is_cut_off(path)
    whole = (len(pipe.getvalue()) - 8).to_bytes(4, "little")
    for told, size in ((False, whole), (True, (2**31).to_bytes(4, "little"))):
        path.write_bytes(b"RIFF" + size + pipe.getvalue()[8:])
        assert is_cut_off(path) is told


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_lost_index_is_named(tmp_path: Path, name: str) -> None:
    """A recording cut off before its index was written is refused as cut off."""
    codec = "mpeg4" if name.endswith("mov") else "libx264"
    broken = cut(make(tmp_path / name, codec=codec), tmp_path / f"cut-{name}", 0.6)
    with pytest.raises(InputError, match="cut off"):
        VideoReader(broken)


def test_broken_packets_cost_their_frames_and_are_counted(tmp_path: Path) -> None:
    """Noise in place of three packets: the frames after them come, at their own times."""
    source = make(tmp_path / "a.mp4", times=SIXTY, options={"g": "10"})
    broken = copy_with(source, tmp_path / "b.mp4", broken=frozenset({12, 13, 14}))
    with VideoReader(broken) as reader:
        seconds = [frame.time.seconds for frame in reader]
        assert reader.damaged_packets == 3
    assert 45 <= len(seconds) <= 57
    assert seconds[-1] == pytest.approx(5.9)
    assert set(np.round(seconds, 6)) <= {tick / 1000 for tick in SIXTY}


def test_nothing_but_noise_is_refused(tmp_path: Path) -> None:
    """A file in which no packet can be decoded is an InputError that says so."""
    source = make(tmp_path / "a.mp4")
    broken = copy_with(source, tmp_path / "b.mp4", broken=frozenset(range(10)))
    with pytest.raises(InputError, match="no frame could be decoded"):
        VideoReader(broken)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile a.mp4\n"),
        ("words.txt", "words\n" * 500),
        ("lines.srt", "1\n00:00:00,000 --> 00:00:02,000\nwords\n"),
    ],
)
def test_a_list_of_files_opens_no_other_file(tmp_path: Path, name: str, text: str) -> None:
    """Playlists, text and subtitles are refused, also where what they name could be read."""
    make(tmp_path / "a.mp4")
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=name):
        VideoReader(path)


def test_a_name_is_never_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file called like a protocol or a pattern is that file."""
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "clip-%03d.mp4", "pipe:0.mp4"):
        os.rename(make(tmp_path / "plain.mp4"), name)
        with VideoReader(name) as reader:
            assert len(list(reader)) == 10


CHROMA = {
    "yuv444p": (1, 1), "yuvj444p": (1, 1), "yuv440p": (1, 2), "yuv422p": (2, 1), "yuvj422p": (2, 1),
    "yuv411p": (4, 1), "yuv410p": (4, 4), "yuyv422": (2, 1), "nv24": (1, 1), "gbrp": (1, 1),
    "yuv420p": (2, 2),
}  # fmt: skip
"""Pixels to a sample of chroma, across and down."""


def noise(pixel_format: str, size: tuple[int, int]) -> av.VideoFrame:
    """A picture of noise, also in what lies beside and below it in memory."""
    made, rng = av.VideoFrame(*size, pixel_format), np.random.default_rng(3)
    for plane in made.planes:
        np.frombuffer(plane, np.uint8)[:] = rng.integers(0, 256, plane.buffer_size, np.uint8)
    return made


@pytest.mark.parametrize("size", [(64, 48), (57, 49), (63, 47), (25, 31)])
@pytest.mark.parametrize("pixel_format", CHROMA)
def test_no_cell_is_tinted_with_what_the_next_hides(pixel_format: str, size) -> None:
    """Whatever sampling of colours a file has: what changes in one cell changes no other."""
    first, second = (noise(pixel_format, size) for _ in range(2))
    across, down = CHROMA[pixel_format]
    rng = np.random.default_rng(4)
    for index, plane in enumerate(second.planes):
        x, y = (across, down) if index and pixel_format != "gbrp" else (1, 1)
        pairs = 2 if pixel_format == "yuyv422" or (index and pixel_format == "nv24") else 1
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        cell = lines[8 // y : 16 // y, pairs * 16 // x : pairs * 24 // x]
        cell[:] = rng.integers(0, 256, cell.shape, np.uint8)
    one, two = (PictureReader().read(picture, NOW) for picture in (first, second))
    for index, (a, b) in enumerate(zip(one.planes, two.planes, strict=True)):
        side = 8 if index == 0 else 4
        differs = a != b
        assert differs[side : 2 * side, 2 * side : 3 * side].any()
        differs[side : 2 * side, 2 * side : 3 * side] = False
        assert not differs.any()


@pytest.mark.parametrize("size", [(64, 48), (57, 49), (63, 47)])
@pytest.mark.parametrize("pixel_format", CHROMA)
def test_every_sample_of_chroma_is_made_of_the_picture(pixel_format: str, size) -> None:
    """Of a picture of one colour all is that colour, to the last row and column of odd sides: none
    is left over from what memory held before."""
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    rgb[:] = (200, 60, 30)
    even = np.pad(rgb, ((0, size[1] % 2), (0, size[0] % 2), (0, 0)), "edge")
    wide = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(format=pixel_format)
    picture = noise(pixel_format, size)
    for to, plane in zip(picture.planes, wide.planes, strict=True):
        lines, given = (np.frombuffer(p, np.uint8).reshape(-1, p.line_size) for p in (to, plane))
        rows, columns = (min(a, b) for a, b in zip(lines.shape, given.shape, strict=True))
        lines[:rows, :columns] = given[:rows, :columns]
    for plane in PictureReader().read(picture, NOW).planes:
        assert np.ptp(plane) <= 1


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le"])
def test_grey_keeps_its_brightness(tmp_path: Path, pixel_format: str) -> None:
    """Grey of any depth comes out as bright as it was."""
    path = make(tmp_path / "a.mkv", codec="ffv1", pixel_format=pixel_format)
    want = picture(0) @ np.array([0.299, 0.587, 0.114])
    with VideoReader(path) as reader:
        got = _kernels.to_rgb(next(iter(reader))).mean(axis=2)
    assert np.abs(got - want).mean() < 3


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "p010le", "yuyv422"])
def test_whatever_the_matrix_the_samples_are_read(pixel_format: str) -> None:
    """Such as YCgCo and ICtCp, of HDR: it says how samples are shown, not how they are stored."""
    given = noise(pixel_format, (64, 48))
    plain = PictureReader().read(given, Timestamp(0, Fraction(1, 10)))
    for matrix in range(1, 18):
        given.colorspace = matrix
        frame = PictureReader().read(given, Timestamp(0, Fraction(1, 10)))
        assert frame.colour.matrix == matrix
        assert all(map(np.array_equal, frame.planes, plain.planes))


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    """A file that may not be read is an InputError about permission."""
    path = make(tmp_path / "a.mp4")
    path.chmod(0)
    if os.access(path, os.R_OK):
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="permission"):
            VideoReader(path)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv", ".flv"])
def test_reading_begins_at_the_key_frame_that_is_named(tmp_path: Path, suffix: str) -> None:
    """Also where a frame is found by when it is decoded, and though no other follows."""
    options = {"g": "25", "bf": "3", "sc_threshold": "0"}
    path = make(tmp_path / f"a{suffix}", times=SIXTY[:40], options=options)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keys = [packet.pts for packet in packets if packet.is_keyframe]
    assert len(keys) == 2
    shown = sorted(packet.pts for packet in packets)
    with VideoReader(path, keys[1]) as reader:
        assert [frame.time.pts for frame in reader] == shown[25:]
