"""The gate's second key: whether the lips of the verified agent move while there is speech.

It only closes. What opens the gate is the agent's voice; where the picture says that it was not
the agent who spoke, the gate is closed all the same: the agent's mouth was still, or that of
another face moved.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeveil.errors import UsageError
from homeveil.grid import Box
from homeveil.policy import Lips, Policy, policy_or_default

if TYPE_CHECKING:
    from homeveil.clear.tracks import Track, Tracks
    from homeveil.perceive.observation import Mouth

REACH_SECONDS = 0.2
"""Looks count for a moment from this long before it to this long after it."""

INTERVAL_SECONDS = 0.06
"""Mouths are looked at no more often: 15 times a second of 15 or 30 frames, or 12 of 25."""

LEAST_LOOKS, LEAST_SECONDS = 3, 0.12
"""Fewer looks, or looks closer together than this, say nothing of the agent's mouth."""

MOVES = 0.05
"""Range of the agent's opening, see :func:`homeveil.perceive.lips.opening`, from which the mouth
moves; see ``docs/decisions/0020-lips.md`` for what was measured."""

OTHER_MOVES = 0.08
"""The same for another's: others are often small and seen aside."""

MOST_OTHERS = 2
MOST_MISSES = 2
"""The agent's face may be missed so often in a row for its mouth to be looked at where it was."""

_SAME = 0.5
_MOST_LOOKS = 4096


@dataclass(frozen=True, slots=True)
class _Look:
    seconds: float
    face: tuple[int, int]
    is_agent: bool
    opening: float


def require_key(lips: LipsKey | None) -> LipsKey | None:
    """``lips``; UsageError for the policy's word, or anything else that is no key."""
    if lips is not None and not isinstance(lips, LipsKey):
        raise UsageError(f"lips is {lips!r}; give homeveil.LipsKey(policy), or None")
    return lips


class LipsKey:
    """Openings of mouths over time, and what they say about moments of sound.

    One object for the picture and the sound of one stream: give it to a
    :class:`homeveil.Redactor` and a :class:`homeveil.VoiceGate` of the same policy, both used from
    one thread, on one clock. What the gate has to decide before the picture of that time came
    was not seen. seen_to: time of the newest frame.
    """

    def __init__(self, policy: Policy) -> None:
        self.mode = policy_or_default(policy).lips
        self._stream = 0
        self.forget()

    def forget(self) -> None:
        """As for a new stream."""
        self.seen_to = float("-inf")
        self._asked = float("-inf")
        self._looks: list[_Look] = []
        self._proved: dict[tuple[int, int], tuple[float, float]] = {}

    def begin(self) -> None:
        """Tracks are numbered anew from here on."""
        self._stream += 1

    @property
    def known_to(self) -> float:
        """No later frame says anything about moments before this."""
        return self.seen_to - REACH_SECONDS

    def ask(
        self, seconds: float, tracks: Tracks, holds_still: Callable[[Box], bool]
    ) -> tuple[Box, ...]:
        """Faces whose mouths are to be looked at in the frame of this time: the agent's and the
        largest others, of these first those that do not hold still."""
        self.seen_to = seconds
        if self.mode is Lips.OFF or seconds - self._asked < INTERVAL_SECONDS:
            return ()
        self._asked = seconds
        agent = tracks.agent
        others = [one for one in tracks.tracks if one is not agent]
        others.sort(key=lambda one: (holds_still(one.box), -one.box.area))
        own = [agent] if agent is not None and agent.misses <= MOST_MISSES else []
        return tuple(track.box for track in (*own, *others[:MOST_OTHERS]))

    def take(self, seconds: float, mouths: tuple[Mouth, ...], tracks: Tracks) -> None:
        """What was seen in the frame of this time; ``tracks`` know it already."""
        agent = tracks.agent
        if agent is not None:
            span = (agent.since_seconds, seconds)
            self._proved.setdefault((self._stream, agent.number), span)
        for mouth in mouths:
            track = _nearest(mouth.box, tracks)
            if track is not None:
                face = (self._stream, track.number)
                self._looks.append(_Look(seconds, face, track is agent, mouth.opening))
        if len(self._looks) > 2 * _MOST_LOOKS:
            del self._looks[:_MOST_LOOKS]

    def closes(self, start_seconds: float, end_seconds: float) -> bool:
        """Whether the sound between two times, a moment apart, must not be heard."""
        moment = (start_seconds + end_seconds) / 2
        first = bisect_left(self._looks, moment - REACH_SECONDS, key=_seconds)
        last = bisect_right(self._looks, moment + REACH_SECONDS, key=_seconds)
        own: dict[tuple[int, int], list[_Look]] = {}
        others: dict[tuple[int, int], list[_Look]] = {}
        for look in self._looks[first:last]:
            if look.is_agent:
                own.setdefault(look.face, []).append(look)
            elif not self._was_agent(look):
                others.setdefault(look.face, []).append(look)
        if any(_range(looks) >= OTHER_MOVES for looks in others.values()):
            return True
        moves = [_range(looks) >= MOVES for looks in own.values() if _is_enough(looks)]
        return not all(moves) if moves else self.mode is Lips.REQUIRE

    def _was_agent(self, look: _Look) -> bool:
        """Whether the face was not yet verified when it was looked at, and was for the first time
        after that. One that was and is no longer may be somebody else's."""
        since, proved = self._proved.get(look.face, (0.0, float("-inf")))
        return since < look.seconds <= proved


def _nearest(box: Box, tracks: Tracks) -> Track | None:
    best = max(tracks.tracks, key=lambda track: track.box.overlap(box), default=None)
    return best if best is not None and best.box.overlap(box) >= _SAME else None


def _seconds(look: _Look) -> float:
    return look.seconds


def _range(looks: list[_Look]) -> float:
    openings = [look.opening for look in looks]
    return max(openings) - min(openings)


def _is_enough(looks: list[_Look]) -> bool:
    return len(looks) >= LEAST_LOOKS and looks[-1].seconds - looks[0].seconds >= LEAST_SECONDS
