"""How large an item would look were it seen whole."""

from __future__ import annotations

import numpy as np


def outline_area(points: np.ndarray) -> float:
    """Area of the convex hull of (n, 2) points, in their unit squared (Andrew's chains)."""
    ordered = sorted(map(tuple, np.asarray(points, float)))
    hull: list[tuple[float, float]] = []
    for run in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in run:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        hull += chain[:-1]
    around = zip(hull, hull[1:] + hull[:1], strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in around)) / 2
