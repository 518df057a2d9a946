"""What lies on what: telephones, pens, sheets and more on papers, books, keyboards and laptops.

`sketch.py` and `render.py` place it; each finds by its own means how high the thing beneath is there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

BENEATH = {
    "paper": (0.2, 0.28), "notebook": (0.2, 0.24), "keyboard": (0.36, 0.1), "laptop": (0.3, 0.2),
}
"""Metres round the middle of a thing over which the middles of others lie."""

ON_TOP = {
    "phone": 5.0, "pen": 3.0, "paper": 1.5, "notebook": 1.5, "camera": 1.0, "mug": 0.8, "other": 0.8,
    "mouse": 0.6,
}
"""How often each kind lies on another."""

FOOTPRINT = {
    "phone": (0.03, 0.07), "pen": (0.0, 0.07), "paper": (0.09, 0.12), "notebook": (0.08, 0.1),
    "camera": (0.04, 0.03), "mouse": (0.025, 0.05),
}
"""Metres to either side of the middle at which what is beneath must be known."""

COVERED = 0.6
"""Share of the things that others can lie on on which some do."""

HIGHEST = 0.15
"""Metres; what is higher, such as a laptop's lid, carries nothing."""

APART = 0.1
ABOVE = 5e-4
"""Metres between a thing and what it lies on."""


class Laid(NamedTuple):
    """``kind`` on the thing of index ``base``, at x, y and angle in that one's frame."""

    kind: str
    base: int
    x: float
    y: float
    turn: float

    def lifted(self, height: Callable[[float, float], float | None]) -> float | None:
        """How high the thing lies; None where it cannot. height: of what is beneath at a place in
        its own frame, None beside it."""
        heights = [height(x, y) for x, y in self._over()]
        known = [one for one in heights if one is not None]
        return None if heights[0] is None or max(known) > HIGHEST else max(known) + ABOVE

    def _over(self) -> list[tuple[float, float]]:
        """Places in the frame of what is beneath, the middle first, over which the thing lies."""
        half_width, half_depth = FOOTPRINT.get(self.kind, (0.035, 0.035))
        c, s = math.cos(self.turn), math.sin(self.turn)
        steps = [(0.0, 0.0)] + [(a, b) for a in (-1, 0, 1) for b in (-1, -0.5, 0.5, 1)]
        offsets = [(a * half_width, b * half_depth) for a, b in steps]
        return [(self.x + c * a - s * b, self.y + s * a + c * b) for a, b in offsets]


def laid(rng: random.Random, kinds: list[str]) -> list[Laid]:
    """What lies on things of ``kinds``; none lies on what was laid itself."""
    found: list[Laid] = []
    for base, beneath in enumerate(kinds):
        if beneath not in BENEATH or rng.random() > COVERED:
            continue
        width, depth = BENEATH[beneath]
        middles: list[tuple[float, float]] = []
        for _ in range(rng.choice((1, 1, 1, 2))):
            kind = rng.choices(list(ON_TOP), list(ON_TOP.values()))[0]
            x, y = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
            turn = rng.gauss(0, 0.25) if rng.random() < 0.5 else rng.uniform(0, 2 * math.pi)
            if all(math.hypot(x - a, y - b) > APART for a, b in middles):
                middles.append((x, y))
                found.append(Laid(kind, base, x, y, turn))
    return found
