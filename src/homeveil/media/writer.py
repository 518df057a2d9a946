"""Video files out: veiled frames only, under the final name only when whole.

with VideoWriter("out.mp4", width=1280, height=720, time_base=..., ...) as writer:
    for frame in veiled:
        writer.write(frame)
    writer.commit()

SoundWriter does the same for a file of sound alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from abc import abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.frames import Colour, PixelFormat, VeiledFrame
from homeveil.media import _av
from homeveil.media.encoders import DEFAULT_ENCODER, Encoding, choose_encoding
from homeveil.media.picture import fill
from homeveil.media.sound_track import SOUND_MUXERS, SoundFormat, SoundTrack
from homeveil.media.staging import StagedFile
from homeveil.scoped import Scoped

_FALLBACK_RATE = Fraction(25)
_PLAIN = Colour()
_MOST_TERM = 2**31 - 1
_MILLISECOND = Fraction(1, 1000)
_MPEG4_MOST_TICKS = 65_535  # ISO/IEC 14496-2 gives its clock 16 bits
_MPEG4_FINEST = Fraction(1, 60_000)
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
_SHORT_PAUSES = frozenset({"mp4", "mov", "avi"})
"""Muxers that count a pause in 32 bits of their ticks, or in frames left out."""

_FORMATS = {PixelFormat.I420: "yuv420p", PixelFormat.NV12: "nv12"}
_LIMITED, _FULL = 1, 2
_SHORT_PAUSE_SECONDS = 60
"""Every container holds such, at any rate."""


class _Output(Scoped):
    """A file in the making: under its name only when whole, gone after any failure."""

    def __init__(self, path: Path, source: str | os.PathLike[str] | None) -> None:
        self.path = path
        self._done = False
        self._container: _av.OutputContainer | None = None
        self._file = StagedFile(path, Path(source) if source is not None else None)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what FFmpeg or the disk raise into OutputError; nothing is left then."""
        if self._done:
            raise UsageError(f"{self.path}: already closed; make a new writer")
        try:
            yield
        except UsageError:
            self.abort()
            raise
        except (_av.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise OutputError(self._failure(error)) from error
        except BaseException:
            self.abort()
            raise

    def commit(self) -> None:
        """Finish the file and give it its name. Raises OutputError if that fails or there
        was nothing to write; nothing is left then."""
        with self._writing():
            if self._container is None:
                raise OutputError(f"{self.path}: no frame to write; nothing was made")
            self._finish()
            self._container.close()
        self._done = True
        self._container = None
        self._file.publish()

    def abort(self) -> None:
        """Give up: nothing of this writer is left on disk. Harmless when repeated."""
        if self._done:
            return
        self._done = True
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(_av.FFmpegError, OSError, ValueError):
                container.close()
        self._file.discard()

    def close(self) -> None:
        """Give up unless ``commit`` came before."""
        self.abort()

    @abstractmethod
    def _finish(self) -> None:
        """Write what encoders still hold."""

    def _failure(self, error: BaseException) -> str:
        return f"{self.path}: cannot be written ({_av.reason(error)}); nothing was left there"


class VideoWriter(_Output):
    """Encodes veiled frames of one size into ``path``.

    time_base: seconds per tick of the frames' times; mp4 and mov keep such times
    exactly, mkv and webm to a millisecond; avi holds a constant rate only and moves each
    frame to the nearest free slot of ``frame_rate``. A stream that starts before zero, in
    avi any stream, is moved to start at zero (``shift_seconds``). frame_rate: frames per
    second, for rate control and the last frame's duration; None if unknown. encoder,
    quality, preset: see :class:`homeveil.media.encoders.Encoding`. sample_aspect_ratio: of
    a pixel, None for square. source: the file being read, which must not be ``path``.
    sound: the form of a sound track, or None for a file without one.

    The file holds one video stream, one of sound if asked for, and nothing else: no
    metadata, chapters, subtitles, attachments, thumbnails or rotation. Odd sides are kept.

    Raises OutputError for whatever the file system, container or encoder refuses; then
    and without ``commit()`` nothing stands under ``path`` that was not there before.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        width: int,
        height: int,
        time_base: Fraction,
        frame_rate: Fraction | None,
        colour: Colour = _PLAIN,
        encoder: str = DEFAULT_ENCODER,
        quality: int = 20,
        preset: str = "veryfast",
        sample_aspect_ratio: Fraction | None = None,
        source: str | os.PathLike[str] | None = None,
        sound: SoundFormat | None = None,
    ) -> None:
        if time_base <= 0:
            raise UsageError(f"time_base is {time_base}; give a positive number of seconds")
        path = Path(path)
        self.width, self.height = width, height
        self._colour = colour
        self._aspect = sample_aspect_ratio
        self._rate = _storable(frame_rate) if frame_rate else None
        self._encoding = choose_encoding(path, encoder, quality, preset)
        self._time_base = _file_time_base(time_base, self._rate, self._encoding)
        self._sound_format = sound
        self._sound: SoundTrack | None = None
        self._held: _av.Packet[_av.VideoStream] | None = None
        self._first_tick = self._end_tick = self._first_dts = 0
        self._last_tick: int | None = None
        self._last_seconds: Fraction | None = None
        self._longest_pause = Fraction(0)
        self._shift = Fraction(0)
        self.frames_written = 0
        super().__init__(path, source)

    @property
    def shift_seconds(self) -> Fraction:
        """What was added to all times because the stream started before zero."""
        return self._shift

    def write(self, frame: VeiledFrame, *, key: bool = False) -> None:
        """Encode one frame. Times must increase. key: nothing before it is needed to decode it
        and what follows.

        Raises UsageError for anything but a VeiledFrame, OutputError for another size, a
        time that does not increase, or a failure to write; after the latter nothing is
        left of the file.
        """
        if not isinstance(frame, VeiledFrame):
            raise UsageError(
                f"only a VeiledFrame may be written, not {type(frame).__name__};"
                " pass raw frames through homeveil.Redactor"
            )
        if self._done:
            raise UsageError(f"{self.path}: already closed; make a new writer")
        if (frame.width, frame.height) != (self.width, self.height):
            raise OutputError(
                f"{self.path}: a frame of {frame.width}x{frame.height} does not fit into"
                f" a video of {self.width}x{self.height}"
            )
        tick = self._tick(frame)
        with self._writing():
            if self._container is None:
                self._open(frame.pixel_format)
            picture = self._picture(frame, tick)
            if key:
                picture.pict_type = _av.PictureType.I
            self._encode(picture)
        self._last_tick = tick
        self.frames_written += 1

    def write_sound(self, sound: VeiledAudio) -> None:
        """Encode sound. The first frame must have been written.

        Raises UsageError for anything but VeiledAudio, or when the file was to hold none;
        OutputError for a failure to write, after which nothing is left of the file.
        """
        if self._sound is None or self._done:
            raise UsageError(f"{self.path}: takes no sound, or none yet or any more")
        with self._writing():
            self._sound.write(sound)

    def _tick(self, frame: VeiledFrame) -> int:
        """The frame's time in ticks of the file; two frames never share one."""
        seconds = frame.time.pts * frame.time.time_base
        if self._last_seconds is None:
            # A file that holds no times starts with its first frame.
            self._shift = -seconds if self._encoding.fixed_rate else max(Fraction(0), -seconds)
        elif seconds <= self._last_seconds:
            raise OutputError(
                f"{self.path}: a frame at {float(seconds):.6f} s does not come after"
                f" {float(self._last_seconds):.6f} s"
            )
        else:
            self._longest_pause = max(self._longest_pause, seconds - self._last_seconds)
        tick = round((seconds + self._shift) / self._time_base)
        if self._last_tick is not None and tick <= self._last_tick:
            tick = self._last_tick + 1
        self._last_seconds = seconds
        return tick

    def _open(self, pixel_format: PixelFormat) -> None:
        """Open the encoder for planes laid out as ``pixel_format``."""
        encoding = self._encoding
        self._container = _av.open_output(
            self._file.working_path, encoding.muxer, _muxer_options(encoding, self._time_base)
        )
        rate = self._rate or _FALLBACK_RATE
        options = encoding.options(self.width)
        stream = self._container.add_stream(encoding.encoder, rate=rate, options=options)
        if not isinstance(stream, _av.VideoStream):
            raise OutputError(f"{self.path}: {encoding.encoder} is no video encoder")
        context = stream.codec_context
        context.width, context.height = self.width, self.height
        context.pix_fmt = self._pix_fmt = encoding.pixel_format(
            _FORMATS[pixel_format], self.width, self.height
        )
        context.time_base = stream.time_base = self._time_base
        context.flags |= _av.CodecFlags.frame_duration | _av.CodecFlags.bitexact
        if not encoding.b_frames:
            context.max_b_frames = 0
        if encoding.quantiser is not None:
            context.flags |= _av.CodecFlags.qscale
            context.global_quality = encoding.quantiser
        if self._aspect is not None:
            context.sample_aspect_ratio = self._aspect
        self._describe_colour(context)
        self._stream = stream
        if self._sound_format is not None:
            self._sound = SoundTrack(
                self._container, encoding.muxer, self._sound_format, self.path, self._shift
            )

    def _describe_colour(self, target: _av.VideoCodecContext | _av.VideoFrame) -> None:
        target.colorspace = self._colour.matrix
        target.color_primaries = self._colour.primaries
        target.color_trc = self._colour.transfer
        target.color_range = _FULL if self._colour.full_range else _LIMITED

    def _picture(self, frame: VeiledFrame, tick: int) -> _av.VideoFrame:
        picture = _av.VideoFrame(self.width, self.height, self._pix_fmt)
        fill(picture, frame)
        self._describe_colour(picture)
        picture.pts = tick
        picture.time_base = self._time_base
        picture.duration = self._duration(tick)
        if self._last_tick is None:
            self._first_tick = tick
        self._end_tick = tick + picture.duration
        return picture

    def _duration(self, tick: int) -> int:
        """Ticks this frame is shown if no other comes: by the rate, else as the last one."""
        if self._rate is not None or self._last_tick is None:
            return max(1, round(1 / ((self._rate or _FALLBACK_RATE) * self._time_base)))
        return tick - self._last_tick

    def _encode(self, picture: _av.VideoFrame | None) -> None:
        """Encode ``picture``, or finish for None.

        mp4 and mov store no end, only how long each packet lasts, in decoding order; so
        the last one is held back and given what is left of the time that all frames take.
        """
        if self._container is None:
            return
        for packet in self._stream.encode(picture):
            if self._held is None:
                self._first_dts = packet.dts or 0
            else:
                self._container.mux(self._held)
            self._held = packet
        if picture is None and self._held is not None:
            if self._encoding.muxer in ("mp4", "mov") and self._held.dts is not None:
                decoded = self._held.dts - self._first_dts
                rest = self._end_tick - self._first_tick - decoded
                self._held.duration = rest if rest > 0 else self._end_tick - (self._last_tick or 0)
            self._container.mux(self._held)
            self._held = None

    def _finish(self) -> None:
        self._encode(None)
        if self._sound is not None:
            self._sound.finish()

    def _failure(self, error: BaseException) -> str:
        encoding = self._encoding
        if getattr(error, "errno", None) in _DISK_ERRORS:
            return super()._failure(error)
        if self._longest_pause > _SHORT_PAUSE_SECONDS and encoding.muxer in _SHORT_PAUSES:
            return (
                f"{self.path}: a {self.path.suffix} file may not hold the picture's pause of"
                f" {float(self._longest_pause):.0f} s ({_av.reason(error)}); end its name in .mkv,"
                " or cut the recording there"
            )
        if self.frames_written == 0:
            return (
                f"{self.path}: encoder {encoding.encoder} with preset {encoding.preset!r} does"
                f" not take {self.width}x{self.height} video ({_av.reason(error)});"
                " choose another encoder or preset"
            )
        return super()._failure(error)


class SoundWriter(_Output):
    """Encodes veiled sound into ``path``, whose suffix chooses container and encoder.

    form: of the first samples. source: the file being read, which must not be ``path``.
    begin_seconds: when the recording begins. What starts later has silence before it in a
    container that holds no times; the others keep its time. Raises OutputError; then and without
    ``commit()`` nothing stands under ``path`` that was not there before.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        form: SoundFormat,
        source: str | os.PathLike[str] | None = None,
        begin_seconds: float = 0.0,
    ) -> None:
        path = Path(path)
        muxer = SOUND_MUXERS.get(path.suffix.lower())
        if muxer is None:
            raise OutputError(
                f"{path}: unknown kind of sound file {path.suffix!r}; end its name in"
                f" {', '.join(sorted(SOUND_MUXERS))}"
            )
        super().__init__(path, source)
        with self._writing():
            self._container = _av.open_output(self._file.working_path, muxer, {})
            self._track = SoundTrack(
                self._container, muxer, form, path, begin_seconds=begin_seconds
            )

    def write(self, sound: VeiledAudio) -> None:
        """Encode sound. Raises UsageError for anything but VeiledAudio, OutputError."""
        with self._writing():
            self._track.write(sound)

    def _finish(self) -> None:
        self._track.finish()


def _storable(value: Fraction) -> Fraction:
    """``value`` with terms that fit FFmpeg's 32 bits."""
    if value.numerator > _MOST_TERM or value.denominator > _MOST_TERM:
        return value.limit_denominator(1_000_000)
    return value


def _file_time_base(wanted: Fraction, rate: Fraction | None, encoding: Encoding) -> Fraction:
    """The coarsest base that loses nothing which the container could have kept."""
    if encoding.fixed_rate:
        return 1 / (rate or _FALLBACK_RATE)
    if encoding.muxer in ("matroska", "webm"):
        return _MILLISECOND
    if encoding.encoder.startswith("mpeg4") and wanted.denominator > _MPEG4_MOST_TICKS:
        return _MPEG4_FINEST
    if wanted.numerator > _MOST_TERM or wanted.denominator > _MOST_TERM:
        return Fraction(1, 90_000)
    return wanted


def _muxer_options(encoding: Encoding, time_base: Fraction) -> dict[str, str]:
    """mp4 and mov keep the start of a stream in ticks of the whole file, by default 1 ms;
    with the stream's own ticks nothing is rounded."""
    if encoding.muxer in ("mp4", "mov"):
        return {"movie_timescale": str(max(1000, time_base.denominator))}
    return {}
