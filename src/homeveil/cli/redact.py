"""``homeveil redact``: a file in, a redacted file out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from homeveil.cli import options


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "redact",
        help="redact a recorded video",
        description="Redact a video file. Everybody but the profile's agent is veiled, the "
        "sound is withheld. The output appears whole or not at all.",
    )
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("output", type=Path, metavar="OUT", help="suffix chooses the container")
    options.add_profile(parser)
    options.add_policy(parser)
    parser.add_argument("--report", type=Path, metavar="F", help="write the report as JSON")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but errors")
    shown.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Redact one file."""
    policy = options.policy_from(arguments)
    from homeveil.cli.outputs import remember_output, write_text
    from homeveil.emit.progress import progress_bar
    from homeveil.media.reader import VideoReader
    from homeveil.redaction import Progress, redact

    VideoReader(arguments.input).close()  # a bad input is told before a passphrase is asked for
    profile = options.profile_from(arguments)
    quiet = arguments.quiet or arguments.json
    with progress_bar(f"redacting {arguments.input.name}", quiet=quiet) as bar:

        def show(progress: Progress) -> None:
            bar(progress.frames, progress.frames_expected)

        report = redact(
            arguments.input, arguments.output, profile=profile, policy=policy, progress=show
        )
    remember_output(arguments.output)
    if arguments.report:
        write_text(arguments.report, report.to_json() + "\n")
    if arguments.json:
        print(json.dumps(json.loads(report.to_json())))
    elif not arguments.quiet:
        faults = sum(span.reason == "fault" for span in report.spans)
        print(
            f"{arguments.output}: {report.frames} frames, {report.seconds:.1f} s, "
            f"{report.veiled_share:.0%} of the picture veiled, sound withheld"
            + (f", {faults} spans withheld for faults" if faults else ""),
            file=sys.stderr,
        )
    return 0
