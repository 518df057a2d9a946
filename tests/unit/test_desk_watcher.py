"""The desk's watcher, on frames made by the real veil."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from desk_tops import (
    GRID,
    HEIGHT,
    NOTHING,
    POLYGON,
    RATE,
    RULES,
    WIDTH,
    clean_template,
    desk,
    shadowed,
    veiled,
    watch,
    with_arm,
    with_card,
)
from homeveil.desk.enrolling import DeskEnrollment
from homeveil.desk.findings import Change, Finding
from homeveil.desk.items import KINDS, Detection, Scene
from homeveil.desk.tracks import Track
from homeveil.desk.watcher import LOOK_SECONDS, SURE, DeskModels, DeskWatcher
from homeveil.desk_rules import DeskItem, DeskRules
from homeveil.errors import EnrollmentError, FrameError, PolicyError
from homeveil.grid import Box
from homeveil.pictures import frame_from_array
from homeveil.profile.desk import DeskTemplate


@pytest.fixture(scope="module")
def models() -> DeskModels:
    return DeskModels.load({})


@pytest.fixture(scope="module")
def template(models: DeskModels) -> DeskTemplate:
    return clean_template(models)


@pytest.fixture
def watcher(models: DeskModels, template: DeskTemplate) -> DeskWatcher:
    rules = DeskRules(polygon=POLYGON, permitted=frozenset())
    return DeskWatcher(rules, models, template)


def test_takes_nothing_but_veiled_frames(watcher: DeskWatcher) -> None:
    """A raw frame is refused."""
    with pytest.raises(FrameError):
        watcher.look(frame_from_array(desk(), "rgb", 0.0))  # type: ignore[arg-type]


def test_a_clean_desk_is_silent(watcher: DeskWatcher) -> None:
    """Nothing there, nothing told."""
    assert watch(watcher, lambda _: desk(), 8) == []


def test_an_item_appears_once_within_three_seconds_and_clears(watcher: DeskWatcher) -> None:
    """It comes to rest, stays for long, goes: three findings, the desk clean at the end."""
    item = with_card(desk(), 300, 270)
    assert watch(watcher, lambda _: desk(), 3) == []
    found = watch(watcher, lambda _: item, 12, start=3)
    assert [one.change for one in found] == [Change.APPEARED]
    assert found[0].seconds - 3 <= 3.0
    gone = watch(watcher, lambda _: desk(), 6, start=15)
    assert [one.change for one in gone] == [Change.CLEARED, Change.CLEAN]
    assert gone[0].number == found[0].number
    assert gone[1].item is None
    assert gone[1].number == 0


@pytest.mark.parametrize("size", [(14, 12), (24, 10), (60, 34), (150, 60)])
@pytest.mark.parametrize("level", [10, 60, 230])
def test_any_thing_is_found_against_the_clean_desk(
    watcher: DeskWatcher, size: tuple[int, int], level: int
) -> None:
    """Known or not, dark or light, from some 3 cm on."""
    found = watch(watcher, lambda _: with_card(desk(), 250, 260, *size, level), 4)
    assert [one.change for one in found] == [Change.APPEARED]


def test_a_hand_that_passes_is_no_item(watcher: DeskWatcher) -> None:
    """An arm that moves over the desk raises nothing, nor does its shadow."""
    assert watch(watcher, lambda now: with_arm(desk(), 40 + int(50 * now)), 10) == []


@pytest.mark.parametrize("depth", [0.75, 0.5])
def test_a_shadow_is_no_item(watcher: DeskWatcher, depth: float) -> None:
    """Neither one that wanders nor one that stays."""
    assert watch(watcher, lambda _: shadowed(desk(), 330, depth), 6) == []
    moving = watch(watcher, lambda now: shadowed(desk(), 100 + int(40 * now), depth), 6, start=6)
    assert moving == []


@pytest.mark.parametrize("gain", [0.55, 0.8, 1.3])
def test_light_that_is_switched_is_no_item(watcher: DeskWatcher, gain: float) -> None:
    """The whole desk turns darker or lighter at once, and warmer."""
    assert watch(watcher, lambda _: desk(), 2) == []
    warm = np.array((1.04, 1.0, 0.94)) * gain
    lit = np.clip(desk() * warm, 0, 255).astype(np.uint8)
    assert watch(watcher, lambda _: lit, 6, start=2) == []
    thing = np.clip(with_card(desk(), 400, 260) * warm, 0, 255).astype(np.uint8)
    assert [one.change for one in watch(watcher, lambda _: thing, 4, start=8)] == [Change.APPEARED]


def test_nothing_is_told_while_the_zone_is_veiled(watcher: DeskWatcher) -> None:
    """What nobody sees neither appears nor clears."""
    item = with_card(desk(), 300, 270)
    found = watch(watcher, lambda _: item, 6, withheld=lambda _: ~NOTHING)
    assert found == []
    assert len(watch(watcher, lambda _: item, 4, start=6)) == 1
    assert watch(watcher, lambda _: desk(), 8, start=10, withheld=lambda _: ~NOTHING) == []
    told = [one.change for one in watch(watcher, lambda _: desk(), 5, start=18)]
    assert told == [Change.CLEARED, Change.CLEAN]


def test_an_item_half_veiled_waits(watcher: DeskWatcher) -> None:
    """It is told when it is seen, not while most of it is painted over."""
    item = with_card(desk(), 300, 270, 64, 40)
    half = NOTHING.copy()
    half[:, : 344 // GRID.cell] = True
    assert watch(watcher, lambda _: item, 6, withheld=lambda _: half) == []
    assert [one.change for one in watch(watcher, lambda _: item, 4, start=6)] == [Change.APPEARED]


def test_an_item_that_is_covered_stays(watcher: DeskWatcher) -> None:
    """A veil over it for a while is no clearing, and no second appearing afterwards."""
    item = with_card(desk(), 300, 270)
    assert len(watch(watcher, lambda _: item, 4)) == 1
    over = GRID.cells_in(GRID.box(GRID.window(Box(280, 250, 400, 330))))
    assert watch(watcher, lambda _: item, 6, start=4, withheld=lambda _: over) == []
    assert watch(watcher, lambda _: item, 4, start=10) == []


def test_an_item_is_not_cleared_where_nobody_sees(watcher: DeskWatcher) -> None:
    """Its place is seen without it once, then veiled: it may be back, so nothing is told."""
    assert len(watch(watcher, lambda _: with_card(desk(), 300, 270), 4)) == 1
    over = GRID.cells_in(GRID.box(GRID.window(Box(280, 250, 400, 330))))
    assert watch(watcher, lambda _: desk(), 1, start=4) == []
    assert watch(watcher, lambda _: desk(), 6, start=5, withheld=lambda _: over) == []
    gone = watch(watcher, lambda _: desk(), 4, start=11)
    assert [one.change for one in gone] == [Change.CLEARED, Change.CLEAN]


@pytest.mark.parametrize("between", ["veiled", "nothing"])
def test_what_is_missed_before_and_after_nobody_looked_is_not_gone(
    models: DeskModels, between: str
) -> None:
    """The detector misses it in one look, then the desk is veiled, or no frame comes, for a minute,
    and then in one more: a minute in which nobody looked is none in which it was away."""
    watcher, items = shaded(models, None, {SMALL: (DeskItem.PHONE, 0.9)})
    assert len(watch(watcher, lambda _: LEFT, 4)) == 1
    known, unknown = items.names, dict[int, tuple[DeskItem, float]]()
    items.names = items.mirrored = unknown
    assert watch(watcher, lambda _: LEFT, 0.6, start=4) == []
    if between == "veiled":
        assert watch(watcher, lambda _: LEFT, 60, start=4.6, withheld=lambda _: ~NOTHING) == []
    assert watch(watcher, lambda _: LEFT, 0.6, start=64.6) == []
    items.names = items.mirrored = known
    assert watch(watcher, lambda _: LEFT, 4, start=65.2) == []
    gone = watch(watcher, lambda _: desk(), 3, start=69.2)
    assert told(gone) == [(Change.CLEARED, DeskItem.PHONE), (Change.CLEAN, None)]


def test_permitted_kinds_are_silent(models: DeskModels, template: DeskTemplate) -> None:
    """With everything permitted nothing is told, whatever lies there."""
    rules = DeskRules(polygon=POLYGON, permitted=frozenset(DeskItem))
    watcher = DeskWatcher(rules, models, template)
    assert watch(watcher, lambda _: with_card(desk(), 300, 270), 5) == []
    assert watch(watcher, lambda _: desk(), 5, start=5) == []


def test_looks_are_few(models: DeskModels, template: DeskTemplate) -> None:
    """The network runs a few times a second whatever the frame rate, every second time on the
    mirrored picture."""
    watcher = DeskWatcher(RULES, models, template)
    looks: list[bool] = []
    inner = models.items.look

    class Counting:
        def look(self, rgb: np.ndarray, *, mirrored: bool = False) -> object:
            looks.append(mirrored)
            return inner(rgb, mirrored=mirrored)

    watcher._models = DeskModels(Counting(), models.change)  # type: ignore[arg-type]
    for number in range(60):
        watcher.look(veiled(desk(), number / 30))
    assert 3 <= len(looks) <= 2 / LOOK_SECONDS + 1
    assert looks == [bool(number % 2) for number in range(len(looks))]


def test_a_mirrored_look_tells_where_things_are(models: DeskModels) -> None:
    """What the network says of a mirrored picture is told of the picture as it is."""
    rgb = with_card(desk(), 300, 270)[-352:]  # sides that 32 divides
    plain = models.items.look(rgb)
    back = models.items.look(np.ascontiguousarray(rgb[:, ::-1]), mirrored=True)
    assert len(plain.items) == len(back.items) > 0
    width = rgb.shape[1]
    for one, other in zip(plain.items, back.items, strict=True):
        box = other.box
        there = Box(width - box.x1, box.y0, width - box.x0, box.y1)
        assert one.box.overlap(there) > 0.99
        assert np.allclose(one.scores, other.scores)
    assert np.array_equal(plain.surface, back.surface[:, ::-1])
    assert np.array_equal(plain.people, back.people[:, ::-1])


def test_the_likeliest_kind_is_the_name_or_there_is_none() -> None:
    """A less likely kind is not told because its threshold is lower."""
    laptop, paper = KINDS.index(DeskItem.LAPTOP), KINDS.index(DeskItem.PAPER)
    scores = np.zeros(len(KINDS), np.float32)
    scores[laptop], scores[paper] = SURE[laptop] - 0.01, SURE[paper] + 0.01
    track = Track(Box(0, 0, 9, 9), scores, 0.0, 0.0)
    assert scores[laptop] > scores[paper]
    assert track.name(SURE) is DeskItem.UNKNOWN
    scores[laptop] = SURE[laptop]
    assert track.name(SURE) is DeskItem.LAPTOP


class ByColour:
    """Takes wood for the surface and what is dark on it for a telephone."""

    def look(self, rgb: np.ndarray, *, mirrored: bool = False) -> Scene:
        quarter = rgb[2::4, 2::4].astype(int)
        wood = quarter[..., 0] - quarter[..., 2] > 30
        dark = quarter.max(2) < 60
        scores = np.zeros(len(KINDS), np.float32)
        scores[0] = 0.9
        ys, xs = np.nonzero(dark)
        items = ()
        if len(xs):
            x0, y0, x1, y1 = 4.0 * np.array((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
            items = (Detection(Box(x0, y0, x1, y1), scores),)
        surface = (wood | dark).astype(np.float32)
        return Scene(items, surface, np.zeros_like(surface))


def test_a_desk_is_looked_at_close_up_and_what_lies_there_is_told_once(
    models: DeskModels,
) -> None:
    """Without a zone the view closes in on the surface, with more pixels of the same thing;
    a thing known before is the same one after, and cleared where it lay."""
    watcher = DeskWatcher(DeskRules(), DeskModels(ByColour(), models.change))  # type: ignore[arg-type]
    low = desk()
    low[:280] = low[0, 0]  # a webcam's desk: a strip at the lower rim
    item = with_card(low, 300, 300)
    found = watch(watcher, lambda _: item, 14)
    assert [(one.change, one.item) for one in found] == [(Change.APPEARED, DeskItem.PHONE)]
    assert found[0].seconds <= 3.0
    assert watcher._view is not None
    assert watcher._view.box.y0 > 0.45 * HEIGHT
    assert watcher._view.size[0] > 1.1 * 480
    gone = watch(watcher, lambda _: low, 6, start=14)
    assert [one.change for one in gone] == [Change.CLEARED, Change.CLEAN]


def test_a_print_on_the_agents_clothes_is_no_item(models: DeskModels) -> None:
    """Clothes look like the desk to the network and a print on them like an item; a telephone
    beneath the agent's arms, in cells that count as the agent's, is told."""
    dressed = desk()
    dressed[:280] = dressed[0, 0]
    dressed[150:300, 120:520] = desk()[210:, 120:520]  # a shirt of the desk's own colour
    agent = np.zeros_like(NOTHING)
    agent[17:, 13:67] = True
    printed = with_card(dressed, 300, 210)
    lying = with_card(dressed, 300, 310)
    for shown, whose, told in ((printed, NOTHING, 1), (printed, agent, 0), (lying, agent, 1)):
        watcher = DeskWatcher(DeskRules(), DeskModels(ByColour(), models.change))  # type: ignore[arg-type]
        found = watch(watcher, lambda _, shown=shown: shown, 8, agent=whose)  # type: ignore[misc]
        assert [one.item for one in found] == told * [DeskItem.PHONE]


def test_what_stirs_is_no_item_until_it_rests(models: DeskModels) -> None:
    """Whatever the detector takes a body for: bodies are never still, items are."""
    watcher = DeskWatcher(DeskRules(polygon=POLYGON), DeskModels(ByColour(), models.change))  # type: ignore[arg-type]
    sway = (0, 4, 10, 20, 24)  # 10 to 20 from look to look
    body = watch(watcher, lambda t: with_card(desk(), 300 + sway[round(t * RATE) % 5], 290), 8)
    assert body == []
    found = watch(watcher, lambda _: with_card(desk(), 300, 290), 4, start=8)
    assert [one.item for one in found] == [DeskItem.PHONE]


class ByShade:
    """Names flat grey things by their level: kind and score of each."""

    def __init__(self, names: dict[int, tuple[DeskItem, float]]) -> None:
        self.names, self.mirrored = names, names
        self.more: list[tuple[int, Box]] = []  # levels, and boxes in shares of their place

    def look(self, rgb: np.ndarray, *, mirrored: bool = False) -> Scene:
        found = []
        for level, (kind, score) in (self.mirrored if mirrored else self.names).items():
            ys, xs = np.nonzero((abs(rgb.astype(int) - level) < 14).all(2))
            if not len(xs):
                continue
            scores = np.zeros(len(KINDS), np.float32)
            scores[KINDS.index(kind)] = score
            box = Box(float(xs.min()), float(ys.min()), xs.max() + 1.0, ys.max() + 1.0)
            parts = [part for of, part in self.more if of == level] or [Box(0, 0, 1, 1)]
            found += [Detection(_part(box, part), scores) for part in parts]
        high, wide = rgb.shape[0] // 4, rgb.shape[1] // 4
        return Scene(tuple(found), np.ones((high, wide), np.float32), np.zeros((high, wide)))


def _part(box: Box, part: Box) -> Box:
    return Box(
        box.x0 + part.x0 * box.width, box.y0 + part.y0 * box.height,
        box.x0 + part.x1 * box.width, box.y0 + part.y1 * box.height,
    )  # fmt: skip


LARGE, SMALL = 120, 28
SLAB = with_card(desk(), 200, 240, 220, 100, LARGE)
BOTH = with_card(SLAB, 280, 270, 50, 30, SMALL)
LEFT = with_card(desk(), 280, 270, 50, 30, SMALL)


@pytest.fixture(params=[False, True], ids=["without", "against"])
def clean(request: pytest.FixtureRequest, template: DeskTemplate) -> DeskTemplate | None:
    """With and without the clean desk."""
    return template if request.param else None


def shaded(
    models: DeskModels, clean: DeskTemplate | None, names: dict[int, tuple[DeskItem, float]]
) -> tuple[DeskWatcher, ByShade]:
    items = ByShade(names)
    rules = DeskRules(polygon=POLYGON)
    return DeskWatcher(rules, DeskModels(items, models.change), clean), items  # type: ignore[arg-type]


def told(findings: list[Finding]) -> list[tuple[Change, DeskItem | None]]:
    return [(one.change, one.item) for one in findings]


def test_a_telephone_on_a_permitted_laptop_is_told(
    models: DeskModels, clean: DeskTemplate | None
) -> None:
    """What lies on an item is one of its own, and gone when it is gone from there."""
    names = {LARGE: (DeskItem.LAPTOP, 0.9), SMALL: (DeskItem.PHONE, 0.9)}
    watcher, _ = shaded(models, clean, names)
    assert watch(watcher, lambda _: SLAB, 5) == []
    found = watch(watcher, lambda _: BOTH, 8, start=5)
    assert told(found) == [(Change.APPEARED, DeskItem.PHONE)]
    assert found[0].seconds - 5 <= 3.0
    off = watch(watcher, lambda _: SLAB, 5, start=13)
    assert told(off) == [(Change.CLEARED, DeskItem.PHONE), (Change.CLEAN, None)]


def test_what_stays_when_the_item_beneath_leaves_is_still_itself(
    models: DeskModels, clean: DeskTemplate | None
) -> None:
    """A telephone that was told of on a laptop is neither cleared nor told of once more when the
    laptop is taken away from under it."""
    names = {LARGE: (DeskItem.LAPTOP, 0.9), SMALL: (DeskItem.PHONE, 0.9)}
    watcher, _ = shaded(models, clean, names)
    watch(watcher, lambda _: SLAB, 3)
    assert len(watch(watcher, lambda _: BOTH, 4, start=3)) == 1
    assert watch(watcher, lambda _: LEFT, 8, start=7) == []
    gone = watch(watcher, lambda _: desk(), 5, start=15)
    assert told(gone) == [(Change.CLEARED, DeskItem.PHONE), (Change.CLEAN, None)]


@pytest.mark.parametrize("kind", [DeskItem.PHONE, None])
def test_what_was_not_known_on_an_item_is_judged_anew_when_that_leaves(
    models: DeskModels, template: DeskTemplate, kind: DeskItem | None
) -> None:
    """Faintly named or nameless, it is a piece of the laptop for as long as that is there. Then
    it is something that the clean desk did not have; the laptop's kind does not pass to it."""
    names = {LARGE: (DeskItem.LAPTOP, 0.9)}
    if kind is not None:
        names[SMALL] = (kind, 0.4)
    watcher, _ = shaded(models, template, names)
    watch(watcher, lambda _: SLAB, 3)
    assert watch(watcher, lambda _: BOTH, 6, start=3) == []
    left = watch(watcher, lambda _: LEFT, 6, start=9)
    assert told(left) == [(Change.APPEARED, kind or DeskItem.UNKNOWN)]


