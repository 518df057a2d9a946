"""`redact --events` and its door in the library, on real clips with the real models; what lies
on the desk is scripted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import desk_tops
import homeveil
from boxes import needs_box
from clips import make, veiled_frame
from commands import Run
from homeveil.desk.findings import Change, Finding
from homeveil.desk_rules import DeskItem
from homeveil.errors import FrameError, OutputError, UsageError
from homeveil.fakes import ScriptedDesk, fake_frames, finding
from homeveil.frames import VeiledFrame
from receivers import answer, for_first, free_port, numbers, wait_until, webhook
from rooms import texture

SCRIPTED = """
import sys, types
from homeveil.desk.findings import Change
from homeveil.desk_rules import DeskItem
from homeveil.fakes import ScriptedDesk, finding
script = {0.2: [finding(Change.APPEARED, DeskItem.PHONE, confidence=0.7)],
          0.4: [finding(Change.APPEARED, DeskItem.MUG)],
          0.6: [finding(Change.CLEARED, DeskItem.PHONE), finding(Change.CLEAN)]}
module = types.ModuleType("homeveil.desk.watcher")
module.DeskWatcher = lambda rules, models, template: ScriptedDesk(script)
module.DeskModels = types.SimpleNamespace(load=lambda models: None)
sys.modules["homeveil.desk.watcher"] = module
from homeveil.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command line with a watcher that finds what it is told to."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "in.mp4")


def scripted(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPTED, *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ), cwd=cwd
    )


def test_the_command_tells_events(state: Path, clip: Path, tmp_path: Path) -> None:
    """To a file and a webhook at once: the same events, in order, with offsets; the permitted
    mug is in none. The report counts."""
    path, out = tmp_path / "e.jsonl", tmp_path / "o.mp4"
    with webhook() as received:
        result = scripted(
            "redact", clip, out, "--nobody", "--json", "--events", path, "--events", received.url
        )
    assert result.returncode == 0, result.stderr
    assert out.exists()
    lines = path.read_bytes().splitlines()
    assert lines == received.taken
    events = [json.loads(line) for line in lines]
    assert [event["type"].split("desk.")[1] for event in events] == [
        "item.appeared", "item.cleared", "zone.clean",
    ]  # fmt: skip
    assert events[0]["data"] == {
        "class": "phone", "zone": "desk", "confidence": "medium", "severity": "warning",
        "offset_seconds": 0,
    }  # fmt: skip
    told = json.loads(result.stdout)["events"]
    assert told["findings"] == {"told": 3, "permitted": 1, "collapsed": 0, "refused": 0}
    assert [place["delivered"] for place in told["places"]] == [3, 3]


def test_standard_output_and_a_start(state: Path, clip: Path, tmp_path: Path) -> None:
    """`--events -` prints lines and nothing else there; `--events-start` gives hours."""
    result = scripted(
        "redact", clip, tmp_path / "o.mp4", "--nobody", "--events", "-",
        "--events-start", "2026-01-31T08:00:09+01:00",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["time"] for event in events] == ["2026-01-31T07:00:00Z"] * 3
    assert "desk events: 3 told" in result.stderr


def test_what_a_place_refuses_is_told_at_the_end(state: Path, clip: Path, tmp_path: Path) -> None:
    """The output stands, the other place has them all, and nothing waits or comes again."""
    path, out = tmp_path / "e.jsonl", tmp_path / "o.mp4"
    with webhook(for_first(1, answer(422))) as received:
        result = scripted(
            "redact", clip, out, "--nobody", "--json", "--events", path, "--events", received.url
        )
    assert result.returncode == 9
    place = received.url.removesuffix("/desk")
    assert f"{place}: 1 events are lost (1 refused there); the output stands" in result.stderr
    assert "phone" not in result.stderr
    assert out.exists()
    assert len(path.read_bytes().splitlines()) == 3
    assert (numbers(received.taken), received.requests) == ([2, 3], 3)
    told = json.loads(result.stdout)["events"]["places"]
    assert [(one["refused"], one["waiting"]) for one in told] == [(0, 0), (1, 0)]


