"""What the page serves is made of the board's veiled frames and of nothing else: what the veil
hides changes no byte of it."""

from __future__ import annotations

import re
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Grid
from homeveil.live.board import Board
from homeveil.live.web.pictures import Pictures
from homeveil.policy import Policy, Style
from homeveil.veil.painter import Veil
from pages import TOKEN, ask, serving

SIZE = (320, 240)
GRID = Grid.over(*SIZE)
BASE = Fraction(1, 15)


def raw(seed: int, hidden: np.ndarray, canary: int, form: PixelFormat) -> RawFrame:
    """Noise of ``seed`` where it may be seen, stripes and noise of ``canary`` elsewhere."""
    seen, secret = np.random.default_rng(seed), np.random.default_rng(canary + 1_000_000)
    planes = []
    for shape in plane_shapes(form, *SIZE):
        open_part = seen.integers(0, 255, shape, np.uint8)
        canary_part = secret.integers(0, 255, shape, np.uint8)
        canary_part[:, :: canary % 5 + 2] = 255
        mask = cv2.resize(hidden.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
        planes.append(np.where(mask > 0, canary_part, open_part))
    return RawFrame(tuple(planes), form, *SIZE, Timestamp(seed, BASE))


def veiled(frame: RawFrame, hidden: np.ndarray, style: Style) -> VeiledFrame:
    colours = np.full((*GRID.shape, 3), 100, np.uint8)
    return Veil(GRID, Policy(style=style)).paint(
        frame.copy(), hidden, colours, np.ones(GRID.shape, bool)
    )


def served(frame: VeiledFrame) -> bytes:
    board = Board()
    board.show(frame, None, 0.04)
    shot = Pictures(board).latest()
    assert shot is not None
    return shot.jpeg


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    canaries=st.tuples(st.integers(0, 1000), st.integers(1001, 2000)),
    left=st.integers(0, GRID.shape[1] - 1),
    style=st.sampled_from([Style.FILL, Style.VEIL]),
    form=st.sampled_from(list(PixelFormat)),
)
def test_what_is_hidden_changes_no_byte(
    seed: int, canaries: tuple[int, int], left: int, style: Style, form: PixelFormat
) -> None:
    hidden = np.zeros(GRID.shape, bool)
    hidden[:, left:] = True
    one, other = (
        served(veiled(raw(seed, hidden, canary, form), hidden, style)) for canary in canaries
    )
    assert one == other
    shown = np.zeros(GRID.shape, bool)
    assert served(veiled(raw(seed, hidden, canaries[0], form), shown, style)) != one


@pytest.mark.parametrize("path", ["", "picture", "state", "events", "../metrics", "../health"])
def test_no_answer_depends_on_what_is_hidden(path: str) -> None:
    """Two homes that differ in what is veiled, and in nothing else, are served the same."""
    hidden = np.zeros(GRID.shape, bool)
    hidden[:, 8:] = True
    answers = []
    for canary in (1, 2):
        board = Board()
        frame = veiled(raw(7, hidden, canary, PixelFormat.I420), hidden, Style.VEIL)
        board.show(frame, None, 0.04)
        with serving(board) as server:
            full = f"/{path[3:]}" if path.startswith("../") else f"/{TOKEN}/{path}"
            answers.append(ask(server, full))
    one, other = (_without_times(answer.body) for answer in answers)
    assert one == other
    assert answers[0].status == 200


def _without_times(body: bytes) -> bytes:
    """Without when it was asked."""
    return re.sub(rb'("since":|homeveil_quiet_seconds )[0-9.e-]+', rb"\1", body)
