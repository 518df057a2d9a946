"""What differs from the clean desk, whatever it is.

Light and shadow scale what they fall on, smoothly and alike in all colours; a thing replaces
it. So the picture is divided by the clean look, the common factor is taken out, and a place
is suspected where the colours' ratios part, or where the ratio jumps at a rim that the clean
look does not have. What is suspected is a thing if its own rim is sharp, if it has rims of its
own within (keys, print, a lens), or if it is brighter than all around it. The rim of a shadow
has light on one side and shade on the other; a thing has the same desk all around.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.desk.view import Mask, Rgb
from homeveil.grid import Box

FLOOR = 14.0
"""Grey levels added to both sides of a ratio, so that noise in the dark does not count."""

COLOUR = 0.17
"""Difference of the logarithms of two colours' ratios that light does not make."""

BRIGHTER, DARKER = 0.20, -0.75
"""Logarithm of the ratio, after the common light, beyond which a place is suspected."""

RIM = 0.075
"""Mean step of the logarithm of the ratio per pixel along the rim of a thing."""

FAINT_RIM = 0.035
FAINT_RIM_NOISE = 0.6
"""The least step that is taken for a rim at all, and what noise adds to it, in grey levels."""

STRUCTURE = 0.15
STRUCTURE_RIM = 0.045
"""Share of rims within a thing from which its outer rim may be fainter, and how faint."""

PATCH = 0.06
PATCH_RIM_PIXELS = 4.2
"""A plain thing brighter than the desk: by how much (logarithm), and how wide its rim may be at
most. A patch of light has a wider one."""

THIN = 4.5
"""Half the width in pixels up to which something may be no more than the rim of a shadow."""

NEAR = 0.09
LEAST_AREA = 16
LEAST_SIDE = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """``mask``: (h, w) at half the view's size; ``boxes``: in pixels of the view."""

    mask: Mask
    boxes: tuple[Box, ...]


