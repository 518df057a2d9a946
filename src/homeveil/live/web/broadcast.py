"""What a stream is taken from. Implemented by the session's outputs."""

from __future__ import annotations

from typing import Protocol


class Subscription(Protocol):
    """One client's share of a stream. It holds little: a client that is too slow loses frames,
    the stream never waits for it."""

    def next(self, timeout: float) -> bytes | None:
        """The next bytes, waited for; None after ``timeout`` seconds without any, ``b""`` at
        the end and ever after."""
        ...

    def close(self) -> None:
        """No more is wanted. Called at once, also while ``next`` waits in another thread, which
        then comes back."""
        ...


class Broadcast(Protocol):
    """MPEG-TS of what leaves, for any number of clients."""

    def subscribe(self) -> Subscription:
        """From the next key frame on. Comes back at once."""
        ...
