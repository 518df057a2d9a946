"""Nobody gets anything past the schema: whatever a finding holds, an event says only what the
schema's few words say, and two findings that agree in those give the same bytes."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desks import SITE, Kept, some_events
from homeveil.desk.calm import MOST_PER_MINUTE
from homeveil.desk.events import Event, band, schema
from homeveil.desk.feed import EventFeed
from homeveil.desk.findings import Change, Finding
from homeveil.desk.times import Recorded
from homeveil.desk_rules import DeskItem, DeskRules
from homeveil.errors import EventError, PolicyError

SECRET = "Mia,6,in pyjamas"
CHECK = jsonschema.Draft7Validator(schema())

anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.just(SECRET), st.sampled_from(list(DeskItem)), st.sampled_from([*Change, "desk", "phone"]),
    st.lists(st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3),
)  # fmt: skip
odd_findings = st.builds(
    Finding, anything, anything, anything, anything, anything, anything
) | st.builds(
    Finding,
    st.sampled_from(list(Change)),
    st.just("desk") | st.text(),
    st.sampled_from(list(DeskItem)) | st.none() | st.text(),
    st.integers(),
    st.floats(allow_nan=True),
    st.floats(),
)


def lines(frames: list[tuple[float, list[Any]]], rules: DeskRules | None = None) -> list[bytes]:
    kept = Kept()
    start = datetime(2026, 5, 5, tzinfo=UTC)
    feed = EventFeed(rules or DeskRules(permitted=frozenset()), [kept], clock=Recorded(start),
                     site=SITE)  # fmt: skip
    for seconds, findings in frames:
        feed.take(findings, seconds)
    feed.finish()
    return [event.line for event in kept.events]


@given(st.lists(odd_findings, max_size=6), st.floats(0, 50))
@example([Finding(Change.APPEARED, "desk", DeskItem.PHONE, 0, 0.0, 0.0)], 49.99999999999999)
def test_every_word_is_one_of_the_few(findings: list[Finding], seconds: float) -> None:
    """Whatever is in the findings, each field of each event has one of the values that it may
    have here, and a second validator agrees."""
    for number, line in enumerate(lines([(0.0, []), (seconds, findings)]), 1):
        event = json.loads(line)
        CHECK.validate(event)
        source = SITE.source("2026-05-05")
        assert event["source"] == source
        assert event["sequence"] == f"{number:010d}"
        assert event["id"] == SITE.event_id(source, number)
        assert event["time"] == f"2026-05-05T00:00:{int(seconds // 10)}0Z"
        data = event["data"]
        assert data.get("class", "phone") in [kind.value for kind in DeskItem]
        assert (data["zone"], data["confidence"] in ("low", "medium", "high")) == ("desk", True)
        assert SECRET.encode() not in line


fit = st.builds(
    Finding,
    st.sampled_from([Change.APPEARED, Change.CLEARED]),
    st.just("desk"),
    st.sampled_from(list(DeskItem)),
    st.integers(),
    st.floats(0, 1),
    st.floats(),
)


@st.composite
def twins(draw: st.DrawFn) -> tuple[list[tuple[float, Finding]], list[tuple[float, Finding]]]:
    """Two runs that agree in all that may be told, and in nothing else: confidence only in its
    band (every bit of the mantissa is free), times only in their window, numbers not at all."""
    one, other = [(0.0, draw(fit))], []
    for window in sorted(draw(st.lists(st.integers(1, 40), unique=True, max_size=8))):
        one.append((window * 10 + draw(st.floats(0, 9.999)), draw(fit)))
    for n, (seconds, finding) in enumerate(one):
        value = draw(st.floats(0, 1).filter(lambda c, f=finding: band(c) == band(f.confidence)))
        changed = dataclasses.replace(
            finding, confidence=value, number=draw(st.integers()), seconds=draw(st.floats())
        )
        later = seconds // 10 * 10 + draw(st.floats(0, 9.999)) if n else 0.0
        other.append((later, changed))
    return one, other


@given(twins())
def test_what_may_not_be_told_changes_no_byte(
    runs: tuple[list[tuple[float, Finding]], list[tuple[float, Finding]]],
) -> None:
    """Two runs that differ only in what an event does not say give the same bytes."""
    one, other = ([(seconds, [finding]) for seconds, finding in run] for run in runs)
    # Over the limit, what waits leaves a minute after earlier ones left: not of interest here.
    counts = [sum(f.item is kind for _, f in runs[0]) for kind in DeskItem]
    if max(counts) <= MOST_PER_MINUTE:
        assert lines(one) == lines(other)


@given(st.text())
def test_no_odd_name_of_a_zone_gets_in(name: str) -> None:
    """A zone's name is a short plain word, or the rules are refused."""
    try:
        rules = DeskRules(zone=name)
    except PolicyError:
        return
    told = lines([(0.0, [Finding(Change.APPEARED, name, DeskItem.PHONE, 1, 0.9, 0.0)])], rules)
    assert json.loads(told[0])["data"]["zone"] == name
    assert name.isascii()
    assert len(name) <= 32
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789_-")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TOP = ["specversion", "id", "source", "type", "datacontenttype", "sequence", "data", "time"]
DATA = ["class", "zone", "confidence", "severity", "offset_seconds"]


