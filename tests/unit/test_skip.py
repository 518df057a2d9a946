"""A gap in a recording: the room is known, everything else came in meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from homeveil.clear.scene import Origin
from homeveil.errors import StretchError
from homeveil.fakes import FakePerceiver, FakeScene, body_of, fake_profile
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.grid import Box
from homeveil.policy import Policy, Style
from homeveil.redactor import Redactor
from rooms import HEIGHT, WIDTH, Picture, frames, shown, texture, with_patch

ROOM = texture(1)
FILL = Policy(style=Style.FILL, looks_per_second=1000.0)
AGENT = Box(140, 60, 180, 100)
OPENING, GAP = 40, 600
THING = (200, 62, 262, 208)


def seated(room: Picture = ROOM) -> Picture:
    """A room with the agent in it."""
    body = body_of(AGENT, HEIGHT)
    x, width = int(body.x0), int(body.x1 - body.x0)
    return with_patch(
        with_patch(room, texture(3, width, HEIGHT - 100), x, 100), texture(4, 40, 40), 140, 60
    )


def across(
    before: Picture,
    after: Picture,
    count: int,
    scene: object = None,
    profile: object = None,
    settle: float = 0.0,
) -> tuple[list[RawFrame], list[VeiledFrame], Redactor]:
    """Frames of ``after`` as they come and as they leave behind a gap, live."""
    perceiver = FakePerceiver(scene or FakeScene())
    redactor = Redactor(profile, FILL, perceiver=perceiver, delay_seconds=0.0)
    raws = frames(lambda n: before if n < OPENING else after, GAP + count)
    for raw in raws[:OPENING]:
        list(redactor.process(raw))
    redactor.skip(settle)
    later = raws[GAP:]
    return later, [veiled for raw in later for veiled in redactor.process(raw)], redactor


@pytest.mark.parametrize("settle", [0.0, 10.0])
def test_what_came_in_meanwhile_stays_veiled(settle: float) -> None:
    """Something that no look takes for a person, there since the gap, has not faded into view half
    a minute later, whether or not looks had their time before it counts as come in; the room
    beside it is shown at once."""
    after = with_patch(ROOM, texture(6, 64, 150), 199, 60)
    raws, out, _ = across(ROOM, after, 330, settle=settle)
    for n in (0, 10, 100, 329):
        assert shown(raws[n].planes[0], out[n].planes[0], *THING) < 0.03, n
        assert shown(raws[n].planes[0], out[n].planes[0], 0, 0, 150, HEIGHT) == 1.0, n


def test_a_start_would_show_it() -> None:
    """The same frames from their start: it is there from the beginning, and is shown."""
    after = with_patch(ROOM, texture(6, 64, 150), 199, 60)
    raws = frames(lambda n: after, 60)
    with Redactor(None, FILL, perceiver=FakePerceiver(FakeScene()), delay_seconds=0.0) as redactor:
        out = [veiled for raw in raws for veiled in redactor.process(raw)]
    assert shown(raws[59].planes[0], out[59].planes[0], *THING) > 0.95


def test_what_came_in_where_no_plate_is_known_stays_veiled() -> None:
    """Where the agent sat in the opening somebody else's back is found after the gap: nothing was
    uncovered there, and no look clears it."""
    other = with_patch(ROOM, texture(8, 70, HEIGHT - 60), 125, 60)
    seen = lambda t: FakeScene(agent=AGENT) if t < OPENING / 10 else FakeScene()  # noqa: E731
    raws, out, redactor = across(seated(), other, 200, seen, fake_profile())
    scene = redactor._stream.clearance.scene
    assert not (scene.origin == Origin.UNCOVERED).any()
    for n in (0, 5, 50, 199):
        assert shown(raws[n].planes[0], out[n].planes[0], 127, 64, 193, HEIGHT - 2) < 0.05, n


def test_holding_still_is_no_ground_where_no_plate_is_known() -> None:
    """What has come in where the agent sat in the opening, and has not stirred since, is not
    cleared for that: it may be anybody, in the colours of the room."""
    seen = lambda t: FakeScene(agent=AGENT) if t < OPENING / 10 else FakeScene()  # noqa: E731
    raws, out, _ = across(seated(), ROOM, 200, seen, fake_profile())
    for n in (0, 50, 199):
        assert shown(raws[n].planes[0], out[n].planes[0], 130, 70, 190, HEIGHT - 8) < 0.05, n


def test_the_agent_must_prove_itself_anew() -> None:
    """Verified before the gap, the agent is withheld in the first frame after it and shown once
    compared again."""
    raws, out, redactor = across(seated(), seated(), 30, FakeScene(agent=AGENT), fake_profile())
    face = (144, 64, 176, 96)
    assert shown(raws[0].planes[0], out[0].planes[0], *face) < 0.05
    assert shown(raws[29].planes[0], out[29].planes[0], *face) == 1.0
    assert redactor.undisputed


def test_an_agent_who_sits_otherwise_is_told_apart() -> None:
    """Where the agent sat in the opening the room is seen after the gap, and the agent beside it:
    looks clear the room, and what is new beside the agent is not held against them."""
    other = with_patch(
        with_patch(ROOM, texture(3, 70, HEIGHT - 100), 45, 100), texture(4, 40, 40), 60, 60
    )
    moved = Box(60, 60, 100, 100)
    seen = lambda t: FakeScene(agent=AGENT if t < OPENING / 10 else moved)  # noqa: E731
    raws, out, redactor = across(seated(), other, 150, seen, fake_profile(), settle=10.0)
    for n in (60, 149):
        assert shown(raws[n].planes[0], out[n].planes[0], 64, 64, 96, 96) == 1.0, n
        assert shown(raws[n].planes[0], out[n].planes[0], 50, 140, 110, HEIGHT - 8) > 0.9, n
    assert redactor.undisputed


@pytest.mark.parametrize("after", [texture(2), (ROOM // 3).astype(np.uint8)])
def test_another_room_or_light_is_no_ground(after: Picture) -> None:
    """The camera moved or the light went out meanwhile: an error before any frame leaves, and
    again for every frame that follows."""
    perceiver = FakePerceiver(FakeScene())
    with Redactor(None, FILL, perceiver=perceiver, delay_seconds=0.0) as redactor:
        raws = frames(lambda n: ROOM if n < OPENING else after, GAP + 3)
        for raw in raws[:OPENING]:
            list(redactor.process(raw))
        redactor.skip()
        for raw in raws[GAP:]:
            with pytest.raises(StretchError):
                list(redactor.process(raw))


def test_a_gap_before_anything_or_into_another_size_is_refused() -> None:
    """Nothing is known of the room then."""
    with Redactor(None, FILL, perceiver=FakePerceiver(FakeScene())) as redactor:
        with pytest.raises(StretchError):
            redactor.skip()
        raws = frames(lambda n: ROOM if n < OPENING else ROOM[:, : WIDTH // 2], GAP + 1)
        for raw in raws[:OPENING]:
            list(redactor.process(raw))
        assert len(redactor.skip()) > 0
        with pytest.raises(StretchError, match="size"):
            list(redactor.process(raws[GAP]))
