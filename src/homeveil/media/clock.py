"""Presentation times as a stream should have had them."""

from __future__ import annotations

from fractions import Fraction

JUMP_SECONDS = 1
"""A step back by more than this is a new clock, not a misplaced frame."""


class InputClock:
    """Makes the times of decoded frames strictly increasing, in ticks of ``time_base``.

    Times that already increase pass unchanged, so a variable frame rate survives. A
    missing time becomes the one before plus the frame's duration; a time that does not
    increase becomes the one before plus one tick; after a jump back by more than
    ``JUMP_SECONDS`` (spliced recordings, a camera that restarted) all later times are
    moved so that the stream goes on where it was.

    repaired: how many times were missing or changed.
    """

    def __init__(self, time_base: Fraction, frame_rate: Fraction | None) -> None:
        self._jump_ticks = max(1, int(JUMP_SECONDS / time_base))
        self._frame_ticks = max(1, round(1 / (frame_rate * time_base))) if frame_rate else 1
        self._last: int | None = None
        self._moved_ticks = 0
        self.repaired = 0

    def tick(self, pts: int | None, duration_ticks: int) -> int:
        """Time of the next frame, given what the file says (None: nothing)."""
        step = duration_ticks if duration_ticks > 0 else self._frame_ticks
        if pts is None:
            self.repaired += 1
            time = 0 if self._last is None else self._last + step
        else:
            time = pts + self._moved_ticks
            if self._last is not None and time <= self._last:
                self.repaired += 1
                if self._last - time > self._jump_ticks:
                    self._moved_ticks += self._last + step - time
                    time = self._last + step
                else:
                    time = self._last + 1
        self._last = time
        return time
