"""Where a long recording may be cut, and its cleared stretches joined again, without a seam."""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from homeveil.errors import InputError, OutputError, StretchError
from homeveil.media import _av
from homeveil.media.clock import JUMP_SECONDS
from homeveil.media.packets import Packets
from homeveil.media.reader import video_stream
from homeveil.media.staging import StagedFile

CUT_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
"""Containers that keep the times of packets, so that stretches can be joined in them."""

_MUXERS = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
_DECODING_TIMES_ONLY = frozenset({"avi"})


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds. opening: of the file, from which each stretch knows the room. warmup: looked at
    before a stretch and not given. seam: from one place where a stretch may take over to the
    next. trial: for how long the stretch before goes on to see whether it rightly did. shortest:
    that a stretch may be planned."""

    opening: float = 30.0
    warmup: float = 10.0
    seam: float = 4.0
    trial: float = 5.0
    shortest: float = 90.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which stretch of a recording to clear: ``number`` of at most ``count``, from 0."""

    number: int
    count: int
    lengths: Lengths = Lengths()


@dataclass(frozen=True, slots=True)
class Cut:
    """Where one stretch lies, in ticks of the file's picture.

    opening: the room is looked at up to this tick. begin: the key frame from which it is looked
    at again, ``warmup`` seconds before start. start: the first frame given; from there a stretch
    goes on until it is stopped.
    seams: frames at which a stretch may take over, with its number. count: stretches of the
    file. frames: of all of it.
    """

    opening: int
    begin: int
    warmup: float
    start: int
    seams: dict[int, int]
    count: int
    frames: int


