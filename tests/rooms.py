"""Rooms for tests: textured pictures, and things that move through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from homeveil.clear.evidence import BANDS
from homeveil.fakes import fake_frames
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, CellWindow, FloatGrid
from homeveil.perceive.observation import Observation, PeopleLook

WIDTH, HEIGHT, CELL = 320, 240, 8

Picture = NDArray[np.uint8]


def texture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Blocks of random grey with a fine pattern: every place is told from every other."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(50, 200, (-(-height // 8), -(-width // 8))).repeat(8, 0).repeat(8, 1)
    fine = rng.integers(-12, 13, (height, width))
    return np.clip(coarse[:height, :width] + fine, 0, 255).astype(np.uint8)


def with_patch(room: Picture, patch: Picture, x: int, y: int) -> Picture:
    """``room`` with ``patch`` at (x, y), cut at the rim."""
    picture = room.copy()
    rows, columns = picture[max(y, 0) : y + patch.shape[0], max(x, 0) : x + patch.shape[1]].shape
    if rows > 0 and columns > 0:
        top, left = max(-y, 0), max(-x, 0)
        picture[max(y, 0) : max(y, 0) + rows, max(x, 0) : max(x, 0) + columns] = patch[
            top : top + rows, left : left + columns
        ]
    return picture


def frames(picture: Callable[[int], Picture], count: int, rate: float = 10.0) -> list[RawFrame]:
    """``count`` frames of ``picture(number)``."""
    return list(fake_frames(picture, count, frames_per_second=rate))


def shown(raw: Picture, out: Picture, x0: int, y0: int, x1: int, y1: int) -> float:
    """Share of the samples of a box that left as they came."""
    box = (slice(max(y0, 0), y1), slice(max(x0, 0), x1))
    return float((raw[box] == out[box]).mean()) if raw[box].size else 0.0


def looks(seen: BoolGrid) -> tuple[PeopleLook, ...]:
    """One of the whole room at every scanning scale, surely of somebody in the cells ``seen``."""
    window, probability = CellWindow(0, 0, *seen.shape), seen.astype(np.float32)
    return tuple(PeopleLook(window, band, probability) for band in range(1, BANDS))


def with_masks(seen: Observation, near: FloatGrid) -> Observation:
    """``seen``, with what every mask saw cut out of ``near``."""

    def of(look: PeopleLook) -> PeopleLook:
        return replace(look, probability=near[look.window.index])

    return replace(
        seen,
        wide=of(seen.wide) if seen.wide is not None else None,
        close=of(seen.close) if seen.close is not None else None,
        people=tuple(map(of, seen.people)),
        checks=tuple(map(of, seen.checks)),
    )
