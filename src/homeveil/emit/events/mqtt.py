"""Events to an MQTT broker (5), QoS 1, each a message of one topic.

An event counts as taken when the broker has acknowledged it and does not say that it was refused.
A refusal for what it holds is about that event alone; any other is about us, and tried again. In
MQTT 3.1.1 an acknowledgement cannot refuse, so that version is spoken only to a broker that knows
no other. After any trouble a fresh connection is made, so that the order is ours alone to keep.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from homeveil.desk.events import Event
from homeveil.emit.events.carrier import NotDelivered, Refused

_log = logging.getLogger("homeveil")

_KEEP_ALIVE_SECONDS = 30
_NO_SUCH_VERSION, _NO_SUCH_CONTENT = 0x84, 0x99


@dataclass(frozen=True, slots=True)
class MqttTarget:
    """host, port, topic: where. tls: whether the connection is encrypted and verified."""

    host: str
    port: int
    topic: str
    tls: bool
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    timeout_seconds: float = 10.0


class Mqtt:
    """Publishes one event after the other."""

    def __init__(self, target: MqttTarget) -> None:
        self._target = target
        self._client: Client | None = None
        self._version = MQTTProtocolVersion.MQTTv5
        self._refused: ReasonCode | None = None

    def send(self, event: Event) -> None:
        """Publish one event and wait for the broker's acknowledgement."""
        try:
            client = self._client = self._client or self._connect()
            self._refused = None
            sent: MQTTMessageInfo = client.publish(self._target.topic, event.line, qos=1)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise NotDelivered("the connection is gone")
            sent.wait_for_publish(self._target.timeout_seconds)
            if not sent.is_published():
                raise NotDelivered("the broker does not acknowledge")
            if self._refused is not None and self._refused.value == _NO_SUCH_CONTENT:
                raise Refused(f"the broker refuses: {self._refused}")
            if self._refused is not None:
                raise NotDelivered(f"the broker refuses: {self._refused}")
        except NotDelivered:
            self._disconnect()
            raise
        except (OSError, ValueError, RuntimeError) as error:
            self._disconnect()
            raise NotDelivered(_in_words(error)) from error

    def _connect(self) -> Client:
        target = self._target
        # No client id of ours: the broker makes one up, and nothing is kept there about us.
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="",
            protocol=self._version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = target.timeout_seconds
        if target.username is not None:
            client.username_pw_set(target.username, target.password)
        if target.tls:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            client.tls_set_context(context)
        answered = threading.Event()
        refused: list[Any] = []

        def on_connect(*told: Any) -> None:
            code = told[3]
            if code.is_failure:
                refused.append(code)
            answered.set()

        def on_publish(*told: Any) -> None:
            # Called before the message counts as published; there is one at a time.
            code = told[3]
            if code.is_failure:
                self._refused = code

        client.on_connect = on_connect
        client.on_publish = on_publish
        client.connect(target.host, target.port, keepalive=_KEEP_ALIVE_SECONDS)
        client.loop_start()
        if not answered.wait(target.timeout_seconds) or refused:
            _stop(client)
            if refused and refused[0].value == _NO_SUCH_VERSION and self._speaks_an_older_one():
                return self._connect()
            raise NotDelivered(
                f"the broker refuses: {refused[0]}" if refused else "the broker does not answer"
            )
        return client

    def _speaks_an_older_one(self) -> bool:
        """Fall back to MQTT 3.1.1 from now on; whether that is another try."""
        if self._version is MQTTProtocolVersion.MQTTv311:
            return False
        self._version = MQTTProtocolVersion.MQTTv311
        _log.warning(
            "%s: the broker knows no MQTT 5, so 3.1.1 is spoken: what it refuses, such as by its "
            "access rules, counts as taken",
            self._target.host,
        )
        return True

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            _stop(client)

    def close(self) -> None:
        self._disconnect()


def _stop(client: Client) -> None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        client.disconnect()
    client.loop_stop()


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return getattr(error, "strerror", None) or type(error).__name__
