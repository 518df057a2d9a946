"""The clips of the comparison: those with ground truth, scaled up, once as they are to be
scored and once made longer, forth and back, to be timed; and films without truth, to be timed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class Clip:
    """agent: whose profile it is cleared with. long: the clip, scaled up and made longer; frames:
    how many that has. truth: the folder of the clip with ground truth; short: the clip scaled up
    alone; None for a film."""

    name: str
    agent: str
    long: Path
    frames: int
    truth: Path | None = None
    short: Path | None = None


def make(truth: Path, folder: Path, seconds: float) -> Clip:
    """Scale up and make longer until at least ``seconds`` are full."""
    people = json.loads((truth / "gt.json").read_text("utf-8"))["persons"]
    agent = next(one["character"] for one in people if one["role"] == "agent")
    with av.open(str(truth / "video.mp4")) as reader:
        rate = Fraction(reader.streams.video[0].average_rate or 10)
        frames = [
            frame.reformat(*SIZE, "yuv420p", interpolation="BICUBIC")
            for frame in reader.decode(video=0)
        ]
    short, long = folder / f"{truth.name}.mp4", folder / f"{truth.name}_long.mp4"
    _write(short, frames, rate)
    longer = _forth_and_back(frames, seconds, rate)
    _write(long, longer, rate)
    return Clip(truth.name, agent, long, len(longer), truth, short)


def film(sources: Sequence[Path], folder: Path, seconds: float) -> Clip:
    """Films of one size and rate one after the other, cut to the shape of SIZE in their middle."""
    frames, rate = [], Fraction(10)
    for source in sources:
        with av.open(str(source)) as reader:
            rate = Fraction(reader.streams.video[0].average_rate or 10)
            frames += [_cut(frame) for frame in reader.decode(video=0)]
    long = folder / "film_long.mp4"
    longer = _forth_and_back(frames, seconds, rate)
    _write(long, longer, rate)
    return Clip("film", "film", long, len(longer))


def _cut(frame: av.VideoFrame) -> av.VideoFrame:
    picture = frame.to_ndarray(format="rgb24")
    height = min(len(picture), round(picture.shape[1] * SIZE[1] / SIZE[0]))
    top = (len(picture) - height) // 2
    cut = np.ascontiguousarray(picture[top : top + height])
    made = av.VideoFrame.from_ndarray(cut, format="rgb24")
    return made.reformat(*SIZE, "yuv420p", interpolation="BICUBIC")


def _forth_and_back(
    frames: list[av.VideoFrame], seconds: float, rate: Fraction
) -> list[av.VideoFrame]:
    """Until at least ``seconds`` are full."""
    made = list(frames)
    while len(made) < seconds * rate:
        made += frames[::-1] if len(made) // len(frames) % 2 else frames
    return made


def _write(path: Path, frames: list[av.VideoFrame], rate: Fraction) -> None:
    with av.open(str(path), "w") as writer:
        options = {"crf": "18", "preset": "fast"}
        stream = writer.add_stream("libx264", rate=rate, options=options)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, 1 / rate
            frame.pict_type = av.video.frame.PictureType.NONE
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
