"""Frames before and after the veil, as two types that do not mix.

A :class:`RawFrame` comes from a camera or a decoder and may show anybody. A
:class:`VeiledFrame` can be made only by :mod:`homeveil.veil`, which holds the seal;
every encoder, sink and event detector accepts nothing else. Both keep the planes the
decoder gave (8-bit YUV 4:2:0), so that nothing converts a whole frame on the way.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import FrameError

Plane = NDArray[np.uint8]

MAX_SIDE = 16384

_MOST_SECONDS = 2.0**40
"""Of any clock; what is further away comes of a fault."""


class PixelFormat(enum.Enum):
    """Memory layout of 8-bit YUV 4:2:0.

    ``I420``: planes Y (H, W), U and V (ceil(H/2), ceil(W/2)).
    ``NV12``: planes Y (H, W), UV interleaved (ceil(H/2), 2*ceil(W/2)).
    """

    I420 = "i420"
    NV12 = "nv12"


_RGB_MATRIX, _UNSPECIFIED = 0, 2


@dataclass(frozen=True, slots=True)
class Colour:
    """How the samples are meant to be shown (ITU-T H.273 code points; 2 = unspecified).

    Carried from input to output unchanged, but for a matrix of RGB: planes of YUV cannot
    be RGB, whatever a file says, and an encoder would believe it. ``full_range`` is True
    for 0..255 luma.
    """

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False

    def __post_init__(self) -> None:
        if self.matrix == _RGB_MATRIX:
            object.__setattr__(self, "matrix", _UNSPECIFIED)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Presentation time: ``pts`` ticks of ``time_base`` seconds."""

    pts: int
    time_base: Fraction

    def __post_init__(self) -> None:
        if not isinstance(self.time_base, Rational):
            raise FrameError(f"time_base is {self.time_base!r}; give a Fraction, of seconds")

    @property
    def seconds(self) -> float:
        """Time in seconds."""
        # As exact as the product of fractions, and ten times as quick.
        return self.pts * self.time_base.numerator / self.time_base.denominator

    @classmethod
    def from_seconds(cls, seconds: float) -> Timestamp:
        """Nearest tick of the 90 kHz clock (ISO/IEC 13818-1). Raises FrameError."""
        if not isinstance(seconds, (Real, np.number)) or not abs(seconds) < _MOST_SECONDS:
            raise FrameError(f"seconds is {seconds!r}; give a finite time")
        return cls(round(seconds * 90_000), Fraction(1, 90_000))


def plane_shapes(pixel_format: PixelFormat, width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each plane of a ``width`` x ``height`` frame."""
    rows, columns = (height + 1) // 2, (width + 1) // 2
    if pixel_format is PixelFormat.I420:
        return (height, width), (rows, columns), (rows, columns)
    return (height, width), (rows, 2 * columns)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Planes with a size and a time. Rows may be padded; columns are contiguous. Printed or
    logged, as by a debugger or with a traceback, it shows no pixel."""

    planes: tuple[Plane, ...] = field(repr=False)
    pixel_format: PixelFormat
    width: int
    height: int
    time: Timestamp
    colour: Colour = Colour()

    def __post_init__(self) -> None:
        if not isinstance(self.pixel_format, PixelFormat):
            raise FrameError(f"pixel_format is {self.pixel_format!r}; give a PixelFormat")
        if not isinstance(self.time, Timestamp):
            raise FrameError(f"time is {type(self.time).__name__}; give a Timestamp")
        if not (isinstance(self.width, Integral) and isinstance(self.height, Integral)):
            # OpenCV tells sizes as floats.
            raise FrameError(
                f"frame of {self.width!r} by {self.height!r}; give whole numbers of pixels"
            )
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise FrameError(
                f"frame of {self.width}x{self.height}: sides must be 1..{MAX_SIDE} pixels"
            )
        want = plane_shapes(self.pixel_format, self.width, self.height)
        if len(self.planes) != len(want):
            raise FrameError(
                f"{self.pixel_format.value} needs {len(want)} planes, got {len(self.planes)}"
            )
        for index, (plane, shape) in enumerate(zip(self.planes, want, strict=True)):
            if not isinstance(plane, np.ndarray):
                raise FrameError(f"plane {index} is {type(plane).__name__}; give a numpy array")
            if plane.dtype != np.uint8:
                raise FrameError(f"plane {index} holds {plane.dtype}, expected uint8")
            if plane.shape != shape:
                raise FrameError(f"plane {index} is {plane.shape}, expected {shape}")
            if shape[1] > 1 and plane.strides[1] != 1:
                raise FrameError(f"plane {index}: columns must be contiguous")

    def copy(self) -> Self:
        """The same frame in memory of its own, rows unpadded."""
        return replace(self, planes=tuple(np.array(p, order="C") for p in self.planes))


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame(_Frame):
    """A frame that nobody has cleared. Never write, send or log one.

    spliced: the recording goes on somewhere else here, though its times go on.
    """

    spliced: bool = False


class _Seal:
    """Held by the veil alone; a VeiledFrame cannot be made without it."""

    def __reduce__(self) -> str:
        # What was veiled in another process, or copied, is veiled here too.
        return "_SEAL"


_SEAL = _Seal()


@dataclass(frozen=True, slots=True, eq=False)
class VeiledFrame(_Frame):
    """A frame in which everything that was not cleared has been painted over.

    ``withheld`` says of each cell of its :class:`~homeveil.grid.Grid` whether it was painted
    over: (rows, cols) bool. ``agent``, likewise, which of the others show the enrolled agent.
    ``fault`` says that the whole frame was withheld because something failed.
    """

    withheld: NDArray[np.bool_] = field(kw_only=True, repr=False)
    agent: NDArray[np.bool_] = field(kw_only=True, repr=False)
    fault: bool = False
    seal: _Seal | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _Frame.__post_init__(self)
        if self.seal is not _SEAL:
            raise FrameError(
                "only the veil makes a VeiledFrame; pass raw frames through homeveil.Redactor"
            )
        if self.withheld.ndim != 2 or self.withheld.dtype != np.bool_:
            raise FrameError("withheld must be a grid of bool")
        if self.agent.shape != self.withheld.shape or self.agent.dtype != np.bool_:
            raise FrameError("agent must be a grid of bool like withheld")
        if (self.agent & self.withheld).any():
            raise FrameError("what was withheld shows nobody, so not the agent either")

    @property
    def veiled_share(self) -> float:
        """Share of the picture that was withheld, 0..1."""
        return float(self.withheld.mean())
