"""Watches the desk in veiled frames and finds what comes to rest on it and what goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.difference import ChangeDetector, CleanDesk, Difference
from homeveil.desk.findings import Change, Finding
from homeveil.desk.items import KINDS, SAME, STRIDE, Detection, ItemDetector, Scene
from homeveil.desk.supplied import SuppliedDetector
from homeveil.desk.surface import WorkSurface, averaged, beside_agent, found_in
from homeveil.desk.tracks import NO_NAME, Candidate, Track, Tracks, named
from homeveil.desk.view import STEP, Mask, Rgb, View, resized
from homeveil.desk_rules import LEAST_AREA, DeskItem, DeskRules, Point
from homeveil.errors import FrameError, PolicyError
from homeveil.frames import VeiledFrame
from homeveil.grid import Box
from homeveil.models import store
from homeveil.models.purposes import check_purposes
from homeveil.policy import ModelFile
from homeveil.profile.desk import DeskTemplate

LOOK_SECONDS = 0.5
"""Time between looks: a few a second are enough for what must lie still for over a second."""

SURE: NDArray[np.float32] = np.array(
    [0.60, 0.50, 0.50, 0.50, 0.45, 0.60, 0.50, 0.55, 0.45, 0.70], np.float32
)
"""Score of each kind from which what has this kind for its likeliest is one. From there on four of
five in held-back pictures, each seen as it is and mirrored, are right, of telephones six of seven
(for one a mug and mice were taken), of kinds that are permitted unless a policy says otherwise some
nine of ten, and of what has no name of its own, which says least and is most often somebody,
nineteen of twenty; persistence and the zone come on top. See
models/desk_items/README.md."""

NOTED_SHARE = 0.6
"""Of ``SURE``: enough to follow a candidate, which counts once its mean reaches ``SURE``, and to
name what the clean look already says is there."""

PERSON = 0.5
LEAST_IN_ZONE = 0.5
LEAST_DIFFERENT = 0.2
STILL_THERE = 0.3
"""Share of an item's place that differs from the clean desk while it is not gone."""

STIRRED = 14
"""Grey levels between two looks from which a pixel, smoothed, shows something else."""

AT_REST = 0.12
"""Share of an item's place that may be so: what lies there is still, and people never are."""

UNDER_HANDS = frozenset({DeskItem.KEYBOARD, DeskItem.MOUSE})
"""Hands stir before these and they lie there all the same."""

ZONE_SEEN = 0.5
"""Share of the zone that must be seen before it is called clean."""


@dataclass(frozen=True, slots=True)
class DeskModels:
    """Networks the watcher looks with."""

    items: ItemDetector
    change: ChangeDetector
    supplied: SuppliedDetector | None = None

    @classmethod
    def load(cls, models: Mapping[str, ModelFile]) -> DeskModels:
        """Our own two, and the user's where the policy names one as ``desk_detector``.
        ModelError when a file is missing or not the one meant."""
        check_purposes(models)
        items = ItemDetector(store.locate("desk_items", models).read())
        change = ChangeDetector(store.locate("desk_change", models).read())
        if "desk_detector" not in models:
            return cls(items, change)
        given = store.locate("desk_detector", models)
        return cls(items, change, SuppliedDetector.of(given.read(), given.path.suffix))


