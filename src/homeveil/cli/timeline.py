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
    rows: list[tuple[str, str, list[tuple[_Spans, str]]]] = []
    end = report.seconds
    if report.frames:
        end = max(end, *(span.end_seconds for span in report.spans), 0.0)
        spans: dict[str, list[tuple[float, float]]] = {"uncleared": [], "fault": []}
        for span in report.spans:
            spans[span.reason].append((span.start_seconds, span.end_seconds))
        layers: list[tuple[_Spans, str]] = [
            (spans["uncleared"], _CLOSED),
            (spans["fault"], _FAULT),
        ]
        rows.append(("picture", _OPEN, layers))
    if report.sound is not None:
        sound = report.sound
        end = max(end, sound.seconds, *(stop for _, stop in (*sound.spans, *sound.fault_spans)))
        rows.append(("sound", _CLOSED, [(sound.spans, _OPEN), (sound.fault_spans, _FAULT)]))
    height = _ROW * len(rows) + 70
    scale = (_WIDTH - _LEFT - 20) / max(end, 1e-3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for index, (name, ground, painted) in enumerate(rows):
        top = 12 + index * _ROW
        parts.append(f'<text x="12" y="{top + 16}">{name}</text>')
        parts.append(_bar(0.0, end, ground, top, scale))
        for shown, colour in painted:
            parts += [_bar(start, stop, colour, top, scale) for start, stop in shown]
    base = 12 + len(rows) * _ROW
    step = _step(end)
    for tick in range(int(end / step) + 1):
        x = _LEFT + tick * step * scale
        mark = f"{tick * step:g} s"
        parts.append(f'<text x="{x:.1f}" y="{base + 8}" text-anchor="middle">{mark}</text>')
    for index, (name, colour) in enumerate(
        (("let through", _OPEN), ("withheld", _CLOSED), ("withheld for a fault", _FAULT))
    ):
        x = _LEFT + 190 * index
        parts.append(f'<rect x="{x}" y="{base + 22}" width="14" height="14" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="{base + 34}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _bar(start: float, stop: float, colour: str, top: int, scale: float) -> str:
    width = max((stop - start) * scale, 1.0)
    return (
        f'<rect x="{_LEFT + start * scale:.1f}" y="{top}" width="{width:.1f}" '
        f'height="{_BAR}" fill="{colour}"/>'
    )


def _step(end: float) -> float:
    """Seconds between marks: some ten of them, at round numbers."""
    for step in (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800):
        if end / step <= 12:
            return step
    return 3600 * math.ceil(end / 12 / 3600)
