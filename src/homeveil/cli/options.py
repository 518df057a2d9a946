"""Options that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli.streams import tell
from homeveil.policy import Lips, Muted, Policy, Sound, Style

if TYPE_CHECKING:
    from homeveil.desk_events import DeskEvents, EventsTally
    from homeveil.profile.store import LockedProfile
    from homeveil.profile.template import Profile

_MOST = 1_000_000_000
_MANY = 256
"""More stretches than any file has."""

_ENDING_SECONDS = 10.0
"""How long what was stopped may take to clear away, until another Ctrl-C breaks that off."""


def positive(text: str) -> float:
    """A number of an option, more than 0 and no larger than anybody means."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to {_MOST:,}")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number of an option, within bounds."""

    def read(text: str) -> int:
        # Digits of other scripts are none here, and a number of thousands is none either.
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {low} to {high}"
            )
        return int(text)

    return read


def port(text: str) -> int:
    """A port of this machine; 0 for a free one."""
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give 0 to 65535")
    return int(text)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """``--passphrase-file``; else HOMEVEIL_PASSPHRASE; else the terminal."""
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="F",
        help="file with the profile's passphrase, readable by you alone "
        "(else $HOMEVEIL_PASSPHRASE, else asked for)",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """``--policy`` and ``--style``."""
    parser.add_argument("--policy", type=Path, metavar="F", help="policy file (TOML)")
    parser.add_argument(
        "--style", choices=[style.value for style in Style], help="how withheld places look"
    )


def add_sound(parser: argparse.ArgumentParser) -> None:
    """``--sound``, ``--strict-voice``, ``--lips`` and ``--muted``."""
    parser.add_argument(
        "--sound",
        choices=[sound.value for sound in Sound],
        help="monitor (default) waits 1.5 s to be sure, call 0.12 s; withheld drops all sound",
    )
    parser.add_argument(
        "--strict-voice", action="store_true", help="mute the agent rather than anybody else"
    )
    parser.add_argument(
        "--lips",
        choices=[lips.value for lips in Lips],
        help="mute the agent where their lips are seen to be still or others' to move (check), "
        "and where they are not seen (require); off is the default",
    )
    parser.add_argument(
        "--muted", choices=[muted.value for muted in Muted], help="how withheld sound sounds"
    )


def add_stretches(parser: argparse.ArgumentParser, text: str, *, auto: bool = False) -> None:
    """``--stretches``."""

    def count(word: str) -> int:
        return _MANY if auto and word == "auto" else int(word)

    metavar = "N|auto" if auto else "N"
    parser.add_argument("--stretches", type=count, default=1, metavar=metavar, help=text)


@contextlib.contextmanager
def stopped_by_terminate() -> Iterator[None]:
    """Turns SIGTERM, and the end of the terminal, into what Ctrl-C does: what was begun is ended,
    and nothing of it stays. What is ignored, as under nohup, stays so. To ask again soon changes
    nothing: it would break off the clearing away."""
    stopped: float | None = None

    def stop(*_: object) -> None:
        nonlocal stopped
        now = time.monotonic()
        if stopped is None or now - stopped >= _ENDING_SECONDS:
            stopped = now
            raise KeyboardInterrupt

    signals = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    heard = [one for one in signals if one and signal.getsignal(one) is not signal.SIG_IGN]
    before = [(one, signal.signal(one, stop)) for one in heard]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler)


def add_profile(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """``--profile`` or ``--nobody``, and the passphrase."""
    who = parser.add_mutually_exclusive_group(required=required)
    who.add_argument("--profile", type=Path, metavar="F", help="profile of the agent to show")
    who.add_argument("--nobody", action="store_true", help="show no person at all")
    add_passphrase(parser)


def add_events(parser: argparse.ArgumentParser, *, start: bool = True) -> None:
    """``--events`` and, if ``start``, ``--events-start``."""
    parser.add_argument(
        "--events",
        action="append",
        metavar="F|-|URL",
        help="tell what lies on the desk: to a file or standard output (JSON Lines), a webhook "
        "(https://) or a broker (mqtts://host/topic); may be repeated; secrets are read from "
        "$HOMEVEIL_EVENTS_TOKEN, $HOMEVEIL_MQTT_USERNAME and $HOMEVEIL_MQTT_PASSWORD",
    )
    if start:
        parser.add_argument(
            "--events-start",
            metavar="TIME",
            help="when the recording began, such as 2026-01-31T08:00:00+01:00; without it, "
            "events say how long after the beginning they were",
        )


def named_files(arguments: argparse.Namespace, *names: str) -> list[tuple[str, Path]]:
    """What these options name, and where it is; those left out are left out."""
    given = ((name.replace("_", " "), getattr(arguments, name)) for name in names)
    return [(name, Path(path)) for name, path in given if path is not None]


def event_files(arguments: argparse.Namespace) -> list[tuple[str, Path]]:
    """Files that ``--events`` names. Raises EventError."""
    from homeveil.emit.events.places import read_place

    found = {read_place(text).file for text in arguments.events or ()}
    return [("events", path) for path in found if path is not None]


def size_from(text: str | None) -> tuple[int, int] | None:
    """``1280x720`` as two even numbers; None for None. Raises UsageError."""
    if text is None:
        return None
    from homeveil.errors import UsageError

    sides = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", text)
    if sides is None:
        raise UsageError(f"--size is {text!r}; give one such as 1280x720")
    size = int(sides[1]), int(sides[2])
    if not all(16 <= side <= 16384 and side % 2 == 0 for side in size):
        raise UsageError(f"--size is {text}; give even sides from 16 to 16384")
    return size


_CHOICES = (("style", Style), ("sound", Sound), ("lips", Lips), ("muted", Muted))


def policy_from(arguments: argparse.Namespace) -> Policy:
    """The policy that the options ask for."""
    policy = Policy.from_toml(arguments.policy) if arguments.policy else Policy()
    changes: dict[str, Any] = {}
    for name, kind in _CHOICES:
        if getattr(arguments, name, None):
            changes[name] = kind(getattr(arguments, name))
    if getattr(arguments, "strict_voice", False):
        changes["strict_voice"] = True
    return dataclasses.replace(policy, **changes)


def locked_profile_from(arguments: argparse.Namespace) -> LockedProfile | None:
    """The profile that the options ask for, with what opens it; None with ``--nobody``."""
    if arguments.nobody:
        return None
    from homeveil.errors import ProfileError
    from homeveil.profile.store import LockedProfile, read_passphrase

    try:
        is_file = stat.S_ISREG(os.stat(arguments.profile).st_mode)
    except (FileNotFoundError, ValueError):  # a config file can name what no file is called
        is_file = False
    except OSError as error:
        # Whoever may not look there needs no other profile.
        raise ProfileError(
            f"{arguments.profile}: profile cannot be read ({error.strerror})"
        ) from error
    if not is_file:
        raise ProfileError(f"{arguments.profile}: no such profile; make one with `homeveil enroll`")
    return LockedProfile(arguments.profile, read_passphrase(file=arguments.passphrase_file))


def profile_from(arguments: argparse.Namespace) -> Profile | None:
    """The profile that the options ask for, opened; None with ``--nobody``."""
    locked = locked_profile_from(arguments)
    return locked.open() if locked is not None else None


@contextlib.contextmanager
def events_from(
    arguments: argparse.Namespace, policy: Policy, profile: LockedProfile | None
) -> Iterator[DeskEvents | None]:
    """The desk events that the options ask for, or None. They are closed at the end.

    profile: whose enrolled desk, if it has one, the desk is compared with.
    """
    from homeveil.errors import UsageError

    if not arguments.events:
        if arguments.events_start is not None:
            raise UsageError("--events-start needs --events")
        yield None
        return
    if arguments.json and "-" in arguments.events:
        raise UsageError("--json and --events - both want standard output; give one a file")
    from homeveil.desk.times import Recorded
    from homeveil.desk_events import DeskEvents
    from homeveil.profile.store import desk_of

    start = None
    if arguments.events_start is not None:
        try:
            start = datetime.fromisoformat(arguments.events_start)
        except ValueError as error:
            raise UsageError(
                f"--events-start {arguments.events_start[:40]!r} is no time; give one like "
                "2026-01-31T08:00:00+01:00"
            ) from error
    fresh = [path for _, path in event_files(arguments) if not os.path.exists(path)]
    try:
        with DeskEvents(
            arguments.events,
            policy.desk,
            clock=Recorded(start),
            models=policy.models,
            template=desk_of(profile),
        ) as events:
            yield events
    except BaseException:
        # A run that came to nothing leaves no empty file either.
        for path in fresh:
            with contextlib.suppress(OSError):
                if path.stat().st_size == 0:
                    path.unlink()
        raise


def events_status(tally: EventsTally | None, *, quiet: bool) -> int:
    """Tell how the events fared; the exit status. Raises EventError when some are lost."""
    if tally is None:
        return 0
    from homeveil.errors import EventError

    for place in tally.places:
        if place.waiting:
            tell(
                f"homeveil: {place.place}: {place.waiting} events wait on this machine; they "
                "leave with the next run that tells events there"
            )
    if tally.dropped or tally.refused:
        names = ", ".join(one.place for one in tally.places if one.dropped or one.refused)
        refused = f" ({tally.refused} refused there)" if tally.refused else ""
        lost = tally.dropped + tally.refused
        raise EventError(f"{names}: {lost} events are lost{refused}; the output stands")
    if tally.findings.refused or tally.faults:
        tell(
            f"homeveil: the desk was not watched in {tally.faults} frames, "
            f"{tally.findings.refused} findings were not fit to be told"
        )
    if not quiet:
        print(f"desk events: {tally.findings.told} told", file=sys.stderr)
    return 0
