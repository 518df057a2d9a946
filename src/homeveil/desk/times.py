"""The hour of an event: from the wall clock, or from a recording, and only roughly.

A live event has the time of now. A recording has no hour of its own that could be trusted:
with a ``start`` that the caller gives, its events lie that much later; without, they say only
how many seconds after the first frame they lie.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from homeveil.errors import UsageError

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)
_MOST_SECONDS = 10.0**9


@dataclass(frozen=True, slots=True)
class Live:
    """Frames are of now. batched: an event leaves when the stretch that its time was rounded
    to is over, not at once; else the moment of its arrival would say what rounding hides.
    now: seconds since 1970."""

    batched: bool = True
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Recorded:
    """Frames are of a recording. start: when its first frame was taken, with a time zone, or
    None if nobody knows."""

    start: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is None:
            return
        if not isinstance(self.start, datetime):
            raise UsageError(f"the recording's start is {self.start!r}; give a datetime or None")
        if self.start.tzinfo is None:
            raise UsageError(
                f"the recording's start {self.start.isoformat()} has no time zone; give one, "
                "as in 2026-01-31T08:00:00+01:00"
            )
        if not _FIRST <= self.start <= _LAST:
            raise UsageError(f"the recording's start {self.start.isoformat()} is not 2000..2099")


Clock = Live | Recorded


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was, as far as it may be told. day: ``YYYY-MM-DD`` (UTC), for the names
    of the day. time: RFC 3339, or None. offset_seconds: since the first frame, or None. window:
    what the time was rounded to, on the clock; it must not be told before the clock has left
    it. None: it may be told at once."""

    day: str
    time: str | None
    offset_seconds: int | None
    window: tuple[float, float] | None


class Times:
    """Turns times of frames into moments. They must not go back.

    round_seconds: moments are rounded down to multiples of this.
    """

    def __init__(self, clock: Clock, round_seconds: float) -> None:
        self._clock, self._round = clock, round_seconds
        self._first: float | None = None
        self._last = -math.inf
        self._today = datetime.now(UTC).strftime("%Y-%m-%d")

    def at(self, seconds: float) -> Moment:
        """The moment of a frame. Raises UsageError when ``seconds`` is before the last."""
        self.check(seconds)
        self._last = seconds
        if self._first is None:
            self._first = seconds
        clock, offset = self._clock, min(seconds - self._first, _MOST_SECONDS)
        if isinstance(clock, Live):
            return self._of(clock.now(), batched=clock.batched)
        if clock.start is None:
            return Moment(self._today, None, int(self._floor(offset)), None)
        # Down to whole microseconds first: a sum of floats may round up into the next window.
        whole = math.floor(offset * 1e6) / 1e6
        return self._of(clock.start.timestamp() + whole, batched=False)

    def check(self, seconds: float) -> None:
        """Raise UsageError where ``at`` would."""
        if not (math.isfinite(seconds) and seconds >= self._last):
            raise UsageError(
                f"a frame at {seconds!r} s does not come after the last; "
                "begin anew for another stream"
            )

    def _of(self, unix: float, *, batched: bool) -> Moment:
        if not _FIRST.timestamp() <= unix <= _LAST.timestamp():
            # A clock that was never set. What has no time does not pass the schema.
            return Moment(self._today, None, None, None)
        floor = self._floor(unix)
        stamp = datetime.fromtimestamp(floor, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Moment(stamp[:10], stamp, None, (floor, floor + self._round) if batched else None)

    def _floor(self, value: float) -> float:
        return math.floor(value / self._round) * self._round

    def is_over(self, window: tuple[float, float] | None) -> bool:
        """Whether the clock has left a moment's window, forward or back."""
        if window is None or not isinstance(self._clock, Live):
            return True
        return not window[0] <= self._clock.now() < window[1]
