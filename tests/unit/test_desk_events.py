"""What an event says, when, under which names, and how often."""

from __future__ import annotations

import json
import os
import resource
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from desks import SITE, Kept, item, some_events, told
from homeveil.desk.calm import MOST_PER_MINUTE
from homeveil.desk.events import Event, band, canonical, schema
from homeveil.desk.feed import EventFeed
from homeveil.desk.findings import Change, Finding
from homeveil.desk.site import Site, secret_path
from homeveil.desk.times import Live, Recorded
from homeveil.desk_rules import DeskItem, DeskRules, Severity
from homeveil.errors import EventError, PolicyError, UsageError

APPEARED, CLEARED, CLEAN = Change.APPEARED, Change.CLEARED, Change.CLEAN
CLEAN_DESK = Finding(CLEAN, "desk", None, 0, 0.9, 0.0)
DATA = ("class", "zone", "confidence", "severity", "offset_seconds")
START = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)


def test_what_an_event_says() -> None:
    """Kind, zone, band, severity and rounded time, and the envelope; nothing else."""
    rules = DeskRules(severity={DeskItem.PHONE: Severity.CRITICAL})
    finding = item(APPEARED, confidence=0.61)
    kept = told([(0.0, CLEAN_DESK), (17.3, finding)], rules=rules, clock=Recorded(START))
    source = SITE.source("2026-03-01")
    assert kept.events[1].document == {
        "specversion": "1.0",
        "id": SITE.event_id(source, 2),
        "source": source,
        "type": "dev.homeveil.desk.item.appeared",
        "datacontenttype": "application/json",
        "time": "2026-03-01T23:59:40Z",
        "sequence": "0000000002",
        "data": {
            "class": "phone", "zone": "desk", "confidence": "medium", "severity": "critical",
        },
    }  # fmt: skip
    assert kept.events[0].document["data"] == {
        "zone": "desk", "confidence": "high", "severity": "info",
    }  # fmt: skip


def test_the_schema_is_closed_and_two_validators_agree_on_it() -> None:
    """Every object is closed, every text has a pattern, every number bounds; jsonschema
    accepts the schema and what we tell."""
    document = schema()
    jsonschema.Draft7Validator.check_schema(document)
    closed = [document, document["definitions"]["item"], document["definitions"]["zone"]]
    assert all(one["additionalProperties"] is False for one in closed)
    fields = [
        value
        for one in closed
        for value in (*one["properties"].values(), *document["definitions"].values())
        if value not in ({"type": "object"},) and value not in closed and "$ref" not in value
    ]
    for value in fields:
        assert {"enum", "const"} & set(value) or value.get("pattern", "").startswith("^") or (
            {"minimum", "maximum"} <= set(value)
        ), value
    for change in (APPEARED, CLEARED):
        for clock in (Recorded(), Recorded(START)):
            event = told([(5.0, item(change))], clock=clock).events[0]
            jsonschema.validate(event.document, document)
    classes = document["definitions"]["item"]["properties"]["class"]["enum"]
    assert classes == [kind.value for kind in DeskItem]


