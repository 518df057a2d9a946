"""The engine: raw frames in, veiled frames out, in the same order and number.

    with Redactor(profile, policy) as redactor:
        for raw in frames:
            for veiled in redactor.process(raw):
                ...
        for veiled in redactor.flush():
            ...

A frame waits while later ones are read (``delay_seconds``), so that what is learnt late
still counts. Every failure inside turns into a frame that is veiled whole.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from homeveil.clear.clearance import Clearance, Decision, Reason, withheld
from homeveil.clear.lips import LipsKey, require_key
from homeveil.errors import (
    FrameError,
    HomeveilError,
    StretchError,
    UsageError,
    in_our_words,
)
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.grid import Grid
from homeveil.perceive.perceiver import Perceiver, WatchedPerceiver
from homeveil.policy import Policy, policy_or_default
from homeveil.profile.template import Profile, require_open
from homeveil.report import Tally
from homeveil.scoped import Scoped
from homeveil.veil.painter import Veil

_log = logging.getLogger("homeveil")

Watch = Callable[[RawFrame, NDArray[np.uint8]], None]

GAP_SECONDS = 1.25
"""Frames further apart are not followed from one to the next: who is at the desk may have
changed. A second, as between the frames of the slowest recordings, is followed."""

SETTLE_SECONDS = 10.0
"""After a gap: until what is off its plate has come in."""

MOST_FAR_APART = 8
"""So many frames in a row that are not followed are not meant so, as when times are given in
milliseconds: it is said in the log."""

MAX_WAITING_BYTES = 160 * 2**20
"""Frames that wait take no more memory than this; large frames wait less long."""


class Redactor(Scoped):
    """Redacts one stream. Not thread-safe; one object per stream.

    profile: whom to show, or None to show nobody. perceiver: what looks at frames; made
    from the policy's models if left out. delay_seconds: how long frames wait; the
    policy's ``lookahead_seconds`` if left out. watch: called with each raw frame and the
    reasons of its cells before it is painted; for inspection on the machine, nothing else.
    lips: mouths are looked at for it; give the same one to the VoiceGate of the sound.

    decided: called with the time of each frame taken, and whether it failed, before it leaves.

    Raises UsageError, ModelError when a model is missing or not the one meant, ProfileError when
    the face was enrolled with another model.
    """

    decided: Callable[[float, bool], None] | None = None

    def __init__(
        self,
        profile: Profile | None,
        policy: Policy | None = None,
        *,
        perceiver: Perceiver | None = None,
        delay_seconds: float | None = None,
        watch: Watch | None = None,
        lips: LipsKey | None = None,
    ) -> None:
        self.policy = policy_or_default(policy)
        self.profile = require_open(profile)
        delay = self.policy.lookahead_seconds if delay_seconds is None else delay_seconds
        if not isinstance(delay, (int, float, np.number)) or not 0 <= delay < math.inf:
            raise UsageError(f"delay_seconds is {delay!r}; give seconds, 0 or more")
        if perceiver is None:
            from homeveil.perceive.loading import load_perceiver

            perceiver = load_perceiver(profile, self.policy)
        self._perceiver = WatchedPerceiver(perceiver, self.policy.look_timeout_seconds)
        self._delay = delay
        self.watch = watch
        self.lips = require_key(lips)
        self.tally = Tally()
        self._closed = False
        self.reset()

    def reset(self) -> None:
        """Forget everything learnt, as for a new stream. Frames that wait are dropped."""
        self._stream: _Stream | None = None
        self._last_seconds: float | None = None
        self._far_apart = 0
        self._refused_from = math.inf
        self._is_gap_open = False
        if self.lips is not None:
            self.lips.forget()

    @property
    def undisputed(self) -> bool:
        """Of the frame given last: nothing that is remembered was needed to tell the agent from
        others, for a while. It says where a recording may be cut, and is nobody's business."""
        return self._stream is not None and self._stream.undisputed

    def skip(self, settle_seconds: float = 0.0) -> tuple[VeiledFrame, ...]:
        """Go on somewhere later in the same recording; give all frames that still wait.

        What was seen of the room before still counts; what differs from it after the gap came in
        meanwhile. The agent must prove itself anew; from ``settle_seconds`` after the gap on, for
        a while, somebody is taken to be about, as may be. What leaves before then is to be
        thrown away. Raises StretchError, here or from ``process``, when the room before and
        after the gap is not the same one: nothing may be cleared then.
        """
        if self._stream is None:
            raise StretchError("nothing was seen before the gap")
        left = tuple(self._stream.leave_all(self.tally))
        self._stream.clearance.skip(settle_seconds, same_room=True)
        return left

    def process(self, frame: RawFrame) -> Iterator[VeiledFrame]:
        """Take one frame; give the frames whose wait is over. The frame is taken when what is
        given back is run through, not before.

        Raises FrameError when ``frame`` is no RawFrame or its time does not increase; the
        stream then goes on with the next good frame. After a change of size everything
        starts denied; after a gap, or where recordings were joined, the agent must prove itself
        anew. Raises StretchError after ``skip`` alone.
        """
        if self._closed:
            raise FrameError("this Redactor is closed; make a new one")
        if not isinstance(frame, RawFrame):
            raise FrameError(f"process() takes a RawFrame, not {type(frame).__name__}")
        seconds, last = frame.time.seconds, self._last_seconds
        if not math.isfinite(seconds):
            raise FrameError(f"frame at {seconds} s; give a finite time")
        if last is not None and seconds <= last:
            # By a clock that was set back: nobody is followed for as long as frames are refused.
            self._refused_from = min(seconds, self._refused_from)
            self._is_gap_open |= seconds - self._refused_from > GAP_SECONDS
            raise FrameError(
                f"frame at {seconds:.3f} s does not come after {last:.3f} s"
            )
        self._last_seconds, self._refused_from = seconds, math.inf
        far = last is not None and seconds - last > GAP_SECONDS
        self._count_far_apart(far)
        # Until it is closed: whoever takes not all that is given back leaves this frame out.
        self._is_gap_open |= frame.spliced or far
        stream = self._stream
        if stream is None or not stream.fits(frame):
            if stream is not None:
                if stream.clearance.scene.skipped:
                    raise StretchError("the picture changes its size")
                yield from stream.leave_all(self.tally)
            stream = self._stream = _Stream(frame, self)
        elif self._is_gap_open:
            yield from stream.leave_all(self.tally)
            stream.skip()
        self._is_gap_open = False
        fault = stream.take(frame.copy(), self._perceiver)
        if self.decided is not None:
            self.decided(seconds, fault)
        yield from stream.leave(self._delay, self.tally)

    def _count_far_apart(self, far: bool) -> None:
        self._far_apart = self._far_apart + 1 if far else 0
        if self._far_apart == MOST_FAR_APART:
            _log.warning(
                "the last %d frames lie more than %s s apart, so that nobody is followed from one "
                "to the next; give times in seconds, and frames more often",
                MOST_FAR_APART,
                GAP_SECONDS,
            )

    def flush(self) -> Iterator[VeiledFrame]:
        """Give all frames that still wait, at the end of the stream."""
        if self._stream is not None:
            yield from self._stream.leave_all(self.tally)

    def close(self) -> None:
        """Free the models. Frames that wait are dropped, never passed on."""
        if not self._closed:
            self._closed = True
            self._stream = None
            self._perceiver.close()


