"""What leaves now, what left today, and the worker's switch: shared by the session, which
writes it, and the page and metrics, which read it. Everything in it is veiled."""

from __future__ import annotations

import enum
import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.desk.events import Event
from homeveil.errors import UsageError
from homeveil.frames import VeiledFrame
from homeveil.live.today import Today

EVENTS_KEPT = 100
LATENCY_BOUNDS = (
    0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0,
)  # fmt: skip
"""Upper bounds of the latency histogram, in seconds."""

_LEVEL_SECONDS = 0.3
SILENT_DB = -100.0


class State(enum.Enum):
    """What leaves. OPEN: the picture, but for what is not cleared. VEILED: nothing but a card,
    or a picture in which nothing is cleared. PAUSED: the worker covered the camera."""

    OPEN = "open"
    VEILED = "veiled"
    PAUSED = "paused"


class Cause(enum.Enum):
    """Why a picture is veiled whole. Never about anybody but the agent and the machine.

    STARTING: nothing has been looked at yet. UNCLEARED: neither the agent nor the room is
    cleared. NO_CAMERA: it cannot be opened, or was lost. FAULT: something failed inside.
    SLOW: looking fell too far behind. PAUSED: by the worker.
    """

    STARTING = "starting"
    UNCLEARED = "uncleared"
    NO_CAMERA = "no camera"
    FAULT = "fault"
    SLOW = "slow"
    PAUSED = "paused"


_IN_NEED = (Cause.STARTING, Cause.NO_CAMERA, Cause.FAULT, Cause.SLOW)


@dataclass(frozen=True, slots=True)
class Status:
    """One moment. cause: None while OPEN. detail: one line for the worker, such as what is wrong
    with the camera; may be empty. since: when this state began, seconds since 1970."""

    state: State
    cause: Cause | None
    detail: str
    since: float


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """How one output fares. name: its kind, and its place without secrets. bytes: sent.
    dropped: frames or packets it was too slow for. trouble: one line, empty while all is well.
    place: whether somebody gets it there; not so for what only prepares it for others."""

    name: str
    going: bool
    bytes: int = 0
    dropped: int = 0
    trouble: str = ""
    place: bool = True


@dataclass(slots=True)
class Counts:
    """Since the session began. frames: that left. fault_frames: of them, cards and frames that
    a fault withheld. late_frames: that were given up because they came too late. restarts: of
    the camera or of what clears. veiled_share: summed over frames, 0..1 each. latency: frames
    by LATENCY_BOUNDS, and one more for longer ones. latency_seconds: their sum."""

    frames: int = 0
    fault_frames: int = 0
    late_frames: int = 0
    restarts: int = 0
    veiled_share: float = 0.0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    latency_seconds: float = 0.0
    sound_seconds: float = 0.0
    open_sound_seconds: float = 0.0


