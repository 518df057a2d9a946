"""Presentation times as a stream should have had them."""

from __future__ import annotations

from fractions import Fraction

JUMP_SECONDS = 1
"""A step back by more than this is a new clock, not a misplaced frame."""

Join = tuple[float, float]
"""A time, and what is added to all times from there on, in seconds."""


class InputClock:
    """Makes the times of decoded frames strictly increasing, in ticks of ``time_base``.

    Times that already increase pass unchanged, so a variable frame rate survives. A time
    that does not increase becomes the one before plus one tick; after a jump back by more
    than ``JUMP_SECONDS`` (spliced recordings, a camera that restarted) all later times are
    moved so that the stream goes on where it was. A missing time is guessed from the
    decoding time, moved so that the stream starts at ``start``, or else follows the one
    before at the pace of those before.

    repaired: how many times were changed, or missing without a decoding time. splices: how often
    the clock jumped back. joins: the times at which the stream goes on there, and what is added to
    all later ones.
    """

    def __init__(
        self, time_base: Fraction, frame_rate: Fraction | None, start: int | None = None
    ) -> None:
        self._jump_ticks = max(1, int(JUMP_SECONDS / time_base))
        self._step = max(1, round(1 / (frame_rate * time_base))) if frame_rate else 1
        self._start = start or 0
        self._last: int | None = None
        self._moved_ticks = 0
        self._decoding_lead: int | None = None
        self._time_base = time_base
        self.repaired = self.splices = 0
        self.joins: list[Join] = []

    def tick(self, pts: int | None, dts: int | None = None) -> int:
        """Time of the next frame, given when the file says it is shown and decoded."""
        time = self._guess(dts) if pts is None else self._follow(pts + self._moved_ticks)
        # A pause is no pace.
        if self._last is not None and time - self._last <= self._jump_ticks:
            self._step = time - self._last
        self._last = time
        return time

    def leaps(self, pts: int | None) -> bool:
        """Whether the next frame claims a time so far ahead that it may be a mistake, which the
        one after it tells."""
        return self._ahead(pts) > self._jump_ticks

    def overtaken(self, leapt: int, pts: int | None) -> bool:
        """Whether ``pts``, of the frame after the one that leaps to ``leapt``, goes on where the
        one before it was."""
        close = abs(self._ahead(pts) - 2 * self._step) <= self._jump_ticks / 2
        return pts is not None and pts < leapt and close

    def _ahead(self, pts: int | None) -> int:
        """How far a time lies behind the last one, in ticks."""
        if pts is None or self._last is None:
            return 0
        return pts + self._moved_ticks - self._last

    def _guess(self, dts: int | None) -> int:
        if dts is not None:
            if self._decoding_lead is None:
                expected = self._start if self._last is None else self._last + self._step
                self._decoding_lead = expected - dts
            time = dts + self._decoding_lead
            if self._last is None or time > self._last:
                return time
        self.repaired += 1
        return self._start if self._last is None else self._last + self._step

    def _follow(self, time: int) -> int:
        if self._last is None or time > self._last:
            return time
        self.repaired += 1
        if self._last - time <= self._jump_ticks:
            return self._last + 1
        self.splices += 1
        self._moved_ticks += self._last + self._step - time
        goes_on = self._last + self._step
        self.joins.append(
            (float(goes_on * self._time_base), float(self._moved_ticks * self._time_base))
        )
        return goes_on