def cut(path: Path, stretch: Stretch) -> Cut:
    """Find the places of a stretch from the times of packets; nothing is decoded.

    Raises StretchError for a recording that is too short, damaged, or whose times cannot be
    relied on, InputError.
    """
    try:
        with _av.open_input(path) as container:
            if container.format.name in _DECODING_TIMES_ONLY:
                raise StretchError("its container keeps no times of frames")
            stream = video_stream(container, path)
            base = stream.time_base or Fraction(1, 90_000)
            ticks, keys = _times(Packets(container, stream), _ticks(JUMP_SECONDS, base))
    except (_av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({_av.reason(error)})") from error
    return place(ticks, keys, base, stretch)


def _times(packets: Packets, jump: int) -> tuple[array[int], array[int]]:
    """Presentation times of all frames, and of those that are key frames, in order. jump: ticks
    back that are a new clock, by which the frames of two recordings would be mixed."""
    ticks, keys, newest = array("q"), array("q"), 0
    for packet in packets:
        if packet is None:
            break
        if packet.pts is None or packet.pts < 0 or packet.is_corrupt or packet.is_discard:
            raise StretchError("its frames lack times or are damaged")
        newest = max(newest, packet.pts)
        if newest - packet.pts > jump:
            raise StretchError("its clock jumps back")
        ticks.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    if packets.damaged or packets.cut:
        raise StretchError("it is damaged")
    return array("q", sorted(ticks)), array("q", sorted(keys))


def place(ticks: Sequence[int], keys: Sequence[int], base: Fraction, stretch: Stretch) -> Cut:
    """Place a stretch among frames at ``ticks``, of which ``keys`` are key frames; both sorted.
    base: seconds a tick. Raises StretchError."""
    if len(set(ticks)) != len(ticks) or not ticks or not keys or keys[0] != ticks[0]:
        raise StretchError("the times of its frames are not in order")
    lengths = stretch.lengths
    first, span = ticks[0], ticks[-1] - ticks[0]
    count = min(stretch.count, int(span * base / Fraction(lengths.shortest)))
    if count < 2:
        raise StretchError("it is too short")
    starts = [ticks[bisect_left(ticks, first + span * one // count)] for one in range(count)]
    seams: dict[int, int] = {}
    for number in range(1, count):
        end = starts[number + 1] if number + 1 < count else ticks[-1] + 1
        for wanted in range(starts[number], end, max(1, _ticks(lengths.seam, base))):
            tick = ticks[bisect_left(ticks, wanted)]
            if tick < end:
                seams[tick] = number
    opening = first + _ticks(lengths.opening, base)
    begins = [_key_before(keys, start - _ticks(lengths.warmup, base)) for start in starts[1:]]
    if min(begins) <= opening:
        raise StretchError("it has too few key frames, or is too short")
    begin = first if stretch.number == 0 else begins[min(stretch.number, count - 1) - 1]
    start = starts[min(stretch.number, count - 1)]
    warmup = float((start - begin) * base)
    return Cut(opening, begin, warmup, start, seams, count, len(ticks))


def _ticks(seconds: float, base: Fraction) -> int:
    return round(Fraction(seconds) / base)


def _key_before(keys: Sequence[int], tick: int) -> int:
    """The last key frame not after ``tick``; the first one if there is none."""
    return keys[max(0, bisect_right(keys, tick) - 1)]


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames of a part file from ``start`` to before ``stop``, in seconds; None for its end."""

    path: Path
    start: Fraction
    stop: Fraction | None


def join(pieces: Sequence[Piece], sound: Path | None, target: Path, frames: int) -> None:
    """One file of pieces that were encoded alike, packet by packet, and of a file of sound.

    Nothing is encoded again. The result appears whole or not at all. frames: how many there
    must be. Raises StretchError if one is missing or doubled or pieces do not fit on one another,
    OutputError.
    """
    staged = StagedFile(target)
    try:
        with contextlib.ExitStack() as stack:
            sources = [stack.enter_context(_av.open_input(one.path)) for one in pieces]
            beside = stack.enter_context(_av.open_input(sound)) if sound is not None else None
            first = sources[0].streams.video[0]
            base = first.time_base or Fraction(1, 90_000)
            muxer = _MUXERS.get(target.suffix.lower(), "mp4")
            options = {"movie_timescale": str(max(1000, base.denominator))}
            out = stack.enter_context(
                _av.open_output(
                    staged.working_path, muxer, options if muxer in ("mp4", "mov") else {}
                )
            )
            written = out.add_stream_from_template(first)
            written.time_base = base
            heard = out.add_stream_from_template(beside.streams.audio[0]) if beside else None
            count = 0
            picture = _pictures(pieces, sources, muxer in ("mp4", "mov"))
            for packet in _in_order(picture, _sounds(beside)):
                is_sound = packet.stream.type == "audio"
                count += not is_sound
                packet.stream = heard if is_sound and heard is not None else written
                out.mux(packet)
        if count != frames:
            raise StretchError(f"{count} frames of {frames} came out")
        staged.publish()
    except (_av.FFmpegError, OSError, ValueError) as error:
        raise OutputError(
            f"{target}: cannot be written ({_av.reason(error)}); nothing was left there"
        ) from error
    finally:
        staged.discard()


def _pictures(
    pieces: Sequence[Piece], sources: Sequence[_av.InputContainer], stored: bool
) -> Iterator[_av.Packet[Any]]:
    """Packets of all pieces, one piece after another, with decoding times that increase across
    seams. stored: the container stores how long packets last in decoding order; the last one then
    lasts until the last frame has been shown."""
    first = sources[0].streams.video[0]
    shown = array("q")
    for piece in pieces:
        with _av.open_input(piece.path) as source:
            stream = source.streams.video[0]
            if not _alike(first, stream):
                raise StretchError("stretches differ in form")
            shown.extend(packet.pts or 0 for packet in _between(piece, source, stream))
    if len(set(shown)) != len(shown):
        raise StretchError("a frame came out twice")
    times = _decoding_times(shown)
    number = 0
    for piece, source in zip(pieces, sources, strict=True):
        for packet in _between(piece, source, source.streams.video[0]):
            packet.dts = times[number]
            number += 1
            if stored and number < len(times):
                packet.duration = times[number] - times[number - 1]
            elif stored:
                packet.duration = max(1, _end(shown) - shown[0] - (times[-1] - times[0]))
            yield packet


def _decoding_times(shown: Sequence[int]) -> list[int]:
    """As encoders make them: the times at which frames are shown, moved by as many frames as
    these are decoded ahead. shown: in the order of decoding."""
    order = np.argsort(shown, kind="stable")
    ranks = np.empty(len(shown), np.int64)
    ranks[order] = np.arange(len(shown))
    delay = int((np.arange(len(shown)) - ranks).max(initial=0))
    ahead = [shown[0] - delay + number for number in range(delay)]
    return ahead + [int(shown[index]) for index in order[: len(shown) - delay]]


def _end(shown: Sequence[int]) -> int:
    """Until when the last frame is shown: for as long as the one before it was."""
    last = sorted(shown)[-2:]
    return last[-1] + (last[-1] - last[0])


def _between(
    piece: Piece, source: _av.InputContainer, stream: _av.VideoStream
) -> Iterator[_av.Packet[Any]]:
    """The packets of a piece. Nothing outside it may be needed to decode it."""
    base = stream.time_base or Fraction(1, 90_000)
    low = round(piece.start / base)
    high = round(piece.stop / base) if piece.stop is not None else None
    begun = False
    for packet in source.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None:
            raise StretchError("stretches were written without times")
        if not begun:
            if packet.pts != low:
                continue
            if not packet.is_keyframe:
                raise StretchError("no key frame where a stretch takes over")
            begun = True
        if high is not None and packet.pts == high and packet.is_keyframe:
            return
        if packet.pts < low or (high is not None and packet.pts >= high):
            raise StretchError("frames of two stretches lie across each other")
        yield packet
    if not begun:
        raise StretchError("a frame is missing where a stretch takes over")


def _sounds(source: _av.InputContainer | None) -> Iterator[_av.Packet[Any]]:
    if source is not None:
        yield from (packet for packet in source.demux(audio=0) if packet.size)


def _in_order(
    pictures: Iterator[_av.Packet[Any]], sounds: Iterator[_av.Packet[Any]]
) -> Iterator[_av.Packet[Any]]:
    """All packets in the order of their decoding times."""
    sound = next(sounds, None)
    for picture in pictures:
        while sound is not None and _seconds(sound) <= _seconds(picture):
            yield sound
            sound = next(sounds, None)
        yield picture
    while sound is not None:
        yield sound
        sound = next(sounds, None)


def _seconds(packet: _av.Packet[Any]) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(0))


def _alike(one: _av.VideoStream, other: _av.VideoStream) -> bool:
    """Whether a decoder may go on from one stream into the other."""
    first, second = one.codec_context, other.codec_context
    return (one.time_base, first.name, first.width, first.height, first.extradata) == (
        other.time_base, second.name, second.width, second.height, second.extradata,
    )  # fmt: skip
