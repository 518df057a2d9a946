"""Colours, and what is printed or shown: numbers alone, for both renderers."""

from __future__ import annotations

import colorsys
import random

import numpy as np

Colour = tuple[float, float, float]


def dark(rng: random.Random) -> Colour:
    v = rng.uniform(0.004, 0.06)
    return (v, v * rng.uniform(0.9, 1.1), v * rng.uniform(0.9, 1.2))


def light(rng: random.Random) -> Colour:
    v = rng.uniform(0.55, 0.92)
    return (v, v * rng.uniform(0.93, 1), v * rng.uniform(0.82, 1))


def grey(rng: random.Random) -> Colour:
    v = rng.uniform(0.1, 0.6)
    return (v, v, v * rng.uniform(0.95, 1.08))


def vivid(rng: random.Random) -> Colour:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 0.95), rng.uniform(0.15, 0.8))


def any_colour(rng: random.Random) -> Colour:
    return rng.choice((dark, light, grey, vivid, vivid))(rng)


def writing(rng: random.Random, paper: Colour, rows: int, drawn: float = 1.0) -> np.ndarray:
    """A page: lines of words, perhaps a heading, a table or a picture."""
    draw = np.random.default_rng(rng.randrange(2**31))
    page = np.ones((160, 112, 3)) * np.array(paper)
    ink = np.array(rng.choice(((0.02, 0.02, 0.03), (0.02, 0.04, 0.3), (0.2, 0.2, 0.22))))
    for row in range(rows):
        if draw.random() > drawn:
            continue
        y = int(150 - row * 140 / rows)
        x = 10
        end = 102 if draw.random() < 0.8 else int(draw.integers(30, 100))
        while x < end:
            word = int(draw.integers(3, 12))
            page[y : y + 2, x : min(x + word, end)] = ink * 0.7 + 0.3 * np.array(paper)
            x += word + 2
    if rng.random() < 0.3:
        y, x = int(draw.integers(15, 90)), int(draw.integers(8, 40))
        page[y : y + int(draw.integers(20, 60)), x : x + int(draw.integers(25, 60))] = vivid(rng)
    return page


def screen(rng: random.Random) -> np.ndarray:
    """What a telephone shows: a background, tiles, a bar."""
    draw = np.random.default_rng(rng.randrange(2**31))
    shown = np.ones((96, 48, 3)) * np.array(any_colour(rng))
    shown *= np.linspace(0.5, 1.1, 96)[:, None, None]
    for _ in range(int(draw.integers(2, 18))):
        y, x = int(draw.integers(4, 84)), int(draw.integers(3, 38))
        shown[y : y + int(draw.integers(3, 14)), x : x + int(draw.integers(5, 30))] = any_colour(rng)
    return np.clip(shown, 0, 1)