def test_a_telephone_that_is_named_once_the_laptop_left_is_told(models: DeskModels) -> None:
    """Without a clean desk, too, the laptop's kind does not pass to what lay on it."""
    names = {LARGE: (DeskItem.LAPTOP, 0.9), SMALL: (DeskItem.PHONE, 0.4)}
    watcher, _ = shaded(models, None, names)
    watch(watcher, lambda _: SLAB, 3)
    assert watch(watcher, lambda _: BOTH, 6, start=3) == []
    assert watch(watcher, lambda _: LEFT, 3, start=9) == []
    names[SMALL] = (DeskItem.PHONE, 0.9)
    assert told(watch(watcher, lambda _: LEFT, 6, start=12)) == [(Change.APPEARED, DeskItem.PHONE)]


def test_an_item_that_is_not_known_under_another_stays(models: DeskModels) -> None:
    """A notebook that the detector loses when something lies on it, of which it knows nothing
    sure: without a clean desk nobody can say that it left."""
    names = {LARGE: (DeskItem.NOTEBOOK, 0.9)}
    watcher, items = shaded(models, None, names)
    assert len(watch(watcher, lambda _: SLAB, 4)) == 1
    items.names = items.mirrored = {SMALL: (DeskItem.PHONE, 0.4)}
    assert watch(watcher, lambda _: BOTH, 8, start=4) == []
    gone = watch(watcher, lambda _: desk(), 5, start=12)
    assert told(gone) == [(Change.CLEARED, DeskItem.NOTEBOOK), (Change.CLEAN, None)]


