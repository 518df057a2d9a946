"""The report as a picture."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from clips import make
from homeveil.cli.timeline import timeline
from homeveil.policy import Policy, Style
from homeveil.redaction import redact
from homeveil.report import Report, SoundReport, Span


def report(start: float, *, sound: bool) -> Report:
    """Of ten seconds from ``start`` on."""
    heard = SoundReport(10.0, 2.0, {}, ((start + 1, start + 3),), ((start + 8, start + 9),))
    spans = (Span(start + 1, start + 3, "uncleared"), Span(start + 9, start + 10, "fault"))
    return Report(100, 10.0, 0.2, spans, 0, heard if sound else None, "veil", "0" * 64)


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("start", [0.0, 3.0, 5000.0, 1e7])
def test_everything_lies_in_the_picture(start: float, sound: bool) -> None:
    """Whenever a recording begins by its own clock: what was withheld is not drawn beside the
    bar, which would then say that all of it was let through."""
    drawn = timeline(report(start, sound=sound))
    bars = re.findall(r'<rect x="([0-9.]+)" y="\d+" width="([0-9.]+)" height="22"', drawn)
    assert len(bars) == (6 if sound else 3)
    assert max(float(x) + float(width) for x, width in bars) <= 941
    assert drawn.count("#c8382e") == (3 if sound else 2)
    assert drawn.count(" s</text>") <= 14


@pytest.mark.parametrize("start", [-0.5, 0.0, 20.0, 5000.0, 1e7])
def test_what_was_before_a_recording_is_not_drawn(start: float) -> None:
    """One that begins late by its own clock fills the picture, on an axis of its own times; of
    its sound, which begins two seconds later, nothing is drawn before that."""
    late = dataclasses.replace(
        report(start, sound=True),
        start_seconds=start,
        sound=SoundReport(8.0, 0.0, {}, (), (), start_seconds=start + 2),
    )
    drawn = timeline(late)
    bars = re.findall(r'<rect x="([0-9.]+)" y="(\d+)" width="([0-9.]+)" height="22"', drawn)
    assert next(bar for bar in bars if bar[1] == "12") == ("130.0", "12", "810.0")
    assert [bar for bar in bars if bar[1] == "56"] == [("292.0", "56", "648.0")]
    marks = [float(mark) for mark in re.findall(r">(-?[0-9.]+) s</text>", drawn)]
    assert marks == [math.ceil(start) + n for n in range(len(marks))]
    assert len(marks) >= 10


def test_a_report_says_when_a_recording_begins(tmp_path: Path) -> None:
    """By the times of its file, which its spans are told in."""
    clip = make(tmp_path / "late.mkv", times=[20_000 + 100 * n for n in range(10)])
    done = redact(clip, tmp_path / "out.mkv", profile=None, policy=Policy(style=Style.FILL))
    assert (done.start_seconds, done.seconds) == (20.0, 0.9)
    assert all(20.0 <= span.start_seconds <= span.end_seconds <= 20.9 for span in done.spans)
    assert ">20 s</text>" in timeline(done)
    assert ">0 s</text>" not in timeline(done)