class DeskWatcher:
    """Give it every veiled frame in order; it looks at a few of them.

    rules: what is permitted, and the zone's name and polygon. models: see ``DeskModels``.
    template: the zone and its clean look from the profile; the policy's polygon, where there
    is one, narrows it: PolicyError where nothing is left. Without either, the work surface is
    found.
    """

    def __init__(
        self, rules: DeskRules, models: DeskModels, template: DeskTemplate | None = None
    ) -> None:
        self._rules, self._models, self._template = rules, models, template
        self._polygon = template.polygon if template is not None else rules.polygon
        if template is not None and rules.polygon:
            _check(template.polygon, rules.polygon)
        self._view: View | None = None
        self._work: WorkSurface | None = None
        self._clean: CleanDesk | None = None
        self._surface: NDArray[np.float32] | None = None
        self._before: Rgb | None = None
        self._tracks = Tracks()
        self._next_look = float("-inf")
        self._mirrored = False
        self._numbers = 0
        self._dirty = False

    def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
        """What changed, as of this frame. FrameError for anything but a veiled frame, and for one
        of another shape than those in which the clean desk was enrolled."""
        if not isinstance(frame, VeiledFrame):
            raise FrameError(f"the desk is watched in veiled frames, not {type(frame).__name__}")
        seconds = frame.time.seconds
        # A clock that was set back must not silence the watcher.
        if self._next_look - LOOK_SECONDS <= seconds < self._next_look:
            return ()
        self._next_look = seconds + LOOK_SECONDS
        if frame.fault or frame.withheld.all():
            return ()
        view = self._settle(frame, seconds)
        unknown = view.withheld(frame)
        if unknown[view.inside].all():
            return ()
        rgb = view.picture(frame)
        # What is followed is judged by the mean of its looks: they should not all err alike.
        scene = self._models.items.look(rgb, mirrored=self._mirrored)
        self._mirrored = not self._mirrored
        people = resized(scene.people > PERSON, view.size) & ~unknown
        zone = self._zone(frame, view, scene, unknown)
        found, different = self._candidates(rgb, scene, zone, unknown | people)
        hidden = _sums(unknown | people)
        occupied = _sums(different)
        stirred = _sums(self._stirred(rgb))

        def unsure(track: Track) -> float:
            box = track.box
            if self._on_another(track):  # whose place differs from the clean desk anyway
                still = any(_noted(one) and one.box.overlap(box) > SAME for one in scene.items)
            elif self._clean is None:  # what lies on it may be why it is not known
                still = bool(self._tracks.on(track))
            else:
                still = _share(occupied, _half(box)) > STILL_THERE
            return 1.0 if still else max(_share(hidden, box), _share(stirred, box))

        found = [
            one
            for one in found
            if _share(stirred, one.box) <= AT_REST or KINDS[int(one.scores.argmax())] in UNDER_HANDS
        ]
        self._tracks.update(found, lambda box: _share(hidden, box), unsure, seconds)
        return self._tell(seconds, float(unknown[view.inside].mean()))

    def _settle(self, frame: VeiledFrame, seconds: float) -> View:
        """The view for this frame. Where it changes, what is known moves with it."""
        old, size = self._view, (frame.width, frame.height)
        polygon = self._polygon or self._surroundings(frame, seconds)
        if old is not None and (old.frame, old.polygon) == (size, polygon):
            return old
        looking = View.close if self._template is None else View.of
        view = looking(polygon, *size)
        if self._template is not None:
            _check_shape(view, self._template)
        if self._rules.polygon:  # the view stays that of the clean look
            view = view.narrowed(self._rules.polygon)
        self._view = view
        if (old is None or old.size != view.size) and self._template is not None:
            self._clean = CleanDesk(self._models.change, self._template.clean, view.size)
        if old is not None:
            for track in self._tracks.all:
                track.box = view.pixels(old.shares(track.box))
            self._surface = None
            self._before = None
        return view

    def _surroundings(self, frame: VeiledFrame, seconds: float) -> tuple[Point, ...]:
        """Of the work surface, as wide looks find it."""
        size = (frame.width, frame.height)
        if self._work is None or self._work.wide.frame != size:
            self._work = WorkSurface(*size)
        if self._work.due(seconds):
            wide = self._work.wide
            unknown = wide.withheld(frame)
            scene = self._models.items.look(wide.picture(frame))
            self._work.take(*_surface(frame, wide, scene, unknown), seconds)
        return self._work.close

    def _zone(self, frame: VeiledFrame, view: View, scene: Scene, unknown: Mask) -> Mask:
        """Where items count: the polygon, or the surface as seen so far."""
        if self._polygon:
            return view.inside
        self._surface = averaged(self._surface, *_surface(frame, view, scene, unknown))
        return resized(found_in(self._surface), view.size) & view.inside

    def _stirred(self, rgb: Rgb) -> Mask:
        """Where something else shows than in the look before; nowhere in a first one."""
        before, self._before = self._before, rgb
        if before is None:
            return np.zeros(rgb.shape[:2], bool)
        red, green, blue = cv2.split(cv2.absdiff(rgb, before))
        most = cv2.max(cv2.max(red, green), blue)
        return np.asarray(cv2.blur(most, (3, 3)) > STIRRED, bool)

    def _candidates(
        self, rgb: Rgb, scene: Scene, zone: Mask, unknown: Mask
    ) -> tuple[list[Candidate], Mask]:
        """What may be an item, and where anything differs from the clean desk."""
        seen = list(scene.items)
        if self._models.supplied is not None:
            seen = _joined(seen, self._models.supplied.look(rgb))
        in_zone = _sums(zone)
        seen = [one for one in seen if _share(in_zone, one.box) >= LEAST_IN_ZONE]
        if self._clean is None:
            sure = [
                _candidate(one.box, one.scores)
                for one in seen
                if _noted(one) and _visible(unknown, one.box)
            ]
            return sure, np.zeros((1, 1), bool)
        difference = self._clean.compare(rgb, zone, unknown)
        return self._against_clean(difference, seen, unknown), difference.mask

    @staticmethod
    def _against_clean(
        difference: Difference, seen: list[Detection], unknown: Mask
    ) -> list[Candidate]:
        """What differs, with names; a detection counts only where something differs."""
        different = _sums(difference.mask)
        found = [
            _candidate(one.box, one.scores)
            for one in seen
            if (one.scores >= SURE).any()
            and _share(different, _half(one.box)) >= LEAST_DIFFERENT
            and _whole(unknown, one.box)
        ]
        for box in difference.boxes:
            inside = sum(box.shared(one.box) for one in found)
            if inside > 0.5 * box.area or not _whole(unknown, box):
                continue
            best = max(seen, key=lambda one: box.overlap(one.box), default=None)
            known = best is not None and box.overlap(best.box) > SAME
            found.append(_candidate(box, best.scores if known and best else NO_NAME))
        return found

    def _tell(self, seconds: float, unseen: float) -> tuple[Finding, ...]:
        findings = []
        kept: list[Track] = []
        for track in self._tracks.all:
            if not track.number and Tracks.ripe(track, seconds) and self._sure(track):
                findings += self._appeared(track, seconds)
            if not track.number or not Tracks.gone(track, seconds):
                kept.append(track)
            elif self._counts(track):
                findings.append(self._finding(Change.CLEARED, track, seconds))
        self._tracks.all = kept
        left = any(track.number and self._counts(track) for track in kept)
        if self._dirty and not left and unseen < ZONE_SEEN:
            self._dirty = False
            findings.append(Finding(Change.CLEAN, self._rules.zone, None, 0, 1.0, seconds))
        return tuple(findings)

    def _sure(self, track: Track) -> bool:
        """Whether it is something: what differs from the clean look is, named or not. What came
        to lie on an item is a piece of that, unless and until it is named as something else."""
        name = track.name(SURE)
        around = self._tracks.around(track)
        if track.inside and around:
            return all(one.another(track.box, name) for one in around)
        return self._clean is not None or name is not DeskItem.UNKNOWN

    def _on_another(self, track: Track) -> bool:
        """Whether it is surely not the only thing at its place."""
        name = track.name(SURE)
        return any(one.another(track.box, name) for one in self._tracks.around(track))

    def _appeared(self, track: Track, seconds: float) -> list[Finding]:
        surely = SURE * NOTED_SHARE if self._clean is not None else SURE
        track.kind = track.name(surely)
        self._numbers += 1
        track.number = self._numbers
        if not self._counts(track):
            return []
        self._dirty = True
        return [self._finding(Change.APPEARED, track, seconds)]

    def _counts(self, track: Track) -> bool:
        return track.kind is not None and track.kind not in self._rules.permitted

    def _finding(self, change: Change, track: Track, seconds: float) -> Finding:
        confidence = 0.5
        if track.kind in KINDS:
            confidence = float(track.scores[KINDS.index(track.kind)])
        item = track.kind or DeskItem.UNKNOWN
        return Finding(change, self._rules.zone, item, track.number, confidence, seconds)