@pytest.mark.parametrize(
    ("size", "kind", "score"),
    [
        ((50, 30), DeskItem.NOTEBOOK, 0.9),
        ((50, 30), DeskItem.PHONE, 0.45),
        ((200, 80), DeskItem.PAPER, 0.9),
    ],
    ids=["of its kind", "faint", "as large"],
)
def test_a_piece_of_an_item_is_none_of_its_own(
    models: DeskModels,
    clean: DeskTemplate | None,
    size: tuple[int, int],
    kind: DeskItem,
    score: float,
) -> None:
    """Of the same kind, not surely of another, or not clearly smaller: part of what is known."""
    names = {LARGE: (DeskItem.NOTEBOOK, 0.9), SMALL: (kind, score)}
    watcher, _ = shaded(models, clean, names)
    assert told(watch(watcher, lambda _: SLAB, 4)) == [(Change.APPEARED, DeskItem.NOTEBOOK)]
    both = with_card(SLAB, 210, 250, *size, SMALL)
    assert watch(watcher, lambda _: both, 8, start=4) == []


def test_what_is_another_kind_in_every_second_look_is_a_piece(
    models: DeskModels, clean: DeskTemplate | None
) -> None:
    """Once a telephone, once a notebook on a notebook: by its mean it is nothing for sure."""
    names = {LARGE: (DeskItem.NOTEBOOK, 0.9)}
    watcher, items = shaded(models, clean, names | {SMALL: (DeskItem.PHONE, 0.7)})
    items.mirrored = names | {SMALL: (DeskItem.NOTEBOOK, 0.7)}
    assert len(watch(watcher, lambda _: SLAB, 4)) == 1
    assert watch(watcher, lambda _: BOTH, 8, start=4) == []


