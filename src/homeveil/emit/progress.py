"""A progress bar on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Show = Callable[[int, int | None], None]
"""Frames done, and frames expected or None."""


@contextlib.contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Show]:
    """Bar with frames, frames per second and time left.

    On no terminal it is one line when the first thing is done; quiet it is nothing.
    """
    if quiet or not sys.stderr.isatty():
        told = quiet

        def tell(done: int, expected: int | None) -> None:
            nonlocal told
            if not told:
                print(f"{label} ...", file=sys.stderr, flush=True)
            told = True

        yield tell
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=None, rate="")

        def show(done: int, expected: int | None) -> None:
            total = max(expected, done) if expected else None
            speed = bars.tasks[0].speed
            rate = f"{speed:.1f} frames/s" if speed else ""
            bars.update(task, completed=done, total=total, rate=rate)

        yield show
