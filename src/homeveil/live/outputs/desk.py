"""Desk events of a live session, made from what leaves."""

from __future__ import annotations

from dataclasses import replace

from homeveil.desk_events import DeskEvents
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.newest import Newest


class DeskWatch(Newest):
    """Shows frames to ``events``, the newest when it has time: a desk is looked at a few times a
    second, so that frames left out are no loss. Closing finishes and closes them."""

    def __init__(self, events: DeskEvents) -> None:
        super().__init__("desk events")
        self._events = events

    def status(self) -> OutputStatus:
        tally = self._events.tally
        trouble = self._trouble or (f"{tally.faults} frames failed" if tally.faults else "")
        return replace(super().status(), dropped=tally.dropped, trouble=trouble)

    def _use(self, frame: VeiledFrame) -> None:
        self._events.take(frame)

    def close(self) -> None:
        super().close()
        self._events.close()
