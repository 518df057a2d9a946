"""Mouths for tests: stills of the examples warped so that they speak, and scripted openings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil.clear.lips import LipsKey
from homeveil.clear.tracks import Track, Tracks
from homeveil.grid import Box
from homeveil.media.sound_reader import SoundReader
from homeveil.perceive.observation import Mouth
from homeveil.policy import Lips, Policy
from voices import EXAMPLES

Picture = NDArray[np.uint8]

STILL = EXAMPLES / "enroll" / "00.jpg"
SIZE = (640, 360)
MOUTH = (304.0, 142.0)
"""Where the lips of STILL meet, in pixels, and what is warped round it: half the mouth's width, and
how far down the chin goes."""
HALF_WIDTH, CHIN = 13.0, 20.0
INSIDE = (58, 30, 34)

RATE = 16_000


@cache
def still(path: Path = STILL) -> Picture:
    """(height, width, 3) RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def opened(picture: Picture, gap: float, mouth: tuple[float, float] = MOUTH) -> Picture:
    """``picture`` with the mouth open by ``gap`` pixels: what is below the lips moves down, the
    chin is pressed together, and the gap is dark."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = np.clip(1 - ((x - mouth[0]) / HALF_WIDTH) ** 2, 0, 1)
    down = gap * across
    below = y - mouth[1]
    pressed = mouth[1] + (below - down) * CHIN / np.maximum(CHIN - down, 1e-3)
    moved = (below > down) & (below < CHIN)
    out = cv2.remap(picture, x, np.where(moved, pressed, y), cv2.INTER_LINEAR)
    dark = np.clip(np.minimum(below, down - below) + 0.5, 0, 1) * (down > 0)
    blend = out * (1 - dark[..., None]) + np.array(INSIDE, np.float32) * dark[..., None]
    return np.round(blend).astype(np.uint8)


def with_another(picture: Picture, gap: float) -> Picture:
    """``picture`` with somebody else beside the agent, a print of another head, whose mouth is open
    by ``gap`` pixels."""
    head = opened(still(), gap)[40:160, 250:360]
    height, width = head.shape[0], round(1.3 * head.shape[1])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = x / width * 2 - 1
    # Eyes and cheeks lie elsewhere than the agent's.
    bent = np.sign(across) * np.abs(across) ** 1.3
    other = cv2.remap(head, (bent + 1) / 2 * (head.shape[1] - 1), y, cv2.INTER_CUBIC)
    out = picture.copy()
    out[40 : 40 + height, 460 : 460 + width] = (other * np.array([0.6, 0.5, 0.4])).astype(np.uint8)
    return out


def speaking(seconds: float, gap: float = 7.0, hertz: float = 4.0) -> float:
    """How far a mouth that speaks is open at a time."""
    return gap * (0.5 - 0.5 * float(np.cos(2 * np.pi * hertz * seconds)))


@cache
def speech() -> NDArray[np.float32]:
    """(n,) of the example agent's voice at RATE."""
    with SoundReader(EXAMPLES / "enroll_voice.wav") as reader:
        return np.concatenate([block.samples[0] for block in reader])


def write_clip(
    path: Path,
    picture: Callable[[float], Picture],
    samples: NDArray[np.float32],
    times: list[float],
) -> Path:
    """A clip of ``picture(seconds)`` at ``times`` with one channel of sound, hardly compressed."""
    tick = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        how = {"crf": "14", "g": "25", "bf": "0"}
        video = container.add_stream("libx264", rate=25, options=how)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.time_base = video.codec_context.time_base = tick
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        sound.bit_rate = 128_000
        for seconds in times:
            frame = av.VideoFrame.from_ndarray(picture(seconds), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = round(seconds / tick), tick
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for at in range(0, len(samples) - 1023, 1024):
            block = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, at, Fraction(1, RATE)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


AGENT, CHILD = Box(140, 60, 180, 100), Box(20, 60, 60, 100)


def tracks(verified: bool, *boxes: Box) -> Tracks:
    """Tracks of faces in sight, the first of which is the agent's, if ``verified``."""
    found = Tracks(None, Policy())
    for number, box in enumerate(boxes, 1):
        track = Track(number, box, 0.9, 0.0, 0.0)
        track.is_agent = verified and number == 1
        found.tracks.append(track)
    return found


def key(mode: Lips) -> LipsKey:
    """A key that has seen nothing yet."""
    return LipsKey(Policy(lips=mode))


Opens = Callable[[float], float | None]


def fill(
    lips: LipsKey,
    times: Iterable[float],
    agent: Opens | None,
    child: Opens | None = None,
    *,
    verified: Callable[[float], bool] = lambda t: True,
    every: bool = False,
) -> None:
    """Frames at ``times`` in which mouths are open so far. every: looks at each, asked or not."""
    for seconds in times:
        faces = [(AGENT, agent), *([(CHILD, child)] if child is not None else [])]
        seen = tracks(verified(seconds), *(box for box, _ in faces))
        asked = lips.ask(seconds, seen, lambda box: False)
        said = [(box, opens(seconds)) for box, opens in faces if opens is not None]
        mouths = [Mouth(box, gap) for box, gap in said if gap is not None and (every or asked)]
        lips.take(seconds, tuple(mouths), seen)