def _check(enrolled: tuple[Point, ...], polygon: tuple[Point, ...]) -> None:
    """PolicyError where next to nothing of the enrolled zone lies in the policy's."""
    anywhere = 1000, 1000  # corners are shares of a frame of whatever size
    if View.of(enrolled, *anywhere).narrowed(polygon).share < LEAST_AREA:
        raise PolicyError(
            f"policy: desk polygon has less than {LEAST_AREA:.1%} of the picture in common with "
            "the desk enrolled in the profile; draw it over that, leave it out, or enroll the "
            "desk once more"
        )


def _check_shape(view: View, template: DeskTemplate) -> None:
    """FrameError where the clean look is not one of this view. Its size says so: it depends on the
    zone and the shape of frames alone, and where another resolution rounds otherwise, by a step."""
    rows, columns = template.clean.shape[:2]
    if any(
        abs(now - 2 * then) > STEP for now, then in zip(view.size, (columns, rows), strict=True)
    ):
        raise FrameError(
            "the picture has another shape than the one in which the desk was enrolled, so what "
            "lies on it cannot be told; enroll the desk once more as this camera shows it"
        )


def _joined(ours: list[Detection], theirs: tuple[Detection, ...]) -> list[Detection]:
    """Both detectors' items; where they agree on the place, the higher score of each kind."""
    joined = list(ours)
    for one in theirs:
        at = next((i for i, own in enumerate(joined) if own.box.overlap(one.box) > SAME), None)
        if at is None:
            joined.append(one)
        else:
            own = joined[at]
            joined[at] = Detection(own.box, np.maximum(own.scores, one.scores))
    return joined


