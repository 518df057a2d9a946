"""Frames as they are handed on."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.errors import FrameError
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


GOOD = [np.zeros((22, 30), np.uint8), np.zeros((11, 15), np.uint8), np.zeros((11, 15), np.uint8)]


@pytest.mark.parametrize(
    ("index", "plane"),
    [
        pytest.param(0, np.zeros((21, 30), np.uint8), id="a row less"),
        pytest.param(0, np.zeros((22, 29), np.uint8), id="a column less"),
        pytest.param(2, np.zeros((10, 15), np.uint8), id="less chroma"),
        pytest.param(1, np.zeros((11, 15), np.int8), id="signed"),
        pytest.param(1, np.zeros((11, 30), np.uint8)[:, ::2], id="every other column"),
        pytest.param(1, np.zeros((11, 15), np.uint8)[:, ::-1], id="columns turned round"),
    ],
)
def test_planes_that_do_not_fit_are_no_frame(index: int, plane: np.ndarray) -> None:
    """The kernels would read and write past their ends."""
    time = Timestamp.from_seconds(0)
    RawFrame(tuple(GOOD), PixelFormat.I420, 30, 22, time)
    planes = tuple(plane if number == index else one for number, one in enumerate(GOOD))
    with pytest.raises(FrameError, match=f"plane {index}"):
        RawFrame(planes, PixelFormat.I420, 30, 22, time)
    with pytest.raises(FrameError, match="needs 3 planes"):
        RawFrame(planes[:2], PixelFormat.I420, 30, 22, time)
