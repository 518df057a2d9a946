"""``homeveil batch``: an archive in, a redacted archive out."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.cli.streams import in_one_line, tell
from homeveil.errors import OutputError, UsageError
from homeveil.installation import state_folder

if TYPE_CHECKING:
    from homeveil.batch.engine import Engine
    from homeveil.batch.jobs import Job
    from homeveil.batch.run import Run, Told
    from homeveil.batch.state import Row, State
    from homeveil.batch.summary import Summary

_STATE_NAME = ".homeveil-batch.sqlite"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "batch",
        help="redact many recordings",
        description="Redact an archive with many processes. What is done is remembered: the "
        "same command again does only what is missing, failed or out of date. Status: 0 all "
        "done, 1 some failed, others where it cannot begin.",
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SRC", help="folder, pattern, file, URL, or a manifest "
        "(.csv or .jsonl with file and perhaps profile and policy)"
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DST", help="folder or URL of results")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--profile", metavar="F", help="profile of the agent to show, path or URL")
    who.add_argument("--nobody", action="store_true", help="show no person at all")
    parser.add_argument(
        "--passphrase-file",
        metavar="F",
        help="file on the workers with the passphrase (else their $HOMEVEIL_PASSPHRASE)",
    )
    options.add_policy(parser)
    options.add_sound(parser)
    parser.add_argument("--isolate", choices=["auto", "require", "off"], default="auto",
                        help="as for redact")  # fmt: skip
    parser.add_argument("--engine", choices=["pool", "ray"], default="pool")
    parser.add_argument("--workers", type=int, metavar="N", help="else by cores and memory")
    options.add_stretches(parser, "when fewer files than workers are left, clear a long one in up "
                          "to N stretches at once, or as many as there are workers", auto=True)
    parser.add_argument("--ray-address", metavar="A", help="of a cluster, such as auto; else a "
                        "local one is started")  # fmt: skip
    parser.add_argument("--state", type=Path, metavar="F", help="what is remembered (SQLite); "
                        f"else {_STATE_NAME} in DST")  # fmt: skip
    parser.add_argument("--tries", type=int, default=3, metavar="N",
                        help="failures until a file is set aside (3)")  # fmt: skip
    parser.add_argument("--transfer-timeout", type=float, default=60.0, metavar="S", help="seconds "
                        "without a byte until another machine is given up for now (60)")
    parser.add_argument("--again", action="store_true", help="try files that were set aside")
    parser.add_argument("--report", type=Path, metavar="F", help="write the summary as JSON")
    parser.add_argument("--html", type=Path, metavar="F", help="write the summary as HTML")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but errors")
    shown.add_argument("--json", action="store_true", help="print a JSON object for each file "
                       "that ended, and the summary last")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Redact an archive."""
    from homeveil.batch import places
    from homeveil.batch.run import LEFT, Run, Standing
    from homeveil.batch.state import State
    from homeveil.batch.summary import summarize

    _check(arguments)
    places.wait_at_most(arguments.transfer_timeout)
    jobs = _jobs(arguments)
    remembered = State(_state_path(arguments), copied=arguments.dry_run)
    with remembered as state:
        progress = _Teller(arguments)
        work = Run(
            jobs, state, tries=arguments.tries, stretches=arguments.stretches, tell=progress.tell
        )
        if arguments.again:
            work.try_again()
        if arguments.dry_run:
            return _show_plan(work, json_asked=arguments.json)
        to_do = sum(one.standing in LEFT for one in work.inputs)
        waiting = sum(one.standing is Standing.HELD for one in work.inputs)
        if to_do or waiting:
            with progress.showing(to_do + waiting), _engine(arguments, to_do + waiting) as engine:
                work.work(engine)
        summary = summarize(_rows(state, jobs, progress.failures))
    _write(arguments, summary)
    if arguments.json:
        print(json.dumps({"kind": "summary", **json.loads(summary.to_json())}))
    elif not arguments.quiet:
        _say(summary)
    return 0 if summary.done == summary.files else 1


