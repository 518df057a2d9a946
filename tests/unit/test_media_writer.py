"""Writing: times, lengths, colours, and what is refused."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clips import make, make_crowded, picture, veiled, veiled_frame
from homeveil.emit.files import FileSink
from homeveil.emit.sink import Sink
from homeveil.errors import OutputError, UsageError
from homeveil.frames import Colour, PixelFormat, RawFrame, Timestamp
from homeveil.media.reader import VideoReader
from homeveil.media.writer import VideoWriter

MS = Fraction(1, 1000)


def write(path: Path, ticks: list[int], base: Fraction, **options) -> Path:
    """Frames at ``ticks`` of ``base``, written and committed."""
    size = options.pop("size", (64, 48))
    options.setdefault("frame_rate", Fraction(25))
    with VideoWriter(path, width=size[0], height=size[1], time_base=base, **options) as writer:
        for tick in ticks:
            writer.write(veiled_frame(tick, base, size))
        writer.commit()
    return path


def times(path: Path) -> list[Fraction]:
    """Exact times of all frames, in seconds."""
    with VideoReader(path) as reader:
        return [frame.time.pts * frame.time.time_base for frame in reader]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    "base",
    [Fraction(1, 90_000), MS, Fraction(1001, 30_000), Fraction(1, 12_345), Fraction(1, 10**9)],
)
@pytest.mark.parametrize("first", [0, 1234])
def test_mp4_keeps_times_exactly(tmp_path: Path, suffix: str, base: Fraction, first: int) -> None:
    """Uneven times of any clock, starting anywhere, come back to the tick, with B-frames."""
    step = max(1, round(Fraction(1, 30) / base))
    ticks = [first + n * step + (n % 3) * (step // 3) for n in range(20)]
    path = write(tmp_path / f"a{suffix}", ticks, base)
    assert times(path) == [tick * base for tick in ticks]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_mkv_keeps_times_to_a_millisecond(tmp_path: Path, suffix: str) -> None:
    """Matroska's own tick is all that is lost."""
    base = Fraction(1, 90_000)
    ticks = [1234 + n * 3003 + (n % 3) * 500 for n in range(20)]
    got = times(write(tmp_path / f"a{suffix}", ticks, base))
    assert len(got) == 20
    assert max(abs(a - b * base) for a, b in zip(got, ticks, strict=True)) <= MS / 2


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi"])
def test_a_pause_that_a_file_cannot_hold_is_named(tmp_path: Path, suffix: str) -> None:
    """So that whoever waited for hours knows what to do."""
    base, day = Fraction(1, 90_000), 86_400 * 90_000
    ticks = [start + 9_000 * number for start in (0, day) for number in range(50)]
    with pytest.raises(OutputError, match=r"pause of 86395 s .*\.mkv"):
        write(tmp_path / f"a{suffix}", ticks, base)
    assert not list(tmp_path.iterdir())
    assert len(times(write(tmp_path / "a.mkv", ticks, base))) == len(ticks)


def test_avi_moves_frames_to_the_nearest_slot(tmp_path: Path) -> None:
    """AVI holds a constant rate; even times are kept, a gap too."""
    path = write(tmp_path / "a.avi", [0, 40, 80, 200], MS)
    assert times(path) == [0, Fraction(1, 25), Fraction(2, 25), Fraction(5, 25)]


def test_a_stream_before_zero_is_moved_to_zero(tmp_path: Path) -> None:
    """Negative times would be cut by players; all are moved alike, and the writer says by what."""
    with VideoWriter(
        tmp_path / "a.mp4", width=64, height=48, time_base=MS, frame_rate=None
    ) as writer:
        for tick in (-50, 0, 100):
            writer.write(veiled_frame(tick, MS))
        writer.commit()
        assert writer.shift_seconds == Fraction(50, 1000)
    assert times(tmp_path / "a.mp4") == [0, Fraction(50, 1000), Fraction(150, 1000)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    "ticks",
    [[n * 40 for n in range(50)], [0, 40, 80, 500, 501, 540], [0, 40, 80, 133, 134, 333, 373], [0]],
)
def test_the_last_frame_lasts_as_long_as_a_frame(
    tmp_path: Path, suffix: str, ticks: list[int]
) -> None:
    """The file ends one frame after the last time, also where frames were reordered."""
    with VideoReader(write(tmp_path / f"a{suffix}", ticks, MS)) as reader:
        assert reader.duration_seconds == pytest.approx((ticks[-1] + 40) / 1000, abs=0.001)


