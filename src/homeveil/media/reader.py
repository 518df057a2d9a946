"""Video files in: containers of ``_av.KINDS``, any codec FFmpeg knows, as raw frames in order.

with VideoReader("talk.mp4") as reader:
    for frame in reader:
        ...
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from homeveil.errors import FrameError, InputError
from homeveil.frames import RawFrame, Timestamp
from homeveil.media import _av
from homeveil.media.clock import InputClock
from homeveil.media.extent import is_cut_off
from homeveil.media.packets import Packets
from homeveil.media.picture import PictureReader
from homeveil.scoped import Scoped

_MOST_THREADS = 4
_MOST_RATE = 1000
_USUAL_RATE = 25
_MOST_REORDERED = 16
_DECODING_TIMES_ONLY = frozenset({"avi"})
"""Formats whose presentation times FFmpeg makes up, wrongly where frames are reordered."""

_Timed = tuple[_av.VideoFrame, int | None, int | None]
"""A picture, and when the file says it is shown and decoded."""


class VideoReader(Scoped):
    """Decodes the first video stream of ``path`` in presentation order.

    Iterating yields :class:`RawFrame`: 8-bit 4:2:0 planes, upright, with strictly
    increasing times. Planes are read-only and may be views into the decoder's picture,
    which they keep alive: they stay valid for as long as the frame is held, also after
    ``close()``. Each held frame is memory, so a caller that keeps many should
    ``copy()`` or drop them. A size that changes in mid-stream is passed on as it comes.

    width, height: of the first frame, in pixels, after rotation. frame_rate: average,
    frames per second. duration_seconds, frame_count_hint: what the file claims, None if
    it does not. indexed_frames: what the index of an mp4 or mov says, those included that players
    leave out; 0 without one. other_pictures: streams of pictures, covers too, beside the one
    that is read. has_audio: the file has sound that is not only announced. time_base: seconds
    per tick. sample_aspect_ratio: width to height of one upright pixel, None if square or
    unknown.
    damaged_packets: packets skipped so far because they could not be read or decoded.
    concealed_frames: frames so far in which the decoder had to make up parts.
    repaired_times: times so far that did not increase or could not even be guessed.
    joins: see :class:`homeveil.media.clock.InputClock`. read_to: time of the newest frame, seconds.
    truncated: the file ends before its own headers say; known once reading has ended
    or, where the headers tell, from the start.

    begin: the key frame to start at, in ticks; nothing before it is given. The first if None.

    Raises InputError when ``path`` cannot be read, is no media, has no video stream or
    not one frame that can be decoded. Memory does not grow with the length of the file.
    """

    def __init__(self, path: str | os.PathLike[str], begin: int | None = None) -> None:
        self.path = Path(path)
        self._begin = begin
        check_file(self.path)
        try:
            self._container = _av.open_input(self.path)
        except _av.FFmpegError as error:
            raise InputError(unreadable(self.path, error)) from error
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> None:
        self._stream = stream = video_stream(self._container, self.path)
        stream.thread_type = "AUTO"
        stream.thread_count = min(_MOST_THREADS, os.cpu_count() or 1)
        self.has_audio = not all(map(_av.never_comes, self._container.streams.audio))
        self.other_pictures = len(self._container.streams.video) - 1
        indexed = "mp4" in self._container.format.name.split(",")
        self.indexed_frames = stream.frames if indexed else 0
        self.time_base = stream.time_base or Fraction(1, 90_000)
        self.frame_rate = _sane_rate(stream.average_rate) or _sane_rate(stream.guessed_rate)
        self.duration_seconds = _av.claimed_seconds(self._container, stream, self.time_base)
        self.frame_count_hint = self._claimed_count()
        if self._begin is not None:
            self._seek(self._begin)
        self._packets = Packets(self._container, stream)
        self._undecoded = 0
        self.concealed_frames = 0
        self._cut_off = is_cut_off(self.path)
        self._clock = InputClock(self.time_base, self.frame_rate, stream.start_time)
        self._decoding_times_only = self._container.format.name in _DECODING_TIMES_ONLY
        self._splices = 0
        self.joins = self._clock.joins
        self.read_to = float("-inf")
        self._pictures = PictureReader()
        self._frames = self._read()
        self.sample_aspect_ratio: Fraction | None = None
        self._first = next(self._frames, None)
        if self._first is None:
            raise InputError(
                f"{self.path}: no frame could be decoded"
                f" ({self.damaged_packets} damaged packets); check that the file is whole"
            )
        self.width, self.height = self._first.width, self._first.height

    def _seek(self, begin: int) -> None:
        # Without an index a frame is found by when it is decoded, and a key frame may be decoded
        # so many frames before it is shown. What comes before it is left out anyway.
        ahead = _MOST_REORDERED / (self.frame_rate or _USUAL_RATE) / self.time_base
        try:
            self._container.seek(begin - round(ahead), stream=self._stream)
        except _av.FFmpegError as error:
            raise InputError(f"{self.path}: cannot be read ({_av.reason(error)})") from error

    def _claimed_count(self) -> int | None:
        if self._stream.frames > 0:
            return self._stream.frames
        if self.duration_seconds is not None and self.frame_rate is not None:
            return max(1, round(self.duration_seconds * self.frame_rate))
        return None

    @property
    def damaged_packets(self) -> int:
        """Packets skipped so far because they could not be read or decoded."""
        return self._packets.damaged + self._undecoded

    @property
    def truncated(self) -> bool:
        """The file ends before its own headers say, as far as is known by now."""
        return self._cut_off or self._packets.cut

    @property
    def repaired_times(self) -> int:
        """Times so far that did not increase or could not even be guessed."""
        return self._clock.repaired

    def __iter__(self) -> Iterator[RawFrame]:
        """The frames, once; a second iteration goes on where the first one stopped."""
        while (frame := self._take()) is not None:
            yield frame

    def _take(self) -> RawFrame | None:
        first, self._first = self._first, None
        return first if first is not None else next(self._frames, None)

    def _read(self) -> Iterator[RawFrame]:
        for picture, pts, dts in self._settled():
            frame = self._frame(picture, pts, dts)
            if self.sample_aspect_ratio is None:
                self._note_aspect()
            if frame is not None:
                yield frame

    def _settled(self) -> Iterator[_Timed]:
        """The pictures with their times. A single one that claims to come much later than the
        next one gets none: the others would be moved behind it."""
        leapt: tuple[_av.VideoFrame, int, int | None] | None = None
        for picture in self._decode():
            pts = None if self._decoding_times_only else picture.pts
            if leapt is not None:
                yield (leapt[0], None, None) if self._clock.overtaken(leapt[1], pts) else leapt
                leapt = None
            if pts is not None and self._clock.leaps(pts):
                leapt = picture, pts, picture.dts
            else:
                yield picture, pts, picture.dts
        if leapt is not None:
            yield leapt

    def _decode(self) -> Iterator[_av.VideoFrame]:
        for packet in self._packets:
            try:
                pictures = self._stream.codec_context.decode(packet)
            except _av.FFmpegError:
                if packet is not None:
                    self._undecoded += 1
                continue
            for picture in pictures:
                if self._begin is not None and (picture.pts or 0) < self._begin:
                    # What follows a key frame and is shown before it leans on what is not read.
                    continue
                yield picture

    def _note_aspect(self) -> None:
        aspect = self._stream.sample_aspect_ratio
        if aspect is not None and aspect > 0 and aspect != 1:
            self.sample_aspect_ratio = 1 / aspect if self._pictures.turn.transpose else aspect

    def _frame(
        self, picture: _av.VideoFrame, pts: int | None, dts: int | None
    ) -> RawFrame | None:
        if picture.is_corrupt:
            self.concealed_frames += 1
        time = Timestamp(self._clock.tick(pts, dts), self.time_base)
        self.read_to = time.seconds
        try:
            frame = self._pictures.read(picture, time)
        except FrameError as error:
            raise InputError(f"{self.path}: {error}") from error
        except _av.FFmpegError:
            self._undecoded += 1
            return None
        if self._clock.splices == self._splices:
            return frame
        self._splices = self._clock.splices
        return replace(frame, spliced=True)

    def close(self) -> None:
        """Close the file. Frames already given stay valid."""
        self._frames = iter(())
        self._first = None
        self._container.close()


def check_file(path: Path) -> None:
    """Raise InputError, in plainer words than FFmpeg's, for what cannot be a recording. The
    content is not looked at, and a pipe is not opened: that would eat it."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with open(path, "rb") as file:
                if not file.read(1):
                    raise InputError(f"{path}: the file is empty; give a recording")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the name") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it; check its rights") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_av.reason(error)})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a directory; give a recording")


