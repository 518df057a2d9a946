"""Keys beside the voice gate's own network: one that is always there where the gate may wait,
and those that a policy adds. Each can only close a frame, none opens one.

A frame is judged by what is known when it must be: what the network looks ahead, and no
more, however the sound came in. What is not there by then closes, and so does whatever is
no number, as a fault.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import fmean, median
from typing import Protocol

import numpy as np

from homeveil._kernels import ClosedBy, Verdict
from homeveil.models.purposes import SPEAKER_PURPOSE
from homeveil.perceive.hearing import (
    AGENT_ALONE,
    FRAMES_AHEAD,
    SPEAKER_STEP,
    SPEAKER_WINDOW,
    Heard,
)
from homeveil.policy import Policy, SpeechKey
from homeveil.profile.voice import VoiceTemplate

SPEECH_PROBABILITY = 0.5
SPEECH_REACH = 20
"""Speech counts for this many frames after it, and with ``monitor`` before it."""

WINDOW_STEP = SPEAKER_STEP
WINDOW_SPAN = SPEAKER_WINDOW - 2
"""The last frame that a window covers, counted from its first."""

LOUDNESS_REACH = 25
"""The level of speech at a frame is the loudest within this many frames to each side."""

FIRST_OPEN = 200
"""Open frames that say how loud the agent is, before which the level has no say."""

LEARNING_DB = 0.02
"""By which an open frame moves the agent's level, towards its median."""


ALIKE_WINDOW = 120
"""What was heard up to a frame reaches back so many frames: those after hold it too."""

ALIKE_MEAN, ALIKE_PAUSE = 50, 200
"""Frames that seem the agent's over which likeness is averaged, and after how many without
one it begins anew."""

ALIKE_MARGIN, ALIKE_MOST = 0.08, 0.77
"""How much less alike than the enrolled recordings are among themselves the agent may sound, and
what is always enough."""

CLEAN_DB, NOISE_SLOPE = 38.0, 0.007
"""From the softest to the loudest tenth of sound without noise, and how much less likeness is
asked for each decibel below."""

SPREAD_FRAMES, SPREAD_STEP, SOFTEST_DB = 1000, 10, -75.0
"""Frames back over which that is measured, how often, and what counts as no softer: silence that
was put there says nothing of the noise."""


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Settings of the keys. ahead: frames known beyond the one judged. own: likeness of the
    enrolled recordings among themselves, None: no such key. speech: whether speech must be
    heard. accept: least likeness by the speaker model, None: no such key. near_db: how much
    softer than the agent's level is too soft, 0: no such key."""

    ahead: int
    own: float | None = None
    speech: bool = False
    accept: float | None = None
    near_db: float = 0.0


def key_rule_of(policy: Policy, voice: VoiceTemplate) -> KeyRule | None:
    """What a policy asks for, None if nothing. Raises ProfileError when the voice was
    enrolled without the policy's speaker model, or with another one."""
    accept: float | None = None
    model = policy.models.get(SPEAKER_PURPOSE)
    if model is not None:
        accept = max(voice.speaker_of(model.sha256).accept, policy.speaker_accept)
    speech = policy.speech_key is not SpeechKey.OFF
    ahead = FRAMES_AHEAD[policy.sound]
    own = float(voice.own[-1]) if ahead >= ALIKE_WINDOW else None
    if own is None and accept is None and not speech and not policy.near_db:
        return None
    return KeyRule(ahead, own, speech, accept, policy.near_db)


class Key(Protocol):
    """One key of one channel. Frames are asked about one after another, from 0 on."""

    def hear(self, heard: Heard) -> None:
        """Take what was observed."""

    def closed_by(self, t: int) -> ClosedBy:
        """Whether frame ``t`` is closed, and by what."""

    def learn(self, verdict: Verdict) -> None:
        """What became of the next frame."""


class Keys:
    """All keys of a rule over one channel."""

    def __init__(self, rule: KeyRule) -> None:
        after = SPEECH_REACH if rule.ahead >= SPEECH_REACH else 0
        self._keys: list[Key] = []
        if rule.own is not None:
            self._keys.append(_Alike(rule.own))
        if rule.speech:
            self._keys.append(_Speech(after))
        if rule.accept is not None:
            self._keys.append(_Speaker(rule.accept, rule.ahead))
        if rule.near_db:
            self._keys.append(_Near(rule.near_db, min(LOUDNESS_REACH, rule.ahead)))
        self._next = 0

    def hear(self, heard: Heard) -> None:
        """Take what a listener gave, before its frames are judged."""
        for key in self._keys:
            key.hear(heard)

    def closed_by(self) -> ClosedBy:
        """The worst that any key says of the next frame."""
        t, self._next = self._next, self._next + 1
        return max(key.closed_by(t) for key in self._keys)

    def learn(self, verdict: Verdict) -> None:
        """What became of the next frame without a verdict."""
        for key in self._keys:
            key.learn(verdict)


