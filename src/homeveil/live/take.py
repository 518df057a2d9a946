"""One take: a camera held and cleared, from start to its end by failure or by wish.

A thread waits for what is cleared and hands it on; the two processes end with the take.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from homeveil.clearing import Clearing, Form, LiveInput, Order, Veiled
from homeveil.isolation import Isolate
from homeveil.isolation.box import Box, open_clearing
from homeveil.live.camera import Camera
from homeveil.media.live_source import LiveSource
from homeveil.policy import Policy
from homeveil.profile.store import LockedProfile
from homeveil.profile.template import Profile


@dataclass(frozen=True, slots=True)
class Shot:
    """What to take. delay_seconds: how long pictures wait. late_seconds: when a picture is given
    up rather than looked at."""

    source: LiveSource
    profile: Profile | LockedProfile | None
    policy: Policy
    isolate: Isolate = Isolate.AUTO
    delay_seconds: float = 0.0
    late_seconds: float = 0.1


@dataclass(frozen=True, slots=True)
class Began:
    """The camera is open, everything is loaded. isolation: in words. models: their hashes.
    delay_seconds: how long pictures wait."""

    form: Form
    isolation: str
    models: dict[str, str]
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes. error: why, or None when the source simply ended. began: whether it
    ever gave a form."""

    error: Exception | None
    began: bool


@dataclass(frozen=True, slots=True)
class Late:
    """So many more pictures were given up for being late."""

    frames: int


News = Began | Veiled | Late | Ended


class Take:
    """Runs once it is started. tell: called from the take's thread with the take and each piece
    of news; the last is always Ended. Frames and sound told are in memory of their own."""

    def __init__(self, shot: Shot, tell: Callable[[Take, News], None]) -> None:
        self._shot, self._tell = shot, tell
        self._lock = threading.Lock()
        self._stopped = False
        self._camera: Camera | None = None
        self._clearing: Clearing | None = None
        self._began = False
        self._thread = threading.Thread(target=self._run, name="take", daemon=True)

    def start(self) -> None:
        """Begin, once whoever is told knows this take: it may end at once."""
        self._thread.start()

    @property
    def processes(self) -> dict[str, int]:
        """Process identifiers by what they do; only of those that run now."""
        with self._lock:
            found = {}
            if self._camera is not None:
                found["camera"] = self._camera.process_id
            if isinstance(self._clearing, Box):
                found["clearing"] = self._clearing.process_id
            return found

    def stop(self) -> None:
        """End it from any thread, without waiting."""
        with self._lock:
            self._stopped = True
            if isinstance(self._clearing, Box):
                self._clearing.kill()
            if self._camera is not None:
                self._camera.kill()

    @property
    def running(self) -> bool:
        """Whether its thread has yet to end; one that is stopped while it loads takes a while."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            with ExitStack() as stack:
                for news in self._news(stack):
                    self._tell(self, news)
        except Exception as failure:
            error = failure
        with self._lock:
            self._camera = self._clearing = None
        self._tell(self, Ended(error, self._began))

    def _news(self, stack: ExitStack) -> Iterator[News]:
        shot = self._shot
        camera = stack.enter_context(Camera(shot.source))
        live = LiveInput(camera.feed, shot.delay_seconds, shot.late_seconds)
        order = Order(Path(shot.source.name), shot.profile, shot.policy, live=live)
        with self._lock:
            if self._stopped:
                return
            self._camera = camera
        clearing = stack.enter_context(open_clearing(order, shot.isolate))
        with self._lock:
            if self._stopped:
                return
            self._clearing = clearing
        if clearing.isolation != "off":
            camera.hand_over()
        self._began = True
        delay = live.picture_delay(shot.policy, clearing.form.sound is not None)
        yield Began(clearing.form, clearing.isolation, clearing.models, delay)
        late = 0
        for veiled in clearing:
            if self._stopped:
                return
            if clearing.late_frames > late:
                yield Late(clearing.late_frames - late)
                late = clearing.late_frames
            yield veiled.copy()
