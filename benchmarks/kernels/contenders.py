"""What is timed: each kernel, OpenCV at its best, and a copy of the bytes it must touch.

A group is one piece of work on a 1280x720 frame of I420. OpenCV's rows are written so that it
wins where it can: only what the result needs is computed, into memory that is reused, with
one thread as ours, and where two ways came close both are here. Some do less than our kernel;
their docstrings say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.frames import PixelFormat, RawFrame, Timestamp
from homeveil.grid import Box

WIDTH, HEIGHT, CELL = 1280, 720, 16
ROWS, COLS = HEIGHT // CELL, WIDTH // CELL
SIZES = {(256, 144): "256x144", (512, 288): "512x288"}
CLOSE_UPS = {
    (Box(400, 200, 700, 440), (256, 256)): "300x240 to 256x256",
    (Box(400, 200, 700, 440), (192, 154)): "300x240 to 192x154",
    (Box(400, 200, 496, 296), (128, 128)): "96x96 to 128x128",
}

Work = Callable[[], object]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Group:
    """One piece of work: who does it how, and how many bytes it must touch at least.

    ``lesser`` names those of OpenCV that do less than the kernel.
    """

    name: str
    goal: bool
    touched: int
    ours: Work
    opencv: dict[str, Work]
    copy: Work | None
    lesser: tuple[str, ...] = ()


def groups() -> list[Group]:
    """All groups, with one thread for OpenCV from now on."""
    cv2.setNumThreads(1)
    a, b = noise(1), noise(2)
    found = [change_group(a, b), change_group(a, b, gain_q8=300)]
    found += [paint_group(a, smooth) for smooth in (True, False)]
    found += [thumbnail_group(a, size, name) for size, name in SIZES.items()]
    found += [close_up_group(a, box, size, name) for (box, size), name in CLOSE_UPS.items()]
    return [*found, *small_groups(a, b)]


def noise(seed: int) -> RawFrame:
    """A frame of noise in all planes: no kernel here is quicker or slower for what it sees."""
    rng = np.random.default_rng(seed)
    shapes = ((HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2), (HEIGHT // 2, WIDTH // 2))
    planes = tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)
    return RawFrame(planes, PixelFormat.I420, WIDTH, HEIGHT, Timestamp.from_seconds(0))


def bytes_of(frame: RawFrame) -> int:
    return sum(plane.size for plane in frame.planes)


def copier(*arrays: Picture) -> Work:
    spare = [array.copy() for array in arrays]

    def copy() -> None:
        for source, target in zip(arrays, spare, strict=True):
            np.copyto(target, source)

    return copy


def change_group(a: RawFrame, b: RawFrame, gain_q8: int = 256) -> Group:
    """Differences per cell against the plate."""
    small = [np.empty((p.shape[0] // 4, p.shape[1] // 4), np.uint8) for p in a.planes]
    other = [plane.copy() for plane in small]
    work = [plane.copy() for plane in a.planes]

    def blocks_of_differences() -> None:
        """Less: mean absolute differences of 4x4 blocks; no largest of a cell, no moments."""
        for x, y, d, s in zip(a.planes, b.planes, work, small, strict=True):
            cv2.absdiff(x, y, dst=d)
            cv2.resize(d, s.shape[::-1], dst=s, interpolation=cv2.INTER_AREA)

    def differences_of_blocks() -> None:
        """Less: differences of the means of 4x4 blocks; no absolute sum, no moments."""
        for x, y, s, t in zip(a.planes, b.planes, small, other, strict=True):
            cv2.resize(x, s.shape[::-1], dst=s, interpolation=cv2.INTER_AREA)
            cv2.resize(y, t.shape[::-1], dst=t, interpolation=cv2.INTER_AREA)
            cv2.absdiff(s, t, dst=s)

    blocks = np.ones((4, 4), np.uint8)
    floats = [a.planes[0].astype(np.float32) for _ in range(3)]

    def everything() -> list[Picture]:
        """All that the kernel gives, peaks rounded to means of whole levels."""
        differences_of_blocks()
        found = [cv2.dilate(s, blocks, anchor=(0, 0))[::4, ::4] for s in small]
        x, y, product = floats
        np.copyto(x, a.planes[0])
        np.copyto(y, b.planes[0])
        wanted = [cv2.absdiff(a.planes[0], b.planes[0]), a.planes[0], b.planes[0]]
        found += [cv2.resize(one, (COLS, ROWS), interpolation=cv2.INTER_AREA) for one in wanted]
        for one, two in ((x, x), (y, y), (x, y)):
            cv2.multiply(one, two, dst=product)
            found.append(cv2.resize(product, (COLS, ROWS), interpolation=cv2.INTER_AREA))
        return found

    return Group(
        "change against the plate" + (", exposure" if gain_q8 != 256 else ""),
        gain_q8 == 256,
        bytes_of(a) + bytes_of(b),
        lambda: _kernels.change(a, b, CELL, gain_q8),
        {
            "block means of differences": blocks_of_differences,
            "differences of block means": differences_of_blocks,
            "the same results": everything,
        },
        copier(*a.planes, *b.planes),
        ("block means of differences", "differences of block means"),
    )


def paint_group(a: RawFrame, smooth: bool) -> Group:
    """The right half of the frame painted over."""
    frame, rng = a.copy(), np.random.default_rng(3)
    colours = rng.integers(0, 256, (ROWS, COLS, 3), dtype=np.uint8)
    mask = np.zeros((ROWS, COLS), bool)
    mask[:, COLS // 2 :] = True
    cells = mask.astype(np.uint8)
    kind = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    grids = [np.ascontiguousarray(colours[..., channel]) for channel in range(3)]
    large = [plane.copy() for plane in frame.planes]
    where = [plane.copy() for plane in frame.planes]
    halves = [plane[:, plane.shape[1] // 2 :] for plane in frame.planes]
    half_large, half_where = ([half.copy() for half in halves] for _ in range(2))

    def whole() -> None:
        """Enlarged colours, copied under an enlarged mask."""
        for grid, plane, wide, hidden in zip(grids, frame.planes, large, where, strict=True):
            size = plane.shape[::-1]
            cv2.resize(cells, size, dst=hidden, interpolation=cv2.INTER_NEAREST)
            cv2.resize(grid, size, dst=wide, interpolation=kind)
            cv2.copyTo(wide, hidden, plane)

    def inside_its_bounds() -> None:
        """The same in the bounds of the mask, here half of the frame, without what colours
        beyond them lend to the edge."""
        x = COLS // 2
        for grid, half, wide, hidden in zip(grids, halves, half_large, half_where, strict=True):
            size = half.shape[::-1]
            cv2.resize(cells[:, x:], size, dst=hidden, interpolation=cv2.INTER_NEAREST)
            cv2.resize(grid[:, x:], size, dst=wide, interpolation=kind)
            cv2.copyTo(wide, hidden, half)

    return Group(
        f"{'veil' if smooth else 'fill'} on half of the frame",
        smooth,
        bytes_of(frame) // 2,
        lambda: _kernels.paint(frame, CELL, mask, colours, smooth),
        {"whole planes under a mask": whole, "in the bounds of the mask": inside_its_bounds},
        copier(*halves),
    )


def thumbnail_group(a: RawFrame, size: tuple[int, int], name: str) -> Group:
    """The whole frame as a small picture of RGB."""
    i420 = np.vstack([plane.reshape(-1, WIDTH) for plane in a.planes])
    planes = [np.empty(size[::-1], np.uint8) for _ in range(3)]
    three, rgb = np.empty((*size[::-1], 3), np.uint8), np.empty((*size[::-1], 3), np.uint8)
    full = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    short = np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    half = (size[0] // 2, size[1] // 2)

    def shrink_then_convert() -> None:
        for plane, small in zip(a.planes, planes, strict=True):
            cv2.resize(plane, size, dst=small, interpolation=cv2.INTER_AREA)
        cv2.merge(planes, dst=three)
        cv2.cvtColor(three, cv2.COLOR_YUV2RGB, dst=rgb)

    def convert_then_shrink() -> None:
        cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420, dst=full)
        cv2.resize(full, size, dst=rgb, interpolation=cv2.INTER_AREA)

    def shrink_as_420() -> None:
        """Less: the colours end at half of the picture's resolution."""
        cv2.resize(a.planes[0], size, dst=short[: size[1]], interpolation=cv2.INTER_AREA)
        chroma = short[size[1] :].reshape(2, *half[::-1])
        for plane, small in zip(a.planes[1:], chroma, strict=True):
            cv2.resize(plane, half, dst=small, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(short, cv2.COLOR_YUV2RGB_I420, dst=rgb)

    return Group(
        f"thumbnail of the frame, {name}",
        True,
        bytes_of(a),
        lambda: _kernels.thumbnail(a, Box(0, 0, WIDTH, HEIGHT), size, out=rgb),
        {
            "planes shrunk, then converted": shrink_then_convert,
            "converted, then shrunk": convert_then_shrink,
            "shrunk as 4:2:0, then converted": shrink_as_420,
        },
        copier(*a.planes),
        ("shrunk as 4:2:0, then converted",),
    )


def close_up_group(a: RawFrame, box: Box, size: tuple[int, int], name: str) -> Group:
    """A region of whole pixels as a picture of RGB."""
    x0, y0, x1, y1 = (int(edge) for edge in (box.x0, box.y0, box.x1, box.y1))
    regions = [a.planes[0][y0:y1, x0:x1]]
    regions += [plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] for plane in a.planes[1:]]
    smaller = size[0] * size[1] < (x1 - x0) * (y1 - y0)
    kind = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    planes = [np.empty(size[::-1], np.uint8) for _ in range(3)]
    three, rgb = np.empty((*size[::-1], 3), np.uint8), np.empty((*size[::-1], 3), np.uint8)
    crop = np.empty(((y1 - y0) * 3 // 2, x1 - x0), np.uint8)
    full = np.empty((y1 - y0, x1 - x0, 3), np.uint8)

    def resize_then_convert() -> None:
        for region, small in zip(regions, planes, strict=True):
            cv2.resize(region, size, dst=small, interpolation=kind)
        cv2.merge(planes, dst=three)
        cv2.cvtColor(three, cv2.COLOR_YUV2RGB, dst=rgb)

    def resize_linear_then_convert() -> None:
        """Less where it shrinks: two samples along each axis, however many there are."""
        for region, small in zip(regions, planes, strict=True):
            cv2.resize(region, size, dst=small, interpolation=cv2.INTER_LINEAR)
        cv2.merge(planes, dst=three)
        cv2.cvtColor(three, cv2.COLOR_YUV2RGB, dst=rgb)

    def convert_then_resize() -> None:
        crop[: y1 - y0] = regions[0]
        for part, region in zip(
            crop[y1 - y0 :].reshape(2, (y1 - y0) // 2, (x1 - x0) // 2), regions[1:], strict=True
        ):
            part[:] = region
        cv2.cvtColor(crop, cv2.COLOR_YUV2RGB_I420, dst=full)
        cv2.resize(full, size, dst=rgb, interpolation=kind)

    return Group(
        f"close-up, {name}",
        True,
        # An enlarged picture is written: more bytes than are read.
        max(sum(region.size for region in regions), rgb.size),
        lambda: _kernels.thumbnail(a, box, size, out=rgb),
        {
            "resized, then converted": resize_then_convert,
            "resized bilinearly, then converted": resize_linear_then_convert,
            "converted, then resized": convert_then_resize,
        },
        copier(*(regions if smaller else [rgb.copy()])),
        ("resized bilinearly, then converted",) if smaller else (),
    )


def small_groups(a: RawFrame, b: RawFrame) -> list[Group]:
    """The other calls of a frame, without a rival or a goal."""
    target, rng = a.copy(), np.random.default_rng(5)
    half = np.zeros((ROWS, COLS), bool)
    half[:, COLS // 2 :] = True
    some, all_cells = np.zeros((ROWS, COLS), bool), np.ones((ROWS, COLS), bool)
    some[10:20, 30:40] = True
    limits = np.full((ROWS, COLS), 8.0, np.float32)
    scattered = rng.random((ROWS, COLS)) < 0.1
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    cells = scattered.astype(np.uint8)
    square = np.ones((5, 5), np.uint8)
    samples = np.zeros(960, np.float32)

    def ramps() -> None:
        _kernels.gate_block(samples, before=False, now=True, after=False, ramp=240, fill=None)

    def group(name: str, touched: int, ours: Work, opencv: dict[str, Work] | None = None) -> Group:
        return Group(name, False, touched, ours, opencv or {}, None)

    return [
        group("copy of half of the cells", bytes_of(a) // 2,
              lambda: _kernels.copy_cells(target, a, CELL, half)),
        group("mean colour of the cells", bytes_of(a), lambda: _kernels.cell_means(a, CELL)),
        group("explain 100 cells", 0,
              lambda: _kernels.explain(a, b, CELL, all_cells, some, limits, 2)),
        group("grow by 2 cells", ROWS * COLS, lambda: _kernels.grow(scattered, 2),
              {"dilate": lambda: cv2.dilate(cells, square)}),
        group("frame to RGB", bytes_of(a), lambda: _kernels.to_rgb(a, out=picture)),
        group("ramps of 20 ms of sound", samples.nbytes, ramps),
    ]

