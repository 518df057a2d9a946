"""Veiled frames into a video file."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.frames import PixelFormat, Plane, VeiledFrame, plane_shapes
from homeveil.grid import BoolGrid, Grid
from homeveil.media.encoders import DEFAULT_ENCODER, choose_encoding
from homeveil.media.sound_track import SoundFormat
from homeveil.media.staging import check_target
from homeveil.media.writer import VideoWriter
from homeveil.policy import Policy
from homeveil.scoped import Scoped


def policy_sink(
    path: Path,
    policy: Policy,
    source: Path,
    *,
    frame_rate: Fraction | None,
    sample_aspect_ratio: Fraction | None,
    sound: SoundFormat | None = None,
) -> FileSink:
    """A sink that encodes as ``policy`` says. Raises OutputError."""
    return FileSink(
        path,
        frame_rate=frame_rate,
        encoder=policy.video_encoder,
        quality=policy.video_quality,
        preset=policy.encoder_preset,
        sample_aspect_ratio=sample_aspect_ratio,
        source=source,
        sound=sound,
    )


class FileSink(Scoped):
    """A :class:`homeveil.emit.sink.Sink` that writes ``path``; its size, clock and colour
    are those of the first frame. A file holds one size: frames of another, after a change
    in mid-stream, are fitted to it by repeating or leaving out veiled samples.

    The name, the directory and the encoder are checked when the sink is made, so that a
    run that cannot end well does not start; no file is made before the first frame. See
    :class:`homeveil.media.writer.VideoWriter` for what the settings mean.

    Raises OutputError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        frame_rate: Fraction | None = None,
        encoder: str = DEFAULT_ENCODER,
        quality: int = 20,
        preset: str = "veryfast",
        sample_aspect_ratio: Fraction | None = None,
        source: str | os.PathLike[str] | None = None,
        sound: SoundFormat | None = None,
    ) -> None:
        self.path = Path(path)
        self._source = Path(source) if source is not None else None
        self._frame_rate = frame_rate
        self._aspect = sample_aspect_ratio
        self._settings = (encoder, quality, preset)
        self._writer: VideoWriter | None = None
        self._sound = sound
        _check(self.path, self._source, *self._settings)

    @property
    def frames_written(self) -> int:
        """Frames taken so far."""
        return self._writer.frames_written if self._writer is not None else 0

    def write(self, frame: VeiledFrame, *, key: bool = False) -> None:
        """Encode one frame; see :meth:`homeveil.media.writer.VideoWriter.write`. Raises UsageError,
        OutputError."""
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"a sink takes a VeiledFrame, not {type(frame).__name__}")
        if self._writer is None:
            encoder, quality, preset = self._settings
            self._writer = VideoWriter(
                self.path,
                width=frame.width,
                height=frame.height,
                time_base=frame.time.time_base,
                frame_rate=self._frame_rate,
                colour=frame.colour,
                encoder=encoder,
                quality=quality,
                preset=preset,
                sample_aspect_ratio=self._aspect,
                source=self._source,
                sound=self._sound,
            )
        self._writer.write(fitted(frame, self._writer.width, self._writer.height), key=key)

    def write_sound(self, sound: VeiledAudio) -> None:
        """Encode sound; a first frame must have come. Raises UsageError, OutputError."""
        if self._writer is None:
            raise UsageError("sound cannot be written before the first frame")
        self._writer.write_sound(sound)

    def commit(self) -> None:
        """Finish the file and give it its name. Raises OutputError, also when no frame
        was written; nothing is left then."""
        if self._writer is None:
            raise OutputError(f"{self.path}: no frame to write; nothing was made")
        self._writer.commit()

    def abort(self) -> None:
        """Remove what was written; harmless after ``commit``."""
        if self._writer is not None:
            self._writer.abort()

    def close(self) -> None:
        """Give up unless ``commit`` came before."""
        self.abort()


def check_output(path: Path, source: Path, policy: Policy) -> None:
    """Raise OutputError for a name, place or encoder with which a FileSink cannot end well."""
    _check(path, source, policy.video_encoder, policy.video_quality, policy.encoder_preset)


def _check(path: Path, source: Path | None, encoder: str, quality: int, preset: str) -> None:
    choose_encoding(path, encoder, quality, preset)
    check_target(path, source)


def fitted(frame: VeiledFrame, width: int, height: int) -> VeiledFrame:
    """``frame`` in ``width`` x ``height``, nearest neighbour; itself if it fits. A cell is withheld
    if any part of it comes from one that is, and the agent's if all of it does."""
    if (frame.width, frame.height) == (width, height):
        return frame
    shapes = plane_shapes(frame.pixel_format, width, height)
    planes: list[Plane] = []
    for index, (plane, (rows, columns)) in enumerate(zip(frame.planes, shapes, strict=True)):
        down = np.arange(rows) * plane.shape[0] // rows
        if index == 1 and frame.pixel_format is PixelFormat.NV12:
            pairs = np.arange(columns // 2) * (plane.shape[1] // 2) // (columns // 2)
            across = np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)
        else:
            across = np.arange(columns) * plane.shape[1] // columns
        planes.append(np.ascontiguousarray(plane[down][:, across]))
    old, new = Grid.over(frame.width, frame.height), Grid.over(width, height)
    down = _sources(new.height, new.cell, old.height, old.cell)
    across = _sources(new.width, new.cell, old.width, old.cell)
    return replace(
        frame,
        planes=tuple(planes),
        width=width,
        height=height,
        withheld=down @ frame.withheld @ across.T,
        agent=~(down @ ~frame.agent @ across.T),
    )


def _sources(length: int, cell: int, old_length: int, old_cell: int) -> BoolGrid:
    """Of each cell along a side of ``length`` pixels: which of the cells along the ``old_length``
    that it was fitted from hold a sample of it, of luma or chroma, or lie between such."""
    at = np.arange(length)
    luma = at * old_length // length
    chroma = 2 * (at // 2 * ((old_length + 1) // 2) // ((length + 1) // 2))
    begins = np.arange(0, length, cell)
    first = np.minimum.reduceat(np.minimum(luma, chroma), begins) // old_cell
    last = np.maximum.reduceat(np.maximum(luma, np.minimum(chroma + 1, old_length - 1)), begins)
    cells = np.arange(-(-old_length // old_cell))
    sources: BoolGrid = (first[:, None] <= cells) & (cells <= last[:, None] // old_cell)
    return sources
