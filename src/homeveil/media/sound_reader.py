"""Sound in: one track of any container and codec FFmpeg knows, as raw samples in order.

with SoundReader("talk.mp4") as reader:
    for block in reader:
        ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from homeveil.audio import MAX_RATE_HZ, MIN_RATE_HZ, RawAudio, Samples
from homeveil.errors import InputError
from homeveil.frames import Timestamp
from homeveil.media import _av
from homeveil.media.packets import Packets
from homeveil.media.sound_track import SoundFormat, unpacked
from homeveil.scoped import Scoped

MOST_CHANNELS = 8
"""Sound of more channels is mixed down to one."""

_TOLERANCE_SECONDS = 0.02
_DRIFT_SECONDS = 0.2
_JUMP_SECONDS = 600.0
_STEP_BACK_SECONDS = 1.0


class SoundReader(Scoped):
    """Decodes one sound track of ``path``.

    Iterating yields :class:`RawAudio`: float32, all channels, at the track's own rate,
    with the times of the file. Where the file leaves a gap, so do the blocks; where its
    clock drifts away from its samples, they follow by a little silence or a few samples
    dropped; after a jump (a spliced recording) times go on where they were. track: which
    one, counted from 0; the file's default if None.

    rate, channels, form: of the track. tracks: how many there are.
    duration_seconds: what the file claims, None if it does not. damaged_packets: packets
    skipped so far.

    Raises InputError when ``path`` cannot be read or has no such track.
    """

    def __init__(self, path: str | os.PathLike[str], track: int | None = None) -> None:
        self.path = Path(path)
        try:
            self._container = _av.open_input(self.path)
        except (_av.FFmpegError, OSError) as error:
            raise InputError(
                f"{self.path}: not a media file that can be read ({_av.reason(error)})"
            ) from error
        try:
            self._open(track)
        except BaseException:
            self._container.close()
            raise

    def _open(self, track: int | None) -> None:
        streams = self._container.streams.audio
        self.tracks = len(streams)
        if not streams:
            raise InputError(f"{self.path}: no sound in it; give a recording with sound")
        if track is None:
            best = self._container.streams.best("audio")
            track = list(streams).index(best) if best in streams else 0
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
        self._moved = -float((stream.start_time or 0) * time_base) if starts_late else 0.0
        self._end: float | None = None
        self._resampler = _av.AudioResampler(format="flt")

    @property
    def damaged_packets(self) -> int:
        """Packets skipped so far because they could not be read or decoded."""
        return self._packets.damaged + self._undecoded

    def __iter__(self) -> Iterator[RawAudio]:
        """The blocks, once."""
        for packet in self._packets:
            try:
                decoded = self._stream.codec_context.decode(packet)
                frames = [one for frame in decoded for one in self._resampler.resample(frame)]
            except (_av.FFmpegError, ValueError):
                self._undecoded += 1
                # What was being converted is lost; a new format starts a new converter.
                self._resampler = _av.AudioResampler(format="flt")
                continue
            for frame in frames:
                block = self._block(frame)
                if block is not None:
                    yield block

    def _block(self, frame: _av.AudioFrame) -> RawAudio | None:
        samples = unpacked(frame)
        if not samples.size:
            return None
        if samples.shape[0] > MOST_CHANNELS:
            samples = samples.mean(0, keepdims=True, dtype=np.float32)
        rate = frame.sample_rate
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            raise InputError(f"{self.path}: sound changes to {rate} Hz, which cannot be read")
        start = self._start(frame)
        if self._end is not None and start - self._end <= _DRIFT_SECONDS:
            samples = _joined(samples, round((start - self._end) * rate), rate)
            start = self._end
        if not samples.size:
            return None
        self._end = start + samples.shape[1] / rate
        time = Timestamp(round(start * rate), Fraction(1, rate))
        return RawAudio(np.ascontiguousarray(samples), rate, time)

    def _start(self, frame: _av.AudioFrame) -> float:
        """Where the file says that ``frame`` lies, within reason; else after the last one."""
        if frame.pts is None or frame.time_base is None:
            return self._end if self._end is not None else 0.0
        start = float(frame.pts * frame.time_base) + self._moved
        if self._end is None:
            return start
        ahead = start - self._end
        if ahead > _JUMP_SECONDS or ahead < -_STEP_BACK_SECONDS:
            self._moved -= ahead
            return self._end
        return start

    def close(self) -> None:
        """Close the file."""
        self._container.close()


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
