"""What came of an archive, as JSON and as one page of HTML, without a word about who was seen.

Of each file it tells what its report tells: seconds, shares and what was withheld for faults
or for want of clearance.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from homeveil.batch.state import Row

_SLOWEST = 10
_BINS = 10


@dataclass(frozen=True, slots=True)
class Slow:
    """A file that took long. factor: seconds of work for a second of recording."""

    file: str
    seconds: float
    wall_seconds: float
    factor: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A file without a result. set_aside: it is not tried again."""

    file: str
    reason: str
    attempts: int
    set_aside: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """All files of one archive.

    picture_seconds, sound_seconds: recorded and done. picture_share_withheld: mean over all
    frames. picture_withheld_whole: seconds by reason, of pictures withheld whole.
    sound_cleared, sound_withheld: seconds, the latter by reason. shares: files by the share of
    their picture that was withheld, in ten bins from 0 to 1.
    """

    files: int
    done: int
    failed: int
    set_aside: int
    waiting: int
    picture_seconds: float
    picture_share_withheld: float
    picture_withheld_whole: dict[str, float]
    sound_seconds: float
    sound_cleared: float
    sound_withheld: dict[str, float]
    bytes_in: int
    bytes_out: int
    work_seconds: float
    most_worker_bytes: int
    failures: tuple[Failure, ...] = ()
    slowest: tuple[Slow, ...] = ()
    shares: tuple[int, ...] = field(default=(0,) * _BINS)

    def to_json(self) -> str:
        """As a JSON object."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    def to_html(self) -> str:
        """As one page that loads nothing. What is not UTF-8 in a name shows as its number."""
        return _page(self).encode("utf-8", "backslashreplace").decode()


def summarize(rows: Iterable[Row]) -> Summary:
    """The summary of what the state tells about an archive."""
    known = list(rows)
    done = [row for row in known if row.outcome == "done"]
    whole: dict[str, float] = {}
    muted: dict[str, float] = {}
    for row in done:
        for span in row.report.get("spans", ()):
            _add(whole, span["reason"], span["end_seconds"] - span["start_seconds"])
        for reason, seconds in _sound(row).get("withheld", {}).items():
            _add(muted, reason, seconds)
    frames = sum(row.report.get("frames", 0) for row in done)
    share = sum(row.report["veiled_share"] * row.report["frames"] for row in done if row.report)
    return Summary(
        files=len(known),
        done=len(done),
        failed=sum(row.outcome == "failed" for row in known),
        set_aside=sum(row.outcome == "poison" for row in known),
        waiting=sum(row.outcome == "new" for row in known),
        picture_seconds=round(sum(row.report.get("seconds", 0.0) for row in done), 3),
        picture_share_withheld=round(share / frames, 4) if frames else 0.0,
        picture_withheld_whole=whole,
        sound_seconds=round(sum(_sound(row).get("seconds", 0.0) for row in done), 3),
        sound_cleared=round(sum(_sound(row).get("cleared", 0.0) for row in done), 3),
        sound_withheld=muted,
        bytes_in=sum(row.bytes_in for row in done),
        bytes_out=sum(row.bytes_out for row in done),
        work_seconds=round(sum(row.wall_seconds for row in known), 3),
        most_worker_bytes=max((row.peak_bytes for row in known), default=0),
        failures=tuple(
            Failure(row.source, row.reason, row.attempts, row.outcome == "poison")
            for row in known
            if row.outcome in ("failed", "poison")
        ),
        slowest=_slowest(done),
        shares=_bins(done),
    )


def _sound(row: Row) -> dict[str, Any]:
    return row.report.get("sound") or {}


def _add(sums: dict[str, float], reason: str, seconds: float) -> None:
    sums[reason] = round(sums.get(reason, 0.0) + seconds, 3)


def _length(row: Row) -> float:
    return float(max(row.report.get("seconds", 0.0), _sound(row).get("seconds", 0.0)))


def _slowest(done: list[Row]) -> tuple[Slow, ...]:
    slow = [
        Slow(row.source, _length(row), row.wall_seconds, round(row.wall_seconds / _length(row), 2))
        for row in done
        if _length(row) > 0
    ]
    return tuple(sorted(slow, key=lambda one: -one.factor)[:_SLOWEST])


def _bins(done: list[Row]) -> tuple[int, ...]:
    counts = [0] * _BINS
    for row in done:
        if row.report.get("frames"):
            counts[min(_BINS - 1, int(row.report["veiled_share"] * _BINS))] += 1
    return tuple(counts)


_STYLE = (
    "body{font:15px system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "td,th{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left}"
    "td.n{text-align:right}"
)


def _page(summary: Summary) -> str:
    totals = [
        ("files", summary.files),
        ("done", summary.done),
        ("failed, tried again by the next run", summary.failed),
        ("set aside", summary.set_aside),
        ("not begun", summary.waiting),
        ("seconds of picture", summary.picture_seconds),
        ("share of the picture withheld", f"{summary.picture_share_withheld:.1%}"),
        *((f"seconds withheld whole: {k}", v) for k, v in summary.picture_withheld_whole.items()),
        ("seconds of sound", summary.sound_seconds),
        ("seconds of sound let through", summary.sound_cleared),
        *((f"seconds of sound withheld: {k}", v) for k, v in summary.sound_withheld.items()),
        ("bytes in", summary.bytes_in),
        ("bytes out", summary.bytes_out),
        ("seconds of work", summary.work_seconds),
    ]
    slow = [(one.file, one.seconds, one.wall_seconds, one.factor) for one in summary.slowest]
    failures = [
        (one.file, one.reason, one.attempts, "set aside" if one.set_aside else "tried again")
        for one in summary.failures
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>homeveil archive</title>'
        f"<style>{_STYLE}</style><h1>Archive</h1>{_table((), totals)}"
        "<h2>Files by the share of their picture that was withheld</h2>"
        f"{_plot(summary.shares)}<h2>Failures</h2>"
        + _table(("file", "reason", "attempts", "next"), failures)
        + "<h2>Slowest files</h2>"
        + _table(("file", "seconds", "seconds of work", "work per second"), slow)
        + "</html>\n"
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{html.escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    if not body:
        return "<p>none</p>"
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{html.escape(str(value))}</td>"


def _plot(shares: tuple[int, ...]) -> str:
    """A bar for each bin, with its count above it and its range below."""
    most = max(*shares, 1)
    bars = []
    for number, count in enumerate(shares):
        x, height = 10 + 50 * number, round(120 * count / most)
        bars.append(
            f'<rect x="{x}" y="{140 - height}" width="44" height="{height}" fill="#4a6fa5"/>'
            f'<text x="{x + 22}" y="{135 - height}" text-anchor="middle">{count}</text>'
            f'<text x="{x + 22}" y="156" text-anchor="middle">{10 * number}-{10 * number + 10}%'
            "</text>"
        )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 165" width="520" role="img"'
        ' font-family="sans-serif" font-size="11"><title>files by share withheld</title>'
        f'{"".join(bars)}<line x1="8" y1="140.5" x2="512" y2="140.5" stroke="#333"/></svg>'
    )
