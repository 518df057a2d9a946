"""Events when the process is killed, the disk is full, a file is torn, an output is stuck."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desks import some_events
from homeveil.desk.events import Event
from homeveil.emit.events.lines import LinesFile
from homeveil.emit.events.places import open_place, read_place
from homeveil.errors import EventError
from receivers import free_port, numbers, unique, wait_until, webhook

TESTS = str(Path(__file__).parents[1])

RUN = f"""
import itertools, sys, time
sys.path.insert(0, {TESTS!r})
from homeveil import DeskEvents
from homeveil.desk.findings import Change
from homeveil.desk_rules import DeskItem, DeskRules
from homeveil.fakes import ScriptedDesk, finding
from ledgers import veiled
to, count = sys.argv[1], int(sys.argv[2])
kinds = list(DeskItem)
script = {{60.0 * n: [finding(Change.APPEARED, kinds[n % 11])] for n in range(count)}}
rules = DeskRules(permitted=frozenset())
with DeskEvents([to], rules, watcher=ScriptedDesk(script), patience_seconds=20) as events:
    for n in range(count):
        events.take(veiled(60.0 * n))
    print("told", events.tally.findings.told, flush=True)
    if sys.argv[3] == "stay":
        time.sleep(600)
print(events.tally.places[0], flush=True)
"""
"""Tells so many events to a place, in a process of its own, and stays to be killed or ends."""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def start(to: str, count: int, then: str, **options: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", RUN, to, str(count), then]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


def kill_when_told(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"told {count}\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("count", [1, 40])
def test_kill_9_while_the_place_is_down_loses_nothing(count: int) -> None:
    """SIGKILL right after the last frame, nobody having listened: the next run brings all of
    it, in order, and its own after it."""
    port = free_port()
    url = f"http://localhost:{port}/desk"
    with start(url, count, "stay") as process:
        kill_when_told(process, count)
    with webhook(port=port) as received, start(url, 3, "end") as process:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
    assert f"delivered={count + 3}, waiting=0, dropped=0" in output
    events = unique(received.taken)
    sources = list(dict.fromkeys(event["source"] for event in events))
    assert len(sources) == 2
    for source, expected in zip(sources, (count, 3), strict=True):
        got = [int(event["sequence"]) for event in events if event["source"] == source]
        assert got == list(range(1, expected + 1))


def test_kill_9_in_the_middle_of_delivering_loses_nothing() -> None:
    """SIGKILL while events leave one by one: what had left may come again, nothing is missing."""
    port = free_port()
    url = f"http://localhost:{port}/desk"

    def slow(handler: object, number: int) -> bool:
        time.sleep(0.02)
        return False

    with webhook(slow, port=port) as received:
        with start(url, 30, "stay") as process:
            kill_when_told(process, 30)
        before = len(received.taken)
        with start(url, 0, "end") as process:
            process.communicate(timeout=120)
        assert process.returncode == 0
        assert numbers(received.taken) == list(range(1, 31))
    assert before < 30
    assert len(received.taken) <= 31


FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (48_000, 48_000))
"""
"""No file can grow beyond this."""