def _check(arguments: argparse.Namespace) -> None:
    for name in ("workers", "tries", "stretches"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; give at least 1")
    if not arguments.transfer_timeout > 0:
        raise UsageError(f"--transfer-timeout is {arguments.transfer_timeout}; give more than 0")
    if arguments.ray_address and arguments.engine != "ray":
        raise UsageError("--ray-address needs --engine ray")


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    from homeveil.batch import places
    from homeveil.batch.sources import Defaults, jobs_from
    from homeveil.media.staging import check_target
    from homeveil.profile.store import read_passphrase

    defaults = Defaults(
        destination=arguments.out,
        profile=arguments.profile,
        nobody=arguments.nobody,
        policy=options.policy_from(arguments),
        passphrase_file=arguments.passphrase_file,
        isolate=arguments.isolate,
        wait_seconds=arguments.transfer_timeout,
    )
    jobs = jobs_from(arguments.sources, defaults)
    _check_names(arguments, jobs)
    if any(job.profile for job in jobs) and arguments.engine == "pool":
        # The workers are this machine's: what they would miss can be told at once.
        read_passphrase(file=arguments.passphrase_file, prompt=False)
    if not places.is_remote(arguments.out) and not arguments.dry_run:
        places.make_folder(places.joined(places.absolute(arguments.out), "any"))
    if not arguments.dry_run:
        for path in (arguments.report, arguments.html):
            if path is not None:
                check_target(path)
    return jobs


def _check_names(arguments: argparse.Namespace, jobs: list[Job]) -> None:
    """Refuse what would cost another file: of the recordings, their results or each other."""
    from homeveil.batch import places
    from homeveil.emit.side_files import check_apart

    out, read = arguments.out, options.named_files(arguments, "policy", "passphrase_file")
    named = [("input", source) for source in arguments.sources] + [("folder of results", out)]
    for job in jobs:
        named += [("input", job.source), ("result", job.target)]
        named += [("profile", job.profile)] if job.profile else []
    for what, name in named:
        if not places.is_remote(name):
            read.append((what, places.local_path(name)))
    written = options.named_files(arguments, "state", "report", "html")
    if arguments.state is None and not places.is_remote(out):
        written.append(("state", places.local_path(out) / _STATE_NAME))
    check_apart(read, written)


def _state_path(arguments: argparse.Namespace) -> Path:
    from homeveil.batch import places

    if arguments.state:
        return Path(arguments.state)
    if not places.is_remote(arguments.out):
        return places.local_path(arguments.out) / _STATE_NAME
    name = hashlib.sha256(arguments.out.rstrip("/").encode()).hexdigest()[:16]
    path = state_folder() / f"batch-{name}.sqlite"
    try:
        if not arguments.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made ({error.strerror}); give --state") from (
            error
        )
    return path


def _engine(arguments: argparse.Namespace, files: int) -> Engine:
    if arguments.engine == "ray":
        from homeveil.batch.cluster import Cluster

        return Cluster(arguments.ray_address, arguments.workers)
    from homeveil.batch.pool import Pool, default_workers

    return Pool(min(arguments.workers or default_workers(), files * arguments.stretches))


class _Teller:
    """Tells about each file that ended, and remembers where results were put."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._json, self._quiet = arguments.json, arguments.quiet
        self._folders: set[Path] = set()
        self._ended: dict[str, bool] = {}
        self.failures: dict[str, str] = {}
        """Why files failed, by their results, of which earlier ones may stand."""

    @contextlib.contextmanager
    def showing(self, total: int) -> Iterator[None]:
        from homeveil.batch.progress import files_bar

        with files_bar(total, quiet=self._json or self._quiet) as self._show:
            yield

    def tell(self, told: Told) -> None:
        """Take in one file that ended."""
        job, outcome = told.job, told.outcome
        if self._json:
            line = {
                "kind": told.kind,
                "file": job.source,
                "result": job.target,
                "reason": outcome.reason,
                "wall_seconds": outcome.wall_seconds,
            }
            print(json.dumps(line), flush=True)
        if told.kind == "again":
            return
        if told.kind == "done":
            self._remember(job)
            self.failures.pop(job.target, None)
        else:
            self.failures[job.target] = outcome.reason
            if not self._json:
                tell(f"homeveil: {outcome.reason}")
        self._ended[job.target] = told.kind != "done"
        self._show(len(self._ended), sum(self._ended.values()))

    def _remember(self, job: Job) -> None:
        from homeveil.batch import places
        from homeveil.cli.outputs import remember_output

        if not places.is_remote(job.target):
            path = places.local_path(job.target)
            if path.parent not in self._folders:
                self._folders.add(path.parent)
                remember_output(path)


def _show_plan(work: Run, *, json_asked: bool) -> int:
    for one in work.inputs:
        job, standing = one.job, one.standing.value
        if json_asked:
            plan = {"kind": "plan", "file": job.source, "result": job.target, "standing": standing}
            print(json.dumps(plan))
        else:
            print(in_one_line(f"{standing:8}{job.source} -> {job.target}"))
    counts = Counter(one.standing.value for one in work.inputs)
    if not json_asked:
        print(", ".join(f"{count} {name}" for name, count in counts.items()), file=sys.stderr)
    return 0


def _rows(state: State, jobs: list[Job], failures: dict[str, str]) -> list[Row]:
    """failures: also of files that the state need not tell of: a server was not reached, or a
    result must stay."""
    from homeveil.batch.state import Row

    rows = []
    for job in jobs:
        row, reason = state.get(job.target), failures.get(job.target)
        if reason and (row is None or row.outcome in ("new", "done")):
            row = row or Row.new(job)
            row = dataclasses.replace(row, source=job.source, outcome="failed", reason=reason)
        if row is not None:
            rows.append(row)
    return rows


def _write(arguments: argparse.Namespace, summary: Summary) -> None:
    from homeveil.cli.outputs import write_text

    if arguments.report:
        write_text(arguments.report, summary.to_json() + "\n")
    if arguments.html:
        write_text(arguments.html, summary.to_html())


def _say(summary: Summary) -> None:
    parts = [f"{summary.done} of {summary.files} files done"]
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    if summary.set_aside:
        parts.append(f"{summary.set_aside} set aside (--again tries them)")
    parts.append(f"{summary.picture_seconds:.1f} s of picture")
    parts.append(f"{summary.picture_share_withheld:.0%} of it veiled")
    print(", ".join(parts), file=sys.stderr)
