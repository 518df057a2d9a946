"""A card: a picture and a stretch of sound made of nothing, for when there is nothing cleared
to show."""

from __future__ import annotations

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.frames import _SEAL, Colour, PixelFormat, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Grid
from homeveil.policy import Policy, Style
from homeveil.veil.painter import NEUTRAL, yuv


def card(
    width: int, height: int, time: Timestamp, policy: Policy, described: Colour | None = None
) -> VeiledFrame:
    """A picture in the colour of places that were never cleared, withheld whole for a fault.
    described: as the pictures round it are; encoders believe the first one."""
    colour = yuv(policy.fill_colour) if policy.style is Style.FILL else NEUTRAL
    shapes = plane_shapes(PixelFormat.I420, width, height)
    planes = tuple(
        np.full(shape, value, np.uint8) for shape, value in zip(shapes, colour, strict=True)
    )
    grid = Grid.over(width, height)
    return VeiledFrame(
        planes,
        PixelFormat.I420,
        width,
        height,
        time,
        described or Colour(),
        withheld=np.ones(grid.shape, bool),
        agent=np.zeros(grid.shape, bool),
        fault=True,
        seal=_SEAL,
    )


def silence(rate: int, channels: int, count: int, time: Timestamp) -> VeiledAudio:
    """``count`` samples of nothing."""
    return VeiledAudio(np.zeros((channels, count), np.float32), rate, time, 0.0, _SEAL)
