"""Small real video files, made at test time with FFmpeg's own encoders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(h, w, 3) RGB: a gradient that moves, bright in its upper left quarter."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 2 + number, y * 2, x + y], axis=-1) % 200
    rgb[: height // 2, : width // 2] += 50
    return rgb.astype(np.uint8)


def make(
    path: Path,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    times: list[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    sound: bool = False,
    title: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip whose frames have the presentation times ``times`` (ticks of ``time_base``)."""
    times = times if times is not None else [n * 100 for n in range(10)]
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
            container.metadata["location"] = "+40.0-003.0/"
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.time_base = time_base
        stream.codec_context.time_base = time_base
        noise = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for number, pts in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = pts, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if noise is not None:
            for block in range(10):
                samples = np.zeros((1, 1024), np.float32)
                audio = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                audio.sample_rate, audio.pts = 16000, block * 1024
                container.mux(noise.encode(audio))
            container.mux(noise.encode(None))
    return path


def make_sound_only(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        noise = container.add_stream("aac", rate=16000, layout="mono")
        for block in range(10):
            samples = np.zeros((1, 1024), np.float32)
            audio = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            audio.sample_rate, audio.pts = 16000, block * 1024
            container.mux(noise.encode(audio))
        container.mux(noise.encode(None))
    return path