class Board:
    """Safe for all threads. today: what left today, kept over restarts; None keeps nothing."""

    def __init__(self, today: Today | None = None) -> None:
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._picture: VeiledFrame | None = None
        self._shown_at = time.monotonic()
        self._status = Status(State.VEILED, Cause.STARTING, "", time.time())
        self._paused = False
        self._coverings = 0
        self._on_pause: list[Callable[[bool], None]] = []
        self._counts = Counts()
        self._levels: deque[tuple[float, float]] = deque(maxlen=64)
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._queues: dict[str, Callable[[], int]] = {}
        self._outputs: Callable[[], list[OutputStatus]] = list
        self.today = today or Today(None)

    # What the session tells.

    def show(self, frame: VeiledFrame, cause: Cause | None, latency: float | None = None) -> None:
        """``frame`` leaves now. It must stay as it is afterwards. latency: seconds since it
        was captured; None for a card."""
        if not isinstance(frame, VeiledFrame):
            raise UsageError(f"the board shows a VeiledFrame, not {type(frame).__name__}")
        with self._news:
            counts = self._counts
            counts.frames += 1
            counts.fault_frames += frame.fault
            counts.veiled_share += frame.veiled_share
            if latency is not None:
                counts.latency[bisect_left(LATENCY_BOUNDS, latency)] += 1
                counts.latency_seconds += latency
            self._picture, self._shown_at = frame, time.monotonic()
            self._enter(cause)
            self._news.notify_all()

    def _enter(self, cause: Cause | None) -> None:
        state = State.OPEN if cause is None else State.VEILED
        if cause is Cause.PAUSED:
            state = State.PAUSED
        if (state, cause) != (self._status.state, self._status.cause):
            # What is wrong with the camera stays to be said for as long as it is.
            said = self._status.detail if cause in _IN_NEED else ""
            self._status = Status(state, cause, said, time.time())

    def explain(self, detail: str) -> None:
        """What is wrong now, in one line for the worker; empty once it is well."""
        with self._lock:
            self._status = replace(self._status, detail=detail)

    def hear(self, sound: VeiledAudio) -> None:
        """``sound`` leaves now."""
        if not isinstance(sound, VeiledAudio):
            raise UsageError(f"the board hears VeiledAudio, not {type(sound).__name__}")
        power = float(np.mean(np.square(sound.samples))) if sound.samples.size else 0.0
        level = 10 * math.log10(power) if power > 1e-10 else SILENT_DB
        with self._lock:
            self._levels.append((time.monotonic(), level))
            self._counts.sound_seconds += sound.seconds
            self._counts.open_sound_seconds += sound.seconds * sound.open_share

    def count_late(self, frames: int) -> None:
        """``frames`` were given up for being late."""
        with self._lock:
            self._counts.late_frames += frames

    def count_restart(self) -> None:
        """The camera or what clears had to be started anew."""
        with self._lock:
            self._counts.restarts += 1

    def put(self, event: Event) -> None:
        """A desk event was told (the board is an ``EventSink``)."""
        with self._lock:
            self._events.append(event.document)

    def watch(
        self, outputs: Callable[[], list[OutputStatus]], queues: dict[str, Callable[[], int]]
    ) -> None:
        """Where to ask about outputs and about how much waits in which queue."""
        with self._lock:
            self._outputs, self._queues = outputs, queues

    # What the page and the metrics ask.

    @property
    def status(self) -> Status:
        with self._lock:
            return self._status

    def picture(self) -> VeiledFrame | None:
        """The last frame that left; None before the first."""
        with self._lock:
            return self._picture

    def quiet_seconds(self) -> float:
        """Since the last frame left; before the first, since the board is there."""
        with self._lock:
            return time.monotonic() - self._shown_at

    def next_picture(self, last: VeiledFrame | None, timeout: float) -> VeiledFrame | None:
        """The next one after ``last``, waited for; ``last`` after ``timeout`` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._picture is not last, timeout)
            return self._picture

    def level_db(self) -> float:
        """Loudest of what left as sound in the last third of a second, dBFS; SILENT_DB for
        nothing."""
        now = time.monotonic()
        with self._lock:
            recent = [level for at, level in self._levels if now - at <= _LEVEL_SECONDS]
        return max(recent, default=SILENT_DB)

    def counts(self) -> Counts:
        with self._lock:
            return replace(self._counts, latency=list(self._counts.latency))

    def events(self) -> list[dict[str, Any]]:
        """The last desk events that were told, oldest first."""
        with self._lock:
            return list(self._events)

    def outputs(self) -> list[OutputStatus]:
        return self._outputs()

    def queue_depths(self) -> dict[str, int]:
        """What waits, by queue."""
        return {name: depth() for name, depth in self._queues.items()}

    # The worker's switch.

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def coverings(self) -> int:
        """How often the camera was covered so far. Who looks now and then learns by it of one
        that is already over."""
        return self._coverings

    def pause(self, paused: bool) -> None:
        """Cover or uncover the camera: from now on every frame that leaves is a card, and no
        sound leaves; the camera and the microphone are let go."""
        with self._lock:
            if paused == self._paused:
                return
            self._coverings += paused
            self._paused = paused
            told = list(self._on_pause)
        for call in told:
            call(paused)

    def on_pause(self, call: Callable[[bool], None]) -> None:
        """Have ``call`` told of every change of the switch."""
        with self._lock:
            self._on_pause.append(call)
