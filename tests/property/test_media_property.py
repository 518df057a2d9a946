"""Whatever is written reads back: count, sizes, times, both layouts."""

from __future__ import annotations

import itertools
import tempfile
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clips import veiled_frame
from homeveil.frames import PixelFormat
from homeveil.media.clock import InputClock
from homeveil.media.reader import VideoReader
from homeveil.media.writer import VideoWriter


@given(
    steps=st.lists(st.integers(90, 20_000), min_size=1, max_size=12),
    first=st.integers(-10_000, 1_000_000),
    size=st.tuples(st.integers(1, 67), st.integers(1, 45)),
    pixel_format=st.sampled_from(PixelFormat),
    suffix=st.sampled_from([".mp4", ".mkv", ".mov", ".webm"]),
)
@settings(max_examples=40, deadline=None)
def test_what_is_written_reads_back(
    steps: list[int], first: int, size: tuple[int, int], pixel_format: PixelFormat, suffix: str
) -> None:
    """Same count, size and times for any uneven times, sizes from 1x1 and both layouts."""
    base = Fraction(1, 90_000)
    ticks = [first + sum(steps[:number]) for number in range(len(steps))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        with VideoWriter(
            path, width=size[0], height=size[1], time_base=base, frame_rate=None
        ) as writer:
            for tick in ticks:
                writer.write(veiled_frame(tick, base, size, pixel_format=pixel_format))
            writer.commit()
        with VideoReader(path) as reader:
            frames = [
                (frame.width, frame.height, frame.time.pts * frame.time.time_base)
                for frame in reader
            ]
    start = min(0, ticks[0])
    # Two frames less than a millisecond apart may move each other on by one.
    slack = 0 if suffix in (".mp4", ".mov") else Fraction(2, 1000)
    assert [frame[:2] for frame in frames] == [size] * len(ticks)
    for (_, _, seconds), tick in zip(frames, ticks, strict=True):
        assert abs(seconds - (tick - start) * base) <= slack


@given(
    given_times=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**40), 2**40), st.none() | st.integers(-(2**40), 2**40)
        ),
        max_size=30,
    ),
    rate=st.none() | st.fractions(Fraction(1, 10), 1000),
)
def test_times_always_increase(
    given_times: list[tuple[int | None, int | None]], rate: Fraction | None
) -> None:
    """Whatever times a file claims, those that leave the clock strictly increase."""
    clock = InputClock(Fraction(1, 90_000), rate)
    out = [clock.tick(pts, dts) for pts, dts in given_times]
    assert all(a < b for a, b in itertools.pairwise(out))
