"""One stretch of a recording's picture: the room is seen as the file begins, then the stretch.

Both are one redaction with a gap. What was plain to see in the opening and looks the same after
the gap is the room; whatever differs came in meanwhile and is withheld until it is gone. What is
made of the opening and of the seconds before the stretch never leaves.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeveil.clearing import Form, Veiled
from homeveil.clearing.here import FileClearing, warm_up_picture
from homeveil.errors import InputError, StretchError, UsageError
from homeveil.frames import Timestamp, VeiledFrame
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.media.sound_track import SoundFormat
from homeveil.media.stretches import cut
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.policy import Sound
from homeveil.redactor import Redactor
from homeveil.report import Tally


class StretchClearing(FileClearing):
    """Clears ``order.stretch``, from its start until the file ends or nobody wants more. Its sound
    is cleared elsewhere; the first stretch tells its form."""

    def _open(self) -> None:
        order, policy = self.order, self.order.policy
        if order.stretch is None:
            raise UsageError("this order has no stretch")
        self._cut = cut(order.source, order.stretch)
        if order.stretch.number >= self._cut.count:
            raise StretchError("it has fewer stretches")
        models = load_models(policy.models)
        self._begins = order.stretch.number == 0
        self._seen = 0
        self._reader = reader = self._stack.enter_context(VideoReader(order.source))
        if not self._begins:
            # Once the process is locked in, nothing can be opened any more.
            self._later = self._stack.enter_context(self._read_on())
        self.models = dict(models.sha256)
        self.sound_tally = None
        self.form = Form(
            reader.width,
            reader.height,
            reader.frame_rate,
            reader.sample_aspect_ratio,
            self._cut.frames,
            reader.duration_seconds,
            self._sound_form() if self._begins else None,
            self._cut.count,
        )
        perceiver = load_perceiver(self.profile, policy, models)
        self._redactor = self._stack.enter_context(
            Redactor(self.profile, policy, perceiver=perceiver)
        )

    def _read_on(self) -> VideoReader:
        """The recording from ``begin`` on, and from nowhere else."""
        try:
            later = VideoReader(self.order.source, self._cut.begin)
        except InputError as error:
            raise StretchError("nothing can be read from a key frame in it on") from error
        if later.read_to != Timestamp(self._cut.begin, later.time_base).seconds:
            later.close()
            raise StretchError("a key frame in it cannot be decoded")
        return later

    def _sound_form(self) -> SoundFormat | None:
        if self.order.policy.sound is Sound.WITHHELD or not self._reader.has_audio:
            return None
        with SoundReader(self.order.source, self.order.sound_track) as sound:
            return sound.form

    @property
    def damaged_packets(self) -> int:
        return self._reader.damaged_packets

    @property
    def truncated(self) -> bool:
        return self._reader.truncated

    def warm_up(self) -> None:
        warm_up_picture(self._redactor)
        self.tally = Tally()

    def __iter__(self) -> Iterator[Veiled]:
        for veiled in self._frames():
            tick = veiled.time.pts
            if tick < self._cut.start:
                continue
            if not self.tally.frames and tick != self._cut.start:
                raise StretchError("its first frame cannot be decoded")
            self.tally.add(veiled)
            self.takes_over = self._cut.seams.get(tick, 0)
            self.undisputed = self._redactor.undisputed
            yield veiled

    def _frames(self) -> Iterator[VeiledFrame]:
        if not self._begins:
            self._see_the_opening()
            self._reader = self._later
        for raw in self._reader:
            self._tell_ahead()
            self.frames_read += raw.time.pts >= self._cut.start
            yield from self._redactor.process(raw)
        yield from self._redactor.flush()

    def _see_the_opening(self) -> None:
        for raw in self._reader:
            if raw.time.pts >= self._cut.opening:
                break
            self._tell_ahead()
            for _ in self._redactor.process(raw):
                pass
        self._redactor.skip(self._cut.warmup)

    def _tell_ahead(self) -> None:
        if not self.tally.frames:
            self._seen += 1
            self.ahead(self._seen)
