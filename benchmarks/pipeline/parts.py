"""Where a frame's time goes: the parts of the engine, timed as they are called."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from homeveil import _kernels
from homeveil.clear.clearance import Clearance
from homeveil.frames import RawFrame
from homeveil.perceive.faces import FaceBoxes
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.networks import FaceFinder, FaceMesh, PoseNetwork, Segmenter
from homeveil.perceive.people import PeopleMask
from homeveil.veil.painter import Veil

PARTS: tuple[tuple[Any, str, str], ...] = (
    (Segmenter, "probability", "network: people mask"),
    (FaceFinder, "faces", "network: faces"),
    (FaceMesh, "points", "network: face mesh"),
    (PoseNetwork, "body", "network: pose"),
    (FaceIdentity, "compare", "identity, with its networks"),
    (PeopleMask, "whole", "look for people, whole"),
    (PeopleMask, "close_up", "look for people, window"),
    (FaceBoxes, "look", "look for faces"),
    (FaceBoxes, "confirm", "confirm a face"),
    (Clearance, "begin", "clear: what changed"),
    (Clearance, "request", "clear: what to look at"),
    (Clearance, "finish", "clear: decide"),
    (Clearance, "resolve", "clear: resolve"),
    (Veil, "paint", "veil"),
    (_kernels, "thumbnail", "kernel: thumbnail"),
    (_kernels, "change", "kernel: change"),
    (_kernels, "copy_cells", "kernel: copy cells"),
    (_kernels, "cell_means", "kernel: cell means"),
    (_kernels, "explain", "kernel: explain"),
    (_kernels, "grow", "kernel: grow"),
    (_kernels, "paint", "kernel: paint"),
)


@dataclass(slots=True)
class Spent:
    """calls, processor seconds of the calling thread, and bytes of planes read and written
    (what the kernel must touch, computed from its arguments)."""

    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass(slots=True)
class Ledger:
    """Spent by part."""

    parts: dict[str, Spent] = field(default_factory=dict)

    def rows(self, frames: int) -> list[dict[str, object]]:
        """Per frame, the dearest first."""
        ordered = sorted(self.parts.items(), key=lambda item: -item[1].seconds)
        return [
            {
                "part": name,
                "calls": round(spent.calls / frames, 2),
                "cpu_ms": round(1000 * spent.seconds / frames, 3),
                "mib": round(spent.bytes / frames / 2**20, 3),
            }
            for name, spent in ordered
        ]


@contextmanager
def timed() -> Iterator[Ledger]:
    """Within, every part is timed. Parts hold other parts; the times are not to be added."""
    ledger = Ledger()
    patches = [
        patch.object(owner, name, _wrapped(getattr(owner, name), name, label, ledger))
        for owner, name, label in PARTS
    ]
    for one in patches:
        one.start()
    try:
        yield ledger
    finally:
        for one in patches:
            one.stop()


def _wrapped(
    function: Callable[..., Any], name: str, label: str, ledger: Ledger
) -> Callable[..., Any]:
    spent = ledger.parts.setdefault(label, Spent())
    moved = _BYTES.get(name) if label.startswith("kernel") else None

    def wrapper(*arguments: Any, **named: Any) -> Any:
        begin = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            spent.seconds += time.thread_time() - begin
            spent.calls += 1
            if moved is not None:
                spent.bytes += moved(*arguments)

    return wrapper


def _size(frame: RawFrame) -> int:
    return sum(plane.nbytes for plane in frame.planes)


def _share(cells: np.ndarray) -> float:
    return float(cells.mean())


def _thumbnail(frame: RawFrame, region: Any, size: tuple[int, int]) -> int:
    inside = max(0.0, min(region.x1, frame.width) - max(region.x0, 0)) * max(
        0.0, min(region.y1, frame.height) - max(region.y0, 0)
    )
    return round(1.5 * inside) + 3 * size[0] * size[1]


_BYTES: dict[str, Callable[..., int]] = {
    "thumbnail": _thumbnail,
    "change": lambda frame, reference, cell, *rest: 2 * _size(frame),
    "copy_cells": lambda target, frame, cell, cells: round(2 * _share(cells) * _size(frame)),
    "cell_means": lambda frame, cell: _size(frame),
    "explain": lambda frame, other, cell, known, cells, *rest: round(
        2 * _share(cells) * _size(frame)
    ),
    "paint": lambda frame, cell, withheld, *rest: round(_share(withheld) * _size(frame)),
}
