"""All that may pass from the isolated process to the other: a closed set of messages of one
size, every field in its range, every spare byte zero. Picture and sound themselves lie in
slots of shared memory that a message names.

What decodes here comes from a process that a hostile file may have taken over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

from homeveil import errors
from homeveil._kernels import Verdict
from homeveil.audio import MAX_RATE_HZ, MIN_RATE_HZ
from homeveil.errors import HomeveilError, IsolationError
from homeveil.frames import MAX_SIDE, PixelFormat
from homeveil.models.purposes import KEY_PURPOSES, PICTURE_PURPOSES, VOICE_PURPOSES

SIZE = 512
"""Bytes of every message: less than a pipe takes at once, so that none is ever torn."""

MOST_PICTURE_SLOTS, SOUND_SLOTS = 12, 8
GO = b"\xff"
SOUND_BIT = 0x80
"""What the isolated process is told after its order: to begin, and slots that are free again,
those of sound with this bit."""

ALL_PURPOSES = (*PICTURE_PURPOSES, *VOICE_PURPOSES, *KEY_PURPOSES)
"""Models that a message can name, by bit."""

TEXT_BYTES = 480
MOST_CHANNELS = 8
"""Of sound; what has more was mixed down when it was read."""

MOST_SECONDS = 10.0**10
"""Of any time: clocks that count from 1970 lie well within."""

_FORMATS = tuple(PixelFormat)
_VERDICTS = tuple(Verdict)
_MOST_TERM = 2**31 - 1

ERRORS: tuple[type[HomeveilError], ...] = (
    errors.UsageError,
    errors.PolicyError,
    errors.FrameError,
    errors.InputError,
    errors.ModelError,
    errors.ProfileError,
    errors.PassphraseError,
    errors.PerceptionError,
    errors.StretchError,
    errors.IsolationError,
)
"""Errors that can come out of the box. Whatever else is raised comes as the last."""


def _need(good: bool) -> None:
    if not good:
        raise ValueError("out of range")


@dataclass(frozen=True, slots=True)
class Opened:
    """The input is open, the models are loaded. See :class:`homeveil.clearing.Form`; 0 for
    what is unknown. purposes: bits of the models in use. voice: a voice is enrolled."""

    KIND: ClassVar[int] = 1
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IIIIIIQdIBHBHBBBBd")

    width: int
    height: int
    rate_num: int
    rate_den: int
    aspect_num: int
    aspect_den: int
    frames: int
    seconds: float
    sound_rate: int
    sound_channels: int
    purposes: int
    voice: int
    stretches: int = 1
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: int = 0
    begin: float = 0.0

    def check(self) -> None:
        _check_colour(self.matrix, self.primaries, self.transfer, self.full_range)
        _need(abs(self.begin) <= MOST_SECONDS)
        _need((self.width == 0) == (self.height == 0))
        _need(max(self.width, self.height) <= MAX_SIDE)
        for num, den in ((self.rate_num, self.rate_den), (self.aspect_num, self.aspect_den)):
            _need((num == 0) == (den == 0) and max(num, den) <= _MOST_TERM)
        _need(self.frames < 2**40 and 0 <= self.seconds <= MOST_SECONDS)
        if self.sound_rate or self.sound_channels:
            _need(MIN_RATE_HZ <= self.sound_rate <= MAX_RATE_HZ)
            _need(1 <= self.sound_channels <= MOST_CHANNELS)
        else:
            _need(self.width > 0)
        _need(self.voice in (0, 1) and self.stretches >= 1)


@dataclass(frozen=True, slots=True)
class Locked:
    """The process is locked in. landlock: version in force. seccomp: the filter stands."""

    KIND: ClassVar[int] = 2
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BB")

    landlock: int
    seccomp: int

    def check(self) -> None:
        _need(self.landlock <= 64 and self.seccomp in (0, 1))


@dataclass(frozen=True, slots=True)
class Picture:
    """A veiled frame lies in picture slot ``slot``. withheld: cells painted over. takes_over,
    undisputed: see :class:`homeveil.clearing.Clearing`; 0 but for a stretch."""

    KIND: ClassVar[int] = 3
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBBBBBBIIqIIIHB")

    slot: int
    pixel_format: int
    fault: int
    matrix: int
    primaries: int
    transfer: int
    full_range: int
    width: int
    height: int
    pts: int
    base_num: int
    base_den: int
    withheld: int
    takes_over: int = 0
    undisputed: int = 0

    def check(self) -> None:
        _need(self.undisputed in (0, 1))
        _need(self.slot < MOST_PICTURE_SLOTS and self.pixel_format < len(_FORMATS))
        _need(self.fault in (0, 1))
        _need(1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE)
        _check_colour(self.matrix, self.primaries, self.transfer, self.full_range)
        _check_time(self.pts, self.base_num, self.base_den)

    @property
    def layout(self) -> PixelFormat:
        return _FORMATS[self.pixel_format]


@dataclass(frozen=True, slots=True)
class Sound:
    """``count`` veiled samples of each channel lie in sound slot ``slot``, channel by channel.
    opened: samples that the gate let through."""

    KIND: ClassVar[int] = 4
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBIIqIII")

    slot: int
    channels: int
    rate: int
    count: int
    pts: int
    base_num: int
    base_den: int
    opened: int

    def check(self) -> None:
        _need(self.slot < SOUND_SLOTS and 1 <= self.channels <= MOST_CHANNELS)
        _need(MIN_RATE_HZ <= self.rate <= MAX_RATE_HZ)
        _need(1 <= self.count <= 2**24 and self.opened <= self.count)
        _check_time(self.pts, self.base_num, self.base_den)


@dataclass(frozen=True, slots=True)
class Judged:
    """Sound from ``start`` to ``end`` (seconds of presentation time) left with this
    verdict."""

    KIND: ClassVar[int] = 5
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<Bdd")

    verdict_index: int
    start: float
    end: float

    def check(self) -> None:
        _need(self.verdict_index < len(_VERDICTS))
        _need(-MOST_SECONDS <= self.start <= self.end <= MOST_SECONDS)

    @property
    def verdict(self) -> Verdict:
        return _VERDICTS[self.verdict_index]

    @classmethod
    def of(cls, verdict: Verdict, start: float, end: float) -> Self:
        return cls(_VERDICTS.index(verdict), start, end)


@dataclass(frozen=True, slots=True)
class Done:
    """All of the file has come. frames: pictures that were read. damaged: packets skipped. cut:
    whether the file ends too early."""

    KIND: ClassVar[int] = 6
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<QIB")

    frames: int
    damaged: int
    cut: int

    def check(self) -> None:
        _need(self.frames < 2**40 and self.damaged < 2**31 and self.cut <= 1)


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message of a run that ends in an error: which, and its one line of text."""

    KIND: ClassVar[int] = 7
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(f"<BH{TEXT_BYTES}s")

    error: int
    length: int
    text: bytes

    def check(self) -> None:
        _need(self.error < len(ERRORS) and self.length <= TEXT_BYTES)
        _need(not any(self.text[self.length :]))
        _need(self.text[: self.length].decode("utf-8").isprintable())

    @classmethod
    def of(cls, error: BaseException) -> Self:
        index = ERRORS.index(type(error)) if type(error) in ERRORS else len(ERRORS) - 1
        text = str(error)
        if not isinstance(error, HomeveilError):
            # Its text may quote anything.
            text = f"the isolated process failed ({type(error).__name__})"
        plain = "".join(sign if sign.isprintable() else " " for sign in text)
        data = plain.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore").encode()
        return cls(index, len(data), data.ljust(TEXT_BYTES, b"\0"))

    def exception(self) -> HomeveilError:
        return ERRORS[self.error](self.text[: self.length].decode("utf-8"))


