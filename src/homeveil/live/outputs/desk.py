"""Desk events of a live session, made from what leaves."""

from __future__ import annotations

import logging
from dataclasses import replace

from homeveil.desk_events import DeskEvents
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.newest import Newest

_log = logging.getLogger("homeveil")


class DeskWatch(Newest):
    """Shows frames to ``events``, the newest when it has time: a desk is looked at a few times a
    second, so that frames left out are no loss. Closing finishes and closes them, and the log says
    how many wait or are lost."""

    def __init__(self, events: DeskEvents) -> None:
        super().__init__("desk events")
        self._events = events

    def status(self) -> OutputStatus:
        tally = self._events.tally
        trouble = self._trouble or (f"{tally.faults} frames failed" if tally.faults else "")
        trouble = trouble or (f"{tally.refused} events were refused" if tally.refused else "")
        return replace(super().status(), dropped=tally.dropped, trouble=trouble)

    def _use(self, frame: VeiledFrame) -> None:
        self._events.take(frame)

    def close(self) -> None:
        super().close()
        self._events.close()
        for place in self._events.tally.places:
            if place.waiting:
                _log.info("%s: %d events wait for the next run", place.place, place.waiting)
            if place.dropped:
                _log.warning("%s: %d events are lost", place.place, place.dropped)
            if place.refused:
                _log.warning("%s: %d events were refused there", place.place, place.refused)
