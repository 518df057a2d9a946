"""Small real video files, made at test time with FFmpeg's own encoders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.grid import Grid
from homeveil.policy import Policy, Style
from homeveil.veil.painter import Veil

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


def veiled(raw: RawFrame) -> VeiledFrame:
    """``raw`` as a frame that the veil let through whole."""
    grid = Grid.over(raw.width, raw.height)
    nothing = np.zeros(grid.shape, bool)
    colours = np.zeros((*grid.shape, 3), np.uint8)
    return Veil(grid, Policy(style=Style.FILL)).paint(raw.copy(), nothing, colours, nothing)


def veiled_frame(
    ticks: int,
    base: Fraction,
    size: tuple[int, int] = SIZE,
    *,
    pixel_format: PixelFormat = PixelFormat.I420,
    level: int = 90,
) -> VeiledFrame:
    """A frame that the veil let through whole: ``level`` grey with a tint, dark above."""
    planes = [
        np.full(shape, value, np.uint8)
        for shape, value in zip(plane_shapes(pixel_format, *size), (level, 100, 160), strict=False)
    ]
    planes[0][: size[1] // 2] = 40
    if pixel_format is PixelFormat.NV12:
        planes[1][:, 1::2] = 160
    return veiled(RawFrame(tuple(planes), pixel_format, *size, Timestamp(ticks, base)))


def copy_with(
    source: Path,
    path: Path,
    *,
    turn: tuple[float, bool, bool] | None = None,
    broken: frozenset[int] = frozenset(),
    late: dict[int, int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """``source`` without re-encoding: with a display matrix (degrees, mirrored across,
    mirrored down), with noise in place of the packets numbered in ``broken``, and with those
    in ``late`` shown so many ticks later."""
    noise = np.random.default_rng(1)
    with (
        av.open(str(source)) as given,
        av.open(str(path), "w", container_options=options or {}) as made,
    ):
        stream = made.add_stream_from_template(given.streams.video[0])
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for number, packet in enumerate(given.demux(video=0)):
            if not packet.size:
                continue
            copy = av.Packet(noise.bytes(packet.size)) if number in broken else packet
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.stream = packet.time_base, stream
            if late and number in late:
                copy.pts += late[number]
            made.mux(copy)
    return path


def with_cover(source: Path, path: Path) -> Path:
    """The first stream of ``source`` in an mp4 that names a cover of 16x16 before it."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams[0], opaque=True)
        cover = made.add_stream("mjpeg", rate=10)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        still = av.VideoFrame.from_ndarray(picture(0, (16, 16)), format="rgb24")
        made.mux(cover.encode(still.reformat(format="yuvj420p")))
        for packet in given.demux(given.streams[0]):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    data = path.read_bytes()
    index = data.rindex(b"moov")
    track, covers = (data.index(name, index) - 4 for name in (b"trak", b"udta"))
    path.write_bytes(data[:track] + data[covers:] + data[track:covers])
    return path


def cut(source: Path, path: Path, share: float) -> Path:
    """The first ``share`` of the bytes of ``source``."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def make_two_sizes(path: Path) -> Path:
    """Three frames of 64x48, then three of 33x21, in one stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 10)
        small = av.CodecContext.create("mjpeg", "w")
        small.width, small.height, small.pix_fmt = 33, 21, "yuvj420p"
        small.time_base = Fraction(1, 10)
        for number in range(6):
            encoder, size = (stream, SIZE) if number < 3 else (small, (33, 21))
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for packet in encoder.encode(frame):
                packet.stream = stream
                container.mux(packet)
    return path


def make_crowded(path: Path) -> Path:
    """An mkv with picture, sound, an attachment, a chapter, a title and a place."""
    with av.open(str(path), "w") as container:
        container.metadata.update(title="our living room", location="+40.0-003.0/")
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        noise = container.add_stream("aac", rate=16000, layout="mono")
        container.add_attachment("living.txt", "text/plain", b"who lives here")
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000),
              "metadata": {"title": "living"}}]
        )  # fmt: skip
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            silence = np.zeros((1, 1024), np.float32)
            audio = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            audio.sample_rate = 16000
            container.mux(noise.encode(audio))
        container.mux(stream.encode(None))
        container.mux(noise.encode(None))
    return path


def take_sound_out(stream: Path) -> None:
    """Every packet of the sound of a transport stream, which still announces it, as recorders do
    whose microphone is switched off."""
    data = stream.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    silent = [packet for packet in packets if (packet[1] & 0x1F) << 8 | packet[2] != 0x101]
    assert 0 < len(silent) < len(packets)
    stream.write_bytes(b"".join(silent))
    with av.open(str(stream)) as container:
        assert len(container.streams.audio) == 1