def unreadable(path: Path, error: _av.FFmpegError) -> str:
    """What to say of a file that FFmpeg does not open."""
    if is_cut_off(path):
        return _cut_off(path)
    return f"{path}: not a media file that can be read ({_av.reason(error)}); give a recording"


def _cut_off(path: Path) -> str:
    return (
        f"{path}: the file is cut off and its index is gone or broken; record it again,"
        " or repair it with a recovery tool"
    )


def moving_pictures(container: _av.InputContainer) -> _av.VideoStream | None:
    """The first stream of moving pictures, whether or not it can be decoded; cover art does not
    count."""
    stills = _av.Disposition.attached_pic | _av.Disposition.timed_thumbnails
    moving = (stream for stream in container.streams.video if not stream.disposition & stills)
    return next(moving, None)


def video_stream(container: _av.InputContainer, path: Path) -> _av.VideoStream:
    """The stream of moving pictures of a file. Raises InputError, also when it cannot be
    decoded."""
    stream = moving_pictures(container)
    if stream is None and container.streams.video:
        raise InputError(f"{path}: only a cover picture, no video stream; give a video file")
    if stream is not None and stream.codec_context is not None:
        return stream
    if is_cut_off(path):
        raise InputError(_cut_off(path))
    if stream is not None:
        raise InputError(f"{path}: no decoder for its video stream; convert the file first")
    raise InputError(f"{path}: no video stream; give a video file")


def _sane_rate(rate: Fraction | None) -> Fraction | None:
    return rate if rate is not None and 0 < rate <= _MOST_RATE else None
