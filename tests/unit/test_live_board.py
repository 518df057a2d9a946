"""What the page and the metrics are shown, and the worker's switch."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clips import veiled_frame
from homeveil.errors import UsageError
from homeveil.frames import Timestamp
from homeveil.live.board import SILENT_DB, Board, Cause, State
from homeveil.live.today import Today
from homeveil.policy import Policy
from homeveil.veil.card import card, silence
from homeveil.veil.muting import seal

MS = Fraction(1, 1000)


def test_it_says_what_leaves() -> None:
    board = Board()
    assert board.status.cause is Cause.STARTING
    frame = veiled_frame(0, MS)
    board.show(frame, None, 0.04)
    assert board.picture() is frame
    assert board.status.state is State.OPEN
    blank = card(64, 48, Timestamp(100, MS), Policy())
    board.show(blank, Cause.NO_CAMERA)
    board.explain("/dev/video0: cannot be opened")
    board.show(blank, Cause.FAULT)
    assert board.status.state is State.VEILED
    assert board.status.detail == "/dev/video0: cannot be opened"
    board.show(frame, None, 0.2)
    assert board.status.detail == ""
    counts = board.counts()
    assert (counts.frames, counts.fault_frames) == (4, 2)
    assert sum(counts.latency) == 2
    assert counts.latency_seconds == pytest.approx(0.24)
    assert counts.veiled_share == pytest.approx(2.0)


def test_only_what_is_veiled_is_shown() -> None:
    board = Board()
    with pytest.raises(UsageError):
        board.show(np.zeros((4, 4)), None)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        board.hear(np.zeros(4))  # type: ignore[arg-type]


def test_the_level_is_of_what_left() -> None:
    board = Board()
    assert board.level_db() == SILENT_DB
    board.hear(silence(16_000, 1, 160, Timestamp(0, MS)))
    assert board.level_db() == SILENT_DB
    loud = np.full((1, 160), 0.1, np.float32)
    board.hear(seal(loud, 16_000, Timestamp(10, MS), 1.0))
    assert board.level_db() == pytest.approx(-20)
    assert board.counts().open_sound_seconds == pytest.approx(0.01)


def test_the_switch_tells_those_who_asked() -> None:
    board, told = Board(), []
    board.on_pause(told.append)
    for wanted in (True, True, False):
        board.pause(wanted)
    assert told == [True, False]
    assert not board.paused
    assert board.coverings == 1


def test_the_next_picture_is_waited_for() -> None:
    board = Board()
    first = veiled_frame(0, MS)
    board.show(first, None)
    assert board.next_picture(first, 0.01) is first
    second = veiled_frame(100, MS)
    threading.Timer(0.05, board.show, (second, None)).start()
    assert board.next_picture(first, 5.0) is second


# ------------------------------------------------------------------ today
def test_today_is_kept_over_restarts_and_ends_at_midnight(tmp_path: Path) -> None:
    now = 1_795_600_000.0
    path = tmp_path / "state" / "sent.json"
    today = Today(path, lambda: now)
    today.add(1.5, 1000)
    today.add(0.5, 24)
    today.save()
    again = Today(path, lambda: now)
    assert (again.sent().seconds, again.sent().bytes) == (2.0, 1024)
    now += 86_400
    assert again.sent().bytes == 0


def test_what_two_sessions_send_adds_up(tmp_path: Path) -> None:
    """Two cameras of one user: neither forgets what the other wrote down."""
    path = tmp_path / "sent.json"
    one, other = Today(path), Today(path)
    for today, seconds in ((one, 100), (other, 50), (one, 1)):
        today.add(seconds, 10 * seconds)
        today.save()
    assert (one.sent().seconds, one.sent().bytes) == (151, 1510)
    again = Today(path).sent()
    assert (again.seconds, again.bytes) == (151, 1510)


_NOW = time.strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"day": 1}', "\x00",
        f'{{"day": "{_NOW}", "seconds": NaN, "bytes": 1}}',
        f'{{"day": "{_NOW}", "seconds": 1, "bytes": Infinity}}',
        f'{{"day": "{_NOW}", "seconds": -1, "bytes": 1}}',
    ],
)  # fmt: skip
def test_a_broken_file_is_begun_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sent.json"
    path.write_text(content)
    assert Today(path).sent().bytes == 0


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    today = Today(tmp_path / "file" / "sent.json")
    today.add(1, 1)
    today.save()
    assert today.sent().bytes == 1
