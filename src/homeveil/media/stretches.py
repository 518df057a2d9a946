"""Where a long recording may be cut, and its cleared stretches joined again, without a seam."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from homeveil.errors import InputError, OutputError
from homeveil.media import _av
from homeveil.media.packets import Packets
from homeveil.media.staging import StagedFile

CUT_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
"""Containers that keep the times of packets, so that stretches can be joined in them."""

_MUXERS = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
_DECODING_TIMES_ONLY = frozenset({"avi"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames from ``start`` to before ``stop``, in ticks of the file's picture; None for its
    end. They are looked at from the key frame ``begin`` on, and ``after`` ticks past ``stop``:
    what was seen there counts, and is given by the neighbours. frames: how many there are."""

    begin: int
    start: int
    stop: int | None
    after: int
    frames: int

    def holds(self, tick: int) -> bool:
        """Whether the frame at ``tick`` is this stretch's to give."""
        return self.start <= tick and (self.stop is None or tick < self.stop)


def cut(path: Path, seconds: float, before: float, after: float) -> list[Stretch]:
    """Stretches of about ``seconds`` that begin at key frames and hold every frame once.

    before, after: seconds looked at around each. One stretch, or none at all, means that the
    file is to be cleared in one pass: too short, damaged, or its times cannot be relied on.
    Nothing is decoded. Raises InputError.
    """
    try:
        with _av.open_input(path) as container:
            if not container.streams.video or container.format.name in _DECODING_TIMES_ONLY:
                return []
            stream = container.streams.video[0]
            base = stream.time_base or Fraction(1, 90_000)
            packets = Packets(container, stream)
            ticks: list[int] = []
            keys: list[int] = []
            for packet in packets:
                if packet is None:
                    break
                if packet.pts is None or packet.is_corrupt or packet.is_discard:
                    return []
                ticks.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
            if packets.damaged or packets.cut:
                return []
    except (_av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({_av.reason(error)})") from error
    if not ticks or min(ticks) < 0 or len(set(ticks)) != len(ticks) or min(keys) != min(ticks):
        return []
    return _stretches(sorted(ticks), sorted(keys), base, (seconds, before, after))


def _stretches(
    ticks: list[int], keys: list[int], base: Fraction, lengths: tuple[float, float, float]
) -> list[Stretch]:
    length, before, after = (round(Fraction(value) / base) for value in lengths)
    starts = [ticks[0]]
    for key in keys:
        if key - starts[-1] >= length and ticks[-1] - key >= length // 2:
            starts.append(key)
    stretches = []
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else None
        begin = max((key for key in keys if key <= start - before), default=keys[0])
        count = sum(start <= tick and (stop is None or tick < stop) for tick in ticks)
        stretches.append(Stretch(begin, start, stop, after, count))
    return stretches


def join(pictures: list[Path], sound: Path | None, target: Path, frames: int) -> None:
    """One file of stretches that were encoded alike, packet by packet, and the sound.

    Nothing is encoded again. The result appears whole or not at all. frames: how many there
    must be. Raises OutputError if one is missing or doubled, or the stretches do not fit.
    """
    staged = StagedFile(target)
    try:
        muxer = _MUXERS.get(target.suffix.lower(), "mp4")
        with _av.open_output(staged.working_path, muxer, {}) as out:
            count = _copy_all(pictures, sound, out, target)
        if count != frames:
            raise OutputError(f"{target}: {count} frames joined of {frames}; nothing was left")
        staged.publish()
    except (_av.FFmpegError, OSError, ValueError) as error:
        raise OutputError(
            f"{target}: stretches cannot be joined ({_av.reason(error)}); nothing was left there"
        ) from error
    finally:
        staged.discard()


def _copy_all(
    pictures: list[Path], sound: Path | None, out: _av.OutputContainer, target: Path
) -> int:
    """Mux picture and sound in the order of their decoding times; gives the frames."""
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(_av.open_input(path)) for path in pictures]
        first = sources[0].streams.video[0]
        written = out.add_stream_from_template(first)
        written.time_base = first.time_base
        heard = None
        if sound is not None:
            beside = stack.enter_context(_av.open_input(sound))
            heard = out.add_stream_from_template(beside.streams.audio[0])
            sounds = (packet for packet in beside.demux(audio=0) if packet.size)
            waiting = next(sounds, None)
        count, last = 0, None
        for source in sources:
            stream = source.streams.video[0]
            if not _alike(first, stream):
                raise OutputError(f"{target}: stretches differ in form; clear it in one pass")
            for packet in source.demux(stream):
                if not packet.size:
                    continue
                if packet.dts is None or (last is not None and packet.dts <= last):
                    raise OutputError(f"{target}: decoding times overlap; clear it in one pass")
                last = packet.dts
                now = packet.dts * packet.time_base
                while heard is not None and waiting is not None and _seconds(waiting) <= now:
                    waiting.stream = heard
                    out.mux(waiting)
                    waiting = next(sounds, None)
                packet.stream = written
                out.mux(packet)
                count += 1
        while heard is not None and waiting is not None:
            waiting.stream = heard
            out.mux(waiting)
            waiting = next(sounds, None)
    return count


def _seconds(packet: _av.Packet[_av.AudioStream]) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(0))


def _alike(one: _av.VideoStream, other: _av.VideoStream) -> bool:
    """Whether a decoder may go on from one stream into the other."""
    first, second = one.codec_context, other.codec_context
    return (one.time_base, first.name, first.width, first.height, first.extradata) == (
        other.time_base, second.name, second.width, second.height, second.extradata,
    )  # fmt: skip
