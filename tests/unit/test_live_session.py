"""What a session lets out of what a take tells it: each rule by itself, with others out of the
way."""

from __future__ import annotations

import io
import os
import resource
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clips import veiled_frame
from homeveil.clearing import Form
from homeveil.errors import HomeveilError
from homeveil.frames import Colour, Timestamp, VeiledFrame
from homeveil.live.board import Board, Cause, State
from homeveil.live.outputs.transport import Transport
from homeveil.live.session import Patience, Session
from homeveil.live.take import Began, Take
from homeveil.media.sound_track import SoundFormat
from homeveil.policy import Policy
from homeveil.veil.muting import seal
from live import Memory, shot, until

US = Fraction(1, 1_000_000)


def begun() -> tuple[Session, Memory, Board]:
    """A session whose take has begun, without a thread or a camera."""
    memory, board = Memory(), Board()
    made = Session(shot(Path("none.mp4")), [memory], board)
    made._origin -= 10  # it has run for a while
    form = Form(64, 48, Fraction(10), None, None, None, SoundFormat(16_000, 1))
    made._hear_of(Began(form, "off", {}, 0.0))
    return made, memory, board


def frame(ago: float) -> VeiledFrame:
    """One that was captured so long ago."""
    at = Timestamp(round((time.monotonic() - ago) / US), US)
    return replace(veiled_frame(0, Fraction(1, 1000)), time=at)


def heard(memory: Memory) -> bool:
    """Whether anything but silence left."""
    return any(sound.samples.any() for sound in memory.sounds)


def test_a_frame_that_comes_in_time_leaves() -> None:
    made, memory, board = begun()
    made._hear_of(frame(0.03))
    assert len(memory.frames) == 1
    assert board.status.state is State.OPEN
    assert board.counts().latency_seconds == pytest.approx(0.03, abs=0.05)


def test_a_frame_that_comes_late_does_not() -> None:
    """What a stalled process shows when it goes on is old."""
    made, memory, board = begun()
    made._hear_of(frame(2.5))
    assert memory.frames == []
    assert board.counts().late_frames == 1


def test_what_claims_a_time_yet_to_come_does_not_leave() -> None:
    """It would take the times of all that comes after it along."""
    made, memory, board = begun()
    made._hear_of(frame(0.05))
    made._hear_of(frame(-3600.0))
    assert board.counts().late_frames == 1
    later = Timestamp(round((time.monotonic() + 3600) / US), US)
    made._hear_of(seal(np.full((1, 160), 0.5, np.float32), 16_000, later, 1.0))
    assert not heard(memory)
    made._hear_of(frame(0.0))
    assert [out.seconds < 20 for out in memory.frames] == [True, True]


def test_a_frame_that_comes_while_covered_does_not() -> None:
    made, memory, board = begun()
    board.pause(True)
    made._hear_of(frame(0.03))
    assert memory.frames == []


def test_a_frame_on_its_way_out_while_the_camera_is_covered_is_a_card() -> None:
    made, memory, board = begun()
    board.pause(True)
    made._emit(frame(0.03), 1.0, None, 0.03)
    assert [out.fault and out.whole for out in memory.frames] == [True]
    assert board.status.cause is Cause.PAUSED


@pytest.mark.parametrize(("delay", "rate"), [(8.0, Fraction(10)), (0.0, Fraction(1, 4))])
def test_a_take_whose_pictures_wait_or_are_rare_is_not_given_up(
    delay: float, rate: Fraction
) -> None:
    """Nothing comes for as long as the first one waits, or as two are apart."""
    made, _, _ = begun()
    form = Form(64, 48, rate, None, None, None, None)
    made._hear_of(Began(form, "off", {}, delay))
    made._take = held = Held()  # type: ignore[assignment]
    made._last_news = time.monotonic() - 8.0
    made._keep_going()
    assert not held.stopped
    made._last_news = time.monotonic() - 60.0
    made._keep_going()
    assert held.stopped


class Held:
    """Stands for a take that holds a camera."""

    stopped = running = False

    def stop(self) -> None:
        self.stopped = True