def test_an_item_does_not_take_what_lies_on_it_for_itself(models: DeskModels) -> None:
    """A telephone told of on a notebook is named like that for a second in which the notebook goes
    unseen. The telephone stays; the notebook leaves when it stays unseen."""
    names = {LARGE: (DeskItem.NOTEBOOK, 0.9), SMALL: (DeskItem.PHONE, 0.9)}
    watcher, items = shaded(models, None, names)
    assert len(watch(watcher, lambda _: SLAB, 4)) == 1
    assert len(watch(watcher, lambda _: BOTH, 4, start=4)) == 1
    items.names = items.mirrored = {SMALL: (DeskItem.NOTEBOOK, 0.9)}
    assert watch(watcher, lambda _: BOTH, 1, start=8) == []
    items.names = items.mirrored = {SMALL: (DeskItem.PHONE, 0.9)}
    after = watch(watcher, lambda _: BOTH, 6, start=9)
    assert told(after) == [(Change.CLEARED, DeskItem.NOTEBOOK)]


def test_things_that_come_together_are_told_each(models: DeskModels) -> None:
    """A pad on a notebook hardly larger: neither was there before, so neither is a piece."""
    names = {LARGE: (DeskItem.NOTEBOOK, 0.9), SMALL: (DeskItem.PAPER, 0.9)}
    watcher, _ = shaded(models, None, names)
    both = with_card(SLAB, 210, 250, 180, 75, SMALL)
    assert {one.item for one in watch(watcher, lambda _: both, 4)} == {
        DeskItem.NOTEBOOK, DeskItem.PAPER,
    }  # fmt: skip


