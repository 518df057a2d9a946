"""What the process that holds the camera sends to the one that clears: still encoded packets,
their times on the machine's own clock, through a pipe.

Every message has a head of one size; whatever does not fit its range ends the feed.
"""

from __future__ import annotations

import enum
import fcntl
import os
import select
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction

from homeveil.errors import InputError
from homeveil.frames import MAX_SIDE, Colour
from homeveil.media.turn import UPRIGHT, Turn

CLOCK = Fraction(1, 1_000_000)
"""Times in a feed are microseconds of CLOCK_MONOTONIC, which all processes share."""

_HEAD = struct.Struct("<BBHIqq")
_PICTURE = struct.Struct("<IIIIB24s24sHBBBB")
_SOUND = struct.Struct("<II24sH")
_MOST_BYTES = MAX_SIDE * MAX_SIDE * 4
_MOST_EXTRA = 2**15
MOST_COLOUR = 32
"""No code point of a colour is higher."""
_PIPE_BYTES = 2**20
_TURNS = tuple(Turn(bool(n & 1), bool(n & 2), bool(n & 4)) for n in range(8))
"""By the number that stands for each in a feed."""


class Kind(enum.IntEnum):
    """PICTURE_FORM, SOUND_FORM: what will come. READY: no more forms. PICTURE, SOUND: a packet.
    FAILED: the last message, one line of text that says why. END: the last message of a source
    that has an end."""

    PICTURE_FORM = 1
    SOUND_FORM = 2
    READY = 3
    PICTURE = 4
    SOUND = 5
    FAILED = 6
    END = 7


@dataclass(frozen=True, slots=True)
class PictureForm:
    """width, height: upright. codec and pixel_format are FFmpeg's names, of the decoder that it
    takes and of what that gives, which is empty where it is not known yet; extra: the codec's own
    header. turn: how decoded pictures become upright. colour: as far as it is known before the
    first of them is decoded."""

    width: int
    height: int
    frame_rate: Fraction | None
    codec: str
    pixel_format: str
    extra: bytes = b""
    turn: Turn = UPRIGHT
    colour: Colour = field(default_factory=Colour)


@dataclass(frozen=True, slots=True)
class EncodedSoundForm:
    """codec is FFmpeg's name of the decoder; extra: the codec's own header."""

    rate: int
    channels: int
    codec: str
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class FeedPacket:
    """A packet of the picture or the sound. pts, dts: ticks of CLOCK. key: decoding may begin
    here."""

    kind: Kind
    data: bytes
    pts: int
    dts: int
    key: bool


