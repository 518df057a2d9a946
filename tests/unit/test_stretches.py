"""Where recordings are cut, and what joining keeps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from homeveil.errors import OutputError
from homeveil.media.stretches import Stretch, cut, join

WIDTH, HEIGHT = 64, 48


def recording(path: Path, seconds: int, *, first: int = 0, key_every: int = 10) -> Path:
    """A clip of 10 frames a second that starts at frame ``first``, with B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": str(key_every)})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(first, first + 10 * seconds):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number % 256]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def times(path: Path) -> list[Fraction]:
    """Of every frame, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def test_every_frame_is_in_one_stretch(tmp_path: Path) -> None:
    """Stretches begin at key frames, follow on each other and count all frames; each is looked
    at from a key frame at least the wanted time before it."""
    path = recording(tmp_path / "a.mp4", 20)
    stretches = cut(path, 5, 2, 1)
    assert len(stretches) == 4
    assert [one.stop for one in stretches[:-1]] == [one.start for one in stretches[1:]]
    assert stretches[-1].stop is None
    assert sum(one.frames for one in stretches) == 200
    base = 12_800 if stretches[1].start % 1280 == 0 else 1
    for one in stretches[1:]:
        assert one.start - one.begin >= 2 * base


def test_a_short_or_broken_recording_is_not_cut(tmp_path: Path) -> None:
    """Less than one and a half lengths, one key frame only, or a damaged file: one pass."""
    assert len(cut(recording(tmp_path / "short.mp4", 6), 5, 2, 1)) == 1
    assert len(cut(recording(tmp_path / "one.mp4", 20, key_every=1000), 5, 2, 1)) == 1
    avi = recording(tmp_path / "a.avi", 20)
    assert cut(avi, 5, 2, 1) == []


def test_joined_stretches_hold_every_frame_at_its_time(tmp_path: Path) -> None:
    """What is joined has the frames and times that one file would have."""
    whole = recording(tmp_path / "whole.mp4", 12)
    parts = [recording(tmp_path / f"{n}.mp4", 4, first=40 * n) for n in range(3)]
    join(parts, None, tmp_path / "joined.mp4", 120)
    assert times(tmp_path / "joined.mp4") == times(whole)


@pytest.mark.parametrize("numbers", [(0, 2), (0, 1, 1), (1, 0)])
def test_a_stretch_that_is_missing_or_doubled_leaves_nothing(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    """Frames that are not as many as there should be, or out of order, are an error."""
    parts = [recording(tmp_path / f"{n}.mp4", 4, first=40 * n) for n in range(3)]
    with pytest.raises(OutputError):
        join([parts[n] for n in numbers], None, tmp_path / "joined.mp4", 120)
    assert not (tmp_path / "joined.mp4").exists()
    assert not list(tmp_path.glob(".joined*"))


def test_stretches_of_different_form_are_refused(tmp_path: Path) -> None:
    """A stretch of another codec cannot follow."""
    one = recording(tmp_path / "0.mp4", 4)
    with av.open(str(tmp_path / "1.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        frame.pts, frame.time_base = 40, Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(OutputError, match="differ"):
        join([one, tmp_path / "1.mp4"], None, tmp_path / "joined.mp4", 41)


def test_a_stretch_holds_its_frames_alone() -> None:
    """The frame at its start, not the one at its stop."""
    stretch = Stretch(0, 10, 20, 5, 10)
    assert [tick for tick in range(30) if stretch.holds(tick)] == list(range(10, 20))
