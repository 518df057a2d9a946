"""Findings, events and feeds for tests."""

from __future__ import annotations

from collections.abc import Iterable

from homeveil.desk.events import Event
from homeveil.desk.feed import EventFeed
from homeveil.desk.findings import Change, Finding
from homeveil.desk.site import Site
from homeveil.desk.times import Clock, Recorded
from homeveil.desk_rules import DeskItem, DeskRules

SITE = Site(bytes(range(32)), bytes(range(16)))


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        self.events.append(event)

    @property
    def words(self) -> list[str]:
        """``appeared phone`` and the like."""
        return [
            f"{event.document['type'].rsplit('.', 1)[1]} {event.document['data'].get('class', '')}"
            .strip()
            for event in self.events
        ]


def item(change: Change, kind: DeskItem = DeskItem.PHONE, confidence: float = 0.9) -> Finding:
    """A finding on the desk."""
    return Finding(change, "desk", kind, 1, confidence, 0.0)


def told(
    findings: Iterable[tuple[float, Finding]],
    *,
    rules: DeskRules | None = None,
    clock: Clock | None = None,
    site: Site = SITE,
) -> Kept:
    """What becomes of findings, each in a frame of its own."""
    kept = Kept()
    feed = EventFeed(rules or DeskRules(), [kept], clock=clock or Recorded(), site=site)
    for seconds, one in findings:
        feed.take([one], seconds)
    feed.finish()
    return kept


def some_events(count: int, site: Site = SITE) -> list[Event]:
    """Events numbered from 1, of one source."""
    document = told([(0.0, item(Change.APPEARED))], site=site).events[0].document
    return [
        Event.of(
            {
                **document,
                "sequence": f"{number:010d}",
                "id": site.event_id(document["source"], number),
            }
        )
        for number in range(1, count + 1)
    ]
