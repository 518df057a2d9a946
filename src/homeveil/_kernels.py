"""The kernels in C, for numpy: the only module that touches ``homeveil._native``.

Frames are RawFrame or VeiledFrame in I420 or NV12; grids are (rows, cols) arrays over the
cells of a frame. Wrong shapes raise FrameError before C is reached. ``out`` takes what would
be made anew otherwise.
"""

from __future__ import annotations

import enum
import threading
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from homeveil._native import ffi, lib
from homeveil.errors import FrameError
from homeveil.frames import MAX_SIDE, PixelFormat, Plane, RawFrame, VeiledFrame, plane_shapes
from homeveil.grid import BoolGrid, Box, FloatGrid

Frame = RawFrame | VeiledFrame
Rgb = NDArray[np.uint8]

_BT709 = 1
_STATUS = {
    -1: "bad image",
    -2: "cell must be 8, 16 or 32 pixels",
    -3: "argument out of range",
    -4: "frames differ in size or layout",
}


@dataclass(frozen=True, slots=True)
class ExcessRule:
    """Tolerances, field by field those of ``hv_excess_rule`` in ``native/include/homeveil.h``."""

    luma_step: float
    chroma_step: float
    mean_step: float
    luma_per_texture: float
    mean_per_texture: float
    structure_texture: float
    structure_correlation: float
    shade_correlation: float
    shade_flat: float
    shade_textured: float
    shade_residual: float
    shade_residual_per_texture: float
    shadow_texture: float
    shadow_correlation: float
    shadow_uneven: float
    shadow_residual: float
    least_lit: float


class ChangeStats(NamedTuple):
    """Differences of a frame (a) from a reference (b) per cell, each (rows, cols).

    peak_y, peak_uv: largest absolute sum of differences over 4x4 samples. sad_y: sum of
    absolute luma differences. n: luma samples. sum_*: moments of luma, b without gain.
    """

    peak_y: NDArray[np.int32]
    peak_uv: NDArray[np.int32]
    sad_y: NDArray[np.int32]
    n: NDArray[np.int32]
    sum_a: NDArray[np.int32]
    sum_b: NDArray[np.int32]
    sum_aa: NDArray[np.int64]
    sum_bb: NDArray[np.int64]
    sum_ab: NDArray[np.int64]


def cpu_name() -> str:
    """Name of the kernel set in use, ``c``, ``avx2`` or ``neon``; HOMEVEIL_CPU lowers it."""
    return str(ffi.string(lib.hv_cpu_name()).decode())


