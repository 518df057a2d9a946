"""Veiled frames and sound into an MPEG transport stream, with as little delay as can be."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError
from homeveil.frames import Colour, VeiledFrame
from homeveil.media import _av
from homeveil.media.picture import fill
from homeveil.media.sound_track import SoundFormat, SoundTrack

KEY_SECONDS = 2
"""A key frame at least this often: who joins waits no longer."""

_CLOCK = Fraction(1, 90_000)
_STREAMED = ("h264", "hevc")
"""What FFmpeg puts into a transport stream so that it is known there."""

_FULL, _LIMITED = 2, 1


class LiveEncoder:
    """write: takes the bytes, as they come. frame_rate: about how many frames a second will
    come; their own times are kept. encoder, quality, preset: as for files.

    Raises OutputError when there is no such encoder or it cannot encode this, later FFmpegError.
    """

    def __init__(
        self,
        write: Callable[[bytes], int],
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        sound: SoundFormat | None,
        encoder: str,
        quality: int,
        preset: str,
    ) -> None:
        self._container = _av.open_transport(_Writer(write))
        options = {"crf": str(quality), "preset": preset}
        if encoder in ("libx264", "libx265"):
            options["tune"] = "zerolatency"
        if encoder == "libx265":  # it prints past FFmpeg's log
            options["x265-params"] = "log-level=none"
        try:
            stream = self._container.add_stream(encoder, rate=frame_rate, options=options)
        except (_av.FFmpegError, ValueError) as error:
            raise OutputError(f"no live video encoder {encoder!r} here; use libx264") from error
        if not isinstance(stream, _av.VideoStream):
            raise OutputError(f"{encoder} is no video encoder; use libx264")
        context = stream.codec_context
        if context.codec.canonical_name not in _STREAMED:
            raise OutputError(f"a live stream cannot hold what {encoder} makes; use libx264")
        # The stream's own is opened by the first frame, which says what its colours are.
        try:
            _av.try_encoder(encoder, (width, height), _CLOCK, options)
        except (_av.FFmpegError, ValueError) as error:
            raise OutputError(
                f"encoder {encoder} with preset {preset!r} cannot encode {width}x{height} live"
                f" ({_av.reason(error)}); use libx264 and one of its presets"
            ) from error
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = stream.time_base = _CLOCK
        context.gop_size = max(1, round(frame_rate * KEY_SECONDS))
        context.max_b_frames = 0
        # Slices side by side: frames side by side would each wait for the next.
        context.thread_type = "SLICE"
        self._stream, self._width, self._height = stream, width, height
        self._colour: Colour | None = None
        self._sound = None
        if sound is not None:
            self._sound = SoundTrack(self._container, "mpegts", sound, _av.NOWHERE)
        self._last = -1

    def take(self, frame: VeiledFrame) -> None:
        """Encode one frame of the size that was told. Times must increase."""
        picture = _av.VideoFrame(self._width, self._height, "yuv420p")
        fill(picture, frame)
        if self._colour is None:
            self._colour = frame.colour
            _describe(self._stream.codec_context, frame.colour)
        _describe(picture, self._colour)
        self._last = max(self._last + 1, round(frame.time.pts * frame.time.time_base / _CLOCK))
        picture.pts, picture.time_base = self._last, _CLOCK
        self._container.mux(self._stream.encode(picture))

    def hear(self, sound: VeiledAudio) -> None:
        """Encode one stretch of sound; none is taken where none was told of."""
        if self._sound is not None:
            self._sound.write(sound)

    def close(self) -> None:
        """Write what the encoders hold."""
        if self._last >= 0:
            self._container.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish()
        self._container.close()


class _Writer:
    """What FFmpeg writes to. It cannot go back."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self.write = write


def _describe(target: Any, colour: Colour) -> None:
    target.colorspace = colour.matrix
    target.color_primaries = colour.primaries
    target.color_trc = colour.transfer
    target.color_range = _FULL if colour.full_range else _LIMITED
