"""The report as a picture: when the picture was withheld, when sound was let through.

SVG, written by hand: it holds spans of time and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from homeveil.report import Report

_Spans = Sequence[tuple[float, float]]

_WIDTH, _LEFT, _ROW, _BAR = 960, 130, 44, 22
_CLOSED, _OPEN, _FAULT, _INK = "#8a8f98", "#2f9e62", "#c8382e", "#22262c"


def timeline(report: Report) -> str:
    """An SVG document."""
    rows: list[tuple[str, str, tuple[float, float], list[tuple[_Spans, str]]]] = []
    if report.frames:
        spans: dict[str, list[tuple[float, float]]] = {"uncleared": [], "fault": []}
        for span in report.spans:
            spans[span.reason].append((span.start_seconds, span.end_seconds))
        layers: list[tuple[_Spans, str]] = [
            (spans["uncleared"], _CLOSED),
            (spans["fault"], _FAULT),
        ]
        start = report.start_seconds
        end = max(start + report.seconds, *(span.end_seconds for span in report.spans), start)
        rows.append(("picture", _OPEN, (start, end), layers))
    if report.sound is not None:
        sound = report.sound
        start = sound.start_seconds
        stops = (stop for _, stop in (*sound.spans, *sound.fault_spans))
        layers = [(sound.spans, _OPEN), (sound.fault_spans, _FAULT)]
        rows.append(("sound", _CLOSED, (start, max(start + sound.seconds, *stops, start)), layers))
    begin = min((start for _, _, (start, _), _ in rows), default=0.0)
    length = max((stop for _, _, (_, stop), _ in rows), default=0.0) - begin
    height = _ROW * len(rows) + 70
    scale = (_WIDTH - _LEFT - 20) / max(length, 1e-3)

    def bar(start: float, stop: float, colour: str, top: int) -> str:
        width = max((stop - start) * scale, 1.0)
        return (
            f'<rect x="{_LEFT + (start - begin) * scale:.1f}" y="{top}" width="{width:.1f}" '
            f'height="{_BAR}" fill="{colour}"/>'
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for index, (name, ground, whole, painted) in enumerate(rows):
        top = 12 + index * _ROW
        parts.append(f'<text x="12" y="{top + 16}">{name}</text>')
        parts.append(bar(*whole, ground, top))
        for shown, colour in painted:
            parts += [bar(start, stop, colour, top) for start, stop in shown]
    base = 12 + len(rows) * _ROW
    step = _step(length)
    for tick in range(math.ceil(begin / step), math.floor((begin + length) / step) + 1):
        x = _LEFT + (tick * step - begin) * scale
        mark = f"{tick * step:.1f} s".replace(".0", "")
        parts.append(f'<text x="{x:.1f}" y="{base + 8}" text-anchor="middle">{mark}</text>')
    for index, (name, colour) in enumerate(
        (("let through", _OPEN), ("withheld", _CLOSED), ("withheld for a fault", _FAULT))
    ):
        x = _LEFT + 190 * index
        parts.append(f'<rect x="{x}" y="{base + 22}" width="14" height="14" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="{base + 34}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _step(length: float) -> float:
    """Seconds between marks: some ten of them, at round numbers."""
    for step in (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800):
        if length / step <= 12:
            return step
    return 3600 * math.ceil(length / 12 / 3600)