def _surface(
    frame: VeiledFrame, view: View, scene: Scene, unknown: Mask
) -> tuple[NDArray[np.float32], Mask]:
    """(height / 4, width / 4), both: the surface, not that of clothes, and what of it was seen,
    neither withheld nor a person."""
    seen = np.asarray(~_strided(unknown) & (scene.people < PERSON), bool)
    return beside_agent(scene.surface, _strided(view.agent(frame)), seen), seen


def _strided(mask: Mask) -> Mask:
    """(height / 4, width / 4) of a mask of the view: its pixels amid those of a scene's maps."""
    return mask[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]


def _candidate(box: Box, scores: NDArray[np.float32]) -> Candidate:
    return Candidate(box, scores, named(scores, SURE * NOTED_SHARE))


def _noted(one: Detection) -> bool:
    return bool((one.scores >= NOTED_SHARE * SURE).any())


def _sums(mask: Mask) -> NDArray[np.int32]:
    """Integral of a mask, for ``_share``."""
    return np.asarray(cv2.integral(mask.astype(np.uint8)), np.int32)


def _half(box: Box) -> Box:
    return Box(box.x0 / 2, box.y0 / 2, box.x1 / 2, box.y1 / 2)


def _share(integral: NDArray[np.int32], box: Box) -> float:
    """Share of ``box`` that is set in a mask; see ``_sums``."""
    rows, cols = integral.shape
    x0, x1 = (int(np.clip(round(x), 0, cols - 1)) for x in (box.x0, box.x1))
    y0, y1 = (int(np.clip(round(y), 0, rows - 1)) for y in (box.y0, box.y1))
    if x1 <= x0 or y1 <= y0:
        return 0.0
    total = integral[y1, x1] - integral[y0, x1] - integral[y1, x0] + integral[y0, x0]
    return float(total) / ((x1 - x0) * (y1 - y0))


def _visible(unknown: Mask, box: Box) -> bool:
    """Whether enough of it is seen; half hidden, it waits."""
    rows, cols = unknown.shape
    y0, y1 = max(0, int(box.y0)), min(rows, int(np.ceil(box.y1)))
    x0, x1 = max(0, int(box.x0)), min(cols, int(np.ceil(box.x1)))
    piece = unknown[y0:y1, x0:x1]
    return bool(piece.size) and float(piece.mean()) < 0.35


def _whole(unknown: Mask, box: Box) -> bool:
    """Whether it is seen, and nothing says that there is more of it."""
    return _visible(unknown, box) and not _cut(unknown, box)


def _cut(unknown: Mask, box: Box, reach: int = 8) -> bool:
    """Whether a side of the box lies along something unknown: more of it may be there."""
    rows, cols = unknown.shape
    y0, y1 = max(0, int(box.y0)), min(rows, int(np.ceil(box.y1)))
    x0, x1 = max(0, int(box.x0)), min(cols, int(np.ceil(box.x1)))
    sides = (
        unknown[y0:y1, max(0, x0 - reach) : x0],
        unknown[y0:y1, x1 : x1 + reach],
        unknown[max(0, y0 - reach) : y0, x0:x1],
        unknown[y1 : y1 + reach, x0:x1],
    )
    return any(side.size and float(side.mean()) > 0.4 for side in sides)
