"""Holds a camera, a stream or a file, in a process of its own, and feeds what comes to the one
that clears. It decodes nothing and writes nothing but the feed.

What it is to open comes through standard input: an address may hold a password, and arguments
of a process can be read by everybody.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from homeveil.errors import HomeveilError, InputError
from homeveil.media.feed import EncodedSoundForm, FeedPacket, FeedWriter, Kind, PictureForm
from homeveil.media.live_source import LiveSource, SourceKind

MICROSECOND = 1_000_000
_LEAK = 100e-6
"""Seconds that the offset between clocks may grow a second: no crystal is worse."""

_JUMP_SECONDS = 1.0
_APART_SECONDS = 10.0
"""A time that is so far from the picture's clock is a mistake of the source."""

_STREAM_SECONDS = 5.0
"""A stream that gives nothing for so long is lost."""


def main(handle: int) -> None:
    """Feed descriptor ``handle`` until the source ends or nobody reads."""
    feed = FeedWriter(handle)
    status = 1
    try:
        source = read_order(sys.stdin.buffer.read())
        capture(source, feed)
        status = 0
    except BrokenPipeError:
        pass
    except HomeveilError as error:
        feed.fail(str(error))
    except BaseException as error:
        feed.fail(f"the camera's process failed ({type(error).__name__})")
    finally:
        # A driver or a network that hangs must not keep the process.
        os._exit(status)


def write_order(source: LiveSource) -> bytes:
    """A source as bytes."""
    return json.dumps({**asdict(source), "kind": source.kind.value}).encode()


def read_order(data: bytes) -> LiveSource:
    """What :func:`write_order` gave."""
    told = json.loads(data)
    size = tuple(told.pop("size") or ()) or None
    return LiveSource(SourceKind(told.pop("kind")), size=size, **told)


def capture(source: LiveSource, feed: FeedWriter) -> None:
    """Feed from ``source``. Raises InputError when it cannot be opened or breaks off."""
    if source.kind is SourceKind.DEVICE:
        from homeveil.media.device import feed_device

        feed_device(source, feed)
    else:
        _feed_container(source, feed)


class MachineClock:
    """Maps the clock of a source to the machine's. The offset follows the packet that came
    soonest after its time, and may grow slowly, for crystals differ."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._at = 0.0

    def map(self, source_seconds: float, now: float) -> float:
        """The offset, in seconds, after a packet of ``source_seconds`` came at ``now``."""
        seen = now - source_seconds
        if self._offset is None or abs(seen - self._offset) > _JUMP_SECONDS:
            self._offset = seen
        else:
            self._offset = min(seen, self._offset + _LEAK * (now - self._at))
        self._at = now
        return self._offset


class Pace:
    """Lets a file's packets pass when their time has come."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def map(self, source_seconds: float, now: float) -> float:
        """Wait; the offset of the file's clock."""
        if self._offset is None:
            self._offset = now - source_seconds
        ahead = source_seconds + self._offset - now
        if ahead > 0:
            time.sleep(ahead)
        return self._offset


class Arrival:
    """Of a source that tells no times: what comes is of the moment in which it comes."""

    def map(self, source_seconds: float, now: float) -> float:
        """The offset that makes it so."""
        return now - source_seconds


Clock = MachineClock | Pace | Arrival


def _feed_container(source: LiveSource, feed: FeedWriter) -> None:
    from homeveil.media import _av

    name = source.name
    try:
        if source.kind is SourceKind.FILE:
            from homeveil.media.reader import check_file

            check_file(Path(source.place))
            container = _av.open_input(Path(source.place))
        else:
            container = _av.open_stream(source.place, _STREAM_SECONDS)
    except (_av.FFmpegError, OSError) as error:
        raise InputError(
            f"{name}: cannot be opened ({_av.reason(error)}); check that it "
            "is there and that nobody else holds it"
        ) from error
    with container:
        picture, sound = _streams(container, name)
        if not source.sound:
            sound = None
        form = _picture_form(picture, name)
        clock: Clock = Pace() if source.kind is SourceKind.FILE else MachineClock()
        if source.kind is SourceKind.STREAM and not _av.tells_times(container):
            form, clock = replace(form, frame_rate=None), Arrival()
        feed.forms(form, _sound_form(sound))
        try:
            for packet in _packets(container, picture, sound, clock):
                feed.packet(packet)
        except _av.FFmpegError as error:
            raise InputError(f"{name}: was lost ({_av.reason(error)})") from error
    if source.kind is SourceKind.STREAM:
        raise InputError(f"{name}: the stream has ended")
    feed.end()


def _streams(container: Any, name: str) -> tuple[Any, Any]:
    from homeveil.media import _av
    from homeveil.media.reader import moving_pictures

    picture = moving_pictures(container)
    if picture is None or picture.codec_context is None:
        raise InputError(f"{name}: has no picture that can be decoded")
    # Of one that is announced and never comes nothing is known: the picture goes without it.
    sounds = [
        stream
        for stream in container.streams.audio
        if stream.codec_context is not None and not _av.never_comes(stream)
    ]
    return picture, sounds[0] if sounds else None


def _picture_form(stream: Any, name: str) -> PictureForm:
    from homeveil.media.picture import colour_of_stream, turn_of_stream

    context = stream.codec_context
    if not context.width or not context.height:
        raise InputError(f"{name}: does not say how large its picture is")
    rate = stream.average_rate or stream.guessed_rate
    turn = turn_of_stream(stream)
    return PictureForm(
        *turn.size(context.width, context.height),
        Fraction(rate) if rate and 0 < rate <= 240 else None,
        context.codec.name,
        context.pix_fmt or "",
        bytes(context.extradata or b""),
        turn,
        colour_of_stream(context),
    )


def _sound_form(stream: Any) -> EncodedSoundForm | None:
    if stream is None:
        return None
    context = stream.codec_context
    return EncodedSoundForm(
        context.sample_rate,
        context.channels,
        context.codec.name,
        bytes(context.extradata or b""),
    )


def _packets(
    container: Any, picture: Any, sound: Any, clock: Clock
) -> Iterator[FeedPacket]:
    """Packets on the machine's clock, from the first key frame on."""
    begun = False
    offset = None
    last = 0.0
    for packet in container.demux([stream for stream in (picture, sound) if stream is not None]):
        # The first ones of some files are without a decoding time.
        decoded = packet.dts if packet.dts is not None else packet.pts
        if isinstance(clock, Arrival):
            # What a camera sends as H.264 alone has none at all.
            decoded = decoded or 0
        if not packet.size or decoded is None:
            continue
        is_picture = packet.stream is picture
        begun = begun or (is_picture and packet.is_keyframe)
        if not begun:
            continue
        base = float(packet.time_base)
        dts = decoded * base
        if is_picture or offset is None:
            offset, last = clock.map(dts, time.monotonic()), dts
        pts = dts if packet.pts is None else float(packet.pts * base)
        if not is_picture and max(abs(pts - last), abs(dts - last)) > _APART_SECONDS:
            continue
        if abs(pts - dts) > _APART_SECONDS:
            pts = dts
        yield FeedPacket(
            Kind.PICTURE if is_picture else Kind.SOUND,
            bytes(packet),
            round((pts + offset) * MICROSECOND),
            round((dts + offset) * MICROSECOND),
            bool(packet.is_keyframe),
        )