class FeedWriter:
    """Writes to descriptor ``handle``, which takes as long as the other side needs."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def forms(self, picture: PictureForm, sound: EncodedSoundForm | None) -> None:
        """Tell what will come, once, first."""
        rate = picture.frame_rate or Fraction(0)
        rate, told = rate.limit_denominator(1_000_000), picture.colour
        head = _PICTURE.pack(
            picture.width,
            picture.height,
            rate.numerator,
            rate.denominator,
            _TURNS.index(picture.turn),
            picture.codec.encode(),
            picture.pixel_format.encode(),
            len(picture.extra),
            *(_point(one) for one in (told.matrix, told.primaries, told.transfer)),
            told.full_range,
        )
        self._send(Kind.PICTURE_FORM, head + picture.extra)
        if sound is not None:
            head = _SOUND.pack(sound.rate, sound.channels, sound.codec.encode(), len(sound.extra))
            self._send(Kind.SOUND_FORM, head + sound.extra)
        self._send(Kind.READY, b"")

    def packet(self, packet: FeedPacket) -> None:
        """Send one packet."""
        self._send(packet.kind, packet.data, packet.pts, packet.dts, packet.key)

    def end(self) -> None:
        """Say that this was all."""
        self._send(Kind.END, b"")

    def fail(self, text: str) -> None:
        """Say why nothing more comes."""
        with suppress(OSError):
            self._send(Kind.FAILED, text.encode("utf-8", "replace")[:400])

    def _send(self, kind: Kind, data: bytes, pts: int = 0, dts: int = 0, key: bool = False) -> None:
        rest = memoryview(_HEAD.pack(kind, key, 0, len(data), pts, dts) + data)
        while rest:
            rest = rest[os.write(self._handle, rest) :]


class FeedReader:
    """Reads from descriptor ``handle``. Raises InputError for what the other side reports, for
    an end that it did not tell of, and for bytes that are no feed."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        picture: PictureForm | None = None
        self.sound: EncodedSoundForm | None = None
        while (message := self._next()).kind is not Kind.READY:
            try:
                if message.kind is Kind.PICTURE_FORM:
                    picture = _picture_form(message.data)
                elif message.kind is Kind.SOUND_FORM:
                    self.sound = _sound_form(message.data)
                else:
                    raise _no_feed()
            except (ValueError, struct.error, ZeroDivisionError):
                raise _no_feed() from None
        if picture is None:
            raise InputError("the camera gave no picture; check that it works")
        self.picture = picture

    def __iter__(self) -> Iterator[FeedPacket]:
        """The packets, until the other side says that these were all."""
        while (message := self._next()).kind is not Kind.END:
            if message.kind not in (Kind.PICTURE, Kind.SOUND):
                raise _no_feed()
            yield message

    @property
    def more_waits(self) -> bool:
        """Whether something can be read at once."""
        ready, _, _ = select.select([self._handle], [], [], 0)
        return bool(ready)

    def _next(self) -> FeedPacket:
        head = self._read(_HEAD.size)
        try:
            kind, key, spare, size, pts, dts = _HEAD.unpack(head)
            kind = Kind(kind)
            if key > 1 or spare or size > _MOST_BYTES:
                raise ValueError
        except (ValueError, struct.error):
            raise _no_feed() from None
        data = self._read(size)
        if kind is Kind.FAILED:
            raise InputError(_line(data))
        return FeedPacket(kind, data, pts, dts, bool(key))

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = os.read(self._handle, min(size, _PIPE_BYTES))
            if not part:
                raise InputError("the process that holds the camera ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _picture_form(data: bytes) -> PictureForm:
    width, height, num, den, turn, codec, pixel_format, extra, *colour = _PICTURE.unpack_from(data)
    rate = Fraction(num, den)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and rate <= 1000):
        raise ValueError
    if turn >= len(_TURNS) or max(colour[:3]) > MOST_COLOUR or colour[3] > 1:
        raise ValueError
    rest = _extra(data[_PICTURE.size :], extra)
    names = _name(codec), _name(pixel_format) if pixel_format.strip(b"\0") else ""
    told = Colour(colour[0], colour[1], colour[2], full_range=bool(colour[3]))
    return PictureForm(width, height, rate or None, *names, rest, _TURNS[turn], told)


def _sound_form(data: bytes) -> EncodedSoundForm:
    rate, channels, codec, extra = _SOUND.unpack_from(data)
    if not (1 <= channels <= 64 and 1 <= rate <= 10**6):
        raise ValueError
    return EncodedSoundForm(rate, channels, _name(codec), _extra(data[_SOUND.size :], extra))


def _point(code: int) -> int:
    """A code point that the other side takes; what it does not know is unspecified."""
    return code if 0 <= code <= MOST_COLOUR else 2


def _extra(data: bytes, size: int) -> bytes:
    if len(data) != size or size > _MOST_EXTRA:
        raise ValueError
    return data


def _name(data: bytes) -> str:
    name = data.rstrip(b"\0").decode("ascii")
    if not name.replace("_", "").isalnum():
        raise ValueError
    return name


def _line(data: bytes) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in data.decode("utf-8", "replace"))


def _no_feed() -> InputError:
    return InputError("the process that holds the camera sent what is no feed; it was stopped")
