"""Tracks: faces followed from frame to frame, and what they have proved to be.

A track starts unknown. It becomes the agent when two of its last three comparisons were
good and the median of the last five is good too, so that a look-alike who passes now and
then earns nothing. It stops being the agent at once when its face jumps, when another face
covers it, or after two bad comparisons in a row. Where a track sits counts for nothing, and a
face that changed at a bound, as at a cut, must be compared at once. What comparisons take away
is taken away since the last one that did not speak against the agent.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field

from homeveil.clear.camera import CameraMotion
from homeveil.clear.evidence import worth
from homeveil.grid import Box
from homeveil.perceive.observation import Face, Identity
from homeveil.policy import Policy
from homeveil.profile.template import Profile

MAX_YAW_DEGREES = 35.0
RATIO_VETO = 0.12
"""A ratio further than this from the enrolled one withdraws a good comparison."""

SPREAD_MARGIN = 0.08
EARN_MARGIN = 0.03
SPREAD_FLOOR = 0.34
"""The agent's own spread at enrollment plus a margin bounds the distance of a good look,
and more tightly the median by which a track earns its identity: the agent's own looks lie
well inside, a look-alike's scatter about the bound. The bound is never put below the
floor: other days and lights spread wider than one enrollment."""

ANSWER_SECONDS = 0.5
"""How long a face that changed at a bound may wait for a good comparison."""

UNPROVED_SECONDS = 30.0
"""How long a face that no comparison can be made of, as one turned away, stays the agent's."""

_SAME = 0.2
_JUMP = 0.9
_COVERED = 0.35
_SURE_SCORE = 0.6
_MOST_MISSES = 3
_LIKELY_SCORE = 0.4


@dataclass(slots=True, eq=False)
class Track:
    """One face over time. A track that stops being the agent gets another number. misses: perceived
    frames without it. since_seconds: no comparison after this spoke against what it is.
    proved_seconds, fair_seconds: of the last good comparison, and of the last that was not bad.
    questioned_seconds: when it changed at a bound, until it is compared.
    """

    number: int
    box: Box
    score: float
    seen_seconds: float
    since_seconds: float = float("-inf")
    proved_seconds: float = float("-inf")
    fair_seconds: float = float("-inf")
    questioned_seconds: float | None = None
    sightings: int = 1
    misses: int = 0
    is_agent: bool = False
    was_compared_seconds: float = float("-inf")
    distances: deque[float] = field(default_factory=lambda: deque(maxlen=5))
    verdicts: deque[bool | None] = field(default_factory=lambda: deque(maxlen=3))

    @property
    def is_sure(self) -> bool:
        """Whether this is a face at all, for the purpose of claiming what is near it."""
        return self.score >= _SURE_SCORE or (
            self.score >= _LIKELY_SCORE and self.sightings >= 2
        )


