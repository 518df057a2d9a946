"""The trained networks of the desk keep the contract of their card."""

from __future__ import annotations

import hashlib
import importlib
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

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


@pytest.fixture
def sketch() -> Iterator[ModuleType]:
    """What draws the desks; its folder's plain names (`items`, `looks`) are forgotten again."""
    if shutil.which("cc") is None:
        pytest.skip("no compiler for raster.c")
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("sketch")
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
                del sys.modules[name]


@pytest.mark.parametrize(("bends", "full"), [(1.05, False), (1.33, True), (1.5, True)])
@pytest.mark.parametrize("capped", [False, True])
def test_only_what_is_full_turns_round_what_is_behind_it(
    sketch: ModuleType, bends: float, full: bool, capped: bool
) -> None:
    """Before a wall, red on the left and green on the right: an empty bottle shows it so, a full
    one the other way round, whatever an opaque cap is made of."""
    wall, bottle = (sketch.Sketcher(random.Random(1), number) for number in (0, 1))
    for colour, x in (((1, 0, 0), -1), ((0, 1, 0), 1)):
        wall.box((2, 0.1, 4), (x, 1, 0), wall.material(colour))
    glass = bottle.material((1, 1, 1), clear=0.9, bends=bends)
    bottle.cylinder(0.1, 0.3, (0, 0, 0), glass, caps=False)
    if capped:
        bottle.cylinder(0.05, 0.05, (0, 0, 0.17), bottle.material((1, 1, 1)))
    stage = sketch.Stage([wall, bottle], sketch.Studio().library)
    rgb, numbers = stage.shoot((0, -1, 0), (0, 0, 0), 0.4, 0, random.Random(2))
    middle = numbers.shape[0] // 2
    columns = np.flatnonzero(numbers[middle] == 1)
    quarter = len(columns) // 4
    left, right = rgb[middle, columns[quarter]], rgb[middle, columns[-quarter]]
    assert (left[0] > left[1], right[0] > right[1]) == ((False, True) if full else (True, False))


def test_a_clear_item_before_bends_what_is_behind_it_alone(
    sketch: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the picture of the desk as it was each item has its own number: one with that of the room
    would be drawn as if all of the room were made of it."""
    drawn = []
    whole = sketch.Stage._through

    def watched(
        stage: object, rgb: object, behind: object, ids: np.ndarray, owner: object, rng: object
    ) -> object:
        drawn.append((stage, ids))
        return whole(stage, rgb, behind, ids, owner, rng)

    monkeypatch.setattr(sketch.Stage, "_through", watched)
    sketch.Studio().changed(53)  # of its bottle, clear, nothing is left afterwards
    ((stage, ids),) = drawn
    clear = set(stage.number[stage.clear > 0].tolist())
    assert clear
    assert 0 not in clear
    assert clear & set(np.unique(ids).tolist())