def test_an_item_that_is_told_in_parts_is_one(models: DeskModels) -> None:
    """The whole and a part of it, and for a while the part alone: the item stays, and no other
    one appears."""
    watcher, items = shaded(models, None, {LARGE: (DeskItem.NOTEBOOK, 0.9)})
    assert len(watch(watcher, lambda _: SLAB, 4)) == 1
    part = (LARGE, Box(0, 0, 0.3, 1))
    items.more = [(LARGE, Box(0, 0, 1, 1)), part]
    assert watch(watcher, lambda _: SLAB, 6, start=4) == []
    items.more = [part]
    assert watch(watcher, lambda _: SLAB, 6, start=10) == []
    items.more = []
    assert watch(watcher, lambda _: SLAB, 6, start=16) == []


def test_what_lies_beside_the_zone_is_not_told(models: DeskModels) -> None:
    """The detector sees it, on a shelf next to the desk or hardly on it; it is told once most of
    it lies in the zone. No desk is enrolled."""
    names = {SMALL: (DeskItem.PHONE, 0.9)}
    corner = ((0.0, 0.5), (1.0, 0.5), (0.0, 1.0))  # of its surroundings the lower right is not it
    rules = DeskRules(polygon=corner)
    watcher = DeskWatcher(rules, DeskModels(ByShade(names), models.change))  # type: ignore[arg-type]
    assert watch(watcher, lambda _: with_card(desk(), 560, 310), 5) == []
    assert watch(watcher, lambda _: with_card(desk(), 320, 265), 5, start=5) == []
    assert told(watch(watcher, lambda _: with_card(desk(), 100, 260), 5, start=10)) == [
        (Change.APPEARED, DeskItem.PHONE)
    ]