@given(st.sampled_from(TOP) | st.text(), json_values)
def test_no_field_takes_what_it_should_not(name: str, value: Any) -> None:
    """A field with any other JSON in it makes no event, or fits a second validator too."""
    document = {**some_events(1)[0].document, name: value}
    try:
        event = Event.of(document)
    except EventError:
        return
    CHECK.validate(event.document)
    assert event.document == document
    assert not any(isinstance(one, float) for one in event.document["data"].values())


@given(st.sampled_from(DATA) | st.text(), json_values)
def test_no_field_of_the_data_takes_what_it_should_not(name: str, value: Any) -> None:
    """The same for the data."""
    document = some_events(1)[0].document
    document["data"] = {**document["data"], name: value}
    try:
        event = Event.of(document)
    except EventError:
        return
    CHECK.validate(event.document)
    assert set(event.document["data"]) <= set(DATA)
    assert not any(isinstance(one, float) for one in event.document["data"].values())


@given(st.data())
def test_no_byte_can_be_slipped_into_a_line(data: st.DataObject) -> None:
    """Any byte put in or changed makes another event of the same few words, or none."""
    line = some_events(1)[0].line
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    for spoilt in (line[:at] + byte + line[at:], line[:at] + byte + line[at + 1 :]):
        try:
            event = Event(spoilt)
        except EventError:
            continue
        CHECK.validate(event.document)
        assert len(event.line) in (len(line), len(line) + 1)


minute_runs = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from([Change.APPEARED, Change.CLEARED])), max_size=120
)


@given(minute_runs)
def test_the_limit_holds_in_every_minute_and_the_end_is_true(
    steps: list[tuple[float, Change]],
) -> None:
    """Within any 60 s at most so many events of a kind, one more at the end; and if that
    allows, what was told adds up to what was found."""
    kept: list[tuple[float, str]] = []
    now = 0.0

    class Sink:
        def put(self, event: Event) -> None:
            kept.append((now, event.document["type"]))

    feed = EventFeed(DeskRules(permitted=frozenset()), [Sink()], site=SITE)
    net = 0
    for step, change in steps:
        now += step
        net += 1 if change is Change.APPEARED else -1
        feed.take([Finding(change, "desk", DeskItem.PHONE, 1, 0.9, now)], now)
    times = [time for time, _ in kept]
    for time in times:
        assert sum(time <= other < time + 60 for other in times) <= MOST_PER_MINUTE
    for _ in range(60):
        now += 60
        feed.take([], now)
    feed.finish()
    told = sum(1 if kind.endswith("appeared") else -1 for _, kind in kept)
    assert told == net


def test_the_property_could_fail() -> None:
    """The check of sameness sees a difference where one may be told."""
    phone = Finding(Change.APPEARED, "desk", DeskItem.PHONE, 1, 0.9, 0.0)
    low = dataclasses.replace(phone, confidence=0.1)
    assert lines([(0.0, [phone])]) != lines([(0.0, [low])])
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate({**some_events(1)[0].document, "note": SECRET})
