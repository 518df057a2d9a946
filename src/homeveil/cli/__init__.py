"""The command line: ``homeveil COMMAND ...``.

Every failure ends in one line on standard error that says what, which and what to do, and
in a non-zero exit status (see ``homeveil.errors``); nothing half-written stays behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Before numpy is there: its OpenBLAS would make a thread for each core, which turn for a while and
# have nothing to do.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from homeveil.cli import (
    audit,
    batch,
    camera,
    config,
    doctor,
    enroll,
    gstreamer,
    inspect,
    ledger,
    models,
    options,
    profile,
    redact,
    streams,
)
from homeveil.errors import HomeveilError

UNTOLD = 10
"""Exit status: what there is to say cannot be written. No command finds anything by it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    _write_no_core()
    streams.open_all()
    try:
        return _main(argv)
    finally:
        streams.end()


def _write_no_core() -> None:
    """What a command holds, passphrases and raw pictures too, is not left in a file where it, or
    a library that it decodes with, crashes."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No limit holds where `core_pattern` pipes cores to a program: no memory is in those then.
    with contextlib.suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0")


def _main(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        with options.stopped_by_terminate():
            status: int = arguments.run(arguments)
        sys.stdout.flush()
    except HomeveilError as error:
        streams.tell(f"homeveil: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        streams.tell("homeveil: stopped; nothing unfinished was left behind")
        return 130
    except BrokenPipeError:
        streams.give_up(sys.stdout)
        return 141
    except OSError as error:
        # No command lets one of its own files end here: what it prints cannot be written.
        streams.give_up(sys.stdout)
        streams.tell(f"homeveil: failed ({error})")
        return UNTOLD
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="homeveil",
        description="Redact home video: only the enrolled agent and an empty room leave.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND")
    for command in (
        *(redact, batch, camera, config, enroll, profile, models, inspect, ledger, audit),
        *(gstreamer, doctor),
    ):
        command.add(commands)
    parser.set_defaults(run=lambda arguments: _version(parser, arguments))
    return parser


def _version(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if not arguments.version:
        parser.print_help()
        return 2
    from homeveil.redaction import package_version

    print(f"homeveil {package_version()}")
    return 0
