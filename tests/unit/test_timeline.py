"""The report as a picture."""

from __future__ import annotations

import re

import pytest

from homeveil.cli.timeline import timeline
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