class BySkin:
    """Takes skin for a telephone, and, if it ``knows``, for somebody."""

    knows = True

    def look(self, rgb: np.ndarray, *, mirrored: bool = False) -> Scene:
        skin = (abs(rgb.astype(int) - (196, 150, 124)) < 20).all(2)
        scores = np.zeros(len(KINDS), np.float32)
        scores[KINDS.index(DeskItem.PHONE)] = 0.9
        ys, xs = np.nonzero(skin)
        box = Box(float(xs.min()), float(ys.min()), xs.max() + 1.0, ys.max() + 1.0)
        people = (skin & self.knows)[2::4, 2::4].astype(np.float32)
        return Scene((Detection(box, scores),), np.ones_like(people), people)


def test_a_hand_that_lies_still_is_no_item(models: DeskModels, clean: DeskTemplate | None) -> None:
    """However sure the detector is of a thing there: where people are, nothing is told. The same
    pixels where nobody is are a thing."""
    items = BySkin()
    rules = DeskRules(polygon=POLYGON)
    watcher = DeskWatcher(rules, DeskModels(items, models.change), clean)  # type: ignore[arg-type]
    arm = with_arm(desk(), 300)
    assert watch(watcher, lambda _: arm, 8) == []
    items.knows = False
    assert told(watch(watcher, lambda _: arm, 4, start=8)) == [(Change.APPEARED, DeskItem.PHONE)]


