"""Desks for tests: a wooden top, things on it, light and shadow, veiled by the real painter."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.enrolling import DeskEnrollment
from homeveil.desk.findings import Finding
from homeveil.desk.watcher import DeskModels, DeskWatcher
from homeveil.desk_rules import DeskRules
from homeveil.frames import VeiledFrame
from homeveil.grid import Grid
from homeveil.pictures import frame_from_array
from homeveil.policy import Policy
from homeveil.profile.desk import DeskTemplate
from homeveil.veil.painter import Veil

WIDTH, HEIGHT, RATE = 640, 360, 5.0
POLYGON = ((0.0, 0.6), (1.0, 0.6), (1.0, 1.0), (0.0, 1.0))
RULES = DeskRules(polygon=POLYGON)
GRID = Grid.over(WIDTH, HEIGHT)
NOTHING = np.zeros(GRID.shape, bool)

Picture = NDArray[np.uint8]


def desk(contrast: float = 1.0) -> Picture:
    """A wall above, wood below. contrast: of its grain."""
    picture = np.full((HEIGHT, WIDTH, 3), (205, 203, 198), np.uint8)
    grain = 12 * np.sin(np.linspace(0, 40, 150))[:, None] + 6 * np.sin(np.linspace(0, 25, WIDTH))
    picture[210:] = np.clip(np.array((150, 112, 80)) + contrast * grain[..., None], 0, 255)
    return picture


def with_card(
    picture: Picture, x: int, y: int, w: int = 60, h: int = 34, level: int = 28
) -> Picture:
    """A flat dark thing with a light rim, as a telephone is."""
    out = picture.copy()
    cv2.rectangle(out, (x, y), (x + w, y + h), (level, level, level + 6), cv2.FILLED)
    cv2.rectangle(out, (x, y), (x + w, y + h), (level + 50,) * 3, 1)
    return out


def with_arm(picture: Picture, x: int) -> Picture:
    """A bare forearm that comes down from the desk's far edge, with its shadow."""
    shade = np.ones((HEIGHT, WIDTH), np.float32)
    cv2.line(shade, (x + 25, 190), (x + 45, 320), 0.6, 46)
    lit = picture * cv2.GaussianBlur(shade, (0, 0), 9)[..., None]
    out = np.clip(lit, 0, 255).astype(np.uint8)
    cv2.line(out, (x, 180), (x + 10, 310), (196, 150, 124), 34)
    return out


def shadowed(picture: Picture, x: int, depth: float = 0.6) -> Picture:
    """A soft shadow over part of the desk."""
    shade = np.ones((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(shade, (x, 290), (120, 60), 20, 0, 360, depth, cv2.FILLED)
    lit = picture * cv2.GaussianBlur(shade, (0, 0), 14)[..., None]
    return np.clip(lit, 0, 255).astype(np.uint8)


def veiled(
    picture: Picture,
    seconds: float,
    withheld: NDArray[np.bool_] = NOTHING,
    agent: NDArray[np.bool_] = NOTHING,
) -> VeiledFrame:
    """The picture with a camera's noise, painted over where ``withheld`` (of a picture of another
    size: nothing is), with the agent in some cells."""
    rng = np.random.default_rng(round(seconds * 1000))
    noisy = np.clip(picture + rng.normal(0, 2.0, picture.shape), 0, 255).astype(np.uint8)
    raw = frame_from_array(noisy, "rgb", seconds)
    grid = Grid.over(raw.width, raw.height)
    if grid.shape != GRID.shape:
        withheld = agent = np.zeros(grid.shape, bool)
    colours = np.full((*grid.shape, 3), 118, np.uint8)
    no_plate = np.zeros(grid.shape, bool)
    return Veil(grid, Policy()).paint(raw, withheld.copy(), colours, no_plate, agent=agent)


def clean_template(models: DeskModels) -> DeskTemplate:
    """The empty desk, enrolled."""
    enrollment = DeskEnrollment(models.items, POLYGON)
    for number in range(5):
        enrollment.take(veiled(desk(), number / RATE))
    return enrollment.finish()


def watch(
    watcher: DeskWatcher,
    picture: Callable[[float], Picture],
    seconds: float,
    *,
    start: float = 0.0,
    withheld: Callable[[float], NDArray[np.bool_]] = lambda _: NOTHING,
    agent: NDArray[np.bool_] = NOTHING,
) -> list[Finding]:
    """All findings of ``seconds`` of pictures, times from ``start`` on."""
    found: list[Finding] = []
    for number in range(round(seconds * RATE)):
        now = start + number / RATE
        found += watcher.look(veiled(picture(now), now, withheld(now), agent))
    return found


def record(path: Path, picture: Callable[[float], Picture], seconds: float) -> Path:
    """A recording of a desk, with a camera's noise."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        rng = np.random.default_rng(7)
        for number in range(round(10 * seconds)):
            shown = picture(number / 10)
            noisy = np.clip(shown + rng.normal(0, 2.0, shown.shape), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode(None))
    return path
