"""The one door to PyAV (FFmpeg).

Nothing else in the package imports ``av``. Files are opened through FFmpeg's ``file:``
protocol and no other, so that a name cannot make it open a network address, and only as
one of KINDS, which hold their content themselves, so that no playlist makes it open a
second file. FFmpeg's own log is silenced; what matters is raised.
"""

from __future__ import annotations

import errno
import io
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.logging
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags as CodecFlags
from av.container import InputContainer, OutputContainer
from av.container.core import Flags as ContainerFlags
from av.error import ArgumentError, FFmpegError, ProtocolNotFoundError
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from homeveil.errors import InputError

__all__ = [
    "NOWHERE",
    "AudioFrame",
    "AudioResampler",
    "AudioStream",
    "CodecFlags",
    "Disposition",
    "FFmpegError",
    "InputContainer",
    "OutputContainer",
    "Packet",
    "PictureType",
    "VideoCodecContext",
    "VideoFrame",
    "VideoReformatter",
    "VideoStream",
    "claimed_seconds",
    "decoder",
    "display_matrix",
    "encoder_fits",
    "encoder_formats",
    "has_protocol",
    "open_input",
    "open_output",
    "open_push",
    "open_stream",
    "open_transport",
    "open_transport_input",
    "reason",
    "sound_rate",
    "tells_times",
    "try_encoder",
]

KINDS = (
    # Picture and sound.
    "asf,avi,dhav,dv,flv,gxf,h264,hevc,ivf,live_flv,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,"
    "mpjpeg,mxf,nsv,nut,nuv,obu,ogg,pva,rm,vc1,wtv,yuv4mpegpipe,"
    # Pictures.
    "apng,bmp_pipe,gif,image2,jpeg_pipe,png_pipe,tiff_pipe,webp_pipe,"
    # Sound.
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,au,caf,dsf,dts,eac3,flac,gsm,iff,ircam,loas,mlp,mp3,mpc,mpc8,"
    "nistsphere,oma,qcp,shn,sox,tak,truehd,tta,voc,w64,wav,wv"
)
"""FFmpeg's names of the containers that are read. None names other files: not concat, dash, hls,
imf, sdp, vobsub and their like, which do; a name is no pattern for image2. What FFmpeg takes a file
for is decided before anything that it names is opened."""

_OWN_CONTENT = {"protocol_whitelist": "file", "format_whitelist": KINDS, "pattern_type": "none"}

NOWHERE = Path("live")
"""Names the output in messages where there is no file."""

av.logging.set_level(None)


def _unlisted(kind: type[SideDataType], number: int) -> SideDataType:
    """FFmpeg tells of more kinds of side data than PyAV lists, EXIF for one, and PyAV then gives
    none of a picture's, its display matrix included."""
    made = object.__new__(kind)
    vars(made).update(_name_=f"UNLISTED_{number}", _value_=number)
    return made


SideDataType._missing_ = classmethod(_unlisted)  # type: ignore[assignment]
os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints past FFmpeg's log


def _file_url(path: Path) -> str:
    return "file:" + os.path.abspath(path)


def open_input(path: Path) -> InputContainer:
    """Open ``path`` for reading and probe its streams. Raises FFmpegError, InputError for what
    is none of KINDS."""
    try:
        return av.open(
            _file_url(path),
            "r",
            container_options=_OWN_CONTENT,
            metadata_errors="replace",
        )
    except ArgumentError as error:
        raise InputError(
            f"{path}: not a recording of a kind that is read (a playlist or another list of files"
            " is none); give the recording itself, or convert it"
        ) from error


def open_stream(url: str, timeout_seconds: float) -> InputContainer:
    """Open a network address for reading. Raises FFmpegError, also later, when nothing comes for
    ``timeout_seconds``."""
    options = {
        "analyzeduration": "5000000",
        "protocol_whitelist": "rtsp,rtsps,rtp,udp,tcp,tls,http,https,httpproxy,rtmp,rtmps,srt",
    }
    if url.startswith("rtsp"):
        # What is lost on the way would show as damage: the stream goes over one connection.
        options["rtsp_transport"] = "tcp"
    return av.open(
        url,
        "r",
        container_options=options,
        metadata_errors="replace",
        timeout=(timeout_seconds, timeout_seconds),
    )


def open_output(path: Path, muxer: str, options: dict[str, str]) -> OutputContainer:
    """A container to be written to ``path``; the file is touched at the first packet.

    Bit-exact: no muxer name, version, random identifier or creation time is written.
    """
    container = av.open(_file_url(path), "w", format=muxer, container_options=options)
    container.flags = container.flags | cast(int, ContainerFlags.bitexact.value)
    return container


def open_transport(file: object) -> OutputContainer:
    """An MPEG transport stream to an object with ``write``. Every packet leaves at once, and
    each picture brings the program's tables, so that a reader can begin at any key frame."""
    return av.open(
        file,
        "w",
        format="mpegts",
        container_options={
            "mpegts_flags": "pat_pmt_at_frames",
            "flush_packets": "1",
            "muxdelay": "0",
            "muxpreload": "0",
            "max_interleave_delta": "400000",
            "mpegts_start_pid": "256",
        },
    )


