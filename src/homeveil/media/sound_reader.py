"""Sound in: one track of a container of ``_av.KINDS``, any codec FFmpeg knows, as raw samples.

with SoundReader("talk.mp4") as reader:
    for block in reader:
        ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from homeveil.audio import MAX_RATE_HZ, MIN_RATE_HZ, RawAudio
from homeveil.errors import InputError
from homeveil.media import _av
from homeveil.media.extent import is_cut_off
from homeveil.media.packets import Packets
from homeveil.media.reader import check_file, unreadable
from homeveil.media.sound_timeline import MOST_CHANNELS, SoundTimeline
from homeveil.media.sound_track import SoundFormat
from homeveil.scoped import Scoped


class SoundReader(Scoped):
    """Decodes one sound track of ``path``.

    Iterating yields :class:`RawAudio`: float32, all channels, at the track's own rate,
    with the times of the file. Where the file leaves a gap of whatever length, so do the
    blocks; where its clock drifts away from its samples, they follow by a little silence or
    a few samples dropped; after a jump back (a spliced recording) times go on a moment after
    where they were. track: which one, counted from 0; the file's default if None.

    rate, channels, form: of the track. tracks: how many there are. joins: where times went on, see
    :class:`homeveil.media.clock.InputClock`.
    begin_seconds: when the file begins, whichever of its streams is the first.
    duration_seconds: what the file claims, None if it does not. damaged_packets: packets
    skipped so far.

    Raises InputError when ``path`` cannot be read or has no such track.
    """

    def __init__(self, path: str | os.PathLike[str], track: int | None = None) -> None:
        self.path = Path(path)
        check_file(self.path)
        self._cut_off = is_cut_off(self.path)
        try:
            self._container = _av.open_input(self.path)
        except _av.FFmpegError as error:
            raise InputError(unreadable(self.path, error)) from error
        try:
            self._open(track)
        except BaseException:
            self._container.close()
            raise

    def _open(self, track: int | None) -> None:
        streams = self._container.streams.audio
        self.tracks = len(streams)
        heard = [stream for stream in streams if not _av.never_comes(stream)]
        if not heard:
            raise InputError(f"{self.path}: no sound in it; give a recording with sound")
        if track is None:
            readable = [stream for stream in heard if stream.codec_context is not None] or heard
            best = self._container.streams.best("audio")
            track = list(streams).index(best if best in readable else readable[0])
        if not 0 <= track < len(streams):
            raise InputError(
                f"{self.path}: no sound track {track}; it has {len(streams)}, counted from 0"
            )
        self._stream = stream = streams[track]
        context = stream.codec_context
        if context is None:
            raise InputError(f"{self.path}: no decoder for its sound; convert the file first")
        self.rate, self.channels = context.sample_rate, context.channels
        if not MIN_RATE_HZ <= self.rate <= MAX_RATE_HZ:
            raise InputError(
                f"{self.path}: sound at {self.rate} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be read"
            )
        if self.channels > MOST_CHANNELS:
            self.channels = 1
        self.form = SoundFormat(self.rate, self.channels)
        time_base = stream.time_base or Fraction(1, self.rate)
        self.duration_seconds = _av.claimed_seconds(self._container, stream, time_base)
        self._packets = Packets(self._container, stream)
        self._undecoded = 0
        # What FFmpeg calls the start of an mp3 file is its encoder's delay.
        starts_late = self._container.format.name == "mp3" and stream.start_time is not None
        moved = -float((stream.start_time or 0) * time_base) if starts_late else 0.0
        self._timeline = SoundTimeline(str(self.path), moved)
        self.joins = self._timeline.joins
        self.begin_seconds = 0.0 if starts_late else (self._container.start_time or 0) / 1_000_000

    @property
    def damaged_packets(self) -> int:
        """Packets skipped so far because they could not be read or decoded."""
        return self._packets.damaged + self._undecoded

    @property
    def truncated(self) -> bool:
        """The file ends before its own headers say, as far as is known by now."""
        return self._cut_off or self._packets.cut

    def __iter__(self) -> Iterator[RawAudio]:
        """The blocks, once."""
        for packet in self._packets:
            try:
                blocks = self._timeline.place(self._stream.codec_context.decode(packet))
            except (_av.FFmpegError, ValueError):
                self._undecoded += 1
                continue
            yield from blocks
        yield from self._timeline.finish()

    def close(self) -> None:
        """Close the file."""
        self._container.close()
