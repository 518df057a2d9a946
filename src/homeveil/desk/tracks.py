"""Items over time: one counts when it has persisted, and clears when it stays away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil.desk.items import KINDS
from homeveil.desk_rules import DeskItem
from homeveil.grid import Box

HELD_SECONDS = 1.2
"""An item counts when it was seen at one place for this long."""

GONE_SECONDS = 1.6
"""It clears when its place was seen without it for this long."""

LEAST_LOOKS = 4
"""That must have seen it, or its place without it: time in which nobody looked says nothing."""

SEEN_SHARE = 0.7
"""Share of the looks since it was first seen that must have found it."""

PLACE = 0.35
"""Overlap beyond which what is seen now is the item seen before."""

LIES_IN = 0.7
"""Share of a thing that lies in an item's place from which it may be a piece of that."""

CLEARLY_SMALLER = 0.5
"""Of two things of which one lies on the other, the smaller has less than this of the larger."""

MEMORY = 0.7


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something seen in one look. ``scores``: of KINDS; all zero where nothing was named.
    ``kind``: what it looks like, if only faintly; UNKNOWN where it looks like nothing."""

    box: Box
    scores: NDArray[np.float32]
    kind: DeskItem = DeskItem.UNKNOWN


@dataclass(slots=True)
class Track:
    """One thing at one place. ``inside``: it was first seen in the place of an item."""

    box: Box
    scores: NDArray[np.float32]
    first: float
    last: float
    looks: int = 1
    seen: int = 1
    misses: int = 0
    missed_since: float | None = None
    missed_last: float | None = None
    number: int = 0
    kind: DeskItem | None = None
    inside: bool = False

    def take(self, candidate: Candidate, seconds: float) -> None:
        moved = self.box.overlap(candidate.box) < PLACE
        self.box = candidate.box if moved else _between(self.box, candidate.box)
        self.scores = MEMORY * self.scores + (1 - MEMORY) * candidate.scores
        # A clock that was set back must not make it wait until that time comes again.
        self.first = min(self.first, seconds)
        self.last, self.missed_since, self.misses = seconds, None, 0
        self.looks += 1
        self.seen += 1

    def miss(self, seconds: float) -> None:
        """Its place was seen, and it was not there."""
        self.looks += 1
        self.misses += 1
        self.missed_last = seconds
        if self.missed_since is None or self.missed_since > seconds:
            self.missed_since = seconds

    def name(self, surely: NDArray[np.float32]) -> DeskItem:
        """See ``named``."""
        return named(self.scores, surely)

    def holds(self, box: Box) -> bool:
        """Whether this is an item that counts already and ``box`` lies in its place."""
        return bool(self.number) and self.box.shared(box) > LIES_IN * max(box.area, 1.0)

    def another(self, box: Box, kind: DeskItem) -> bool:
        """Whether what is named ``kind`` is no piece of this item and not this item with more
        around it, but lies on it or under it: of another kind, clearly smaller or larger."""
        if self.kind in (None, kind) or kind is DeskItem.UNKNOWN:
            return False
        smaller, larger = sorted((self.box.area, box.area))
        return smaller < CLEARLY_SMALLER * larger


class Tracks:
    """All that lies there, known or not yet."""

    def __init__(self) -> None:
        self.all: list[Track] = []

    def update(
        self,
        candidates: list[Candidate],
        hidden: Callable[[Box], float],
        unsure: Callable[[Track], float],
        seconds: float,
    ) -> None:
        """Take one look's candidates. ``hidden``: how much of a box cannot be seen, 0..1;
        ``unsure``: how much of a track's place cannot be said to be without it."""
        left = list(candidates)
        idle = sorted(self.all, key=lambda one: (not one.number, -one.seen))
        # First what lies at its own place: a neighbour must not take that for a part of itself.
        for fits in (_at_place, _within):
            idle = [track for track in idle if not _took(track, left, fits, seconds)]
        for candidate in left:
            if hidden(candidate.box) < 0.35 and not self._part_of_known(candidate):
                new = Track(candidate.box, candidate.scores.copy(), seconds, seconds)
                new.inside = bool(self.around(new))
                self.all.append(new)
        for track in self.all:
            if track.last != seconds and unsure(track) < 0.1:
                track.miss(seconds)
        self.all = [track for track in self.all if not self._lost(track, seconds)]

    def around(self, track: Track) -> list[Track]:
        """Items that count already, whatever they are, and in whose place ``track`` lies."""
        return [one for one in self.all if one is not track and one.holds(track.box)]

    def on(self, track: Track) -> list[Track]:
        """What came to lie in the place of this item and does not count (yet)."""
        inside = [one for one in self.all if one.inside and not one.number]
        return [one for one in inside if track.holds(one.box)]

    @staticmethod
    def ripe(track: Track, seconds: float) -> bool:
        """Whether it has persisted."""
        return (
            track.last == seconds
            and seconds - track.first >= HELD_SECONDS
            and track.seen >= LEAST_LOOKS
            and track.seen >= SEEN_SHARE * track.looks
        )

    @staticmethod
    def gone(track: Track, seconds: float) -> bool:
        """Whether its place has stayed without it, up to this look."""
        if track.missed_since is None or track.missed_last != seconds:
            return False
        return track.misses >= LEAST_LOOKS and seconds - track.missed_since >= GONE_SECONDS

    def _lost(self, track: Track, seconds: float) -> bool:
        if track.number:
            return False  # the watcher drops it, and says so
        return self.gone(track, seconds) or track.seen < 0.4 * track.looks

    def _part_of_known(self, candidate: Candidate) -> bool:
        """A piece of an item that is known already, cut off by a hand or a shadow."""
        box, kind = candidate.box, candidate.kind
        return any(track.holds(box) and not track.another(box, kind) for track in self.all)


def named(scores: NDArray[np.float32], surely: NDArray[np.float32]) -> DeskItem:
    """The likeliest kind; UNKNOWN below ``surely``, the score of each kind from which it is
    named."""
    best = int(scores.argmax())
    return KINDS[best] if scores[best] >= surely[best] else DeskItem.UNKNOWN


def _took(
    track: Track,
    left: list[Candidate],
    fits: Callable[[Track, Candidate], bool],
    seconds: float,
) -> bool:
    """Whether one of ``left`` is what was followed; it is taken out of them."""
    mine = [one for one in left if fits(track, one) and not track.another(one.box, one.kind)]
    if not mine:
        return False
    best = max(mine, key=lambda one: track.box.overlap(one.box))
    left.remove(best)
    track.take(best, seconds)
    return True


def _at_place(track: Track, candidate: Candidate) -> bool:
    return track.box.overlap(candidate.box) >= PLACE


def _within(track: Track, candidate: Candidate) -> bool:
    """The same thing seen in part or merged with a neighbour. Something nameless in the place of
    what has a name may be what is left there: whether that is still there, its place says."""
    smaller, larger = sorted((track.box.area, candidate.box.area))
    if not track.number or track.box.shared(candidate.box) <= 0.8 * smaller:
        return False
    return candidate.box.area == larger or candidate.kind is track.kind


def _between(old: Box, new: Box) -> Box:
    a, b = MEMORY, 1 - MEMORY
    return Box(
        a * old.x0 + b * new.x0,
        a * old.y0 + b * new.y0,
        a * old.x1 + b * new.x1,
        a * old.y1 + b * new.y1,
    )


NO_NAME: NDArray[np.float32] = np.zeros(len(KINDS), np.float32)