def open_transport_input(file: object) -> InputContainer:
    """The same from an object with ``read``, which cannot go back."""
    return av.open(
        file,
        "r",
        format="mpegts",
        container_options={"fflags": "nobuffer", "analyzeduration": "1000000"},
    )


def open_push(url: str, form: str) -> OutputContainer:
    """A container that is sent to a network address. Raises FFmpegError."""
    options = {"rtsp_transport": "tcp"} if form == "rtsp" else {}
    if form == "mpegts":
        options = {"mpegts_flags": "pat_pmt_at_frames", "flush_packets": "1"}
    container = av.open(url, "w", format=form, container_options=options, timeout=(5.0, 5.0))
    container.flags = container.flags | cast(int, ContainerFlags.bitexact.value)
    return container


def has_protocol(scheme: str) -> bool:
    """Whether this FFmpeg speaks what addresses of ``scheme`` need. Nothing is connected to: no
    protocol is allowed to be."""
    protocol = {"rtsp": "tcp", "rtsps": "tls"}.get(scheme, scheme)
    try:
        av.open(f"{protocol}://host", format="mpegts", options={"protocol_whitelist": "none"})
    except ProtocolNotFoundError:
        return False
    except FFmpegError:
        return True
    return True


def decoder(codec: str, kind: str, name: Path) -> Any:
    """A decoder of ``kind`` (video or audio) that belongs to no container. Raises InputError when
    there is none."""
    try:
        found = av.CodecContext.create(codec, "r")
    except (FFmpegError, ValueError) as error:
        raise InputError(f"{name}: no decoder for {codec} here") from error
    if found.type != kind:
        raise InputError(f"{name}: {codec} is no {kind}")
    return found


def encoder_formats(encoder: str) -> tuple[str, ...] | None:
    """Pixel formats ``encoder`` takes, best first; None if there is no such encoder."""
    try:
        codec = av.Codec(encoder, "w")
    except (FFmpegError, ValueError):
        return None
    if codec.type != "video":
        return None
    return tuple(form.name for form in codec.video_formats or ())


def try_encoder(
    encoder: str, size: tuple[int, int], time_base: Fraction, options: dict[str, str]
) -> None:
    """Open ``encoder`` for pictures of ``size`` in 4:2:0, and close it. Raises FFmpegError or
    ValueError when it does not take them so."""
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.options = "yuv420p", time_base, options
    context.open()


def sound_rate(encoder: str, wanted: int) -> int:
    """The rate ``encoder`` takes that loses least of ``wanted`` samples per second."""
    rates = sorted(av.Codec(encoder, "w").audio_rates or ())
    if not rates:
        return wanted
    return next((rate for rate in rates if rate >= wanted), rates[-1])


def encoder_fits(encoder: str, muxer: str) -> bool:
    """True if files of ``muxer`` can hold what ``encoder`` makes."""
    with av.open(os.devnull, "w", format=muxer) as container:
        return encoder in container.supported_codecs


def claimed_seconds(
    container: InputContainer, stream: VideoStream | AudioStream, time_base: Fraction
) -> float | None:
    """How long the file says that ``stream`` is, or all of it; None if it does not."""
    if stream.duration is not None and stream.duration > 0:
        return float(stream.duration * time_base)
    if container.duration is not None and container.duration > 0:
        return container.duration / 1_000_000
    return None


def tells_times(container: InputContainer) -> bool:
    """Whether times and the rate are those of the source; else FFmpeg makes them up, as for the
    JPEG after JPEG that cameras send over HTTP."""
    return not container.format.flags & cast(int, FormatFlags.no_timestamps.value)


def never_comes(sound: AudioStream) -> bool:
    """Whether a stream of sound was announced and nothing of it found, not even its rate."""
    context = sound.codec_context
    return context is not None and not (context.sample_rate and context.channels)


def display_matrix(stream: VideoStream) -> bytes | None:
    """The matrix by which the container wants the pictures of ``stream`` shown, as a picture's
    side data has it; None for a codec that movies cannot hold.

    PyAV tells it of decoded pictures alone. The head of a movie of this stream, which is made in
    memory, tells it of none (ISO/IEC 14496-12, 8.3.2).
    """
    for form in ("mp4", "mov"):
        memory = io.BytesIO()
        try:
            with av.open(
                memory, "w", format=form, container_options={"movflags": "empty_moov"}
            ) as movie:
                movie.add_stream_from_template(stream, opaque=True)
                movie.start_encoding()
        except (FFmpegError, ValueError):
            continue
        head = memory.getvalue()
        return struct.pack("9i", *struct.unpack_from(">9i", head, head.index(b"tkhd") + 44))
    return None


def reason(error: BaseException) -> str:
    """What went wrong, in a few words, without a file name."""
    code = getattr(error, "errno", None)
    if code == errno.ENOSPC:
        return "the disk is full"
    if code == errno.EFBIG:
        return "the file size limit is reached"
    text = getattr(error, "strerror", None) or str(error)
    return cast(str, text)