class CleanDesk:
    """The zone's clean look. Pictures come at the view's size and are halved."""

    def __init__(self, clean: Rgb, size: tuple[int, int]) -> None:
        half = (size[0] // 2, size[1] // 2)
        self._size = half
        self._log = _log(clean, half)
        never = cv2.resize((clean.max(2) == 0).astype(np.uint8), half)
        self._seen = cv2.dilate(never, np.ones((5, 5), np.uint8)) == 0
        self._rim = cv2.dilate(_steps(self._log), np.ones((5, 5), np.uint8))

    def compare(self, rgb: Rgb, inside: Mask, unknown: Mask) -> Difference:
        """Things that were not there. ``inside``: the zone. ``unknown``: withheld, or a
        person; nothing is found there."""
        now = _log(rgb, self._size)
        known = _halved(inside, self._size) & ~_halved(unknown, self._size) & self._seen
        if known.sum() < LEAST_AREA:
            return Difference(np.zeros_like(known), ())
        ratio = now - self._log
        ratio = ratio - _common(ratio[known])
        luma = ratio.mean(2)
        parted = ratio.max(2) - ratio.min(2) > COLOUR
        rim = _steps(ratio)
        jump = np.minimum(_steps(now) - self._rim, rim)
        suspect = parted | (luma > BRIGHTER) | (luma < DARKER)
        faint = FAINT_RIM + FAINT_RIM_NOISE / np.exp(now.mean(2))
        seen = _Seen(luma, rim, parted, jump > faint, known)
        mask = np.zeros(known.shape, bool)
        boxes: list[Box] = []
        # Clear rims first: among faint ones, things run together with each other and with shade.
        for rims in (jump > RIM, seen.new_rim):
            left = known & (cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
            _add_things(_closed((suspect | rims) & left) & left, seen, mask, boxes)
        return Difference(mask, tuple(boxes))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of each pixel: logarithm of the ratio, its steps, whether colours part,
    whether a new rim is there, whether it is seen at all."""

    luma: NDArray[np.float32]
    rim: NDArray[np.float32]
    parted: Mask
    new_rim: Mask
    known: Mask


def _add_things(marked: Mask, seen: _Seen, mask: Mask, boxes: list[Box]) -> None:
    """Add the patches of ``marked`` that are things."""
    opened = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    for number in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[number])
        if area < LEAST_AREA or min(w, h) < LEAST_SIDE:
            continue
        window = (slice(max(0, y - 5), y + h + 5), slice(max(0, x - 5), x + w + 5))
        thing = labels[window] == number
        if _is_thing(thing, window, seen):
            mask[window] |= thing
            boxes.append(Box(2.0 * x, 2.0 * y, 2.0 * (x + w), 2.0 * (y + h)))


def _is_thing(thing: Mask, window: tuple[slice, slice], seen: _Seen) -> bool:
    """Whether a patch is a thing rather than light or shade."""
    patch = thing.astype(np.uint8)
    grown = cv2.dilate(patch, np.ones((3, 3), np.uint8))
    core = cv2.erode(patch, np.ones((3, 3), np.uint8), borderValue=0) > 0
    edge = (grown > 0) & ~core
    around = (cv2.dilate(patch, np.ones((9, 9), np.uint8)) > 0) & (grown == 0)
    around &= seen.known[window]
    luma = seen.luma[window]
    sharp = float(seen.rim[window][edge].mean())
    contrast = spread = 0.0
    if around.any():
        low, middle, high = np.percentile(luma[around], (15, 50, 85))
        contrast = float(np.median(luma[core if core.any() else thing]) - middle)
        spread = float(high - low)
    half_width = float(cv2.distanceTransform(patch, cv2.DIST_L2, 3).max())
    if half_width < THIN and spread > abs(contrast):
        return False
    if sharp >= RIM:
        return True
    coloured = float(seen.parted[window][thing].mean())
    if coloured > 0.5 and sharp > RIM / 2:
        return True
    if sharp < STRUCTURE_RIM or half_width < THIN or spread > abs(contrast):
        return False
    within = cv2.erode(patch, np.ones((5, 5), np.uint8), borderValue=0) > 0
    if float(seen.new_rim[window][within].mean() if within.any() else 0.0) >= STRUCTURE:
        return True
    return contrast >= PATCH and contrast <= PATCH_RIM_PIXELS * sharp


def _common(ratios: NDArray[np.float32]) -> NDArray[np.float32]:
    """The factor most of the zone has in common, (3,), as a logarithm: the light's. Things
    may cover more than half of the zone; of several factors the most frequent is taken."""
    ratios = ratios[:: max(1, len(ratios) // 4000)]
    luma = ratios.mean(1)
    best: NDArray[np.float32] = np.median(ratios, axis=0)
    most = 0.0
    for share in (50, 20, 35, 65, 80):
        near = ratios[np.abs(luma - np.percentile(luma, share)) < NEAR]
        factor = np.median(near, axis=0)
        agree = float((np.abs(ratios - factor).max(1) < NEAR).mean())
        if agree > most + 0.05:
            best, most = factor, agree
    return np.asarray(best, np.float32)


def _log(rgb: Rgb, size: tuple[int, int]) -> NDArray[np.float32]:
    """Logarithm of the light at ``size``, a little smoothed."""
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.7)
    return np.asarray(np.log(soft + FLOOR), np.float32)


def _steps(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length of the gradient per pixel, of the colour that steps most."""
    dx = cv2.Sobel(planes, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    dy = cv2.Sobel(planes, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(np.hypot(dx, dy).max(2), np.float32)


def _halved(mask: Mask, size: tuple[int, int]) -> Mask:
    return np.asarray(
        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), bool
    )


def _closed(suspect: Mask) -> Mask:
    """Gaps closed, and rims filled to areas."""
    marked = cv2.morphologyEx(
        suspect.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(suspect.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled.astype(bool)
