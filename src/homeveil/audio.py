"""Sound before and after the gate, as two types that do not mix.

A :class:`RawAudio` comes from a microphone or a decoder and may hold anybody's voice. A
:class:`VeiledAudio` can be made only by the voice gate; every encoder and sink accepts
nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import FrameError
from homeveil.frames import _SEAL, Timestamp, _Seal

Samples = NDArray[np.float32]
"""(channels, n), full scale 1."""

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
MAX_CHANNELS = 32

MAX_LEVEL = 100.0
"""Of a sample. What lies beyond comes of a fault, and would deafen what listens for as long as it
goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Audio:
    """A stretch of samples with a rate and the time of its first one.

    samples: float32 (channels, n), full scale 1. rate: samples per second. Printed or logged,
    it shows no sample.
    """

    samples: Samples = field(repr=False)
    rate: int
    time: Timestamp

    def __post_init__(self) -> None:
        whole = isinstance(self.rate, (int, np.integer))
        if not whole or not MIN_RATE_HZ <= self.rate <= MAX_RATE_HZ:
            raise FrameError(
                f"sound at {self.rate!r} Hz: the rate must be a whole number, "
                f"{MIN_RATE_HZ}..{MAX_RATE_HZ}"
            )
        object.__setattr__(self, "rate", int(self.rate))
        if not isinstance(self.time, Timestamp):
            raise FrameError(f"time is {type(self.time).__name__}; give a Timestamp")
        if not isinstance(self.samples, np.ndarray):
            raise FrameError(f"samples are {type(self.samples).__name__}; give a numpy array")
        if self.samples.ndim != 2 or not 1 <= self.samples.shape[0] <= MAX_CHANNELS:
            raise FrameError(
                f"samples are {self.samples.shape}, expected (1..{MAX_CHANNELS} channels, n)"
            )
        if self.samples.dtype != np.float32:
            raise FrameError(f"samples hold {self.samples.dtype}, expected float32")

    def copy(self) -> Self:
        """The same sound in memory of its own."""
        return replace(self, samples=self.samples.copy())

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return int(self.samples.shape[1]) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class RawAudio(_Audio):
    """Sound that nobody has cleared. Never write, send or log it.

    spliced: the recording goes on somewhere else here, though its times go on.
    """

    spliced: bool = False

    def split(self, seconds: float) -> tuple[RawAudio, RawAudio]:
        """What lies before a time and what does not; either may be empty."""
        base, count = self.time.time_base, self.samples.shape[1]
        at = max(0, min(count, int((seconds - self.time.seconds) * self.rate)))
        ticks = self.time.pts * base.numerator * self.rate + at * base.denominator
        later = Timestamp(ticks, Fraction(1, base.denominator * self.rate))
        return (
            replace(self, samples=self.samples[:, :at]),
            replace(self, samples=self.samples[:, at:], time=later, spliced=False),
        )


@dataclass(frozen=True, slots=True, eq=False)
class VeiledAudio(_Audio):
    """Sound of which only the verified agent's speech is left.

    open_share: share of these samples that the gate let through, 0..1.
    """

    open_share: float = 0.0
    seal: _Seal | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _Audio.__post_init__(self)
        if self.seal is not _SEAL:
            raise FrameError(
                "only the voice gate makes VeiledAudio; pass raw sound through homeveil.VoiceGate"
            )


def is_sound(samples: Samples) -> bool:
    """Whether all samples are numbers, and none lies far beyond full scale."""
    # Written so that what is no number is none.
    return bool((np.abs(samples) <= MAX_LEVEL).all())


def audio_from_array(
    array: NDArray[np.float32] | NDArray[np.int16], rate: int, seconds: float
) -> RawAudio:
    """Raw sound from an array of one's own; the array is copied.

    array: (n,) or (channels, n); float32 with full scale 1, or int16. seconds: time of the
    first sample; each block starts where the one before ended. Raises FrameError.
    """
    time = Timestamp.from_seconds(seconds)
    if not isinstance(array, np.ndarray):
        raise FrameError(f"samples are {type(array).__name__}; give a numpy array")
    if array.dtype not in (np.float32, np.int16):
        raise FrameError(f"samples hold {array.dtype}, expected float32 or int16")
    samples = np.atleast_2d(np.array(array, dtype=np.float32))
    if array.dtype == np.int16:
        samples /= 32768
    return RawAudio(samples, rate, time)
