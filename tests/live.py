"""What tests of live sessions share: a source that lasts, an output that remembers, a session
that runs in a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.frames import VeiledFrame
from homeveil.live.board import Board, OutputStatus
from homeveil.live.session import Patience, Session
from homeveil.live.take import Shot
from homeveil.media.live_source import read_source
from homeveil.media.sound_track import SoundFormat
from homeveil.policy import Policy, Sound, Style

RATE = 10
POLICY = Policy(style=Style.FILL, sound=Sound.CALL)


def still_room(path: Path, seconds: float, *, sound: bool = True) -> Path:
    """An empty, textured place, 160x96, in which a light flickers a little: it is cleared after
    a second. With a tone beside it if asked for."""
    rng = np.random.default_rng(11)
    luma = np.kron(rng.integers(60, 190, (12, 20)), np.ones((8, 8))).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.gop_size = RATE
        tone = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for number in range(round(seconds * RATE)):
            planes = np.full((144, 160), 128, np.uint8)
            planes[:96] = luma + number % 2
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
            if tone is not None:
                at = np.arange(1600) + number * 1600
                wave = 0.4 * np.sin(at * 2 * np.pi * 440 / 16_000)
                block = av.AudioFrame.from_ndarray(
                    wave.astype(np.float32)[None], format="fltp", layout="mono"
                )
                block.sample_rate, block.pts = 16_000, number * 1600
                container.mux(tone.encode(block))
        container.mux(stream.encode(None))
        if tone is not None:
            container.mux(tone.encode(None))
    return path


@dataclass(frozen=True)
class Out:
    """One frame that left. at: on the machine's clock."""

    at: float
    seconds: float
    fault: bool
    whole: bool
    luma: np.ndarray


@dataclass
class Memory:
    """A LiveOutput that remembers."""

    frames: list[Out] = field(default_factory=list)
    sounds: list[VeiledAudio] = field(default_factory=list)
    begun: list[tuple[int, int, float, SoundFormat | None]] = field(default_factory=list)
    ended: bool = False

    def begin(self, width: int, height: int, frame_rate: float, sound: SoundFormat | None) -> None:
        self.begun.append((width, height, frame_rate, sound))

    def take(self, frame: VeiledFrame) -> None:
        out = Out(
            time.monotonic(),
            frame.time.seconds,
            frame.fault,
            bool(frame.withheld.all()),
            frame.planes[0].copy(),
        )
        self.frames.append(out)

    def hear(self, sound: VeiledAudio) -> None:
        self.sounds.append(sound)

    def status(self) -> OutputStatus:
        return OutputStatus("memory", True)

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        self.ended = True

    def after(self, at: float) -> list[Out]:
        return [frame for frame in self.frames if frame.at > at]


def caught(made: Session, frame: Out) -> float:
    """When the camera took ``frame``, on the machine's clock."""
    return made._origin + frame.seconds


def shot(source: Path | str, **settings: object) -> Shot:
    """A take of ``source`` that shows nobody."""
    place = read_source(str(source), realtime=isinstance(source, Path))
    return Shot(place, None, POLICY, **settings)  # type: ignore[arg-type]


def until(condition: Callable[[], object], seconds: float = 20.0) -> float:
    """Wait for ``condition``; the moment at which it held."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)
    return time.monotonic()


@contextlib.contextmanager
def running(session: Session) -> Iterator[list[BaseException]]:
    """Run a session in a thread; what it raised is in the list."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            session.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with session:
            yield raised
            session.stop()
            thread.join(10)
            assert not thread.is_alive()
    finally:
        session.stop()
        thread.join(10)


@contextlib.contextmanager
def session(
    of: Shot, *more: object, patience: Patience | None = None
) -> Iterator[tuple[Session, Memory, Board]]:
    """A session of ``of`` that runs, what left it, and its board."""
    memory, board = Memory(), Board()
    made = Session(of, [memory, *more], board, patience=patience or Patience())  # type: ignore[list-item]
    with running(made) as raised:
        yield made, memory, board
        assert not raised