def test_a_full_disk_under_the_spool_loses_nothing_that_fits_in_memory() -> None:
    """The spool's files cannot grow any further: events wait in memory, in order, and arrive
    when somebody listens."""
    port = free_port()
    url = f"http://localhost:{port}/desk"
    code = RUN.replace(
        '    print("told"',
        "    import time as t; print('ready', events._deliveries[0]._spool.lasting, flush=True);"
        " sys.stdin.readline()\n"
        '    print("told"',
    )
    assert code != RUN
    process = subprocess.Popen(
        [sys.executable, "-c", FULL_DISK + code, url, "300", "end"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    ready = process.stdout.readline().split()
    assert 0 < int(ready[1]) < 300, "the disk was to be full in the middle"
    with webhook(port=port) as received:
        output, _ = process.communicate("go\n", timeout=120)
    assert process.returncode == 0
    assert "delivered=300, waiting=0, dropped=0" in output
    assert numbers(received.taken) == list(range(1, 301))


def test_a_full_disk_under_the_file_tears_no_line(tmp_path: Path) -> None:
    """The file of events cannot grow: only whole lines stand in it; what did not fit waits and
    is written by the next run, in order."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    code = RUN.replace("patience_seconds=20", "patience_seconds=1")
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK + code, str(path), "200", "end"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = path.read_bytes().splitlines(keepends=True)
    assert 0 < len(lines) < 200
    assert all(line.endswith(b"\n") and Event(line[:-1]) for line in lines)
    words = [sys.executable, "-c", code, str(path), "0", "end"]
    subprocess.run(words, check=True, capture_output=True)
    # What stood in the file already may come again: the full disk could not forget it.
    dropped = int(result.stdout.split("dropped=")[1].split(",")[0])
    assert numbers(path.read_bytes().splitlines()) == list(range(1, 1 + 200 - dropped))


TELL_AND_FAIL = f"""
import sys, time
sys.path.insert(0, {TESTS!r})
from desks import some_events
from homeveil.emit.events.carrier import NotDelivered
from homeveil.emit.events.lines import LinesFile
from pathlib import Path
file, event, failed = LinesFile(Path(sys.argv[1])), some_events(1)[0], 0
print("ready", flush=True)
while failed < 20_000:
    try:
        file.send(event)
    except NotDelivered:
        failed += 1
"""
"""Fills the file up to the limit of its process, and goes on trying."""


def test_a_run_without_room_cuts_nothing_off_that_another_wrote(tmp_path: Path) -> None:
    """Two runs tell events to one file, and one of them can write no more than 48 kB: what it
    takes back of a line that did not fit are its own bytes alone."""
    path = tmp_path / "events.jsonl"
    events = some_events(400)
    words = [sys.executable, "-c", FULL_DISK + TELL_AND_FAIL, str(path)]
    file = LinesFile(path)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        for event in events[1:]:
            file.send(event)
        assert other.wait(120) == 0
    file.close()
    lines = path.read_bytes().splitlines()
    assert [line for line in lines if line != events[0].line] == [one.line for one in events[1:]]


def test_a_file_that_somebody_keeps_locked_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for at the start, and later the event waits."""
    monkeypatch.setattr("homeveil.emit.events.lines._LOCKED_SECONDS", 0.1)
    path = tmp_path / "events.jsonl"
    one, two = some_events(2)
    made = open_place(read_place(path), patience_seconds=0.3)
    made.put(one)
    wait_until(lambda: made.tally.delivered == 1)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made.put(two)
        made.close()
        with pytest.raises(EventError, match="somebody else keeps it locked"):
            open_place(read_place(path))
    assert path.read_bytes() == one.line + b"\n"
    assert (made.tally.delivered, made.tally.waiting) == (1, 1)


def test_a_torn_last_line_is_mended(tmp_path: Path) -> None:
    """After a power cut the last line may be half there: it goes, since its event still waits
    in the spool, and the next line is whole."""
    one, two = some_events(2)
    for kept in range(len(one.line) + 1):
        path = tmp_path / "events.jsonl"
        path.write_bytes(one.line + b"\n" + one.line[:kept] + b"\0" * (kept % 2))
        file = LinesFile(path)
        file.send(two)
        file.close()
        assert path.read_bytes() == one.line + b"\n" + two.line + b"\n"


def test_a_line_without_its_end_gets_it(tmp_path: Path) -> None:
    """A file of one whole event, torn before the line's end: nothing of it is taken off."""
    one, two = some_events(2)
    path = tmp_path / "events.jsonl"
    path.write_bytes(one.line)
    file = LinesFile(path)
    file.send(two)
    file.close()
    assert path.read_bytes() == one.line + b"\n" + two.line + b"\n"


LINE = some_events(1)[0].line


@pytest.mark.parametrize(
    "content",
    [
        b"dear diary", b"{}\n", b'{"a":1}\n', b"\x00" * 50, b"\n", b"{", b'{"data":{',
        b'{"data":{"mine":1}}', b'{"data":{"mine":1}}\n', b'{"data":{"mine":1}}\nlast words',
        LINE[:-1], LINE[:-1] + b"\n", b"{" * 5000, b"\n" + LINE + b"\n",
        LINE + b"\nlast words", LINE + b"\n" + b'{"data":{' * 500,
        LINE[:-1] + b" }\n" + LINE + b"\n",
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_not_touched(tmp_path: Path, content: bytes) -> None:
    """A name given by mistake costs nobody their file."""
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    with pytest.raises(EventError, match=r"diary\.txt: holds something else"):
        open_place(read_place(path))
    assert path.read_bytes() == content


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe or a place that is not there: named, at the start, without waiting."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, tmp_path / "no" / "events.jsonl"):
        with pytest.raises(EventError, match=str(path)):
            open_place(read_place(path))


def test_a_file_gets_each_event_at_once_and_in_order(tmp_path: Path) -> None:
    """Runs append to one file; the lines are the events."""
    path = tmp_path / "events.jsonl"
    events = some_events(10)
    for half in (events[:5], events[5:]):
        with open_place(read_place(path)) as made:
            for event in half:
                made.put(event)
    assert path.read_bytes().splitlines() == [event.line for event in events]


@pytest.mark.parametrize("act", ["removed", "moved", "replaced"])
def test_a_file_that_was_moved_or_removed_is_made_anew(tmp_path: Path, act: str) -> None:
    """Somebody tidies up or turns logs over in mid-run: what comes later is in a file of the
    name that was given, not in one without a name or with another."""
    path = tmp_path / "events.jsonl"
    one, two = some_events(2)
    with open_place(read_place(path)) as made:
        made.put(one)
        wait_until(lambda: made.tally.delivered == 1)
        if act == "removed":
            path.unlink()
        else:
            path.rename(tmp_path / "events.jsonl.1")
        if act == "replaced":
            path.write_bytes(one.line + b"\n")
        made.put(two)
    kept = [one.line] if act == "replaced" else []
    assert path.read_bytes().splitlines() == [*kept, two.line]
    assert made.tally.delivered == 2


def test_a_file_that_was_replaced_by_something_else_is_not_touched(tmp_path: Path) -> None:
    """A diary has the name now: nothing is written to it, and the event waits."""
    path = tmp_path / "events.jsonl"
    one, two = some_events(2)
    with open_place(read_place(path), patience_seconds=0.2) as made:
        made.put(one)
        wait_until(lambda: made.tally.delivered == 1)
        path.unlink()
        path.write_bytes(b"dear diary")
        made.put(two)
    assert path.read_bytes() == b"dear diary"
    assert (made.tally.delivered, made.tally.waiting) == (1, 1)


def test_standard_output_that_nobody_reads_holds_nothing_up() -> None:
    """A full pipe on standard output: all frames are taken, the end comes, and what was not
    written counts as dropped."""
    code = RUN.replace(", flush=True)", ", flush=True, file=sys.stderr)")
    code = code.replace("patience_seconds=20", "patience_seconds=0.5")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-", "400", "end"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stdout is not None
    told = process.stderr.readline()
    tally = process.stderr.readline()
    assert told == "told 400\n"
    delivered = int(tally.split("delivered=")[1].split(",")[0])
    dropped = int(tally.split("dropped=")[1].split(",")[0])
    assert 0 < delivered < 400
    assert delivered + dropped == 400
    process.communicate()
    assert process.returncode == 0


def test_standard_output_whose_reader_is_gone_is_not_waited_for() -> None:
    """As with `| head -1`: told once, tried once, and what follows counts as dropped."""
    code = RUN.replace(", flush=True)", ", flush=True, file=sys.stderr)")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as out:
        result = subprocess.run(
            [sys.executable, "-c", code, "-", "30", "end"],
            stdout=out, stderr=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    told, tally = (line for line in result.stderr.splitlines() if "standard output: " not in line)
    assert told == "told 30"
    for words in ("delivered=0", "waiting=0", "dropped=30", "refused=0", "failures=1"):
        assert words in tally
    assert result.stderr.count("nobody reads it any more") == 1


def test_a_full_disk_under_standard_output_tears_no_line(tmp_path: Path) -> None:
    """Standard output is a file that cannot grow in the middle of a line: once it can, that line
    is written to its end, not begun anew."""
    code = f"""
import resource, signal, sys
sys.path.insert(0, {TESTS!r})
from desks import some_events
from homeveil.emit.events.places import open_place, read_place
from receivers import wait_until
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
with open_place(read_place("-")) as made:
    for event in some_events(5):
        made.put(event)
    wait_until(lambda: made.tally.failures >= 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""
    path = tmp_path / "out"
    with path.open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert path.read_bytes().splitlines() == [event.line for event in some_events(5)]


def test_standard_output_gets_lines() -> None:
    """With a reader, every event is a line there."""
    code = RUN.replace(", flush=True)", ", flush=True, file=sys.stderr)")
    result = subprocess.run(
        [sys.executable, "-c", code, "-", "20", "end"], capture_output=True, check=True
    )
    assert numbers(result.stdout.splitlines()) == list(range(1, 21))
    assert all(json.loads(line)["specversion"] == "1.0" for line in result.stdout.splitlines())
