"""Webhooks that refuse, fail, hang, reset, come late or are not who they say: a real server on
loopback. Nothing is lost, the order holds, and no frame waits."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from desks import item, some_events
from homeveil.desk.events import MEDIA_TYPE, Event
from homeveil.desk.findings import Change
from homeveil.desk_events import DeskEvents
from homeveil.emit.events import TOKEN
from homeveil.emit.events.carrier import NotDelivered
from homeveil.emit.events.delivery import Backoff, Delivery
from homeveil.emit.events.places import open_place, read_place
from homeveil.emit.events.spool import Spool
from homeveil.emit.events.webhook import Webhook, WebhookTarget
from homeveil.errors import EventError, UsageError
from homeveil.fakes import ScriptedDesk
from ledgers import veiled
from receivers import Fault, answer, for_first, free_port, numbers, reset, wait_until, webhook

EVENTS = some_events(12)
ALL = list(range(1, 13))
QUICK = Backoff(first_seconds=0.02, most_seconds=0.1)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def delivery(
    url: str, folder: Path | None, *, patience: float = 20.0, most: int = 100
) -> Iterator[Delivery]:
    carrier = Webhook(WebhookTarget(url, connect_seconds=0.3, answer_seconds=0.3))
    spool = Spool(folder, "hook", most)
    with Delivery("hook", carrier, spool, backoff=QUICK, patience_seconds=patience) as made:
        yield made


def hang(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
    """Says nothing for longer than anybody waits."""
    time.sleep(0.6)
    handler.close_connection = True
    return True


def drip(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
    """Takes the event, but answers with half a status line."""
    handler.wfile.write(b"HTTP/1.1 2")
    handler.close_connection = True
    return True


def drip_on(handler: http.server.BaseHTTPRequestHandler) -> bool:
    """A byte at a time for as long as anybody listens."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.05)
    return True


def drip_head(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
    """A good status, and a head that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    return drip_on(handler)


def every_other(fault: Fault) -> Fault:
    return lambda handler, number: number % 2 == 0 and fault(handler, number)


@pytest.mark.parametrize(
    "fault",
    [
        for_first(3, answer(500)), for_first(3, answer(503, Retry_After="0")),
        for_first(3, answer(401)), for_first(2, answer(302, Location="/elsewhere")),
        for_first(3, reset), for_first(2, hang), for_first(3, drip), for_first(2, drip_head),
        every_other(reset), every_other(answer(500)),
    ],
    ids=["500", "503", "401", "302", "reset", "hang", "drip", "endless-head",
         "every-other-reset", "every-other"],
)  # fmt: skip
def test_faults_lose_nothing_and_keep_the_order(tmp_path: Path, fault: Fault) -> None:
    """Whatever goes wrong at first, each event arrives, in order, once by its id."""
    with webhook(fault) as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS:
                hook.put(event)
        assert numbers(received.taken) == ALL
        assert hook.tally.delivered == 12
        assert hook.tally.failures >= 2
        assert (hook.tally.waiting, hook.tally.dropped) == (0, 0)


def refuse(status: int, wanted: bytes, **headers: str) -> Fault:
    """Answers so to whatever holds ``wanted``, and takes the rest."""
    refusal = answer(status, **headers)

    def fault(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        return wanted in handler.body and refusal(handler, number)  # type: ignore[attr-defined]

    return fault


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_an_event_that_is_refused_for_what_it_is_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Nine of twelve are refused: they are counted, asked about once and never again, also not by
    the next run; the others arrive in order. The log says so once, and not what they hold."""
    with webhook(refuse(status, b'"sequence":"000000000')) as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS:
                hook.put(event)
        assert numbers(received.taken) == ALL[9:]
        assert received.requests == 12
        tally = hook.tally
        assert (tally.delivered, tally.refused, tally.waiting, tally.dropped) == (3, 9, 0, 0)
        assert tally.failures == 0
        with delivery(received.url, tmp_path):
            pass
        assert received.requests == 12
    assert [record.getMessage() for record in caplog.records] == [
        f"hook: an event is refused (answered {status}) and not told there again; those after it "
        "go on"
    ]


@pytest.mark.parametrize("status", [401, 403, 404, 408, 425, 429, 500, 503])
def test_what_is_about_the_place_holds_all_that_waits(tmp_path: Path, status: int) -> None:
    """A place that knows nobody, is not there or is busy: nothing passes, nothing is lost."""
    with webhook(answer(status)) as received:
        with delivery(received.url, tmp_path, patience=0.3) as hook:
            for event in EVENTS[:2]:
                hook.put(event)
        assert received.requests >= 2
        assert (hook.tally.waiting, hook.tally.refused, hook.tally.dropped) == (2, 0, 0)


def test_a_refusal_that_says_when_to_come_back_is_none(tmp_path: Path) -> None:
    """As a receiver does that has no room just now (RFC 9110, 15.5.14)."""
    with webhook(for_first(2, answer(413, Retry_After="0"))) as received:
        with delivery(received.url, tmp_path) as hook:
            hook.put(EVENTS[0])
        assert received.taken == [EVENTS[0].line]
    assert (hook.tally.delivered, hook.tally.refused, hook.tally.failures) == (1, 0, 2)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7), ("1000000", 60, 1e6), ("", 20, 31),
        ("9" * 400, 60, float("inf")), ("Sun, 06 Nov 1994 08:49:37 GMT", -float("inf"), 0),
    ],
    ids=["seconds", "many", "in-half-a-minute", "beyond-numbers", "past"],
)  # fmt: skip
def test_when_to_come_back_is_read_in_both_its_forms(text: str, least: float, most: float) -> None:
    """Seconds, however many, or a date (RFC 9110, 10.2.3)."""
    text = text or email.utils.formatdate(time.time() + 30)
    with webhook(answer(503, Retry_After=text)) as received:
        hook = Webhook(WebhookTarget(received.url))
        with pytest.raises(NotDelivered) as caught:
            hook.send(EVENTS[0])
        hook.close()
    assert caught.value.wait_seconds is not None
    assert least <= caught.value.wait_seconds <= most


