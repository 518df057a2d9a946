"""No frame is lost or doubled, wherever key frames lie and stretches take over."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from clips import veiled_frame
from homeveil.errors import StretchError
from homeveil.media.stretches import Lengths, Piece, Stretch, join, place
from homeveil.media.writer import VideoWriter

MILLISECOND = Fraction(1, 1000)
SHORT = Lengths(2.0, 1.0, 1.0, 1.0, 3.0)

steps = st.lists(st.integers(10, 400), min_size=30, max_size=80)
"""Milliseconds from one frame to the next."""


def ticks_of(gaps: list[int], first: int) -> list[int]:
    ticks = [first]
    for gap in gaps:
        ticks.append(ticks[-1] + gap)
    return ticks


@given(steps, st.integers(0, 5000), st.data())
def test_stretches_meet(gaps: list[int], first: int, data: st.DataObject) -> None:
    """Each stretch is told the same places, begins at a key frame far enough ahead of what it
    gives, and can take over at its own first frame."""
    ticks = ticks_of(gaps, first)
    keys = [ticks[0], *data.draw(st.lists(st.sampled_from(ticks[1:]), unique=True).map(sorted))]
    count = data.draw(st.integers(2, 5))
    try:
        cuts = [place(ticks, keys, MILLISECOND, Stretch(n, count, SHORT)) for n in range(count)]
    except StretchError:
        assume(False)
    assert len({one.count for one in cuts}) == 1
    cuts = cuts[: cuts[0].count]
    assert cuts[0].start == ticks[0]
    assert [one.start for one in cuts] == sorted({one.start for one in cuts})
    for number, one in enumerate(cuts):
        assert one.seams == cuts[0].seams
        assert one.frames == len(ticks)
        assert one.start in ticks
        if number:
            assert one.begin in keys
            assert one.opening < one.begin <= one.start - 1000
            assert one.seams[one.start] == number
    for tick, number in cuts[0].seams.items():
        assert tick in ticks
        assert tick >= cuts[number].start
        assert number + 1 == len(cuts) or tick < cuts[number + 1].start


@pytest.mark.parametrize(
    ("ticks", "keys"),
    [([0, 1, 1], [0]), ([0, 1, 2], [1]), ([0, 10], [0]), ([], []), (range(0, 9000, 100), [0])],
)
def test_what_cannot_be_relied_on_is_not_cut(ticks: list[int], keys: list[int]) -> None:
    """Doubled times, no key frame at the start or none later, too short, nothing at all."""
    with pytest.raises(StretchError):
        place(ticks, keys, MILLISECOND, Stretch(0, 2, SHORT))


def part(path: Path, ticks: list[int], keys: set[int]) -> None:
    """What a stretch writes of these frames."""
    with VideoWriter(path, width=64, height=48, time_base=MILLISECOND, frame_rate=None) as writer:
        for tick in ticks:
            frame = veiled_frame(tick, MILLISECOND, level=60 + tick % 97)
            writer.write(frame, key=tick in keys)
        writer.commit()


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@settings(max_examples=15, deadline=None, phases=(Phase.generate,))
@given(gaps=steps, data=st.data())
def test_joined_stretches_hold_every_frame_once(
    suffix: str, gaps: list[int], data: st.DataObject
) -> None:
    """Any places at which stretches take over, any overlap: the frames and times of one file, and
    its length."""
    ticks = ticks_of(gaps, data.draw(st.integers(0, 700)))
    inner = st.sampled_from(ticks[1:])
    seams = sorted(data.draw(st.lists(inner, min_size=1, max_size=3, unique=True)))
    keys = set(seams) | set(data.draw(st.lists(inner, max_size=4)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = []
        for number, stop in enumerate([*seams, None]):
            start = seams[number - 1] if number else ticks[0]
            # Each began somewhere before it took over, at a place for that, and went on after.
            begun = data.draw(st.sampled_from([one for one in (ticks[0], *keys) if one <= start]))
            over = ticks[bisect_left(ticks, stop) :] if stop is not None else []
            more = data.draw(st.integers(0, len(over)))
            last = over[more - 1] if more else (stop - 1 if stop is not None else ticks[-1])
            path = folder / f"{number}{suffix}"
            part(path, [one for one in ticks if begun <= one <= last], keys)
            seconds = Fraction(stop, 1000) if stop is not None else None
            pieces.append(Piece(path, Fraction(start, 1000), seconds))
        whole, joined = folder / f"whole{suffix}", folder / f"joined{suffix}"
        part(whole, ticks, keys)
        join(pieces, None, joined, len(ticks))
        assert times(joined) == times(whole)
        with av.open(str(joined)) as one, av.open(str(whole)) as other:
            # mp4 takes steps of decoding for what the last frames last: no nearer than a step.
            assert one.duration == pytest.approx(other.duration, abs=1000 * max(gaps) + 1000)
        for wrong in (pieces[1:], [*pieces, pieces[-1]]):
            with pytest.raises(StretchError):
                join(wrong, None, folder / f"no{suffix}", len(ticks))
        assert not list(folder.glob("*no*"))
