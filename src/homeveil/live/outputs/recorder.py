"""Rolling recordings of the veiled stream: whole files of a few minutes, of which the oldest go
when there is too much."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from homeveil.errors import OutputError, UsageError
from homeveil.live.outputs.broadcast import Broadcast, Subscription
from homeveil.live.outputs.carrier import Carrier

SUFFIX = ".ts"
_PART = ".part"
_NAME = re.compile(rf"homeveil-\d{{8}}-\d{{6}}(-\d+)?{re.escape(SUFFIX)}")


class Recorder(Carrier):
    """folder: where ``homeveil-YYYYMMDD-HHMMSS.ts`` files go; it must exist. minutes: how long
    each is; a new one begins at a key frame. keep_bytes: the oldest go once all together hold
    more; None keeps all. now: seconds since 1970, for names.

    A file that is being written has a name that begins with a dot. After a crash it is whole up
    to its last packet, and gets its name when the next recorder of that folder begins; what
    another recorder is writing is left to it. Raises OutputError when ``folder`` cannot be written
    to, UsageError for less than nothing.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        folder: Path,
        *,
        minutes: float = 10.0,
        keep_bytes: int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not minutes > 0 or (keep_bytes is not None and not keep_bytes > 0):
            raise UsageError("recordings need more than 0 minutes each, and room for some")
        super().__init__(broadcast, f"recordings in {folder.name or folder}")
        self._folder, self._seconds, self._keep = folder, 60 * minutes, keep_bytes
        self._now = now
        if not os.path.isdir(folder):
            raise OutputError(f"{folder}: no such folder; make it first")
        try:
            for part in folder.glob(f".homeveil-*{SUFFIX}{_PART}"):
                # On servers that know record locks alone, only who may write may hold it.
                with open(part, "rb+") as file:
                    if _hold(file):
                        self._publish(part)
        except OSError as error:
            raise OutputError(
                f"{folder}: recordings cannot be written there ({error.strerror}); check its rights"
            ) from error

    def _carry(self, reader: Subscription) -> None:
        chunk = self._next(reader)
        while chunk is not None:
            part = self._part()
            began = chunk.seconds
            try:
                with open(part, "xb") as file:
                    _hold(file)
                    while chunk is not None:
                        file.write(chunk.data)
                        file.flush()
                        self._went(len(chunk.data))
                        chunk = self._next(reader)
                        if (
                            chunk is not None
                            and chunk.key
                            and (chunk.seconds - began >= self._seconds)
                        ):
                            break
            finally:
                # A full disk leaves a file that is whole up to what it had room for.
                if part.exists():
                    self._publish(part)
            self._forget_oldest()

    def _part(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._now()))
        number = 0
        while True:
            more = f"-{number}" if number else ""
            name = f"homeveil-{stamp}{more}{SUFFIX}"
            part = self._folder / f".{name}{_PART}"
            if not part.exists() and not (self._folder / name).exists():
                return part
            number += 1

    def _publish(self, part: Path) -> None:
        if part.stat().st_size == 0:
            part.unlink()
            return
        part.rename(part.with_name(part.name.removeprefix(".").removesuffix(_PART)))

    def _forget_oldest(self) -> None:
        if self._keep is None:
            return
        # By when they ended: names repeat an hour when the clocks go back.
        files = sorted(self._recordings())
        total = sum(size for *_, size in files)
        for _, _, file, size in files[:-1]:
            if total <= self._keep:
                return
            total -= size
            file.unlink(missing_ok=True)

    def _recordings(self) -> Iterator[tuple[bool, int, Path, int]]:
        """Whether it did not end in what is yet to come, when it ended, and bytes. One that did is
        from before the clock was set back, and older than what was recorded since."""
        now = round(self._now() * 1e9)
        for file in self._folder.iterdir():
            if _NAME.fullmatch(file.name) is None:
                continue
            with suppress(FileNotFoundError):  # another recorder may delete here, too
                known = file.stat()
                yield known.st_mtime_ns <= now, known.st_mtime_ns, file, known.st_size


def _hold(file: IO[bytes]) -> bool:
    """Mark ``file`` as being written, for as long as it is open; False if somebody else did."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # There are folders of other machines that know no marks.
        return True
    return True
