"""What a live picture comes from, as the user names it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult

from homeveil.addresses import name_of, read_address, shown
from homeveil.errors import UsageError

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "srt", "tcp")

_WITH_PORT = ("udp", "srt", "tcp")
"""Schemes that have no usual port: to an address without one nothing could ever be sent."""


class SourceKind(enum.Enum):
    """DEVICE: a camera of this machine. FILE: a recording, played at its own pace. STREAM: a
    network address."""

    DEVICE = "device"
    FILE = "file"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class LiveSource:
    """place: a device's number or path, a file's path, or a URL. size, frame_rate: wanted of a
    device, None for its own choice. microphone: name or number of a sound device for a camera of
    this machine; empty for the system's own choice, None for no sound. sound: whether a stream's
    or a file's own sound is wanted."""

    kind: SourceKind
    place: str
    size: tuple[int, int] | None = None
    frame_rate: float | None = None
    microphone: str | None = None
    sound: bool = True

    @property
    def name(self) -> str:
        """The place, without what a URL may hold of secrets."""
        if self.kind is not SourceKind.STREAM:
            return self.place
        return name_of(read_address(self.place))


def for_ffmpeg(address: str, parts: SplitResult, what: str) -> str:
    """``address``, whose parts are ``parts``, as FFmpeg reads it. what: the address is for. Raises
    UsageError for one that nothing could ever be sent to or come from here."""
    from homeveil.media import _av

    scheme = parts.scheme
    if not _av.has_protocol(scheme):
        raise UsageError(
            f"{what} {shown(address)}: FFmpeg has no {scheme} here; give another address"
        )
    if scheme in _WITH_PORT and not parts.port:
        raise UsageError(f"{what} {shown(address)}: give a port, {scheme}://host:port")
    # It knows schemes in small letters alone.
    return scheme + address[address.index("://") :]


def read_source(
    place: str,
    *,
    realtime: bool = False,
    size: tuple[int, int] | None = None,
    frame_rate: float | None = None,
    microphone: str | None = None,
) -> LiveSource:
    """What ``place`` names: ``0`` or ``/dev/video0``, a URL, or with ``realtime`` a file.
    Raises UsageError."""
    if "://" in place:
        try:
            parts = read_address(place)
        except ValueError as error:
            raise UsageError(f"camera {shown(place)}: {error}") from None
        if parts.scheme not in SCHEMES or not (parts.hostname or parts.port is not None):
            raise UsageError(
                f"{shown(place)} is no address of a camera; give {', '.join(SCHEMES)}://host…"
            )
        return LiveSource(SourceKind.STREAM, for_ffmpeg(place, parts, "camera"))
    if re.fullmatch(r"\d{1,3}", place):
        place = f"/dev/video{place}"
    if place.startswith("/dev/"):
        return LiveSource(SourceKind.DEVICE, place, size, frame_rate, microphone)
    if not realtime:
        # An address that is not written as one may hold a password all the same.
        named = shown(place) if "@" in place else repr(place)
        raise UsageError(
            f"{named} is no camera; give 0, /dev/video0 or an address, or --realtime to play a "
            "file at its own pace (`homeveil redact` clears recordings)"
        )
    return LiveSource(SourceKind.FILE, str(Path(place)))