class Tracks:
    """All tracks of a stream. Call ``update`` once per perceived frame."""

    def __init__(self, profile: Profile | None, policy: Policy) -> None:
        self._policy = policy
        self._profile = profile
        self._next = 0
        self.tracks: list[Track] = []
        self._disproved: list[tuple[int, float]] = []
        spread = profile.face.spread if profile is not None and profile.face is not None else 0.0
        self.accept_distance = min(
            policy.accept_distance, max(SPREAD_FLOOR, spread + SPREAD_MARGIN)
        )
        self.earn_distance = min(
            self.accept_distance, max(SPREAD_FLOOR, spread + EARN_MARGIN)
        )

    def forget(self) -> None:
        """Nobody is followed any more: whoever is seen next starts unknown."""
        self.tracks = []

    def carry(self, motion: CameraMotion) -> None:
        """The camera moved: every face is looked for where it must be now."""
        for track in self.tracks:
            track.box = motion.box(track.box)

    def doubt(self, seconds: float) -> None:
        """Whatever was proved must be proved again."""
        for track in self.tracks:
            self._lose(track, seconds)

    def question(self, seconds: float) -> None:
        """The agent's face changed at a bound: somebody else's may be there now."""
        agent = self.agent
        if agent is not None and agent.questioned_seconds is None:
            agent.questioned_seconds = seconds

    def disproved(self) -> list[tuple[int, float]]:
        """Numbers that stopped being the agent's, each with the last time they surely were; told
        once."""
        told, self._disproved = self._disproved, []
        return told

    @property
    def agent(self) -> Track | None:
        """The verified track, if exactly one is."""
        agents = [track for track in self.tracks if track.is_agent]
        return agents[0] if len(agents) == 1 else None

    def candidate(self) -> Track | None:
        """The track most likely to prove the agent, for looks that must not wait."""
        if self.agent is not None:
            return self.agent
        hopeful = [track for track in self.tracks if track.distances and track.misses < 3]
        if not hopeful:
            return None
        best = min(hopeful, key=lambda track: statistics.median(track.distances))
        near = statistics.median(best.distances) <= self._policy.drop_distance
        return best if near else None

    def settled(self, seconds: float) -> tuple[Box, ...]:
        """Faces that need no comparison now."""
        return tuple(
            track.box
            for track in self.tracks
            if track.distances
            and seconds - track.was_compared_seconds < self._interval(track)
            and not self._is_undecided(track)
        )

    def _interval(self, track: Track) -> float:
        """The agent is compared more often: an exchange must be noticed soon."""
        interval = self._policy.verify_interval_seconds
        return interval / 4 if track.is_agent else interval

    def _is_undecided(self, track: Track) -> bool:
        if track.is_agent and (track.questioned_seconds is not None or self._is_bad(track)):
            return True
        return len(track.verdicts) < 3 or (True in track.verdicts) != track.is_agent

    def _is_bad(self, track: Track) -> bool:
        """Whether the last comparison spoke against the agent."""
        return bool(track.distances) and track.distances[-1] > self._policy.drop_distance

    def update(
        self,
        faces: tuple[Face, ...],
        identities: tuple[Identity, ...],
        seconds: float,
        looked: Box | None = None,
    ) -> None:
        """Match faces to tracks, then take in the comparisons.

        looked: where faces were looked for, None for everywhere; a track elsewhere is not
        missed.
        """
        free = list(faces)
        for track in sorted(self.tracks, key=lambda track: not track.is_agent):
            face = _nearest(track, free)
            if face is None:
                if looked is not None and not looked.holds(track.box):
                    continue
                track.misses += 1
                if track.is_agent and any(_jumped(track.box, one.box) for one in free):
                    self._lose(track, seconds)
                continue
            free.remove(face)
            self._follow(track, face, seconds)
        for face in free:
            self.tracks.append(Track(self._number(), face.box, worth(face), seconds))
        for identity in identities:
            self._take_in(identity, seconds)
        self._drop_covered(seconds)
        self._drop_unproved(seconds)
        self.tracks = [track for track in self.tracks if self._lives(track, seconds)]

    def _follow(self, track: Track, face: Face, seconds: float) -> None:
        size = max(track.box.width, track.box.height)
        x0, y0 = track.box.centre
        x1, y1 = face.box.centre
        if track.is_agent and max(abs(x1 - x0), abs(y1 - y0)) > _JUMP * size:
            self._lose(track, seconds)
        track.box = face.box
        track.score = max(worth(face), 0.9 * track.score)
        track.seen_seconds = seconds
        track.sightings += 1
        track.misses = 0

    def _take_in(self, identity: Identity, seconds: float) -> None:
        best = max(
            self.tracks, key=lambda track: track.box.overlap(identity.face.box), default=None
        )
        if best is None or best.box.overlap(identity.face.box) < 0.5:
            return
        best.was_compared_seconds = seconds
        verdict = self._verdict(identity)
        if verdict is None or identity.distance <= self._policy.drop_distance:
            best.fair_seconds = seconds
        if verdict is None:
            return
        best.distances.append(identity.distance)
        best.verdicts.append(verdict)
        if verdict:
            best.proved_seconds = seconds
            best.questioned_seconds = None
        self._judge(best, identity.distance, seconds)

    def _verdict(self, identity: Identity) -> bool | None:
        """True: the agent; False: somebody else; None: this look cannot tell."""
        if self._profile is None:
            return False
        if abs(identity.yaw_degrees) > MAX_YAW_DEGREES:
            return None
        if identity.distance > self.accept_distance:
            return False
        return not self._vetoed(identity)

    def _vetoed(self, identity: Identity) -> bool:
        """Ratios unlike the agent's own may withdraw a good look; they never grant one."""
        if self._profile is None or abs(identity.yaw_degrees) > MAX_YAW_DEGREES / 2:
            return False
        for name, enrolled in self._profile.ratios.items():
            seen = identity.ratios.get(name)
            if seen is not None and enrolled > 0 and abs(seen / enrolled - 1) > RATIO_VETO:
                return name == "cheeks_to_height"
        return False

    def _judge(self, track: Track, distance: float, seconds: float) -> None:
        if track.is_agent:
            recent = list(track.distances)[-2:]
            if track.questioned_seconds is not None and self._is_bad(track):
                self._disprove(track, seconds, math.nextafter(track.questioned_seconds, -math.inf))
            elif len(recent) == 2 and min(recent) > self._policy.drop_distance:
                self._disprove(track, seconds, track.fair_seconds)
            return
        if self._is_bad(track):
            track.since_seconds = seconds
        good = sum(verdict is True for verdict in track.verdicts)
        median = statistics.median(track.distances)
        taken = self.agent
        if good >= 2 and median <= self.earn_distance and distance <= self.accept_distance:
            if taken is not None and taken is not track:
                # Two faces cannot both be the agent; neither is, until one proves it again.
                self._lose(taken, seconds)
                self._lose(track, seconds)
                return
            track.is_agent = True

    def _disprove(self, track: Track, seconds: float, last_seconds: float) -> None:
        """It is not the agent, and was not after ``last_seconds``."""
        self._disproved.append((track.number, last_seconds))
        self._lose(track, seconds)

    def _lose(self, track: Track, seconds: float) -> None:
        """From now on nothing is known of whose face this is."""
        track.number = self._number()
        track.since_seconds = seconds
        track.is_agent = False
        track.questioned_seconds = None
        track.verdicts.clear()
        track.distances.clear()

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _drop_unproved(self, seconds: float) -> None:
        """A face that cannot be compared stays the agent's for a while only."""
        agent = self.agent
        if agent is None:
            return
        asked = agent.questioned_seconds
        if asked is not None and seconds - asked > ANSWER_SECONDS:
            self._disprove(agent, seconds, math.nextafter(asked, -math.inf))
        elif seconds - agent.proved_seconds > UNPROVED_SECONDS:
            self._lose(agent, seconds)

    def _drop_covered(self, seconds: float) -> None:
        agent = self.agent
        if agent is None:
            return
        for other in self.tracks:
            if other is agent or other.misses or not other.is_sure:
                continue
            smaller = min(agent.box.area, other.box.area)
            if smaller > 0 and agent.box.shared(other.box) / smaller > _COVERED:
                self._lose(agent, seconds)
                return

    def _lives(self, track: Track, seconds: float) -> bool:
        unseen = seconds - track.seen_seconds
        return unseen <= (3.0 if track.is_sure or track.is_agent else 0.5)


def _jumped(before: Box, now: Box) -> bool:
    """Whether a face without a track may be the one that just vanished near by."""
    size = max(before.width, before.height)
    x0, y0 = before.centre
    x1, y1 = now.centre
    similar = 0.5 < now.area / max(before.area, 1.0) < 2.0
    return similar and max(abs(x1 - x0), abs(y1 - y0)) < 2 * size


def _nearest(track: Track, faces: list[Face]) -> Face | None:
    best = max(faces, key=lambda face: track.box.overlap(face.box), default=None)
    if best is None or track.box.overlap(best.box) >= _SAME:
        return best
    size = max(track.box.width, track.box.height)
    x, y = track.box.centre

    def away(face: Face) -> float:
        fx, fy = face.box.centre
        return max(abs(fx - x), abs(fy - y))

    near = min(faces, key=away)
    similar = 0.6 < near.box.area / max(track.box.area, 1.0) < 1.7
    within = 0.6 * size * min(1 + track.misses, _MOST_MISSES)
    return near if similar and away(near) < within else None
