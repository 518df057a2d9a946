"""One camera, from its feed to veiled pictures and sound, as soon as they can be.

A picture that comes too late to be looked at in time is given up, never passed: the delay
stays bounded however slow the machine is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from homeveil.audio import RawAudio
from homeveil.clearing import Form, Veiled
from homeveil.clearing.here import FileClearing, heard_with, warm_up_picture, warm_up_sound
from homeveil.clearing.together import Together
from homeveil.errors import UsageError
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.media.feed import FeedReader, Kind
from homeveil.media.feed_decoder import FeedPictures, FeedSound
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.policy import Sound
from homeveil.redactor import Redactor
from homeveil.voice_gate import VoiceGate

_MOST_AHEAD_SECONDS = 1.0


class LiveClearing(FileClearing):
    """Clears ``order.live``. Times are those of CLOCK_MONOTONIC."""

    def _open(self) -> None:
        order = self.order
        if order.live is None:
            raise UsageError("this order has no feed")
        self._live = order.live
        # Models first: a camera that waits to be read grows old.
        models = load_models(order.policy.models)
        self.models = dict(models.sha256)
        perceiver = load_perceiver(self.profile, order.policy, models)
        self._feed = FeedReader(order.live.feed)
        self._pictures = FeedPictures(self._feed.picture, order.source)
        self._sound: FeedSound | None = None
        self._voices: VoiceGate | None = None
        self.sound_tally = None
        lips = None
        if self._feed.sound is not None and order.policy.sound is not Sound.WITHHELD:
            self._sound = FeedSound(self._feed.sound, order.source)
            lips = self._lips()
            self._voices = self._gate(lips)
            self.models.update(heard_with(self._voices))
        self._redactor = self._stack.enter_context(
            Redactor(
                self.profile,
                order.policy,
                perceiver=perceiver,
                delay_seconds=order.live.picture_delay(order.policy, self._sound is not None),
                lips=lips,
            )
        )
        self.tally = self._redactor.tally
        self.form = Form(
            self._feed.picture.width,
            self._feed.picture.height,
            self._feed.picture.frame_rate,
            None,
            None,
            None,
            self._sound.form if self._sound is not None else None,
            colour=self._feed.picture.colour,
        )
        self._last: float | None = None
        self._left = False
        self._leaving: Together | None = None
        if self._voices is not None:
            # The sound may leave before the picture does, which is decided when it comes.
            deciding = Together(self._voices.withhold)
            self._redactor.decided = lambda time, fault: deciding.see(time, failed=fault)
            self._leaving = Together(self._voices.withhold)

    @property
    def damaged_packets(self) -> int:
        beside = self._sound.damaged_packets if self._sound is not None else 0
        return self._pictures.damaged_packets + beside

    @property
    def truncated(self) -> bool:
        # A camera has no end that is known beforehand.
        return False

    def warm_up(self) -> None:
        self.tally = warm_up_picture(self._redactor)
        if self._sound is not None and self._voices is not None:
            warm_up_sound(self.profile, self.order.policy, self._voices, self._sound.form)

    def __iter__(self) -> Iterator[Veiled]:
        for packet in self._feed:
            if packet.kind is Kind.PICTURE:
                yield from self._take_pictures(self._pictures.decode(packet))
            elif self._sound is not None:
                for block in self._sound.decode(packet):
                    yield from self._take_sound(block)
        yield from self._take_pictures(self._pictures.finish())
        for veiled in self._redactor.flush():
            yield self._leave(veiled)
        if self._voices is not None:
            yield from self._voices.flush()

    def _take_pictures(self, pictures: list[RawFrame]) -> Iterator[Veiled]:
        for raw in pictures:
            if self._is_late(raw):
                self.late_frames += 1
                continue
            self._last = raw.time.seconds
            self.frames_read += 1
            for veiled in self._redactor.process(raw):
                yield self._leave(veiled)

    def _is_late(self, raw: RawFrame) -> bool:
        """Whether to give ``raw`` up: it is not after the last one, too late and not alone, or of a
        time yet to come, by which all the next ones would not be after it."""
        seconds = raw.time.seconds
        if seconds - time.monotonic() > _MOST_AHEAD_SECONDS:
            return True
        if self._last is not None and seconds <= self._last:
            return True
        return time.monotonic() - seconds > self._live.late_seconds and self._feed.more_waits

    def _leave(self, frame: VeiledFrame) -> VeiledFrame:
        """A fault of the picture is the sound's too, if it was not known before."""
        self._left = True
        if self._leaving is not None:
            self._leaving.see(frame.time.seconds, failed=frame.fault)
        return frame

    def _take_sound(self, block: RawAudio) -> Iterator[Veiled]:
        if self._voices is None:
            return
        for veiled in self._voices.process(block):
            # The first picture comes before any sound.
            if self._left:
                yield veiled
