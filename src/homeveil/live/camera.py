"""Starts the process that holds the camera."""

from __future__ import annotations

import contextlib
import os
import threading

from homeveil.errors import InputError
from homeveil.live.process import start
from homeveil.media.capture import write_order
from homeveil.media.live_source import LiveSource, SourceKind
from homeveil.scoped import Scoped


class Camera(Scoped):
    """A camera, stream or file that another process holds. feed: descriptor that gives what
    comes; this process reads nothing of it and hands it on. Closing lets go of the camera."""

    def __init__(self, source: LiveSource) -> None:
        self._lock = threading.Lock()
        self.feed, theirs = os.pipe()
        # A file is read without a network, and with nothing that could be written.
        confine = "begin" if source.kind is SourceKind.FILE else "capture"
        statement = f"from homeveil.media.capture import main; main({theirs})"
        try:
            self._process = start(statement, confine=confine, pass_fds=[theirs])
        except OSError as error:
            os.close(self.feed)
            raise InputError(f"{source.name}: no process for it ({error.strerror})") from error
        finally:
            os.close(theirs)
        # One that ended already says so when its feed is read.
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as told:
                told.write(write_order(source))

    def hand_over(self) -> None:
        """The one that reads has the descriptor: close it here, so that nobody else has."""
        with self._lock:
            feed, self.feed = self.feed, -1
        if feed >= 0:
            os.close(feed)

    @property
    def process_id(self) -> int:
        """Of the process that holds the camera."""
        return self._process.pid

    def kill(self) -> None:
        """Let go of the camera, from any thread; who reads comes to the end."""
        self._process.kill()

    def close(self) -> None:
        """Let go of the camera; who reads has ended."""
        self.kill()
        self._process.wait()
        self.hand_over()
