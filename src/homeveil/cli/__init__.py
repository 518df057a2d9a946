"""The command line: ``homeveil COMMAND ...``.

Every failure ends in one line on standard error that says what, which and what to do, and
in a non-zero exit status (see ``homeveil.errors``); nothing half-written stays behind.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

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
    profile,
    redact,
)
from homeveil.errors import HomeveilError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    _open_streams()
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except HomeveilError as error:
        print(f"homeveil: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("homeveil: stopped; nothing unfinished was left behind", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _give_up_output()
        return 141
    except OSError as error:
        # No command lets one of its own files end here: what it prints cannot be written.
        _give_up_output()
        print(f"homeveil: failed ({error})", file=sys.stderr)
        return 1
    return status


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere, lest a file or pipe of ours takes their
    place; a name that standard output cannot encode is written as far as it can be."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  stays
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _give_up_output() -> None:
    """What is still to be written to standard output is dropped, so that ending does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
