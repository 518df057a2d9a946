"""``homeveil audit``: is there anybody but the agent in a redacted file?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.cli.streams import tell

if TYPE_CHECKING:
    from homeveil.audit import Audit

CLEAN, FOUND, IMPOSSIBLE = 0, 1, 2
"""Exit statuses: none found; some found; misuse, or not all of it could be looked at. What cannot
be told is none of them, see ``homeveil.cli``."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "audit",
        help="look for faces that are not the agent's in a redacted file",
        description="Look at every frame of a redacted file with a face detector of your own that "
        "redaction does not use. Exit status: 0 if no face but the agent's is found, 1 if there "
        "is any, 2 if the file could not be looked at whole, 10 if what was found could not be "
        "told.",
    )
    parser.add_argument("file", type=Path, metavar="OUT")
    parser.add_argument(
        "--detector", type=Path, metavar="F.onnx", required=True,
        help="face detector for OpenCV's FaceDetectorYN",
    )  # fmt: skip
    parser.add_argument("--sha256", metavar="HEX", required=True, help="hash of the detector")
    parser.add_argument(
        "--profile", type=Path, metavar="F", help="profile of the agent (else every face counts)"
    )
    options.add_passphrase(parser)
    parser.add_argument("--report", type=Path, metavar="F", help="write what was found as JSON")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but errors")
    shown.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look at one file."""
    from homeveil.errors import HomeveilError

    try:
        return _run(arguments)
    except HomeveilError as error:
        tell(f"homeveil: {error}")
        return IMPOSSIBLE


def _run(arguments: argparse.Namespace) -> int:
    from homeveil.audit import audit
    from homeveil.cli.outputs import write_text
    from homeveil.emit.progress import progress_bar
    from homeveil.emit.side_files import check_apart
    from homeveil.media.reader import check_file
    from homeveil.media.staging import check_target
    from homeveil.policy import ModelFile

    # A bad name is told before a passphrase is asked for.
    check_file(arguments.file)
    if arguments.report is not None:
        check_target(arguments.report)
    check_apart(
        options.named_files(arguments, "file", "detector", "profile", "passphrase_file"),
        options.named_files(arguments, "report"),
    )
    arguments.nobody = arguments.profile is None
    profile = options.profile_from(arguments)
    detector = ModelFile(arguments.detector, arguments.sha256.lower())
    quiet = arguments.quiet or arguments.json
    with progress_bar(f"auditing {arguments.file.name}", quiet=quiet) as bar:
        found = audit(arguments.file, detector, profile=profile, progress=bar)
    if arguments.report:
        write_text(arguments.report, found.to_json() + "\n")
    if arguments.json:
        print(found.to_json(indent=None))
    elif not arguments.quiet:
        print(f"{arguments.file}: {_summary(found)}")
    if found.others:
        return FOUND
    return CLEAN if found.whole else IMPOSSIBLE


def _summary(found: Audit) -> str:
    parts = [f"{found.frames} frames, {found.seconds:.1f} s"]
    if found.with_profile:
        parts.append(f"the agent's face in {found.agent_frames}")
    if found.others:
        first, count = found.others[0], found.frames_with_others
        whose = "a face that is not the agent's" if found.with_profile else "a face"
        parts.append(f"{whose} in {count}, the first at {first.seconds:.2f} s in {first.box}")
    else:
        parts.append("no other face" if found.with_profile else "no face")
    if not found.whole:
        parts.append(
            f"NOT ALL COULD BE READ ({found.damaged_packets} damaged packets, "
            f"{found.other_streams} further streams of pictures, "
            f"{found.hidden_frames} hidden frames)"
        )
    return ", ".join(parts)
