"""A live session: keeps a take going, emits what is veiled, and a card whenever there is none.

    with Session(shot, outputs, board) as session:
        session.run()

Whatever happens to the camera or to what clears, outputs go on getting frames: cards, until the
next take has cleared something. What comes late is dropped, never passed.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from homeveil.audio import VeiledAudio
from homeveil.emit.files import fitted
from homeveil.errors import InputError, in_our_words
from homeveil.frames import Colour, Timestamp, VeiledFrame
from homeveil.live.board import Board, Cause
from homeveil.live.output import LiveOutput
from homeveil.live.take import Began, Ended, Late, News, Shot, Take
from homeveil.media.live_source import SourceKind
from homeveil.media.sound_track import SoundFormat
from homeveil.scoped import Scoped
from homeveil.veil.card import card, silence

_log = logging.getLogger("homeveil")

TICK = Fraction(1, 1_000_000)
FALLBACK_RATE = 15.0
FALLBACK_SIZE = (1280, 720)
_MOST_NEWS = 64
_MOST_AHEAD_SECONDS = 10.0
"""That sound may be ahead of the machine's clock, as in files it is ahead of its picture."""

_MOST_BEHIND_SECONDS = 3.0
"""Of sound behind its picture. Then silence takes its place: outputs that wait for it would have
to make up for all of it at once."""
_LEAST_STEP = 0.001

_MOST_ENDING, _ENDING_SECONDS = 2, 0.1
"""Takes that were stopped and load on: with more of them the next one waits, for so long each time.
Each holds all models, and switches can be flipped faster than they are loaded."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. card: when cards begin, beyond two frames, after nothing came. late: when a
    frame is too old to be shown, beyond its delay, or too far ahead of its time. give_up: when a
    take from which nothing comes is ended, beyond its delay and two frames. start: when one that
    does not begin is. retry: first and longest wait before the next take."""

    card: float = 0.1
    late: float = 1.0
    give_up: float = 3.0
    start: float = 30.0
    retry: tuple[float, float] = (0.2, 2.0)


