"""Carries events from a spool to a place, in a thread of its own: in order, each at least once.

    delivery = Delivery("the dashboard", Webhook(...), Spool(folder, "dashboard"))
    delivery.put(event)          # at once, whatever the place does
    ...
    delivery.close()             # waits a while for what is still on its way
    delivery.tally

The next event is not tried before the one before it was taken, or refused for what it is. A place
that fails is tried again for as long as the process lives, less and less often; one that is gone
is not, and what was not told there is lost.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from homeveil.desk.events import Event
from homeveil.emit.events.carrier import Carrier, Gone, NotDelivered, Refused
from homeveil.emit.events.spool import Spool
from homeveil.errors import UsageError
from homeveil.scoped import Scoped

_log = logging.getLogger("homeveil")

_TELL_EVERY = 20
_IDLE_SECONDS, _AGAIN_SECONDS, _LAST_TRIES_SECONDS = 1.0, 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failure: ``first_seconds``, doubled each time up to
    ``most_seconds``, of which a random half is left out so that many do not come back at once."""

    first_seconds: float = 0.5
    most_seconds: float = 60.0

    def wait(self, failures: int, asked: float | None = None) -> float:
        """Seconds after so many failures in a row; ``asked``: what the place asked for."""
        doubled = min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.most_seconds)
        return max(doubled * random.uniform(0.5, 1.0), min(asked or 0.0, self.most_seconds))


@dataclass(frozen=True, slots=True)
class DeliveryTally:
    """What became of the events for one place. waiting: kept on disk for the next time.
    dropped: found no room, or could not be kept. refused: by the place, for what they are; they are
    not told there again. failures: attempts that failed."""

    place: str
    delivered: int
    waiting: int
    dropped: int
    refused: int
    failures: int


class Delivery(Scoped):
    """An :class:`homeveil.desk.feed.EventSink` for one place.

    place: its name in messages. patience_seconds: how long ``close`` waits, counted from the
    last success.
    """

    def __init__(
        self,
        place: str,
        carrier: Carrier,
        spool: Spool,
        *,
        backoff: Backoff = Backoff(),
        patience_seconds: float = 10.0,
    ) -> None:
        self.place = place
        self._carrier, self._spool = carrier, spool
        self._backoff, self._patience = backoff, patience_seconds
        self._wake = threading.Condition()
        self._closing = self._closed = self._gone = False
        self._delivered = self._refused = self._failures = 0
        self._last_success = 0.0
        self._thread = threading.Thread(target=self._run, name="homeveil events", daemon=True)
        self._thread.start()

    @property
    def tally(self) -> DeliveryTally:
        """Counts so far; of ``waiting`` those that a restart would find."""
        spool = self._spool
        lost = spool.waiting - spool.lasting if self._closed or self._gone else 0
        return DeliveryTally(
            self.place,
            self._delivered,
            spool.waiting - lost,
            spool.dropped + lost,
            self._refused,
            self._failures,
        )

    def put(self, event: Event) -> None:
        """Take one event. Returns at once, whatever the place does; what finds no room is
        counted. Raises UsageError for anything but an Event."""
        if not isinstance(event, Event):
            raise UsageError(f"a place for events takes an Event, not {type(event).__name__}")
        if self._closed or not self._spool.put(event):
            return
        with self._wake:
            self._wake.notify()

    def close(self) -> None:
        """Wait until all is delivered, or until nothing was for ``patience_seconds``."""
        close_together([self])

    def _begin_to_close(self) -> None:
        self._last_success = time.monotonic()
        with self._wake:
            self._closing = True
            self._wake.notify()

    def _wait(self, end: float) -> None:
        while self._thread.is_alive() and self._patient() and time.monotonic() < end:
            self._thread.join(0.05)

    def _let_go(self) -> None:
        self._closed = True
        with self._wake:
            self._wake.notify()

    def _patient(self) -> bool:
        return time.monotonic() - self._last_success < self._patience

    def _run(self) -> None:
        try:
            self._carry()
        finally:
            self._carrier.close()
            self._spool.close()

    def _carry(self) -> None:
        failed = 0
        while not self._closed:
            event = self._spool.head()
            if event is None:
                if self._wait_for_more():
                    continue
                return
            try:
                self._carrier.send(event)
                self._delivered += 1
            except Refused as refusal:
                self._note_refusal(refusal)
            except Gone as error:
                self._failures += 1
                self._gone = True
                _log.warning("%s: events cannot be told there (%s)", self.place, error)
                return
            except Exception as error:
                failed += 1
                self._failed(failed, error)
                continue
            failed = 0
            self._spool.done()
            self._last_success = time.monotonic()

    def _wait_for_more(self) -> bool:
        """Whether there may be more to come."""
        with self._wake:
            waiting = self._spool.waiting
            if self._closing and not waiting:
                return False
            # Something waits that cannot be read: a disk in trouble. Not in a hurry.
            self._wake.wait(_AGAIN_SECONDS if waiting else _IDLE_SECONDS)
        return True

    def _note_refusal(self, refusal: Refused) -> None:
        """Not again for each: who refuses one often refuses many, and the end says how many."""
        self._refused += 1
        if self._refused == 1:
            _log.warning(
                "%s: an event is refused (%s) and not told there again; those after it go on",
                self.place,
                refusal,
            )

    def _failed(self, failed: int, error: Exception) -> None:
        """Note a failure and wait before the next attempt."""
        self._failures += 1
        expected = isinstance(error, NotDelivered)
        if failed % _TELL_EVERY == 1:
            why = error if expected else type(error).__name__
            _log.warning("%s: events are not taken (%s); tried again", self.place, why)
        asked = error.wait_seconds if isinstance(error, NotDelivered) else None
        begin, wait = time.monotonic(), self._backoff.wait(failed, asked)
        with self._wake:
            while not self._closed:
                if self._closing:
                    wait = min(wait, _LAST_TRIES_SECONDS)
                left = begin + wait - time.monotonic()
                if left <= 0:
                    return
                self._wake.wait(left)


def close_together(deliveries: Sequence[Delivery], within_seconds: float = math.inf) -> None:
    """Close all of them, whose waiting overlaps. What interrupts it, such as KeyboardInterrupt,
    ends the wait for each of them. within_seconds: how long is waited, whatever is taken."""
    open_ones = [one for one in deliveries if not one._closed]
    for one in open_ones:
        one._begin_to_close()
    try:
        end = time.monotonic() + within_seconds
        for one in open_ones:
            one._wait(end)
    finally:
        for one in open_ones:
            one._let_go()
        # A carrier that hangs is left to itself: its thread lets go of everything when it ends.
        end = time.monotonic() + _LAST_TRIES_SECONDS
        for one in open_ones:
            one._thread.join(max(0.0, end - time.monotonic()))
