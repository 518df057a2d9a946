"""Frames as they are handed on."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.frames import PixelFormat, RawFrame, Timestamp, plane_shapes


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_copy_shares_no_memory_and_has_no_gaps(pixel_format: PixelFormat) -> None:
    shapes = plane_shapes(pixel_format, 30, 22)
    padded = [np.full((height + 2, width + 64), 7, np.uint8) for height, width in shapes]
    views = tuple(
        plane[:height, :width] for plane, (height, width) in zip(padded, shapes, strict=True)
    )
    frame = RawFrame(views, pixel_format, 30, 22, Timestamp.from_seconds(0))
    copied = frame.copy()
    for plane in padded:
        plane[:] = 0
    for plane in copied.planes:
        assert plane.flags.c_contiguous
        assert (plane == 7).all()
