"""The trained networks of the desk keep the contract of their card."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from homeveil.desk.difference import ChangeDetector
from homeveil.desk.items import KINDS, STRIDE, ItemDetector
from homeveil.models.manifest import load_manifest
from homeveil.perceive._onnx import Network

FOLDER = Path(__file__).parents[2] / "models" / "desk_items"
MODEL = FOLDER / "desk_items.onnx"


@pytest.mark.parametrize("purpose", ["desk_items", "desk_change"])
def test_the_file_is_the_one_in_the_manifest_and_small(purpose: str) -> None:
    """Hash and size agree; at most 4 MB."""
    data = (FOLDER / f"{purpose}.onnx").read_bytes()
    entry = load_manifest().find(purpose)
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    assert len(data) == entry.size <= 4_000_000


@pytest.mark.parametrize("size", [(160, 512), (96, 320), (288, 288)])
def test_takes_any_sides_that_32_divides(size: tuple[int, int]) -> None:
    """Output: one map per kind, four sides, desk and people, at a quarter of the size."""
    rgb = np.random.default_rng(3).integers(0, 256, (1, 3, *size), dtype=np.uint8)
    out = Network(MODEL.read_bytes()).run(rgb)
    assert out.shape == (1, len(KINDS) + 6, size[0] // STRIDE, size[1] // STRIDE)
    assert np.isfinite(out).all()


def test_kinds_are_those_of_training() -> None:
    """Channels mean here what they meant there."""
    text = (FOLDER / "items.py").read_text()
    listed = text.split("KINDS = (", 1)[1].split(")", 1)[0]
    assert [name.strip().strip('"') for name in listed.split(",") if name.strip()] == [
        kind.value for kind in KINDS
    ]


def test_boxes_lie_about_the_picture_and_scores_between_0_and_1() -> None:
    """Whatever the picture, what is read from the network is well formed."""
    rgb = np.random.default_rng(4).integers(0, 256, (160, 512, 3), dtype=np.uint8)
    scene = ItemDetector(MODEL.read_bytes()).look(rgb)
    for one in scene.items:
        assert one.scores.shape == (len(KINDS),)
        assert 0 <= one.score <= 1
        assert one.box.width > 0
        assert one.box.height > 0
    assert scene.surface.shape == scene.people.shape == (40, 128)


@pytest.mark.parametrize("size", [(160, 512), (96, 320), (288, 288)])
def test_a_picture_is_compared_with_itself_and_with_another(size: tuple[int, int]) -> None:
    """A probability for every pixel of the clean look; a desk that is as it was has no thing."""
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]]
    grain = 130 + 12 * np.sin(ys / 5.0) + 5 * np.sin(xs / 9.0)
    desk = np.clip(grain[..., None] * np.array((1, 0.8, 0.6)), 0, 255).astype(np.uint8)
    clean = desk[::2, ::2]
    detector = ChangeDetector((FOLDER / "desk_change.onnx").read_bytes())
    same = detector.look(desk, clean)
    assert same.shape == clean.shape[:2]
    assert same.max() < 0.5
    thing = desk.copy()
    thing[30:60, 40:90] = (20, 22, 30)
    came = detector.look(thing, clean)
    assert came[18:27, 24:42].min() > 0.5
    assert came[40:, 60:].max() < 0.5
