"""Frames to measure on: the example clip, which anybody has, at any size and rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from homeveil.enrollment import enroll
from homeveil.frames import PixelFormat, RawFrame, Timestamp
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.pictures import frame_from_array
from homeveil.policy import Policy
from homeveil.profile.template import Profile

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo.mp4"
STILLS = ROOT / "examples" / "enroll"

CALM_SECONDS = 0.7
"""How much of the example's beginning shows nobody but the agent: from its tenth frame on a child
stands in the door."""


def profile(pictures: Path = STILLS) -> Profile:
    """The example's agent, or whom a folder of ``pictures`` shows, enrolled as a user would."""
    models = load_models({})
    perceiver = load_perceiver(None, Policy(), models)
    try:
        stills = [_still(path) for path in sorted(pictures.glob("*.jpg"))]
        return enroll(stills, perceiver, models.sha256["face_embedding"])
    finally:
        perceiver.close()


def _still(path: Path) -> RawFrame:
    with av.open(str(path)) as reader:
        picture = next(reader.decode(video=0)).to_ndarray(format="rgb24")
    return frame_from_array(picture, "rgb", seconds=0.0)


def frames(
    source: Path,
    size: tuple[int, int],
    rate: int | None = None,
    *,
    seconds: float = 0.0,
    shown_seconds: float | None = None,
) -> list[RawFrame]:
    """All frames of a clip at ``size``; forth and back until ``seconds`` are full, if given.

    rate: frames per second that are pretended, so that a clip plays faster or slower; its
    own if left out. shown_seconds: how much of the clip's beginning to use.
    """
    with av.open(str(source)) as reader:
        own = Fraction(reader.streams.video[0].average_rate or 10)
        pictures = [
            tuple(
                np.ascontiguousarray(np.asarray(plane, np.uint8)) for plane in _planes(frame, size)
            )
            for frame in reader.decode(video=0)
            if shown_seconds is None or (frame.time or 0.0) < shown_seconds
        ]
    step = 1 / Fraction(rate or own)
    count = max(len(pictures), round(seconds / step))
    there_and_back = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    return [
        RawFrame(
            pictures[there_and_back[number % len(there_and_back)]],
            PixelFormat.I420,
            *size,
            Timestamp.from_seconds(float(number * step)),
        )
        for number in range(count)
    ]


def _planes(frame: av.VideoFrame, size: tuple[int, int]) -> list[np.ndarray]:
    width, height = size
    flat = frame.reformat(width, height, "yuv420p", interpolation="BICUBIC").to_ndarray()
    luma, rest = flat[:height], flat[height:].reshape(-1)
    half = rest.size // 2
    shape = ((height + 1) // 2, (width + 1) // 2)
    return [luma, rest[:half].reshape(shape), rest[half:].reshape(shape)]