def test_the_example_in_the_documentation_is_an_event() -> None:
    """docs/events.md shows what really leaves, and names every field of the schema."""
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
    example = json.loads(text.split("```json")[1].split("```")[0])
    assert Event.of(example).document == example
    for word in ("source", "sequence", "id", "time", *DATA):
        assert f"`{word}`" in text or f"`data.{word}`" in text, word


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "0" * 31), ("id", "0" * 31 + "\n"), ("id", "\u0660" * 32), ("specversion", "1.1"),
        ("time", "2026-03-01T23:59:40.5Z"), ("time", "2026-13-01T23:59:40Z"), ("time", 5),
        ("sequence", 1), ("sequence", "1"), ("subject", "a phone"), ("type", "dev.homeveil.desk"),
        ("source", "/sites/me/x"), ("data", {}), ("data", None), ("data", "phone"),
        ("datacontenttype", "text/plain"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_no_event(name: str, value: object) -> None:
    """An unknown field or a value out of its range cannot be made into an event."""
    good = told([(0.0, item(APPEARED))], clock=Recorded(START)).events[0].document
    assert Event.of(good).document == good
    with pytest.raises(EventError):
        Event.of({**good, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class", "person"), ("class", "Phone"), ("zone", "Desk"), ("zone", "d" * 33),
        ("confidence", 0.9), ("confidence", "0.9"), ("severity", "huge"), ("box", [1, 2, 3, 4]),
        ("offset_seconds", 10),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_the_data_is_no_event(name: str, value: object) -> None:
    """The same for what happened; a time and an offset exclude each other."""
    good = told([(0.0, item(APPEARED))], clock=Recorded(START)).events[0].document
    with pytest.raises(EventError):
        Event.of({**good, "data": {**good["data"], name: value}})


def test_an_event_says_when_once() -> None:
    """Neither a time nor an offset: no event. An offset is a whole number in its bounds."""
    good = told([(0.0, item(APPEARED))]).events[0].document
    assert good["data"]["offset_seconds"] == 0
    for offset in (-1, 10**9 + 1, 10.0, True, None, "10"):
        with pytest.raises(EventError):
            Event.of({**good, "data": {**good["data"], "offset_seconds": offset}})
    del good["data"]["offset_seconds"]
    with pytest.raises(EventError):
        Event.of(good)


def test_there_is_one_form_of_an_event() -> None:
    """Spaces, another order of keys, a key twice, escapes and trailing signs are refused."""
    line = some_events(1)[0].line
    text = line.decode()
    spoilt = [
        line + b"\n",
        b" " + line,
        json.dumps(json.loads(line)).encode(),
        json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")).encode(),
        text.replace('"specversion":"1.0"', '"specversion":"1.0","specversion":"1.0"').encode(),
        text.replace("phone", "\\u0070hone").encode(),
        text.replace('"offset_seconds":0', '"offset_seconds":-0').encode(),
        text.replace('"offset_seconds":0', '"offset_seconds":0e0').encode(),
        b"\xef\xbb\xbf" + line,
        b"[" * 1000,
        b"\xff",
    ]
    for one in spoilt:
        with pytest.raises(EventError):
            Event(one)
    assert canonical(json.loads(line)) == line


def test_bands() -> None:
    """Three words for confidence."""
    values = [0.0, 0.59, 0.6, 0.84, 0.85, 1.0]
    assert [band(value) for value in values] == ["low", "low", "medium", "medium", "high", "high"]


def test_permitted_kinds_raise_nothing() -> None:
    """Whatever the watcher says, a permitted kind is not told."""
    kept = told([(0.0, item(APPEARED, DeskItem.MUG)), (1.0, item(APPEARED, DeskItem.PAPER))])
    assert kept.words == ["appeared paper"]


@pytest.mark.parametrize(
    "finding",
    [
        Finding(APPEARED, "bedroom", DeskItem.PHONE, 1, 0.9, 0.0),
        Finding(APPEARED, "desk", None, 1, 0.9, 0.0),
        Finding(CLEAN, "desk", DeskItem.PHONE, 1, 0.9, 0.0),
        Finding(APPEARED, "desk", "a child", 1, 0.9, 0.0),  # type: ignore[arg-type]
        Finding(APPEARED, "desk", "phone", 1, 0.9, 0.0),  # type: ignore[arg-type]
        Finding("appeared", "desk", DeskItem.PHONE, 1, 0.9, 0.0),  # type: ignore[arg-type]
        Finding(APPEARED, "desk", DeskItem.PHONE, 1, float("nan"), 0.0),
        Finding(APPEARED, "desk", DeskItem.PHONE, 1, 1.5, 0.0),
        Finding(APPEARED, "desk", DeskItem.PHONE, 1, "0.9", 0.0),  # type: ignore[arg-type]
        "a child at the desk",
        None,
    ],
)
def test_unfit_findings_are_counted_and_not_told(finding: Finding) -> None:
    """A finding with a field out of its few values is refused, and the next one is told."""
    kept = Kept()
    feed = EventFeed(DeskRules(), [kept], site=SITE)
    feed.take([finding, item(APPEARED)], 0.0)
    assert kept.words == ["appeared phone"]
    assert (feed.tally.told, feed.tally.refused) == (1, 1)


def test_a_sink_that_fails_costs_nobody_else_an_event(caplog: pytest.LogCaptureFixture) -> None:
    """The sink after it gets all of them, frames go on, and the log names no word of the event."""

    class Broken:
        def put(self, event: Event) -> None:
            raise ValueError(event.line.decode())

    kept = Kept()
    feed = EventFeed(DeskRules(), [Broken(), kept], site=SITE)
    for number, change in enumerate((APPEARED, CLEARED)):
        feed.take([item(change)], float(number))
    assert kept.words == ["appeared phone", "cleared phone"]
    assert caplog.text.count("a sink missed a desk event (ValueError)") == 2
    assert "phone" not in caplog.text


def test_an_interrupt_while_an_event_is_handed_on_does_not_lose_it() -> None:
    """Ctrl-C in the middle, then the end: all sinks have it, some perhaps twice."""
    interrupted = []

    class Interrupted(Kept):
        def put(self, event: Event) -> None:
            if not interrupted:
                interrupted.append(event)
                raise KeyboardInterrupt
            super().put(event)

    before, kept = Kept(), Interrupted()
    feed = EventFeed(DeskRules(), [before, kept], site=SITE)
    with pytest.raises(KeyboardInterrupt):
        feed.take([item(APPEARED)], 0.0)
    feed.finish()
    assert kept.words == ["appeared phone"]
    assert {event.id for event in before.events} == {kept.events[0].id}


def test_rules_hold_nothing_unknown() -> None:
    """Severities and permitted kinds are of the closed sets, also without a policy file."""
    with pytest.raises(PolicyError):
        DeskRules(severity={DeskItem.PHONE: "a child was here"})  # type: ignore[dict-item]
    with pytest.raises(PolicyError):
        DeskRules(permitted=frozenset({"sofa"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "polygon",
    [
        ((0.1, 0.6), (0.9, 0.6), (1, 1), (0, 1)),
        ((0, 0.5), (0.4, 0.5), (0.5, 0.7), (0.6, 0.5), (1, 0.5), (1, 1), (0, 1)),
        ((0, 0.5), (0, 0.5), (0.5, 0.5), (1, 0.5), (1, 1), (1, 1), (0, 1)),
        ((0, 0.4), (1, 0.4), (1, 1), (0, 1), (0, 0.8), (0.5, 0.8), (0.5, 0.6), (0, 0.8)),
    ],
    ids=["a desk seen from above", "round a monitor", "corners twice and on a side", "with a hole"],
)
def test_a_zone_may_have_any_shape_whose_sides_do_not_cross(
    polygon: tuple[tuple[float, float], ...],
) -> None:
    """Whichever corner comes first, and either way round."""
    for start in range(len(polygon)):
        turned = polygon[start:] + polygon[:start]
        assert DeskRules(polygon=turned).polygon == turned
        assert DeskRules(polygon=turned[::-1]).polygon == turned[::-1]


def test_times_of_a_recording() -> None:
    """Without a start: whole windows since the first frame. With one: that much later, in UTC.
    The first frame's own clock does not matter."""
    frames = [(86_412.9, item(APPEARED)), (86_432.8, item(CLEARED)), (86_433.0, item(APPEARED))]
    offsets = [event.document["data"]["offset_seconds"] for event in told(frames).events]
    assert offsets == [0, 10, 20]
    start = datetime.fromisoformat("2026-01-31T08:00:07+01:00")
    times = [event.document["time"][11:] for event in told(frames, clock=Recorded(start)).events]
    assert times == ["07:00:00Z", "07:00:20Z", "07:00:20Z"]
    minutes = DeskRules(round_seconds=600.0)
    times = [e.document["time"] for e in told(frames, clock=Recorded(start), rules=minutes).events]
    assert times == ["2026-01-31T07:00:00Z"] * 3


def test_times_that_cannot_be() -> None:
    """A start without a zone or out of range, frames that go back or have no time."""
    for start in (datetime(2026, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)):
        with pytest.raises(UsageError, match="start"):
            Recorded(start)
    feed = EventFeed(DeskRules(), [], site=SITE)
    feed.take([], 5.0)
    for seconds in (4.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            feed.take([], seconds)


def test_live_events_leave_when_their_window_is_over() -> None:
    """The moment of arrival says no more than the rounded time; batched=False is at once."""
    now = [1_800_000_001.5]
    kept, eager = Kept(), Kept()
    slow = EventFeed(DeskRules(), [kept], clock=Live(now=lambda: now[0]), site=SITE)
    quick = EventFeed(DeskRules(), [eager], clock=Live(False, lambda: now[0]), site=SITE)
    for feed in (slow, quick):
        feed.take([item(APPEARED)], 0.0)
        now[0] += 4
        feed.take([item(CLEARED)], 4.0)
        assert len(kept.events) == 0
        now[0] -= 4
    assert len(eager.events) == 2
    now[0] = 1_800_000_009.9
    slow.take([], 8.4)
    assert kept.events == []
    now[0] = 1_800_000_010.0
    slow.take([], 8.5)
    assert kept.words == ["appeared phone", "cleared phone"]
    assert {event.document["time"] for event in kept.events} == {"2027-01-15T08:00:00Z"}


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    """An hour back within the day: what was held leaves, numbers go on, no id comes twice."""
    now = [1_800_010_801.0]
    kept = Kept()
    feed = EventFeed(DeskRules(), [kept], clock=Live(now=lambda: now[0]), site=SITE)
    feed.take([item(APPEARED)], 0.0)
    now[0] -= 3600
    feed.take([item(CLEARED)], 1.0)
    assert len(kept.events) == 1
    feed.finish()
    assert [int(event.document["sequence"]) for event in kept.events] == [1, 2]
    assert len({event.id for event in kept.events}) == 2


def test_a_clock_that_was_ahead_joins_no_days() -> None:
    """Years ahead for one event, then right, then a day that comes twice: names and numbers begin
    anew with every change of day, in order within each source, and no id comes twice."""
    days = ["2031-05-01", "2026-12-01", "2026-12-01", "2026-12-02", "2026-12-01", "2026-12-03"]
    now = [0.0]
    kept = Kept()
    feed = EventFeed(DeskRules(), [kept], clock=Live(False, lambda: now[0]), site=SITE)
    for number, day in enumerate(days):
        now[0] = datetime.fromisoformat(f"{day}T09:00:00Z").timestamp()
        feed.take([item(CLEARED if number % 2 else APPEARED)], number * 86_400.0)
    told = [event.document for event in kept.events]
    assert [one["time"][:10] for one in told] == days
    assert [int(one["sequence"]) for one in told] == [1, 1, 2, 1, 1, 1]
    assert len({one["id"] for one in told}) == len(days)
    assert told[1]["source"] == told[2]["source"]
    assert len({one["source"] for one in told}) == len(days) - 1
    sites = {one["time"][:10]: one["source"].split("/")[2] for one in told}
    assert len(set(sites.values())) == len(set(days))


def test_a_clock_that_was_never_set_tells_nothing() -> None:
    """1970 is no time; such events are refused and counted."""
    feed = EventFeed(DeskRules(), [Kept()], clock=Live(now=lambda: 12.0), site=SITE)
    feed.take([item(APPEARED)], 0.0)
    assert feed.tally.refused == 1


def test_names_change_with_the_day_and_the_run() -> None:
    """After midnight (UTC) nothing joins the events to those before: another site, another
    stream, numbers from 1. Another run has another stream, another installation another site."""
    frames = [(float(t), item(c)) for t, c in ((0, APPEARED), (20, CLEARED), (40, APPEARED))]
    kept = told(frames, clock=Recorded(START))
    assert [int(event.document["sequence"]) for event in kept.events] == [1, 2, 1]
    before, after = kept.events[1].document["source"], kept.events[2].document["source"]
    assert set(before.split("/")[2:]).isdisjoint(after.split("/")[2:])
    day = "2026-03-01"
    other_run, other_home = Site(SITE.secret, bytes(16)), Site(bytes(32), SITE.run)
    site, stream = SITE.source(day).split("/")[2:]
    assert other_run.source(day).split("/")[2] == site
    assert other_run.source(day).split("/")[3] != stream
    assert other_home.source(day).split("/")[2] != site
    assert len({SITE.event_id(before, n) for n in range(100)}) == 100


def test_the_secret_of_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made once, its owner's alone, kept; refused when others may read it or it is another."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, second = Site.of_installation(), Site.of_installation()
    assert first.secret == second.secret
    assert first.run != second.run
    assert secret_path().stat().st_mode & 0o777 == 0o600
    assert first.secret.hex() not in repr(first)
    assert repr(first.secret) not in repr(first)
    secret_path().chmod(0o644)
    with pytest.raises(EventError, match="chmod 600"):
        Site.of_installation()
    secret_path().chmod(0o600)
    secret_path().write_bytes(b"short")
    with pytest.raises(EventError, match="no event secret"):
        Site.of_installation()


def test_a_secret_is_made_whatever_an_earlier_run_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full when it was to be made, and a run of this process id that was killed
    at it: the next run makes it, and nothing is left beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(EventError, match="cannot be made"):
            Site.of_installation()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    folder = secret_path().parent
    assert list(folder.iterdir()) == []
    (folder / f".event_secret.{os.getpid()}.part").touch()
    assert Site.of_installation().secret == Site.of_installation().secret
    assert secret_path().stat().st_mode & 0o777 == 0o600


def flapping(seconds: int, step: float = 1.0) -> list[tuple[float, Finding]]:
    """A phone that comes and goes with every step."""
    changes = (APPEARED, CLEARED)
    return [(n * step, item(changes[n % 2])) for n in range(int(seconds / step))]


def test_flapping_is_collapsed() -> None:
    """A phone that flaps for ten minutes: a few events a minute, in turns, and the last one
    told is the truth."""
    for seconds in (600, 601):
        kept = told(flapping(seconds))
        assert len(kept.events) <= MOST_PER_MINUTE * 10 + 1
        assert kept.words == ["appeared phone", "cleared phone"] * (len(kept.words) // 2) + [
            "appeared phone"
        ] * (seconds % 2)


def test_what_is_held_back_is_told_when_it_may_be() -> None:
    """Over the limit, an item that stays is told late, not never; others are not held up."""
    frames = [*flapping(5), (6.0, item(APPEARED, DeskItem.PAPER))]
    kept = Kept()
    feed = EventFeed(DeskRules(round_seconds=1.0), [kept], site=SITE)
    for seconds, finding in frames:
        feed.take([finding], seconds)
    assert kept.words[-1] == "appeared paper"
    assert len(kept.words) == 5
    feed.take([], 59.9)
    assert len(kept.words) == 5
    feed.take([], 60.0)
    assert kept.words[5:] == ["appeared phone"]
    assert kept.events[-1].document["data"]["offset_seconds"] == 60


def test_the_desk_is_told_clean_once() -> None:
    """Clean is told once, and again only after something was told to lie there; not while a
    clearing is still held back."""
    frames = [(0.0, CLEAN_DESK), (1.0, CLEAN_DESK), (2.0, item(APPEARED)), (3.0, item(CLEARED)),
              (4.0, CLEAN_DESK), (5.0, item(APPEARED)), (6.0, item(CLEARED)),
              (7.0, item(APPEARED)), (8.0, item(CLEARED)), (9.0, CLEAN_DESK)]  # fmt: skip
    kept = told(frames)
    assert kept.words == [
        "clean", "appeared phone", "cleared phone", "clean", "appeared phone", "cleared phone",
        "clean",
    ]  # fmt: skip


def test_several_of_a_kind_are_told_each() -> None:
    """Three phones are three appearings and three clearings, if in their time."""
    frames = [(float(n), item(APPEARED)) for n in range(3)]
    frames += [(100.0 + n, item(CLEARED)) for n in range(3)]
    assert told(frames).words == ["appeared phone"] * 3 + ["cleared phone"] * 3
