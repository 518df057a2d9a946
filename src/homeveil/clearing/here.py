"""Clearing in the process that it is asked for, which holds raw content then."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from homeveil.audio import RawAudio, VeiledAudio
from homeveil.clear.lips import LipsKey
from homeveil.clearing import Clearing, Form, Order, Veiled
from homeveil.clearing.together import OneClock, Together
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.policy import Lips, Policy, Sound
from homeveil.profile.store import LockedProfile
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor
from homeveil.report import SoundTally, Tally
from homeveil.voice_gate import VoiceGate

if TYPE_CHECKING:
    from homeveil.media.reader import VideoReader
    from homeveil.media.sound_reader import SoundReader
    from homeveil.media.sound_track import SoundFormat

_log = logging.getLogger("homeveil")

_AHEAD_SECONDS = 0.03
"""The gate decides so much beyond the samples that leave it."""

_FRAME_SECONDS = 0.01
"""What the gate opens or closes at once: the one that holds the last sample is decided too."""

_WARM_WIDTH, _WARM_HEIGHT = 96, 64


def open_here(order: Order, tally: Callable[[str], SoundTally] = SoundTally) -> FileClearing:
    """Clear in this process. Raises InputError, ModelError, ProfileError."""
    if order.live is not None:
        from homeveil.clearing.live import LiveClearing

        return LiveClearing(order, tally)
    if order.stretch is not None:
        from homeveil.clearing.stretch import StretchClearing

        return StretchClearing(order, tally)
    return _SoundAlone(order, tally) if order.sound_alone else _PictureAndSound(order, tally)


class FileClearing(Clearing):
    """Clears in the process that it is made in, which holds raw content then. ahead: called with
    the number of frames of a stretch looked at so far, until the first is given."""

    def __init__(self, order: Order, tally: Callable[[str], SoundTally]) -> None:
        self.order = order
        self.ahead: Callable[[int], None] = lambda frames: None
        self._make_tally = tally
        profile = order.profile
        self.profile = profile.open() if isinstance(profile, LockedProfile) else profile
        self.tally = Tally()
        self._stack = ExitStack()
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def warm_up(self) -> None:
        """Run everything once on nothing, so that later nothing is loaded any more."""

    def _lips(self) -> LipsKey | None:
        """What holds sound against the mouths in the picture beside it, if that is asked for and
        there is a voice to be heard at all."""
        heard = self.profile is not None and self.profile.voice is not None
        policy = self.order.policy
        return LipsKey(policy) if heard and policy.lips is not Lips.OFF else None

    def _gate(self, lips: LipsKey | None = None) -> VoiceGate:
        gate = VoiceGate(self.profile, self.order.policy, lips=lips, tally=self._make_tally)
        self.sound_tally = gate.tally
        return self._stack.enter_context(gate)

    def close(self) -> None:
        self._stack.close()


class _SoundAlone(FileClearing):
    def _open(self) -> None:
        from homeveil.media.sound_reader import SoundReader

        order = self.order
        self._reader = self._stack.enter_context(SoundReader(order.source, order.sound_track))
        self._voices = self._gate()
        self.models = heard_with(self._voices)
        reader = self._reader
        self.form = Form(
            0, 0, None, None, None, reader.duration_seconds, reader.form,
            begin_seconds=reader.begin_seconds,
        )  # fmt: skip

    @property
    def damaged_packets(self) -> int:
        return self._reader.damaged_packets

    @property
    def truncated(self) -> bool:
        return self._reader.truncated

    def __iter__(self) -> Iterator[Veiled]:
        muted = deque(self.order.muted)
        for block in self._reader:
            # Told when it comes near: the gate remembers only so many.
            while muted and muted[0][0] < block.time.seconds + block.seconds:
                self._voices.withhold(*muted.popleft())
            yield from self._voices.process(block)
        yield from self._voices.flush()

    def warm_up(self) -> None:
        warm_up_sound(self.profile, self.order.policy, self._voices, self._reader.form)


class _PictureAndSound(FileClearing):
    def _open(self) -> None:
        # The codec library is loaded late: `import homeveil` must stay light.
        from homeveil.media.reader import VideoReader

        policy = self.order.policy
        models = load_models(policy.models)
        self._reader = reader = self._stack.enter_context(VideoReader(self.order.source))
        self._sound = self._open_sound(reader)
        self.models = dict(models.sha256)
        if self._sound is None:
            self.sound_tally = None
        else:
            self.models.update(heard_with(self._sound.gate))
        self.form = Form(
            reader.width,
            reader.height,
            reader.frame_rate,
            reader.sample_aspect_ratio,
            reader.frame_count_hint,
            reader.duration_seconds,
            self._sound.form if self._sound is not None else None,
        )
        perceiver = load_perceiver(self.profile, policy, models)
        self._redactor = self._stack.enter_context(
            Redactor(
                self.profile,
                policy,
                perceiver=perceiver,
                lips=self._sound.lips if self._sound is not None else None,
            )
        )
        self.tally = self._redactor.tally

    def _open_sound(self, reader: VideoReader) -> _SoundBeside | None:
        """The sound of the file whose picture is being read, opened a second time."""
        if self.order.policy.sound is Sound.WITHHELD or not reader.has_audio:
            return None
        from homeveil.media.sound_reader import SoundReader

        if not reader.path.is_file():
            _log.warning("%s: is no plain file, so its sound is left out", reader.path)
            return None
        sound = SoundReader(reader.path, self.order.sound_track)
        lips = self._lips()
        clock = OneClock(reader, self._stack.enter_context(sound))
        return _SoundBeside(sound, self._gate(lips), lips, clock)

    @property
    def damaged_packets(self) -> int:
        beside = self._sound.damaged_packets if self._sound is not None else 0
        return self._reader.damaged_packets + beside

    @property
    def truncated(self) -> bool:
        return self._reader.truncated

    def __iter__(self) -> Iterator[Veiled]:
        for veiled in self._frames():
            yield veiled
            if self._sound is not None:
                yield from self._sound.follow(veiled)
        if self._sound is not None:
            yield from self._sound.rest()

    def _frames(self) -> Iterator[VeiledFrame]:
        for raw in self._reader:
            self.frames_read += 1
            yield from self._redactor.process(raw)
        yield from self._redactor.flush()

    def warm_up(self) -> None:
        self.tally = warm_up_picture(self._redactor)
        if self._sound is not None:
            warm_up_sound(self.profile, self.order.policy, self._sound.gate, self._sound.form)


class _SoundBeside:
    """The sound of a file, gated, in step with its picture. form: what it comes in."""

    def __init__(
        self, reader: SoundReader, gate: VoiceGate, lips: LipsKey | None, clock: OneClock
    ) -> None:
        self._reader, self.gate, self.lips = reader, gate, lips
        self.form = reader.form
        self._blocks = iter(reader)
        self._clock = clock
        self._unplaced: RawAudio | None = None
        self._held: RawAudio | None = None
        self._together = Together(gate.withhold)

    @property
    def damaged_packets(self) -> int:
        """Packets of sound skipped so far."""
        return self._reader.damaged_packets

    def follow(self, frame: VeiledFrame) -> Iterator[VeiledAudio]:
        """The sound up to a frame that was written, and not a sample more: the frames after it
        may fail. Its own faults are the sound's too."""
        seconds = frame.time.seconds
        self._together.see(seconds, failed=frame.fault)
        until = seconds + self.gate.delay_seconds - _FRAME_SECONDS
        while (block := self._next()) is not None:
            now, later = block.split(until)
            if self._is_early(now):
                self._held = block
                return
            if now.samples.shape[1]:
                yield from self.gate.process(now)
            if later.samples.shape[1]:
                self._held = later
                return

    def _next(self) -> RawAudio | None:
        """The next block by the picture's clock; None at the end, or while the picture has not
        been read far enough to tell where it belongs."""
        block, self._held = self._held, None
        if block is None:
            if self._unplaced is None:
                self._unplaced = next(self._blocks, None)
            if self._unplaced is not None:
                block = self._clock.place(self._unplaced)
            if block is not None:
                self._unplaced = None
        return block

    def _is_early(self, block: RawAudio) -> bool:
        """Whether the gate would have to decide about mouths that are not seen yet."""
        if self.lips is None:
            return False
        settled = block.time.seconds + block.seconds - self.gate.delay_seconds + _AHEAD_SECONDS
        return settled > self.lips.known_to

    def rest(self) -> Iterator[VeiledAudio]:
        """All that is left."""
        self._together.end()
        self._clock.end()
        while (block := self._next()) is not None:
            yield from self.gate.process(block)
        yield from self.gate.flush()


