"""Which containers and encoders there are, and how quality is asked of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homeveil.errors import OutputError
from homeveil.media import _av
from homeveil.media.sound_track import SOUND_MUXERS

DEFAULT_ENCODER = "libx264"

PICTURE_MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
"""Files that hold a picture, by suffix."""

_QUANTISER_SCALE = 118  # FF_QP2LAMBDA of FFmpeg's avutil.h
_CONSTANT_RATE_FACTOR = frozenset({"libx264", "libx265"})
_QUANTISER = frozenset({"mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "flv1", "libxvid"})
_EVEN_SIDES = ("libx264", "libx265", "h264_", "hevc_", "libopenh264")
_NOT_IN_MOV = ("libvpx", "libsvtav1", "libaom", "librav1e", "av1_", "vp9_")
"""FFmpeg says mov could hold these, and then refuses."""
_BLOCK, _BLOCKS_AT_ONCE = 16, 8
"""x264 weighs blocks of 16 pixels eight at once, and past a row that ends between them it reads
what was left in memory, from which bits depend."""
_SPEEDS = (
    "placebo", "veryslow", "slower", "slow", "medium",
    "fast", "faster", "veryfast", "superfast", "ultrafast",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file is encoded: container, encoder and what the encoder is told.

    quality: constant rate factor, 0..51, lower is better. preset: one of x264's names
    for speed; other encoders get what comes nearest.
    """

    path: Path
    muxer: str
    encoder: str
    quality: int
    preset: str

    @property
    def b_frames(self) -> bool:
        """False if the container cannot show frames in another order than stored."""
        return self.muxer != "avi"

    @property
    def fixed_rate(self) -> bool:
        """True if the container counts frames and holds no times."""
        return self.muxer == "avi"

    @property
    def quantiser(self) -> int | None:
        """Fixed quantiser in FFmpeg's lambda units, for encoders steered that way."""
        if self.encoder not in _QUANTISER:
            return None
        return max(2, round(self.quality * 31 / 51)) * _QUANTISER_SCALE

    def options(self, width: int) -> dict[str, str]:
        """Private options of the encoder for pictures ``width`` pixels wide."""
        speed = _SPEEDS.index(self.preset) if self.preset in _SPEEDS else _SPEEDS.index("veryfast")
        if self.encoder in ("libvpx-vp9", "libvpx"):
            crf = max(4, round(self.quality * 63 / 51))
            return {
                "crf": str(crf),
                "b": "0",
                "deadline": "good" if speed < 5 else "realtime",
                "cpu-used": str(min(8, speed)),
                "row-mt": "1",
            }
        if self.encoder == "libsvtav1":
            return {"crf": str(round(self.quality * 63 / 51)), "preset": str(min(12, 3 + speed))}
        if self.encoder == "mjpeg":
            return {"strict": "unofficial"}
        if self.encoder in _CONSTANT_RATE_FACTOR:
            options = {"crf": str(self.quality), "preset": self.preset}
            if self.encoder == "libx265":  # it prints past FFmpeg's log
                options["x265-params"] = "log-level=none"
                options["forced-idr"] = "1"
            elif -(-width // _BLOCK) % _BLOCKS_AT_ONCE:
                options["mbtree"] = "0"
            return options
        return {}

    def pixel_format(self, wanted: str, width: int, height: int) -> str:
        """Pixel format to encode in: ``wanted`` if the encoder takes it, else what 4:2:0
        planes can be laid out as without conversion.

        H.264 and H.265 store 4:2:0 only with even sides; odd ones are written as 4:4:4,
        each chroma sample repeated, so that the picture keeps its size.
        """
        takes = _av.encoder_formats(self.encoder) or ()
        odd = width % 2 or height % 2
        if odd and self.encoder.startswith(_EVEN_SIDES):
            choices: tuple[str, ...] = ("yuv444p",)
        else:
            choices = (wanted, "yuv420p", "nv12", "yuvj420p", "yuv444p")
        for choice in choices:
            if choice in takes:
                return choice
        raise OutputError(
            f"{self.path}: encoder {self.encoder} cannot write {width}x{height} of 4:2:0;"
            f" use {DEFAULT_ENCODER}"
        )


def choose_encoding(path: Path, encoder: str, quality: int, preset: str) -> Encoding:
    """Container by the suffix of ``path``. A ``.webm`` takes VP9 in place of the default
    encoder. Raises OutputError for an unknown suffix or encoder, or a pair that does
    not go together."""
    muxer = PICTURE_MUXERS.get(path.suffix.lower())
    if muxer is None:
        raise OutputError(
            f"{path}: unknown kind of file {path.suffix!r}; end its name in"
            f" {', '.join(sorted(PICTURE_MUXERS))}, or for sound alone in"
            f" {', '.join(sorted(SOUND_MUXERS))}"
        )
    if muxer == "webm" and encoder == DEFAULT_ENCODER:
        encoder = "libvpx-vp9"
    if _av.encoder_formats(encoder) is None:
        raise OutputError(f"{path}: no video encoder {encoder!r} here; use {DEFAULT_ENCODER}")
    if encoder in _CONSTANT_RATE_FACTOR and preset not in _SPEEDS:
        raise OutputError(f"{path}: {encoder} has no preset {preset!r}; use {', '.join(_SPEEDS)}")
    refused = muxer == "mov" and encoder.startswith(_NOT_IN_MOV)
    if refused or not _av.encoder_fits(encoder, muxer):
        raise OutputError(f"{path}: a {path.suffix} file cannot hold {encoder}; use another suffix")
    return Encoding(path, muxer, encoder, quality, preset)
