"""Sound beside pictures that failed."""

from __future__ import annotations

from collections.abc import Callable


class Together:
    """Mutes the sound beside pictures that failed, from the picture before to the one after.

    withhold: mutes between two times, in seconds.
    """

    def __init__(self, withhold: Callable[[float, float], None]) -> None:
        self._withhold = withhold
        self._before: float | None = None
        self._failed = False

    def see(self, seconds: float, *, failed: bool) -> None:
        """The next picture, as soon as it is known whether it failed."""
        before = self._before if self._before is not None else seconds
        if failed or self._failed:
            self._withhold(before, seconds)
        if failed:
            # How long it stands is known with the next one only.
            self._withhold(seconds, seconds + (seconds - before))
        self._before, self._failed = seconds, failed

    def end(self) -> None:
        """There is no further picture."""
        if self._failed and self._before is not None:
            self._withhold(self._before, float("inf"))
