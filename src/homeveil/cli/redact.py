"""``homeveil redact``: a file in, a redacted file out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.cli.streams import tell

if TYPE_CHECKING:
    from homeveil.desk_events import DeskEvents
    from homeveil.policy import Policy
    from homeveil.profile.store import LockedProfile
    from homeveil.report import Report


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "redact",
        help="redact a recording",
        description="Redact a recorded file. Everybody but the profile's agent is veiled, and "
        "every voice but the agent's is muted. The output appears whole or not at all.",
    )
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("output", type=Path, metavar="OUT", help="suffix chooses the container; "
        "one of sound alone, such as .wav, leaves the picture out")
    options.add_profile(parser)
    options.add_policy(parser)
    options.add_sound(parser)
    parser.add_argument(
        "--sound-track", type=int, metavar="N", help="sound track to keep, counted from 0"
    )
    parser.add_argument(
        "--isolate",
        choices=["auto", "require", "off"],
        default="auto",
        help="keep raw content in a locked process: as far as the kernel can (auto), whole or "
        "not at all (require), or not (off)",
    )
    options.add_stretches(parser, "clear a long picture in up to N stretches at once, each in a "
                          "process of its own")
    parser.add_argument(
        "--ledger", type=Path, metavar="F", help="write a signed record of what left"
    )
    options.add_events(parser)
    parser.add_argument("--plot", type=Path, metavar="F", help="write a timeline as SVG")
    parser.add_argument("--report", type=Path, metavar="F", help="write the report as JSON")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but errors")
    shown.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Redact one file."""
    policy = options.policy_from(arguments)
    from homeveil.cli.outputs import remember_output, stamp_of
    from homeveil.media.reader import check_file

    # A bad name is told before a passphrase is asked for.
    check_file(arguments.input)
    _check_names(arguments)
    profile = options.locked_profile_from(arguments)
    quiet = arguments.quiet or arguments.json
    before = stamp_of(arguments.output)
    try:
        with options.events_from(arguments, policy, profile) as events:
            try:
                report = _redact(arguments, policy, profile, events)
            finally:
                # From when it stands under its name, however this ends.
                if stamp_of(arguments.output) != before:
                    remember_output(arguments.output)
            _write_beside(arguments, report)
            # Leaving this waits for events on their way.
    except KeyboardInterrupt:
        if stamp_of(arguments.output) == before:
            raise
        waiting = any(place != "-" for place in arguments.events or ())
        more = "; events that were not taken wait for the next run" if waiting else ""
        tell(f"homeveil: stopped; {arguments.output} is whole and stays{more}")
        return 130
    told = events.tally if events is not None else None
    if arguments.json:
        document = json.loads(report.to_json())
        if told is not None:
            document["events"] = dataclasses.asdict(told)
        print(json.dumps(document))
    elif not arguments.quiet:
        print(f"{arguments.output}: {_summary(report)}", file=sys.stderr)
    return options.events_status(told, quiet=quiet)


def _redact(
    arguments: argparse.Namespace,
    policy: Policy,
    profile: LockedProfile | None,
    events: DeskEvents | None,
) -> Report:
    from homeveil.emit.progress import progress_bar
    from homeveil.isolation import Isolate
    from homeveil.redaction import Progress, redact

    quiet = arguments.quiet or arguments.json
    with progress_bar(f"redacting {arguments.input.name}", quiet=quiet) as bar:

        def show(progress: Progress) -> None:
            if progress.frames:
                bar(progress.frames, progress.frames_expected)
            else:
                expected = progress.seconds_expected
                bar(round(progress.seconds), round(expected) if expected else None)

        return redact(
            arguments.input,
            arguments.output,
            profile=profile,
            policy=policy,
            sound_track=arguments.sound_track,
            isolate=Isolate(arguments.isolate),
            ledger=arguments.ledger,
            events=events,
            progress=show,
            stretches=arguments.stretches,
        )


def _write_beside(arguments: argparse.Namespace, report: Report) -> None:
    from homeveil.cli.outputs import write_text

    if arguments.report:
        write_text(arguments.report, report.to_json() + "\n")
    if arguments.plot:
        from homeveil.cli.timeline import timeline

        write_text(arguments.plot, timeline(report))


def _check_names(arguments: argparse.Namespace) -> None:
    """Refuse at once what would cost another file, or could not be written at the end."""
    from homeveil.emit.side_files import check_apart
    from homeveil.media.staging import check_target

    for path in (arguments.report, arguments.plot):
        if path is not None:
            check_target(path)
    check_apart(
        options.named_files(arguments, "input", "profile", "policy", "passphrase_file"),
        options.named_files(arguments, "output", "ledger", "report", "plot")
        + options.event_files(arguments),
    )


def _summary(report: Report) -> str:
    parts = []
    if report.frames:
        parts.append(
            f"{report.frames} frames, {report.seconds:.1f} s, "
            f"{report.veiled_share:.0%} of the picture veiled"
        )
    sound = report.sound
    if sound is None:
        parts.append("no sound")
    else:
        parts.append(f"{sound.cleared:.1f} of {sound.seconds:.1f} s of sound let through")
        if "no voice enrolled" in sound.withheld:
            parts.append("no voice is enrolled")
    if report.one_pass:
        parts.append(f"in one pass ({report.one_pass})")
    if report.truncated:
        parts.append("the input is cut off and ends too early")
    if report.damaged_packets:
        parts.append(f"{report.damaged_packets} damaged packets of the input left out")
    faults = sum(span.reason == "fault" for span in report.spans)
    faults += len(sound.fault_spans) if sound else 0
    if faults:
        parts.append(f"{faults} spans withheld for faults")
    return ", ".join(parts)
