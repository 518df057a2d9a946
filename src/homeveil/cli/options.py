"""Options that several commands share."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.policy import Muted, Policy, Sound, Style

if TYPE_CHECKING:
    from homeveil.profile.store import LockedProfile
    from homeveil.profile.template import Profile


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
    """``--sound``, ``--strict-voice`` and ``--muted``."""
    parser.add_argument(
        "--sound",
        choices=[sound.value for sound in Sound],
        help="monitor (default) waits 1.5 s to be sure, call 0.12 s; withheld drops all sound",
    )
    parser.add_argument(
        "--strict-voice", action="store_true", help="mute the agent rather than anybody else"
    )
    parser.add_argument(
        "--muted", choices=[muted.value for muted in Muted], help="how withheld sound sounds"
    )


def add_profile(parser: argparse.ArgumentParser) -> None:
    """``--profile`` or ``--nobody``, and the passphrase."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--profile", type=Path, metavar="F", help="profile of the agent to show")
    who.add_argument("--nobody", action="store_true", help="show no person at all")
    add_passphrase(parser)


def policy_from(arguments: argparse.Namespace) -> Policy:
    """The policy that the options ask for."""
    policy = Policy.from_toml(arguments.policy) if arguments.policy else Policy()
    changes: dict[str, Any] = {}
    for name, kind in (("style", Style), ("sound", Sound), ("muted", Muted)):
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

    if not arguments.profile.is_file():
        raise ProfileError(f"{arguments.profile}: no such profile; make one with `homeveil enroll`")
    return LockedProfile(arguments.profile, read_passphrase(file=arguments.passphrase_file))


def profile_from(arguments: argparse.Namespace) -> Profile | None:
    """The profile that the options ask for, opened; None with ``--nobody``."""
    locked = locked_profile_from(arguments)
    return locked.open() if locked is not None else None
