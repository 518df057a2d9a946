"""Between FFmpeg's pictures and the planes of a frame."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

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
from homeveil.media.turn import UPRIGHT, Turn

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
_PLANAR = {
    (4, 4): "yuv444p", (4, 2): "yuv440p", (2, 4): "yuv422p", (2, 2): "yuv420p",
    (1, 4): "yuv411p", (1, 1): "yuv410p",
}  # fmt: skip
"""Plain planes of 8 bits, by how many samples of chroma lie on four pixels, across and down."""


def turn_of(picture: _av.VideoFrame) -> Turn | None:
    """The turn that the picture's display matrix asks for; None if it has none."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    return None if matrix is None else Turn.from_matrix(bytes(cast(Any, matrix)))


def turn_of_stream(stream: _av.VideoStream) -> Turn:
    """The turn that the container asks for. Nothing is decoded."""
    matrix = _av.display_matrix(stream)
    return UPRIGHT if matrix is None else Turn.from_matrix(matrix)


def colour_of(picture: _av.VideoFrame) -> Colour:
    """The picture's own colour description."""
    return Colour(
        matrix=int(picture.colorspace),
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        full_range=int(picture.color_range) == _FULL or picture.format.name.startswith("yuvj"),
    )


def colour_of_stream(context: Any) -> Colour:
    """What a stream's pictures will be in, as far as that is known before one is decoded."""
    layout = context.pix_fmt or ""
    if layout.startswith(_NOT_YUV):
        return Colour()
    return Colour(
        matrix=int(context.colorspace),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        full_range=int(context.color_range) == _FULL or layout.startswith("yuvj"),
    )


class PictureReader:
    """Turns decoded pictures into planes; keeps the converter between pictures.

    turn: of pictures without a display matrix; then what the last picture was turned by.
    """

    def __init__(self, turn: Turn = UPRIGHT) -> None:
        self._reformatter = _av.VideoReformatter()
        self._rotation: int | None = None
        self._without_matrix = self.turn = turn

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
        width, height = picture.width, picture.height
        if pixel_format is None:
            planes, colour = self._convert(picture, colour)
            pixel_format = PixelFormat.I420
        else:
            shapes = plane_shapes(pixel_format, width, height)
            planes = tuple(_view(picture, i, *shape) for i, shape in enumerate(shapes))
        if turn:
            planes = tuple(
                turn.plane(plane, 2 if pixel_format is PixelFormat.NV12 and i else 1)
                for i, plane in enumerate(planes)
            )
            width, height = turn.size(width, height)
        return RawFrame(planes, pixel_format, width, height, time, colour)

    def _turn_of(self, picture: _av.VideoFrame) -> Turn:
        """The picture's turn. Its matrix is fetched only when the angle changes: PyAV ties
        a picture whose side data was looked at into a reference cycle, and then only the
        garbage collector, which counts objects and not megabytes, would free it."""
        if picture.rotation != self._rotation:
            self._rotation = picture.rotation
            own = turn_of(picture)
            self.turn = self._without_matrix if own is None else own
        return self.turn

    def _convert(
        self, picture: _av.VideoFrame, colour: Colour
    ) -> tuple[tuple[Plane, ...], Colour]:
        """``picture`` as planes of 8-bit 4:2:0, and the colour description that then holds.

        FFmpeg changes samples and their order, not how many samples of chroma there are: its
        filters would tint cells with what their neighbours hide, and of odd sides it leaves out
        the last row or column.
        """
        across, down = picture.format.chroma_width(4), picture.format.chroma_height(4)
        planar = _PLANAR.get((across, down), "yuv444p")
        if picture.format.name.startswith(_NOT_YUV):
            large = picture.height >= 720
            colour = Colour(
                _BT709 if large else _BT601, colour.primaries, colour.transfer, full_range=False
            )
            converted = self._reformatter.reformat(
                picture,
                format=planar,
                dst_colorspace=_SWS_BT709 if large else _SWS_BT601,
                src_color_range=_FULL,
                dst_color_range=_LIMITED,
            )
        else:
            span = _FULL if colour.full_range else _LIMITED
            # The matrix stays what it is, and FFmpeg does not know every one.
            converted = self._reformatter.reformat(
                picture,
                format=planar,
                src_colorspace=_SWS_BT709,
                dst_colorspace=_SWS_BT709,
                src_color_range=span,
                dst_color_range=span,
            )
        width, height = converted.width, converted.height
        columns, rows = converted.format.chroma_width(width), converted.format.chroma_height(height)
        _, chroma, _ = plane_shapes(PixelFormat.I420, width, height)
        luma = _view(converted, 0, height, width)
        u, v = (_fitted(_view(converted, index, rows, columns), chroma) for index in (1, 2))
        return (luma, u, v), colour


def _fitted(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Chroma as 4:2:0 of ``shape``: means of the two or four samples that one takes the place
    of, or copies of one that takes the place of several."""
    for axis, size in enumerate(shape):
        if plane.shape[axis] < size:
            plane = plane.repeat(2, axis).take(range(size), axis)
        elif plane.shape[axis] > size:
            plane = _halved(plane, axis)
    return plane


def _halved(plane: Plane, axis: int) -> Plane:
    """Means of pairs of rows (axis 0), rounded up, or of columns, rounded down; a last one without
    another stays as it is."""
    if plane.shape[axis] % 2:
        plane = np.pad(plane, ((0, 1 - axis), (0, axis)), "edge")
    one, other = (plane[n::2] if axis == 0 else plane[:, n::2] for n in (0, 1))
    # In 8 bits: what both have, and half of what but one has.
    half = (one ^ other) >> 1
    mean: Plane = (one | other) - half if axis == 0 else (one & other) + half
    return mean


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
