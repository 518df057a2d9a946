"""What was done to a stream, without a word about who else was there.

Law 4 forbids any output that tells of bystanders. The report therefore gives shares of
the picture and spans of time that were withheld, and of the reasons only those that say
nothing about people: a fault, or that a span was withheld whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from homeveil._kernels import Verdict
from homeveil.frames import VeiledFrame

_CLEARED, _FAULT, _LIPS = "cleared", "fault", "lips"
_REASONS = {Verdict.OPEN: _CLEARED, Verdict.FAULT: _FAULT, Verdict.LIPS: _LIPS}

WHOLE_SHARE = 0.98
"""A frame of which this share is veiled counts as withheld whole."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch withheld whole, in seconds of presentation time. ``reason`` is ``fault``
    (a look failed or timed out) or ``uncleared`` (nothing could be cleared)."""

    start_seconds: float
    end_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class SoundReport:
    """What became of the sound, in seconds.

    seconds: all that came. cleared: let through as the agent's speech. withheld: by
    reason, ``not cleared``, ``no voice enrolled``, ``fault`` or ``lips`` (the agent's lips were
    not seen to move as they must, for whatever reason). spans: what was let through, start
    and end in presentation time. fault_spans: what was muted for a fault. start_seconds: when the
    sound begins, in presentation time.
    """

    seconds: float
    cleared: float
    withheld: dict[str, float]
    spans: tuple[tuple[float, float], ...]
    fault_spans: tuple[tuple[float, float], ...]
    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one redaction.

    frames, seconds: of the picture that was written. veiled_share: of all its cells, 0..1.
    spans: what was withheld whole. damaged_packets: of the input, left out. truncated: the input
    ends before its own headers say. sound: None when none was written. style, policy_sha256: of the
    policy. models: purpose -> SHA-256. version: of homeveil. isolation: what kept raw content in a
    process of its own, or ``off``. stretches: how many the file was cleared in, and if 1, one_pass:
    why, where more had been asked for. start_seconds: when the picture begins, in
    presentation time.
    """

    frames: int
    seconds: float
    veiled_share: float
    spans: tuple[Span, ...]
    damaged_packets: int
    sound: SoundReport | None
    style: str
    policy_sha256: str
    models: dict[str, str] = field(default_factory=dict)
    version: str = ""
    isolation: str = "off"
    stretches: int = 1
    one_pass: str = ""
    truncated: bool = False
    start_seconds: float = 0.0

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


class SoundTally:
    """Counts while sound leaves. ``closed_reason``: why closed stretches are closed."""

    def __init__(self, closed_reason: str) -> None:
        self.closed_reason = closed_reason
        self._start: float | None = None
        self._seconds: dict[str, float] = {}
        self._spans: dict[str, list[list[float]]] = {_CLEARED: [], _FAULT: []}

    def add(self, verdict: Verdict, start: float, end: float) -> None:
        """Take in one stretch that left, in seconds of presentation time."""
        reason = _REASONS.get(verdict, self.closed_reason)
        self._seconds[reason] = self._seconds.get(reason, 0.0) + end - start
        if self._start is None:
            self._start = start
        spans = self._spans.get(reason)
        if spans is None:
            return
        if spans and abs(spans[-1][1] - start) < 1e-6:
            spans[-1][1] = end
        else:
            spans.append([start, end])

    @property
    def seconds(self) -> float:
        """All that came so far."""
        return sum(self._seconds.values())

    def report(self) -> SoundReport:
        """All that was counted."""

        def spans(reason: str) -> tuple[tuple[float, float], ...]:
            return tuple((round(a, 3), round(b, 3)) for a, b in self._spans[reason])

        withheld = {
            reason: round(value, 3) for reason, value in self._seconds.items() if reason != _CLEARED
        }
        return SoundReport(
            seconds=round(self.seconds, 3),
            cleared=round(self._seconds.get(_CLEARED, 0.0), 3),
            withheld=withheld,
            spans=spans(_CLEARED),
            fault_spans=spans(_FAULT),
            start_seconds=round(self._start or 0.0, 3),
        )


class Tally:
    """Counts while frames leave."""

    def __init__(self) -> None:
        self.frames = 0
        self.first_seconds: float | None = None
        self.last_seconds = 0.0
        self._share = 0.0
        self._spans: list[Span] = []

    def add(self, frame: VeiledFrame) -> None:
        """Take in one frame that left."""
        self.count(frame.time.seconds, frame.veiled_share, fault=frame.fault)

    def count(self, seconds: float, veiled_share: float, *, fault: bool) -> None:
        """Take in one frame that left, by its time and the share of it that was withheld."""
        self.frames += 1
        if self.first_seconds is None:
            self.first_seconds = seconds
        previous, self.last_seconds = self.last_seconds, seconds
        self._share += veiled_share
        if fault:
            self._extend("fault", previous if self.frames > 1 else seconds, seconds)
        elif veiled_share >= WHOLE_SHARE:
            self._extend("uncleared", previous if self.frames > 1 else seconds, seconds)

    def _extend(self, reason: str, previous: float, seconds: float) -> None:
        if self._spans:
            last = self._spans[-1]
            if last.reason == reason and last.end_seconds >= previous:
                self._spans[-1] = Span(last.start_seconds, seconds, reason)
                return
        self._spans.append(Span(seconds, seconds, reason))

    @property
    def veiled_share(self) -> float:
        """Mean share of the picture that was withheld, 0..1."""
        return self._share / self.frames if self.frames else 0.0

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(self._spans)

    @property
    def seconds(self) -> float:
        """From the first to the last frame."""
        return self.last_seconds - (self.first_seconds or 0.0)
