"""What the desk's watcher finds: the only thing that goes from seeing to telling."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from homeveil.desk_rules import DeskItem


class Change(enum.StrEnum):
    """``APPEARED``: an item came to rest. ``CLEARED``: it is gone. ``CLEAN``: nothing that is
    not permitted lies in the zone any more."""

    APPEARED = "appeared"
    CLEARED = "cleared"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Finding:
    """One change on the desk. It never leaves as it is: :mod:`homeveil.desk.events` makes of
    it what may.

    zone: name of the zone. item: what it is; None for CLEAN. number: the same for an item's
    APPEARED and CLEARED, counted from 1; 0 for CLEAN. confidence: 0..1. seconds: time of the
    frame, on the clock of the picture.
    """

    change: Change
    zone: str
    item: DeskItem | None
    number: int
    confidence: float
    seconds: float
