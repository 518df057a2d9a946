"""What becomes of times that a file has wrong, or has not."""

from __future__ import annotations

from fractions import Fraction

from homeveil.media.clock import InputClock

BASE = Fraction(1, 1000)


def ticks(*given: int | None, start: int | None = None) -> tuple[list[int], int]:
    """Times that leave a 25 frames/s clock of 1 ms for ``given`` ones, and the repairs."""
    clock = InputClock(BASE, Fraction(25), start)
    return [clock.tick(pts) for pts in given], clock.repaired


def test_uneven_times_pass_unchanged() -> None:
    """A variable frame rate is no fault."""
    assert ticks(5, 6, 300, 301, 4000) == ([5, 6, 300, 301, 4000], 0)


def test_a_time_that_does_not_increase_moves_by_one_tick() -> None:
    """A repeated or misplaced time follows the one before; later ones stay where they are."""
    assert ticks(0, 40, 40, 30, 160) == ([0, 40, 41, 42, 160], 2)


def test_a_new_clock_goes_on_from_the_old_one() -> None:
    """After a long jump back everything later is moved, not squeezed into single ticks."""
    assert ticks(9000, 9040, 0, 40, 80) == ([9000, 9040, 9080, 9120, 9160], 1)


def test_a_pause_is_no_pace() -> None:
    """What follows a new clock, or has no time, does not repeat the pause before it."""
    assert ticks(0, 40, 9000, 0, None) == ([0, 40, 9000, 9040, 9080], 2)


def test_splices_are_counted_and_misplaced_frames_are_not() -> None:
    """Only a long jump back is another recording."""
    clock = InputClock(BASE, Fraction(25))
    counted = []
    for pts in (9000, 8990, 9080, 0, 40, 30):
        clock.tick(pts)
        counted.append(clock.splices)
    assert counted == [0, 0, 0, 1, 1, 1]


def test_missing_times_follow_the_step_before() -> None:
    """Frames without any time come at the pace of those before, or of the frame rate."""
    assert ticks(None, None, 100, None) == ([0, 40, 100, 160], 3)


def test_decoding_times_stand_in_and_start_where_the_stream_starts() -> None:
    """A file that stores only decoding times keeps their spacing and the stream's start."""
    clock = InputClock(BASE, Fraction(25), 10)
    assert [clock.tick(None, dts) for dts in (80, 120, 220, None)] == [10, 50, 150, 250]
    assert clock.repaired == 1