class _Scratch(threading.local):
    """Memory for one call at a time in each thread: it grows and is kept."""

    def __init__(self) -> None:
        self._memory = ffi.new("int64_t[]", 1)

    def of(self, size: int) -> Any:
        """``size`` bytes, 8-aligned."""
        if ffi.sizeof(self._memory) < size:
            self._memory = ffi.new("int64_t[]", size // 8 + 1)
        return self._memory


_scratch = _Scratch()


def thumbnail(frame: Frame, roi: Box, size: tuple[int, int], *, out: Rgb | None = None) -> Rgb:
    """(height, width, 3) RGB picture of ``roi``, ``size`` = (width, height).

    Area mean where it shrinks, bilinear where it grows. The region may reach outside the
    frame: the edge is repeated.
    """
    width, height = size
    rgb = _output(out, (height, width, 3))
    image, keep = _image(frame)
    _check(
        lib.hv_thumbnail(
            image, roi.x0, roi.y0, roi.x1, roi.y1, _u8(rgb), width, height, width * 3,
            _scratch.of(lib.hv_thumbnail_scratch(roi.x0, roi.x1, width)),
        )
    )
    del keep
    return rgb


def change(
    frame: Frame, reference: Frame, cell: int, gain_q8: int = 256, offset: int = 0
) -> ChangeStats:
    """Compare two frames of one size and layout; the reference's luma is first taken times
    gain_q8 / 256 plus offset for the peaks and the absolute differences."""
    rows, cols = _grid_shape(frame, cell)
    narrow, wide = np.empty((6, rows, cols), np.int32), np.empty((3, rows, cols), np.int64)
    stats = ChangeStats(*narrow, *wide)
    a, keep_a = _image(frame)
    b, keep_b = _image(reference)
    _check(lib.hv_change(a, b, cell, gain_q8, offset, _change_out(stats)))
    del keep_a, keep_b
    return stats


class Excess:
    """The largest difference of each cell in units of its own tolerance."""

    def __init__(self, rule: ExcessRule) -> None:
        self._rule = ffi.new("hv_excess_rule *", asdict(rule))

    def of(self, stats: ChangeStats, slack: float) -> tuple[FloatGrid, FloatGrid]:
        """The difference, in tolerances taken times ``slack``, and the standard deviation of the
        frame's luma, each (rows, cols)."""
        rows, cols = stats.n.shape
        excess, texture = np.empty((2, rows, cols), np.float32)
        _check(
            lib.hv_excess(
                _change_out(stats), cols, rows, self._rule, slack,
                ffi.cast("double *", _scratch.of(8 * lib.HV_EXCESS_PLANES * rows * cols)),
                ffi.from_buffer("float[]", excess), ffi.from_buffer("float[]", texture),
            )
        )
        return excess, texture


def cell_means(frame: Frame, cell: int) -> NDArray[np.uint8]:
    """(rows, cols, 3): rounded mean Y, U, V of each cell."""
    planes = np.empty((3, *_grid_shape(frame, cell)), np.uint8)
    image, keep = _image(frame)
    _check(lib.hv_cell_means(image, cell, *(_u8(plane) for plane in planes)))
    del keep
    return planes.transpose(1, 2, 0)


def luma_means(frame: Frame, cell: int) -> NDArray[np.float64]:
    """(rows, cols): mean luma of each cell, grey levels."""
    means = np.empty(_grid_shape(frame, cell))
    image, keep = _image(frame)
    _check(lib.hv_luma_means(image, cell, ffi.from_buffer("double[]", means)))
    del keep
    return means


def luma_differences(frame: Frame, previous: Frame, cell: int) -> NDArray[np.float64]:
    """(rows, cols): mean absolute difference of each cell's luma, grey levels."""
    means = np.empty(_grid_shape(frame, cell))
    a, keep_a = _image(frame)
    b, keep_b = _image(previous)
    _check(lib.hv_luma_differences(a, b, cell, ffi.from_buffer("double[]", means)))
    del keep_a, keep_b
    return means


def copy_cells(destination: Frame, source: Frame, cell: int, mask: BoolGrid) -> None:
    """Copy the cells of ``mask`` from ``source`` into ``destination``'s planes."""
    cells = _mask(mask, _grid_shape(source, cell))
    to, keep_to = _image(destination, writable=True)
    origin, keep_from = _image(source)
    _check(lib.hv_copy_cells(to, origin, cell, _u8(cells)))
    del keep_to, keep_from


def grow(mask: BoolGrid, radius: int) -> BoolGrid:
    """``mask`` dilated by ``radius`` cells in all eight directions."""
    if mask.ndim != 2 or 0 in mask.shape:
        raise FrameError(f"mask is {mask.shape}, expected (rows, cols)")
    cells = _mask(mask, mask.shape)
    out = np.empty(mask.shape, np.uint8)
    _check(lib.hv_grow(_u8(cells), _u8(out), mask.shape[1], mask.shape[0], radius))
    return out.view(np.bool_)


def label(mask: BoolGrid, *, corners: bool = True) -> tuple[int, NDArray[np.int32]]:
    """How many patches ``mask`` has, and (rows, cols) the number of each cell's, from 1; 0 outside.

    Cells that share a side hang together; with ``corners`` those that share a corner too.
    """
    if mask.ndim != 2 or 0 in mask.shape:
        raise FrameError(f"mask is {mask.shape}, expected (rows, cols)")
    cells = _mask(mask, mask.shape)
    labels = np.empty(mask.shape, np.int32)
    count = ffi.new("int32_t *")
    to = ffi.from_buffer("int32_t[]", labels)
    _check(lib.hv_label(_u8(cells), to, mask.shape[1], mask.shape[0], int(corners), count))
    return int(count[0]), labels


def paint(
    frame: Frame, cell: int, mask: BoolGrid, colours: NDArray[np.uint8], smooth: bool
) -> None:
    """Overwrite the cells of ``mask`` in ``frame``'s planes, and no other sample.

    colours: (rows, cols, 3) Y, U, V. smooth: bilinear between cell centres, else flat.
    """
    shape = _grid_shape(frame, cell)
    cells = _mask(mask, shape)
    if colours.shape != (*shape, 3) or colours.dtype != np.uint8:
        raise FrameError(
            f"colours are {colours.shape} {colours.dtype}, expected {(*shape, 3)} uint8"
        )
    colours = np.ascontiguousarray(colours)
    image, keep = _image(frame, writable=True)
    _check(lib.hv_paint(image, cell, _u8(cells), _u8(colours), int(smooth)))
    del keep


def explain(
    frame: Frame,
    previous: Frame,
    cell: int,
    allowed: BoolGrid,
    wanted: BoolGrid,
    most: FloatGrid,
    step: int,
) -> BoolGrid:
    """The wanted cells that some block of ``previous``, displaced by at most a cell and with all
    its cells ``allowed``, shows within ``most``: mean absolute difference in grey levels,
    rounded down to sixteenths; the worst of Y, U and V counts. step: pixels between
    displacements."""
    shape = _grid_shape(frame, cell)
    may, want = _mask(allowed, shape), _mask(wanted, shape)
    if most.shape != shape or not (most >= 0).all():
        raise FrameError(f"most is {most.shape}, expected {shape} of 0 and more")
    sixteenths = np.minimum(most * 16, 65535).astype(np.uint16)
    explained = np.empty(shape, np.uint8)
    a, keep_a = _image(frame)
    b, keep_b = _image(previous)
    _check(
        lib.hv_explain(
            a, b, cell, _u8(may), _u8(want), ffi.from_buffer("uint16_t[]", sixteenths), step,
            _u8(explained),
        )
    )
    del keep_a, keep_b
    return explained.view(bool)


def from_rgb(
    picture: NDArray[np.uint8], *, bgr: bool = False, full_range: bool = False
) -> tuple[Plane, Plane, Plane]:
    """I420 planes of an (height, width, 3) picture, BT.601."""
    picture = _picture(picture)
    height, width = picture.shape[:2]
    if max(width, height) > MAX_SIDE:
        raise FrameError(f"picture of {width}x{height}: sides must be 1..{MAX_SIDE} pixels")
    shapes = plane_shapes(PixelFormat.I420, width, height)
    planes = tuple(np.empty(shape, np.uint8) for shape in shapes)
    image = ffi.new("hv_image *")
    image.y, image.u, image.v = (_u8(plane) for plane in planes)
    image.y_stride, image.uv_stride, image.uv_step = shapes[0][1], shapes[1][1], 1
    image.width, image.height, image.full_range = width, height, int(full_range)
    _check(lib.hv_from_rgb(_u8(picture), width * 3, int(bgr), image))
    return planes[0], planes[1], planes[2]


def to_rgb(frame: Frame, *, out: Rgb | None = None) -> Rgb:
    """(height, width, 3) RGB picture of a frame."""
    rgb = _output(out, (frame.height, frame.width, 3))
    image, keep = _image(frame)
    _check(lib.hv_to_rgb(image, _u8(rgb), frame.width * 3))
    del keep
    return rgb


def warp(rgb: Rgb, affine: NDArray[np.float64], size: tuple[int, int]) -> Rgb:
    """(height, width, 3) picture sampled from ``rgb`` at affine @ (x, y, 1), black outside.

    affine: (2, 3), output pixel to input pixel. size: (width, height).
    """
    rgb = _picture(rgb)
    width, height = size
    if width < 1 or height < 1:
        raise FrameError(f"a picture of {width}x{height} cannot be made")
    out = np.empty((height, width, 3), np.uint8)
    matrix = np.ascontiguousarray(affine, dtype=np.float64)
    if matrix.shape != (2, 3):
        raise FrameError(f"affine is {matrix.shape}, expected (2, 3)")
    _check(
        lib.hv_warp(
            _u8(rgb), rgb.shape[1], rgb.shape[0], rgb.shape[1] * 3,
            ffi.from_buffer("double[]", matrix), _u8(out), width, height, width * 3,
        )
    )
    return out


def _image(frame: Frame, *, writable: bool = False) -> tuple[Any, object]:
    """The C view of a frame, and what must stay alive as long as it is used."""
    planes = frame.planes
    if writable and not all(plane.flags.writeable for plane in planes):
        raise FrameError("the frame's planes are read-only")
    stride = planes[1].strides[0]
    y, u = _pointer(planes[0]), _pointer(planes[1])
    if frame.pixel_format is PixelFormat.I420:
        if planes[2].strides[0] != stride:
            raise FrameError("U and V planes must have the same stride")
        v, step = _pointer(planes[2]), 1
    else:
        v, step = u + 1, 2
    colour = frame.colour
    image = ffi.new(
        "hv_image *",
        (
            y, u, v, planes[0].strides[0], stride, step, frame.width, frame.height,
            colour.matrix == _BT709, colour.full_range,
        ),
    )
    return image, planes


def _pointer(plane: Plane) -> Any:
    """To a plane's first sample. Buffers, quick to ask for, must be without gaps."""
    if plane.flags.c_contiguous:
        return ffi.from_buffer("uint8_t[]", plane)
    return ffi.cast("uint8_t *", plane.ctypes.data)


def _change_out(stats: ChangeStats) -> Any:
    """The C view of ``stats``, which must stay alive as long as it is used."""
    arrays: tuple[NDArray[Any], ...] = stats
    if {one.shape for one in arrays} != {stats.n.shape} or any(
        one.dtype.itemsize != (4 if number < 6 else 8) for number, one in enumerate(arrays)
    ):
        raise FrameError("statistics differ in shape or kind")
    narrow = (ffi.from_buffer("int32_t[]", one) for one in arrays[:6])
    wide = (ffi.from_buffer("int64_t[]", one) for one in arrays[6:])
    return ffi.new("hv_change_out *", [*narrow, *wide])


def _picture(rgb: Rgb) -> Rgb:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise FrameError(
            f"picture is {rgb.shape} {rgb.dtype}; give (height, width, 3) of uint8, 0 to 255, "
            "without alpha"
        )
    return np.ascontiguousarray(rgb)


def _output(out: Rgb | None, shape: tuple[int, int, int]) -> Rgb:
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
        raise FrameError(f"out is {out.shape} {out.dtype}, expected {shape} uint8 without gaps")
    if not out.flags.writeable:
        raise FrameError("out is read-only")
    return out


def _grid_shape(frame: Frame, cell: int) -> tuple[int, int]:
    if cell not in (8, 16, 32):
        raise FrameError(f"cell of {cell} pixels: must be 8, 16 or 32")
    return -(-frame.height // cell), -(-frame.width // cell)


def _mask(mask: BoolGrid, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if mask.shape != shape or mask.dtype != np.bool_:
        raise FrameError(f"mask is {mask.shape} {mask.dtype}, expected {shape} bool")
    return np.ascontiguousarray(mask).view(np.uint8)


def _u8(array: NDArray[np.uint8]) -> Any:
    return ffi.from_buffer("uint8_t[]", array)


def _check(status: int) -> None:
    if status != 0:
        raise FrameError(_STATUS.get(status, f"kernel status {status}"))


class Verdict(enum.IntEnum):
    """What became of 10 ms of sound; only ``OPEN`` lets samples through."""

    CLOSED = 0
    CANDIDATE = 1
    OPEN = 2
    DOUBT = 3
    FAULT = 4
    LIPS = 5
    """Not the machine's: it was open, and the picture closed it."""


class ClosedBy(enum.IntEnum):
    """What closes a frame whatever its log-odds say."""

    NOTHING = 0
    KEY = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class GateRule:
    """Settings of the gate, field by field those of ``hv_gate_rule`` in
    ``native/include/homeveil.h``: natural logarithms of odds, then numbers of frames of 10
    ms. ``wait`` is the time from a frame to its verdict.
    """

    over_other: float
    over_overlap: float
    peak: float
    slack: float
    smooth: int
    before: int
    after: int
    shortest: int
    span: int
    hang: int
    wait: int


class GateMachine:
    """The gate's state machine, closed at first; see ``hv_gate_step``."""

    def __init__(self, rule: GateRule) -> None:
        self._gate = ffi.new("hv_gate *")
        self._verdict = ffi.new("uint8_t *")
        _check(lib.hv_gate_reset(self._gate, ffi.new("hv_gate_rule *", asdict(rule))))

    def step(
        self, logits: NDArray[np.float32], closed_by: ClosedBy = ClosedBy.NOTHING
    ) -> Verdict | None:
        """Take one frame (4,); give the verdict on the frame ``wait`` before, if any."""
        row = np.ascontiguousarray(logits, dtype=np.float32)
        if row.shape != (4,):
            raise FrameError(f"log-odds are {row.shape}, expected (4,)")
        return self._given(
            lib.hv_gate_step(
                self._gate, ffi.from_buffer("float[]", row), int(closed_by), self._verdict
            )
        )

    def finish(self) -> Verdict | None:
        """After the last frame: the next verdict that still waits, or None."""
        return self._given(lib.hv_gate_finish(self._gate, self._verdict))

    def _given(self, status: int) -> Verdict | None:
        if status < 0:
            _check(status)
        return Verdict(self._verdict[0]) if status else None


def gate_block(
    samples: NDArray[np.float32],
    *,
    before: bool,
    now: bool,
    after: bool,
    ramp: int,
    fill: NDArray[np.float32] | None,
) -> None:
    """Open or close samples (n,) of one channel in place; see ``hv_gate_block``."""
    if samples.dtype != np.float32 or samples.ndim != 1 or not samples.flags.c_contiguous:
        raise FrameError(f"samples are {samples.shape} {samples.dtype}, expected (n,) float32")
    if fill is not None and (fill.dtype != np.float32 or fill.shape != samples.shape):
        raise FrameError(f"fill is {fill.shape} {fill.dtype}, expected {samples.shape} float32")
    if not samples.size:
        return
    _check(
        lib.hv_gate_block(
            ffi.from_buffer("float[]", samples, require_writable=True), samples.size,
            before, now, after, ramp,
            ffi.NULL if fill is None else ffi.from_buffer("float[]", np.ascontiguousarray(fill)),
        )
    )


class ResampleFilter:
    """Weights between two sampling rates in the ratio of up to ``down``, (up, taps) float32, a row
    for each phase; see ``hv_filter``."""

    def __init__(self, weights: NDArray[np.float32], down: int) -> None:
        self._weights = np.ascontiguousarray(weights, dtype=np.float32)  # C points into it
        up, taps = weights.shape
        pointer = ffi.from_buffer("float[]", self._weights)
        self._filter = ffi.new("hv_filter *", (pointer, up, down, taps))

    def apply(self, samples: NDArray[np.float32], at: int, count: int) -> NDArray[np.float32]:
        """(count,) outputs, the first at ``at`` / up samples after the first of ``samples`` (n,);
        see ``hv_resample``."""
        row = np.ascontiguousarray(samples, dtype=np.float32)
        out = np.empty(count, np.float32)
        if count:
            _check(
                lib.hv_resample(
                    ffi.from_buffer("float[]", row), row.size, self._filter, at,
                    ffi.from_buffer("float[]", out, require_writable=True), count,
                )
            )
        return out
