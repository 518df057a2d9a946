"""``homeveil inspect``: what was decided, for the worker or the developer only."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from homeveil.cli import options
from homeveil.errors import OutputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "inspect",
        help="show cells and reasons (shows RAW pictures: keep it on this machine)",
        description="Write a contact sheet of raw frames with the decision drawn on each cell. "
        "It shows everybody. For the worker or the developer, on this machine.",
    )
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("sheet", type=Path, metavar="SHEET.png")
    options.add_profile(parser)
    options.add_policy(parser)
    parser.add_argument("--frames", type=options.whole(1, 999), default=12, metavar="N",
                        help="pictures on the sheet (12)")  # fmt: skip
    parser.add_argument(
        "--beside-output", action="store_true", help="write even beside a redacted video"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the sheet."""
    from homeveil.cli.outputs import redacted_beside

    neighbour = redacted_beside(arguments.sheet)
    if neighbour is not None and not arguments.beside_output:
        raise OutputError(
            f"{arguments.sheet}: stands beside the redacted {neighbour.name}, and a sheet shows "
            "everybody; choose another folder or give --beside-output"
        )
    policy = options.policy_from(arguments)
    from homeveil.emit.side_files import check_apart
    from homeveil.inspection import inspect
    from homeveil.media.reader import VideoReader
    from homeveil.media.staging import check_target

    check_target(arguments.sheet)
    check_apart(
        options.named_files(arguments, "input", "profile", "policy", "passphrase_file"),
        options.named_files(arguments, "sheet"),
    )
    VideoReader(arguments.input).close()
    profile = options.profile_from(arguments)
    inspect(arguments.input, arguments.sheet, profile, policy, pictures=arguments.frames)
    print(f"{arguments.sheet}: shows RAW pictures; keep it on this machine", file=sys.stderr)
    return 0