def covered_for_a_moment() -> tuple[Session, Memory, Board, Held]:
    """A session that has shown a frame and has not yet looked at the switch since."""
    made, memory, board = begun()
    made._take = held = Held()  # type: ignore[assignment]
    made._hear_of(frame(0.03))
    board.pause(True)
    board.pause(False)
    return made, memory, board, held


def test_however_short_it_was_covered_the_take_ends_with_a_card() -> None:
    made, memory, board, held = covered_for_a_moment()
    made._keep_going()
    assert held.stopped
    assert made.take is not held
    assert [out.fault and out.whole for out in memory.frames] == [False, True]
    assert board.status.state is State.PAUSED
    after = made.take
    assert after is not None, "it is uncovered: the next one begins"
    after.stop()
    made._keep_going()
    assert made.take is after, "it ends one take, not every one that follows"


def test_what_comes_before_that_card_does_not_leave() -> None:
    """The switch is looked at once a turn; what came meanwhile was filmed before."""
    made, memory, _, _ = covered_for_a_moment()
    made._hear_of(frame(0.0))
    now = Timestamp(round(time.monotonic() / US), US)
    made._hear_of(seal(np.full((1, 160), 0.5, np.float32), 16_000, now, 1.0))
    assert len(memory.frames) == 1
    assert not heard(memory)
    made._emit(frame(0.0), 11.0, None, 0.03)
    assert memory.frames[-1].fault


def test_covered_before_anything_is_open_nothing_leaves() -> None:
    memory, board = Memory(), Board()
    made = Session(shot(Path("none.mp4")), [memory], board, size=(64, 48))
    made._take = held = Held()  # type: ignore[assignment]
    board.pause(True)
    made._keep_going()
    assert held.stopped
    assert made.take is None
    assert memory.frames == []


def test_times_go_on_after_cards() -> None:
    made, memory, _ = begun()
    made._show_card_if_due()
    made._last_out = 0.0
    made._show_card_if_due()
    made._hear_of(frame(0.2))
    made._hear_of(frame(0.1))
    times = [out.seconds for out in memory.frames]
    assert [out.fault for out in memory.frames] == [True, False, False]
    assert times == sorted(set(times))


def test_cards_are_described_as_the_pictures_are() -> None:
    """An encoder believes the first picture that it gets, and that is a card."""
    memory, board = Memory(), Board()
    made = Session(shot(Path("none.mp4")), [memory], board)
    full = Colour(1, 1, 1, full_range=True)
    made._hear_of(Began(Form(64, 48, Fraction(10), None, None, None, None, 1, full), "off", {}, 0))
    made._last_out = 0.0
    made._show_card_if_due()
    shown = board.picture()
    assert shown is not None
    assert shown.fault
    assert shown.colour == full


@pytest.mark.parametrize(
    ("size", "fits"), [((65, 49), (64, 48)), ((64, 49), (64, 48)), ((1, 3), (2, 2))]
)
def test_a_camera_of_odd_sides_is_encoded(size: tuple[int, int], fits: tuple[int, int]) -> None:
    """What is encoded has even sides; what it shows stays where it was."""
    memory, board, transport = Memory(), Board(), Transport(Policy())
    reader = transport.broadcast.subscribe()
    made = Session(shot(Path("none.mp4")), [memory, transport], board)
    made._hear_of(Began(Form(*size, Fraction(10), None, None, None, None), "off", {}, 0))
    at = Timestamp(round(time.monotonic() / US), US)
    given = replace(veiled_frame(0, Fraction(1, 1000), size), time=at)
    made._hear_of(given)
    made.close()
    data = b"".join(iter(lambda: reader.next(1.0), b""))
    with av.open(io.BytesIO(data), format="mpegts") as container:
        first = next(container.decode(video=0))
    assert (first.width, first.height) == memory.begun[0][:2] == fits
    if size > fits:
        assert (memory.frames[0].luma == given.planes[0][: fits[1], : fits[0]]).all()
    assert transport.status().trouble == ""


