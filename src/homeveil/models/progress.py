"""A progress bar on the console for :func:`homeveil.models.pull.pull_models`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from homeveil.models.pull import Progress, PullProgress, Stage


@contextlib.contextmanager
def console_progress(console: Console | None = None) -> Iterator[Progress]:
    """One bar per carrier and model, on standard error unless a console is given."""
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=console or Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}

    def show(report: PullProgress) -> None:
        if report.stage is Stage.WAITING:
            bars.console.print("another pull is at work; waiting for it to end")
            return
        if report.stage is Stage.DONE:
            return
        label = f"{report.stage.value} {report.subject}"
        if label not in tasks:
            tasks[label] = bars.add_task(label, total=report.total_bytes)
        bars.update(tasks[label], completed=report.done_bytes)

    with bars:
        yield show