def test_the_policys_polygon_narrows_the_enrolled_zone(
    models: DeskModels, template: DeskTemplate
) -> None:
    """Of the desk that was enrolled only what the policy names is watched."""
    left = ((0.0, 0.5), (0.4, 0.5), (0.4, 1.0), (0.0, 1.0))
    watcher = DeskWatcher(DeskRules(polygon=left, permitted=frozenset()), models, template)
    assert watch(watcher, lambda _: with_card(desk(), 400, 270), 5) == []
    both = with_card(with_card(desk(), 400, 270), 100, 270)
    assert len(watch(watcher, lambda _: both, 5, start=5)) == 1
    bare = with_card(desk(), 400, 270)
    gone = watch(watcher, lambda _: bare, 5, start=10)
    assert [one.change for one in gone] == [Change.CLEARED, Change.CLEAN]


@pytest.mark.parametrize("crop", [False, True], ids=["sees more", "sees less"])
def test_a_picture_of_another_shape_is_not_compared_with_the_clean_desk(
    models: DeskModels, template: DeskTemplate, crop: bool
) -> None:
    """The camera is in another mode, 4:3 for 16:9: the desk is elsewhere in it, and all of that
    would be taken for things that came. In another resolution it is where it was."""
    more = np.vstack([np.full((120, WIDTH, 3), 200, np.uint8), desk()])
    watcher = DeskWatcher(RULES, models, template)
    with pytest.raises(FrameError, match="another shape"):
        watcher.look(veiled(desk()[:, 80:560] if crop else more, 0.0))
    for number, size in enumerate(((1280, 720), (854, 480), (1366, 768))):
        watcher.look(veiled(cv2.resize(desk(), size), 1.0 + number))


@pytest.mark.parametrize("low", [0.4, 0.599, 0.6, 0.602])
def test_a_polygon_beside_the_enrolled_zone_is_refused(
    models: DeskModels, template: DeskTemplate, low: float
) -> None:
    """Where nothing is watched, silence would pass for a clean desk."""
    above = ((0.0, 0.2), (0.4, 0.2), (0.4, low), (0.0, low))
    with pytest.raises(PolicyError, match="enrolled"):
        DeskWatcher(DeskRules(polygon=above), models, template)
    strip = ((0.0, 0.2), (0.4, 0.2), (0.4, 0.62), (0.0, 0.62))
    DeskWatcher(DeskRules(polygon=strip), models, template)


