"""MQTT against a real mosquitto that is not there, is killed, refuses, or is not who it says."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion

from desks import some_events
from homeveil.emit.events import PASSWORD, USERNAME
from homeveil.emit.events.delivery import Backoff, Delivery
from homeveil.emit.events.mqtt import Mqtt, MqttTarget
from homeveil.emit.events.places import open_place, read_place
from homeveil.emit.events.spool import Spool
from receivers import Broker, needs_mosquitto, numbers, old_broker, picky_broker, wait_until

pytestmark = needs_mosquitto

EVENTS = some_events(30)
QUICK = Backoff(first_seconds=0.02, most_seconds=0.1)
TOPIC = "site/desk"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(folder)
    made.start()
    yield made
    made.kill()


@contextmanager
def subscriber(broker: Broker) -> Iterator[list[bytes]]:
    """What a client with a lasting session (QoS 1) gets; it comes back by itself."""
    taken: list[bytes] = []
    there = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="watcher", clean_session=False)
    client.reconnect_delay_set(1, 1)
    client.on_message = lambda _c, _u, message: taken.append(message.payload)
    client.on_connect = lambda c, *_: c.subscribe(TOPIC, qos=1)
    client.on_subscribe = lambda *_: there.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert there.wait(20)
    try:
        yield taken
    finally:
        client.disconnect()
        client.loop_stop()


def delivery(broker: Broker, folder: Path, *, patience: float = 30.0) -> Delivery:
    target = MqttTarget("127.0.0.1", broker.port, TOPIC, False, timeout_seconds=3.0)
    spool = Spool(folder, "mqtt")
    return Delivery("mqtt", Mqtt(target), spool, backoff=QUICK, patience_seconds=patience)


def test_each_event_is_a_message(broker: Broker) -> None:
    """The place that a caller names gets each event as it is, in order."""
    with subscriber(broker) as taken:
        with open_place(read_place(f"mqtt://127.0.0.1:{broker.port}/{TOPIC}")) as made:
            for event in EVENTS:
                made.put(event)
        wait_until(lambda: len(taken) >= 30)
    assert taken == [event.line for event in EVENTS]


def test_a_broker_killed_in_mid_run_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """SIGKILL after ten events, ten more put while it is down, started again, and once more:
    all arrive in order, once by their id."""
    with subscriber(broker) as taken, delivery(broker, tmp_path / "spool") as made:
        for event in EVENTS[:10]:
            made.put(event)
        wait_until(lambda: len(taken) >= 10)
        broker.kill()
        for event in EVENTS[10:20]:
            made.put(event)
        wait_until(lambda: made.tally.failures >= 2)
        assert made.tally.delivered == 10
        broker.start()
        wait_until(lambda: len(set(taken)) >= 20, 60)
        broker.kill()
        broker.start()
        for event in EVENTS[20:]:
            made.put(event)
        wait_until(lambda: len(set(taken)) >= 30, 60)
    assert numbers(taken) == list(range(1, 31))
    assert (made.tally.delivered, made.tally.waiting, made.tally.dropped) == (30, 0, 0)


def test_a_broker_that_stops_answering_has_taken_nothing(broker: Broker, tmp_path: Path) -> None:
    """Connected, but stopped (SIGSTOP): without an acknowledgement an event does not count as
    taken; once the broker goes on, all arrive."""
    with subscriber(broker) as taken, delivery(broker, tmp_path / "spool") as made:
        made.put(EVENTS[0])
        wait_until(lambda: len(taken) >= 1)
        broker.send_signal(signal.SIGSTOP)
        try:
            for event in EVENTS[1:4]:
                made.put(event)
            wait_until(lambda: made.tally.failures >= 1, 60)
            assert made.tally.delivered == 1
        finally:
            broker.send_signal(signal.SIGCONT)
        wait_until(lambda: len(set(taken)) >= 4, 60)
    assert numbers(taken) == [1, 2, 3, 4]


def test_no_broker_at_all_keeps_events_for_the_next_run(broker: Broker, tmp_path: Path) -> None:
    """Nobody listens during a whole run: the next run with a broker brings all of them."""
    with subscriber(broker):
        pass  # the lasting session is known to the broker now
    broker.kill()
    with delivery(broker, tmp_path / "spool", patience=0.3) as made:
        for event in EVENTS[:5]:
            made.put(event)
    assert (made.tally.delivered, made.tally.waiting) == (0, 5)
    broker.start()
    with subscriber(broker) as taken:
        with delivery(broker, tmp_path / "spool") as made:
            made.put(EVENTS[5])
        wait_until(lambda: len(taken) >= 6)
    assert numbers(taken) == [1, 2, 3, 4, 5, 6]


def test_what_the_brokers_rules_refuse_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic that may not be written to: the broker acknowledges and says so; the events are
    kept, and all arrive once the rules allow it."""
    folder = tmp_path / "broker"
    folder.mkdir()
    rules = folder / "rules"
    rules.write_text("topic read #\n")
    rules.chmod(0o600)
    broker = Broker(folder, f"acl_file {rules}")
    broker.start()
    try:
        with subscriber(broker) as taken:
            with delivery(broker, tmp_path / "spool") as made:
                for event in EVENTS[:5]:
                    made.put(event)
                wait_until(lambda: made.tally.failures >= 2)
                assert (made.tally.delivered, made.tally.waiting) == (0, 5)
                rules.write_text("topic readwrite #\n")
                broker.send_signal(signal.SIGHUP)
            wait_until(lambda: len(set(taken)) >= 5)
        assert numbers(taken) == [1, 2, 3, 4, 5]
        assert (made.tally.delivered, made.tally.dropped) == (5, 0)
        assert "the broker refuses: Not authorized" in caplog.text
    finally:
        broker.kill()


