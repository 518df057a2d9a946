"""What is compared: each kernel, the ways in which OpenCV does the same, and a plain copy.

The OpenCV forms are written to win: buffers made beforehand, planes shrunk before colours are
converted, no more channels than needed, nothing that a caller could leave out. Where there
are several ways, all run and the quickest counts. The copy moves the bytes that the kernel
must touch: what it reads, or, where it only writes, what it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from homeveil import _kernels
from homeveil.fakes import fake_frames
from homeveil.frames import RawFrame
from homeveil.grid import Box

WIDTH, HEIGHT, CELL = 1280, 720, 16
ROWS, COLS = HEIGHT // CELL, WIDTH // CELL
WHOLE = Box(0, 0, WIDTH, HEIGHT)

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Contest:
    """One kernel on one job. touched_bytes: what the copy copies."""

    name: str
    ours: Action
    opencv: dict[str, Action]
    touched_bytes: int


def random_frame(seed: int) -> RawFrame:
    """A frame of noise in I420, chroma too."""
    rng = np.random.default_rng(seed)
    frame = next(fake_frames(lambda n: rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8), 1))
    for plane in frame.planes[1:]:
        plane[:] = rng.integers(0, 256, plane.shape, dtype=np.uint8)
    return frame


def contests() -> list[Contest]:
    """All of them, on the same two frames."""
    cv2.setNumThreads(1)
    a, b = random_frame(1), random_frame(2)
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 256, (ROWS, COLS, 3), dtype=np.uint8)
    half = np.zeros((ROWS, COLS), bool)
    half[:, COLS // 2 :] = True
    close, window = Box(400, 200, 620, 420), Box(300, 100, 800, 540)
    sizes = [
        ("whole to 512x288", WHOLE, (512, 288)),
        ("whole to 256x144", WHOLE, (256, 144)),
        ("500x440 to 256x256", window, (256, 256)),
        ("500x440 to 192x170", window, (192, 170)),
        ("220x220 to 256x256", close, (256, 256)),
    ]
    return [
        _change(a, b),
        *(_thumbnail(a, name, roi, size) for name, roi, size in sizes),
        _veil(a, half, colours, smooth=True),
        _veil(a, half, colours, smooth=False),
        _means(a),
        _copy_cells(a, b, half),
        _explain(a, b),
    ]


def _bytes(frame: RawFrame) -> int:
    return sum(plane.nbytes for plane in frame.planes)


def _change(a: RawFrame, b: RawFrame) -> Contest:
    def peaks_only() -> None:
        """Less than the kernel does: means of the differences, without sign or moments."""
        for one, two in zip(a.planes, b.planes, strict=True):
            size = (one.shape[1] // 4, one.shape[0] // 4)
            cv2.resize(cv2.absdiff(one, two), size, interpolation=cv2.INTER_AREA)

    def all_of_it() -> None:
        """Signed block means and their largest, absolute differences, five moments."""
        for one, two in zip(a.planes, b.planes, strict=True):
            difference = cv2.subtract(one, two, dtype=cv2.CV_16S)
            size = (one.shape[1] // 4, one.shape[0] // 4)
            blocks = cv2.resize(difference, size, interpolation=cv2.INTER_AREA)
            cv2.dilate(cv2.absdiff(blocks, 0), np.ones((4, 4), np.uint8))
        y, z = a.planes[0], b.planes[0]
        for picture in (
            cv2.absdiff(y, z),
            y,
            z,
            cv2.multiply(y, y, dtype=cv2.CV_16U),
            cv2.multiply(z, z, dtype=cv2.CV_16U),
            cv2.multiply(y, z, dtype=cv2.CV_16U),
        ):
            cv2.resize(picture, (COLS, ROWS), interpolation=cv2.INTER_AREA)

    return Contest(
        "change against the plate",
        lambda: _kernels.change(a, b, CELL),
        {"differences only": peaks_only, "all results": all_of_it},
        2 * _bytes(a),
    )


def _thumbnail(frame: RawFrame, name: str, roi: Box, size: tuple[int, int]) -> Contest:
    x0, y0, x1, y1 = (int(edge) for edge in (roi.x0, roi.y0, roi.x1, roi.y1))
    luma = frame.planes[0][y0:y1, x0:x1]
    chroma = [p[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] for p in frame.planes[1:]]
    how = cv2.INTER_AREA if x1 - x0 > size[0] else cv2.INTER_LINEAR
    small = np.empty((3, size[1], size[0]), np.uint8)
    merged, rgb = np.empty((2, size[1], size[0], 3), np.uint8)
    i420 = np.concatenate([p.reshape(-1) for p in (luma, *chroma)]).reshape(-1, x1 - x0)
    full = np.empty((y1 - y0, x1 - x0, 3), np.uint8)

    def planes_first() -> None:
        for plane, target in zip((luma, *chroma), small, strict=True):
            cv2.resize(plane, size, dst=target, interpolation=how)
        cv2.merge(list(small), dst=merged)
        cv2.cvtColor(merged, cv2.COLOR_YUV2RGB, dst=rgb)

    def colours_first() -> None:
        cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420, dst=full)
        cv2.resize(full, size, dst=rgb, interpolation=how)

    touched = luma.size + sum(plane.size for plane in chroma)
    return Contest(
        f"thumbnail, {name}",
        lambda: _kernels.thumbnail(frame, roi, size),
        {"planes first": planes_first, "colours first": colours_first},
        max(touched, rgb.nbytes),
    )


def _veil(
    frame: RawFrame, half: np.ndarray, colours: np.ndarray, *, smooth: bool
) -> Contest:
    target, other = frame.copy(), frame.copy()
    grids = [np.ascontiguousarray(colours[..., channel]) for channel in range(3)]
    mask = half.astype(np.uint8)
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    large = [np.empty_like(plane) for plane in other.planes]
    where = [np.empty_like(plane) for plane in other.planes]

    def under_a_mask() -> None:
        """Any mask: colours and mask enlarged, one copied under the other."""
        for k, plane in enumerate(other.planes):
            size = plane.shape[::-1]
            if k < 2:  # U and V lie under one mask
                cv2.resize(mask, size, dst=where[k], interpolation=cv2.INTER_NEAREST)
            cv2.resize(grids[k], size, dst=large[k], interpolation=how)
            cv2.copyTo(large[k], where[min(k, 1)], plane)

    return Contest(
        f"{'veil' if smooth else 'fill'} on half of the frame",
        lambda: _kernels.paint(target, CELL, half, colours, smooth),
        {"under a mask": under_a_mask},
        _bytes(frame) // 2,
    )


def _means(frame: RawFrame) -> Contest:
    small = [np.empty((ROWS, COLS), np.uint8) for _ in range(3)]

    def area() -> None:
        for plane, target in zip(frame.planes, small, strict=True):
            cv2.resize(plane, (COLS, ROWS), dst=target, interpolation=cv2.INTER_AREA)
        cv2.merge(small)

    return Contest(
        "means of all cells", lambda: _kernels.cell_means(frame, CELL), {"area": area},
        _bytes(frame),
    )


def _copy_cells(frame: RawFrame, source: RawFrame, half: np.ndarray) -> Contest:
    target, other = frame.copy(), frame.copy()
    mask = half.astype(np.uint8)
    where = [np.empty_like(plane) for plane in other.planes[:2]]

    def under_a_mask() -> None:
        for k, plane in enumerate(other.planes):
            if k < 2:
                cv2.resize(mask, plane.shape[::-1], dst=where[k], interpolation=cv2.INTER_NEAREST)
            cv2.copyTo(source.planes[k], where[min(k, 1)], plane)

    return Contest(
        "copy of half of the cells",
        lambda: _kernels.copy_cells(target, source, CELL, half),
        {"under a mask": under_a_mask},
        _bytes(frame) // 2,
    )


def _explain(frame: RawFrame, previous: RawFrame) -> Contest:
    every = np.ones((ROWS, COLS), bool)
    wanted = np.zeros((ROWS, COLS), bool)
    wanted[10:20, 20:36] = True
    luma, chroma = frame.planes[0], frame.planes[1:]
    found = [np.empty((2 * CELL + 1, 2 * CELL + 1), np.float32) for _ in range(3)]

    def match() -> None:
        """Least squares in place of absolute differences, which matchTemplate lacks."""
        for row in range(10, 20):
            for col in range(20, 36):
                y, x = row * CELL, col * CELL
                cv2.matchTemplate(
                    previous.planes[0][y - CELL : y + 2 * CELL, x - CELL : x + 2 * CELL],
                    luma[y : y + CELL, x : x + CELL], cv2.TM_SQDIFF, found[0],
                )
                y, x, side = y // 2, x // 2, CELL // 2
                for k, plane in enumerate(chroma):
                    cv2.matchTemplate(
                        previous.planes[1 + k][y - side : y + 2 * side, x - side : x + 2 * side],
                        plane[y : y + side, x : x + side], cv2.TM_SQDIFF,
                    )

    return Contest(
        "explain 160 cells, every second pixel",
        lambda: _kernels.explain(frame, previous, CELL, every, wanted, 2),
        {"template": match},
        160 * CELL * CELL * 3 // 2 * 2,
    )