@pytest.mark.parametrize("colour", [Colour(1, 1, 1), Colour(9, 9, 16, full_range=True), Colour()])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_colour_description_is_carried(tmp_path: Path, name: str, colour: Colour) -> None:
    """Matrix, primaries, transfer and range come back as they were given."""
    with VideoReader(write(tmp_path / name, [0, 40], MS, colour=colour)) as reader:
        got = next(iter(reader)).colour
    assert got.full_range == colour.full_range
    assert (got.matrix, got.primaries, got.transfer) == (
        colour.matrix, colour.primaries, colour.transfer,
    )  # fmt: skip


def test_yuv_is_never_called_rgb(tmp_path: Path) -> None:
    """A file that claims an RGB matrix for YUV planes does not turn the output into RGB."""
    path = write(tmp_path / "a.mkv", [0, 40], MS, colour=Colour(matrix=0), size=(63, 47))
    with VideoReader(path) as reader:
        frame = next(iter(reader))
    assert abs(int(frame.planes[0][-1, -1]) - 90) <= 2


def test_pixel_shape_is_carried(tmp_path: Path) -> None:
    """Pixels that are not square stay so."""
    path = write(tmp_path / "a.mp4", [0, 40], MS, sample_aspect_ratio=Fraction(4, 3))
    with VideoReader(path) as reader:
        assert reader.sample_aspect_ratio == Fraction(4, 3)


def test_both_layouts_may_alternate(tmp_path: Path) -> None:
    """Frames of another layout than the first are laid out anew, colours unchanged."""
    for first, other in (tuple(PixelFormat), tuple(PixelFormat)[::-1]):
        path = tmp_path / "a.mp4"
        with VideoWriter(path, width=64, height=48, time_base=MS, frame_rate=None) as writer:
            writer.write(veiled_frame(0, MS, pixel_format=first))
            writer.write(veiled_frame(40, MS, pixel_format=other))
            writer.commit()
        with VideoReader(path) as reader:
            for frame in reader:
                corner = [int(plane[-1, 0]) for plane in frame.planes]
                assert np.abs(np.subtract(corner, (90, 100, 160))).max() <= 3


def test_only_one_plain_stream_is_left_of_a_crowd(tmp_path: Path) -> None:
    """Chapters, attachments, titles and places of the input are nowhere in the output."""
    source = make_crowded(tmp_path / "in.mkv")
    target = tmp_path / "out.mkv"
    with VideoReader(source) as reader, FileSink(target, source=source) as sink:
        for number, _ in enumerate(reader):
            sink.write(veiled_frame(number * 40, MS))
        sink.commit()
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.chapters() == []
    assert b"living" not in target.read_bytes()
    assert b"+40.0" not in target.read_bytes()


