"""Encodes veiled frames and sound once, into an MPEG transport stream (ISO/IEC 13818-1) for all
who read along."""

from __future__ import annotations

import logging
import threading
from collections import deque
from fractions import Fraction
from typing import Any

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.broadcast import Broadcast, Chunk
from homeveil.media import _av
from homeveil.media.live_encoder import LiveEncoder
from homeveil.media.sound_track import SoundFormat
from homeveil.policy import Policy

_log = logging.getLogger("homeveil")

_MOST_WAITING = 8
_PACKET, _SYNC = 188, 0x47


class Transport:
    """A :class:`homeveil.live.output.LiveOutput` whose stream is ``broadcast``. Frames that
    come faster than they can be encoded are left out."""

    def __init__(self, policy: Policy) -> None:
        self.broadcast = Broadcast()
        self._policy = policy
        self._news = threading.Condition()
        self._waiting: deque[VeiledFrame | VeiledAudio] = deque()
        self._frames_waiting = 0
        self._ended = False
        self._dropped = 0
        self._trouble = ""
        self._encoder: LiveEncoder | None = None
        self._cutter = _Cutter()
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """Raises OutputError when the encoder cannot be had."""
        self._encoder = LiveEncoder(
            self._cutter.write,
            width=width,
            height=height,
            frame_rate=Fraction(frame_rate).limit_denominator(1000),
            sound=sound,
            encoder=self._policy.video_encoder,
            quality=self._policy.video_quality,
            preset=self._policy.encoder_preset,
        )
        self._thread.start()

    def take(self, frame: VeiledFrame) -> None:
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"an output takes a VeiledFrame, not {type(frame).__name__}")
        with self._news:
            if self._frames_waiting >= _MOST_WAITING:
                self._dropped += 1
                return
            self._frames_waiting += 1
            self._waiting.append(frame)
            self._news.notify()

    def hear(self, sound: VeiledAudio) -> None:
        if not isinstance(sound, VeiledAudio):
            raise UsageError(f"an output hears VeiledAudio, not {type(sound).__name__}")
        with self._news:
            if len(self._waiting) < 50 * _MOST_WAITING:
                self._waiting.append(sound)
                self._news.notify()

    def status(self) -> OutputStatus:
        going = self._thread.is_alive()
        return OutputStatus("encoder", going, 0, self._dropped, self._trouble, place=False)

    def waiting(self) -> int:
        return self._frames_waiting

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                if isinstance(item, VeiledFrame):
                    self._write(item)
                elif self._encoder is not None:
                    self._encoder.hear(item)
            if self._encoder is not None:
                self._encoder.close()
        except (OutputError, _av.FFmpegError, OSError, ValueError) as error:
            self._trouble = f"the encoder failed ({_av.reason(error)})"
            _log.error("%s", self._trouble)
        finally:
            self.broadcast.end()

    def _write(self, frame: VeiledFrame) -> None:
        if self._encoder is None:
            return
        self._encoder.take(frame)
        for data, key in self._cutter.cut():
            self.broadcast.put(Chunk(data, key, frame.time.seconds))

    def _next(self) -> VeiledFrame | VeiledAudio | None:
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._frames_waiting -= isinstance(item, VeiledFrame)
            return item

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.broadcast.end()


class _Cutter:
    """Collects transport packets and cuts them before each key frame's program tables."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """What the muxer calls."""
        self._parts.append(bytes(data))
        return len(data)

    def cut(self) -> list[tuple[bytes, bool]]:
        """What came since the last call, each piece with whether it begins a key frame."""
        data = b"".join(self._parts)
        self._parts.clear()
        if not data or len(data) % _PACKET:
            return [(data, False)] if data else []
        packets = np.frombuffer(data, np.uint8).reshape(-1, _PACKET)
        number = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
        # Adaptation field there, not empty, with the random access indicator; of the video.
        adapted = (packets[:, 3] & 0x20 > 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x40 > 0)
        keys = np.flatnonzero(adapted & (number == VIDEO_PID))
        tables = np.flatnonzero(number == 0)
        cuts = []
        for key in keys:
            before = tables[tables <= key]
            if before.size:
                cuts.append(int(before[-1]))
        cuts = sorted(set(cuts))
        pieces: list[tuple[bytes, bool]] = []
        start, is_key = 0, False
        for cut in cuts:
            if cut > start:
                pieces.append((data[start * _PACKET : cut * _PACKET], is_key))
            start, is_key = cut, True
        pieces.append((data[start * _PACKET :], is_key))
        return pieces


VIDEO_PID = 0x100
