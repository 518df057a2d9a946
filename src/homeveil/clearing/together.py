"""Sound beside pictures: it fails with them, and is on their clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from homeveil.audio import RawAudio
from homeveil.frames import Timestamp

if TYPE_CHECKING:
    from homeveil.media.reader import VideoReader
    from homeveil.media.sound_reader import SoundReader

NEAR_SECONDS = 5.0
"""Picture and sound of a part that was joined to the next one end so close to each other."""


class Together:
    """Mutes the sound beside pictures that failed, from the picture before to the one after.

    withhold: mutes between two times, in seconds.
    """

    def __init__(self, withhold: Callable[[float, float], None]) -> None:
        self._withhold = withhold
        self._before: float | None = None
        self._failed = False

    def see(self, seconds: float, *, failed: bool) -> None:
        """The next picture, as soon as it is known whether it failed."""
        before = self._before if self._before is not None else seconds
        if failed or self._failed:
            self._withhold(before, seconds)
        if failed:
            # How long it stands is known with the next one only.
            self._withhold(seconds, seconds + (seconds - before))
        self._before, self._failed = seconds, failed

    def end(self) -> None:
        """There is no further picture."""
        if self._failed and self._before is not None:
            self._withhold(self._before, float("inf"))


class OneClock:
    """Puts sound on the clock of its picture where recordings were joined.

    Each of the two goes on after its own end there, and those of one part seldom lie at one time:
    by themselves they would be further apart after each join.
    """

    def __init__(self, picture: VideoReader, sound: SoundReader) -> None:
        self._picture, self._sound = picture, sound
        self._shift = 0.0
        self._used = self._number = 0
        self._end = float("-inf")
        self._cuts = False
        self._ended = False

    def place(self, block: RawAudio) -> RawAudio | None:
        """The next block of the sound by the picture's clock, less what would lie before the end
        of the last one; None to be asked again when more of the picture was read."""
        if block.spliced:
            shift = self._shift_after()
            if shift is None:
                return None
            self._shift, self._cuts = shift, True
            self._number += 1
        if self._number:
            block = self._moved(block)
        self._end = block.time.seconds + block.seconds
        return block

    def end(self) -> None:
        """There is no more of the picture."""
        self._ended = True

    def _shift_after(self) -> float | None:
        """What is added to all times from the next join of the sound on."""
        joins, end = self._picture.joins, self._end
        while self._used < len(joins) and joins[self._used][0] < end - NEAR_SECONDS:
            self._used += 1
        if self._used < len(joins) and joins[self._used][0] <= end + NEAR_SECONDS:
            self._used += 1
            return joins[self._used - 1][1] - self._sound.joins[self._number][1]
        waits = not self._ended and self._picture.read_to < end + NEAR_SECONDS
        # The picture was not joined here: the sound goes on by itself.
        return None if waits else self._shift

    def _moved(self, block: RawAudio) -> RawAudio:
        start, samples = block.time.seconds + self._shift, block.samples
        if self._cuts:
            over = max(0, round((self._end - start) * block.rate))
            samples = samples[:, over:]
            start += over / block.rate
            self._cuts = not samples.shape[1]
            block = replace(block, spliced=not self._cuts)
        time = Timestamp(round(start * block.rate), Fraction(1, block.rate))
        return replace(block, samples=samples, time=time)
