"""Between FFmpeg's pictures and the planes of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from homeveil.frames import (
    Colour,
    PixelFormat,
    Plane,
    RawFrame,
    Timestamp,
    VeiledFrame,
    plane_shapes,
)
from homeveil.media import _av

_AS_THEY_ARE = {
    "yuv420p": PixelFormat.I420,
    "yuvj420p": PixelFormat.I420,
    "nv12": PixelFormat.NV12,
}
_NOT_YUV = (
    "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "bayer",
    "gray", "ya", "mono", "pal", "xyz",
)  # fmt: skip
_LIMITED, _FULL = 1, 2
_BT709, _BT601 = 1, 6
_SWS_BT709, _SWS_BT601 = 1, 5


@dataclass(frozen=True, slots=True)
class Turn:
    """How stored planes become upright: transpose first, then mirror.

    ``transpose`` swaps rows and columns; ``mirror_x`` and ``mirror_y`` then reverse
    columns and rows. The eight combinations are all that right angles and mirrors give.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def __bool__(self) -> bool:
        return self.transpose or self.mirror_x or self.mirror_y

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Turn:
        """From a display matrix (ISO/IEC 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy),
        nine 32-bit numbers; other angles go to the nearest right one."""
        a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def plane(self, plane: Plane, samples: int) -> Plane:
        """``plane`` upright in memory of its own; ``samples`` interleaved per column."""
        pixels: NDArray[np.uint8] = plane.reshape(plane.shape[0], -1, samples)
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        pixels = pixels[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]
        return np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)


def turn_of(picture: _av.VideoFrame) -> Turn:
    """The turn that the picture's display matrix asks for."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    return Turn() if matrix is None else Turn.from_matrix(bytes(cast(Any, matrix)))


def colour_of(picture: _av.VideoFrame) -> Colour:
    """The picture's own colour description."""
    return Colour(
        matrix=int(picture.colorspace),
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        full_range=int(picture.color_range) == _FULL or picture.format.name.startswith("yuvj"),
    )


class PictureReader:
    """Turns decoded pictures into planes; keeps the converter between pictures.

    turn: what the last picture's display matrix asked for.
    """

    def __init__(self) -> None:
        self._reformatter = _av.VideoReformatter()
        self._rotation: int | None = None
        self.turn = Turn()

    def read(self, picture: _av.VideoFrame, time: Timestamp) -> RawFrame:
        """``picture`` upright, as a frame shown at ``time``.

        The planes of 8-bit 4:2:0 and NV12 are read-only views into the decoder's
        picture, which they keep alive; everything else is converted once. Raises
        FFmpegError when a pixel format cannot be converted, FrameError when the picture
        is larger than a frame may be.
        """
        turn = self._turn_of(picture)
        colour = colour_of(picture)
        pixel_format = _AS_THEY_ARE.get(picture.format.name)
        if pixel_format is None:
            picture, colour = self._convert(picture, colour)
            pixel_format = PixelFormat.I420
        width, height = picture.width, picture.height
        shapes = plane_shapes(pixel_format, width, height)
        planes = tuple(_view(picture, i, *shape) for i, shape in enumerate(shapes))
        if turn:
            planes = tuple(
                turn.plane(plane, 2 if pixel_format is PixelFormat.NV12 and i else 1)
                for i, plane in enumerate(planes)
            )
            if turn.transpose:
                width, height = height, width
        return RawFrame(planes, pixel_format, width, height, time, colour)

    def _turn_of(self, picture: _av.VideoFrame) -> Turn:
        """The picture's turn. Its matrix is fetched only when the angle changes: PyAV ties
        a picture whose side data was looked at into a reference cycle, and then only the
        garbage collector, which counts objects and not megabytes, would free it."""
        if picture.rotation != self._rotation:
            self._rotation = picture.rotation
            self.turn = turn_of(picture)
        return self.turn

    def _convert(self, picture: _av.VideoFrame, colour: Colour) -> tuple[_av.VideoFrame, Colour]:
        """``picture`` as 8-bit 4:2:0, and the colour description that then holds."""
        if picture.format.name.startswith(_NOT_YUV):
            large = picture.height >= 720
            colour = Colour(
                _BT709 if large else _BT601, colour.primaries, colour.transfer, full_range=False
            )
            converted = self._reformatter.reformat(
                picture,
                format="yuv420p",
                dst_colorspace=_SWS_BT709 if large else _SWS_BT601,
                src_color_range=_FULL,
                dst_color_range=_LIMITED,
            )
            return converted, colour
        span = _FULL if colour.full_range else _LIMITED
        converted = self._reformatter.reformat(
            picture, format="yuv420p", src_color_range=span, dst_color_range=span
        )
        return converted, colour


def _view(picture: _av.VideoFrame, index: int, rows: int, columns: int) -> Plane:
    """Read-only view of one plane; it keeps ``picture`` alive. The decoder may still
    predict from these samples, hence read-only."""
    plane = picture.planes[index]
    stride = plane.line_size
    lines: Plane = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, abs(stride))
    if stride < 0:
        lines = lines[::-1]
    view = lines[:rows, :columns]
    view.flags.writeable = False
    return view


def fill(picture: _av.VideoFrame, frame: VeiledFrame) -> None:
    """Copy the planes of ``frame`` into ``picture`` (yuv420p, yuvj420p, nv12 or yuv444p
    of the same size). Chroma is moved, or repeated for 4:4:4; nothing is converted."""
    rows, columns = (frame.height + 1) // 2, (frame.width + 1) // 2
    _writable(picture, 0, frame.height, frame.width)[:] = frame.planes[0]
    if frame.pixel_format is PixelFormat.NV12:
        u, v = frame.planes[1][:, 0::2], frame.planes[1][:, 1::2]
    else:
        u, v = frame.planes[1], frame.planes[2]
    if picture.format.name == "nv12":
        uv = _writable(picture, 1, rows, 2 * columns)
        if frame.pixel_format is PixelFormat.NV12:
            uv[:] = frame.planes[1]
        else:
            uv[:, 0::2], uv[:, 1::2] = u, v
        return
    for index, chroma in ((1, u), (2, v)):
        if picture.format.name == "yuv444p":
            full = _writable(picture, index, frame.height, frame.width)
            for dy in (0, 1):
                for dx in (0, 1):
                    part = full[dy::2, dx::2]
                    part[:] = chroma[: part.shape[0], : part.shape[1]]
        else:
            _writable(picture, index, rows, columns)[:] = chroma


def _writable(picture: _av.VideoFrame, index: int, rows: int, columns: int) -> Plane:
    plane = picture.planes[index]
    lines: Plane = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return lines[:rows, :columns]
