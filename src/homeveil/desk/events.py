"""One desk event: a CloudEvent (1.0) in structured mode that fits a closed schema.

An :class:`Event` can be had only through a check against ``event.schema.json``, in the one
form (canonical JSON) that leaves room for nothing else: no order of keys, no spaces, no other
way to write a number. What it holds is in ``docs/events.md``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, NoReturn, Self

from homeveil.desk.findings import Change
from homeveil.errors import EventError

MEDIA_TYPE = "application/cloudevents+json"
MOST_BYTES = 1024
"""No event is longer."""

TYPES = {
    Change.APPEARED: "dev.homeveil.desk.item.appeared",
    Change.CLEARED: "dev.homeveil.desk.item.cleared",
    Change.CLEAN: "dev.homeveil.desk.zone.clean",
}
_BANDS = ((0.85, "high"), (0.6, "medium"), (0.0, "low"))


@dataclass(frozen=True, slots=True)
class Event:
    """line: canonical JSON, without a line end. It is checked when the event is made.

    Raises EventError, which never quotes what it refuses.
    """

    line: bytes

    def __post_init__(self) -> None:
        if type(self.line) is not bytes or len(self.line) > MOST_BYTES:
            raise EventError("this is no desk event; it was not told")
        try:
            document = json.loads(
                self.line, parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_unique
            )
            validator()(document)
        except (ValueError, RecursionError) as error:
            raise EventError("a desk event does not fit its schema; it was not told") from error
        if canonical(document) != self.line:
            raise EventError("a desk event is not in its one form; it was not told")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """The event that a JSON object describes."""
        try:
            return cls(canonical(document))
        except (TypeError, ValueError, RecursionError) as error:
            raise EventError("a desk event is no JSON; it was not told") from error

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object."""
        document: dict[str, Any] = json.loads(self.line)
        return document

    @property
    def id(self) -> str:
        """What receivers tell repetitions by."""
        found: str = self.document["id"]
        return found


def canonical(document: object) -> bytes:
    """The one form in which an event is written."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 7) of every event."""
    text = resources.files("homeveil.desk").joinpath("event.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def band(confidence: float) -> str:
    """``low``, ``medium`` or ``high``, of 0..1."""
    return next(word for least, word in _BANDS if confidence >= least)


@functools.cache
def validator() -> Callable[[object], object]:
    """The check itself, compiled at the first call; it raises ValueError for what is no event."""
    import fastjsonschema

    check: Callable[[object], object] = fastjsonschema.compile(schema())
    return check


def _refuse(text: str) -> NoReturn:
    raise ValueError("a number that is no integer")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("the same key twice")
    return table
