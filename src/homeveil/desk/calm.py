"""Keeps a restless desk from flooding whoever receives events, without telling falsehoods.

Of each kind of item, and of ``zone.clean``, at most ``MOST_PER_MINUTE`` events pass within 60 s
of the picture's clock. What comes beyond is netted: an appearing and a clearing of the same
kind cancel each other, and what is left over is told as soon as it may be. So a thing that
flaps is told a few times, then once a minute or so as it stands, and in the end as it is.
When the stream ends, one more of each kind may pass, so that the last that was told is true.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from homeveil.desk.findings import Change, Finding
from homeveil.desk_rules import DeskItem

MOST_PER_MINUTE = 4
_WINDOW_SECONDS = 60.0


class _Kind:
    """What passed of one kind, and what is owed: more appeared than cleared, or less."""

    def __init__(self) -> None:
        self.passed: deque[float] = deque()
        self.owed = 0
        self.last: Finding | None = None

    def may_pass(self, seconds: float, most: int) -> bool:
        while self.passed and seconds - self.passed[0] >= _WINDOW_SECONDS:
            self.passed.popleft()
        return len(self.passed) < most


class Calm:
    """Takes findings in order. collapsed: how many were not told because they cancelled out."""

    def __init__(self) -> None:
        self._kinds: dict[DeskItem | None, _Kind] = {}
        self._owing: dict[DeskItem, _Kind] = {}  # in the order in which they began to owe
        self._clean_told = self._clean_owed = False
        self.collapsed = 0

    def take(self, finding: Finding, seconds: float) -> Iterator[Finding]:
        """What may be told of a finding at once: itself, or nothing."""
        kind = self._kinds.setdefault(finding.item, _Kind())
        if finding.item is None:
            if self._clean_told or self._clean_owed:
                self.collapsed += 1
                return
            kind.last, self._clean_owed = finding, True
            yield from self._clean(seconds, MOST_PER_MINUTE)
            return
        if finding.change is Change.APPEARED and self._clean_owed:
            self._clean_owed = False
            self.collapsed += 1
        if not kind.owed and kind.may_pass(seconds, MOST_PER_MINUTE):
            yield self._pass(kind, finding, seconds)
            return
        step = 1 if finding.change is Change.APPEARED else -1
        if kind.owed * step < 0:
            self.collapsed += 2
        kind.owed += step
        kind.last = finding
        if kind.owed:
            self._owing.setdefault(finding.item, kind)
        else:
            del self._owing[finding.item]

    def due(self, seconds: float, *, last: bool = False) -> Iterator[Finding]:
        """What was held back and may be told by now; ``last``: the stream ends."""
        most = MOST_PER_MINUTE + last
        for item, kind in list(self._owing.items()):
            change = Change.APPEARED if kind.owed > 0 else Change.CLEARED
            while kind.owed and kind.may_pass(seconds, most) and kind.last is not None:
                held = kind.last
                told = Finding(change, held.zone, item, held.number, held.confidence, seconds)
                kind.owed -= 1 if kind.owed > 0 else -1
                yield self._pass(kind, told, seconds)
            if not kind.owed:
                del self._owing[item]
        yield from self._clean(seconds, most)

    def _clean(self, seconds: float, most: int) -> Iterator[Finding]:
        kind = self._kinds.get(None)
        if not self._clean_owed or self._owing or kind is None or kind.last is None:
            return
        if kind.may_pass(seconds, most):
            self._clean_owed, self._clean_told = False, True
            yield self._pass(kind, kind.last, seconds)

    def _pass(self, kind: _Kind, finding: Finding, seconds: float) -> Finding:
        kind.passed.append(seconds)
        if finding.change is Change.APPEARED:
            self._clean_told = False
        return finding
