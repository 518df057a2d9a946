"""What was sent today, in seconds and bytes: kept in one small file over restarts."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from homeveil.installation import state_folder


@dataclass(frozen=True, slots=True)
class Sent:
    """Of one day. seconds: of picture that was not a card. bytes: over all outputs."""

    day: str
    seconds: float = 0.0
    bytes: int = 0


class Today:
    """Safe for all threads. path: the file, or None to keep it in memory. now: seconds since
    1970; a day is one of the machine's own time zone."""

    def __init__(self, path: Path | None, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self._lock = threading.Lock()
        self._sent = self._read() or Sent(self._day())

    @classmethod
    def of_installation(cls) -> Today:
        """The one of this user."""
        return cls(state_folder() / "sent-today.json")

    def add(self, seconds: float, octets: int) -> None:
        """So much more was sent."""
        with self._lock:
            sent = self._current()
            self._sent = Sent(sent.day, sent.seconds + seconds, sent.bytes + octets)

    def sent(self) -> Sent:
        """Of today."""
        with self._lock:
            self._sent = self._current()
            return self._sent

    def save(self) -> None:
        """Write it down; a file that cannot be written is done without."""
        sent = self.sent()
        if self._path is None:
            return
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(sent)) + "\n", "utf-8")
            part.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()

    def _current(self) -> Sent:
        day = self._day()
        return self._sent if self._sent.day == day else Sent(day)

    def _day(self) -> str:
        return time.strftime("%Y-%m-%d", time.localtime(self._now()))

    def _read(self) -> Sent | None:
        if self._path is None:
            return None
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return Sent(str(told["day"]), float(told["seconds"]), int(told["bytes"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