@pytest.mark.parametrize("text", ["", "soon", "-1", "Sun, 99 Nov 1994 08:49:37 GMT", "1.5"])
def test_when_to_come_back_is_not_made_up(text: str) -> None:
    """What cannot be read is left to the backoff."""
    with webhook(answer(503, Retry_After=text)) as received:
        hook = Webhook(WebhookTarget(received.url))
        with pytest.raises(NotDelivered) as caught:
            hook.send(EVENTS[0])
        hook.close()
    assert Backoff().wait(1, caught.value.wait_seconds) <= 0.5


@pytest.mark.parametrize("length", [None, "60000"], ids=["chunks", "length"])
def test_a_good_status_counts_whatever_follows_it(tmp_path: Path, length: str | None) -> None:
    """A body that drips for ever: the event is taken with the head of the answer, once, and the
    next one is not held up."""

    def drip_body(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        handler.send_response(200)
        if length is None:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(b"ffff\r\n" if length is None else b"")
        return drip_on(handler)

    with webhook(drip_body) as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS[:3]:
                hook.put(event)
        assert received.requests == 3
    assert (hook.tally.delivered, hook.tally.waiting, hook.tally.failures) == (3, 0, 0)


def test_an_answer_that_is_yet_to_come_is_waited_for(tmp_path: Path) -> None:
    """Early hints, or a word that it is being worked on (RFC 9110, 15.2): the answer follows."""

    def hint(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        time.sleep(0.02)
        handler.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        return number == 1 and answer(503)(handler, number)

    with webhook(hint) as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS:
                hook.put(event)
        assert [event.line for event in EVENTS] == received.taken
    assert (hook.tally.delivered, hook.tally.failures) == (12, 1)


def test_a_connection_serves_again(tmp_path: Path) -> None:
    """One connection for all events, whether an answer has a body or not."""
    ports = set()

    def note(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        ports.add(handler.client_address)
        body = b"{}" * (number % 2)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    with webhook(note) as received, delivery(received.url, tmp_path) as hook:
        for event in EVENTS:
            hook.put(event)
    assert hook.tally.delivered == 12
    assert len(ports) == 1


def test_what_was_taken_without_saying_so_comes_again_with_its_id(tmp_path: Path) -> None:
    """An answer that gets lost: the event is sent again, unchanged; by id it is one."""
    taken: list[bytes] = []

    def forget(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        if number != 1:
            return False
        received.taken.append(EVENTS[1].line)
        return reset(handler, number)

    with webhook(forget) as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS:
                hook.put(event)
        taken = received.taken
    assert len(taken) == 13
    assert taken[1] == taken[2]
    assert numbers(taken) == ALL


def test_nobody_listens_until_later(tmp_path: Path) -> None:
    """Connections refused at first; once somebody listens, all arrive."""
    port = free_port()
    with delivery(f"http://localhost:{port}/desk", tmp_path) as hook:
        for event in EVENTS:
            hook.put(event)
        wait_until(lambda: hook.tally.failures >= 3)
        with webhook(port=port) as received:
            wait_until(lambda: hook.tally.delivered == 12)
    assert numbers(received.taken) == ALL


def test_a_place_that_hangs_delays_nobody(tmp_path: Path) -> None:
    """While the webhook holds the first event fast, all others are taken at once: `put` comes
    back although no answer has come at all."""
    let_go = threading.Event()

    def hold(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        let_go.wait(15)
        let_go.set()
        return False

    carrier_patience = 30.0
    with webhook(hold) as received:
        carrier = Webhook(WebhookTarget(received.url, answer_seconds=carrier_patience))
        with Delivery("hook", carrier, Spool(tmp_path, "hook"), backoff=QUICK) as hook:
            for event in EVENTS:
                hook.put(event)
            # Here all twelve were put; had one waited for an answer, we would not be here.
            wait_until(lambda: received.requests == 1)
            assert hook.tally.delivered == 0
            assert received.taken == []
            let_go.set()
        assert numbers(received.taken) == ALL


def test_closing_is_bounded_and_what_waits_is_kept(tmp_path: Path) -> None:
    """A webhook that never takes anything: close gives up, the events wait on disk, and the
    next delivery brings them before new ones."""
    with webhook(answer(500)) as received:
        with delivery(received.url, tmp_path, patience=0.3) as hook:
            for event in EVENTS[:5]:
                hook.put(event)
        assert (hook.tally.delivered, hook.tally.waiting, hook.tally.dropped) == (0, 5, 0)
    with webhook() as received:
        with delivery(received.url, tmp_path) as hook:
            for event in EVENTS[5:]:
                hook.put(event)
        assert numbers(received.taken) == ALL
        assert hook.tally.waiting == 0


def test_a_hanging_place_does_not_hold_the_end_up(tmp_path: Path) -> None:
    """Closing in the middle of a request that hangs ends too, and the event is kept."""
    let_go = threading.Event()

    def hold(handler: http.server.BaseHTTPRequestHandler, number: int) -> bool:
        let_go.wait(60)
        return reset(handler, number)

    with webhook(hold) as received:
        carrier = Webhook(WebhookTarget(received.url, answer_seconds=60.0))
        hook = Delivery("hook", carrier, Spool(tmp_path, "hook"), patience_seconds=0.2)
        hook.put(EVENTS[0])
        wait_until(lambda: received.requests == 1)
        hook.close()
        assert not let_go.is_set()
        assert hook.tally.waiting == 1
        let_go.set()
        # The thread that was left to itself ends then, and lets go of the spool.
        wait_until(lambda: not any(t.name == "homeveil events" for t in threading.enumerate()))


def three_places_without_anybody(patience: float) -> DeskEvents:
    """Something was told to three webhooks at which nobody listens."""
    desk = ScriptedDesk({0.0: [item(Change.APPEARED)]})
    places = [f"http://localhost:{free_port()}/desk" for _ in range(3)]
    events = DeskEvents(places, watcher=desk, patience_seconds=patience)
    events.take(veiled(0.0))
    return events


def test_several_places_that_are_down_are_waited_for_at_once() -> None:
    """The end of a run waits as long for three of them as for one."""
    events = three_places_without_anybody(2.0)
    began = time.monotonic()
    events.close()
    assert 1.9 < time.monotonic() - began < 5.0
    assert [place.waiting for place in events.tally.places] == [1, 1, 1]


def test_a_place_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    """Though something waits since the last run for one that is down: nobody waits ten seconds
    to learn that the other name is wrong."""
    url = f"http://localhost:{free_port()}/desk"
    for last in (False, True):
        began = time.monotonic()
        with pytest.raises(EventError, match="nowhere"), DeskEvents([url, "/nowhere/e.jsonl"]):
            pass
        assert time.monotonic() - began < 5.0
        if not last:
            with open_place(read_place(url), patience_seconds=0.1) as made:
                made.put(EVENTS[0])


def test_a_run_that_was_interrupted_does_not_wait_for_a_place_that_is_down() -> None:
    """Ctrl-C in mid-run is the wish to end: events wait for the next run, nobody for them."""
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), three_places_without_anybody(15.0) as events:
        raise KeyboardInterrupt
    assert time.monotonic() - began < 8.0
    assert [place.waiting for place in events.tally.places] == [1, 1, 1]


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell that runs the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_one_interrupt_ends_the_wait_for_every_place() -> None:
    """Ctrl-C while three places are waited for: none of them is waited for any longer."""
    events = three_places_without_anybody(15.0)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        events.close()
    assert time.monotonic() - began < 10.0
    assert [place.waiting for place in events.tally.places] == [1, 1, 1]


def test_beyond_the_bound_events_are_dropped_and_counted(tmp_path: Path) -> None:
    """The first ones within the bound arrive, those beyond are counted."""
    with webhook(for_first(1, hang)) as received:
        with delivery(received.url, tmp_path, most=4) as hook:
            for event in EVENTS:
                hook.put(event)
        assert numbers(received.taken)[:4] == ALL[:4]
        assert hook.tally.delivered == len(received.taken)
        assert hook.tally.dropped == 12 - hook.tally.delivered > 0


def test_without_a_disk_what_was_not_delivered_counts_as_dropped() -> None:
    """A spool in memory ends with the process: nothing waits, it is lost, and said so."""
    with delivery(f"http://localhost:{free_port()}/", None, patience=0.1) as hook:
        hook.put(EVENTS[0])
    assert (hook.tally.waiting, hook.tally.dropped) == (0, 1)


def test_only_events_pass(tmp_path: Path) -> None:
    """A line, a document or anything else that was not checked is refused."""
    with delivery("http://localhost:1/", tmp_path, patience=0.0) as hook:
        for thing in (EVENTS[0].line, EVENTS[0].document, "a child", None):
            with pytest.raises(UsageError):
                hook.put(thing)  # type: ignore[arg-type]
        assert hook.tally.waiting == 0


def test_what_a_request_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event as it is, its media type, the token from the environment; nothing that names
    this machine or its software beyond `homeveil`."""
    monkeypatch.setenv(TOKEN, "s3cret")
    with webhook() as received:
        with open_place(read_place(received.url)) as hook:
            hook.put(EVENTS[0])
        assert received.taken == [EVENTS[0].line]
        headers = received.headers[0]
        assert headers.pop("Host").startswith("localhost:")
        assert headers == {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": "homeveil",
            "Authorization": "Bearer s3cret",
            "Content-Length": str(len(EVENTS[0].line)),
            "Accept-Encoding": "identity",
        }


def test_no_redirection_is_followed(tmp_path: Path) -> None:
    """A webhook that sends us elsewhere gets nothing sent there."""
    with webhook() as elsewhere, webhook(answer(307, Location=elsewhere.url)) as received:
        with delivery(received.url, tmp_path, patience=0.3) as hook:
            hook.put(EVENTS[0])
        assert received.requests >= 1
        assert elsewhere.requests == 0
        assert hook.tally.waiting == 1


def tls_server(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("case", ["trusted", "unknown authority", "other name"])
def test_the_certificate_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Events go to a host with a certificate of its own name from a known authority, and to no
    other."""
    known, unknown = trustme.CA(), trustme.CA()
    authorities = tmp_path / "ca.pem"
    known.cert_pem.write_to_path(str(authorities))
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    authority = unknown if case == "unknown authority" else known
    context = tls_server(authority, "other.example" if case == "other name" else "localhost")
    trusted = case == "trusted"
    with webhook(tls=context) as received:
        with delivery(received.url, tmp_path, patience=20.0 if trusted else 0.5) as hook:
            hook.put(EVENTS[0])
        assert received.taken == ([EVENTS[0].line] if trusted else [])
        assert hook.tally.waiting == (0 if trusted else 1)
    assert ("certificate is not trusted" in caplog.text) == (not trusted)


def test_a_failing_log_names_neither_event_nor_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is logged of a failure holds no path, no token and nothing of the event."""
    with webhook(answer(500)) as received:
        url = received.url + "/T0KEN?key=s3cret"
        with open_place(read_place(url), patience_seconds=0.2) as hook:
            hook.put(EVENTS[0])
    assert "answered 500" in caplog.text
    for word in ("T0KEN", "s3cret", "phone", EVENTS[0].id):
        assert word not in caplog.text


def test_the_backoff_grows_is_bounded_and_heeds_the_place() -> None:
    """Doubled each time between half and whole, up to the bound; a longer wait that the place
    asks for is kept, within the bound."""
    backoff = Backoff(1.0, 8.0)
    for failures, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (50, 8.0)):
        waits = {backoff.wait(failures) for _ in range(200)}
        assert most / 2 <= min(waits) < max(waits) <= most
        assert len(waits) > 100
    assert backoff.wait(1, asked=5.0) == 5.0
    assert backoff.wait(1, asked=10_000.0) == 8.0


def test_a_carrier_with_a_fault_of_its_own_is_tried_again(tmp_path: Path) -> None:
    """An exception that nobody thought of is a failure like any other."""

    class Broken:
        calls = 0

        def send(self, event: Event) -> None:
            self.calls += 1
            if self.calls < 3:
                raise ZeroDivisionError("a child")

        def close(self) -> None:
            pass

    with Delivery("x", Broken(), Spool(tmp_path, "x"), backoff=QUICK) as made:
        made.put(EVENTS[0])
    assert (made.tally.delivered, made.tally.failures) == (1, 2)