def test_no_sound_leaves_while_cards_do() -> None:
    """Picture and sound fail together; silence stands in its place."""
    made, memory, board = begun()
    tone = np.full((1, 1600), 0.5, np.float32)

    def sound() -> None:
        now = Timestamp(round((time.monotonic() - 0.1) / US), US)
        made._hear_of(seal(tone, 16_000, now, 1.0))

    made._hear_of(frame(0.03))
    sound()
    assert memory.sounds[-1].samples.any()
    made._last_out = 0.0
    made._show_card_if_due()
    assert memory.frames[-1].fault
    before = len(memory.sounds)
    sound()
    assert all(not heard.samples.any() for heard in memory.sounds[before:])
    made._hear_of(frame(0.0))
    board.pause(True)
    sound()
    assert all(not heard.samples.any() for heard in memory.sounds[before:])


def test_silence_takes_the_place_of_sound_that_stays_away() -> None:
    """A microphone that was unplugged, say: an encoder that waits for its sound would have to make
    up for all of it at once when it is back."""
    made, memory, _ = begun()
    made._origin -= 7200
    for ago in (0.9, 0.5, 0.1):
        made._hear_of(frame(ago))
    assert not heard(memory)
    last = memory.sounds[-1]
    shown = memory.frames[-1].seconds
    assert shown - 4 < last.time.seconds + last.seconds <= shown
    before = len(memory.sounds)
    now = Timestamp(round((time.monotonic() - 0.1) / US), US)
    made._hear_of(seal(np.full((1, 1600), 0.5, np.float32), 16_000, now, 1.0))
    assert memory.sounds[before].samples.any(), "what comes again is heard"


def test_news_of_a_take_that_is_over_is_not_heard() -> None:
    """``run`` hears the take that runs and no other."""
    made, memory, _ = begun()
    made._inbox.put((object(), frame(0.03)))  # type: ignore[arg-type]
    made._inbox.put((object(), frame(0.02)))  # type: ignore[arg-type]
    made._retry_at = time.monotonic() + 60  # so that none is started
    threading.Timer(0.4, made.stop).start()
    made.run()
    assert all(out.fault for out in memory.frames)


def test_a_signal_may_come_at_any_moment() -> None:
    """Also while ``run`` holds the lock of its inbox: whoever stops it waits for no lock."""
    made, _, _ = begun()
    stopper = threading.Thread(target=made.stop, daemon=True)
    with made._inbox.mutex:
        stopper.start()
        stopper.join(5)
        assert not stopper.is_alive()
    made.run()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_a_take_that_fails_at_once_is_heard_of() -> None:
    """Without a descriptor to be had, before its thread has given way to the session's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(20):
        made = Session(shot(Path("none.mp4")), [Memory()], Board())
        given_up = threading.Timer(10, made.stop)
        given_up.start()
        taken = {int(name) for name in os.listdir("/proc/self/fd")}
        free = next(number for number in range(hard) if number not in taken)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            with pytest.raises((OSError, HomeveilError)):
                made.run()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            given_up.cancel()


class Loading(Take):
    """One that loads, and does not hear that it is to stop."""

    loaded = threading.Event()

    def _run(self) -> None:
        self.loaded.wait(60)


def flipped(made: Session, board: Board, times: int) -> set[int]:
    """Cover and uncover so often; the takes that there were."""
    takes = set()
    for _ in range(times):
        for paused in (True, False):
            board.pause(paused)
            made._retry_at = 0.0
            made._keep_going()
            takes |= {id(made.take)} if made.take is not None else set()
    return takes


def test_however_often_the_switch_is_flipped_few_takes_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each holds all models; the next one begins as soon as there is room."""
    monkeypatch.setattr("homeveil.live.session.Take", Loading)
    monkeypatch.setattr(Loading, "loaded", threading.Event())
    board = Board()
    made = Session(shot(Path("none.mp4")), [Memory()], board)
    assert len(flipped(made, board, 30)) == 2
    assert made.take is None
    Loading.loaded.set()
    until(lambda: not any(one.running for _, one in made._ending))
    assert len(flipped(made, board, 1)) == 1


def test_takes_that_hang_do_not_keep_the_next_from_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After as long as one may take to begin."""
    monkeypatch.setattr("homeveil.live.session.Take", Loading)
    monkeypatch.setattr(Loading, "loaded", threading.Event())
    board = Board()
    made = Session(shot(Path("none.mp4")), [Memory()], board, patience=Patience(start=0.2))
    flipped(made, board, 5)
    assert made.take is None
    time.sleep(0.25)
    assert len(flipped(made, board, 1)) == 1
    Loading.loaded.set()
