"""What a caller asks for, read: ``-``, a file name, or a URL of a webhook or a broker.

    events.jsonl      a file, appended to, as JSON Lines
    -                 standard output, as JSON Lines
    https://host/path a webhook             (http:// only to this machine)
    mqtts://host/topic an MQTT broker       (mqtt:// only to this machine)

Secrets come from the environment, never from a URL, which other users of the machine can read
in the list of processes: ``HOMEVEIL_EVENTS_TOKEN`` for webhooks, ``HOMEVEIL_MQTT_USERNAME``
and ``HOMEVEIL_MQTT_PASSWORD`` for brokers.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote

from homeveil.addresses import name_of, read_address, shown
from homeveil.emit.events import PASSWORD, TOKEN, USERNAME
from homeveil.emit.events.carrier import Carrier
from homeveil.emit.events.delivery import Delivery
from homeveil.emit.events.spool import Spool
from homeveil.errors import EventError, UsageError
from homeveil.installation import state_folder

STANDARD_OUTPUT = "-"
_SCHEMES = {"https": 443, "http": 80, "mqtts": 8883, "mqtt": 1883}
_SECURE = {"http": "https", "mqtt": "mqtts"}
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_MOST_TOPIC_BYTES = 512


@dataclass(frozen=True, slots=True)
class Place:
    """One place. text: as the caller gave it, a file's as an absolute name. url: parts of a
    URL, or None for a file and standard output."""

    text: str
    url: SplitResult | None = None

    @property
    def file(self) -> Path | None:
        """Where it is, if it is a file."""
        is_file = self.url is None and self.text != STANDARD_OUTPUT
        return Path(self.text) if is_file else None

    @property
    def label(self) -> str:
        """Its name in messages: of a URL no more than the host, for the rest may be a secret."""
        if self.url is None:
            return "standard output" if self.text == STANDARD_OUTPUT else self.text
        return name_of(self.url)

    @property
    def spool_name(self) -> str:
        """Tells places apart in the spool's folder without naming them."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def read_place(text: str | Path) -> Place:
    """The place that a caller asks for. Raises EventError, and UsageError for what is no text."""
    if isinstance(text, Path):
        return _file(text)
    if not isinstance(text, str):
        raise UsageError(
            f"desk events cannot go to {text!r}; give the name of a file, -, a URL, or an object "
            "with put(event)"
        )
    if text == STANDARD_OUTPUT:
        return Place(text)
    if "://" not in text:
        return _file(Path(text))
    try:
        url = read_address(text)
    except ValueError as error:
        raise EventError(f"events cannot go to {shown(text)}: it is no URL; {error}") from None
    if url.scheme not in _SCHEMES:
        raise EventError(
            f"events cannot go to {shown(text)}: give https://, mqtts://, a file name or -"
        )
    if url.username is not None or url.password is not None:
        raise EventError(
            f"{shown(text)}: no user or password in a URL, where others can read "
            f"it; set {TOKEN}, or {USERNAME} and {PASSWORD}"
        )
    if not url.hostname or url.port == 0 or not _VISIBLE.fullmatch(text):
        raise EventError(f"events cannot go to {shown(text)}: it names no host, or has blanks")
    if url.fragment:
        raise EventError(f"events cannot go to {shown(text)}: leave out what follows '#'")
    if url.scheme in _SECURE and not _is_here(url.hostname):
        raise EventError(
            f"events to {url.hostname} would not be encrypted: give "
            f"{_SECURE[url.scheme]}:// (without it only to this machine)"
        )
    if url.scheme.startswith("mqtt"):
        _topic(url)
    return Place(text, url)


def check_apart(places: Sequence[Place]) -> None:
    """Raise UsageError if two are one place: one file may have several names."""
    apart = {os.path.realpath(one.file) if one.file else one.text for one in places}
    if len(apart) != len(places):
        raise UsageError("desk events are to go to one place twice; name each once")


def open_place(
    place: Place,
    *,
    environment: Mapping[str, str] | None = None,
    patience_seconds: float = 10.0,
) -> Delivery:
    """Begin to deliver to a place, what still waits for it first. Raises EventError."""
    environment = os.environ if environment is None else environment
    carrier = _carrier(place, environment)
    folder = None if place.text == STANDARD_OUTPUT else spool_folder()
    try:
        spool = Spool(folder, place.spool_name)
    except BaseException:
        carrier.close()
        raise
    return Delivery(place.label, carrier, spool, patience_seconds=patience_seconds)


def spool_folder() -> Path:
    """Where events wait."""
    return state_folder() / "events"


def _file(path: Path) -> Place:
    if not path.name or "\0" in path.name:
        raise EventError("events need the name of a file, a URL or -")
    return Place(str(path.absolute()))


def _carrier(place: Place, environment: Mapping[str, str]) -> Carrier:
    url = place.url
    if url is None:
        from homeveil.emit.events.lines import LinesFile, LinesOut

        return LinesOut() if place.text == STANDARD_OUTPUT else LinesFile(Path(place.text))
    host = url.hostname or ""
    if url.scheme.startswith("http"):
        from homeveil.emit.events.webhook import Webhook, WebhookTarget

        return Webhook(WebhookTarget(place.text, _secret(environment, TOKEN)))
    try:
        from homeveil.emit.events.mqtt import Mqtt, MqttTarget
    except ModuleNotFoundError as error:
        raise EventError(f"{place.label}: MQTT needs paho-mqtt; install homeveil[mqtt]") from error
    return Mqtt(
        MqttTarget(
            host,
            url.port or _SCHEMES[url.scheme],
            _topic(url),
            url.scheme == "mqtts",
            _secret(environment, USERNAME),
            _secret(environment, PASSWORD),
        )
    )


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name)
    if not value:
        return None
    if not (_VISIBLE.fullmatch(value) if name == TOKEN else value.isprintable()):
        raise EventError(f"{name}: holds signs that cannot be sent; set it anew")
    return value


def _topic(url: SplitResult) -> str:
    topic = unquote(url.path.removeprefix("/"))
    if url.query or not topic or len(topic.encode()) > _MOST_TOPIC_BYTES:
        raise EventError(
            f"{url.scheme}://{url.hostname}: needs a topic, as in mqtts://host/desk/events"
        )
    if any(sign in topic for sign in "+#\0") or topic.startswith("$"):
        raise EventError(f"{url.scheme}://{url.hostname}: a topic holds no '+' or '#'")
    return topic


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
