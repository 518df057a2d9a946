"""Frames from arrays of one's own, and arrays from veiled frames."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.errors import FrameError
from homeveil.frames import Colour, PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes

Layout = Literal["rgb", "bgr", "i420", "nv12"]


def frame_from_array(array: NDArray[np.uint8], layout: Layout, seconds: float) -> RawFrame:
    """A raw frame from an array of one's own; the array is copied.

    array: ``rgb`` and ``bgr`` (height, width, 3); ``i420`` and ``nv12`` (height * 3 / 2,
    width) as OpenCV and GStreamer lay them out, even sides only. uint8.
    seconds: presentation time, in seconds, increasing from frame to frame. Raises FrameError.
    """
    time = Timestamp.from_seconds(seconds)
    if not isinstance(array, np.ndarray):
        raise FrameError(f"picture is {type(array).__name__}; give a numpy array")
    if layout in ("rgb", "bgr"):
        planes = _kernels.from_rgb(array, bgr=layout == "bgr")
        height, width = array.shape[:2]
        return RawFrame(planes, PixelFormat.I420, width, height, time, Colour(matrix=6))
    _check_layout(layout)
    if array.ndim != 2 or array.dtype != np.uint8 or array.shape[0] % 3 or array.shape[1] % 2:
        raise FrameError(
            f"{layout} array is {array.shape} {array.dtype}, expected (height * 3 / 2, width) uint8"
        )
    height, width = array.shape[0] // 3 * 2, array.shape[1]
    pixel_format = PixelFormat(layout)
    flat = np.ascontiguousarray(array).reshape(-1).copy()
    split, start = [], 0
    for rows, columns in plane_shapes(pixel_format, width, height):
        split.append(flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return RawFrame(tuple(split), pixel_format, width, height, time)


def array_from_frame(frame: VeiledFrame, layout: Layout = "rgb") -> NDArray[np.uint8]:
    """The picture of a veiled frame as an array, laid out as in ``frame_from_array``. Raises
    FrameError for ``i420`` and ``nv12`` where the frame is the other, or has odd sides."""
    if not isinstance(frame, VeiledFrame):
        raise FrameError(f"array_from_frame() takes a VeiledFrame, not {type(frame).__name__}")
    if layout in ("rgb", "bgr"):
        rgb = _kernels.to_rgb(frame)
        return rgb if layout == "rgb" else np.ascontiguousarray(rgb[..., ::-1])
    _check_layout(layout)
    if frame.pixel_format.value != layout:
        raise FrameError(
            f"the frame is {frame.pixel_format.value}, not {layout}; give what it is, rgb or bgr"
        )
    if frame.width % 2 or frame.height % 2:
        raise FrameError(f"{layout} arrays need even sides, not {frame.width}x{frame.height}")
    flat = np.concatenate([plane.reshape(-1) for plane in frame.planes])
    return flat.reshape(frame.height * 3 // 2, frame.width)


def _check_layout(layout: str) -> None:
    if layout not in ("i420", "nv12"):
        raise FrameError(f"layout is {layout!r}; give rgb, bgr, i420 or nv12")
