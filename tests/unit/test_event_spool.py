"""The spool: order, bound, restart, several at once."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from desks import some_events
from homeveil.desk.events import Event
from homeveil.emit.events.spool import Spool
from homeveil.errors import EventError

EVENTS = some_events(20)


def drained(spool: Spool) -> list[Event]:
    """All that waits, taken out in order."""
    found = []
    while (event := spool.head()) is not None:
        found.append(event)
        spool.done()
    return found


@pytest.mark.parametrize("on_disk", [True, False])
def test_first_in_first_out(tmp_path: Path, on_disk: bool) -> None:
    """Events come out in order; the head stays until it is done."""
    with Spool(tmp_path if on_disk else None, "a") as spool:
        for event in EVENTS:
            assert spool.put(event)
        assert spool.head() == spool.head() == EVENTS[0]
        assert spool.waiting == 20
        assert spool.lasting == (20 if on_disk else 0)
        assert drained(spool) == EVENTS
        assert (spool.waiting, spool.head()) == (0, None)


def test_the_bound_holds_and_what_is_beyond_is_counted(tmp_path: Path) -> None:
    """The first that came are kept, in memory and on disk, before and after a restart."""
    for folder in (tmp_path, None):
        with Spool(folder, "a", most=5) as spool:
            assert [spool.put(event) for event in EVENTS] == [True] * 5 + [False] * 15
            assert (spool.waiting, spool.dropped) == (5, 15)
    with Spool(tmp_path, "a", most=5) as spool:
        assert not spool.put(EVENTS[6])
        assert drained(spool) == EVENTS[:5]
        assert spool.put(EVENTS[7])


def test_what_waits_survives_and_what_is_done_does_not_come_again(tmp_path: Path) -> None:
    """A new spool for the same place begins where the last one ended; another place has its
    own."""
    with Spool(tmp_path, "a") as spool:
        for event in EVENTS:
            spool.put(event)
        for _ in range(7):
            spool.head()
            spool.done()
    with Spool(tmp_path, "b") as other:
        assert other.head() is None
    with Spool(tmp_path, "a") as spool:
        assert spool.waiting == 13
        assert drained(spool) == EVENTS[7:]
    with Spool(tmp_path, "a") as spool:
        assert spool.head() is None
    assert list(tmp_path.glob("*.sqlite*")) == [], "empty files are cleared away"


def test_several_at_once_do_not_mix_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Two users of one place at once have a file each; what the second leaves, the next one to
    come takes over, once."""
    with Spool(tmp_path, "a") as first, Spool(tmp_path, "a") as second:
        first.put(EVENTS[0])
        second.put(EVENTS[1])
        second.put(EVENTS[2])
        assert drained(first) == EVENTS[:1]
        with Spool(tmp_path, "a") as third:
            assert third.head() is None
    with Spool(tmp_path, "a") as spool:
        assert spool.waiting == 2
        assert drained(spool) == EVENTS[1:3]
    with Spool(tmp_path, "a") as spool, Spool(tmp_path, "a") as other:
        assert (spool.head(), other.head()) == (None, None)


def test_a_second_spool_of_a_process_lets_no_other_process_into_the_first(tmp_path: Path) -> None:
    """Closing any handle of a file lets go of all locks that its process has on it."""
    code = (
        "import sys; from pathlib import Path; from homeveil.emit.events.spool import Spool\n"
        "with Spool(Path(sys.argv[1]), 'a') as spool: print(spool.waiting)"
    )
    with Spool(tmp_path, "a") as first, Spool(tmp_path, "a"):
        first.put(EVENTS[0])
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert other.stdout == "0\n"
        assert drained(first) == EVENTS[:1]


def test_a_full_spool_that_was_left_is_taken_over_at_once(tmp_path: Path) -> None:
    """All that another run left in a file of its own is here in a moment, in its order: whoever
    starts does not wait a sync of the disk for each event."""
    events = some_events(5_000)
    with Spool(tmp_path, "a") as first, Spool(tmp_path, "a") as second:
        first.put(EVENTS[0])
        for event in events:
            second.put(event)
    began = time.monotonic()
    with Spool(tmp_path, "a") as spool:
        assert time.monotonic() - began < 5.0
        assert spool.waiting == 5_001
        assert [spool.head(), spool.done(), spool.head()] == [EVENTS[0], None, events[0]]
    with sqlite3.connect(tmp_path / "a-0.sqlite") as table:
        lines = [line for (line,) in table.execute("SELECT line FROM events ORDER BY number")]
    assert lines == [event.line for event in events]
    assert not (tmp_path / "a-1.sqlite").exists()


