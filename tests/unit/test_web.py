"""The served page, health and metrics over real sockets: who gets an answer, and what is in it."""

from __future__ import annotations

import gc
import html
import json
import logging
import os
import re
import struct
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from desks import some_events
from homeveil.errors import FrameError, UsageError
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame, plane_shapes
from homeveil.live.board import Board, Cause, OutputStatus, State
from homeveil.live.web.guard import HEADERS
from homeveil.live.web.pictures import MOST_SIDE, Pictures, jpeg_of
from homeveil.live.web.server import WebServer
from homeveil.live.web.telling import state_of
from homeveil.live.web.words import choose, languages
from pages import OUTPUTS, TOKEN, Chunks, ask, board, grey, serving, tone

PAGE = f"/{TOKEN}/"
COVER = b'{"paused": true}'


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Board, Chunks, WebServer]]:
    """One server for tests that only ask, and the board behind it, which nobody may change."""
    shown = board()
    with Chunks(rate=20.0) as chunks, serving(shown, broadcast=chunks) as server:
        yield shown, chunks, server


# Who gets an answer.


def test_only_loopback_is_bound() -> None:
    """Of all sockets of this process that listen after the start and did not before, there is
    one, and its address is 127.0.0.1."""
    before = _listening()
    with serving(board()) as server:
        new = _listening() - before
        assert new == {("127.0.0.1", server.port)}
    assert not _listening() - before


def _listening() -> set[tuple[str, int]]:
    """Addresses on which this process listens."""
    gc.collect()
    own = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        own.add(target.removeprefix("socket:[").rstrip("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in own:
                address, port = words[1].split(":")
                octets = struct.pack("<I", int(address, 16)) if table == "tcp" else b""
                name = ".".join(map(str, octets)) if octets else f"[{address}]"
                found.add((name, int(port, 16)))
    return found


@pytest.mark.parametrize("path", ["/health", "/metrics", "/stream.ts", PAGE, f"{PAGE}state", "/no"])
def test_other_names_get_nothing(shared: tuple[Board, Chunks, WebServer], path: str) -> None:
    """A name that was rebound to this machine, another port, no name: nothing is served."""
    _, chunks, server = shared
    port = server.port
    for host in (
        "evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}",
        "127.0.0.1", f"127.0.0.1:{port + 1}", f"[::1]:{port}", f"0.0.0.0:{port}",
        f"localhost.:{port}", f"127.1:{port}", "",
    ):  # fmt: skip
        answer = ask(server, path, Host=host)
        assert answer.status == 421, host
        assert answer.body == b"Not a name of this server"
    assert not chunks.clients


def test_both_own_names_are_served() -> None:
    with serving(board()) as server:
        for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}"):
            assert ask(server, PAGE, Host=host).status == 200
            assert ask(server, "/health", Host=host).status == 200


def test_a_wrong_token_is_no_path() -> None:
    """Without the token, nothing tells what exists: same status, headers and words."""
    with serving(board()) as server:
        unknown = ask(server, "/no")
        assert (unknown.status, unknown.body) == (404, b"Not Found")
        wrong = [TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "x" * len(TOKEN), "%00", "%C3%BC", ".."]
        for token in wrong:
            for path in ("", "state", "picture", "events", "page.js", "no"):
                assert ask(server, f"/{token}/{path}") == unknown
            assert ask(server, f"/{token}/pause", "POST", COVER) == unknown
        for path in ("/", f"/{TOKEN}", f"//{TOKEN}/", "/page.js", "/state", f"/x/{TOKEN}/"):
            assert ask(server, path) == unknown
        assert ask(server, f"{PAGE}no") == unknown
        assert ask(server, PAGE).status == 200


def test_tokens_are_made_up_and_long() -> None:
    with serving(board(), token=None) as one, serving(board(), token=None) as other:
        assert one.page_url is not None
        assert other.page_url is not None
        tokens = {url.split("/")[3] for url in (one.page_url, other.page_url)}
        assert len(tokens) == 2
        assert all(re.fullmatch(r"[\w-]{32}", token) for token in tokens)
    for bad in ("", "short", "a" * 15, "a" * 16 + "/", "ü" * 20):
        with pytest.raises(UsageError, match="token"):
            serving(board(), token=bad).__enter__()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None}, {"Origin": "null"}, {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:{port}"}, {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:{port}"}, {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
         "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "what"},
    ],
)  # fmt: skip
def test_other_pages_cannot_use_the_switch(
    shared: tuple[Board, Chunks, WebServer], headers: dict[str, str | None]
) -> None:
    """A page of another origin, of another port of this machine, or none at all."""
    shown, _, server = shared
    told = {name: text and text.format(port=server.port) for name, text in headers.items()}
    answer = ask(server, f"{PAGE}pause", "POST", COVER, **told)
    assert answer.status == 403
    assert not shown.paused