def heard_with(gate: VoiceGate) -> dict[str, str]:
    """Purpose to SHA-256 of the gate's models."""
    return dict(gate.models.sha256) if gate.models is not None else {}


def _nothing() -> Iterator[RawFrame]:
    """Three frames of noise, in which there is something to look at again."""
    noise = np.random.Generator(np.random.PCG64(0))
    shapes = plane_shapes(PixelFormat.I420, _WARM_WIDTH, _WARM_HEIGHT)
    for number in range(3):
        planes = tuple(noise.integers(0, 255, shape, np.uint8) for shape in shapes)
        time = Timestamp.from_seconds(number)
        yield RawFrame(planes, PixelFormat.I420, _WARM_WIDTH, _WARM_HEIGHT, time)


def warm_up_picture(redactor: Redactor) -> Tally:
    """Run a redactor once on nothing; the tally that it counts with from now on."""
    for raw in _nothing():
        list(redactor.process(raw))
    list(redactor.flush())
    redactor.reset()
    redactor.tally = Tally()
    return redactor.tally


def warm_up_sound(
    profile: Profile | None, policy: Policy, gate: VoiceGate, form: SoundFormat
) -> None:
    """Run a gate like ``gate`` once on silence."""
    with VoiceGate(profile, policy, models=gate.models) as other:
        samples = np.zeros((form.channels, form.rate // 2), np.float32)
        list(other.process(RawAudio(samples, form.rate, Timestamp.from_seconds(0.0))))
        list(other.flush())