def test_a_place_that_is_down_costs_no_frame_and_no_event(
    state: Path, clip: Path, tmp_path: Path
) -> None:
    """Nobody listens: the output is whole all the same, the events wait, and the next run
    brings them."""
    port = free_port()
    url = f"http://localhost:{port}/desk"
    code = SCRIPTED.replace(
        "from homeveil.cli import main",
        "import functools, homeveil.desk_events as d\n"
        "d.DeskEvents = functools.partial(d.DeskEvents, patience_seconds=0.3)\n"
        "from homeveil.cli import main",
    )
    command = [sys.executable, "-c", code, "redact", clip, tmp_path / "a.mp4", "--nobody"]
    result = subprocess.run(
        [*map(str, command), "--events", url], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "3 events wait on this machine" in result.stderr
    assert (tmp_path / "a.mp4").exists()
    with webhook(port=port) as received:
        result = scripted("redact", clip, tmp_path / "b.mp4", "--nobody", "--events", url)
    assert result.returncode == 0, result.stderr
    assert len(received.taken) == 6
    assert numbers(received.taken) == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_events_are_awaited(
    state: Path, clip: Path, run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    """Nobody listens, and the wait for that is cut short: the output and its report are there,
    the message says so, and no raw picture is put beside it."""
    folder = tmp_path / "out"
    folder.mkdir()
    out, report, url = folder / "o.mp4", folder / "r.json", f"http://localhost:{free_port()}/"
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)" + SCRIPTED
    words = ("redact", clip, out, "--nobody", "--events", url, "--report", report)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    wait_until(report.exists, 120)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert f"stopped; {out} is whole and stays; events that were not taken wait" in told
    assert "left behind" not in told
    assert json.loads(report.read_text())["frames"] == 10
    environment = {"XDG_STATE_HOME": str(state)}
    beside = run("inspect", clip, folder / "raw.png", "--nobody", environment=environment)
    assert beside.returncode == 3
    assert "stands beside the redacted o.mp4" in beside.stderr
    with webhook(port=int(url.split(":")[2].strip("/"))) as received:
        result = scripted("redact", clip, tmp_path / "b.mp4", "--nobody", "--events", url)
    assert result.returncode == 0, result.stderr
    assert numbers(received.taken) == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize(
    ("out", "more", "code"),
    [
        ("o.xyz", (), 3),
        ("o.mp4", ("--events", "/nowhere/e.jsonl"), 9),
        ("o.mp4", ("--ledger", "in.mp4.ledger"), 7),
    ],
)
def test_a_run_that_cannot_begin_leaves_no_file_of_events(
    state: Path, clip: Path, tmp_path: Path, out: str, more: tuple[str, ...], code: int
) -> None:
    """An empty file that was not there before goes again; one that was there stays."""
    (tmp_path / "in.mp4.ledger").write_text("not empty")
    (tmp_path / "old.jsonl").touch()
    words = ("redact", clip, out, "--nobody", "--events", "e.jsonl", "--events", "old.jsonl", *more)
    result = scripted(*words, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert not (tmp_path / "e.jsonl").exists()
    assert (tmp_path / "old.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--events", "http://monitor.example/"), 9, "https://"),
        (("--events", "https://me:hunter2@monitor.example/"), 9, "HOMEVEIL_EVENTS_TOKEN"),
        (("--events", "/nowhere/e.jsonl"), 9, "/nowhere/e.jsonl"),
        (("--events", "-", "--json"), 2, "standard output"),
        (("--events", "e.jsonl", "--events", "e.jsonl"), 2, "twice"),
        (("--events", "-", "--events-start", "yesterday"), 2, "is no time"),
        (("--events", "-", "--events-start", "2026-01-31T08:00:00"), 2, "time zone"),
        (("--events", "-", "--events-start", ""), 2, "is no time"),
        (("--events-start", "2026-01-31T08:00:00Z"), 2, "needs --events"),
    ],
)
def test_impossible_wishes_are_refused_at_the_start(
    state: Path, clip: Path, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    """One line, a status of its own, no output, no password."""
    out = tmp_path / "o.mp4"
    result = scripted("redact", clip, out, "--nobody", *words, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1
    assert told in result.stderr
    assert "hunter2" not in result.stderr
    assert not out.exists()


def test_sound_alone_has_no_desk(state: Path, tmp_path: Path) -> None:
    """Events beside an output without a picture are refused before anything is made."""
    source = make(tmp_path / "in.mp4", sound=True)
    result = scripted("redact", source, tmp_path / "o.wav", "--nobody", "--events", "-")
    assert result.returncode == 2
    assert "has no picture" in result.stderr
    assert not (tmp_path / "o.wav").exists()


@needs_box
@pytest.mark.parametrize("isolate", [homeveil.Isolate.REQUIRE, homeveil.Isolate.OFF])
def test_the_watcher_sees_the_frames_that_are_written(
    state: Path, clip: Path, tmp_path: Path, isolate: homeveil.Isolate
) -> None:
    """In the library, isolated or not: the watcher gets every veiled frame, in order, and the
    events have times counted from the start that is given."""
    seen: list[float] = []

    class Watching(ScriptedDesk):
        def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
            assert type(frame) is VeiledFrame
            seen.append(frame.time.seconds)
            return super().look(frame)

    script = {0.5: [finding(Change.APPEARED, DeskItem.PAPER)]}
    clock = homeveil.Recorded(datetime(2026, 5, 5, 12, tzinfo=UTC))
    path = tmp_path / "e.jsonl"
    with homeveil.DeskEvents([path], clock=clock, watcher=Watching(script)) as events:
        report = homeveil.redact(
            clip, tmp_path / "o.mp4", profile=None, isolate=isolate, events=events
        )
    assert len(seen) == report.frames == 10
    assert seen == sorted(seen)
    event = json.loads(path.read_bytes())
    assert (event["time"], event["data"]["class"]) == ("2026-05-05T12:00:00Z", "paper")
    assert events.tally.findings.told == 1


def test_a_run_that_fails_takes_nothing_back(state: Path, clip: Path, tmp_path: Path) -> None:
    """No output is left, but what was told stands."""
    path = tmp_path / "e.jsonl"
    desk = ScriptedDesk({0.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    out = tmp_path / "o.mp4"

    def spoil(_: homeveil.Progress) -> None:
        raise OutputError("spoilt")

    with (
        homeveil.DeskEvents([path], watcher=desk) as events,
        pytest.raises(OutputError, match="spoilt"),
    ):
        homeveil.redact(clip, out, profile=None, events=events, progress=spoil)
    assert not out.exists()
    assert len(path.read_bytes().splitlines()) == 1


def frames(count: int) -> list[VeiledFrame]:
    from fractions import Fraction

    return [veiled_frame(n, Fraction(1)) for n in range(count)]


def test_frames_of_ones_own(state: Path, tmp_path: Path) -> None:
    """The door for one's own loop: a live clock, a sink of one's own, a second stream refused."""
    kept = []

    class Sink:
        def put(self, event: object) -> None:
            kept.append(event)

    desk = ScriptedDesk({1.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    now = [1_800_000_000.0]
    clock = homeveil.Live(now=lambda: now[0])
    with homeveil.DeskEvents([Sink()], clock=clock, watcher=desk) as events:
        for frame in frames(3):
            events.take(frame)
        assert kept == []
        now[0] += 10
        events.take(veiled_frame(3, frames(1)[0].time.time_base))
        assert len(kept) == 1
        with pytest.raises(UsageError, match="begin anew"):
            events.take(frames(1)[0])
    with pytest.raises(UsageError, match="ended"):
        events.take(frames(1)[0])


def test_a_frame_that_goes_back_costs_no_event(state: Path, tmp_path: Path) -> None:
    """It is refused before the watcher, which tells what it finds once, has seen it."""

    class SecondLook(ScriptedDesk):
        looks = 0

        def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
            self.looks += 1
            return super().look(frame) if self.looks == 2 else ()

    path = tmp_path / "e.jsonl"
    desk = SecondLook({0.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    with homeveil.DeskEvents([path], watcher=desk) as events:
        first, second, third = frames(3)
        events.take(second)
        with pytest.raises(UsageError, match="begin anew"):
            events.take(first)
        events.take(third)
    assert len(path.read_bytes().splitlines()) == 1


def test_raw_frames_and_failing_watchers(state: Path, tmp_path: Path) -> None:
    """A raw frame is refused; a watcher that fails costs its frame alone and is counted."""

    class Failing(ScriptedDesk):
        def look(self, frame: VeiledFrame) -> tuple[Finding, ...]:
            if frame.time.seconds == 1.0:
                raise ZeroDivisionError("a child")
            return super().look(frame)

    path = tmp_path / "e.jsonl"
    desk = Failing({2.0: [finding(Change.APPEARED, DeskItem.PHONE)]})
    with homeveil.DeskEvents([path], watcher=desk) as events:
        raw = next(fake_frames(lambda n: texture(1), 1))
        with pytest.raises(UsageError, match="VeiledFrame"):
            events.take(raw)  # type: ignore[arg-type]
        for frame in frames(4):
            events.take(frame)
    assert events.tally.faults == 1
    assert len(path.read_bytes().splitlines()) == 1


def test_why_the_desk_is_not_watched_is_said_once(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of our own in its words, which hold no content; another by its type."""
    for error, said in (
        (FrameError("another shape"), "(another shape)"),
        (KeyError("x"), "KeyError"),
    ):

        class Failing:
            def look(self, frame: VeiledFrame, error: Exception = error) -> tuple[Finding, ...]:
                raise error

        caplog.clear()
        with homeveil.DeskEvents([state.parent / "e.jsonl"], watcher=Failing()) as events:
            for frame in frames(3):
                events.take(frame)
        assert events.tally.faults == 3
        assert caplog.text.count("could not be watched") == 1
        assert said in caplog.text


def test_where_to_is_a_list(state: Path) -> None:
    """A bare name would be taken for a list of letters: refused."""
    for to in ("events.jsonl", Path("events.jsonl"), []):
        with pytest.raises(UsageError, match="list"):
            homeveil.DeskEvents(to, watcher=ScriptedDesk({}))  # type: ignore[arg-type]


def test_one_file_under_two_names_is_one_place(state: Path, tmp_path: Path) -> None:
    """Each event would stand in it twice: refused, before the file is made."""
    path = tmp_path / "e.jsonl"
    (tmp_path / "link").symlink_to(tmp_path)
    for other in (
        tmp_path / "link" / "e.jsonl",
        tmp_path / "link" / ".." / tmp_path.name / path.name,
    ):
        with pytest.raises(UsageError, match="twice"):
            homeveil.DeskEvents([path, other], watcher=ScriptedDesk({}))
    assert not path.exists()


def test_homeveils_own_watcher_says_what_it_cannot(state: Path, tmp_path: Path) -> None:
    """With nothing scripted the real watcher runs over the real frames, and the user is told that
    its silence does not mean a clean desk."""
    out, events = tmp_path / "out.mp4", tmp_path / "events.jsonl"
    source = make(tmp_path / "in.mp4", size=(320, 240))
    words = ["redact", str(source), str(out), "--nobody", "--events", str(events)]
    done = subprocess.run(
        [sys.executable, "-m", "homeveil.cli", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no event does not mean a clean desk" in done.stderr.replace("\n", " ")
    assert out.exists()
    assert events.exists()


def test_a_recording_is_compared_with_the_enrolled_desk(
    state: Path, run: Run, tmp_path: Path
) -> None:
    """`enroll --desk` and `redact --events`, nothing scripted: what was not there when the desk
    was enrolled is told, though it lay there from the first frame on; the clean desk is not. A
    policy whose desk is elsewhere is refused before anything is written."""
    corners = ", ".join(f"[{x}, {y}]" for x, y in desk_tops.POLYGON)
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[desk]\npolygon = [{corners}]\n")
    profile = tmp_path / "desk.veil"
    top = desk_tops.desk(contrast=0.3)
    card = desk_tops.with_card(top, 250, 270, 90, 50, 200)
    clean = desk_tops.record(tmp_path / "clean.mp4", lambda _: top, 4)
    littered = desk_tops.record(tmp_path / "littered.mp4", lambda _: card, 6)
    enrolled = run("enroll", profile, "--desk", clean, "--policy", policy)
    assert enrolled.returncode == 0, enrolled.stderr
    told = {}
    for source in (clean, littered):
        result = run(
            *("redact", source, tmp_path / f"out-{source.name}", "--profile", profile),
            *("--policy", policy, "--events", "-", "--quiet"),
        )
        assert result.returncode == 0, result.stderr
        events = [json.loads(line) for line in result.stdout.splitlines()]
        told[source.stem] = [event["type"].rsplit(".", 1)[1] for event in events]
    assert told == {"clean": [], "littered": ["appeared"]}
    policy.write_text("[desk]\npolygon = [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]\n")
    out = tmp_path / "elsewhere.mp4"
    words = ("--profile", profile, "--policy", policy, "--events", "-", "--quiet")
    result = run("redact", littered, out, *words)
    assert result.returncode not in (0, 1)
    assert "enrolled" in result.stderr
    assert not out.exists()
