"""What may leave: puts scene, tracks and the agent's outline together, frame by frame.

For each frame call ``begin`` (what changed), give ``request`` to the perceiver, then
``finish`` with what it saw, or ``fault`` if it failed. A ``Decision`` may wait while later
frames are read; ``resolve`` then turns it into the mask of what is withheld, in the light
of everything learnt since.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear import silhouette
from homeveil.clear.attention import Attention
from homeveil.clear.limbs import Limbs
from homeveil.clear.lips import LipsKey
from homeveil.clear.patches import large, significant, surrounded, touching
from homeveil.clear.plan import LookPlan
from homeveil.clear.scene import Origin, Scene
from homeveil.clear.second import SecondLooks
from homeveil.clear.tracks import Track, Tracks
from homeveil.frames import RawFrame
from homeveil.grid import BoolGrid, Box, CellWindow, FloatGrid, Grid
from homeveil.perceive.observation import Depth, Face, LookRequest, Observation, Pose
from homeveil.policy import Policy
from homeveil.profile.template import Profile

FOREIGN_SECONDS = 1.0
FRESH_SECONDS = 1.0
"""How long a disputed cell stays disputed: beside somebody, and for an unexplained change
alone."""

UNEXPLAINED_SECONDS = 0.09
"""How long what changed and was not explained is not, while it holds still: not all of who moves
changes in every frame of a quick camera, and some cameras give a frame twice."""

PICTURE_SHARE = 0.7
"""Share of still cells of a face from which it is a picture."""

COMPANY_CELLS = 5
COMPANY_SECONDS = 30.0
"""How many cells of things make company, and how long it is remembered."""

QUIET_SECONDS = 30.0
"""How long the agent must have been in sight and nobody else been noticed before what came in with
the agent is taken for the agent's own."""

MOVED_SECONDS = 1.5
MOVED_CELLS = 6
"""How long, and how far round it, a place where somebody moved is distrusted."""

STILL_SECONDS = 1.5
"""How long a cell of the outline held still whose change must be explained."""

EMERGED_CELLS = 8
"""How many cells of the mask beside the agent's head that no limb reaches are somebody."""

EMERGE_SECONDS = 0.6
"""How long before somebody comes out beside the agent a change there may be of them."""

SURROUNDED = 4
"""Of a cell's eight neighbours, how many unexplained ones outweigh its own explanation."""

SWALLOWED_CELLS = 16
"""A disputed patch of so many cells may be somebody whom the agent's mask swallowed; it
needs nobody outside the outline to stay disputed."""

MIDDLE_OF_FACE = 0.15
"""Share of the face's width on either side at which somebody behind may show."""

SETTLED_SECONDS = 2.0
"""How long no cell of the outline may have been in dispute for the outline to be told apart
without what is remembered."""

CHANGED_FACE = 0.6
EXPLAINED_FACE = 0.3
"""Share of the cells of the agent's face that must have changed, and of these the share that may
be blocks of the frame before, for the face to have changed at a bound."""

CARRY_SECONDS = 2.0
"""How long an unbroken outline carries the agent's identity without a face."""


class Reason(enum.IntEnum):
    """Why a cell is shown or withheld."""

    SCENE = 0
    AGENT = 1
    UNCLEARED = 2
    ARRIVED = 3
    PERSON = 4
    EDGE = 5
    FAULT = 6


@dataclass(slots=True, eq=False)
class Decision:
    """What is known about one frame when it was read. Grids are (rows, cols).

    rimless: cells round which no edge of the agent is withheld. unexplained: cells of the
    agent that changed for no known reason; they are withdrawn if somebody comes out there.
    undisputed: nothing that is remembered was needed to tell the agent from others.
    """

    number: int
    seconds: float
    on_plate: BoolGrid
    plate_run: NDArray[np.int32]
    run: NDArray[np.int32]
    agent: BoolGrid
    track: int
    others: BoolGrid
    rimless: BoolGrid
    unexplained: BoolGrid
    arrived: BoolGrid
    undisputed: bool = False
    fault: bool = False


