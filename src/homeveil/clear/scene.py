"""The room: which cells show scene that was seen to be free of people.

Each cell has a *plate*, its last cleared look, and a *run*, the span since it last
changed. A cell that matches its valid plate is scene. A cell that does not match begins a
run, and what began it decides how the run can end:

``STARTUP``   there when the stream began; cleared by looks at every scale.
``UNCOVERED`` left behind by the agent, with nobody else near; cleared by looks soon.
``ARRIVED``   came in by itself: a person until it is gone, however long it holds still. It is
              cleared by the plate's return only; specks too small to be anybody, when they
              held still for long and no look at any scale saw a trace of somebody there.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear.camera import CameraMotion, CameraMove, CameraWatch
from homeveil.clear.change import NO_GAIN, Lit, NoiseMeter, brightened, compare, exposure_gain
from homeveil.clear.earlier import EarlierPlates, Plates
from homeveil.clear.evidence import Evidence
from homeveil.clear.mosaic import Mosaic
from homeveil.clear.patches import significant, sizes, touching
from homeveil.errors import StretchError
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, FloatGrid, Grid
from homeveil.perceive.observation import Observation

THING_PATIENCE_SECONDS = 60.0
LEFT_PATIENCE_SECONDS = 2.5
WEAK_PATIENCE_SECONDS = 1.6
"""How long something that only one scale took for a person must hold still."""

TRACED_SHARE = 0.05
"""Share of the cells of a patch that was never known empty with traces of somebody, up to
which the rest of it, some way off, may still be cleared."""

UNCOVERED_FRAMES = 2
RESET_SHARE = 0.6
"""Share of plated cells that change at once when the light or the camera changed."""

PROBATION_SECONDS = 2.0
PROBATION_CELLS = 3
MOST_DOUBTS = 3
BESIDE_CELLS = 4
LIGHT_SECONDS = 1.0
"""How long after a cell was cleared a change there, or so near, speaks against that, and how often,
so that what flickers is not looked at for ever; how near something that moves that change may
begin, and how soon after the light changed."""

WRONG_PLATES = 16
"""So many plates of a cell that proved wrong, one after another, are known to be wrong in frames
that wait: each was looked at for some tenths of a second."""

LEAST_PLATED = 0.2
BACK_SHARE = 0.5
"""After a gap: share of all cells that have a plate, and of those the share that shows it, from
which plates still say anything about the room."""

SHOCK_CELLS = 2
"""How far round what had come in a shock clears nothing."""

_RUN_SLACK = 1.15
_SHOCK_EXCESS = 1.6


class Origin(enum.IntEnum):
    """What began a run."""

    STARTUP = 0
    UNCOVERED = 1
    ARRIVED = 2


class Scene:
    """Plates, runs and evidence of every cell. skipped: the next frame comes after a gap.
    began_anew: in the last frame the light or the place was another one. motion: then, how the
    camera moved, if that is known; ``previous`` is what it would have seen from where it is, and in
    the light of now. gain_q8: how much stronger that is than a frame ago, in 1/256."""

    def __init__(self, grid: Grid, hold_seconds: float) -> None:
        self.grid = grid
        self.hold_seconds = hold_seconds
        self.noise = NoiseMeter()
        self.evidence = Evidence(grid)
        shape = grid.shape
        self.has_plate = np.zeros(shape, bool)
        self.plate_run = np.full(shape, -1, np.int32)
        self._plate_seconds = np.full(shape, -np.inf)
        self._wrong_runs = np.full((WRONG_PLATES, *shape), -2, np.int32)
        self._earlier = EarlierPlates(grid)
        self.run = np.zeros(shape, np.int32)
        self.origin = np.full(shape, Origin.STARTUP, np.uint8)
        self.run_seconds = np.zeros(shape, np.float64)
        self.run_frames = np.zeros(shape, np.int32)
        self.ended_seconds = np.zeros(shape, np.float64)
        self.on_plate = np.zeros(shape, bool)
        self.excess: FloatGrid = np.zeros(shape, np.float32)
        self.texture: FloatGrid = np.zeros(shape, np.float32)
        self._plate: Mosaic | None = None
        self._initial: Mosaic | None = None
        self._reference: Mosaic | None = None
        self._previous: RawFrame | None = None
        self._light: NDArray[np.float64] = np.zeros(shape)
        self._lit_seconds = -np.inf
        self._camera = CameraWatch(grid)
        self.motion: CameraMotion | None = None
        self.gain_q8 = NO_GAIN
        self._frame_number = -1
        self.began_anew = False
        self.skipped = False
        self._same_room = False
        self._outdated = np.zeros(shape, bool)
        self._unseen = np.zeros(shape, bool)
        self._doubted = np.zeros(shape, bool)
        self._doubts = np.zeros(shape, np.int32)
        self._barred = np.zeros(shape, bool)

    def skip(self, *, same_room: bool) -> None:
        """Frames are missing before the next one. What shows neither its plate there nor what it
        showed when its run began may have come in meanwhile; ``settle_gap`` says so for good.
        same_room: it is an error if the next frame shows another room or light."""
        self.skipped, self._same_room = True, same_room

    def settle_gap(self, near_agent: BoolGrid) -> None:
        """What is still off its plate after a gap, and is not near the agent, came in."""
        self.origin[~self.on_plate & ~near_agent] = Origin.ARRIVED
        self._keep_arrived()

    def advance(
        self, frame: RawFrame, seconds: float, agent_near: BoolGrid, others: BoolGrid
    ) -> BoolGrid:
        """Compare a new frame with plates and runs; returns the cells that changed.

        agent_near: cells at or beside the agent's last outline. others: cells that belong
        to somebody or something else, by the last decision. Raises StretchError when this is
        the first frame after a gap, the room must be the one of the plates and is not.
        """
        self._frame_number += 1
        self.began_anew, self.motion, self.gain_q8 = False, None, NO_GAIN
        if self._plate is None or self._reference is None or self._previous is None:
            return self._begin(frame, seconds)
        cell, slack = self.grid.cell, self.noise.slack
        before_light, now = self._light, Lit.of(frame, cell)
        self._light = now.light
        if not self.skipped:
            self.noise.update(_kernels.luma_differences(frame, self._previous, cell))
            self.gain_q8 = exposure_gain(self._light, before_light, ~(agent_near | others))
            self._previous = brightened(self._previous, self.gain_q8)
        current = self.has_plate & ~self._outdated
        plate = compare(now, self._plate.lit, cell, current, slack)
        before = self.on_plate, self.excess
        self.texture = plate.texture
        still = compare(now, self._reference.lit, cell, ~others, slack * _RUN_SLACK)
        self.excess = np.where(self.has_plate, plate.excess, still.excess)
        self.on_plate = self.has_plate & plate.matches & ~self._doubted
        self._go_back(now, slack)
        if self.skipped and self._is_back():
            return self._resume(now, still.matches, seconds)
        broken, came_in = ~still.matches, self._came_in(*before)
        shock = self._is_shock(plate.excess, current)
        move = None if self.skipped else self._camera.move(
            frame, self._previous, seconds, broken,
            agent_near | _kernels.grow(others, 1), came_in, shock=shock,
        )  # fmt: skip
        if move is not None:
            self._follow_camera(now, seconds, move)
        elif self.skipped or shock:
            self._start_anew(now, seconds, _kernels.grow(came_in, SHOCK_CELLS))
        self._outdated &= ~self.on_plate
        self.ended_seconds = np.where(broken, seconds - self.run_seconds, 0.0)
        young = self._young(seconds)
        around = self._came_in(self.on_plate, self.excess) if young.any() else young
        self._begin_runs(now, broken, seconds, agent_near, others)
        self._doubt(broken & (self.origin == Origin.ARRIVED), around, young, seconds)
        self.origin[self._doubted & plate.matches] = Origin.STARTUP
        self.run_frames[~broken] += 1
        self._barred &= ~broken
        self._keep_arrived()
        return broken

    def _go_back(self, now: Lit, slack: float) -> None:
        """Cells that show their plate before the last are on it."""
        away = self.has_plate & ~self.on_plate & ~self._doubted & ~self._outdated
        away &= self._earlier.has
        if not away.any():
            return
        earlier = self._earlier.compared(now, slack, away)
        back = away & earlier.matches
        if back.any():
            self._earlier.exchange(self._plates, back)
            self.on_plate |= back
            self.excess[back] = earlier.excess[back]

    @property
    def _plates(self) -> Plates:
        assert self._plate is not None
        return Plates(self._plate, self.plate_run, self._plate_seconds)

    def _begin(self, frame: RawFrame, seconds: float) -> BoolGrid:
        """The first frame of all; no cell changed."""
        cell, everywhere = self.grid.cell, np.ones(self.grid.shape, bool)
        now = Lit.of(frame, cell)
        self._light, self._previous = now.light, frame.copy()
        self._plate, self._reference = Mosaic(now, cell), Mosaic(now, cell)
        self._initial = Mosaic(now, cell)
        self.run_seconds[:] = seconds
        same = compare(now, now, cell, everywhere, 1.0)
        self._camera.began(everywhere, same.texture, seconds)
        self._camera.start(frame, seconds)
        return ~everywhere

    def _is_back(self) -> bool:
        """Whether the first frame after a gap shows the room of the plates."""
        plated, back = int(self.has_plate.sum()), int(self.on_plate.sum())
        same = plated >= LEAST_PLATED * self.has_plate.size and back >= BACK_SHARE * plated
        if self._same_room and not same:
            raise StretchError("the light or the camera is not as it was when the file began")
        return same

    def _resume(self, now: Lit, matches: BoolGrid, seconds: float) -> BoolGrid:
        """Begin runs in the first frame after a gap; returns the cells that changed.

        matches: cells that show what they did when their run began.
        """
        assert self._reference is not None
        broken = ~matches
        away = ~self.on_plate
        self._reference.take(now, broken)
        # What the agent left may have been taken over, and nothing is known to have held still.
        # For now it is as when a stream begins, so that the agent is not told apart from what is
        # merely new; but where a plate is known, looks alone clear nothing else.
        self.origin[away & (broken | (self.origin == Origin.UNCOVERED))] = Origin.STARTUP
        self._barred = away & self.has_plate
        self.evidence.forget(broken & away)
        self.ended_seconds = np.where(broken, seconds - self.run_seconds, 0.0)
        self.run[broken] = self._frame_number
        self.run_seconds[broken | away] = seconds
        self.run_frames[broken] = 0
        self.run_frames[~broken] += 1
        self._unseen = ~self.has_plate
        self._camera.began(broken, self.texture, seconds)
        self._camera.start(now.frame, seconds)
        self._keep_arrived()
        self.skipped = False
        return broken

    def _keep_arrived(self) -> None:
        """Where no plate is known since a gap, one may have been known without it: what comes in
        there is not forgiven for holding still either."""
        kept = self._unseen & ~self.has_plate & (self.origin == Origin.ARRIVED)
        self.excess[kept] = np.inf

    @property
    def still(self) -> BoolGrid:
        """Cells that show what they showed a frame ago or what their plate shows."""
        return self.on_plate | (self.run_frames >= 2) | (self._frame_number == 0)

    @property
    def previous(self) -> RawFrame:
        """The frame before this one; None only before the first ``advance``."""
        assert self._previous is not None
        return self._previous

    def remember(self, frame: RawFrame) -> None:
        """Keep ``frame`` as the previous one, once everything is decided about it."""
        whole = np.ones(self.grid.shape, bool)
        _kernels.copy_cells(self.previous, frame, self.grid.cell, whole)

    def _is_shock(self, excess: FloatGrid, current: BoolGrid) -> bool:
        """Whether the light was switched or the camera moved. current: cells with a plate that is
        not of before another such moment."""
        plated = int(current.sum())
        if plated < LEAST_PLATED * current.size:
            return False
        changed = int((current & (excess > _SHOCK_EXCESS)).sum())
        return changed >= RESET_SHARE * plated

    def _follow_camera(self, now: Lit, seconds: float, move: CameraMove) -> None:
        """All begins anew where the camera shows it now; what had come in has come in there."""
        self.motion = move.step
        if move.step is not None:
            self._previous = move.step.frame(self.previous)
        self._carry_plates(now, seconds, move)
        plated, on_plate = self.has_plate.copy(), self.on_plate.copy()
        self._start_anew(now, seconds, move.came_in)
        self.has_plate, self.on_plate = plated, on_plate
        self._outdated = plated & ~on_plate

    def _carry_plates(self, now: Lit, seconds: float, move: CameraMove) -> None:
        """Plates show what the camera would see where it is now; those that are not seen so are
        void, but where something had come in."""
        assert self._plate is not None
        cell = self.grid.cell
        moved = Lit.of(move.place.frame(self._plate.lit.frame), cell)
        self._plate = Mosaic(moved, cell)
        carried = move.place.filled(self.has_plate & ~self._outdated, self.grid)
        plate = compare(now, moved, cell, carried, self.noise.slack)
        self.on_plate = carried & plate.matches
        self.has_plate = self.on_plate | (carried & move.came_in)
        self.excess = np.where(self.has_plate, plate.excess, self.excess)
        # No run of a frame that waits is that of a plate, nor was it ever withdrawn.
        self.plate_run[:] = -3 - self._frame_number
        self._plate_seconds[:] = seconds

    def _came_in(self, on_plate: BoolGrid, excess: FloatGrid) -> BoolGrid:
        """Cells of what came in and was still there, by what the last frame showed."""
        return significant((self.origin == Origin.ARRIVED) & ~on_plate, excess)

    def _start_anew(self, now: Lit, seconds: float, kept: BoolGrid) -> None:
        """Every plate is void and looks begin anew, but where something had come in.

        That a shock cannot launder: it keeps its plates and what the stream began with, stays off
        them, and is cleared by their return only, a little round it too, since the camera may
        have moved.
        """
        assert self._initial is not None
        self._initial.take(now, ~kept)
        self.has_plate &= kept
        self._earlier.forget()
        self._outdated = self.has_plate.copy()
        self.on_plate[:] = False
        self.evidence.forget(np.ones(self.grid.shape, bool))
        self.origin = np.where(kept, Origin.ARRIVED, Origin.STARTUP).astype(np.uint8)
        self._unseen, self._doubted = kept.copy(), np.zeros(self.grid.shape, bool)
        self._doubts[:] = 0
        self.skipped = False
        self.began_anew = True
        self._camera.start(now.frame, seconds)

    def _begin_runs(
        self,
        now: Lit,
        broken: BoolGrid,
        seconds: float,
        agent_near: BoolGrid,
        others: BoolGrid,
    ) -> None:
        assert self._reference is not None
        if not broken.any():
            return
        self._reference.take(now, broken)
        near_others = _kernels.grow(others, 1)
        origin = np.where(agent_near & ~near_others, Origin.UNCOVERED, Origin.ARRIVED)
        # Single cells of sensor noise begin a run, but they are not something that came in.
        real = significant(broken, self.excess) | (broken & near_others)
        if not self.began_anew:
            self.origin[real] = origin[real]
        self._recognise_initial(now, broken)
        self.run[broken] = self._frame_number
        self.run_seconds[broken] = seconds
        self.run_frames[broken] = 0
        self._camera.began(broken, self.texture, seconds)
        self.evidence.forget(broken & ~self.on_plate)

    def _young(self, seconds: float) -> BoolGrid:
        """Cells on probation. While the light changes none is."""
        if self.gain_q8 != NO_GAIN:
            self._lit_seconds = seconds
        if seconds - self._lit_seconds < LIGHT_SECONDS:
            return np.zeros(self.grid.shape, bool)
        young = self.has_plate & ~self._doubted & (self._doubts < MOST_DOUBTS)
        young &= seconds - self._plate_seconds <= PROBATION_SECONDS
        return young

    def _doubt(
        self, begun: BoolGrid, came_in: BoolGrid, young: BoolGrid, seconds: float
    ) -> None:
        """What changes soon after it was cleared may be somebody who had held still unseen.

        begun: cells into which something comes now. came_in: what had come in before; what begins
        beside that is likely the same. young: cells on probation.
        """
        if not young.any():
            return
        begun = significant(begun, self.excess)
        begun &= ~touching(begun, _kernels.grow(came_in, BESIDE_CELLS))
        doubtful = young & _kernels.grow(begun, PROBATION_CELLS)
        if doubtful.any():
            self._prove_wrong(self.plate_run, doubtful)
            self._withdraw_earlier(doubtful & self._earlier.since(seconds - PROBATION_SECONDS))
            self.plate_run[doubtful] = -1
            self.run[doubtful] = self._frame_number
            self._doubted |= doubtful
            self._doubts[doubtful] += 1
            self.on_plate &= ~doubtful
            self.run_seconds[doubtful] = seconds
            self.evidence.forget_looks(doubtful)

    def _recognise_initial(self, now: Lit, broken: BoolGrid) -> None:
        """What looks as it did when the stream began did not come in since."""
        assert self._initial is not None
        doubtful = broken & (self.origin == Origin.ARRIVED) & ~self.on_plate
        if not doubtful.any():
            return
        back = compare(
            now, self._initial.lit, self.grid.cell, ~doubtful, self.noise.slack, doubtful
        )
        self.origin[doubtful & back.matches] = Origin.STARTUP

    def awaits_looks(self, seconds: float) -> BoolGrid:
        """Cells that looks may clear. What came in where a plate is known is cleared by its return,
        for long by nothing else."""
        came_in = self.has_plate & (self.origin == Origin.ARRIVED)
        young = seconds - self.run_seconds < THING_PATIENCE_SECONDS
        waiting: BoolGrid = ~self.on_plate & ~(came_in & young)
        return waiting

    def observe(self, observation: Observation, spill: BoolGrid, moving: BoolGrid) -> None:
        """Take in the people masks.

        spill: cells at or beside the agent's outline, into which the agent's own mask
        runs. moving: cells at or beside others, of which nothing can be said now.
        """
        wide = (observation.wide,) if observation.wide is not None else ()
        for look in (*wide, *observation.people):
            self.evidence.add_look(look, spill, moving)

    def settle(
        self,
        frame: RawFrame,
        seconds: float,
        agent: BoolGrid,
        others: BoolGrid,
        empty_now: BoolGrid,
    ) -> None:
        """Withdraw plates that proved occupied; clear runs that proved empty.

        agent: cells of the agent's outline. others: cells of somebody else. empty_now:
        cells that the looks at this very frame call empty.
        """
        sure, seen = self.evidence.occupied()
        self._withdraw(self.evidence.contradicted())
        age = seconds - self.run_seconds
        enough = self.evidence.looked_enough()
        somebody = sure | self.evidence.stirred()
        blocked = _kernels.grow(somebody, 1)
        blocked |= _kernels.grow(somebody, 3) & self.evidence.traces()
        blocked |= others
        weak = seen & (age < WEAK_PATIENCE_SECONDS)
        held = age >= self.hold_seconds
        startup = (self.origin == Origin.STARTUP) & held & enough & ~weak
        uncovered = (
            (self.origin == Origin.UNCOVERED) & (self.run_frames >= UNCOVERED_FRAMES) & empty_now
        )
        # Uncovered cells are believed soon, but only as far from anybody as can be told.
        uncovered &= ~_kernels.grow(others, 2) & ~_kernels.grow(seen, 1)
        arrived = self._patient_specks(age, enough)
        clear = (startup | uncovered | arrived) & ~blocked & ~agent & ~self.on_plate
        clear &= ~self._barred
        self._promote(frame, clear, seconds)

    def _patient_specks(self, age: NDArray[np.float64], enough: BoolGrid) -> BoolGrid:
        """Specks whose every cell has been still, looked at and without a trace for long.

        Patches large enough to be somebody are among the ``others`` that ``settle`` never
        clears; this is for what is left of noise and codecs.

        Where no plate is known, nothing is known to have come in either: it may as well be
        what somebody left behind, or a shadow. Shorter patience does, cell by cell, and
        a few traces spoil only what is near them.
        """
        thing: BoolGrid = (self.origin == Origin.ARRIVED) & ~self.on_plate
        if not thing.any():
            return thing
        count, labels = _kernels.label(thing)
        came_in = np.zeros(count + 1, bool)
        came_in[labels[thing & self.has_plate]] = True
        patience = np.where(came_in, THING_PATIENCE_SECONDS, LEFT_PATIENCE_SECONDS)
        young = (age < patience[labels]) | ~enough
        traces = self.evidence.traces()
        spoiled = _kernels.grow(traces, 1) | young
        bad = np.zeros(count + 1, bool)
        bad[labels[thing & spoiled]] = True
        cells = sizes(labels, count)
        traced = np.bincount(labels[thing & traces], minlength=count + 1)
        bad &= came_in | (traced > TRACED_SHARE * cells)
        patient: BoolGrid = thing & ~bad[labels] & ~young & ~_kernels.grow(traces, 3)
        return patient

    def _withdraw(self, occupied: BoolGrid) -> None:
        gone = self.has_plate & occupied
        self._prove_wrong(self.plate_run, gone)
        self._withdraw_earlier(gone)
        self.has_plate[gone] = False
        self.on_plate[gone] = False
        self.origin[gone & (self.origin == Origin.UNCOVERED)] = Origin.STARTUP

    def _withdraw_earlier(self, cells: BoolGrid) -> None:
        self._prove_wrong(self._earlier.run, self._earlier.withdraw(cells))

    def _prove_wrong(self, runs: NDArray[np.int32], cells: BoolGrid) -> None:
        """Frames that wait show nothing of the plates that ``cells`` had of ``runs`` either."""
        self._wrong_runs[1:, cells] = self._wrong_runs[:-1, cells]
        self._wrong_runs[0, cells] = runs[cells]

    def _promote(self, frame: RawFrame, clear: BoolGrid, seconds: float) -> None:
        if not clear.any():
            return
        assert self._plate is not None
        kept = clear & self.has_plate & ~self._doubted & ~self._outdated
        self._earlier.keep(self._plates, kept)
        self._plate.take(Lit(frame, self._light), clear)
        self.has_plate[clear] = True
        self._outdated[clear] = False
        self.on_plate[clear] = True
        self.plate_run[clear] = self.run[clear]
        self._plate_seconds[clear] = seconds
        self._doubted[clear] = False
        self.origin[clear] = Origin.STARTUP

    def was_shown(self, on_plate: BoolGrid, plate_run: NDArray[np.int32]) -> BoolGrid:
        """Of cells that were on plates of ``plate_run``: whose have not proved wrong since."""
        shown: BoolGrid = on_plate & ~(plate_run == self._wrong_runs).any(axis=0)
        return shown

    def cleared_since(self, run: NDArray[np.int32]) -> BoolGrid:
        """Cells that showed in ``run`` what has become a plate."""
        cleared: BoolGrid = self.has_plate & (self.plate_run == run)
        cleared |= self._earlier.cleared_in(run)
        return cleared

    @property
    def sure_plates(self) -> BoolGrid:
        """Cells with a plate that is not in doubt: of what may be hidden now nothing tints the
        veil."""
        sure: BoolGrid = self.has_plate & ~self._doubted
        return sure

    def plate_colours(self) -> NDArray[np.uint8]:
        """(rows, cols, 3) mean Y, U, V of each cell's plate; meaningless without a plate."""
        assert self._plate is not None
        return self._plate.colours()
