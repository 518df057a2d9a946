"""Face boxes on the whole frame and in windows, merged over scales."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from homeveil import _kernels
from homeveil.frames import RawFrame
from homeveil.grid import Box
from homeveil.perceive.exposure import exposed
from homeveil.perceive.networks import FaceFinder
from homeveil.perceive.observation import Face
from homeveil.perceive.perceiver import SAME_FACE

MIN_SCORE = 0.3
CONFIRMING_SCORE = 0.42
"""Pictures of faces scored 0.44 to 0.74 on a close-up, mugs and books up to 0.39."""

PLAIN_SCORE = 0.75
"""Larger faces with less than this are confirmed too: logos, and a face's own chin."""

_FULL_RANGE = (4,)
_SHORT_RANGE = (8, 16, 16, 16)
"""Strides of the anchors of the two networks (MediaPipe, face_detection graphs)."""

_SMALL_SHARE = 0.06
_SAME_PLACE = 0.4
_CLOSE_UPS = (1.1, 1.6)
_CLOSE_SIZE = 128
_CONTAINED = 0.6
_BEFORE_SCORE = 0.6
"""Share of a box inside a better face's from which it is a part of that face; unless it scores so
well: then it is somebody's who is before it. Parts and patterns scored up to 0.58, faces before
another's cheek mostly 0.61 to 0.85."""

_CUT_SHARE = 0.2
_WHOLE_LONG_SIDE = 512
_WINDOW_SIZE = 192


class FaceBoxes:
    """The full-range detector, on a picture small enough and a window close enough.

    It misses faces under some 5 % of the width of what it is shown, so small faces are
    found in windows only. There it also takes mugs and book spines for faces; the
    short-range detector, shown a close-up, tells most of them apart.
    """

    def __init__(self, full_range: bytes, short_range: bytes) -> None:
        self._finder = FaceFinder(full_range, "face_detection_full", MIN_SCORE, _FULL_RANGE, 1)
        self._second = FaceFinder(
            short_range, "face_detection_short", CONFIRMING_SCORE, _SHORT_RANGE, 2
        )

    def confirm(self, frame: RawFrame, face: Face, gain: float) -> Face:
        """``face``, marked with whether a close-up confirms it. gain: the frame's, see
        ``exposure``."""
        side = max(face.box.width, face.box.height)
        small = side <= _SMALL_SHARE * max(frame.width, frame.height)
        if not small and face.score >= PLAIN_SCORE:
            return face
        x, y = face.box.centre
        for reach in _CLOSE_UPS:
            half = reach * side
            region = Box(x - half, y - half, x + half, y + half)
            rgb = exposed(_kernels.thumbnail(frame, region, (_CLOSE_SIZE, _CLOSE_SIZE)), gain)
            middle = _CLOSE_SIZE / 2
            near, far = middle * (1 - 0.5 / reach), middle * (1 + 0.5 / reach)
            expected = Box(near, near, far, far)
            for x0, y0, x1, y1, _ in self._second.faces(rgb):
                if not (x0 < middle < x1 and y0 < middle < y1):
                    continue
                if small or expected.overlap(Box(x0, y0, x1, y1)) >= _SAME_PLACE:
                    return face
        return replace(face, confirmed=False)

    def look(self, frame: RawFrame, region: Box, band: int, gain: float) -> list[Face]:
        """Faces in ``region``, boxes in frame pixels."""
        width, height = _look_size(region, _WHOLE_LONG_SIDE if band == 0 else _WINDOW_SIZE)
        rgb = exposed(_kernels.thumbnail(frame, region, (width, height)), gain)
        scale_x, scale_y = region.width / width, region.height / height
        faces = []
        for x0, y0, x1, y1, score in self._finder.faces(rgb):
            box = Box(
                region.x0 + x0 * scale_x,
                region.y0 + y0 * scale_y,
                region.x0 + x1 * scale_x,
                region.y0 + y1 * scale_y,
            )
            if not _is_cut(box, region, frame):
                faces.append(Face(box, score, band))
        return faces

    def merged(self, faces: Iterable[Face]) -> list[Face]:
        """One face per place: the best score wins (greedy non-maximum suppression)."""
        kept: list[Face] = []
        for face in sorted(faces, key=lambda face: -face.score):
            if not any(_same(face, other) for other in kept):
                kept.append(face)
        return kept

    def close(self) -> None:
        self._finder.close()
        self._second.close()


def _look_size(region: Box, long_side: int) -> tuple[int, int]:
    longest = max(region.width, region.height)
    scale = long_side / longest if longest > 0 else 1.0
    return max(8, round(region.width * scale)), max(8, round(region.height * scale))


def _is_cut(face: Box, region: Box, frame: RawFrame) -> bool:
    """Whether a large face runs out of the window, though not of the frame.

    Its box is then a guess that lies beside the face; a larger window sees it whole.
    """
    if max(face.width, face.height) < _CUT_SHARE * max(region.width, region.height):
        return False
    return (
        (face.x0 < region.x0 and region.x0 > 0)
        or (face.y0 < region.y0 and region.y0 > 0)
        or (face.x1 > region.x1 and region.x1 < frame.width)
        or (face.y1 > region.y1 and region.y1 < frame.height)
    )


def _same(face: Face, better: Face) -> bool:
    """Two boxes on one face; a window may have cut one of them short."""
    box, other = face.box, better.box
    smaller = min(box.area, other.area)
    inside = smaller > 0 and box.shared(other) / smaller > _CONTAINED
    return box.overlap(other) >= SAME_FACE or (inside and face.score < _BEFORE_SCORE)
