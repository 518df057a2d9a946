"""From veiled frames of a clean desk to what the profile keeps of it."""

from __future__ import annotations

import cv2
import numpy as np

from homeveil.desk.items import STRIDE, ItemDetector
from homeveil.desk.view import ANYWHERE, Mask, Rgb, View
from homeveil.desk_rules import Point
from homeveil.errors import EnrollmentError, FrameError
from homeveil.frames import VeiledFrame
from homeveil.profile.desk import DeskTemplate

MOST_LOOKS = 60
LEAST_SEEN = 0.8
LEAST_SURFACE = 0.08
LEAST_SURE = 0.5
CORNERS = 24
UNSEEN = 0
"""Value in the clean look of places that stayed withheld; nothing is compared there."""


class DeskEnrollment:
    """Takes veiled frames of the desk without anybody at it; ``finish`` gives the template.

    polygon: the zone; empty: the work surface is found by ``detector``.
    """

    def __init__(self, detector: ItemDetector, polygon: tuple[Point, ...] = ()) -> None:
        self._detector = detector
        self._polygon = polygon
        self._frames: list[VeiledFrame] = []

    def take(self, frame: VeiledFrame) -> None:
        """Keep one frame. FrameError for anything but a veiled frame."""
        if not isinstance(frame, VeiledFrame):
            raise FrameError(f"a desk is enrolled from veiled frames, not {type(frame).__name__}")
        if len(self._frames) < MOST_LOOKS and not frame.fault:
            self._frames.append(frame)

    def finish(self) -> DeskTemplate:
        """The zone and its clean look; EnrollmentError where too little of it was seen."""
        if not self._frames:
            raise EnrollmentError("no frame of the desk was seen; give a picture or a video of it")
        last = self._frames[-1]
        polygon = self._polygon or self._found(View.of(ANYWHERE, last.width, last.height))
        view = View.of(polygon, last.width, last.height)
        looks, seen = self._looks(view)
        if seen[:, view.inside].any(0).mean() < LEAST_SEEN:
            raise EnrollmentError(
                "parts of the desk were withheld; enroll it with nobody in the picture"
            )
        shown = np.where(seen[..., None], looks.astype(np.float32), np.nan)
        shown[0][~seen.any(0)] = 1
        middle = np.nanmedian(shown, axis=0)
        clean = np.maximum(np.asarray(middle, np.float32), 1)
        half = (view.size[0] // 2, view.size[1] // 2)
        small = np.asarray(cv2.resize(clean, half, interpolation=cv2.INTER_AREA))
        whole = cv2.resize(np.asarray(seen.any(0), np.float32), half, interpolation=cv2.INTER_AREA)
        small[whole < 1] = UNSEEN
        return DeskTemplate(polygon, np.asarray(small, np.uint8))

    def _looks(self, view: View) -> tuple[Rgb, Mask]:
        """Of all frames, each in its own resolution, at the size of ``view``."""
        sizes = {(frame.width, frame.height) for frame in self._frames}
        views = {size: View.of(view.polygon, *size) for size in sizes}
        if any(one.size != view.size for one in views.values()):
            raise EnrollmentError(
                "the picture changes its shape in mid-recording; give a recording of one shape"
            )
        looks, seen = [], []
        for frame in self._frames:
            one = views[frame.width, frame.height]
            looks.append(one.picture(frame))
            seen.append(~one.withheld(frame))
        return np.stack(looks), np.stack(seen)

    def _found(self, view: View) -> tuple[Point, ...]:
        """The largest work surface, as a polygon."""
        frame = self._frames[-1]
        seen = self._detector.look(view.picture(frame)).surface > LEAST_SURE
        surface = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9)))
        outlines, _ = cv2.findContours(surface, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        largest = max(outlines, key=cv2.contourArea, default=None)
        if largest is None or cv2.contourArea(largest) < LEAST_SURFACE * surface.size:
            raise EnrollmentError(
                "no work surface was found; give its corners as [desk] polygon in the policy"
            )
        hull = cv2.convexHull(largest)
        hull = cv2.approxPolyDP(hull, 1.5, closed=True)[:CORNERS, 0]
        wide, high = view.size
        points = []
        for x, y in hull:
            px = view.box.x0 + (x + 0.5) * STRIDE * view.box.width / wide
            py = view.box.y0 + (y + 0.5) * STRIDE * view.box.height / high
            points.append((px / frame.width, py / frame.height))
        return tuple((min(1.0, max(0.0, x)), min(1.0, max(0.0, y))) for x, y in points)
