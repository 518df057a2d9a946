"""A contact sheet of raw frames with the decision of every cell drawn on it.

The one place that shows raw pixels on purpose, for the worker and the developer, on the
machine. Nothing in the way of a frame imports it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.clear.clearance import Reason
from homeveil.errors import OutputError
from homeveil.frames import RawFrame
from homeveil.media.staging import write_whole
from homeveil.policy import Policy
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor

PICTURE_WIDTH = 480
COLUMNS = 3

# Okabe and Ito's palette, told apart with any colour vision (jfly.uni-koeln.de/color).
COLOURS: dict[Reason, tuple[int, int, int]] = {
    Reason.SCENE: (255, 255, 255),
    Reason.AGENT: (0, 158, 115),
    Reason.UNCLEARED: (120, 120, 120),
    Reason.ARRIVED: (230, 159, 0),
    Reason.PERSON: (213, 94, 0),
    Reason.EDGE: (204, 121, 167),
    Reason.FAULT: (0, 114, 178),
}
_SHOWN_ALPHA = {Reason.SCENE: 0.0, Reason.AGENT: 0.25}
_ALPHA = 0.6


def inspect(
    src: Path, sheet: Path, profile: Profile | None, policy: Policy, *, pictures: int
) -> None:
    """Write ``sheet`` (PNG): ``pictures`` frames of ``src``, evenly spread, with legend."""
    from homeveil.media.reader import VideoReader

    if sheet.suffix.lower() != ".png":
        raise OutputError(f"{sheet}: a sheet is a PNG; give a name that ends in .png")
    drawn: list[NDArray[np.uint8]] = []
    with VideoReader(src) as reader:
        expected = reader.frame_count_hint or pictures
        seen = 0

        def watch(frame: RawFrame, reasons: NDArray[np.uint8]) -> None:
            nonlocal seen
            if len(drawn) < pictures and seen * pictures >= len(drawn) * expected:
                drawn.append(draw(frame, reasons))
            seen += 1

        with Redactor(profile, policy, watch=watch) as redactor:
            for raw in reader:
                for _ in redactor.process(raw):
                    pass
            for _ in redactor.flush():
                pass
    _write(sheet, drawn)


def draw(frame: RawFrame, reasons: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) RGB: the raw picture with each cell tinted by its reason."""
    rgb = _kernels.to_rgb(frame)
    size = (frame.width, frame.height)
    palette = np.array([COLOURS[reason] for reason in Reason], np.uint8)
    alphas = np.array([_SHOWN_ALPHA.get(reason, _ALPHA) for reason in Reason], np.float32)
    tint = cv2.resize(palette[reasons], size, interpolation=cv2.INTER_NEAREST)
    alpha = cv2.resize(alphas[reasons], size, interpolation=cv2.INTER_NEAREST)[..., None]
    mixed = rgb * (1 - alpha) + tint * alpha
    height = max(1, round(frame.height * PICTURE_WIDTH / frame.width))
    size = (PICTURE_WIDTH, height)
    small = cv2.resize(mixed.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    label = f"{frame.time.seconds:.2f} s"
    cv2.putText(small, label, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(
        small, label, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.asarray(small, np.uint8)


def _write(sheet: Path, drawn: list[NDArray[np.uint8]]) -> None:
    height = max(picture.shape[0] for picture in drawn)
    blank = np.zeros((height, PICTURE_WIDTH, 3), np.uint8)
    padded = [
        cv2.copyMakeBorder(picture, 0, height - picture.shape[0], 0, 0, cv2.BORDER_CONSTANT)
        for picture in drawn
    ]
    while len(padded) % COLUMNS:
        padded.append(blank)
    rows = [np.hstack(padded[i : i + COLUMNS]) for i in range(0, len(padded), COLUMNS)]
    legend = np.full((28, PICTURE_WIDTH * COLUMNS, 3), 255, np.uint8)
    for number, reason in enumerate(Reason):
        x = 8 + number * 200
        cv2.rectangle(legend, (x, 6), (x + 16, 22), COLOURS[reason], -1)
        cv2.rectangle(legend, (x, 6), (x + 16, 22), (0, 0, 0), 1)
        cv2.putText(
            legend, reason.name.lower(), (x + 22, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1
        )
    good, png = cv2.imencode(".png", np.vstack([legend, *rows])[..., ::-1])
    if not good:
        raise OutputError(f"{sheet}: the sheet cannot be encoded")
    write_whole(sheet, png.tobytes(), private=True)
