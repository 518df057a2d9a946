"""What tests of stretches share: long recordings made of the example, and both ways to clear them,
by real isolated processes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from homeveil import stretching
from homeveil.clear.patches import large
from homeveil.clearing import Order
from homeveil.frames import VeiledFrame
from homeveil.isolation import Isolate
from homeveil.isolation.box import open_clearing
from homeveil.media.stretches import Lengths
from homeveil.policy import Policy, Sound, Style
from homeveil.profile.store import LockedProfile

CLIP = Path(__file__).parents[1] / "examples" / "demo.mp4"
SIZE = (320, 180)
RATE = Fraction(25, 4)
FILL = Policy(style=Style.FILL)
SILENT = Policy(style=Style.FILL, sound=Sound.WITHHELD)

Grids = dict[float, np.ndarray]
"""(rows, cols) of the cells withheld in each frame, by its seconds."""


def example() -> list[np.ndarray]:
    """Every second picture of the example, small: planes of 4:2:0 in one array."""
    with av.open(str(CLIP)) as clip:
        pictures = [one.reformat(*SIZE, format="yuv420p") for one in clip.decode(video=0)]
    return [picture.to_ndarray() for picture in pictures[::2]]


def write(path: Path, pictures: Iterator[np.ndarray] | list[np.ndarray]) -> Path:
    """A recording of ``pictures`` with a key frame a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "6", "crf": "16"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_sound(path: Path, source: Path, times: int) -> Path:
    """``source`` with the example's sound, ``times`` over."""
    with av.open(str(CLIP)) as clip:
        sound = clip.streams.audio[0]
        rate, layout = sound.rate, sound.layout.name
        samples = np.concatenate([one.to_ndarray() for one in clip.decode(sound)], axis=1)
    samples = np.tile(samples, (1, times))
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        picture = made.add_stream_from_template(given.streams.video[0])
        heard = made.add_stream("aac", rate=rate, layout=layout)
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = picture
                made.mux(packet)
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            made.mux(heard.encode(frame))
        made.mux(heard.encode(None))
    return path


def in_one_pass(source: Path, profile: LockedProfile | None = None) -> Grids:
    """What one pass withholds."""
    with open_clearing(Order(source, profile, SILENT), Isolate.AUTO) as clearing:
        return {
            one.time.seconds: one.withheld.copy()
            for one in clearing
            if isinstance(one, VeiledFrame)
        }


class Stretched:
    """What stretches withhold, and where one took over from another. seams: seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.grids: Grids = {}
        self.seams: list[float] = []
        self._parts: dict[int, Grids] = {}
        add, join = stretching._Part.add, stretching._Stretches.join

        def noted(part: stretching._Part, frame: VeiledFrame) -> None:
            self._parts.setdefault(part.number, {})[frame.time.seconds] = frame.withheld.copy()
            add(part, frame)

        def joined(
            work: stretching._Stretches, chain: list[stretching._Part]
        ) -> stretching.Cleared:
            low = -1.0
            for part in chain:
                high = float(part.stop) if part.stop is not None else float("inf")
                grids = self._parts[part.number]
                self.grids.update({at: one for at, one in grids.items() if low <= at < high})
                low = high
            self.seams = [float(part.stop) for part in chain if part.stop is not None]
            return join(work, chain)

        monkeypatch.setattr(stretching._Part, "add", noted)
        monkeypatch.setattr(stretching._Stretches, "join", joined)

    def clear(
        self,
        source: Path,
        target: Path,
        count: int,
        lengths: Lengths,
        profile: LockedProfile | None = None,
        policy: Policy = SILENT,
    ) -> stretching.Cleared:
        """Clear ``source`` in stretches."""
        order = Order(source, profile, policy)
        return stretching.clear_in_stretches(order, target, Isolate.AUTO, count, lengths)


def laxer(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cells of patches, more than specks, that ``one`` withholds and ``other`` shows."""
    return large(one & ~other, stretching.MORE_CELLS)
