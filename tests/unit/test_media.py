"""Files in and files out: formats, times, damage, and what must not pass."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips import make, make_sound_only, picture, veiled
from homeveil import _kernels
from homeveil.desk.view import View
from homeveil.emit.files import FileSink, fitted
from homeveil.errors import InputError, OutputError, UsageError
from homeveil.fakes import fake_frames
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Grid
from homeveil.media.reader import VideoReader
from homeveil.media.writer import VideoWriter
from rooms import texture


def read(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and RGB of every frame."""
    with VideoReader(path) as reader:
        return [(frame.time.seconds, _kernels.to_rgb(frame)) for frame in reader]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv422p"),
        ("a.mkv", "libx264", "yuv444p"),
        ("a.mkv", "libx264", "yuv420p10le"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mov", "libx264", "nv12"),
    ],
)
def test_formats_are_read_alike(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    """Whatever the container, codec and sampling: ten frames that look like what went in."""
    frames = read(make(tmp_path / name, codec=codec, pixel_format=pixel_format))
    assert len(frames) == 10
    difference = np.abs(frames[3][1].astype(int) - picture(3).astype(int)).mean()
    assert difference < 16


def test_variable_frame_times_survive_reading(tmp_path: Path) -> None:
    """Uneven times come out as they went in."""
    times = [0, 40, 41, 200, 950, 1000]
    frames = read(make(tmp_path / "a.mkv", times=times))
    assert [time for time, _ in frames] == pytest.approx([t / 1000 for t in times])


def test_a_quarter_turn_is_applied(tmp_path: Path) -> None:
    """A display matrix turns the planes, so that people stand upright, and the size with
    them."""
    source = make(tmp_path / "a.mp4")
    turned = tmp_path / "turned.mp4"
    data = bytearray(source.read_bytes())
    identity = (
        b"\x00\x01\x00\x00" + bytes(12) + b"\x00\x01\x00\x00" + bytes(12) + b"\x40\x00\x00\x00"
    )
    quarter = (
        bytes(4) + b"\x00\x01\x00\x00" + bytes(4) + b"\xff\xff\x00\x00" + bytes(16)
        + b"\x40\x00\x00\x00"
    )  # fmt: skip
    at = data.find(identity, data.find(b"tkhd"))
    assert at > 0
    data[at : at + len(identity)] = quarter
    turned.write_bytes(bytes(data))
    with VideoReader(turned) as reader:
        frame = next(iter(reader))
        assert (frame.width, frame.height) == (48, 64)
        assert (reader.width, reader.height) == (48, 64)


@pytest.mark.parametrize(
    ("name", "make_it"),
    [
        ("missing.mp4", lambda path: None),
        ("folder", lambda path: path.mkdir()),
        ("text.mp4", lambda path: path.write_text("words " * 500)),
        ("sound.m4a", make_sound_only),
        ("empty.mp4", lambda path: path.write_bytes(b"")),
    ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, name: str, make_it) -> None:
    """Each kind of unusable input is an InputError of one line that names the file."""
    path = tmp_path / name
    make_it(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_mkv_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    """A file cut in the middle is read up to there."""
    whole = make(tmp_path / "a.mkv", times=[n * 100 for n in range(60)])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert 5 < len(read(cut)) < 60


def test_a_cut_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    """An mp4 whose index is gone cannot be read, and says so."""
    whole = make(tmp_path / "a.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        read(cut)


def test_broken_packets_are_skipped(tmp_path: Path) -> None:
    """Bytes destroyed in the middle cost some frames, not the file."""
    path = make(tmp_path / "a.mkv", times=[n * 100 for n in range(60)], options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(bytes(data))
    assert len(read(path)) > 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm", ".avi"])
def test_only_the_picture_passes(tmp_path: Path, suffix: str) -> None:
    """Title, place and sound of the input are not in the output; one video stream is."""
    source = make(tmp_path / "in.mp4", sound=True, title="our living room")
    target = tmp_path / f"out{suffix}"
    with VideoReader(source) as reader, FileSink(target, frame_rate=reader.frame_rate) as sink:
        for raw in reader:
            sink.write(veiled(raw))
        sink.commit()
    assert len(read(target)) == 10
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        text = str({**container.metadata, **container.streams[0].metadata}).lower()
    assert "living" not in text
    assert "40.0" not in text


@given(
    data=st.data(),
    width=st.integers(2, 67),
    height=st.integers(2, 45),
    pixel_format=st.sampled_from(list(PixelFormat)),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sizes_and_times_survive_writing(
    tmp_path: Path, data: st.DataObject, width: int, height: int, pixel_format: PixelFormat
) -> None:
    """Any size, odd ones too, and any increasing times come back from an mp4."""
    steps = data.draw(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
    ticks = np.cumsum(steps)
    target = tmp_path / "out.mp4"
    base = Fraction(1, 90_000)
    raws = fake_frames(lambda n: texture(n, width, height), len(ticks), pixel_format=pixel_format)
    with VideoWriter(target, width=width, height=height, time_base=base, frame_rate=None) as writer:
        for raw, tick in zip(raws, ticks, strict=True):
            frame = RawFrame(raw.planes, pixel_format, width, height, Timestamp(int(tick), base))
            writer.write(veiled(frame))
        writer.commit()
    frames = read(target)
    assert [time for time, _ in frames] == pytest.approx([tick / 90_000 for tick in ticks])
    assert all(rgb.shape[:2] == (height, width) for _, rgb in frames)


def test_nothing_stands_under_the_name_without_commit(tmp_path: Path) -> None:
    """Left without commit, or through an exception, a writer leaves no file at all."""
    raw = next(fake_frames(lambda n: texture(1), 1))
    target = tmp_path / "out.mp4"
    with FileSink(target) as sink:
        sink.write(veiled(raw))
    assert list(tmp_path.iterdir()) == []
    with contextlib.suppress(RuntimeError), FileSink(target) as sink:
        sink.write(veiled(raw))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_change_of_size_is_fitted(tmp_path: Path) -> None:
    """Frames of another size in mid-stream are written in the size of the first."""
    target = tmp_path / "out.mp4"
    small = next(fake_frames(lambda n: texture(1, 64, 48), 1))
    large = next(fake_frames(lambda n: texture(1, 128, 96), 1))
    later = RawFrame(large.planes, large.pixel_format, 128, 96, Timestamp.from_seconds(1.0))
    with FileSink(target) as sink:
        sink.write(veiled(small))
        sink.write(veiled(later))
        sink.commit()
    assert [rgb.shape[:2] for _, rgb in read(target)] == [(48, 64), (48, 64)]


SIZES = [
    ((1920, 1080), (640, 480)),
    ((640, 480), (1920, 1080)),
    ((1280, 720), (1920, 1080)),
    ((641, 481), (1279, 721)),
    ((160, 96), (63, 47)),
    ((3840, 2160), (640, 360)),
]


def marked(size: tuple[int, int], pixel_format: PixelFormat, withheld: np.ndarray) -> VeiledFrame:
    """Samples of 255 where cells are withheld, of 0 elsewhere."""
    cell = Grid.over(*size).cell
    shapes = plane_shapes(pixel_format, *size)
    planes = []
    for rows, columns in shapes:
        luma = not planes
        wide = cell if luma or pixel_format is PixelFormat.NV12 else cell // 2
        high = cell if luma else cell // 2
        whole = np.kron(withheld, np.ones((high, wide), bool))[:rows, :columns]
        planes.append(np.where(whole, 255, 0).astype(np.uint8))
    raw = RawFrame(tuple(planes), pixel_format, *size, Timestamp(0, Fraction(1)))
    return replace(veiled(raw), withheld=withheld)


def shown_of_withheld(frame: VeiledFrame) -> np.ndarray:
    """Cells of a frame made of a ``marked`` one that hold a sample of a withheld cell."""
    grid = Grid.over(frame.width, frame.height)
    found = np.zeros(grid.shape, bool)
    for index, plane in enumerate(frame.planes):
        high = wide = grid.cell if not index else grid.cell // 2
        if index and frame.pixel_format is PixelFormat.NV12:
            wide = grid.cell
        rows, columns = np.nonzero(plane)
        found[rows // high, columns // wide] = True
    return found


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize(("size", "target"), SIZES)
def test_what_was_withheld_stays_so_in_another_size(
    size: tuple[int, int], target: tuple[int, int], pixel_format: PixelFormat
) -> None:
    """A cell is withheld exactly if a sample in it comes from a cell that was."""
    shape = Grid.over(*size).shape
    rng = np.random.default_rng(7)
    half = np.zeros(shape, bool)
    half[:, shape[1] // 2 :] = True
    corner = np.zeros(shape, bool)
    corner[-1, -1] = True
    for withheld in (half, corner, rng.random(shape) < 0.05, rng.random(shape) < 0.9):
        frame = fitted(marked(size, pixel_format, withheld), *target)
        assert frame.withheld.shape == Grid.over(*target).shape
        assert np.array_equal(frame.withheld, shown_of_withheld(frame))
    for whole in (np.zeros(shape, bool), np.ones(shape, bool)):
        kept = fitted(marked(size, pixel_format, whole), *target).withheld
        assert kept.all() == kept.any() == whole.all()


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_what_is_the_agents_stays_so_in_another_size(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    """Where all that a cell holds is: not where something withheld is in it, or the desk."""
    shape = Grid.over(*size).shape
    rng = np.random.default_rng(7)
    agent = rng.random(shape) < 0.95
    withheld = ~agent & (rng.random(shape) < 0.5)
    frame = replace(marked(size, PixelFormat.I420, ~agent), withheld=withheld, agent=agent)
    other = fitted(frame, *target)
    assert np.array_equal(other.agent, ~shown_of_withheld(other))
    whole = replace(frame, withheld=np.zeros(shape, bool), agent=np.ones(shape, bool))
    assert fitted(whole, *target).agent.all()


def test_half_a_picture_withheld_is_half_of_it_in_another_size() -> None:
    """The seam lies within a cell of the new size in one case, on its edge in the other. What
    watches the desk knows veil from desk then too."""
    half = np.zeros(Grid.over(1920, 1080).shape, bool)
    half[:, 61:] = True  # from column 976 on, which becomes 325 and a third
    small = fitted(marked((1920, 1080), PixelFormat.I420, half), 640, 480)
    assert small.withheld[:, 40:].all()
    assert not small.withheld[:, :40].any()
    half = np.zeros(Grid.over(640, 480).shape, bool)
    half[:, 40:] = True  # from column 320 on, which becomes 960
    large = fitted(marked((640, 480), PixelFormat.I420, half), 1920, 1080)
    assert large.withheld[:, 60:].all()
    assert not large.withheld[:, :60].any()
    for frame in (small, large):
        size = (frame.width, frame.height)
        view = View.of(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), *size)
        unknown = view.withheld(frame)
        middle = unknown.shape[1] // 2
        assert unknown[:, middle + 2 :].all()
        assert not unknown[:, : middle - 2].any()


def test_impossible_targets_are_refused_early(tmp_path: Path) -> None:
    """Unknown suffix, missing directory, unknown encoder: OutputError before any work."""
    for path, options in (
        (tmp_path / "out.xyz", {}),
        (tmp_path / "none" / "out.mp4", {}),
        (tmp_path / "out.mp4", {"encoder": "no_such_encoder"}),
        (tmp_path, {}),
    ):
        with pytest.raises(OutputError):
            FileSink(path, **options)
    with pytest.raises(UsageError):
        VideoWriter(tmp_path / "o.mp4", width=2, height=2, time_base=Fraction(0), frame_rate=None)
