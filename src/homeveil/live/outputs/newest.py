"""What takes the newest frame when it has time for one, in a thread of its own, and comes back by
itself after a failure."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod

from homeveil.audio import VeiledAudio
from homeveil.errors import UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.carrier import RETRY_SECONDS
from homeveil.media.sound_track import SoundFormat

_log = logging.getLogger("homeveil")

_END_SECONDS = 5.0


class Newest:
    """A :class:`homeveil.live.output.LiveOutput`. dropped: frames that a newer one replaced.
    Subclasses say what to do with a frame; whatever that raises is told, and after a while it is
    tried with the newest again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._news = threading.Condition()
        self._frame: VeiledFrame | None = None
        self._ended = self._failed = False
        self._bytes = self._dropped = 0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        self._thread.start()

    def take(self, frame: VeiledFrame) -> None:
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"an output takes a VeiledFrame, not {type(frame).__name__}")
        with self._news:
            self._dropped += self._frame is not None
            self._frame = frame
            self._news.notify()

    def hear(self, sound: VeiledAudio) -> None:
        """It takes no sound."""

    def status(self) -> OutputStatus:
        going = self._thread.is_alive() and not self._failed
        return OutputStatus(self._name, going, self._bytes, self._dropped, self._trouble)

    def waiting(self) -> int:
        return int(self._frame is not None)

    @abstractmethod
    def _use(self, frame: VeiledFrame) -> None:
        """Do with one frame what is to be done."""

    def _run(self) -> None:
        wait = RETRY_SECONDS[0]
        while True:
            with self._news:
                self._news.wait_for(lambda: self._frame is not None or self._ended)
                frame, self._frame = self._frame, None
            if frame is None:
                return
            try:
                self._use(frame)
            except Exception as error:
                self._fail(error)
                with self._news:
                    self._news.wait_for(lambda: self._ended, wait)
                wait = min(2 * wait, RETRY_SECONDS[1])
                continue
            wait = RETRY_SECONDS[0]
            if self._failed:
                _log.info("%s: is back", self._name)
                self._failed, self._trouble = False, ""

    def _fail(self, error: Exception) -> None:
        self._trouble = f"{self._name}: failed ({type(error).__name__})"
        if not self._failed:
            _log.warning("%s; trying again", self._trouble)
        self._failed = True

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)