def test_other_sites_read_nothing_but_may_link() -> None:
    with serving(board()) as server:
        for path in ("/health", "/metrics", f"{PAGE}state", f"{PAGE}picture", PAGE):
            for site in ("cross-site", "same-site"):
                answer = ask(server, path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
                assert answer.status == 403
            assert ask(server, path, Origin="http://evil.example").status == 403
        framed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        assert ask(server, PAGE, **framed, Sec_Fetch_Dest="iframe").status == 403
        assert ask(server, PAGE, **framed, Sec_Fetch_Dest="document").status == 200


def test_every_answer_says_what_a_browser_may_do() -> None:
    """Also those that refuse."""
    with serving(board()) as server:
        answers = [
            ask(server, PAGE), ask(server, f"{PAGE}state"), ask(server, f"{PAGE}picture"),
            ask(server, f"{PAGE}picture?after=1"), ask(server, "/health"), ask(server, "/no"),
            ask(server, "/health", Host="evil"), ask(server, "/health", "POST"),
            ask(server, f"{PAGE}pause", "POST", COVER, Origin="null"),
        ]  # fmt: skip
    assert {answer.status for answer in answers} == {200, 204, 403, 404, 405, 421, 503} - {503}
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name.lower()] == value
        assert "set-cookie" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert "server" not in answer.headers
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answers[0].headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    assert answers[0].headers["cache-control"] == "no-store"
    assert answers[0].headers["referrer-policy"] == "no-referrer"


