"""Pictures between GStreamer's buffers and the Redactor: bytes in, veiled bytes out.

Times are nanoseconds. What a buffer holds besides (metadata, padding of rows) does not pass:
each buffer that leaves is filled anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from homeveil.errors import FrameError
from homeveil.frames import (
    Colour,
    PixelFormat,
    Plane,
    RawFrame,
    Timestamp,
    VeiledFrame,
    plane_shapes,
)
from homeveil.redactor import Redactor

NANOSECOND = Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the planes lie in a buffer, in bytes: the first row of each, from row to row, and
    the whole buffer."""

    offsets: tuple[int, ...]
    strides: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class PictureForm:
    """What pictures come in. layout: that of buffers which do not bring their own. colour: how
    their samples are meant, by which the models are shown them."""

    pixel_format: PixelFormat
    width: int
    height: int
    layout: Layout
    colour: Colour = field(default_factory=Colour)

    def planes(self, data: memoryview | bytes | bytearray, layout: Layout) -> tuple[Plane, ...]:
        """Views of the planes in ``data``. Raises FrameError when they do not lie within it."""
        shapes = plane_shapes(self.pixel_format, self.width, self.height)
        if min(len(layout.offsets), len(layout.strides)) < len(shapes):
            raise FrameError(f"a buffer tells of fewer than {len(shapes)} planes")
        planes = []
        for shape, offset, stride in zip(shapes, layout.offsets, layout.strides, strict=False):
            rows, columns = shape
            last = offset + stride * (rows - 1) + columns
            if offset < 0 or stride < columns or last > len(data):
                raise FrameError(
                    f"a plane of {rows} rows of {columns} bytes, {stride} apart from byte "
                    f"{offset} on, does not lie in a buffer of {len(data)} bytes"
                )
            planes.append(np.ndarray(shape, np.uint8, data, offset, (stride, 1)))
        return tuple(planes)


@dataclass(frozen=True, slots=True)
class Label:
    """What comes with a picture and leaves with it: numbers of a buffer."""

    pts: int
    duration: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class PictureOut:
    """A veiled picture as the bytes of a buffer, and what came with it."""

    data: bytes
    label: Label


class PictureFlow:
    """Runs a Redactor over buffers. Not thread-safe.

    frames, faults: those that left, and those of them that were withheld for a fault.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._form: PictureForm | None = None
        self._waiting: deque[tuple[int, Label]] = deque()
        self.frames = self.faults = 0
        self._share = 0.0

    @property
    def veiled_share(self) -> float:
        """Mean share of the pictures that was withheld, 0..1."""
        return self._share / self.frames if self.frames else 0.0

    def begin(self, form: PictureForm) -> None:
        """Pictures of this form come next; everything is denied again, what waits is lost."""
        self.forget()
        self._form = form

    def take(self, data: bytes, layout: Layout, time: int, label: Label) -> Iterator[PictureOut]:
        """Take the bytes of one buffer; give the pictures whose wait is over.

        time: since the beginning of the stream. Raises FrameError when the planes do not lie
        in ``data`` or ``time`` does not increase.
        """
        form = self._form
        if form is None:
            raise FrameError("a buffer came before its format")
        planes = form.planes(data, layout)
        at = Timestamp(time, NANOSECOND)
        raw = RawFrame(planes, form.pixel_format, form.width, form.height, at, form.colour)
        self._waiting.append((time, label))
        yield from self._pack(self._redactor.process(raw))

    def drain(self) -> Iterator[PictureOut]:
        """All that waits."""
        yield from self._pack(self._redactor.flush())

    def forget(self) -> None:
        """What waits is lost, never given; everything is denied again."""
        self._redactor.reset()
        self._waiting.clear()

    def close(self) -> None:
        """Free the models."""
        self._redactor.close()
        self._waiting.clear()

    def _pack(self, frames: Iterable[VeiledFrame]) -> Iterator[PictureOut]:
        for veiled in frames:
            time, label = self._waiting.popleft()
            if veiled.time.pts != time or self._form is None:
                raise FrameError("a picture left out of turn")
            self.frames += 1
            self.faults += veiled.fault
            self._share += veiled.veiled_share
            yield PictureOut(packed(veiled, self._form), label)


def packed(veiled: VeiledFrame, form: PictureForm) -> bytes:
    """The planes as one buffer in the form's own layout; padding is zero."""
    if not isinstance(veiled, VeiledFrame):
        raise FrameError(f"only a VeiledFrame leaves, not {type(veiled).__name__}")
    data = bytearray(form.layout.size)
    for target, plane in zip(form.planes(data, form.layout), veiled.planes, strict=True):
        target[...] = plane
    return bytes(data)
