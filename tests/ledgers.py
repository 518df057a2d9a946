"""Ledgers of made-up frames, for tests and benchmarks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Grid
from homeveil.ledger.writer import Head, Ledger
from homeveil.policy import Policy, Style
from homeveil.veil.painter import Veil

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = Head("ab" * 32, {"people_mask_wide": "cd" * 32}, "0.1.0", "off")
SIZE = (32, 32)


def veiled(seconds: float, *, fault: bool = False, seed: int = 0) -> VeiledFrame:
    """A small frame of noise that went through the veil."""
    width, height = SIZE
    rng = np.random.default_rng(seed)
    planes = tuple(
        rng.integers(0, 255, shape, np.uint8)
        for shape in plane_shapes(PixelFormat.I420, width, height)
    )
    time = Timestamp(round(seconds * 1000), Fraction(1, 1000))
    grid = Grid.over(width, height)
    cells = np.zeros(grid.shape, bool)
    colours = np.full((*grid.shape, 3), 128, np.uint8)
    raw = RawFrame(planes, PixelFormat.I420, width, height, time)
    return Veil(grid, Policy(style=Style.FILL)).paint(raw, cells, colours, ~cells, fault=fault)


def written(path: Path, seconds: float, step: float = 2.5, output: Path | None = None) -> Path:
    """A ledger over ``seconds`` of frames, one every ``step``, and over ``output`` if given."""
    with Ledger(path, HEAD, key=KEY) as ledger:
        number = 0
        while number * step < seconds:
            ledger.frame(veiled(number * step, seed=number % 7, fault=number == 3))
            number += 1
        if output is not None:
            ledger.finish(output, frames_in=number)
    return path