def test_the_token_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is asked, and whatever fails, at the most talkative level."""
    shown = board()
    shown.watch(lambda: 1 / 0, {})  # type: ignore[arg-type, return-value]
    with caplog.at_level(logging.DEBUG), serving(shown) as server:
        for logger in map(logging.getLogger, list(logging.Logger.manager.loggerDict)):
            logger.disabled = False
        for path in (PAGE, f"{PAGE}state", f"{PAGE}no", f"/{TOKEN}", "/no"):
            ask(server, path)
        assert ask(server, f"{PAGE}state").status == 500
        ask(server, f"{PAGE}pause", "POST", b"x" * 100)
    assert "ZeroDivisionError" in caplog.text
    assert TOKEN not in caplog.text
    assert "division by zero" not in caplog.text


# The switch.


def test_covering_is_effective_at_once_and_undone_by_the_same_door() -> None:
    shown = board()
    heard: list[bool] = []
    shown.on_pause(heard.append)
    with serving(shown) as server:
        answer = ask(server, f"{PAGE}pause", "POST", COVER, Sec_Fetch_Site="same-origin")
        assert (answer.status, answer.json()["paused"], shown.paused) == (200, True, True)
        shown.show(grey(), Cause.PAUSED)
        assert ask(server, f"{PAGE}state").json()["state"] == "paused"
        assert ask(server, f"{PAGE}pause", "POST", COVER).json()["paused"] is True
        answer = ask(server, f"{PAGE}pause", "POST", b'{"paused": false}')
        assert (answer.json()["paused"], shown.paused) == (False, False)
    assert heard == [True, False]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"true", 400), (b'{"paused": 1}', 400), (b"null", 400),
        (b'{"paused": true, "x": 1}', 400), (b"[]", 400), (b"\xff\xfe", 400), (b"1e999", 400),
        (b"[" * 64, 400), (b'{"paused": true}' + b" " * 100, 413), (b"x" * 200_000, 413),
    ],
)  # fmt: skip
def test_anything_else_leaves_the_switch_alone(
    shared: tuple[Board, Chunks, WebServer], body: bytes, status: int
) -> None:
    shown, _, server = shared
    assert ask(server, f"{PAGE}pause", "POST", body).status == status
    assert ask(server, f"{PAGE}pause").status == 405
    assert ask(server, f"{PAGE}pause", "POST", COVER, Content_Type="text/plain").status == 400
    assert not shown.paused


# What is told.


def test_each_state_has_its_words_in_each_language() -> None:
    shown = Board()
    with serving(shown) as server:
        for cause in (None, *Cause):
            shown.show(grey(), cause)
            shown.explain("the camera is used by another program")
            name = "cause_none" if cause is None else f"cause_{cause.name.lower()}"
            for code in languages():
                told = ask(server, f"{PAGE}state?lang={code}").json()
                assert told["text"] == ask_words(code)[name]
                assert told["state"] == shown.status.state.value
                assert told["detail"] == "the camera is used by another program"


def ask_words(code: str) -> dict[str, str]:
    text = resources.files("homeveil.live.web").joinpath("words.toml").read_text("utf-8")
    return dict(tomllib.loads(text)[code])


def test_every_language_has_all_words_and_none_speaks_of_others() -> None:
    """The page says what is shown of the worker and the room, and never whether anybody else
    was there."""
    english = ask_words("en")
    others = re.compile(
        r"\b(some(one|body)|any(one|body)|other people|people|persons?|guests?|visitors?|family"
        r"|child(ren)?|bystanders?|faces?(?! and voice)|alguien|personas?|gente|familia|niñ[oa]s?"
        r"|visitas?|otr[oa]s personas|nadie más)\b",
        re.IGNORECASE,
    )
    for code in languages():
        words = ask_words(code)
        assert words.keys() == english.keys()
        assert all(text.strip() for text in words.values())
        assert not [text for text in words.values() if others.search(text)]
        assert all("{item}" in words[f"event_{kind}"] for kind in ("appeared", "cleared"))
    for state in State:
        assert f"state_{state.value}" in english


@pytest.mark.parametrize(
    ("wanted", "header", "code"),
    [
        (None, None, "en"), (None, "", "en"), (None, "es", "es"), (None, "es-MX,es;q=0.9", "es"),
        (None, "de,es;q=0.5,en;q=0.4", "es"), (None, "en;q=0.5, es;q=0.8", "es"),
        (None, "es;q=0, en", "en"), (None, "fr", "en"), (None, "*", "en"), ("es", "en", "es"),
        ("en", "es", "en"), ("xx", "es", "es"), (None, "es;q=x,en", "en"), (None, ";;,,q=1", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_asked_for(
    wanted: str | None, header: str | None, code: str
) -> None:
    assert choose(wanted, header).code == code


def test_the_page_is_in_that_language() -> None:
    with serving(board()) as server:
        for query, header, code in (("", "es-MX", "es"), ("?lang=en", "es", "en"), ("", "", "en")):
            page = ask(server, PAGE + query, Accept_Language=header)
            assert f'<html lang="{code}">' in page.body.decode()


def test_the_page_brings_nothing_from_elsewhere_and_nothing_inline() -> None:
    """No address of another host, no script or style in the page, every placeholder filled."""
    with serving(board()) as server:
        for code in languages():
            text = ask(server, f"{PAGE}?lang={code}").body.decode()
            assert "{{" not in text
            assert not re.search(r"\b(https?:)?//[\w.]+", text)
            assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", text)
        for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css"),
                           ("icon.svg", "image/svg+xml")):  # fmt: skip
            file = ask(server, PAGE + name)
            assert file.headers["content-type"].startswith(kind)
            found = re.findall(rb"https?://[\w./]+", file.body)
            assert found in ([], [b"http://www.w3.org/2000/svg"])


def test_what_was_sent_and_where() -> None:
    shown = board()
    with serving(shown) as server:
        told = ask(server, f"{PAGE}state").json()
        assert told["today"] == {"seconds": 3725.0, "bytes": 34_200_000}
        assert told["outputs"][1] == {
            "name": "file day.mkv", "going": False, "bytes": 42, "dropped": 0,
            "trouble": "the disk is full",
        }  # fmt: skip
        assert (told["sound_db"], told["sound_any"]) == (None, False)
        shown.hear(tone(-24.0))
        told = ask(server, f"{PAGE}state").json()
        assert (told["sound_db"], told["sound_any"]) == (-24.0, True)


def test_events_are_shown_as_they_were_sent() -> None:
    shown = board()
    with serving(shown) as server:
        assert ask(server, f"{PAGE}events").body == b""
        mark = ask(server, f"{PAGE}state").json()["events"]
        events = some_events(3)
        for event in events:
            shown.put(event)
        assert ask(server, f"{PAGE}events").body == b"".join(e.line + b"\n" for e in events)
        assert ask(server, f"{PAGE}state").json()["events"] != mark


def test_nothing_leaves_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds after the last frame, neither page nor health says that anything leaves."""
    shown = board()
    monkeypatch.setattr(shown, "_shown_at", shown._shown_at - 12)
    with serving(shown) as server:
        told = ask(server, f"{PAGE}state").json()
        assert (told["state"], told["since"]) == ("still", None)
        answer = ask(server, "/health")
        assert answer.status == 503
        assert answer.json()["reasons"][0] == "no frame has left for 12 s"
        shown.show(grey(), None, 0.04)
        assert ask(server, "/health").status == 200
        assert ask(server, f"{PAGE}state").json()["state"] == "open"


