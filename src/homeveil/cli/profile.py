"""``homeveil profile``: look at or erase a profile."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from homeveil.cli import options


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("profile", help="show or erase a profile")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="what a profile holds, without its templates")
    show.add_argument("profile", type=Path, metavar="PROFILE")
    options.add_passphrase(show)
    show.set_defaults(run=_show)
    erase = actions.add_parser("erase", help="overwrite and remove a profile")
    erase.add_argument("profile", type=Path, metavar="PROFILE")
    erase.set_defaults(run=_erase)


def _show(arguments: argparse.Namespace) -> int:
    from homeveil.profile.store import load_profile, read_passphrase

    profile = load_profile(arguments.profile, read_passphrase(file=arguments.passphrase_file))
    print(f"version          {profile.version}")
    print(f"created          {profile.created_utc}")
    if profile.face is not None:
        print(f"faces used       {profile.face.embeddings_used}")
        print(f"own spread       {profile.face.spread:.3f}")
        print(f"identity model   {profile.face.model_sha256}")
    if profile.voice is not None:
        print(f"speech used      {profile.voice.seconds:.0f} s, {profile.voice.recordings} files")
        print(f"own likeness     {', '.join(f'{value:.2f}' for value in profile.voice.own)}")
        print(f"voice model      {profile.voice.model_sha256}")
        if profile.voice.speaker is not None:
            print(f"speaker model    {profile.voice.speaker.model_sha256}")
            print(f"likeness asked   {profile.voice.speaker.accept:.2f}")
    if profile.desk is not None:
        height, width = profile.desk.clean.shape[:2]
        print(f"desk             {len(profile.desk.polygon)} corners, {width}x{height} clean")
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    from homeveil.profile.store import erase_profile

    erase_profile(arguments.profile)
    print(f"{arguments.profile}: erased")
    return 0
