"""What was seen to be empty before is scene again when it shows that, until it proves wrong."""

from __future__ import annotations

import numpy as np

from homeveil.clear.scene import Scene
from homeveil.grid import BoolGrid, Grid
from homeveil.perceive.observation import Observation
from rooms import CELL, HEIGHT, WIDTH, Picture, frames, looks, texture

GRID = Grid(WIDTH, HEIGHT, CELL)
NONE = np.zeros(GRID.shape, bool)
PLACE = NONE.copy()
PLACE[10:13, 12:16] = True
BESIDE = NONE.copy()
BESIDE[10:13, 17:20] = True


def _pixels(cells: BoolGrid) -> BoolGrid:
    return np.repeat(np.repeat(cells, CELL, 0), CELL, 1)


class Room:
    """A room in which one place shows this or that, seen ten times a second."""

    def __init__(self, shown: int = 20) -> None:
        self.scene = Scene(GRID, hold_seconds=0.3)
        self._count = 0
        self.show(0, shown)
        assert self.scene.on_plate.all()

    def show(
        self,
        look: int,
        times: int = 1,
        *,
        near_agent: BoolGrid = NONE,
        seen: BoolGrid = NONE,
        around: int = 12,
        visited: bool = False,
    ) -> None:
        """look: which of its looks the place has. near_agent: where the agent is taken to have
        been. seen: where looks see somebody. around: which room it is in. visited: something is
        beside the place."""
        for _ in range(times):
            seconds = self._count / 10
            (frame,) = frames(lambda _: self._shown(look, around, visited), 1)
            self.scene.advance(frame, seconds, near_agent, NONE)
            self.scene.observe(Observation(people=looks(seen)), NONE, NONE)
            self.scene.settle(frame, seconds, NONE, NONE, ~seen)
            self.scene.remember(frame)
            self._count += 1

    def change(self, look: int) -> None:
        """The agent's arm passes over the place, and leaves it otherwise than it was."""
        self.show(look, 8, near_agent=PLACE)
        assert self.scene.on_plate.all()

    def _shown(self, look: int, around: int, visited: bool) -> Picture:
        picture = np.where(_pixels(PLACE), texture(100 + look), texture(around))
        return np.where(_pixels(BESIDE) & visited, texture(99), picture)

    @property
    def away(self) -> BoolGrid:
        return PLACE & ~self.scene.on_plate


def test_it_is_scene_again_in_the_frame_that_shows_it() -> None:
    room = Room()
    room.change(1)
    for _ in range(3):
        room.show(0)
        assert not room.away.any()
        room.show(1)
        assert not room.away.any()


def test_what_neither_plate_shows_is_not() -> None:
    room = Room()
    room.change(1)
    room.show(2)
    assert (room.away == PLACE).all()


def test_the_oldest_of_three_is_forgotten() -> None:
    room = Room()
    room.change(1)
    room.change(2)
    room.show(1)
    assert not room.away.any()
    room.show(0)
    assert (room.away == PLACE).all()


def test_one_that_proves_wrong_takes_the_other_with_it() -> None:
    """Somebody holds still in the place and is seen at last: what was shown there before is not
    shown again, nor in frames that still wait."""
    room, scene = Room(), None
    scene = room.scene
    first = scene.run.copy()
    room.change(1)
    second = scene.run.copy()
    assert scene.was_shown(PLACE, first).any()
    assert scene.cleared_since(first)[PLACE].all()
    room.show(1, 12, seen=PLACE)
    for run in (first, second):
        assert not (scene.was_shown(PLACE, run)).any()
        assert not (scene.cleared_since(run) & PLACE).any()
    room.show(0, seen=PLACE)
    assert (room.away == PLACE).all()


def test_in_another_room_none_is_left() -> None:
    room = Room()
    room.change(1)
    room.show(1, 20, around=13)
    assert not room.away.any()
    room.show(0, around=13)
    assert (room.away == PLACE).all()


def test_a_plate_in_doubt_is_not_kept() -> None:
    """When something moves beside a place that was cleared just now, whoever is there may have held
    still there too."""
    room = Room()
    room.change(1)
    room.show(1, visited=True)
    in_doubt = room.away
    assert in_doubt.any()
    room.show(2, 8, near_agent=PLACE)
    assert not room.away.any()
    room.show(1)
    assert room.away[in_doubt].all()


def test_a_place_in_doubt_stays_so_whatever_it_shows() -> None:
    """Its plate again, or the one before: both were cleared while somebody may have been there."""
    for look in (1, 0):
        room = Room()
        room.change(1)
        room.show(1, visited=True)
        in_doubt = room.away
        assert in_doubt.any()
        room.show(look, visited=True)
        assert room.away[in_doubt].all()


def test_a_doubt_takes_both_plates_that_are_on_probation() -> None:
    """A place was cleared, changed and cleared again within two seconds, and something moves beside
    it: frames that wait show neither look; but one from before that they do."""
    for first, is_shown in ((8, False), (30, True)):
        room = Room(first)
        scene = room.scene
        plates, run = scene.plate_run.copy(), scene.run.copy()
        room.change(1)
        room.show(1, visited=True)
        in_doubt = room.away
        assert in_doubt.any()
        shown = scene.was_shown(PLACE, plates) | scene.cleared_since(run)
        assert (shown[in_doubt] == is_shown).all()


def test_who_moves_twice_is_withheld_in_frames_of_before_the_first_time() -> None:
    """A place in doubt that was looked at anew and comes into doubt again: frames that wait show
    neither what was cleared there first nor what was cleared then."""
    room = Room()
    scene, waiting = room.scene, []

    def wait() -> None:
        waiting.append((scene.on_plate.copy(), scene.plate_run.copy(), scene.run.copy()))

    wait()
    room.show(0, visited=True)
    in_doubt = room.away
    assert in_doubt.any()
    room.show(0, 8)
    assert not room.away.any()
    wait()
    room.show(0, visited=True)
    assert (room.away == in_doubt).all()
    for on_plate, plate_run, run in waiting:
        shown = scene.was_shown(on_plate, plate_run) | scene.cleared_since(run)
        assert not (shown & in_doubt).any()
