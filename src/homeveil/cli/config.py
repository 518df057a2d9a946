"""``homeveil config``, and a camera's options from a file."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from homeveil.cli import camera, options
from homeveil.errors import EventError, OutputError, UsageError
from homeveil.policy import Policy

_PLACES = ("profile", "policy", "passphrase-file", "record")
"""Options that name files; relative ones are relative to the config file, and so are files of
events."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("config", help="check a camera's config file")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="say whether `homeveil camera --config F` could begin",
        description="Read a config file and all that it names, but open no camera.",
    )
    check.add_argument("file", type=Path, metavar="F")
    check.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Check one file."""
    read = read_config(arguments.file)
    policy = options.policy_from(read)
    if read.profile is not None and not os.path.isfile(read.profile):
        raise UsageError(f"{arguments.file}: profile: {read.profile} is not there")
    if read.passphrase_file is not None and not os.path.isfile(read.passphrase_file):
        raise UsageError(f"{arguments.file}: passphrase-file: {read.passphrase_file} is not there")
    if read.record is not None and not os.path.isdir(read.record):
        raise OutputError(f"{arguments.file}: record: {read.record} is no folder; make it first")
    try:
        camera.check_outputs(read)
        whom = read.nobody or read.profile is not None
        read.profile, read.nobody = None, whom  # what opens it is asked for when it begins
        camera.shot_from(read, policy)
    except (UsageError, EventError) as error:
        raise type(error)(f"{arguments.file}: {error}") from error
    _check_models(policy)
    print(f"{arguments.file}: good", file=sys.stderr)
    return 0


def _check_models(policy: Policy) -> None:
    """Raise ModelError for the first that is missing or not the one meant."""
    from homeveil.models import store
    from homeveil.models.purposes import PICTURE_PURPOSES, check_purposes, key_purposes

    check_purposes(policy.models)
    for purpose in dict.fromkeys((*PICTURE_PURPOSES, *key_purposes(policy), *policy.models)):
        store.locate(purpose, policy.models)


def read_config(path: Path, more: Sequence[str] = ()) -> argparse.Namespace:
    """The options in ``path``, overridden by the words ``more``. Raises UsageError."""
    try:
        # Some editors begin a file with a mark.
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a TOML file ({error})") from error
    parser = _Parser(path)
    camera.add_arguments(parser)
    return parser.parse_args([*_words(document, path, parser), *more])


def with_config(path: Path, argv: Sequence[str]) -> argparse.Namespace:
    """The options in ``path`` and those of the command line ``argv``, which count more."""
    words = list(argv)
    words.remove("camera")
    for index, word in enumerate(words):
        if word == "--config":
            del words[index : index + 2]
            break
        if word.startswith("--config="):
            del words[index]
            break
    return read_config(path, words)


class _Parser(argparse.ArgumentParser):
    def __init__(self, path: Path) -> None:
        super().__init__(prog=str(path), add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}")


def _words(document: dict[str, Any], path: Path, parser: argparse.ArgumentParser) -> list[str]:
    """A document as words of a command line; the camera becomes the parser's default."""
    known = {option.removeprefix("--"): action for action in parser._actions
             for option in action.option_strings}  # fmt: skip
    words: list[str] = []
    for key, value in document.items():
        if key != "camera" and key not in known:
            names = ", ".join(sorted({"camera", *known}))
            raise UsageError(f"{path}: unknown key {key!r}; known keys: {names}")
        several = key != "camera" and isinstance(known[key], argparse._AppendAction)
        if isinstance(value, list) and not several:
            raise UsageError(f"{path}: {key} is {value!r}; give one value")
        for one in value if isinstance(value, list) else [value]:
            switch = isinstance(one, bool)
            takes = "" if key == "camera" else known[key].nargs
            fits = isinstance(one, str | int | float)
            if switch:
                # Without a value, an option is left out.
                fits = takes in (0, "?") or (key != "camera" and not one)
            elif takes == 0:
                fits = False
            if not fits:
                raise UsageError(f"{path}: {key} is {one!r}; give {_form(takes)}")
            if key == "camera":
                parser.set_defaults(source=str(one))
            elif not switch:
                words.append(f"--{key}={_placed(key, str(one), path)}")
            elif one:
                # Without "=" it would take the next word for its own, if it may have one.
                words.append(f"--{key}" if known[key].nargs == 0 else f"--{key}=")
    return words


def _form(takes: object) -> str:
    """takes: as argparse counts the words after an option."""
    forms = {0: "true or false", "?": "text, a number, true or false"}
    return forms.get(takes, "text or a number")


def _placed(key: str, text: str, path: Path) -> str:
    """Names of files as seen from the file that they stand in."""
    is_file = key in _PLACES or (key == "events" and text != "-" and "://" not in text)
    return str(path.parent / text) if is_file else text
