"""Speed of the kernels beside OpenCV at its best and beside a copy of the same bytes.

    python -m pytest benchmarks/kernels --benchmark-json=kernels.json

Compare rows of one group in one run; times of different runs on a busy machine say nothing.
Groups name what is done to one 1280x720 frame of I420.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from homeveil import _kernels
from homeveil.fakes import fake_frames
from homeveil.frames import RawFrame
from homeveil.grid import Box

WIDTH, HEIGHT, CELL = 1280, 720, 16
ROWS, COLS = HEIGHT // CELL, WIDTH // CELL
CLOSE_UP = Box(400, 200, 620, 420)


def random_frame(seed: int) -> RawFrame:
    rng = np.random.default_rng(seed)
    return next(fake_frames(lambda n: rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8), 1))


@pytest.fixture(scope="module")
def frames() -> tuple[RawFrame, RawFrame]:
    return random_frame(1), random_frame(2)


@pytest.fixture(scope="module")
def i420(frames: tuple[RawFrame, RawFrame]) -> np.ndarray:
    y, u, v = frames[0].planes
    return np.vstack([y, u.reshape(-1, WIDTH), v.reshape(-1, WIDTH)])


@pytest.fixture(scope="module")
def half_withheld() -> np.ndarray:
    mask = np.zeros((ROWS, COLS), bool)
    mask[:, COLS // 2 :] = True
    return mask


def copied(frame: RawFrame, spare: list[np.ndarray]) -> None:
    for source, target in zip(frame.planes, spare, strict=True):
        np.copyto(target, source)


@pytest.mark.benchmark(group="change against the plate")
def test_change(benchmark, frames) -> None:
    benchmark(_kernels.change, *frames, CELL)


@pytest.mark.benchmark(group="change against the plate")
def test_change_opencv(benchmark, frames) -> None:
    """Less than the kernel does: block means of the differences, and no moments."""

    def change() -> list[np.ndarray]:
        found = []
        for a, b in zip(frames[0].planes, frames[1].planes, strict=True):
            difference = cv2.absdiff(a, b)
            size = (difference.shape[1] // 4, difference.shape[0] // 4)
            found.append(cv2.resize(difference, size, interpolation=cv2.INTER_AREA))
        return found

    benchmark(change)


@pytest.mark.benchmark(group="change against the plate")
def test_change_copy(benchmark, frames) -> None:
    spare = [plane.copy() for plane in frames[0].planes]
    benchmark(lambda: (copied(frames[0], spare), copied(frames[1], spare)))


@pytest.mark.benchmark(group="thumbnail of the whole frame, 256x144")
def test_thumbnail_whole(benchmark, frames) -> None:
    benchmark(_kernels.thumbnail, frames[0], Box(0, 0, WIDTH, HEIGHT), (256, 144))


@pytest.mark.benchmark(group="thumbnail of the whole frame, 256x144")
def test_thumbnail_whole_opencv(benchmark, frames) -> None:
    """Planes shrunk first, then converted: cheaper than converting the frame."""

    def thumbnail() -> np.ndarray:
        planes = [
            cv2.resize(plane, (256, 144), interpolation=cv2.INTER_AREA)
            for plane in frames[0].planes
        ]
        return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YUV2RGB)

    benchmark(thumbnail)


@pytest.mark.benchmark(group="thumbnail of a close-up, 256x256")
def test_thumbnail_close(benchmark, frames) -> None:
    benchmark(_kernels.thumbnail, frames[0], CLOSE_UP, (256, 256))


@pytest.mark.benchmark(group="thumbnail of a close-up, 256x256")
def test_thumbnail_close_opencv(benchmark, frames) -> None:
    box = [int(edge) for edge in (CLOSE_UP.y0, CLOSE_UP.y1, CLOSE_UP.x0, CLOSE_UP.x1)]

    def thumbnail() -> np.ndarray:
        planes = []
        for number, plane in enumerate(frames[0].planes):
            y0, y1, x0, x1 = box if number == 0 else [edge // 2 for edge in box]
            planes.append(cv2.resize(plane[y0:y1, x0:x1], (256, 256)))
        return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YUV2RGB)

    benchmark(thumbnail)


@pytest.mark.benchmark(group="veil on half of the frame")
@pytest.mark.parametrize("smooth", [False, True], ids=["fill", "veil"])
def test_paint(benchmark, frames, half_withheld, smooth) -> None:
    frame = frames[0].copy()
    colours = np.random.default_rng(3).integers(0, 256, (ROWS, COLS, 3)).astype(np.uint8)
    benchmark(_kernels.paint, frame, CELL, half_withheld, colours, smooth)


@pytest.mark.benchmark(group="veil on half of the frame")
def test_paint_opencv(benchmark, frames, half_withheld) -> None:
    """Enlarged colours, copied under an enlarged mask."""
    frame = frames[0].copy()
    colours = np.random.default_rng(3).integers(0, 256, (ROWS, COLS, 3)).astype(np.uint8)
    grids = [np.ascontiguousarray(colours[..., channel]) for channel in range(3)]
    mask = half_withheld.astype(np.uint8)

    def paint() -> None:
        for grid, plane in zip(grids, frame.planes, strict=True):
            size = plane.shape[::-1]
            where = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
            cv2.copyTo(cv2.resize(grid, size), where, plane)

    benchmark(paint)


@pytest.mark.benchmark(group="veil on half of the frame")
def test_paint_copy(benchmark, frames) -> None:
    frame = frames[0]
    spare = [plane[:, : plane.shape[1] // 2].copy() for plane in frame.planes]

    def copy() -> None:
        for source, target in zip(frame.planes, spare, strict=True):
            np.copyto(target, source[:, : source.shape[1] // 2])

    benchmark(copy)
