"""How the camera moved is told where it moved, and not where it did not."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from homeveil.clear.camera import CameraMotion, CameraWatch, camera_motion
from homeveil.frames import PixelFormat, RawFrame, Timestamp, plane_shapes
from homeveil.grid import Box, Grid

WIDTH, HEIGHT = 640, 360
GRID = Grid.over(WIDTH, HEIGHT)
EVERYWHERE = np.ones(GRID.shape, bool)


def room(seed: int = 1) -> np.ndarray:
    """(height, width) uint8: blots of several sizes."""
    chance = np.random.default_rng(seed)
    layers = [
        cv2.resize(chance.normal(0, 40, (HEIGHT // side, WIDTH // side)), (WIDTH, HEIGHT))
        for side in (6, 20)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def frame(luma: np.ndarray, pixel_format: PixelFormat = PixelFormat.I420) -> RawFrame:
    chroma = cv2.resize(luma, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    planes = (luma, chroma, 255 - chroma)
    if pixel_format is PixelFormat.NV12:
        planes = (luma, np.stack(planes[1:], axis=2).reshape(HEIGHT // 2, WIDTH))
    assert [plane.shape for plane in planes] == list(plane_shapes(pixel_format, WIDTH, HEIGHT))
    return RawFrame(planes, pixel_format, WIDTH, HEIGHT, Timestamp.from_seconds(0))


def moved(luma: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(
        luma, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def turned(degrees: float, scale: float, x: float, y: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale)
    matrix[:, 2] += x, y
    return matrix


MOVES = [(0, 1, 3.4, -1.2), (0, 1, 31, 14), (2.5, 1, 18, 0), (-1, 1.08, -9, 6), (0, 0.95, 0, 0)]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_shift_turn_and_scale_are_told(move: tuple, pixel_format: PixelFormat) -> None:
    matrix = turned(*move)
    before = frame(room(), pixel_format)
    after = frame(moved(room(), matrix), pixel_format)
    motion = camera_motion(before, after, EVERYWHERE, GRID.cell)
    assert motion is not None
    corners = np.array([[0, WIDTH, 0, WIDTH], [0, 0, HEIGHT, HEIGHT], [1, 1, 1, 1]])
    assert np.abs(motion.matrix @ corners - matrix @ corners).max() < 1.0
    true = np.hypot(*(matrix @ corners - corners[:2])).max()
    assert motion.farthest(GRID) == pytest.approx(true, abs=1.0)
    seen = motion.frame(before)
    inner = (slice(40, -40), slice(50, -50))
    for was, now, told in zip(before.planes, after.planes, seen.planes, strict=True):
        near = np.abs(told.astype(int) - now)[40:-40, 50:-50].mean()
        assert near < 0.35 * np.abs(was.astype(int) - now)[40:-40, 50:-50].mean() + 0.5
    assert np.abs(seen.planes[0].astype(int) - after.planes[0])[inner].mean() < 4


def test_people_who_walk_past_do_not_count() -> None:
    """A quarter of the picture goes another way; the rest says how the camera moved."""
    matrix = turned(0, 1, 12, -5)
    before, after = room(), moved(room(), matrix)
    before[60:300, 40:220] = room(2)[60:300, 40:220]
    after[60:300, 10:190] = room(2)[60:300, 40:220]
    motion = camera_motion(frame(before), frame(after), EVERYWHERE, GRID.cell)
    assert motion is not None
    assert np.abs(motion.matrix - matrix).max() < 0.7


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(room(3), id="another place"),
        pytest.param(np.full((HEIGHT, WIDTH), 128, np.uint8), id="nothing"),
        pytest.param(moved(room(), turned(0, 1, 260, 0)), id="too far"),
        pytest.param(
            np.where(np.arange(WIDTH) < WIDTH / 2, moved(room(), turned(0, 1, 12, 0)),
                     moved(room(), turned(0, 1, -12, 0))),
            id="two halves apart",
        ),
    ],
)  # fmt: skip
def test_what_did_not_move_as_one_is_no_motion(after: np.ndarray) -> None:
    assert camera_motion(frame(room()), frame(after), EVERYWHERE, GRID.cell) is None


def test_few_or_crowded_corners_tell_nothing() -> None:
    cells = np.zeros(GRID.shape, bool)
    cells[10:16, 10:16] = True
    after = moved(room(), turned(0, 1, 12, 0))
    assert camera_motion(frame(room()), frame(after), cells, GRID.cell) is None


@pytest.mark.parametrize("size", [(3, 4000), (4000, 3)])
def test_a_picture_too_thin_to_be_made_smaller_tells_nothing(size: tuple[int, int]) -> None:
    """Of a few pixels none would be left; when the light changed every frame was a fault."""
    width, height = size
    luma = np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)
    chroma = luma[::2, ::2]
    planes = (luma, *(np.ascontiguousarray(chroma) for _ in range(2)))
    thin = RawFrame(planes, PixelFormat.I420, width, height, Timestamp.from_seconds(0))
    grid = Grid.over(width, height)
    assert camera_motion(thin, thin, np.ones(grid.shape, bool), grid.cell) is None


def test_cells_and_boxes_move_with_the_camera() -> None:
    motion = CameraMotion(np.array([[1.0, 0, 20], [0, 1, -8]]))
    cells = np.zeros(GRID.shape, bool)
    cells[20:24, 30:34] = True
    touched, filled = np.zeros_like(cells), np.zeros_like(cells)
    touched[19:23, 32:37] = True
    filled[19:23, 33:36] = True
    assert (motion.touched(cells, GRID) == touched).all()
    assert (motion.filled(cells, GRID) == filled).all()
    assert not motion.filled(EVERYWHERE, GRID)[:, :2].any()
    assert motion.box(Box(100, 100, 140, 160)) == Box(120, 92, 160, 152)
    turn = CameraMotion(turned(3, 1.02, 4, 4))
    x, y = turn.after(motion).matrix @ (200, 100, 1)
    assert (x, y) == pytest.approx(tuple(turn.matrix @ (220, 92, 1)))
    assert math.isclose(motion.farthest(GRID), math.hypot(20, 8))


def test_what_had_come_in_is_carried_along_and_a_cell_round_it() -> None:
    """By each of the camera's moves in turn; what changes meanwhile has not come in."""
    watch, cells = CameraWatch(GRID), np.zeros(GRID.shape, bool)
    cells[20:24, 30:34] = True
    watch._rest_seconds, watch._rest_came_in = 4.9, cells
    motion = CameraMotion(np.array([[1.0, 0, 20], [0, 1, -8]]))
    for number in (1, 2):
        carried = watch._carried(motion, EVERYWHERE, 4.9 + number / 10)
        there = motion.touched(cells, GRID) if number == 1 else np.zeros_like(cells)
        there[18:22, 35:39] |= number == 2
        assert (carried == cv2.dilate(there.astype(np.uint8), np.ones((3, 3))).astype(bool)).all()
