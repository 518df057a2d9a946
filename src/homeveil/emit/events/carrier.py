"""The last step of an event's way."""

from __future__ import annotations

from typing import Protocol

from homeveil.desk.events import Event


class NotDelivered(Exception):  # noqa: N818  no failure of the caller's; it is tried again
    """The place did not take the event this time. A message names no content.

    wait_seconds: how long the place asks to be left alone, or None.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Refused(Exception):  # noqa: N818  a word of the place's, about one event
    """The place never takes this event, however often it is told; of others this says nothing.
    A message names no content."""


class Gone(NotDelivered):
    """The place took not this event and takes no other, ever: it is not to be tried again."""


class Carrier(Protocol):
    """Used by one thread alone. Life: ``send`` any number of times, then once ``close``."""

    def send(self, event: Event) -> None:
        """Give the event to the place; return when the place has taken it for good.

        Raises NotDelivered, after which it may have been taken or not, Refused, after which it
        is not to be told again, and Gone, after which nothing is.
        """

    def close(self) -> None:
        """Let go of the place. Never raises."""