def test_only_veiled_frames_are_taken(tmp_path: Path) -> None:
    """A raw frame is a UsageError of writer and sink alike, before anything is encoded."""
    frame = veiled_frame(0, MS)
    raw = RawFrame(frame.planes, frame.pixel_format, frame.width, frame.height, frame.time)
    with (
        VideoWriter(
            tmp_path / "a.mp4", width=64, height=48, time_base=MS, frame_rate=None
        ) as writer,
        pytest.raises(UsageError, match="VeiledFrame"),
    ):
        writer.write(raw)  # type: ignore[arg-type]
    sink = FileSink(tmp_path / "b.mp4")
    assert isinstance(sink, Sink)
    with pytest.raises(UsageError, match="VeiledFrame"):
        sink.write(raw)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_size_and_order_are_checked(tmp_path: Path) -> None:
    """The writer refuses frames of another size, and times that do not increase."""
    with VideoWriter(
        tmp_path / "a.mp4", width=64, height=48, time_base=MS, frame_rate=None
    ) as writer:
        writer.write(veiled_frame(40, MS))
        with pytest.raises(OutputError, match="32x32"):
            writer.write(veiled_frame(80, MS, (32, 32)))
        with pytest.raises(OutputError, match="does not come after"):
            writer.write(veiled_frame(40, MS))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.mp4", {"preset": "hasty"}, "no preset"),
        ("a.mov", {"encoder": "libvpx-vp9"}, "cannot hold"),
        ("a.webm", {"encoder": "libx265"}, "cannot hold"),
        ("a.mp4", {"encoder": "aac"}, "no video encoder"),
        ("a", {}, "unknown kind"),
    ],
)
def test_pairs_that_do_not_go_together_are_refused_early(
    tmp_path: Path, name: str, options: dict[str, str], words: str
) -> None:
    """Preset, encoder and suffix are judged when the sink is made; no file appears."""
    with pytest.raises(OutputError, match=words):
        FileSink(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_the_input_is_never_overwritten(tmp_path: Path, link) -> None:
    """The input under its own name, a hard link or a symbolic link is no output."""
    source = make(tmp_path / "in.mp4")
    before = source.read_bytes()
    target = source
    if link is not None:
        target = tmp_path / "other.mp4"
        link(source, target)
    with pytest.raises(OutputError, match="input itself"):
        FileSink(target, source=source)
    assert source.read_bytes() == before


def test_an_older_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """What stood under the name is kept on abort and replaced on commit."""
    target = tmp_path / "a.mp4"
    target.write_bytes(b"older")
    with FileSink(target) as sink:
        sink.write(veiled_frame(0, MS))
    assert target.read_bytes() == b"older"
    write(target, [0, 40], MS)
    assert len(times(target)) == 2


def test_the_file_is_private_until_it_has_its_name(tmp_path: Path) -> None:
    """While it is written only its owner may read it; then it has the mode the umask asks for."""
    target = tmp_path / "a.mp4"
    before = os.umask(0o027)
    try:
        with FileSink(target) as sink:
            sink.write(veiled_frame(0, MS))
            (part,) = tmp_path.iterdir()
            assert stat.S_IMODE(part.stat().st_mode) == 0o600
            assert part.name.startswith(".a.mp4.")
            assert part.name.endswith(".part")
            sink.commit()
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("width", [96, 320])
def test_bytes_depend_on_the_pictures_alone(tmp_path: Path, width: int) -> None:
    """The same pictures are the same file, whatever memory held before: encoders that read what was
    left there could be felt. Neither width has rows of a multiple of eight blocks."""
    size, rng, seen = (width, 64), random.Random(1), set()
    pictures = [np.ascontiguousarray(picture(n, size)[..., 0]) for n in range(30)]
    chroma = np.full((32, width // 2), 120, np.uint8)
    for _ in range(40):
        left = [np.full(rng.randint(1, 200_000), rng.randrange(256), np.uint8) for _ in range(300)]
        rng.shuffle(left)
        del left[::2]
        with VideoWriter(
            tmp_path / "a.mp4", width=width, height=64, time_base=MS, frame_rate=None
        ) as writer:
            for number, luma in enumerate(pictures):
                at = Timestamp(number * 40, MS)
                raw = RawFrame((luma, chroma, chroma), PixelFormat.I420, *size, at)
                writer.write(veiled(raw))
            writer.commit()
        seen.add(hashlib.sha256((tmp_path / "a.mp4").read_bytes()).hexdigest())
    assert len(seen) == 1


def test_nothing_written_is_no_file(tmp_path: Path) -> None:
    """Committing without a frame is an OutputError and leaves nothing."""
    with pytest.raises(OutputError, match="no frame"):
        FileSink(tmp_path / "a.mp4").commit()
    writer = VideoWriter(tmp_path / "b.mp4", width=8, height=8, time_base=MS, frame_rate=None)
    with pytest.raises(OutputError, match="no frame"):
        writer.commit()
    assert list(tmp_path.iterdir()) == []
