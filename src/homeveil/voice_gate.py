"""The voice gate: raw sound in, veiled sound out, sample for sample.

    with VoiceGate(profile, policy) as gate:
        for raw in blocks:
            for veiled in gate.process(raw):
                ...
        for veiled in gate.flush():
            ...

Closed is the first state and the one that every fault leads to. Samples leave
``delay_seconds`` after they came, never earlier, cleared or muted.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real

import numpy as np

from homeveil._kernels import Verdict
from homeveil.audio import RawAudio, Samples, VeiledAudio, is_sound
from homeveil.clear.gate import ChannelGate, Channels, joint, rule_of
from homeveil.clear.keys import KeyRule, key_rule_of
from homeveil.clear.lips import LipsKey, require_key
from homeveil.errors import FrameError, UsageError, in_our_words
from homeveil.frames import Timestamp
from homeveil.models.purposes import EMBEDDING_PURPOSE
from homeveil.perceive.hearing import (
    Heard,
    Hears,
    Listener,
    VoiceModels,
    load_voice_models,
)
from homeveil.policy import DELAY_SECONDS, Lips, Policy, Sound, policy_or_default
from homeveil.profile.template import Profile, require_open
from homeveil.profile.voice import VoiceTemplate
from homeveil.report import SoundTally
from homeveil.scoped import Scoped
from homeveil.veil.muting import Mute, seal

_log = logging.getLogger("homeveil")

Closes = Callable[[float, float], bool]
"""Whether the picture closes the gate between two times, in seconds."""

GAP_SECONDS = 0.02
"""A block that starts this far from where the last one ended starts a new stretch."""

STEP_SECONDS = {Sound.MONITOR: 0.02, Sound.CALL: 0.01}
"""Samples go to the networks in steps of this, so that block sizes cannot change a result."""

_MOST_MUTED = 2**20
"""Samples that are muted at once: the kernel takes only so many, and a block may be longer."""

_MOST_WITHHELD = 1024
"""Of more spans that the picture withheld, the oldest two become one, with what lies between."""


class VoiceGate(Scoped):
    """Gates one stream of sound. Not thread-safe; one object per stream.

    profile: whose voice to let through; without one, or without a voice in it, nothing is.
    models: made from the policy's models if left out. lips: what the Redactor of the picture
    looks at mouths for; without it nothing is let through where the policy requires lips.
    listen: makes what listens to a channel of the given rate; the default runs the models.
    tally: makes what counts, from the reason for which closed stretches are closed.

    A gap, a splice or a step back in time, another rate or number of channels, and every failure
    of a model close the gate and drop what it knew; what still waited for a verdict is muted. After
    an interrupt what waited is dropped.
    Raises ModelError when a model is missing or not the one meant, ProfileError when the
    voice was enrolled with another model, or without the policy's speaker model.
    """

    def __init__(
        self,
        profile: Profile | None,
        policy: Policy | None = None,
        *,
        models: VoiceModels | None = None,
        lips: LipsKey | None = None,
        listen: Callable[[int], Hears] | None = None,
        tally: Callable[[str], SoundTally] = SoundTally,
    ) -> None:
        self.policy = policy_or_default(policy)
        whom = require_open(profile)
        voice = whom.voice if whom is not None else None
        self.models: VoiceModels | None = None
        self._listen: Callable[[int], Hears] | None = None
        self._keys: KeyRule | None = None
        if voice is not None and self.policy.sound is not Sound.WITHHELD:
            self._keys = key_rule_of(self.policy, voice)
            self._listen = listen or self._default(voice, models)
        self.delay_seconds = DELAY_SECONDS.get(self.policy.sound, 0.0)
        self.tally = tally("no voice enrolled" if voice is None else "not cleared")
        self._withheld: deque[tuple[float, float]] = deque()
        self._closes = self._with_lips(require_key(lips))
        self._stretch: _Stretch | None = None
        self._closed = False

    def _default(
        self, voice: VoiceTemplate, models: VoiceModels | None
    ) -> Callable[[int], Hears]:
        self.models = loaded = models or load_voice_models(self.policy)
        if loaded.mode is not self.policy.sound:
            raise UsageError("the voice models are of another mode than the policy")
        if not loaded.serve(self.policy):
            raise UsageError("the voice models are of other keys than the policy")
        voice.require_model(loaded.sha256[EMBEDDING_PURPOSE])
        return lambda rate: Listener(rate, voice, loaded)

    def _with_lips(self, lips: LipsKey | None) -> Closes | None:
        mode = self.policy.lips
        if mode is Lips.OFF:
            return None
        if lips is None:
            return (lambda start, end: True) if mode is Lips.REQUIRE else None
        if lips.mode is not mode:
            raise UsageError("the lips are looked at under another policy than the gate's")
        return lips.closes

    def process(self, block: RawAudio) -> Iterator[VeiledAudio]:
        """Take one block of any length; give the samples whose wait is over. The block is taken
        when what is given back is run through, not before.

        Raises FrameError when ``block`` is no RawAudio.
        """
        if self._closed:
            raise FrameError("this VoiceGate is closed; make a new one")
        if not isinstance(block, RawAudio):
            raise FrameError(f"process() takes RawAudio, not {type(block).__name__}")
        stretch = self._stretch
        if stretch is not None and not stretch.goes_on(block):
            yield from self._drop(stretch)
            stretch = None
        if stretch is None:
            stretch = _Stretch(
                block,
                self.policy,
                self.delay_seconds,
                self._listen,
                _Picture(self._withheld, self._closes),
                self._keys,
            )
            self._stretch = stretch
        try:
            stretch.take(block.samples)
        except Exception as error:
            # Law 2: whatever went wrong, nothing that waits is let through.
            _log.warning("sound withheld: %s", in_our_words(error))
            yield from self._drop(stretch)
            return
        except BaseException:
            # Interrupted on the way, what was heard may no longer be what waits.
            self._stretch = None
            raise
        try:
            left = list(stretch.leave(self.tally))
        except BaseException:
            # Nor may what was judged.
            self._stretch = None
            raise
        yield from left

    def withhold(self, start_seconds: float, end_seconds: float) -> None:
        """Mute what lies between two times and has not left yet, whatever is known about it.

        Picture and sound fail together: a frame that was withheld for a fault takes the
        sound of its time with it. Raises UsageError for times that are no numbers, or in the
        wrong order.
        """
        span = (start_seconds, end_seconds)
        if not all(isinstance(one, Real) for one in span) or not start_seconds <= end_seconds:
            raise UsageError(
                f"sound cannot be withheld from {start_seconds} to {end_seconds} s; give two times"
            )
        withheld = self._withheld
        withheld.append(span)
        if len(withheld) > _MOST_WITHHELD:
            (start, end), (begin, last) = withheld.popleft(), withheld.popleft()
            withheld.appendleft((min(start, begin), max(end, last)))

    def flush(self) -> Iterator[VeiledAudio]:
        """Give all samples that still wait, at the end of the stream."""
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return
        try:
            stretch.finish()
        except Exception as error:
            _log.warning("sound withheld: %s", in_our_words(error))
            yield from self._drop(stretch)
            return
        yield from stretch.leave_all(self.tally)

    def reset(self) -> None:
        """Forget everything learnt, as for a new stream, and what was to be withheld. Samples that
        wait are dropped."""
        self._stretch = None
        self._withheld.clear()

    def close(self) -> None:
        """Samples that wait are dropped, never passed on."""
        self._closed = True
        self._stretch = None

    def _drop(self, stretch: _Stretch) -> Iterator[VeiledAudio]:
        """What waits leaves muted; the next block starts anew."""
        self._stretch = None
        yield from stretch.leave_all(self.tally, fault=self._listen is not None)


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the picture says about sound. withheld: spans of its faults. closes: None where lips
    have no say."""

    withheld: deque[tuple[float, float]]
    closes: Closes | None

    def withholds(self, start: float, end: float) -> bool:
        """Whether anything between two times, in seconds, is withheld."""
        return any(begin < end and start < last for begin, last in self.withheld)


