"""Items over time: one counts when it has persisted, and clears when it stays away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
SEEN_SHARE = 0.7
"""Share of the looks since it was first seen that must have found it."""

PLACE = 0.35
"""Overlap beyond which what is seen now is the item seen before."""

MEMORY = 0.7


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something seen in one look. ``scores``: of KINDS; all zero where nothing was named."""

    box: Box
    scores: NDArray[np.float32]


@dataclass(slots=True)
class Track:
    """One thing at one place."""

    box: Box
    scores: NDArray[np.float32]
    first: float
    last: float
    looks: int = 1
    seen: int = 1
    missed_since: float | None = None
    number: int = 0
    kind: DeskItem | None = None
    waiting: bool = field(default=False)

    def take(self, candidate: Candidate, seconds: float) -> None:
        moved = self.box.overlap(candidate.box) < PLACE
        self.box = candidate.box if moved else _between(self.box, candidate.box)
        self.scores = MEMORY * self.scores + (1 - MEMORY) * candidate.scores
        self.last, self.missed_since = seconds, None
        self.looks += 1
        self.seen += 1

    def miss(self, seconds: float) -> None:
        """Its place was seen, and it was not there."""
        self.looks += 1
        if self.missed_since is None:
            self.missed_since = seconds

    def name(self, surely: NDArray[np.float32]) -> tuple[DeskItem, float]:
        """The likeliest kind and its confidence, unknown below ``surely``, the score of each kind
        from which it is named."""
        best = int(self.scores.argmax())
        score = float(self.scores[best])
        if score >= surely[best]:
            return KINDS[best], score
        return DeskItem.UNKNOWN, max(score, 0.5)


class Tracks:
    """All that lies there, known or not yet."""

    def __init__(self) -> None:
        self.all: list[Track] = []

    def update(
        self,
        candidates: list[Candidate],
        hidden: Callable[[Box], float],
        unsure: Callable[[Box], float],
        seconds: float,
    ) -> None:
        """Take one look's candidates. ``hidden``: how much of a box cannot be seen, 0..1;
        ``unsure``: how much of it cannot be said to be empty."""
        left = list(candidates)
        for track in sorted(self.all, key=lambda one: (not one.number, -one.seen)):
            if not left:
                break
            best = max(left, key=lambda one: track.box.overlap(one.box))
            if track.box.overlap(best.box) >= PLACE or _within(track, best):
                left.remove(best)
                track.take(best, seconds)
        kept = []
        for track in self.all:
            if track.last < seconds and unsure(track.box) < 0.1:
                track.miss(seconds)
            if not self._lost(track, seconds):
                kept.append(track)
        for candidate in left:
            if hidden(candidate.box) < 0.35 and not self._part_of_known(candidate, kept):
                kept.append(Track(candidate.box, candidate.scores.copy(), seconds, seconds))
        self.all = kept

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
        """Whether its place has stayed without it."""
        return track.missed_since is not None and seconds - track.missed_since >= GONE_SECONDS

    def _lost(self, track: Track, seconds: float) -> bool:
        if track.number:
            return False  # the watcher drops it, and says so
        return self.gone(track, seconds) or track.seen < 0.4 * track.looks

    @staticmethod
    def _part_of_known(candidate: Candidate, tracks: list[Track]) -> bool:
        """A piece of an item that is known already, cut off by a hand or a shadow."""
        area = max(candidate.box.area, 1.0)
        return any(
            track.number and track.box.shared(candidate.box) > 0.7 * area for track in tracks
        )


def _within(track: Track, candidate: Candidate) -> bool:
    """The same thing seen in part or merged with a neighbour."""
    shared = track.box.shared(candidate.box)
    return bool(track.number) and shared > 0.8 * min(track.box.area, candidate.box.area)


def _between(old: Box, new: Box) -> Box:
    a, b = MEMORY, 1 - MEMORY
    return Box(
        a * old.x0 + b * new.x0,
        a * old.y0 + b * new.y0,
        a * old.x1 + b * new.x1,
        a * old.y1 + b * new.y1,
    )


NO_NAME: NDArray[np.float32] = np.zeros(len(KINDS), np.float32)