def test_a_broker_of_the_older_version_is_spoken_to_in_it(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that knows MQTT 3.1.1 alone gets the events in that, and the log says once what it
    cannot say."""
    with subscriber(broker) as taken, old_broker(broker) as port:
        target = MqttTarget("127.0.0.1", port, TOPIC, False, timeout_seconds=3.0)
        spool = Spool(tmp_path / "spool", "mqtt")
        with Delivery("m", Mqtt(target), spool, backoff=QUICK, patience_seconds=30.0) as made:
            for event in EVENTS[:5]:
                made.put(event)
        wait_until(lambda: len(taken) >= 5)
    assert numbers(taken) == [1, 2, 3, 4, 5]
    assert (made.tally.delivered, made.tally.failures) == (5, 0)
    assert caplog.text.count("knows no MQTT 5") == 1


def test_who_listens_without_speaking_mqtt_is_a_failure(tmp_path: Path) -> None:
    """A port that accepts and says nothing: given up after the time-out, the event kept."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        target = MqttTarget("127.0.0.1", server.getsockname()[1], TOPIC, False, timeout_seconds=0.3)
        spool = Spool(tmp_path, "mqtt")
        with Delivery("m", Mqtt(target), spool, backoff=QUICK, patience_seconds=1.0) as made:
            made.put(EVENTS[0])
        assert made.tally.failures >= 1
        assert made.tally.waiting == 1


def test_password_from_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broker that asks for a password takes events with the right one, and none without."""
    folder = tmp_path / "broker"
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch(0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "desk", "right one"],
        check=True, capture_output=True,
    )  # fmt: skip
    broker = Broker(folder, f"password_file {passwords}\nallow_anonymous false")
    broker.start()
    place = read_place(f"mqtt://127.0.0.1:{broker.port}/{TOPIC}")
    try:
        for password, delivered in (("wrong", 0), ("right one", 2)):
            environment = {USERNAME: "desk", PASSWORD: password}
            patience = 20.0 if delivered else 0.5
            with open_place(place, environment=environment, patience_seconds=patience) as made:
                made.put(EVENTS[0])
            assert made.tally.delivered == delivered
        assert "Not authorized" in caplog.text
        assert "wrong" not in caplog.text
    finally:
        broker.kill()


@pytest.mark.parametrize(("reason", "alone"), [(0x99, True), (0x87, False), (0x97, False)])
def test_an_event_that_is_refused_for_what_it_is_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reason: int, alone: bool
) -> None:
    """Its payload is none: it is counted and the next go on. We may not, or not now: all wait."""
    with picky_broker(reason, b'"0000000002"') as (port, taken):
        target = MqttTarget("127.0.0.1", port, TOPIC, False, timeout_seconds=3.0)
        spool = Spool(tmp_path, "mqtt")
        with Delivery(
            "mqtt", Mqtt(target), spool, backoff=QUICK, patience_seconds=20.0 if alone else 0.5
        ) as made:
            for event in EVENTS[:4]:
                made.put(event)
    assert numbers(taken) == ([1, 3, 4] if alone else [1])
    assert (made.tally.refused, made.tally.waiting) == ((1, 0) if alone else (0, 3))
    assert ("an event is refused" in caplog.text) == alone


@pytest.mark.parametrize("case", ["trusted", "unknown authority", "other name"])
def test_the_certificate_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """mqtts goes to a broker with a certificate of its own name from a known authority only."""
    folder = tmp_path / "broker"
    folder.mkdir()
    known, unknown = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    authority = unknown if case == "unknown authority" else known
    server = authority.issue_cert("other.example" if case == "other name" else "localhost")
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    broker = Broker(folder, f"certfile {folder}/cert.pem\nkeyfile {folder}/key.pem")
    broker.start()
    trusted = case == "trusted"
    try:
        place = read_place(f"mqtts://localhost:{broker.port}/{TOPIC}")
        with open_place(place, patience_seconds=20.0 if trusted else 0.5) as made:
            made.put(EVENTS[0])
        assert (made.tally.delivered, made.tally.waiting) == ((1, 0) if trusted else (0, 1))
    finally:
        broker.kill()
    assert ("certificate is not trusted" in caplog.text) == (not trusted)
