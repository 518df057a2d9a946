"""How far an archive is, on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Show = Callable[[int, int], None]
"""Files that have ended, and those of them that failed."""


@contextlib.contextmanager
def files_bar(total: int, *, quiet: bool = False) -> Iterator[Show]:
    """Bar with files, files per minute, time left and failures so far.

    On no terminal it is a line for each tenth; quiet it is nothing.
    """
    if quiet:
        yield lambda ended, failed: None
        return
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("clearing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    # A file takes long: the speed is that of many, not that of the last half minute.
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=3600) as bars:
        task = bars.add_task("", total=total, rate="", failed="")

        def show(ended: int, failed: int) -> None:
            speed = bars.tasks[0].speed
            rate = f"{60 * speed:.1f} files/min" if speed else ""
            bars.update(
                task, completed=ended, rate=rate, failed=f"{failed} failed" if failed else ""
            )

        yield show


def _lines(total: int) -> Show:
    told = 0

    def show(ended: int, failed: int) -> None:
        nonlocal told
        tenth = 10 * ended // max(1, total)
        if tenth > told:
            told = tenth
            print(f"{ended} of {total} files, {failed} failed", file=sys.stderr, flush=True)

    return show
