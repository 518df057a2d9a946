"""The clips of the comparison: those with ground truth, scaled up, once as they are to be
scored and once made longer, forth and back, to be timed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class Clip:
    """truth: the folder of the clip with ground truth. agent: whose stills to enroll. short:
    the clip, scaled up. long: the same made longer; frames: how many that has."""

    name: str
    truth: Path
    agent: str
    short: Path
    long: Path
    frames: int


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
    forth_and_back = list(frames)
    while len(forth_and_back) < seconds * rate:
        forth_and_back += frames[::-1] if len(forth_and_back) // len(frames) % 2 else frames
    short, long = folder / f"{truth.name}.mp4", folder / f"{truth.name}_long.mp4"
    _write(short, frames, rate)
    _write(long, forth_and_back, rate)
    return Clip(truth.name, truth, agent, short, long, len(forth_and_back))


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
