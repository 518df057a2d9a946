"""Desk events of a live session, made from what leaves."""

from __future__ import annotations

import threading

from homeveil.audio import VeiledAudio
from homeveil.desk_events import DeskEvents
from homeveil.errors import UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.media.sound_track import SoundFormat


class DeskWatch:
    """A :class:`homeveil.live.output.LiveOutput` that shows frames to ``events``, the newest when
    it has time. Closing finishes and closes them."""

    def __init__(self, events: DeskEvents) -> None:
        self._events = events
        self._news = threading.Condition()
        self._frame: VeiledFrame | None = None
        self._ended = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        self._thread.start()

    def take(self, frame: VeiledFrame) -> None:
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"an output takes a VeiledFrame, not {type(frame).__name__}")
        with self._news:
            self._frame = frame
            self._news.notify()

    def hear(self, sound: VeiledAudio) -> None:
        """A desk makes no sound."""

    def status(self) -> OutputStatus:
        tally = self._events.tally
        trouble = self._trouble or (f"{tally.faults} frames failed" if tally.faults else "")
        return OutputStatus("desk events", self._thread.is_alive(), 0, tally.dropped, trouble)

    def waiting(self) -> int:
        return int(self._frame is not None)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._frame is not None or self._ended)
                frame, self._frame = self._frame, None
            if frame is None:
                return
            try:
                self._events.take(frame)
            except Exception as error:
                self._trouble = f"the desk is watched no more ({type(error).__name__})"
                return

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._events.close()
