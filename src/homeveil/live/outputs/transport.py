"""Encodes veiled frames and sound once, into an MPEG transport stream (ISO/IEC 13818-1) for all
who read along."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from fractions import Fraction
from typing import Any

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.errors import OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.board import OutputStatus
from homeveil.live.outputs.broadcast import Broadcast, Chunk
from homeveil.live.outputs.carrier import RETRY_SECONDS
from homeveil.media import _av
from homeveil.media.live_encoder import LiveEncoder
from homeveil.media.sound_track import SoundFormat
from homeveil.policy import Policy

_log = logging.getLogger("homeveil")

_MOST_WAITING = 8
_PACKET, _SYNC = 188, 0x47


class Transport:
    """A :class:`homeveil.live.output.LiveOutput` whose stream is ``broadcast``. Frames that
    come faster than they can be encoded are left out. When the encoder fails another one takes
    its place after a while, and the stream goes on at a key frame."""

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
        self._form: tuple[int, int, Fraction, SoundFormat | None] = 0, 0, Fraction(1), None
        self._again_at, self._wait = 0.0, RETRY_SECONDS[0]
        self._cutter = _Cutter()
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        """Raises OutputError when the encoder cannot be had."""
        self._form = width, height, Fraction(frame_rate).limit_denominator(1000), sound
        self._encoder = self._made()
        self._thread.start()

    def _made(self) -> LiveEncoder:
        width, height, frame_rate, sound = self._form
        self._cutter = _Cutter()
        return LiveEncoder(
            self._cutter.write,
            width=width,
            height=height,
            frame_rate=frame_rate,
            sound=sound,
            encoder=self._policy.video_encoder,
            quality=self._policy.video_quality,
            preset=self._policy.encoder_preset,
        )

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
        going = self._thread.is_alive() and not self._trouble
        return OutputStatus("encoder", going, 0, self._dropped, self._trouble, place=False)

    def waiting(self) -> int:
        return self._frames_waiting

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._encode(item)
            self._encode(None)
        finally:
            self.broadcast.end()

    def _encode(self, item: VeiledFrame | VeiledAudio | None) -> None:
        """Encode ``item``; None ends the stream."""
        try:
            if self._encoder is None:
                if item is None or time.monotonic() < self._again_at:
                    self._dropped += isinstance(item, VeiledFrame)
                    return
                self._encoder = self._made()
            if item is None:
                self._encoder.close()
                # With sound beside it the muxer holds the last pictures until then.
                self._put(0.0)
            elif isinstance(item, VeiledFrame):
                self._write(self._encoder, item)
            else:
                self._encoder.hear(item)
        except (OutputError, _av.FFmpegError, OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._trouble:
            _log.error("the encoder failed (%s); trying again", _av.reason(error))
        self._trouble = f"the encoder failed ({_av.reason(error)})"
        self._encoder, self.broadcast.fed = None, False
        self._again_at = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, RETRY_SECONDS[1])

    def _write(self, encoder: LiveEncoder, frame: VeiledFrame) -> None:
        encoder.take(frame)
        self._put(frame.time.seconds)
        if self._trouble:
            _log.info("the encoder is back")
            self._trouble, self._wait = "", RETRY_SECONDS[0]
            self.broadcast.fed = True

    def _put(self, seconds: float) -> None:
        for data, key in self._cutter.cut():
            self.broadcast.put(Chunk(data, key, seconds))

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
