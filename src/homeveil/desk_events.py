"""Desk events of veiled frames: what lies on the desk, told without a picture.

    with DeskEvents(["events.jsonl", "https://monitor.example/desk"], policy.desk) as events:
        homeveil.redact("in.mp4", "out.mp4", profile=profile, policy=policy, events=events)
    print(events.tally)

or, for frames of one's own:

    with DeskEvents([...], policy.desk, clock=Live()) as events:
        for veiled in redactor.process(raw):
            events.take(veiled)

``docs/events.md`` says what an event holds and when it arrives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from homeveil.desk.feed import EventFeed, EventSink, FeedTally
from homeveil.desk.findings import Finding
from homeveil.desk.site import Site
from homeveil.desk.times import Clock, Recorded
from homeveil.desk_rules import DeskRules
from homeveil.emit.events.delivery import Delivery, DeliveryTally, close_together
from homeveil.emit.events.places import check_apart, open_place, read_place
from homeveil.errors import UsageError, in_our_words
from homeveil.frames import VeiledFrame
from homeveil.policy import ModelFile
from homeveil.profile.desk import DeskTemplate
from homeveil.scoped import Scoped

_log = logging.getLogger("homeveil")

_INTERRUPTED_SECONDS = 1.0


class Watcher(Protocol):
    """Sees what lies on the desk of one stream."""

    def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
        """What changed with this frame."""


@dataclass(frozen=True, slots=True)
class EventsTally:
    """What became of the desk events of a run. faults: frames that could not be watched."""

    findings: FeedTally
    places: tuple[DeliveryTally, ...]
    faults: int

    @property
    def dropped(self) -> int:
        """Events that some place will never get."""
        return sum(place.dropped for place in self.places)

    @property
    def refused(self) -> int:
        """Events that some place refused for what they are."""
        return sum(place.refused for place in self.places)


class DeskEvents(Scoped):
    """Watches one stream of veiled frames and tells its events. Not thread-safe.

    to: file names, ``-``, URLs (see :mod:`homeveil.emit.events.places`), or sinks of one's own.
    rules: the policy's. clock: what the time of an event is; ``Live()`` for a camera. watcher:
    what sees; homeveil's own if left out, with the policy's ``models`` and the clean desk of an
    opened profile as ``template``. patience_seconds: how long ``close`` waits for places that
    take nothing.

    Taking a frame never waits for a place. ``files``: places that are files. Raises EventError,
    ModelError, and UsageError for what is no such argument.
    """

    def __init__(
        self,
        to: Sequence[str | Path | EventSink],
        rules: DeskRules | None = None,
        *,
        clock: Clock = Recorded(),  # noqa: B008  frozen
        watcher: Watcher | None = None,
        models: Mapping[str, ModelFile] | None = None,
        template: DeskTemplate | None = None,
        patience_seconds: float = 10.0,
    ) -> None:
        rules = rules or DeskRules()
        _check_kinds(rules, clock, template)
        if not isinstance(patience_seconds, (int, float)) or not patience_seconds >= 0:
            raise UsageError(f"patience_seconds is {patience_seconds!r}; give seconds, 0 or more")
        if isinstance(to, str | Path) or not isinstance(to, Iterable) or not to:
            raise UsageError("desk events need a list of places to go to, with one at least")
        places = [one if isinstance(one, EventSink) else read_place(one) for one in to]
        named = [one for one in places if not isinstance(one, EventSink)]
        check_apart(named)
        self.files = tuple(place.file for place in named if place.file is not None)
        site = Site.of_installation()
        self._deliveries: list[Delivery] = []
        self._faults = 0
        self._finished = False
        sinks: list[EventSink] = []
        try:
            for place in places:
                if isinstance(place, EventSink):
                    sinks.append(place)
                else:
                    delivery = open_place(place, patience_seconds=patience_seconds)
                    self._deliveries.append(delivery)
                    sinks.append(delivery)
            self._watcher = watcher or _own_watcher(rules, models or {}, template)
        except BaseException:
            close_together(self._deliveries, 0.0)
            raise
        self._feed = EventFeed(rules, sinks, clock=clock, site=site)

    @property
    def tally(self) -> EventsTally:
        """Counts so far; final after ``close``."""
        places = tuple(delivery.tally for delivery in self._deliveries)
        return EventsTally(self._feed.tally, places, self._faults)

    def take(self, frame: VeiledFrame) -> None:
        """Watch one frame. A watcher that fails is counted and stops nothing.

        Raises UsageError for anything but a VeiledFrame, and for one that goes back in time.
        """
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"desk events are made of a VeiledFrame, not {type(frame).__name__}")
        if self._finished:
            raise UsageError("these desk events have ended; make new ones")
        # What is found in a frame that is refused afterwards would be found once, and never told.
        self._feed.check(frame.time.seconds)
        found: tuple[Finding, ...] = ()
        try:
            found = self._watcher.look(frame)
        except Exception as error:
            self._faults += 1
            if self._faults == 1:
                _log.warning("the desk could not be watched (%s)", in_our_words(error))
        self._feed.take(found, frame.time.seconds)

    def finish(self) -> None:
        """The stream has ended: tell what was held back. Harmless when repeated."""
        if not self._finished:
            self._finished = True
            self._feed.finish()

    def close(self) -> None:
        """Finish, and wait for events on their way as long as ``patience_seconds`` allows."""
        self.finish()
        close_together(self._deliveries)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an interrupt, whoever wants the end is not kept waiting for it."""
        if isinstance(error, KeyboardInterrupt):
            self.finish()
            close_together(self._deliveries, _INTERRUPTED_SECONDS)
        super().__exit__(kind, error, trace)


def _check_kinds(rules: object, clock: object, template: object) -> None:
    """Raise UsageError for what is easily taken for what it should be."""
    if not isinstance(rules, DeskRules):
        raise UsageError(f"rules are {type(rules).__name__}; give policy.desk or DeskRules")
    if not isinstance(clock, Clock):
        raise UsageError(f"clock is {clock!r}; give Live() or Recorded()")
    if not isinstance(template, DeskTemplate | None):
        raise UsageError(f"template is {type(template).__name__}; give profile.desk or None")


def _own_watcher(
    rules: DeskRules, models: Mapping[str, ModelFile], template: DeskTemplate | None
) -> Watcher:
    """What sees, of our own."""
    from homeveil.desk.watcher import DeskModels, DeskWatcher

    if template is None and "desk_detector" not in models:
        # Silence must not pass for a clean desk.
        _log.warning(
            "the desk detector that comes with homeveil names few kinds of items: no event does "
            "not mean a clean desk; enroll the clean desk (homeveil enroll --desk) or name a "
            "detector of your own in the policy ([models.desk_detector])"
        )
    return DeskWatcher(rules, DeskModels.load(models), template)
