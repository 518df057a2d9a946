"""From findings to events: what may be told of a desk, to whoever takes events.

feed = EventFeed(policy.desk, [sink], clock=Recorded())
for frame in veiled_frames:
    feed.take(watcher.look(frame), frame.time.seconds)
feed.finish()
"""

from __future__ import annotations

import logging
import math
import numbers
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from homeveil.desk.calm import Calm
from homeveil.desk.events import TYPES, Event, band, validator
from homeveil.desk.findings import Change, Finding
from homeveil.desk.site import Site
from homeveil.desk.times import Clock, Moment, Recorded, Times
from homeveil.desk_rules import DeskItem, DeskRules, Severity
from homeveil.errors import EventError

_log = logging.getLogger("homeveil")


@runtime_checkable
class EventSink(Protocol):
    """Takes events in order."""

    def put(self, event: Event) -> None:
        """Take one event. Never waits for anybody. What it raises is logged by its type, and costs
        this sink alone the event."""


@dataclass(frozen=True, slots=True)
class FeedTally:
    """What became of findings. told: made into events. permitted: of kinds that raise none.
    collapsed: cancelled out by the limit. refused: not fit to be told."""

    told: int = 0
    permitted: int = 0
    collapsed: int = 0
    refused: int = 0


class EventFeed:
    """Makes events of one stream's findings and hands them to sinks. Not thread-safe.

    rules: which zone, kinds, severities and rounding. clock: what the time of an event is.
    site: the names that events bear; this installation's if left out.
    """

    def __init__(
        self,
        rules: DeskRules,
        sinks: Sequence[EventSink],
        *,
        clock: Clock = Recorded(),  # noqa: B008  frozen
        site: Site | None = None,
    ) -> None:
        self._rules, self._sinks = rules, tuple(sinks)
        validator()  # compiled now, not while a frame waits
        self._times = Times(clock, rules.round_seconds)
        self._site = site or Site.of_installation()
        self._calm = Calm()
        self._held: deque[tuple[Event, tuple[float, float] | None]] = deque()
        self._day, self._source, self._sequence = "", "", 0
        self._told = self._permitted = self._refused = 0
        self._moment: Moment | None = None
        self._seconds = 0.0

    @property
    def tally(self) -> FeedTally:
        """Counts so far."""
        return FeedTally(self._told, self._permitted, self._calm.collapsed, self._refused)

    def check(self, seconds: float) -> None:
        """Raise UsageError where ``take`` would, before anybody looks at the frame."""
        self._times.check(seconds)

    def take(self, findings: Iterable[Finding], seconds: float) -> None:
        """Take what was found in the frame at ``seconds``; an event's time is the frame's.
        To be called for every frame, also without findings: what was held back leaves then.

        Raises UsageError when ``seconds`` goes back.
        """
        self._moment, self._seconds = self._times.at(seconds), float(seconds)
        for finding in findings:
            if not self._fits(finding):
                self._refuse()
            elif finding.item in self._rules.permitted:
                self._permitted += 1
            else:
                self._tell(self._calm.take(finding, self._seconds), self._moment)
        self._tell(self._calm.due(self._seconds), self._moment)
        self._release(everything=False)

    def finish(self) -> None:
        """The stream ends: tell what is still held back."""
        if self._moment is not None:
            self._tell(self._calm.due(self._seconds, last=True), self._moment)
        self._release(everything=True)

    def _fits(self, finding: object) -> bool:
        """Whether every field is one of the few values that it may have."""
        if type(finding) is not Finding:
            return False
        clean = finding.change is Change.CLEAN
        return (
            type(finding.change) is Change
            and finding.zone == self._rules.zone
            and (finding.item is None if clean else type(finding.item) is DeskItem)
            and isinstance(finding.confidence, numbers.Real)
            and math.isfinite(finding.confidence)
            and 0 <= finding.confidence <= 1
        )

    def _tell(self, findings: Iterable[Finding], moment: Moment) -> None:
        for finding in findings:
            try:
                event = Event.of(self._document(finding, moment))
            except EventError:
                self._refuse()
                continue
            self._sequence += 1
            self._told += 1
            self._held.append((event, moment.window))

    def _document(self, finding: Finding, moment: Moment) -> dict[str, Any]:
        if moment.day != self._day:
            # Another day, other names, and numbers that do not join it to the day before. A day
            # that comes back, because the clock was set, is another run: no id may come twice.
            if self._day:
                self._site = self._site.another_run()
            self._day, self._sequence = moment.day, 0
            self._source = self._site.source(moment.day)
        number = self._sequence + 1
        data: dict[str, Any] = {
            "zone": self._rules.zone,
            "confidence": band(float(finding.confidence)),
        }
        if finding.item is None:
            data["severity"] = Severity.INFO.value
        else:
            data["class"] = finding.item.value
            data["severity"] = self._rules.severity.get(finding.item, Severity.WARNING).value
        if moment.offset_seconds is not None:
            data["offset_seconds"] = moment.offset_seconds
        document = {
            "specversion": "1.0",
            "id": self._site.event_id(self._source, number),
            "source": self._source,
            "type": TYPES[finding.change],
            "datacontenttype": "application/json",
            "sequence": f"{number:010d}",
            "data": data,
        }
        return document if moment.time is None else {**document, "time": moment.time}

    def _refuse(self) -> None:
        self._refused += 1
        _log.warning("a finding on the desk was not fit to be told")

    def _release(self, *, everything: bool) -> None:
        while self._held and (everything or self._times.is_over(self._held[0][1])):
            event = self._held[0][0]
            for sink in self._sinks:
                try:
                    sink.put(event)
                except Exception as error:
                    _log.warning("a sink missed a desk event (%s)", type(error).__name__)
            # Not before: an interrupt on the way must not lose it. It comes again then.
            self._held.popleft()