class _Queue:
    """Samples (channels, n) in the order they came. What is taken is a copy; what waits moves
    only when its memory is full."""

    def __init__(self, channels: int) -> None:
        self._memory = np.zeros((channels, 0), np.float32)
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    def append(self, samples: Samples) -> None:
        """Let (channels, n) wait behind the others."""
        count = samples.shape[1]
        if self._end + count > self._memory.shape[1]:
            waiting = self._memory[:, self._first : self._end]
            # Twice what is needed, so that samples move seldom.
            memory = np.empty((len(waiting), 2 * (len(self) + count)), np.float32)
            memory[:, : len(self)] = waiting
            self._memory, self._first, self._end = memory, 0, len(self)
        self._memory[:, self._end : self._end + count] = samples
        self._end += count

    def take(self, count: int) -> Samples:
        """The first (channels, at most ``count``)."""
        count = min(count, len(self))
        self._first += count
        return self._memory[:, self._first - count : self._first].copy()


class _Stretch:
    """Unbroken sound of one rate and number of channels, and what is known about it.

    Positions count samples of the input from the start of the stretch.
    """

    def __init__(
        self,
        block: RawAudio,
        policy: Policy,
        delay_seconds: float,
        listen: Callable[[int], Hears] | None,
        picture: _Picture,
        keys: KeyRule | None,
    ) -> None:
        self._picture = picture
        self._rate, self._channels = block.rate, block.channels
        self._start = Timestamp(round(block.time.seconds * block.rate), Fraction(1, block.rate))
        self._start_seconds = self._start.seconds
        self._listen_with = listen
        self._listeners: list[Hears] = []
        rule = rule_of(policy)
        self._gates = [ChannelGate(rule, keys) for _ in range(block.channels)]
        self._mute = Mute(block.rate, block.channels, policy.muted)
        self._step = max(1, round(block.rate * STEP_SECONDS.get(policy.sound, 1.0)))
        self._delay = round(delay_seconds * block.rate)
        self._unheard = _Queue(block.channels)
        self._waiting = _Queue(block.channels)
        self._came = self._left = 0
        self._ready: deque[tuple[Samples, bool]] = deque()
        self._verdicts: deque[tuple[Verdict, Channels]] = deque()
        self._channel_verdicts: list[deque[tuple[Verdict, bool]]] = [deque() for _ in self._gates]
        self._judged = 0
        self._shut: Channels = (False,) * block.channels
        self._open_before = self._shut

    def goes_on(self, block: RawAudio) -> bool:
        """Whether ``block`` follows on what came."""
        if block.spliced or (block.rate, block.channels) != (self._rate, self._channels):
            return False
        expected = self._start_seconds + self._came / self._rate
        return abs(block.time.seconds - expected) <= GAP_SECONDS

    def take(self, samples: Samples) -> None:
        """Listen to ``samples`` (channels, n) and let them wait."""
        self._came += samples.shape[1]
        self._waiting.append(samples)
        if self._listen_with is None:
            return
        if not self._listeners:
            self._listeners = [self._listen_with(self._rate) for _ in range(self._channels)]
        if not is_sound(samples):
            raise FrameError(
                "a sample is no number, or far beyond full scale, which is 1 in float32"
            )
        self._unheard.append(samples)
        while len(self._unheard) >= self._step:
            step = self._unheard.take(self._step)
            self._listen([one.push(row) for one, row in zip(self._listeners, step, strict=True)])

    def finish(self) -> None:
        """No more samples come: judge what can still be judged."""
        if not self._listeners:
            return
        rest = self._unheard.take(self._step)
        self._listen([one.push(row) for one, row in zip(self._listeners, rest, strict=True)])
        self._listen([one.finish() for one in self._listeners])
        for gate, queue in zip(self._gates, self._channel_verdicts, strict=True):
            queue.extend(gate.finish())
        self._join()

    def _listen(self, heard: list[Heard]) -> None:
        channels = zip(self._gates, heard, self._channel_verdicts, strict=True)
        for gate, one, queue in channels:
            queue.extend(gate.take(one))
        self._join()

    def _join(self) -> None:
        while all(self._channel_verdicts):
            self._verdicts.append(joint([queue.popleft() for queue in self._channel_verdicts]))

    def _bound(self, frame: int) -> int:
        """First sample that frame ``frame`` decides: 7.5 ms after the frame begins."""
        return (4 * frame + 3) * self._rate // 400

    def _seconds(self, position: int) -> float:
        """Time of a sample, on the clock of the input."""
        return self._start_seconds + position / self._rate

    def leave(self, tally: SoundTally) -> Iterator[VeiledAudio]:
        """The samples that came ``delay`` before the newest."""
        until = self._came - self._delay
        self._settle(tally, until)
        yield from self._emit(until, tally)

    def leave_all(self, tally: SoundTally, *, fault: bool = False) -> Iterator[VeiledAudio]:
        """All that waits; with ``fault`` what has no verdict yet is muted for it."""
        self._settle(tally, self._came, ended=True)
        self._mute_until(self._came, tally, Verdict.FAULT if fault else Verdict.CLOSED)
        yield from self._emit(self._came, tally)

    def _settle(self, tally: SoundTally, until: int, *, ended: bool = False) -> None:
        """Gate the samples before position ``until`` on which there is a verdict, and a next
        one to ramp towards. Later ones wait: the picture may yet withhold them."""
        while len(self._verdicts) > (0 if ended else 1) and self._bound(self._judged) < until:
            verdict, now = self._final(self._judged, *self._verdicts.popleft())
            after = self._shut
            if self._verdicts:
                _, after = self._final(self._judged + 1, *self._verdicts[0])
            start, end = self._bound(self._judged), self._bound(self._judged + 1)
            self._judged += 1
            self._mute_until(start, tally, Verdict.CLOSED)
            self._gate(min(end, self._came), verdict, tally, now, after)

    def _final(
        self, frame: int, verdict: Verdict, channels: Channels
    ) -> tuple[Verdict, Channels]:
        """The verdict on a frame and the channels it lets through, or a fault where the picture
        was withheld for one; what is open may be closed by the lips."""
        closes = self._picture.closes
        if not self._picture.withheld and closes is None:
            return verdict, channels
        start, end = self._seconds(self._bound(frame)), self._seconds(self._bound(frame + 1))
        if self._picture.withholds(start, end):
            return Verdict.FAULT, self._shut
        if closes is None or verdict is not Verdict.OPEN:
            return verdict, channels
        try:
            return (Verdict.LIPS, self._shut) if closes(start, end) else (verdict, channels)
        except Exception as error:
            _log.warning("sound withheld: %s", type(error).__name__)
            return Verdict.FAULT, self._shut

    def _mute_until(self, position: int, tally: SoundTally, verdict: Verdict) -> None:
        end = min(position, self._came)
        while (start := self._came - len(self._waiting)) < end:
            until = min(end, start + _MOST_MUTED)
            self._gate(until, verdict, tally, self._shut, self._shut)

    def _gate(
        self, until: int, verdict: Verdict, tally: SoundTally, now: Channels, after: Channels
    ) -> None:
        """Open or close the samples from where gating stopped to ``until``. now, after: the
        channels that are open in these and in the next ones."""
        start = self._came - len(self._waiting)
        if until <= start:
            return
        piece = self._waiting.take(until - start)
        self._apply(piece, start, self._open_before, now, after)
        self._open_before = now
        self._ready.append((piece, any(now)))
        first = self._seconds(start)
        tally.add(verdict, first, first + piece.shape[1] / self._rate)

    def _apply(
        self, piece: Samples, position: int, before: Channels, now: Channels, after: Channels
    ) -> None:
        # By the clock of the input: where a fault began a new stretch says what was in the sound.
        at = self._start.pts + position
        self._mute.apply(piece, at, before=before, now=now, after=after)

    def _emit(self, until: int, tally: SoundTally) -> Iterator[VeiledAudio]:
        """Give the samples before position ``until``. A verdict that is not there by then
        comes too late: its samples leave muted."""
        self._mute_until(min(until, self._bound(0)), tally, Verdict.CLOSED)
        self._mute_until(until, tally, Verdict.FAULT if self._listeners else Verdict.CLOSED)
        pieces, opened, at = [], 0, self._left
        while at < until and self._ready:
            piece, is_open = self._ready.popleft()
            if piece.shape[1] > until - at:
                self._ready.appendleft((piece[:, until - at :], is_open))
                piece = piece[:, : until - at]
            end = at + piece.shape[1]
            if is_open and self._picture.withholds(self._seconds(at), self._seconds(end)):
                # It was gated with the start of its frame, which left before it was withheld.
                is_open, shut = False, self._shut
                self._apply(piece, at, shut, shut, shut)
                self._open_before = shut
            pieces.append(piece)
            opened += piece.shape[1] if is_open else 0
            at = end
        if not pieces:
            return
        samples = np.ascontiguousarray(np.concatenate(pieces, axis=1))
        time = Timestamp(self._start.pts + self._left, self._start.time_base)
        self._left += samples.shape[1]
        yield seal(samples, self._rate, time, opened / samples.shape[1])