def test_an_item_of_which_a_part_is_left_is_the_same(
    models: DeskModels, clean: DeskTemplate | None
) -> None:
    """A notebook, told of whole and in part, of which then only that part shows, as when it is
    pushed under a screen: it is neither gone nor another one."""
    watcher, items = shaded(models, clean, {LARGE: (DeskItem.NOTEBOOK, 0.9)})
    assert len(watch(watcher, lambda _: SLAB, 4)) == 1
    items.more = [(LARGE, Box(0, 0, 1, 1)), (LARGE, Box(0, 0, 0.25, 1))]
    assert watch(watcher, lambda _: SLAB, 4, start=4) == []
    items.more = []
    left = with_card(desk(), 200, 240, 55, 100, LARGE)
    assert watch(watcher, lambda _: left, 8, start=8) == []


def test_a_clock_set_back_does_not_silence(watcher: DeskWatcher) -> None:
    """After a jump of the clock into the past it goes on looking."""
    assert watch(watcher, lambda _: desk(), 2, start=100) == []
    found = watch(watcher, lambda _: with_card(desk(), 300, 270), 5, start=0)
    assert [one.change for one in found] == [Change.APPEARED]
    # What lay there before the jump, and is gone after it, clears as it would have; what had not
    # lain there long enough before it counts soon after it.
    assert watch(watcher, lambda _: with_card(desk(), 300, 270), 1, start=200) == []
    found = watch(watcher, lambda _: desk(), 5, start=100)
    assert [one.change for one in found] == [Change.CLEARED, Change.CLEAN]
    assert watch(watcher, lambda _: with_card(desk(), 300, 270), 1, start=200) == []
    found = watch(watcher, lambda _: with_card(desk(), 300, 270), 5, start=50)
    assert [one.change for one in found] == [Change.APPEARED]


def test_a_corner_that_was_never_seen_is_not_compared(models: DeskModels) -> None:
    """A part withheld at enrollment finds nothing later, and the rest does."""
    enrollment = DeskEnrollment(models.items, POLYGON)
    corner = NOTHING.copy()
    corner[:, : 80 // GRID.cell] = True
    for number in range(5):
        enrollment.take(veiled(desk(), number / RATE, corner))
    rules = DeskRules(polygon=POLYGON, permitted=frozenset())
    watcher = DeskWatcher(rules, models, enrollment.finish())
    assert watch(watcher, lambda _: desk(), 4) == []
    assert watch(watcher, lambda _: with_card(desk(), 10, 270, 40, 30), 4, start=4) == []
    both = with_card(with_card(desk(), 10, 270, 40, 30), 400, 270)
    assert len(watch(watcher, lambda _: both, 4, start=8)) == 1


@pytest.mark.parametrize("sizes", [((320, 180), (640, 360)), ((640, 360), (320, 180))])
def test_a_recording_that_changes_its_resolution_enrolls_the_same_desk(
    models: DeskModels, template: DeskTemplate, sizes: tuple[tuple[int, int], ...]
) -> None:
    """As of a call that gets more, or less, from the network: each frame is looked at where the
    desk is in it, not where it was in the first."""
    enrollment = DeskEnrollment(models.items, POLYGON)
    for number in range(10):
        picture = cv2.resize(desk(), sizes[number >= 5], interpolation=cv2.INTER_AREA)
        enrollment.take(veiled(picture, number / RATE))
    clean = enrollment.finish().clean.astype(float)
    assert np.abs(clean - template.clean).mean() < 4


def test_a_recording_that_changes_its_shape_enrolls_nothing(models: DeskModels) -> None:
    """Wide, then square: where the desk is in both is not known."""
    enrollment = DeskEnrollment(models.items, POLYGON)
    for number, size in enumerate(((640, 360), (480, 480))):
        enrollment.take(veiled(cv2.resize(desk(), size), float(number)))
    with pytest.raises(EnrollmentError, match="changes its shape"):
        enrollment.finish()


def test_a_desk_with_somebody_in_it_is_not_enrolled(models: DeskModels) -> None:
    """What was withheld must not become part of the clean look."""
    enrollment = DeskEnrollment(models.items, POLYGON)
    for number in range(5):
        enrollment.take(veiled(desk(), number / RATE, ~NOTHING))
    with pytest.raises(EnrollmentError):
        enrollment.finish()