class Session(Scoped):
    """shot: what to take. outputs: where it goes. board: what is shown of it. size: of the
    output, (width, height); the camera's own, made even, if None. patience: when to do without."""

    def __init__(
        self,
        shot: Shot,
        outputs: Sequence[LiveOutput],
        board: Board,
        *,
        size: tuple[int, int] | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.shot, self.board = shot, board
        self._outputs = list(outputs)
        self._patience = patience
        self._size = size
        self._colour: Colour | None = None
        self._inbox: queue.Queue[tuple[Take | None, News | None]] = queue.Queue(_MOST_NEWS)
        self._stopping = False
        self._take: Take | None = None
        self._ending: list[tuple[float, Take]] = []
        self._began: Began | None = None
        self._ever_began = False
        self._rate = FALLBACK_RATE
        self._sound: SoundFormat | None = None
        self._outputs_begun = False
        self._origin = self._last_news = self._last_out = time.monotonic()
        self._last_time = 0.0
        self._heard_to = 0.0
        self._retry_at = 0.0
        self._retry = patience.retry[0]
        self._delay = shot.delay_seconds
        self._coverings = board.coverings
        self._carded = self._shown = False
        self._cause = Cause.STARTING
        self._book = _Book(board, self._outputs)
        self._wakes = False
        board.watch(
            lambda: [output.status() for output in self._outputs],
            {"news": self._inbox.qsize}
            | {output.status().name: output.waiting for output in self._outputs},
        )
        board.on_pause(lambda _paused: self._wake())

    @property
    def take(self) -> Take | None:
        """The one that runs now."""
        return self._take

    @property
    def _covered(self) -> bool:
        """Whether the camera is covered, or was in the meantime."""
        return self.board.paused or self.board.coverings != self._coverings

    def stop(self) -> None:
        """End ``run`` within half a second; from any thread or a signal handler."""
        # It is not woken: the handler may have interrupted one that holds the inbox's lock.
        self._stopping = True

    def _wake(self) -> None:
        try:
            self._inbox.put_nowait((None, None))
        except queue.Full:
            # Then it is awake.
            return

    def run(self) -> None:
        """Until ``stop`` or the end of a file. Raises what keeps the first take from beginning,
        unless it is the camera; later nothing of the kind."""
        while not self._stopping:
            self._keep_going()
            try:
                take, news = self._inbox.get(timeout=self._wait())
            except queue.Empty:
                take, news = None, None
            if news is not None and take is self._take:
                self._hear_of(news)
            if not self._stopping:
                # While it ends nothing comes any more, and that is no fault.
                self._show_card_if_due()
            self._book.keep()

    def _keep_going(self) -> None:
        """Start, end or give up a take."""
        now = time.monotonic()
        coverings = self.board.coverings
        if self._covered:
            self._drop_take(Cause.PAUSED)
        if coverings != self._coverings:
            # However short it was: the take has ended, and a card leaves.
            self._coverings = coverings
            self._show_card(Cause.PAUSED)
        if self.board.paused:
            return
        if self._cause is Cause.PAUSED:
            self._cause = Cause.STARTING
        if self._take is None:
            if now < self._retry_at:
                return
            if self._crowded(now):
                self._retry_at = now + _ENDING_SECONDS
            else:
                self._last_news = now
                self._take = Take(self.shot, self._tell)
                self._take.start()
            return
        patience = self._patience
        silent = now - self._last_news
        most = patience.start
        if self._began is not None:
            # The first picture of all waits as long as any, and a camera may be slow by nature.
            most = patience.give_up + self._delay + 2 / self._rate
        if silent > most:
            self._explain(f"nothing came for {silent:.0f} s; starting anew")
            self._drop_take(Cause.FAULT)
            self._schedule()

    def _crowded(self, now: float) -> bool:
        """Whether enough takes are still ending; one that hangs holds nobody up for good."""
        since = now - self._patience.start
        self._ending = [(at, one) for at, one in self._ending if at > since and one.running]
        return len(self._ending) >= _MOST_ENDING

    def _tell(self, take: Take, news: News) -> None:
        """From the take's thread. A take that is no longer wanted must not wait."""
        while not self._stopping and take is self._take:
            try:
                self._inbox.put((take, news), timeout=0.5)
                return
            except queue.Full:
                continue

    def _drop_take(self, cause: Cause) -> None:
        self._cause = cause
        take, self._take = self._take, None
        self._began = None
        if take is not None:
            take.stop()
            self._ending.append((time.monotonic(), take))
            self._carded = True
            if cause is Cause.PAUSED:
                self._retry_at, self._retry = 0.0, self._patience.retry[0]

    def _schedule(self) -> None:
        """When the next take begins."""
        self.board.count_restart()
        self._retry_at = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, self._patience.retry[1])

    def _wait(self) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        due = [now + 0.5, self._card_due()]
        if self._take is None and not self.board.paused:
            due.append(self._retry_at)
        return max(0.001, min(due) - now)

    def _hear_of(self, news: News) -> None:
        if isinstance(news, Ended):
            self._end_take(news)
            return
        if not isinstance(news, VeiledAudio):
            self._last_news = time.monotonic()
        if isinstance(news, Began):
            self._begin(news)
        elif isinstance(news, Late):
            self._cause = Cause.SLOW
            self.board.count_late(news.frames)
        elif isinstance(news, VeiledFrame):
            self._show(news)
        else:
            self._play(news)

    def _begin(self, news: Began) -> None:
        _log.info("the camera is open (isolation: %s)", news.isolation)
        self._began, self._ever_began, self._shown = news, True, False
        if self._cause is not Cause.PAUSED:
            self._cause = Cause.STARTING
        form, self._delay = news.form, news.delay_seconds
        if form.frame_rate is not None:
            self._rate = float(form.frame_rate)
        # Of an odd side the last row or column is left out: streams in 4:2:0 hold even ones.
        self._size = self._size or (_even(form.width), _even(form.height))
        self._colour = self._colour or form.colour
        self._begin_outputs(form.sound)
        self.board.explain("")

    def _begin_outputs(self, sound: SoundFormat | None) -> None:
        if self._outputs_begun:
            return
        self._outputs_begun = True
        self._size = self._size or FALLBACK_SIZE
        self._sound = sound
        for output in self._outputs:
            output.begin(*self._size, self._rate, sound)

    def _end_take(self, news: Ended) -> None:
        self._take = self._began = None
        if news.error is None and self.shot.source.kind is SourceKind.FILE:
            self._stopping = True
            return
        error = news.error or InputError(f"{self.shot.source.name}: the camera ended")
        of_camera = isinstance(error, InputError)
        final = not of_camera or self.shot.source.kind is SourceKind.FILE
        if not self._ever_began and final:
            raise error
        said = in_our_words(error)
        _log.warning("%s", said)
        self._explain(said)
        self._cause = Cause.NO_CAMERA if of_camera else Cause.FAULT
        self._carded = True
        self._schedule()
        if not self._outputs_begun:
            self._begin_outputs(None)

    def _explain(self, said: str) -> None:
        self.board.explain(said)

    def _show(self, frame: VeiledFrame) -> None:
        now = time.monotonic()
        latency = now - frame.time.seconds
        at = frame.time.seconds - self._origin
        if self._covered:
            return
        if not -self._patience.late <= latency <= self._delay + self._patience.late:
            # One of a time that is yet to come would take all later ones' times with it.
            self.board.count_late(1)
            return
        # Cards may have left with later times.
        at = max(at, self._last_time + _LEAST_STEP)
        cause = None
        if frame.fault:
            cause = Cause.FAULT
        elif frame.withheld.all():
            cause = Cause.UNCLEARED
        self._carded, self._shown = False, True
        self._retry = self._patience.retry[0]
        self._emit(frame, at, cause, latency)
        self._silence_to(at - _MOST_BEHIND_SECONDS)

    def _emit(
        self, frame: VeiledFrame, at: float, cause: Cause | None, latency: float | None
    ) -> None:
        if self._size is None:
            return
        self._last_time, self._last_out = at, time.monotonic()
        time_out = Timestamp(round(at / TICK), TICK)
        frame = replace(fitted(frame, *self._size), time=time_out)
        if self._covered:
            # The switch may have been flipped meanwhile.
            frame = card(*self._size, time_out, self.shot.policy, self._colour)
            cause, latency = Cause.PAUSED, None
        for output in self._outputs:
            output.take(frame)
        self.board.show(frame, cause, latency)
        self._book.count(frame, 1 / self._rate)

    def _card_due(self) -> float:
        """When a card is to leave if nothing else does."""
        if not self._outputs_begun:
            return float("inf")
        step = 1 / self._rate
        if self._carded:
            return self._last_out + step
        return self._last_out + 2 * step + self._patience.card

    def _show_card_if_due(self) -> None:
        if time.monotonic() < self._card_due():
            return
        cause = self._cause
        if self._began is not None and cause is not Cause.SLOW and self._shown:
            cause = Cause.FAULT
        self._show_card(cause)

    def _show_card(self, cause: Cause) -> None:
        if self._size is None or not self._outputs_begun:
            return
        now = time.monotonic()
        self._carded = True
        at = max(now - self._origin - self._delay, self._last_time + _LEAST_STEP)
        time_out = Timestamp(round(at / TICK), TICK)
        frame = card(*self._size, time_out, self.shot.policy, self._colour)
        self._emit(frame, at, cause, None)
        self._silence_to(at)

    def _play(self, sound: VeiledAudio) -> None:
        """Picture and sound fail together: none while cards leave."""
        if self._carded or self._covered or self._sound is None:
            return
        at = sound.time.seconds - self._origin
        if sound.time.seconds > time.monotonic() + _MOST_AHEAD_SECONDS:
            return
        if at + sound.seconds <= self._heard_to:
            return
        self._heard_to = at + sound.seconds
        self._emit_sound(replace(sound, time=Timestamp.from_seconds(at)))

    def _silence_to(self, at: float) -> None:
        if self._sound is None:
            return
        start = max(self._heard_to, at - 10.0)
        count = round((at - start) * self._sound.rate)
        if count > 0:
            self._heard_to = at
            self._emit_sound(
                silence(
                    self._sound.rate, self._sound.channels, count, Timestamp.from_seconds(start)
                )
            )

    def _emit_sound(self, sound: VeiledAudio) -> None:
        if sound.time.pts < 0:
            return
        for output in self._outputs:
            output.hear(sound)
        self.board.hear(sound)

    def close(self) -> None:
        """End the take and the outputs."""
        self._stopping = True
        take, self._take = self._take, None
        if take is not None:
            take.stop()
            take.join(5.0)
        for output in self._outputs:
            output.close()
        self._book.close()


def _even(side: int) -> int:
    return max(2, side - side % 2)


class _Book:
    """Keeps count of what left today."""

    def __init__(self, board: Board, outputs: list[LiveOutput]) -> None:
        self._board, self._outputs = board, outputs
        self._seconds = 0.0
        self._bytes = 0
        self._next = self._saved = time.monotonic()

    def count(self, frame: VeiledFrame, seconds: float) -> None:
        if not frame.fault:
            self._seconds += seconds

    def keep(self) -> None:
        """Every second, and on disk every half minute."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 1.0
        self._add()
        if now > self._saved + 30.0:
            self._saved = now
            self._board.today.save()

    def _add(self) -> None:
        total = sum(output.status().bytes for output in self._outputs)
        self._board.today.add(self._seconds, max(0, total - self._bytes))
        self._seconds, self._bytes = 0.0, total

    def close(self) -> None:
        self._add()
        self._board.today.save()
