"""What was sent today, in seconds and bytes: kept in one small file over restarts, to which all
sessions of a user add."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
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
        self._kept = self._read() or Sent(self._day())
        self._more = Sent(self._kept.day)

    @classmethod
    def of_installation(cls) -> Today:
        """The one of this user."""
        return cls(state_folder() / "sent-today.json")

    def add(self, seconds: float, octets: int) -> None:
        """So much more was sent."""
        with self._lock:
            self._more = _sum(self._today(self._more), seconds, octets)

    def sent(self) -> Sent:
        """Of today."""
        with self._lock:
            more = self._today(self._more)
            return _sum(self._today(self._kept), more.seconds, more.bytes)

    def save(self) -> None:
        """Add it to what is written down; a file that cannot be written, or is being written by
        another session, is done without until the next time."""
        path = self._path
        if path is None:
            return
        with self._lock, contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path.with_suffix(".lock"), "w") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                more = self._today(self._more)
                kept = self._today(self._read() or self._kept)
                self._write(path, _sum(kept, more.seconds, more.bytes))

    def _write(self, path: Path, sent: Sent) -> None:
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps(asdict(sent)) + "\n", "utf-8")
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            return
        self._kept, self._more = sent, Sent(sent.day)

    def _today(self, sent: Sent) -> Sent:
        """``sent``, or nothing if that was on another day."""
        day = self._day()
        return sent if sent.day == day else Sent(day)

    def _day(self) -> str:
        return time.strftime("%Y-%m-%d", time.localtime(self._now()))

    def _read(self) -> Sent | None:
        if self._path is None:
            return None
        try:
            told = json.loads(self._path.read_text("utf-8"))
            sent = Sent(str(told["day"]), float(told["seconds"]), int(told["bytes"]))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        return sent if math.isfinite(sent.seconds) and min(sent.seconds, sent.bytes) >= 0 else None


def _sum(sent: Sent, seconds: float, octets: int) -> Sent:
    return Sent(sent.day, sent.seconds + seconds, sent.bytes + octets)