def test_health_is_about_the_machine() -> None:
    """What the worker did, and what was cleared, is no trouble of the machine."""
    shown = Board()
    with serving(shown) as server:
        for cause in (None, *Cause):
            well = cause in (None, Cause.PAUSED, Cause.UNCLEARED)
            shown.watch(lambda: OUTPUTS, {})
            shown.show(grey(), cause)
            shown.explain("/dev/video7")
            answer = ask(server, "/health")
            assert (answer.status, answer.json()["ok"]) == ((200, True) if well else (503, False))
            assert answer.json()["reasons"][-1] == "file day.mkv is not going"
            assert len(answer.json()["reasons"]) == (1 if well else 2)
            assert b"video7" not in answer.body
            shown.watch(lambda: [OutputStatus("udp", False)], {})
            assert ask(server, "/health").status == 503
            shown.watch(list, {})
            assert ask(server, "/health").status == (200 if well else 503)


def test_metrics_are_what_the_board_counts() -> None:
    """Read by Prometheus' own parser, without anything of this process or of other registries."""
    shown = Board()
    shown.watch(
        lambda: [OutputStatus('a "b"\\\n', True, 10, 1), OutputStatus("udp", False, 20, 2)],
        {"veiled": lambda: 7},
    )
    for latency in (0.01, 0.02, 0.04, 0.04, 3.0):
        shown.show(grey(), None, latency)
    shown.show(replace(grey(), withheld=np.ones((6, 8), bool), fault=True), Cause.FAULT)
    shown.count_late(4)
    shown.count_restart()
    with serving(shown) as server:
        answer = ask(server, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert all(family.name.startswith("homeveil_") for family in families)
    assert all(family.documentation for family in families)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert found["homeveil_frames_total",] == 6
    assert found["homeveil_fault_frames_total",] == 1
    assert found["homeveil_late_frames_total",] == 4
    assert found["homeveil_restarts_total",] == 1
    assert found["homeveil_veiled_share",] == 0.17
    assert found["homeveil_state", "veiled"] == 1
    assert found["homeveil_state", "open"] == found["homeveil_state", "paused"] == 0
    assert found["homeveil_queue_depth", "veiled"] == 7
    assert found["homeveil_output_bytes_total", "udp"] == 20
    assert found["homeveil_output_dropped_total", 'a "b"\\\n'] == 1
    assert found["homeveil_output_going", "udp"] == 0
    for bound, count in (("0.01", 1), ("0.02", 2), ("0.05", 4), ("2.0", 4), ("+Inf", 5)):
        assert found["homeveil_latency_seconds_bucket", bound] == count
    assert found["homeveil_latency_seconds_count",] == 5
    assert found["homeveil_latency_seconds_sum",] == pytest.approx(3.11)
    assert 0 <= found["homeveil_quiet_seconds",] < 5


def test_only_what_was_asked_for_is_served() -> None:
    shown = board()
    with serving(shown, page=False) as server:
        assert (server.page_url, server.stream_url) == (None, None)
        statuses = [ask(server, path).status for path in (PAGE, "/stream.ts", "/health")]
        assert statuses == [404, 404, 200]
    with serving(shown, metrics=False) as server:
        assert server.metrics_url is None
        statuses = [ask(server, path).status for path in (PAGE, "/health", "/metrics")]
        assert statuses == [200, 404, 404]
    with Chunks() as chunks, serving(shown, page=False, metrics=False, broadcast=chunks) as server:
        assert server.stream_url == f"http://127.0.0.1:{server.port}/stream.ts"
        assert ask(server, "/health").status == 404
    with pytest.raises(UsageError, match="nothing to serve"):
        WebServer(shown, page=False, metrics=False, broadcast=None)


def test_without_the_packages_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uvicorn", "starlette.applications"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            for module in [one for one in sys.modules if one.startswith("homeveil.live.web.")]:
                if not module.endswith((".server", ".broadcast")):
                    patch.delitem(sys.modules, module)
            with pytest.raises(UsageError, match=r"pip install 'homeveil\[page\]'"):
                WebServer(board(), page=True, metrics=True, broadcast=None)


# The picture.


def test_the_picture_is_what_the_board_shows() -> None:
    """As a JPEG of at most 640 pixels, near to the frame, and 204 for who has it already."""
    shown = board()
    wide = grey(size=(1280, 720), level=150)
    shown.show(wide, None, 0.04)
    with serving(shown) as server:
        answer = ask(server, f"{PAGE}picture")
        number = answer.headers["x-picture"]
        assert answer.headers["content-type"] == "image/jpeg"
        again = ask(server, f"{PAGE}picture?after={number}")
    assert (again.status, again.body) == (204, b"")
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (360, 640, 3)
    dark, light = picture[20:160].mean(), picture[200:340].mean()
    assert light - dark > 80
    assert b"Exif" not in answer.body
    assert b"JFIF" in answer.body


@pytest.mark.parametrize(
    ("size", "small"),
    [((64, 48), (64, 48)), ((641, 31), (640, 31)), ((1080, 1920), (360, 640)), ((1, 1), (1, 1)),
     ((4000, 1), (640, 1))],
)  # fmt: skip
@pytest.mark.parametrize("form", list(PixelFormat))
def test_any_size_fits(size: tuple[int, int], small: tuple[int, int], form: PixelFormat) -> None:
    """Also planes that may not be written to, which stay as they are."""
    frame = grey(size=(64, 48))
    planes = tuple(np.full(shape, 120, np.uint8) for shape in plane_shapes(form, *size))
    for plane in planes:
        plane.flags.writeable = False
    frame = replace(frame, planes=planes, pixel_format=form, width=size[0], height=size[1])
    picture = cv2.imdecode(np.frombuffer(jpeg_of(frame), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1::-1] == small
    assert max(small) <= MOST_SIDE
    assert all((plane == 120).all() for plane in planes)


def test_a_raw_frame_is_refused_wherever_it_gets_in() -> None:
    """By the board, by the encoder, and, put past the board, by the server."""
    raw = RawFrame(grey().planes, PixelFormat.I420, 64, 48, Timestamp(0, grey().time.time_base))
    shown = board()
    with pytest.raises(UsageError):
        shown.show(raw, None)  # type: ignore[arg-type]
    with pytest.raises(FrameError):
        jpeg_of(raw)  # type: ignore[arg-type]
    shown._picture = raw  # type: ignore[assignment]
    with serving(shown) as server:
        answer = ask(server, f"{PAGE}picture")
        assert answer.status == 500
        assert b"JFIF" not in answer.body
        assert ask(server, f"{PAGE}state").status == 200


def test_pictures_are_made_once_for_all_and_not_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[VeiledFrame] = []

    def counted(frame: VeiledFrame) -> bytes:
        made.append(frame)
        return jpeg_of(frame)

    monkeypatch.setattr("homeveil.live.web.pictures.jpeg_of", counted)
    shown = Board()
    pictures = Pictures(shown, least_seconds=3600.0)
    assert pictures.latest() is None
    for number in range(30):
        shown.show(grey(number), None, 0.04)
    assert not made
    first = pictures.latest()
    shown.show(grey(), None, 0.04)
    assert all(pictures.latest() is first for _ in range(5))
    assert len(made) == 1
    often = Pictures(shown, least_seconds=0.0)
    numbers = []
    for number in range(4):
        shown.show(grey(number), None, 0.04)
        shot = often.latest()
        assert shot is not None
        assert often.latest() is shot
        numbers.append(shot.number)
    assert numbers == [1, 2, 3, 4]


def test_head_is_answered_without_a_body() -> None:
    with Chunks() as chunks, serving(board(), broadcast=chunks) as server:
        for path in ("/health", "/metrics", PAGE, "/stream.ts"):
            answer = ask(server, path, "HEAD")
            assert (answer.status, answer.body) == (200, b"")
        assert not chunks.clients


def test_words_in_the_page_are_the_table() -> None:
    """The script reads them from the page; they are data, and come out as they went in."""
    with serving(board()) as server:
        text = ask(server, f"{PAGE}?lang=es").body.decode()
    match = re.search(r'data-words="([^"]*)"', text)
    assert match is not None
    words = ask_words("es")
    del words["language"]
    assert json.loads(html.unescape(match[1])) == words


def test_what_only_prepares_is_no_place_unless_it_is_in_trouble() -> None:
    """The worker reads where the picture goes, not how it is made ready."""
    encoder = OutputStatus("encoder", True, place=False)
    board = Board()
    board.watch(lambda: [encoder, OutputStatus("recordings", True)], {})
    words = languages()["en"]
    assert [one["name"] for one in state_of(board, words)["outputs"]] == ["recordings"]
    encoder = OutputStatus("encoder", False, trouble="it failed", place=False)
    assert [one["name"] for one in state_of(board, words)["outputs"]] == ["encoder", "recordings"]
