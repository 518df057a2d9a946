"""Decoded sound as blocks that follow on one another, whatever its times claim."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from homeveil.audio import MAX_RATE_HZ, MIN_RATE_HZ, RawAudio, Samples
from homeveil.errors import InputError
from homeveil.frames import Timestamp
from homeveil.media import _av
from homeveil.media.clock import JUMP_SECONDS, Join
from homeveil.media.sound_track import unpacked

MOST_CHANNELS = 8
"""Sound of more channels is mixed down to one."""

_TOLERANCE_SECONDS = 0.02
_DRIFT_SECONDS = 0.2
_SPLICE_SECONDS = 0.05
"""Where the source's clock jumped back, times go on so much later: a gap, so that the gate
starts anew."""


class SoundTimeline:
    """Turns decoded frames into :class:`RawAudio`, float32, at their own rate.

    Where times leave a gap of whatever length, so do the blocks, as frames of the picture do,
    but for a single frame that claims to come later than the next one: it follows on the last.
    Where they drift away from the samples, these follow by a little silence or a few samples
    dropped; after a jump back (a spliced recording, see ``InputClock``) times go on a moment
    after where they were. name: of the source, for messages. moved: seconds added to all
    times. joins: as of ``InputClock``.
    """

    def __init__(self, name: str, moved: float = 0.0) -> None:
        self._name = name
        self._moved = moved
        self.joins: list[Join] = []
        self._end: float | None = None
        self._leapt: _av.AudioFrame | None = None
        self._resampler = _av.AudioResampler(format="flt")

    def place(self, decoded: list[_av.AudioFrame]) -> list[RawAudio]:
        """The blocks of what a packet decoded to. Raises InputError for a rate that cannot be
        read, FFmpegError or ValueError where it cannot be converted: that part is lost."""
        try:
            frames = [one for frame in decoded for one in self._resampler.resample(frame)]
        except (_av.FFmpegError, ValueError):
            # What was being converted is lost; a new format starts a new converter.
            self._resampler = _av.AudioResampler(format="flt")
            raise
        blocks = (self._block(one) for frame in frames for one in self._told_by(frame))
        return [block for block in blocks if block is not None]

    def finish(self) -> list[RawAudio]:
        """What still waits, at the end."""
        leapt, self._leapt = self._leapt, None
        block = self._block(leapt) if leapt is not None else None
        return [block] if block is not None else []

    def _told_by(self, frame: _av.AudioFrame) -> Iterator[_av.AudioFrame]:
        """The frames whose times are settled when ``frame`` comes."""
        leapt, self._leapt = self._leapt, None
        if leapt is not None:
            if self._follows(frame, leapt.samples / leapt.sample_rate):
                leapt.pts = None
            yield leapt
        if self._end is not None and self._ahead(frame) > JUMP_SECONDS:
            self._leapt = frame
        else:
            yield frame

    def _follows(self, frame: _av.AudioFrame, between: float) -> bool:
        """Whether it lies so many seconds behind the end of what came, about."""
        return frame.pts is not None and abs(self._ahead(frame) - between) <= JUMP_SECONDS / 2

    def _ahead(self, frame: _av.AudioFrame) -> float:
        """How far it claims to lie behind the end of what came, in seconds."""
        if frame.pts is None or frame.time_base is None or self._end is None:
            return 0.0
        return float(frame.pts * frame.time_base) + self._moved - self._end

    def _block(self, frame: _av.AudioFrame) -> RawAudio | None:
        samples = unpacked(frame)
        if not samples.size:
            return None
        if samples.shape[0] > MOST_CHANNELS:
            samples = samples.mean(0, keepdims=True, dtype=np.float32)
        rate = frame.sample_rate
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            raise InputError(f"{self._name}: sound changes to {rate} Hz, which cannot be read")
        start, spliced = self._start(frame)
        if self._end is not None and not spliced and start - self._end <= _DRIFT_SECONDS:
            samples = _joined(samples, round((start - self._end) * rate), rate)
            start = self._end
        if not samples.size:
            return None
        self._end = start + samples.shape[1] / rate
        time = Timestamp(round(start * rate), Fraction(1, rate))
        return RawAudio(np.ascontiguousarray(samples), rate, time, spliced)

    def _start(self, frame: _av.AudioFrame) -> tuple[float, bool]:
        """Where ``frame`` lies, by the source or else after the last one; whether the source's
        clock jumped back before it."""
        if frame.pts is None or frame.time_base is None:
            return (self._end if self._end is not None else 0.0), False
        start = float(frame.pts * frame.time_base) + self._moved
        if self._end is None or start - self._end >= -JUMP_SECONDS:
            return start, False
        self._moved += self._end + _SPLICE_SECONDS - start
        goes_on = self._end + _SPLICE_SECONDS
        self.joins.append((goes_on, self._moved))
        return goes_on, True


def _joined(samples: Samples, ahead: int, rate: int) -> Samples:
    """``samples`` made to follow on what came, though they claim to lie ``ahead`` samples
    after its end: what overlaps is dropped, silence stands for what is missing, and less
    than the tolerance is let be."""
    if abs(ahead) <= _TOLERANCE_SECONDS * rate:
        return samples
    if ahead < 0:
        return samples[:, -ahead:]
    silence = np.zeros((samples.shape[0], ahead), np.float32)
    return np.concatenate([silence, samples], axis=1)