class _Stream:
    """Frames of one size and format, those that wait, and what is known about them."""

    def __init__(self, frame: RawFrame, redactor: Redactor) -> None:
        self._shape = (frame.width, frame.height, frame.pixel_format)
        self._grid = Grid.over(frame.width, frame.height)
        self.clearance = Clearance(
            self._grid, redactor.profile, redactor.policy, redactor.lips
        )
        self._veil = Veil(self._grid, redactor.policy)
        self._watch = redactor.watch
        self._waiting: deque[tuple[RawFrame, Decision | None]] = deque()
        self.undisputed = False
        frame_bytes = sum(plane.nbytes for plane in frame.planes)
        self._most = max(1, MAX_WAITING_BYTES // frame_bytes)

    def fits(self, frame: RawFrame) -> bool:
        return self._shape == (frame.width, frame.height, frame.pixel_format)

    def skip(self) -> None:
        """The next frame comes after a gap; none waits any more."""
        if not self.clearance.scene.skipped:
            self.clearance.skip(SETTLE_SECONDS)

    def take(self, frame: RawFrame, perceiver: WatchedPerceiver) -> bool:
        """Decide about ``frame`` and let it wait; returns whether that failed."""
        decision = self._decide(frame, perceiver)
        self._waiting.append((frame, decision))
        return decision is None or decision.fault

    def _decide(self, frame: RawFrame, perceiver: WatchedPerceiver) -> Decision | None:
        seconds = frame.time.seconds
        try:
            self.clearance.begin(frame, seconds)
            request = self.clearance.request(seconds)
            observation = perceiver.look(frame, self._grid, request)
            return self.clearance.finish(frame, seconds, observation)
        except StretchError:
            raise
        except Exception as error:
            # Law 2: whatever went wrong, the frame is veiled whole and the stream goes on.
            _log.warning("frame withheld: %s", in_our_words(error))
            return self._after_fault(frame, seconds)

    def _after_fault(self, frame: RawFrame, seconds: float) -> Decision | None:
        try:
            return self.clearance.fault(frame, seconds)
        except Exception:
            return None

    def leave(self, delay_seconds: float, tally: Tally) -> Iterator[VeiledFrame]:
        newest = self._waiting[-1][0].time.seconds
        while self._waiting and (
            newest - self._waiting[0][0].time.seconds >= delay_seconds
            or len(self._waiting) > self._most
        ):
            yield self._veil_next(tally)

    def leave_all(self, tally: Tally) -> Iterator[VeiledFrame]:
        while self._waiting:
            yield self._veil_next(tally)

    def _veil_next(self, tally: Tally) -> VeiledFrame:
        frame, decision = self._waiting.popleft()
        self.undisputed = decision is not None and decision.undisputed
        try:
            if decision is None:
                raise HomeveilError("nothing is known about this frame")
            reasons = self.clearance.resolve(decision)
            scene = self.clearance.scene
            if self._watch is not None:
                self._watch(frame, reasons)
            veiled = self._veil.paint(
                frame,
                withheld(reasons),
                scene.plate_colours(),
                scene.sure_plates,
                agent=reasons == Reason.AGENT,
                fault=decision.fault,
            )
        except Exception as error:
            if decision is not None:  # else it was said when the frame was taken
                _log.warning("frame withheld: %s", in_our_words(error))
            veiled = self._veil.card(frame)
        tally.add(veiled)
        return veiled