@dataclass(frozen=True, slots=True)
class Late:
    """Of a camera: ``frames`` pictures so far came too late and were given up."""

    KIND: ClassVar[int] = 8
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<Q")

    frames: int

    def check(self) -> None:
        _need(self.frames < 2**40)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Of a stretch: ``frames`` were looked at so far, before the first that is given."""

    KIND: ClassVar[int] = 9
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<Q")

    frames: int

    def check(self) -> None:
        _need(self.frames < 2**40)


Message = Opened | Locked | Picture | Sound | Judged | Done | Failed | Late | Ahead
_KINDS: dict[int, type[Any]] = {
    kind.KIND: kind for kind in (Opened, Locked, Picture, Sound, Judged, Done, Failed, Late, Ahead)
}


def encode(message: Message) -> bytes:
    """SIZE bytes."""
    values = [getattr(message, name) for name in message.__slots__]
    body = bytes([message.KIND]) + message.LAYOUT.pack(*values)
    return body.ljust(SIZE, b"\0")


def decode(data: bytes) -> Message:
    """The message in SIZE bytes. IsolationError for anything that is none."""
    kind = _KINDS.get(data[0]) if len(data) == SIZE else None
    if kind is None:
        raise IsolationError("the isolated process sent what is no message; it was stopped")
    end = 1 + kind.LAYOUT.size
    try:
        message: Message = kind(*kind.LAYOUT.unpack(data[1:end]))
        message.check()
        _need(not any(data[end:]))
    except (ValueError, struct.error):
        raise IsolationError(
            f"the isolated process sent a message ({kind.__name__}) with a field out of range; "
            "it was stopped"
        ) from None
    return message


def ratio(value: Fraction | None) -> tuple[int, int]:
    """Terms that fit a message; (0, 0) for None."""
    if value is None:
        return 0, 0
    if max(value.numerator, value.denominator) > _MOST_TERM:
        value = value.limit_denominator(1_000_000)
    return value.numerator, value.denominator


def fraction(num: int, den: int) -> Fraction | None:
    """The inverse of :func:`ratio`."""
    return Fraction(num, den) if den else None


def _check_colour(matrix: int, primaries: int, transfer: int, full_range: int) -> None:
    _need(max(matrix, primaries, transfer) <= 32 and full_range in (0, 1))


def _check_time(pts: int, num: int, den: int) -> None:
    _need(1 <= num <= _MOST_TERM and 1 <= den <= _MOST_TERM)
    _need(abs(pts) * num <= MOST_SECONDS * den)