def test_what_a_full_disk_cannot_take_over_stays_where_it_is(tmp_path: Path) -> None:
    """No file can grow beyond 48 kB: what another run left is not moved in part, and comes with
    the run after."""
    with Spool(tmp_path, "a") as first, Spool(tmp_path, "a") as second:
        first.put(EVENTS[0])
        for event in some_events(200):
            second.put(event)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (48_000, before[1]))
    try:
        with Spool(tmp_path, "a") as spool:
            assert drained(spool) == EVENTS[:1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    with Spool(tmp_path, "a") as spool:
        assert drained(spool) == some_events(200)


def test_the_file_is_its_owners_and_holds_events_alone(tmp_path: Path) -> None:
    """Nobody else reads it, and its one table has the lines of events."""
    with Spool(tmp_path / "events", "a") as spool:
        spool.put(EVENTS[0])
        for file in (tmp_path / "events").iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
        assert (tmp_path / "events").stat().st_mode & 0o077 == 0
    with sqlite3.connect(tmp_path / "events" / "a-0.sqlite") as table:
        assert table.execute("SELECT * FROM events").fetchall() == [(1, EVENTS[0].line)]


def test_what_somebody_wrote_into_the_file_does_not_leave(tmp_path: Path) -> None:
    """A line that is no event is left out and counted; events around it are told."""
    with Spool(tmp_path, "a") as spool:
        spool.put(EVENTS[0])
        with sqlite3.connect(tmp_path / "a-0.sqlite") as table:
            for line in (b'{"note":"a child"}', EVENTS[1].line + b" ", "text"):
                table.execute("INSERT INTO events(line) VALUES (?)", (line,))
        table.close()
        spool.put(EVENTS[2])
    with Spool(tmp_path, "a") as spool:
        assert drained(spool) == [EVENTS[0], EVENTS[2]]
        assert (spool.waiting, spool.dropped) == (0, 3)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """What is no spool is refused with its name, also in the place of the lock."""
    for name in ("a-0.sqlite", "a-0.lock"):
        path = tmp_path / name
        path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
        with pytest.raises(EventError, match=name):
            Spool(tmp_path, "a")
        path.unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(EventError, match="file"):
        Spool(tmp_path / "file" / "x", "a")


def damaged(path: Path) -> None:
    """Give the third line the number of the first, as a worn disk may: its number stands before
    the head of its row (SQLite file format, 1.6)."""
    data = bytearray(path.read_bytes())
    at = data.index(EVENTS[2].line) - 5
    assert data[at] == 3
    data[at] = 1
    path.write_bytes(data)


def test_numbers_out_of_order_are_noticed_at_the_start(tmp_path: Path) -> None:
    """Else the lines before would be told again and again."""
    with Spool(tmp_path, "a") as spool:
        for event in EVENTS:
            spool.put(event)
    damaged(tmp_path / "a-0.sqlite")
    with pytest.raises(EventError, match=r"a-0\.sqlite.*damaged.*move the file away"):
        Spool(tmp_path, "a")


def test_damage_that_cannot_be_put_in_words_is_named_all_the_same(tmp_path: Path) -> None:
    """SQLite quotes what it finds in the place of the table's definition: no UTF-8, here."""
    with Spool(tmp_path, "a") as spool:
        spool.put(EVENTS[0])
    path = tmp_path / "a-0.sqlite"
    data = path.read_bytes()
    data = data.replace(b"tableeventsevents", b"table\xff\xfe\xd2ntsevents", 1)
    path.write_bytes(data.replace(b"CREATE TABLE events", b"CREATE TABLE (vents", 1))
    with pytest.raises(EventError, match=r"a-0\.sqlite"):
        Spool(tmp_path, "a")


def test_nothing_is_left_of_a_spool_that_was_emptied_on_a_full_disk(tmp_path: Path) -> None:
    """The log could not be folded in, and goes with its table all the same."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Spool(tmp_path, "a") as spool:
        for event in EVENTS:
            spool.put(event)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        try:
            assert drained(spool) == EVENTS
            spool.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [file.name for file in tmp_path.glob("*.sqlite*")] == []


def test_a_full_disk_is_not_taken_for_many_runs_at_once(tmp_path: Path) -> None:
    """Not a byte can be written when the spool is to be made: that is said, of the first file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(EventError, match=r"a-0\.(lock|sqlite).*free or repair the disk"):
            Spool(tmp_path, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with Spool(tmp_path, "a") as spool:
        assert spool.put(EVENTS[0])


def test_a_file_of_another_version_is_named(tmp_path: Path) -> None:
    """One whose table has other columns is refused at the start, not used for nothing."""
    with sqlite3.connect(tmp_path / "a-0.sqlite") as table:
        table.execute("CREATE TABLE events(number INTEGER PRIMARY KEY, text TEXT)")
    table.close()
    with pytest.raises(EventError, match=r"a-0\.sqlite"):
        Spool(tmp_path, "a")


def test_what_the_disk_does_not_take_waits_in_memory_in_its_turn(tmp_path: Path) -> None:
    """Somebody else keeps the file locked for a while: events go to memory, and those that
    come after stay behind them although the disk would take them again."""
    with Spool(tmp_path, "a") as spool:
        spool.put(EVENTS[0])
        with sqlite3.connect(tmp_path / "a-0.sqlite", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            spool.put(EVENTS[1])
            assert (spool.waiting, spool.lasting) == (2, 1)
            other.execute("COMMIT")
        other.close()
        spool.put(EVENTS[2])
        assert (spool.waiting, spool.lasting) == (3, 1)
        assert drained(spool) == EVENTS[:3]
        spool.put(EVENTS[3])
        assert spool.lasting == 1


def test_what_is_put_while_the_head_is_looked_for_keeps_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the disk and the one at memory an event goes to each of them, the second
    because somebody locks the file just then: the first is the head."""
    with Spool(tmp_path, "a") as spool:
        assert spool._disk is not None
        look, looked = spool._disk.first, []

        def first() -> Event | None:
            found = look()
            if not looked:
                looked.append(found)
                spool.put(EVENTS[0])
                with sqlite3.connect(tmp_path / "a-0.sqlite", isolation_level=None) as other:
                    other.execute("BEGIN IMMEDIATE")
                    spool.put(EVENTS[1])
                    other.execute("COMMIT")
                other.close()
            return found

        monkeypatch.setattr(spool._disk, "first", first)
        assert drained(spool) == EVENTS[:2]
        assert looked == [None]


SLOW_FLUSH = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int file) { usleep(300000); return syscall(SYS_fsync, file); }
int fdatasync(int file) { usleep(300000); return syscall(SYS_fdatasync, file); }
"""

PUT_AND_TAKE = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from desks import some_events
from homeveil.emit.events.spool import Spool
slowest = 0.0
for events in (some_events(3), some_events(130)):
    with Spool(Path(sys.argv[2]), "a") as spool:
        for number, event in enumerate(events):
            began = time.monotonic()
            spool.put(event)
            slowest = max(slowest, time.monotonic() - began)
            if len(events) > 3:
                taking = threading.Thread(target=lambda: (spool.head(), spool.done()))
                taking.start()
                taking.join()
print(slowest)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_putting_never_waits_for_a_flush_of_the_disk(tmp_path: Path) -> None:
    """A disk that needs 0.3 s for each flush, a spool with something left in it, and events that
    are taken one by one: all flushes are the taking thread's."""
    library = tmp_path / "slow.so"
    words = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(words, input=SLOW_FLUSH, text=True, check=True)
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", PUT_AND_TAKE, tests, str(tmp_path / "events")],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) < 0.2


def test_putting_and_taking_at_once(tmp_path: Path) -> None:
    """One thread puts while another takes: all come out, once, in order."""
    events, found = some_events(300), []
    with Spool(tmp_path, "a") as spool:

        def take() -> None:
            while len(found) < len(events):
                if (event := spool.head()) is not None:
                    found.append(event)
                    spool.done()

        thread = threading.Thread(target=take)
        thread.start()
        for event in events:
            assert spool.put(event)
        thread.join(60)
    assert found == events


def test_a_long_outage_fills_the_disk_with_what_waits_and_no_more(tmp_path: Path) -> None:
    """Nobody takes anything while 2,000 events come: the head is asked for now and then, and the
    files stay within three times the events' own bytes."""
    events = some_events(2000)
    with Spool(tmp_path, "a") as spool:
        for number, event in enumerate(events):
            spool.put(event)
            if number % 50 == 0:
                assert spool.head() == events[0]
        used = sum(file.stat().st_size for file in tmp_path.iterdir())
        assert used < 3 * sum(len(event.line) for event in events)
        assert spool.waiting == 2000
