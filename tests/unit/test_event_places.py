"""What a caller may ask for as a place for events, and how refusals read."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from homeveil.emit.events import PASSWORD, TOKEN
from homeveil.emit.events.places import open_place, read_place
from homeveil.errors import EventError


@pytest.mark.parametrize(
    "text",
    [
        "https://monitor.example/desk", "https://monitor.example:8443/desk?room=1",
        "http://localhost:8080/", "http://127.0.0.1/x", "http://[::1]:9/x",
        "mqtts://broker.example/homeveil/desk", "mqtt://localhost:1883/desk", "-", "events.jsonl",
    ],
)  # fmt: skip
def test_good_places(text: str) -> None:
    """Webhooks, brokers, files and standard output."""
    place = read_place(text)
    assert (place.url is not None) == ("://" in text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://host/x", "give https://"),
        ("https:///desk", "names no host"),
        ("https://host:99999/", "no URL"),
        ("https://host:0/", "no host"),
        ("https://ho st/", "blanks"),
        ("https://host/#part", "'#'"),
        ("https://me:hunter2@host/", TOKEN),
        ("mqtts://me:hunter2@host/t", PASSWORD),
        ("http://monitor.example/desk", "give https://"),
        ("http://127.0.0.1.example/desk", "give https://"),
        ("mqtt://broker.example/desk", "give mqtts://"),
        ("mqtts://broker.example", "needs a topic"),
        ("mqtts://broker.example/desk/+/x", "topic"),
        ("mqtts://broker.example/%23", "topic"),
        ("mqtts://broker.example/desk?q=1", "topic"),
        ("https://[::1/", "no URL"),
        ("https://me:hunter2/x@host/", "no URL"),
        ("https://me:hunter2#@host/", "no URL"),
        ("https://me:x@hunter2@host/", TOKEN),
        ("htps://hooks.example/hunter2", "'htps://hooks.example': give https://"),
        ("https://host/hunter2#part", "'#'"),
    ],
)
def test_bad_places_are_refused_by_name_and_without_secrets(text: str, words: str) -> None:
    """One line that says what is wrong and what to do, and never a password."""
    with pytest.raises(EventError) as caught:
        read_place(text)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_place_is_named_by_its_host_alone() -> None:
    """Paths and queries of webhooks are often secrets: messages leave them out."""
    assert read_place("https://host:8443/T0K/EN?key=s").label == "https://host:8443"
    assert "T0K" not in read_place("https://host/T0K").spool_name


def test_without_the_extra_mqtt_is_named() -> None:
    """A package without paho-mqtt says which extra to install; other places need none."""
    code = (
        "import sys; sys.modules['paho'] = None\n"
        "from homeveil.emit.events.places import open_place, read_place\n"
        "open_place(read_place('https://localhost/x'), patience_seconds=0).close()\n"
        "open_place(read_place('mqtts://localhost/x'))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "EventError: mqtts://localhost: MQTT needs paho-mqtt; install homeveil[mqtt]" in (
        result.stderr
    )


def test_secrets_that_cannot_be_sent_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end in a token would make a header of its own: refused, not shown."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name, text in ((TOKEN, "https://host/"), (PASSWORD, "mqtts://host/topic")):
        with pytest.raises(EventError, match=name) as caught:
            open_place(read_place(text), environment={name: "hunter2\r\nX-Admin: 1"})
        assert "hunter2" not in str(caught.value)
    assert list(tmp_path.rglob("*.sqlite")) == []


@pytest.mark.parametrize("out", [io.StringIO(), None], ids=["notebook", "none"])
def test_a_standard_output_that_is_no_file_is_named(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO | None
) -> None:
    """In a notebook, and in a program without a terminal."""
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(EventError, match=r"standard output: .*give a file"):
        open_place(read_place("-"))
