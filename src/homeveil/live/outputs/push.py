"""The veiled stream to a server, such as MediaMTX, without encoding it again."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO

from homeveil.addresses import name_of, read_address, shown
from homeveil.errors import OutputError, UsageError
from homeveil.live.outputs.broadcast import Broadcast, Subscription
from homeveil.live.outputs.carrier import Carrier
from homeveil.live.process import start
from homeveil.media.live_source import for_ffmpeg

_FORMATS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "udp": "mpegts",
    "tcp": "mpegts",
    "srt": "mpegts",
}


STALL_SECONDS = 15.0
"""A server that takes nothing for so long, though there is something for it, is lost."""


class Push(Carrier):
    """url: where to; its scheme chooses the form. The talking is done by a process of its own
    (:mod:`homeveil.media.remux`), which gets nothing but the veiled stream. Raises UsageError."""

    def __init__(self, broadcast: Broadcast, url: str) -> None:
        try:
            parts = read_address(url)
        except ValueError as error:
            raise UsageError(f"--stream {shown(url)}: {error}") from None
        form = _FORMATS.get(parts.scheme)
        if form is None or not parts.hostname:
            raise UsageError(f"--stream takes {', '.join(_FORMATS)} addresses, not {shown(url)}")
        self._url, self._form = for_ffmpeg(url, parts, "--stream"), form
        super().__init__(broadcast, f"stream to {name_of(parts)}")
        self._process: subprocess.Popen[bytes] | None = None

    def _carry(self, reader: Subscription) -> None:
        try:
            statement = "from homeveil.media.remux import main; main()"
            self._process = process = start(statement, confine="capture", answers=True)
        except OSError as error:
            raise OutputError(f"no process to send with ({error.strerror})") from error
        said: dict[str, str] = {}
        listener = threading.Thread(target=self._listen, args=(process.stdout, said), daemon=True)
        listener.start()
        watcher = threading.Thread(target=self._watch, args=(process, reader, said), daemon=True)
        watcher.start()
        try:
            if process.stdin is None:
                return
            with suppress(BrokenPipeError), process.stdin as pipe:
                # Its address may hold a password; arguments can be read by everybody.
                order = {"url": self._url, "form": self._form}
                pipe.write(json.dumps(order).encode() + b"\n")
                while process.poll() is None and (chunk := self._next(reader)) is not None:
                    pipe.write(chunk.data)
                    pipe.flush()
            with suppress(subprocess.TimeoutExpired):
                process.wait(3.0)
        finally:
            process.kill()
            process.wait()
            listener.join(1.0)
            watcher.join(1.0)
        if not self._stopping.is_set() and process.returncode:
            raise OutputError(said.get("error", "the process that sends was lost"))

    def _listen(self, lines: IO[bytes] | None, said: dict[str, str]) -> None:
        before = 0
        for line in lines or ():
            told = json.loads(line)
            if told["bytes"] > before:
                self._went(told["bytes"] - before)
                before = told["bytes"]
            if "error" in told:
                said["error"] = told["error"]

    def _watch(
        self, process: subprocess.Popen[bytes], reader: Subscription, said: dict[str, str]
    ) -> None:
        """End ``process`` once it is stuck: nobody else would, for a connection may last."""
        carried, since = self._bytes, time.monotonic()
        while process.poll() is None and not self._stopping.wait(0.2):
            now = time.monotonic()
            if self._bytes != carried or not reader.waiting:
                carried, since = self._bytes, now
            elif now - since > STALL_SECONDS:
                said["error"] = "the server takes nothing any more"
                process.kill()
                return

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if self._process is not None:
            self._process.kill()
        super().close()
