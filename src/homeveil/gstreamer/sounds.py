"""Sound between GStreamer's buffers and the VoiceGate: bytes in, veiled bytes out.

Times are nanoseconds; samples are interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from homeveil._kernels import Verdict
from homeveil.audio import RawAudio, Samples, VeiledAudio
from homeveil.errors import FrameError, UsageError
from homeveil.frames import Timestamp
from homeveil.gstreamer.pictures import NANOSECOND
from homeveil.perceive.hearing import Hears
from homeveil.policy import Lips, Policy, Sound
from homeveil.profile.template import Profile
from homeveil.report import SoundTally
from homeveil.voice_gate import VoiceGate

_FULL_SCALE = 32768.0


@dataclass(frozen=True, slots=True)
class SoundForm:
    """What sound comes in: 16-bit integers or 32-bit floats, little-endian."""

    floats: bool
    rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * (4 if self.floats else 2)

    def samples(self, data: bytes) -> Samples:
        """(channels, n) float32, full scale 1. Raises FrameError for part of a sample."""
        if len(data) % self.frame_bytes:
            raise FrameError(
                f"a buffer of {len(data)} bytes is no whole number of samples of "
                f"{self.frame_bytes} bytes"
            )
        flat = np.frombuffer(data, "<f4" if self.floats else "<i2").astype(np.float32)
        if not self.floats:
            flat /= _FULL_SCALE
        return np.ascontiguousarray(flat.reshape(-1, self.channels).T)

    def pack(self, samples: Samples) -> bytes:
        """The reverse; integers that were not touched come back as they were."""
        interleaved = samples.T
        if not self.floats:
            scaled = np.rint(interleaved * np.float32(_FULL_SCALE))
            interleaved = np.clip(scaled, -32768, 32767)
        data: bytes = interleaved.astype("<f4" if self.floats else "<i2").tobytes()
        return data


@dataclass(frozen=True, slots=True)
class SoundOut:
    """Veiled sound as the bytes of a buffer."""

    data: bytes
    pts: int
    duration: int


class Totals(SoundTally):
    """Seconds that left: all, those let through, those muted for a fault. No spans, which would
    grow for as long as a stream lasts."""

    def __init__(self, closed_reason: str) -> None:
        super().__init__(closed_reason)
        self.came = self.cleared = self.faults = 0.0

    def add(self, verdict: Verdict, start: float, end: float) -> None:
        """Take in one stretch that left."""
        self.came += end - start
        if verdict is Verdict.OPEN:
            self.cleared += end - start
        elif verdict is Verdict.FAULT:
            self.faults += end - start


class SoundFlow:
    """Runs a VoiceGate over buffers. Not thread-safe.

    profile, policy, listen: as for VoiceGate. totals: what left so far. Raises UsageError for a
    policy that requires lips, which are nowhere to be seen.
    """

    def __init__(
        self,
        profile: Profile | None,
        policy: Policy,
        *,
        listen: Callable[[int], Hears] | None = None,
    ) -> None:
        if policy.lips is Lips.REQUIRE and policy.sound is not Sound.WITHHELD:
            raise UsageError(
                'the policy has lips = "require", but sound comes here without its picture, so '
                'nothing would be heard; give "check" or "off"'
            )
        self.totals = Totals("not cleared")
        self._gate = VoiceGate(profile, policy, listen=listen, tally=lambda _: self.totals)
        self._form: SoundForm | None = None

    @property
    def delay_nanoseconds(self) -> int:
        """How long samples wait."""
        return round(self._gate.delay_seconds * 10**9)

    def begin(self, form: SoundForm) -> None:
        """Sound of this form comes next, to a closed gate; what waits is lost."""
        self.forget()
        self._form = form

    def take(self, data: bytes, pts: int, *, spliced: bool = False) -> Iterator[SoundOut]:
        """Take the bytes of one buffer; give the samples whose wait is over. spliced: something is
        missing before it, whatever its time says.

        Raises FrameError for part of a sample.
        """
        form = self._form
        if form is None:
            raise FrameError("a buffer came before its format")
        time = Timestamp(pts, NANOSECOND)
        raw = RawAudio(form.samples(data), form.rate, time, spliced=spliced)
        yield from self._pack(self._gate.process(raw), form)

    def drain(self) -> Iterator[SoundOut]:
        """All that waits; the gate is closed then."""
        if self._form is not None:
            yield from self._pack(self._gate.flush(), self._form)

    def forget(self) -> None:
        """What waits is lost, never given; the gate is closed again."""
        self._gate.reset()

    def close(self) -> None:
        """Free the models."""
        self._gate.close()

    def _pack(self, blocks: Iterable[VeiledAudio], form: SoundForm) -> Iterator[SoundOut]:
        for veiled in blocks:
            if not isinstance(veiled, VeiledAudio):
                raise FrameError(f"only VeiledAudio leaves, not {type(veiled).__name__}")
            start = veiled.time.pts * veiled.time.time_base
            end = start + Fraction(veiled.samples.shape[1], form.rate)
            first, last = round(start / NANOSECOND), round(end / NANOSECOND)
            yield SoundOut(form.pack(veiled.samples), first, last - first)
