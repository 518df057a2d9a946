"""Writes a ledger while veiled frames and sound leave.

    with Ledger(path, Head(...)) as ledger:
        ledger.frame(veiled)
        ledger.sound(piece)
        ledger.finish(output, frames_in=250)

Each entry is written whole with one call and flushed to the disk, so that a crash leaves a
ledger whose last entry is there or not.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homeveil.audio import VeiledAudio
from homeveil.errors import HomeveilError, LedgerError
from homeveil.frames import Timestamp, VeiledFrame
from homeveil.ledger.entries import FIRST, FORMAT, canonical, line_sha256
from homeveil.ledger.keys import installation_key, public_hex
from homeveil.report import Tally
from homeveil.scoped import Scoped

SEGMENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Head:
    """What holds for the whole ledger: hashes of the policy and, by purpose, of the models;
    the version of this package; what kept raw content apart."""

    policy_sha256: str
    models: Mapping[str, str]
    version: str
    isolation: str


def check_ledger(path: Path) -> None:
    """Raise LedgerError if no ledger can be begun at ``path``."""
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LedgerError(f"{path}: cannot be made ({error.strerror}); give a new name") from error
    else:
        raise LedgerError(f"{path}: exists already; a ledger is never continued, give a new name")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise LedgerError(f"{path}: cannot be made there; choose another folder")


class Ledger(Scoped):
    """One ledger, for one output. key: who signs; this installation if left out.

    Raises LedgerError when ``path`` exists or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        head: Head,
        *,
        key: Ed25519PrivateKey | None = None,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        self.path = path
        self._key = key or installation_key()
        self._segment_ms = round(1000 * segment_seconds)
        self._number, self._previous = 0, FIRST
        self._frames = 0
        self._origin: float | None = None
        self._segment: _Segment | None = None
        check_ledger(path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._handle = os.open(path, flags, 0o644)
        except OSError as error:
            raise LedgerError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            self._begin(head)
        except LedgerError:
            # An empty one would be in the way of the next try.
            path.unlink(missing_ok=True)
            raise

    def _begin(self, head: Head) -> None:
        self._append(
            "start",
            format=FORMAT,
            version=head.version,
            policy_sha256=head.policy_sha256,
            models=dict(head.models),
            public_key=public_hex(self._key.public_key()),
            segment_ms=self._segment_ms,
            started_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            isolation=head.isolation,
        )

    def take(self, veiled: VeiledFrame | VeiledAudio) -> None:
        """Take in what left. Raises LedgerError."""
        if isinstance(veiled, VeiledFrame):
            self.frame(veiled)
        else:
            self.sound(veiled)

    def frame(self, frame: VeiledFrame) -> None:
        """Take in a frame that left."""
        self._frames += 1
        self._at(frame.time.seconds).frame(frame)

    def sound(self, sound: VeiledAudio) -> None:
        """Take in sound that left. It counts to the stretch of the frame before it."""
        segment = self._segment
        if segment is None or not segment.has_frames:
            segment = self._at(sound.time.seconds)
        segment.sound(sound)

    def _at(self, seconds: float) -> _Segment:
        """The stretch that a time lies in; earlier ones are closed."""
        if self._origin is None:
            self._origin = seconds
        index = max(0, int((seconds - self._origin) * 1000 // self._segment_ms))
        if self._segment is None or index > self._segment.index:
            self._close_segment()
            self._segment = _Segment(index, round(1000 * seconds))
        return self._segment

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self._append("segment", **segment.entry())

    def finish(self, output: Path, *, frames_in: int, damaged_packets: int = 0) -> None:
        """The output stands, whole: note what it holds, and close. frames_in: those that were
        read. Raises LedgerError."""
        from homeveil.media.packets import payload_sha256

        self._close_segment()
        # As exactly as the first stretch says, which is what the output is compared by later.
        origin = round(1000 * (self._origin or 0.0)) / 1000
        try:
            with output.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = output.stat().st_size
        except OSError as error:
            raise LedgerError(f"{output}: cannot be read again ({error.strerror})") from error
        packets = payload_sha256(output, origin, self._segment_ms / 1000)
        self._append(
            "file", name=output.name, bytes=size, sha256=digest, packets_sha256=packets
        )
        self._end("done", "", frames_in, damaged_packets)

    def fail(self, error: BaseException) -> None:
        """The run ended in an error: note its kind, and close."""
        if self._handle < 0:
            return
        kind = type(error).__name__ if isinstance(error, HomeveilError) else "Exception"
        try:
            self._close_segment()
            self._end("failed", kind, None, 0)
        except LedgerError:
            # It is already ending in an error, which tells more.
            return

    def _end(self, outcome: str, error: str, frames_in: int | None, damaged: int) -> None:
        self._append(
            "end",
            outcome=outcome,
            error=error,
            frames_in=frames_in,
            frames=self._frames,
            damaged_packets=damaged,
        )
        self._close_file()

    def _append(self, kind: str, **content: Any) -> None:
        entry = {"kind": kind, "number": self._number, "previous": self._previous, **content}
        entry["signature"] = self._key.sign(canonical(entry)).hex()
        line = canonical(entry)
        before = os.fstat(self._handle).st_size
        try:
            written = os.write(self._handle, line + b"\n")
            if written != len(line) + 1:
                raise OSError(28, "No space left on device")
            os.fsync(self._handle)
        except OSError as error:
            # What of the entry went in before the disk was full goes out again.
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, before)
            self._close_file()
            raise LedgerError(f"{self.path}: cannot be written ({error.strerror})") from error
        finally:
            # Also after an interrupt on the way: what stands is followed by the next one.
            if self._handle >= 0 and os.fstat(self._handle).st_size > before:
                self._number += 1
                self._previous = line_sha256(line)

    def _close_file(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def close(self) -> None:
        """Without ``finish`` or ``fail`` before, the ledger stays open-ended, and says so."""
        self._close_file()


class _Segment:
    """Sums over one stretch of time."""

    def __init__(self, index: int, start_ms: int) -> None:
        self.index = index
        self._start_ms = self._end_ms = start_ms
        self._tally = Tally()
        self._digest = hashlib.sha256()
        self._sound = self._open = 0.0

    @property
    def has_frames(self) -> bool:
        return self._tally.frames > 0

    def frame(self, frame: VeiledFrame) -> None:
        self._tally.add(frame)
        self._end_ms = round(1000 * frame.time.seconds)
        header = struct.pack(
            "<c10sII?", b"v", frame.pixel_format.value.encode(), frame.width, frame.height,
            frame.fault,
        )  # fmt: skip
        self._digest.update(header + _time(frame.time))
        for plane in frame.planes:
            self._digest.update(np.ascontiguousarray(plane).data)

    def sound(self, sound: VeiledAudio) -> None:
        self._sound += sound.seconds
        self._open += sound.open_share * sound.seconds
        if not self.has_frames:
            self._end_ms = round(1000 * (sound.time.seconds + sound.seconds))
        header = struct.pack("<cIII", b"s", sound.rate, *sound.samples.shape)
        self._digest.update(header + _time(sound.time))
        self._digest.update(np.ascontiguousarray(sound.samples).data)

    def entry(self) -> dict[str, Any]:
        spans = self._tally.spans
        whole = {"fault": 0, "uncleared": 0}
        for span in spans:
            whole[span.reason] += round(1000 * (span.end_seconds - span.start_seconds))
        return {
            "segment": self.index,
            "start_ms": self._start_ms,
            "end_ms": self._end_ms,
            "frames": self._tally.frames,
            "content_sha256": self._digest.hexdigest(),
            "withheld_permille": round(1000 * self._tally.veiled_share),
            "withheld_whole_ms": whole,
            "fault_spans_ms": [
                [round(1000 * span.start_seconds), round(1000 * span.end_seconds)]
                for span in spans
                if span.reason == "fault"
            ],
            "sound_ms": round(1000 * self._sound),
            "sound_cleared_ms": round(1000 * self._open),
        }


def _time(time: Timestamp) -> bytes:
    base = time.time_base
    return struct.pack("<qQQ", time.pts, base.numerator, base.denominator)
