"""Packets of a feed to raw pictures and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homeveil.audio import MAX_RATE_HZ, MIN_RATE_HZ, RawAudio
from homeveil.errors import FrameError, InputError
from homeveil.frames import RawFrame, Timestamp
from homeveil.media import _av
from homeveil.media.feed import CLOCK, EncodedSoundForm, FeedPacket, PictureForm
from homeveil.media.picture import PictureReader
from homeveil.media.sound_timeline import MOST_CHANNELS, SoundTimeline
from homeveil.media.sound_track import LAYOUTS, SoundFormat


class FeedPictures:
    """Decodes the picture and turns it upright. name: of the camera, for messages.
    damaged_packets: skipped so far.

    Raises InputError when there is no such decoder.
    """

    def __init__(self, form: PictureForm, name: Path) -> None:
        self._name = name
        self._decoder = _av.decoder(form.codec, "video", name)
        # Not every codec's own header says these.
        self._decoder.width, self._decoder.height = form.turn.size(form.width, form.height)
        if form.pixel_format:
            try:
                self._decoder.pix_fmt = form.pixel_format
            except ValueError:
                raise InputError(
                    f"{name}: no such form of pixels as {form.pixel_format} here"
                ) from None
        if form.extra:
            self._decoder.extradata = form.extra
        # Frames decoded side by side would each wait for the next.
        self._decoder.thread_type = "SLICE"
        self._decoder.flags |= _av.CodecFlags.low_delay
        self._reader = PictureReader(form.turn)
        self.damaged_packets = 0

    def decode(self, packet: FeedPacket) -> list[RawFrame]:
        """The pictures that come out with ``packet``. Raises InputError for one that is larger
        than a frame may be."""
        return self._decode(_packet(packet), packet.pts)

    def finish(self) -> list[RawFrame]:
        """No more packets come: the pictures that the decoder still held back, to put them in
        order. Raises InputError as ``decode``."""
        return self._decode(None, None)

    def _decode(self, packet: Any, ticks_of_packet: int | None) -> list[RawFrame]:
        frames: list[RawFrame] = []
        try:
            for picture in self._decoder.decode(packet):
                ticks = picture.pts if picture.pts is not None else ticks_of_packet
                if ticks is not None:
                    frames.append(self._reader.read(picture, Timestamp(ticks, CLOCK)))
        except FrameError as error:
            raise InputError(f"{self._name}: {error}") from error
        except _av.FFmpegError:
            self.damaged_packets += 1
        return frames


class FeedSound:
    """Decodes the sound. form: what it comes in. damaged_packets: skipped so far.

    Raises InputError when there is no such decoder, or for a rate that cannot be read.
    """

    def __init__(self, form: EncodedSoundForm, name: Path) -> None:
        if not MIN_RATE_HZ <= form.rate <= MAX_RATE_HZ:
            raise InputError(f"{name}: sound at {form.rate} Hz cannot be read")
        self._decoder = _av.decoder(form.codec, "audio", name)
        self._decoder.sample_rate = form.rate
        self._decoder.layout = LAYOUTS.get(form.channels, f"{form.channels} channels")
        if form.extra:
            self._decoder.extradata = form.extra
        self.form = SoundFormat(form.rate, form.channels if form.channels <= MOST_CHANNELS else 1)
        self._timeline = SoundTimeline(str(name))
        self.damaged_packets = 0

    def decode(self, packet: FeedPacket) -> list[RawAudio]:
        """The blocks that come out with ``packet``."""
        try:
            decoded = self._decoder.decode(_packet(packet))
            for frame in decoded:
                frame.time_base = CLOCK
            return self._timeline.place(decoded)
        except (_av.FFmpegError, ValueError):
            self.damaged_packets += 1
            return []


def _packet(packet: FeedPacket) -> Any:
    made: Any = _av.Packet(packet.data)
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, CLOCK
    made.is_keyframe = packet.key
    return made
