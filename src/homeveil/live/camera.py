"""Starts the process that holds the camera."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from homeveil.emit.events import PASSWORD, TOKEN, USERNAME
from homeveil.errors import InputError
from homeveil.media.capture import write_order
from homeveil.media.live_source import LiveSource, SourceKind
from homeveil.profile.store import PASSPHRASE_VARIABLE
from homeveil.scoped import Scoped

_SECRETS = frozenset({PASSPHRASE_VARIABLE, TOKEN, USERNAME, PASSWORD})
_START = (
    "import sys; sys.path[:] = {path!r}; from homeveil import _confine; {confine}({parent});"
    " from homeveil.media.capture import main; main({handle})"
)


class Camera(Scoped):
    """A camera, stream or file that another process holds. feed: descriptor that gives what
    comes; this process reads nothing of it and hands it on. Closing lets go of the camera."""

    def __init__(self, source: LiveSource) -> None:
        self._lock = threading.Lock()
        self.feed, theirs = os.pipe()
        root = str(Path(__file__).parents[2])
        # A file is read without a network, and with nothing that could be written.
        confine = "begin" if source.kind is SourceKind.FILE else "capture"
        code = _START.format(
            path=[root, *(entry for entry in sys.path if entry and entry != root)],
            confine=f"_confine.{confine}" if sys.platform.startswith("linux") else "int",
            parent=os.getpid(),
            handle=theirs,
        )
        nothing = subprocess.DEVNULL
        environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code],
                stdin=subprocess.PIPE,
                stdout=nothing,
                stderr=nothing,
                pass_fds=[theirs],
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self.feed)
            raise InputError(f"{source.name}: no process for it ({error.strerror})") from error
        finally:
            os.close(theirs)
        if self._process.stdin is not None:
            self._process.stdin.write(write_order(source))
            self._process.stdin.close()

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
