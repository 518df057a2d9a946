"""A sound track in a file that is being written: veiled samples only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from homeveil.audio import Samples, VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.media import _av

_ENCODERS = {
    "mp4": "aac",
    "mov": "aac",
    "ipod": "aac",
    "matroska": "aac",
    "webm": "libopus",
    "ogg": "libopus",
    "avi": "pcm_s16le",
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "mpegts": "aac",
}
"""By muxer. avi counts samples and knows no delay of an encoder, so it takes plain ones."""

SOUND_MUXERS = {
    ".wav": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".m4a": "ipod",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".mka": "matroska",
}
"""Files that hold sound alone, by suffix."""

LAYOUTS = {
    1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
"""FFmpeg's name of the layout of so many channels. Three are no 2.1: Opus has none, and AAC leaves
of a channel for bass nothing but that."""

_WITHOUT_TIMES = frozenset({"wav", "flac", "mp3"})
"""Muxers of sound alone that count samples from the first one on."""

_MOST_CHANNELS = {"libmp3lame": 2}
_BITS_PER_CHANNEL = 80_000
_PAD_SECONDS = 1
_MOST_PAUSE_SECONDS = 86_400
"""Of silence for gaps in all: a clock that learns the date would fill any disk with it."""


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """What a track is to hold: samples per second, and channels 1..8."""

    rate: int
    channels: int


class SoundTrack:
    """Encodes :class:`VeiledAudio` into one stream of ``container``.

    Samples keep their times: a gap becomes silence, samples that would overlap are left
    out. Another rate or number of channels in mid-stream is converted to the first one.
    shift_seconds: added to all times. begin_seconds: when the recording begins, which is where a
    container without times starts; None for the first sample. The caller turns what FFmpeg raises
    into errors of this package.
    """

    def __init__(
        self,
        container: _av.OutputContainer,
        muxer: str,
        form: SoundFormat,
        path: Path,
        shift_seconds: Fraction = Fraction(0),
        begin_seconds: float | None = None,
    ) -> None:
        if form.channels not in LAYOUTS:
            raise UsageError(f"{form.channels} channels of sound; 1 to {max(LAYOUTS)} are written")
        encoder = _ENCODERS[muxer]
        self._container = container
        self._path = path
        self._paused = 0
        self._shift = float(shift_seconds)
        self._begin = begin_seconds if muxer in _WITHOUT_TIMES else None
        channels = min(form.channels, _MOST_CHANNELS.get(encoder, form.channels))
        rate = _av.sound_rate(encoder, form.rate)
        stream = container.add_stream(encoder, rate=rate, layout=LAYOUTS[channels])
        if not isinstance(stream, _av.AudioStream):
            raise OutputError(f"{path}: {encoder} is no sound encoder")
        stream.codec_context.flags |= _av.CodecFlags.bitexact
        if encoder in ("aac", "libopus", "libmp3lame"):
            stream.codec_context.bit_rate = _BITS_PER_CHANNEL * channels
        self._stream = stream
        self._form = form
        # avi holds no times: its sound starts where the file does.
        self._next: int | None = 0 if muxer == "avi" else None
        self._convert: tuple[SoundFormat, _av.AudioResampler] | None = None

    def write(self, sound: VeiledAudio) -> None:
        """Encode one stretch."""
        if not isinstance(sound, VeiledAudio):
            raise UsageError(
                f"only VeiledAudio may be written, not {type(sound).__name__};"
                " pass raw sound through homeveil.VoiceGate"
            )
        samples = self._converted(sound)
        if self._next is None and self._begin is not None:
            self._shift, self._next = -min(self._begin, sound.time.seconds), 0
        at = round((sound.time.seconds + self._shift) * self._form.rate)
        if self._next is None:
            self._next = max(0, at)
        gap = at - self._next
        if gap > 1:
            self._pad(gap)
        if gap < -1:
            samples = samples[:, -gap:]
        self._encode(samples)

    def _pad(self, gap: int) -> None:
        """Encode ``gap`` samples of silence, in pieces."""
        self._paused += gap
        if self._paused > _MOST_PAUSE_SECONDS * self._form.rate:
            raise OutputError(
                f"{self._path}: the sound pauses for more than a day; cut the recording there, "
                "or withhold its sound"
            )
        for at in range(0, gap, self._form.rate * _PAD_SECONDS):
            pad = min(gap - at, self._form.rate * _PAD_SECONDS)
            self._encode(np.zeros((self._form.channels, pad), np.float32))

    def _converted(self, sound: VeiledAudio) -> Samples:
        """The samples in the track's own rate and channels."""
        form = SoundFormat(sound.rate, sound.channels)
        if form == self._form:
            return sound.samples
        if self._convert is None or self._convert[0] != form:
            converter = _av.AudioResampler(
                format="flt", layout=LAYOUTS[self._form.channels], rate=self._form.rate
            )
            self._convert = form, converter
        frames = self._convert[1].resample(_frame(sound.samples, form, None))
        parts = [unpacked(frame) for frame in frames]
        if not parts:
            return np.zeros((self._form.channels, 0), np.float32)
        return np.concatenate(parts, axis=1)

    def _encode(self, samples: Samples) -> None:
        if not samples.shape[1] or self._next is None:
            return
        frame = _frame(samples, self._form, self._next)
        self._next += samples.shape[1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._next is not None:
            self._container.mux(self._stream.encode(None))


def unpacked(frame: _av.AudioFrame) -> Samples:
    """(channels, n) of a frame of interleaved float32."""
    values = np.asarray(frame.to_ndarray(), dtype=np.float32)
    return np.ascontiguousarray(values.reshape(-1, frame.layout.nb_channels).T)


def _frame(samples: Samples, form: SoundFormat, at: int | None) -> _av.AudioFrame:
    # Interleaved: PyAV 18.1 cannot fill eight separate planes.
    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
    frame = _av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[form.channels])
    frame.sample_rate = form.rate
    frame.time_base = Fraction(1, form.rate)
    frame.pts = at
    return frame