class _Alike:
    """Closed where what seems the agent lately sounded less like them than noise explains.

    The network is seldom wrong about a voice in a room, but takes some for the agent's that
    speak as close by as the agent does; by the embedding alone those are told apart.
    """

    def __init__(self, own: float) -> None:
        self._own = own
        self._first = 0  # frame of the first value kept
        self._alike: list[float] = []
        self._levels: list[float] = []
        self._claims: deque[bool] = deque()
        self._recent: deque[float] = deque(maxlen=ALIKE_MEAN)
        self._claimed = 0
        self._asked = ALIKE_MOST

    def hear(self, heard: Heard) -> None:
        self._alike.extend(heard.alike.tolist())
        self._levels.extend(heard.level_db.tolist())
        self._claims.extend((heard.logits.argmax(1) == AGENT_ALONE).tolist())

    def closed_by(self, t: int) -> ClosedBy:
        at = t - self._first
        known = self._alike[at : at + ALIKE_WINDOW]
        if not known or not all(map(math.isfinite, known)):
            return ClosedBy.FAULT
        here = max(known)
        if t % SPREAD_STEP == 0:
            self._asked = self._least(t)
        if t - self._claimed > ALIKE_PAUSE:
            self._recent.clear()
        if self._claims and self._claims.popleft():
            self._recent.append(here)
            self._claimed = t
        likeness = fmean(self._recent) if self._recent else here
        return ClosedBy.NOTHING if likeness >= self._asked else ClosedBy.KEY

    def _least(self, t: int) -> float:
        """Likeness asked for in the noise about frame ``t``."""
        spare = t - self._first - SPREAD_FRAMES
        if spare > SPREAD_FRAMES:
            del self._alike[:spare], self._levels[:spare]
            self._first += spare
        at = t - self._first
        levels = self._levels[max(0, at - SPREAD_FRAMES) : at + ALIKE_WINDOW]
        soft, loud = np.quantile(np.maximum(levels, SOFTEST_DB), (0.1, 0.9))
        noise = max(0.0, CLEAN_DB - float(loud - soft))
        return min(ALIKE_MOST, self._own - ALIKE_MARGIN - NOISE_SLOPE * noise)

    def learn(self, verdict: Verdict) -> None:
        pass


class _Speech:
    """Closed where nobody spoke close by."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._coming: deque[float] = deque()
        self._read = 0
        self._spoken = self._broken = -SPEECH_REACH - 1

    def hear(self, heard: Heard) -> None:
        self._coming.extend(heard.speech.tolist())

    def closed_by(self, t: int) -> ClosedBy:
        while self._coming and self._read <= t + self._after:
            probability = self._coming.popleft()
            if not math.isfinite(probability):
                self._broken = self._read
            elif probability >= SPEECH_PROBABILITY:
                self._spoken = self._read
            self._read += 1
        if self._broken >= t - SPEECH_REACH:
            return ClosedBy.FAULT
        return ClosedBy.NOTHING if self._spoken >= t - SPEECH_REACH else ClosedBy.KEY

    def learn(self, verdict: Verdict) -> None:
        pass


class _Speaker:
    """Closed where no window that covers the frame is like the agent.

    A call cannot wait for a window to end: there the windows count that ended by then,
    until the next one ends.
    """

    def __init__(self, accept: float, ahead: int) -> None:
        self._accept, self._ahead = accept, ahead
        self._late = WINDOW_STEP if ahead < WINDOW_STEP else 0
        self._coming: deque[float] = deque()
        self._windows: deque[tuple[int, float]] = deque()  # last frame, likeness
        self._read = 0

    def hear(self, heard: Heard) -> None:
        self._coming.extend(heard.likeness.tolist())

    def closed_by(self, t: int) -> ClosedBy:
        while self._coming and self._ends(self._read) <= t + self._ahead:
            self._windows.append((self._ends(self._read), self._coming.popleft()))
            self._read += 1
        while self._windows and self._windows[0][0] < t - self._late:
            self._windows.popleft()
        # All others cover the frame: what is known ahead is shorter than a window.
        likeness = [one for _, one in self._windows]
        if not all(map(math.isfinite, likeness)):
            return ClosedBy.FAULT
        known = max(likeness, default=-math.inf) >= self._accept
        return ClosedBy.NOTHING if known else ClosedBy.KEY

    def learn(self, verdict: Verdict) -> None:
        pass

    @staticmethod
    def _ends(window: int) -> int:
        return window * WINDOW_STEP + WINDOW_SPAN


class _Near:
    """Closed where it is much softer than the agent was where the gate was open.

    The agent's level is a running median, begun from the first open frames: each later one
    moves it by a little, up or down.
    """

    def __init__(self, near_db: float, after: int) -> None:
        self._near_db, self._after = near_db, after
        self._levels: deque[float] = deque(maxlen=LOUDNESS_REACH + after + 1)
        self._coming: deque[float] = deque()
        self._read = 0
        self._judged: deque[float] = deque()
        self._first: list[float] = []
        self._agent_db: float | None = None

    def hear(self, heard: Heard) -> None:
        self._coming.extend(heard.level_db.tolist())

    def closed_by(self, t: int) -> ClosedBy:
        while self._coming and self._read <= t + self._after:
            self._levels.append(self._coming.popleft())
            self._read += 1
        loudness = max(self._levels, default=math.nan)
        broken = not all(map(math.isfinite, self._levels)) or not self._levels
        self._judged.append(math.nan if broken else loudness)
        if broken:
            return ClosedBy.FAULT
        far = self._agent_db is not None and loudness < self._agent_db - self._near_db
        return ClosedBy.KEY if far else ClosedBy.NOTHING

    def learn(self, verdict: Verdict) -> None:
        loudness = self._judged.popleft()
        if verdict is not Verdict.OPEN:
            return
        if self._agent_db is not None:
            self._agent_db += math.copysign(LEARNING_DB, loudness - self._agent_db)
            return
        self._first.append(loudness)
        if len(self._first) >= FIRST_OPEN:
            self._agent_db = median(self._first)
            self._first.clear()
