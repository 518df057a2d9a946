"""A long recording cleared in stretches side by side, and joined without encoding again.

Each stretch is a redaction of its own (:mod:`homeveil.clearing.stretch`). It goes on past its end
until the next one can take over: at a place where the agent was told apart from everybody
without what only this stretch remembers, and from which on, for some seconds, the next one
withholds all that this one does. A next one that never can is left out. The sound is heard in one
pass beside them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import tempfile
import threading
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.clear.patches import large
from homeveil.clearing import Clearing, Form, Order
from homeveil.clearing.here import FileClearing
from homeveil.clearing.together import Together
from homeveil.emit.files import FileSink, policy_sink
from homeveil.errors import HomeveilError, OutputError, StretchError
from homeveil.frames import VeiledFrame
from homeveil.isolation import Isolate
from homeveil.isolation.box import Box, open_clearing
from homeveil.media.stretches import Lengths, Piece, Stretch, join
from homeveil.media.writer import SoundWriter
from homeveil.report import SoundTally, Tally
from homeveil.scoped import Scoped

_log = logging.getLogger("homeveil")

MORE_CELLS = 5
"""A patch of so many cells that only the stretch before withholds keeps the next one from taking
over. Fewer are specks, by which the rims of outlines differ between two looks."""

_TELL_SECONDS = 0.2
_SOUND_SUFFIX = {".webm": ".ogg", ".mkv": ".mka"}

Told = Callable[[int, int | None, float], None]
"""Called with frames written so far, in all, and the seconds that they are."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was done, as a :class:`homeveil.clearing.Clearing` tells it.

    stretches: how many were planned, whichever of them took over, which hangs on who was about; 1
    where none but the first was fit, for the reason in ``one_pass``.
    """

    tally: Tally
    sound_tally: SoundTally | None
    damaged_packets: int
    truncated: bool
    models: dict[str, str]
    isolation: str
    stretches: int
    one_pass: str = ""


@dataclass(slots=True, eq=False)
class _Part:
    """A stretch in the making. times, shares, faults: of its frames. withheld: their grids, packed,
    by their seconds; of a stretch that follows another. follower: the stretch that took over at
    ``stop``. ended: nothing more comes. unfit: why it gave nothing."""

    number: int
    path: Path
    form: Form | None = None
    clearing: Clearing | None = None
    models: dict[str, str] = field(default_factory=dict)
    isolation: str = "off"
    times: array[float] = field(default_factory=lambda: array("d"))
    shares: array[float] = field(default_factory=lambda: array("d"))
    faults: bytearray = field(default_factory=bytearray)
    withheld: dict[float, bytes] = field(default_factory=dict)
    newest: float = float("-inf")
    first: Fraction | None = None
    follower: int = 0
    stop: Fraction | None = None
    ended: bool = False
    unfit: str = ""
    error: BaseException | None = None
    truncated: bool = False

    def add(self, frame: VeiledFrame) -> None:
        if self.first is None:
            self.first = frame.time.pts * frame.time.time_base
        self.times.append(frame.time.seconds)
        self.shares.append(frame.veiled_share)
        self.faults.append(frame.fault)
        if self.number:
            packed = np.packbits(frame.withheld).tobytes()
            self.withheld[frame.time.seconds] = zlib.compress(packed, 1)
        self.newest = frame.time.seconds

    def withholds_all_of(self, frame: VeiledFrame) -> bool:
        """Whether its frame of the same time withholds all that ``frame`` does."""
        packed = self.withheld.get(frame.time.seconds)
        if packed is None:
            return False
        bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8))
        before = frame.withheld
        if not 0 <= bits.size - before.size < 8:
            return False
        own = bits[: before.size].reshape(before.shape).astype(bool)
        return not large(before & ~own, MORE_CELLS).any()


@dataclass(slots=True, eq=False)
class _Sound:
    """The cleared sound. path: None where there is none."""

    path: Path | None = None
    tally: SoundTally | None = None
    models: dict[str, str] = field(default_factory=dict)
    damaged_packets: int = 0


class _StoppedError(HomeveilError):
    """Another part failed, or the caller gave up."""


def clear_in_stretches(
    order: Order,
    target: Path,
    isolate: Isolate,
    count: int,
    lengths: Lengths | None = None,
    told: Told = lambda frames, expected, seconds: None,
) -> Cleared:
    """Clear a file in up to ``count`` stretches at once into ``target``.

    It appears whole or not at all, and nothing else stays. Raises StretchError when the file
    must be cleared in one pass instead, and what :func:`homeveil.redact` raises.
    """
    with (
        _folder_beside(target) as folder,
        _Stretches(order, target, isolate, folder, (count, lengths or Lengths())) as work,
    ):
        chain = work.run(told)
        return work.join(chain)


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """An empty folder on the disk of ``target`` that this user alone can read; gone afterwards."""
    try:
        name = tempfile.mkdtemp(prefix=".homeveil-", suffix=".parts", dir=target.parent)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror}); nothing was left there"
        ) from error
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)


class _Stretches(Scoped):
    """All stretches of one file, each in a thread that encodes what its isolated process gives."""

    def __init__(
        self,
        order: Order,
        target: Path,
        isolate: Isolate,
        folder: Path,
        plan: tuple[int, Lengths],
    ) -> None:
        self._order, self._target, self._isolate, self._folder = order, target, isolate, folder
        self._count, self._lengths = plan
        self._turn = threading.Condition()
        self._stopped = False
        self._threads: list[threading.Thread] = []
        self._parts = [self._part(0)]
        self._sound: _Sound | None = None
        self._sound_error: BaseException | None = None

    def _part(self, number: int) -> _Part:
        return _Part(number, self._folder / f"{number}{self._target.suffix}")

    # ---------------------------------------------------------------- this thread
    def run(self, told: Told) -> list[_Part]:
        """Clear; gives the stretches that make up the file, in order."""
        first = self._parts[0]
        self._start(self._clear, first)
        with self._turn:
            self._wait(lambda: first.form is not None, lambda: None)
            form = first.form
        if form is None:
            raise StretchError("it cannot be opened")
        self._parts += [self._part(number) for number in range(1, form.stretches)]
        for part in self._parts[1:]:
            self._start(self._clear, part)
        if form.sound is not None:
            self._start(self._hear_beside)
        else:
            self._sound = _Sound()

        def tell() -> None:
            frames = sum(len(part.times) for part in self._parts)
            seconds = sum(part.times[-1] - part.times[0] for part in self._parts if part.times)
            expected = form.frames_expected
            told(min(frames, expected or frames), expected, seconds)

        with self._turn:
            self._wait(lambda: self._sound is not None and bool(self._chain()), tell)
        return self._chain()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        # The kernel ends an isolated process with the thread that started it.
        thread = threading.Thread(target=work, args=arguments, name="homeveil-stretch")
        self._threads.append(thread)
        thread.start()

    def _wait(self, done: Callable[[], bool], tell: Callable[[], None]) -> None:
        while True:
            # First: a part that failed has ended, too.
            for error in (self._sound_error, *(part.error for part in self._parts)):
                if error is not None:
                    raise error
            if done():
                return
            self._turn.wait(_TELL_SECONDS)
            tell()

    def _chain(self) -> list[_Part]:
        """The stretches from the first to the end of the file; empty while that is not known."""
        chain = [self._parts[0]]
        while chain[-1].ended and chain[-1].follower:
            chain.append(self._parts[chain[-1].follower])
        return chain if chain[-1].ended else []

    def join(self, chain: list[_Part]) -> Cleared:
        """Make the file of what was cleared."""
        self._stop()
        first, sound = chain[0], self._sound or _Sound()
        form = first.form
        tally, muted = Tally(), _Muted()
        together = Together(muted.withhold)
        low = float("-inf")
        for part in chain:
            high = float(part.stop) if part.stop is not None else float("inf")
            for seconds, share, fault in zip(part.times, part.shares, part.faults, strict=True):
                if low <= seconds < high:
                    tally.count(seconds, share, fault=bool(fault))
                    together.see(seconds, failed=bool(fault))
            low = high
        together.end()
        if muted.spans and sound.path is not None:
            sound = self._hear(tuple(muted.spans))
        starts = [first.first, *(part.stop for part in chain[:-1])]
        pieces = [
            Piece(part.path, start or Fraction(0), part.stop)
            for part, start in zip(chain, starts, strict=True)
        ]
        join(pieces, sound.path, self._target, (form.frames_expected if form else 0) or 0)
        unfit = [part.unfit for part in self._parts[1:]]
        if all(unfit):
            _log.info("%s: cleared in one pass: %s", self._order.source, unfit[0])
        return Cleared(
            tally,
            sound.tally,
            sound.damaged_packets,
            any(part.truncated for part in chain),
            {**first.models, **sound.models},
            first.isolation,
            1 if all(unfit) else len(self._parts),
            unfit[0] if all(unfit) else "",
        )

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        """End what still runs."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
        for part in self._parts:
            if isinstance(part.clearing, Box):
                part.clearing.kill()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    # ---------------------------------------------------------------- a thread for each stretch
    def _clear(self, part: _Part) -> None:
        try:
            self._encode(part)
        except StretchError as error:
            # The one before goes on in its place.
            part.unfit = str(error)
            if not part.number:
                part.error = error
        except OutputError as error:
            part.error = OutputError(str(error).replace(str(part.path), str(self._target)))
        except BaseException as error:
            part.error = error
        finally:
            with self._turn:
                part.clearing = None
                part.ended = True
                self._turn.notify_all()

    def _encode(self, part: _Part) -> None:
        order = dataclasses.replace(
            self._order, stretch=Stretch(part.number, self._count, self._lengths)
        )
        with open_clearing(order, self._isolate) as clearing:
            if isinstance(clearing, FileClearing):
                clearing.ahead = lambda frames: self._check()
            with self._turn:
                part.clearing, part.form = clearing, clearing.form
                part.models, part.isolation = dict(clearing.models), clearing.isolation
                self._turn.notify_all()
                # Whoever ended what runs did not know of this one yet.
                self._check()
            with file_sink(part.path, order, clearing.form) as sink:
                for veiled in clearing:
                    self._check()
                    if isinstance(veiled, VeiledFrame):
                        # At every place where one could have been taken over, so that the
                        # file does not tell where one was.
                        sink.write(veiled, key=clearing.takes_over > 0)
                        with self._turn:
                            part.add(veiled)
                            self._turn.notify_all()
                        if self._is_taken_over(part, clearing, veiled):
                            break
                else:
                    part.follower, part.stop = 0, None
                sink.commit()
            part.truncated = clearing.truncated

    def _is_taken_over(self, part: _Part, clearing: Clearing, frame: VeiledFrame) -> bool:
        """Whether another stretch goes on in its place, tried for long enough."""
        if not part.follower:
            other = clearing.takes_over
            if not part.number < other < len(self._parts) or not clearing.undisputed:
                return False
            part.follower, part.stop = other, frame.time.pts * frame.time.time_base
        follower, seconds = self._parts[part.follower], frame.time.seconds
        with self._turn:
            self._turn.wait_for(
                lambda: self._stopped or follower.ended or follower.newest >= seconds
            )
        if not follower.withholds_all_of(frame):
            part.follower, part.stop = 0, None
        return part.stop is not None and seconds - part.stop >= self._lengths.trial

    def _check(self) -> None:
        if self._stopped:
            raise _StoppedError("stopped")

    # ---------------------------------------------------------------- a thread for the sound
    def _hear_beside(self) -> None:
        try:
            sound = self._hear(())
        except BaseException as error:
            self._sound_error = error
        else:
            self._sound = sound
        with self._turn:
            self._turn.notify_all()

    def _hear(self, muted: tuple[tuple[float, float], ...]) -> _Sound:
        """Clear all of the sound, with ``muted`` for what the picture was withheld for."""
        suffix = self._target.suffix.lower()
        path = self._folder / f"sound{_SOUND_SUFFIX.get(suffix, '.m4a')}"
        order = dataclasses.replace(self._order, sound_alone=True, muted=muted)
        with open_clearing(order, self._isolate) as clearing:
            form = clearing.form.sound
            if form is None or clearing.sound_tally is None:
                raise StretchError("its sound cannot be heard by itself")
            with SoundWriter(path, form, order.source) as writer:
                for veiled in clearing:
                    if not muted:
                        self._check()
                    if isinstance(veiled, VeiledAudio):
                        writer.write(veiled)
                if not clearing.sound_tally.seconds:
                    raise StretchError("no sound could be decoded")
                writer.commit()
            return _Sound(
                path, clearing.sound_tally, dict(clearing.models), clearing.damaged_packets
            )


class _Muted:
    """Spans to be muted beside pictures that failed, as in one pass."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def withhold(self, start: float, end: float) -> None:
        """One more span, not before the last."""
        if self.spans and start <= self.spans[-1][1]:
            start, before = self.spans.pop()
            end = max(end, before)
        self.spans.append((start, end))


def file_sink(path: Path, order: Order, form: Form) -> FileSink:
    """What writes the picture of ``order`` to ``path``, without sound."""
    return policy_sink(
        path,
        order.policy,
        order.source,
        frame_rate=form.frame_rate,
        sample_aspect_ratio=form.sample_aspect_ratio,
    )