class Clearance:
    """State of clearance of one stream. lips: what mouths are looked at for, if anything."""

    def __init__(
        self,
        grid: Grid,
        profile: Profile | None,
        policy: Policy,
        lips: LipsKey | None = None,
    ) -> None:
        self.grid = grid
        self.policy = policy
        self.scene = Scene(grid, policy.hold_seconds)
        self.tracks = Tracks(profile, policy)
        self._lips = lips
        if lips is not None:
            lips.begin()
        self._plan = LookPlan(grid, policy.looks_per_second)
        self._attention = Attention()
        self._company_seconds = -np.inf
        self._company_due: float | None = None
        self._settle_seconds = 0.0
        self._number = -1
        self._know_nobody()

    def _know_nobody(self) -> None:
        """Forget all that was seen but the room."""
        grid = self.grid
        none = np.zeros(grid.shape, bool)
        self._second = SecondLooks(grid)
        self._outline = none
        self._outlined_seconds = -np.inf
        self._agent_before = none
        self._others = none
        self._outsiders = none
        self._memory = silhouette.Memory(grid)
        self._sight = silhouette.Sight(grid)
        self._limbs = Limbs(grid)
        self._pose_asked = False
        self._stray = none
        self._foreign_until = np.full(grid.shape, -np.inf)
        self._claimed_before = none
        self._outsider_run = np.full(grid.shape, -1, np.int32)
        self._undisputed = none
        self._supported = none
        self._disputed_seconds = -np.inf
        self._noticed_seconds = -np.inf
        self._arriving = False
        self._moved_seconds = np.full(grid.shape, -np.inf)
        self._moves: deque[tuple[float, BoolGrid]] = deque()
        self._unexplained = none
        self._unexplained_until = np.full(grid.shape, -np.inf)
        self._last_seconds: float | None = None
        self._verified: dict[int, tuple[float, float]] = {}

    def skip(self, settle_seconds: float, *, same_room: bool = False) -> None:
        """Frames are missing between the last one and the next; all decisions are resolved.

        The agent must prove itself anew, and what is not on its plate came in by itself. Of people
        nothing is remembered; so from ``settle_seconds`` after the next frame on, when there
        is an outline that changes can be held against, somebody is taken to be about. same_room:
        another room or light is an error; without it everything is looked at anew there.
        """
        self._settle_seconds = settle_seconds
        self._forget_outline()
        self.tracks.forget()
        self.scene.skip(same_room=same_room)
        self._know_nobody()

    # ---------------------------------------------------------------- one frame
    def begin(self, frame: RawFrame, seconds: float) -> None:
        """Take in what changed; what changed has lost its clearance by that alone.

        Raises StretchError: see :meth:`homeveil.clear.scene.Scene.advance`.
        """
        self._number += 1
        if seconds - self._outlined_seconds > CARRY_SECONDS:
            # While looks fail no outline is seen to end; who comes to where one was came in.
            self._forget_outline()
            self._outline = np.zeros(self.grid.shape, bool)
        near = _kernels.grow(self._outline, 2)
        resumed = self.scene.skipped
        changed = self.scene.advance(frame, seconds, near, self._outsiders)
        changed &= ~self.scene.on_plate
        self._memory.brighten(self.scene.gain_q8)
        if self.scene.began_anew:
            self._begin_anew(seconds)
            resumed = False
        elif self._has_changed_face(frame):
            self.tracks.question(seconds)
            self._attention.look_now()
        self._second.forget(changed)
        self._plan.unsettle(changed, self.scene.ended_seconds)
        if self._number == 0 or resumed or self.scene.began_anew:
            self._attention.disturb(seconds)
        if resumed:
            self._disputed_seconds = seconds
            self._company_due = seconds + self._settle_seconds
        if self._company_due is not None and seconds >= self._company_due:
            self._company_seconds, self._company_due = seconds, None
            self.scene.settle_gap(near)
        self._sight.forget(changed)
        self._limbs.stir(changed & near)
        self._attention.notice(
            seconds, changed, self.scene.excess, self._outline, self._close_window()
        )

    def _begin_anew(self, seconds: float) -> None:
        """Another light or place, or another recording: who is in it is not known. Where only the
        camera moved, what is known of people has moved with it, and the agent is asked again."""
        motion, grid = self.scene.motion, self.grid
        self._second, self._limbs = SecondLooks(grid), Limbs(grid)
        if motion is None:
            self.tracks.forget()
            return
        self.tracks.carry(motion)
        self.tracks.question(seconds)
        self._attention.look_now()
        self._outline = motion.touched(self._outline, grid)
        self._agent_before = motion.filled(self._agent_before, grid)
        self._others = motion.touched(self._others, grid)
        self._outsiders = motion.touched(self._outsiders, grid)
        self._supported = motion.touched(self._supported, grid)
        self._claimed_before = motion.touched(self._claimed_before, grid)
        foreign = motion.touched(self._foreign_until >= seconds, grid)
        self._foreign_until = np.where(foreign, seconds + FOREIGN_SECONDS, -np.inf)
        self._memory.carry(motion)

    def _has_changed_face(self, frame: RawFrame) -> bool:
        """Whether the agent's face is not the one of a frame ago, moved a little: at a cut it is
        somebody else's, or turned at once."""
        agent = self.tracks.agent
        if agent is None or not self._number:
            return False
        face = np.zeros(self.grid.shape, bool)
        face[self.grid.window(agent.box).index] = True
        changed = face & (self.scene.run_frames == 0)
        if changed.sum() < CHANGED_FACE * face.sum():
            return False
        anywhere = np.ones(self.grid.shape, bool)
        known = silhouette.explained_by(
            frame, self.scene.previous, self.grid.cell, anywhere, changed, self.scene.texture
        )
        return bool(known.sum() < EXPLAINED_FACE * changed.sum())

    def request(self, seconds: float) -> LookRequest:
        """What to look at in the frame just begun."""
        elapsed = 0.5 if self._last_seconds is None else seconds - self._last_seconds
        self._last_seconds = seconds
        scene = self.scene
        waiting = scene.awaits_looks(seconds) & ~_kernels.grow(self._outline, 1)
        waiting &= self._plan.worthwhile(seconds - scene.run_seconds) | (scene.run == 0)
        waiting &= ~self._moving()
        unknown = int((waiting & ~scene.evidence.looked_enough()).sum())
        agent = self.tracks.agent
        depth = self._attention.choose(
            seconds, verified=agent is not None and not agent.misses, alone=self._is_alone(agent)
        )
        credit = self._plan.earn(elapsed, unknown)
        checks = self._second.ask(credit // 2)
        self._plan.spend(len(checks))
        regions = self._plan.choose(scene.evidence, waiting.astype(np.float32))
        candidate, close = self.tracks.candidate(), self._close_window()
        first = candidate.box if candidate is not None else None
        known, lips = self.tracks.settled(seconds), self._lips
        mouths = lips.ask(seconds, self.tracks, self._holds_still) if lips is not None else ()
        self._pose_asked = depth is not Depth.NOTHING and self._limbs.wanted(seconds)
        return LookRequest(depth, regions, close, known, checks, mouths, first, self._pose_asked)

    def _close_window(self) -> CellWindow | None:
        """Where a close look at the agent, or whoever may be, is made."""
        candidate = self.tracks.candidate()
        if candidate is None:
            return None
        window = self.grid.window(silhouette.close_window(candidate.box, self.grid))
        return window if min(window.shape) >= 4 else None

    def _is_alone(self, agent: Track | None) -> bool:
        """Whether no face but the agent's is in sight that moves."""
        others = (track for track in self.tracks.tracks if track is not agent)
        return not any(track.is_sure and not self._holds_still(track.box) for track in others)

    def _holds_still(self, face: Box) -> bool:
        """Whether a face is a picture rather than somebody. One that is out of the frame, as when
        the camera was pushed, is not."""
        still = self.scene.still[self.grid.window(face).index]
        return still.size > 0 and bool(still.mean() >= PICTURE_SHARE)

    def finish(self, frame: RawFrame, seconds: float, observation: Observation) -> Decision:
        """Decide with what was seen."""
        self.tracks.update(observation.faces, observation.identities, seconds, observation.looked)
        for number, last in self.tracks.disproved():
            if number in self._verified:
                since, until = self._verified[number]
                self._verified[number] = (since, min(until, last))
        if self._lips is not None:
            self._lips.take(seconds, observation.mouths, self.tracks)
        self._sight.update(observation)
        probability = self._sight.probability()
        candidate = self.tracks.candidate()
        body = self._body(probability, candidate, seconds, observation.pose)
        claimed = self._claimed(candidate, seconds)
        core = self._core(candidate)
        middle = self._core(candidate, MIDDLE_OF_FACE)
        agent, foreign = self._contest(frame, seconds, body, claimed, core, middle)
        if (body & ~self._undisputed).any():
            self._disputed_seconds = seconds
        things = self._things(agent)
        others = things | foreign
        # What changes beside a disputed cell of the agent's own outline is not for that
        # something that came in; what changes beside somebody outside it is.
        self._outsiders = (things & ~body) | (claimed & body)
        self._take_in_faces(observation, candidate)
        if not body.any():
            self._forget_outline()
        # What is looked at in the outline says nothing of who is there without it.
        spill = _kernels.grow(body, 2) & ~self._stray
        self.scene.observe(observation, spill, self._moving() | body)
        self._look_again(observation, seconds, body)
        self.scene.settle(frame, seconds, agent, others, self._empty(probability, body))
        emerging = self._limbs.beside_head(self._stray)
        not_own = claimed | self._sudden(seconds) | emerging
        agent = self._with_edge(frame, seconds, agent, others, not_own)
        self._remember(frame, seconds, body, agent, others, candidate)
        return self._decision(seconds, agent, others, candidate)

    def fault(self, frame: RawFrame, seconds: float) -> Decision:
        """Nothing was seen: the frame is withheld whole and the agent must prove itself again."""
        self.tracks.doubt(seconds)
        self._agent_before = np.zeros(self.grid.shape, bool)
        self._second.forget(np.ones(self.grid.shape, bool))
        self._attention.disturb(seconds)
        self._disputed_seconds = seconds
        self.scene.remember(frame)
        decision = self._decision(seconds, self._agent_before, self._others, None)
        decision.fault = True
        return decision

    # ---------------------------------------------------------------- parts of finish
    def _body(
        self,
        probability: FloatGrid,
        candidate: Track | None,
        seconds: float,
        pose: Pose | None,
    ) -> BoolGrid:
        """The outline, as far as the agent's own limbs reach; what sticks out is not theirs."""
        self._stray = np.zeros(self.grid.shape, bool)
        if candidate is not None and seconds - candidate.seen_seconds > CARRY_SECONDS:
            candidate = None
        if self._limbs.follow(candidate.number if candidate is not None else 0):
            self._noticed_seconds = seconds
        if candidate is None:
            return np.zeros(self.grid.shape, bool)
        whole = silhouette.outline(self.grid, probability, candidate.box)
        if self._pose_asked:
            self._limbs.take(seconds, candidate.box, pose)
        limbs = self._limbs.cells(seconds, candidate.box)
        beyond = whole & ~limbs
        self._stray = touching(beyond, ~_kernels.grow(limbs, 1))
        return whole & limbs

    def _claimed(self, candidate: Track | None, seconds: float) -> BoolGrid:
        """Cells nearer to somebody else's face than to the agent's."""
        claimed = np.zeros(self.grid.shape, bool)
        if candidate is None:
            return claimed
        rivals = [one for one in self.tracks.tracks if one is not candidate and one.is_sure]
        if rivals:
            ours = silhouette.body_distance(self.grid, candidate.box)
            own = self._limbs.before_others(seconds)
            for track in rivals:
                claimed |= silhouette.claimed_by(self.grid, candidate.box, ours, track.box, own)
        pictures = self.scene.evidence.face_there()
        return claimed | (pictures & ~self.grid.cells_in(candidate.box.grown(0.1, 0.3, 0.1, 0.1)))

    def _contest(
        self,
        frame: RawFrame,
        seconds: float,
        body: BoolGrid,
        claimed: BoolGrid,
        core: BoolGrid,
        middle: BoolGrid,
    ) -> tuple[BoolGrid, BoolGrid]:
        """Split the outline into the agent's cells and cells that may be somebody else's.

        core: cells of the agent's own face in this frame, which need no explanation.
        middle: those of them behind whose rim nobody can come out.
        """
        scene = self.scene
        arrived = (scene.origin == Origin.ARRIVED) & ~scene.on_plate
        # Who is told apart by a face of their own is told apart anew in every frame; what
        # such a face no longer claims must be explained.
        let_go = self._claimed_before & ~claimed & body
        foreign_before = self._foreign_before(seconds) & body & ~self._claimed_before
        outside = large(arrived & ~body, COMPANY_CELLS)
        outside |= large(self._others & ~body, COMPANY_CELLS)
        # Beside the agent's head there is no desk and no lap: whoever the mask sees there besides
        # has come out from behind.
        emerged = self._limbs.beside_head(self._stray & (scene.origin != Origin.STARTUP))
        outside |= large(emerged, EMERGED_CELLS)
        theirs = claimed & body
        moved = outside & (scene.run_frames == 0)
        noticed = emerged | theirs | large(moved & ~_kernels.grow(body, 2), COMPANY_CELLS)
        own = self._own(seconds, body, foreign_before, noticed=bool(noticed.any()))
        foreign_before &= ~own
        self._claimed_before = claimed
        disputed = outside | (self._supported & body)
        contested = body & (
            _kernels.grow(disputed, silhouette.CONTEST_CELLS) | foreign_before | let_go
        )
        knew = bool(self._outline.any())
        if outside.sum() >= COMPANY_CELLS or theirs.any():
            self._company_seconds = seconds
        self._moved_seconds[moved] = seconds
        self._moves.append((seconds, moved))
        self._unexplained = body & self._still_unexplained(seconds)
        if knew and self._in_company(seconds):
            # Somebody is about, perhaps behind the agent: what the outline gained at a
            # bound must be explained too, and what changed near where they moved.
            near = _kernels.grow(seconds - self._moved_seconds <= MOVED_SECONDS, MOVED_CELLS)
            changed = (scene.run_frames == 0) & near
            contested |= body & (changed | ~_kernels.grow(self._outline, 1) | self._sudden(seconds))
        contested &= ~theirs & ~core & ~own
        doubtful = body & ~contested & ~theirs & ~foreign_before & ~middle & ~own
        doubtful = self._doubtful(doubtful, seconds)
        if not contested.any() and not doubtful.any():
            self._undisputed, self._supported = body & ~theirs, theirs
            return self._undisputed, theirs
        asked = (contested & ~foreign_before) | doubtful
        kept = self._memory.explains(
            frame, scene.previous, self._agent_before, asked, scene.texture
        )
        unexplained = doubtful & ~kept
        kept &= contested
        kept |= self._memory.recalls(frame, contested & foreign_before, scene.texture)
        foreign = contested & ~kept
        # A cell that fits by chance amid others that do not is no more the agent's than they.
        foreign |= contested & surrounded(foreign, SURROUNDED)
        kept &= ~foreign
        unexplained |= doubtful & surrounded(unexplained, SURROUNDED)
        self._take_unexplained(unexplained, seconds)
        # What is foreign stays so while it hangs together with somebody outside the
        # outline or with a face of its own; then it may be the agent's again.
        supported = touching(foreign, _kernels.grow(outside | theirs, 1))
        supported |= large(foreign, SWALLOWED_CELLS)
        fresh = foreign & ~foreign_before
        self._foreign_until[fresh] = seconds + FRESH_SECONDS
        self._foreign_until[supported] = seconds + FOREIGN_SECONDS
        self._foreign_until[kept] = -np.inf
        foreign |= theirs
        self._undisputed, self._supported = body & ~foreign & ~contested, supported
        return body & ~foreign, foreign

    def _still_unexplained(self, seconds: float) -> BoolGrid:
        """Cells that show the same since they changed, not long ago, and nothing explained them."""
        self._unexplained_until[self.scene.run_frames == 0] = -np.inf
        unexplained: BoolGrid = self._unexplained_until >= seconds
        return unexplained

    def _take_unexplained(self, cells: BoolGrid, seconds: float) -> None:
        self._unexplained_until[cells] = seconds + UNEXPLAINED_SECONDS
        self._unexplained |= cells

    def _foreign_before(self, seconds: float) -> BoolGrid:
        """Cells of somebody else's by what was decided before."""
        # What held still since it was somebody's outside the outline is still theirs.
        self._outsider_run[self._outsiders] = self.scene.run[self._outsiders]
        foreign: BoolGrid = self._outsiders | (self._foreign_until >= seconds)
        foreign |= self.scene.run == self._outsider_run
        return foreign

    def _own(
        self, seconds: float, body: BoolGrid, foreign: BoolGrid, *, noticed: bool
    ) -> BoolGrid:
        """What is the agent's own of an outline that came in: who sits down while the camera runs
        has come in like anybody, and is believed when for long nobody else was noticed.

        foreign: cells of somebody else by what is remembered. noticed: somebody else is, now.
        """
        if not self._outline.any():
            self._arriving = 2 * int((foreign & body).sum()) > int(body.sum())
            self._noticed_seconds = seconds
        believed = seconds - self._noticed_seconds >= QUIET_SECONDS
        if noticed:
            self._arriving &= not believed
            self._noticed_seconds = seconds
        if noticed or not self._arriving or not believed:
            return np.zeros(self.grid.shape, bool)
        own = body & self._limbs.surely(seconds)
        self._foreign_until[own] = -np.inf
        self._outsider_run[own] = -1
        self._supported = self._supported & ~own
        return own

    def _in_company(self, seconds: float) -> bool:
        """Whether somebody else was seen about not long ago."""
        return seconds - self._company_seconds <= COMPANY_SECONDS

    def _doubtful(self, body: BoolGrid, seconds: float) -> BoolGrid:
        """Cells that changed, with nobody seen near them so far. While nobody is about, only those
        beside the head, where somebody may come out soon."""
        doubtful: BoolGrid = body & (self.scene.run_frames == 0)
        return doubtful if self._in_company(seconds) else self._limbs.beside_head(doubtful)

    def _sudden(self, seconds: float) -> BoolGrid:
        """While somebody is about: cells that changed after they held still for long.

        What is seen through a gap between the agent's arm and body holds still; when it
        changes, somebody may be passing behind.
        """
        if not self._in_company(seconds):
            return np.zeros(self.grid.shape, bool)
        sudden: BoolGrid = self.scene.ended_seconds >= STILL_SECONDS
        return sudden

    def _core(self, candidate: Track | None, inward: float = 0.0) -> BoolGrid:
        """The verified face itself, where it was seen in this frame: the oval in its box. In the
        corners, beside the chin, is who stands behind."""
        if candidate is None or not candidate.is_agent or candidate.misses:
            return np.zeros(self.grid.shape, bool)
        return self.grid.cells_about(candidate.box.grown(-inward, 0.15, -inward, 0.05))

    def _things(self, agent: BoolGrid) -> BoolGrid:
        scene = self.scene
        arrived = (scene.origin == Origin.ARRIVED) & ~scene.on_plate & ~agent
        return significant(arrived, scene.excess)

    def _moving(self) -> BoolGrid:
        """Cells at or beside what moves by itself: a look there says nothing that lasts."""
        recent = (self.scene.run_frames < 2) & ~self.scene.on_plate & (self._number > 1)
        moving: BoolGrid = _kernels.grow(recent & self._others, 2) | recent
        return moving

    def _take_in_faces(self, observation: Observation, candidate: Track | None) -> None:
        """Faces that hold still are pictures; those of people who move are tracks only."""
        for face in observation.faces:
            if candidate is not None and _is_on(face, candidate):
                continue
            x, y = face.box.centre
            if self._outline[self.grid.window(Box(x, y, x + 1, y + 1)).index].any():
                continue
            if self._holds_still(face.box):
                self.scene.evidence.add_face(face)

    def _forget_outline(self) -> None:
        """There is no outline any more: looks at and round it, which did not count against who was
        in it, do not count for an empty room either."""
        if self._outline.any():
            cells = _kernels.grow(self._outline, 2) & ~self.scene.on_plate
            self.scene.evidence.forget_looks(cells)
            self._second.forget(cells)

    def _look_again(self, observation: Observation, seconds: float, body: BoolGrid) -> None:
        """Second looks at what held still since the start and only a mask took for somebody."""
        scene = self.scene
        scene.evidence.excuse(self._second.answer(observation.checks))
        settled = (scene.origin == Origin.STARTUP) & ~scene.on_plate
        settled &= seconds - scene.run_seconds >= scene.hold_seconds
        settled &= scene.evidence.looked_enough()
        apart = ~_kernels.grow(body, 1)
        self._second.suspect(scene.evidence.suspected() & apart, settled, seconds)

    def _empty(self, probability: FloatGrid, body: BoolGrid) -> BoolGrid:
        return self._sight.empty(probability) & ~body

    def _with_edge(
        self, frame: RawFrame, seconds: float, agent: BoolGrid, others: BoolGrid, not_own: BoolGrid
    ) -> BoolGrid:
        """Hair and the rim of clothes: one cell more, but not towards anybody else, and while
        somebody is about not what has changed and the agent does not explain. It is no surer than
        the cells whose rim it is."""
        rim = _kernels.grow(agent, 1) & ~agent & ~_kernels.grow(others, 2) & ~not_own
        if self._in_company(seconds) and (asked := self._doubtful(rim, seconds)).any():
            rim &= ~asked | self._memory.explains(
                frame, self.scene.previous, self._agent_before, asked, self.scene.texture
            )
        self._unexplained |= rim & ~_kernels.grow(agent & ~self._unexplained, 1)
        return agent | rim

    def _remember(
        self,
        frame: RawFrame,
        seconds: float,
        body: BoolGrid,
        agent: BoolGrid,
        others: BoolGrid,
        candidate: Track | None,
    ) -> None:
        self._outline = body
        self._outlined_seconds = seconds
        self._agent_before = agent
        self._others = others
        self._memory.keep(frame, self._undisputed)
        self.scene.remember(frame)
        if candidate is not None and candidate.is_agent and candidate.questioned_seconds is None:
            since, _ = self._verified.get(candidate.number, (candidate.since_seconds, seconds))
            self._verified[candidate.number] = (since, seconds)

    def _decision(
        self, seconds: float, agent: BoolGrid, others: BoolGrid, candidate: Track | None
    ) -> Decision:
        scene = self.scene
        return Decision(
            self._number,
            seconds,
            scene.on_plate.copy(),
            scene.plate_run.copy(),
            scene.run.copy(),
            agent,
            candidate.number if candidate is not None else 0,
            others,
            self._outline & (self._claimed_before | ~self._supported),
            self._unexplained,
            (scene.origin == Origin.ARRIVED) & ~scene.on_plate,
            seconds - self._disputed_seconds >= SETTLED_SECONDS,
        )

    # ---------------------------------------------------------------- when a frame leaves
    def resolve(self, decision: Decision) -> NDArray[np.uint8]:
        """(rows, cols) of Reason: what is shown and what is withheld, and why."""
        scene = self.scene
        reasons = np.full(self.grid.shape, Reason.UNCLEARED, np.uint8)
        if decision.fault:
            reasons[:] = Reason.FAULT
            return reasons
        shown = scene.was_shown(decision.on_plate, decision.plate_run)
        shown |= scene.cleared_since(decision.run)
        reasons[shown] = Reason.SCENE
        if self._was_agent(decision):
            reasons[decision.agent] = Reason.AGENT
        reasons[decision.arrived & (reasons == Reason.UNCLEARED)] = Reason.ARRIVED
        others = decision.others | self._emerged(decision)
        hidden = others & (reasons != Reason.SCENE)
        grow = self.policy.grow_cells
        edge = _kernels.grow(hidden, grow) & ~hidden & (reasons == Reason.SCENE)
        # What is merely nearer to somebody else's face than to the agent's is an edge
        # already, and what nobody supports is likely the agent's own.
        seen = hidden & ~decision.rimless
        edge |= _kernels.grow(seen, grow) & ~hidden & (reasons == Reason.AGENT)
        reasons[edge] = Reason.EDGE
        reasons[hidden] = Reason.PERSON
        return reasons

    def _emerged(self, decision: Decision) -> BoolGrid:
        """Unexplained cells of the outline beside which somebody came out soon after."""
        while self._moves and self._moves[0][0] <= decision.seconds:
            self._moves.popleft()
        came_out = np.zeros(self.grid.shape, bool)
        for seconds, moved in self._moves:
            if seconds - decision.seconds > EMERGE_SECONDS:
                break
            came_out |= moved
        emerged: BoolGrid = decision.unexplained & _kernels.grow(came_out, MOVED_CELLS)
        return emerged

    def _was_agent(self, decision: Decision) -> bool:
        span = self._verified.get(decision.track)
        return span is not None and span[0] < decision.seconds <= span[1]


def withheld(reasons: NDArray[np.uint8]) -> BoolGrid:
    """The cells that must be painted over."""
    mask: BoolGrid = reasons > Reason.AGENT
    return mask


def _is_on(face: Face, track: Track) -> bool:
    smaller = min(face.box.area, track.box.area)
    return smaller > 0 and face.box.shared(track.box) / smaller > 0.4
