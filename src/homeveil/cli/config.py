"""``homeveil config``, and a camera's options from a file."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from homeveil.cli import camera, options
from homeveil.errors import OutputError, UsageError

_PLACES = ("profile", "policy", "passphrase-file", "record")
"""Options that name files; relative ones are relative to the config file."""


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
    if read.profile is not None and not read.profile.is_file():
        raise UsageError(f"{arguments.file}: profile: {read.profile} is not there")
    if read.passphrase_file is not None and not read.passphrase_file.is_file():
        raise UsageError(f"{arguments.file}: passphrase-file: {read.passphrase_file} is not there")
    if read.record is not None and not read.record.is_dir():
        raise OutputError(f"{arguments.file}: record: {read.record} is no folder; make it first")
    read.profile, read.nobody = None, True  # asked for when it begins
    from homeveil.live.outputs.broadcast import Broadcast
    from homeveil.live.outputs.push import Push

    try:
        camera.shot_from(read, policy)
        for url in read.stream or ():
            Push(Broadcast(), url)
    except UsageError as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    print(f"{arguments.file}: good", file=sys.stderr)
    return 0


def read_config(path: Path, more: Sequence[str] = ()) -> argparse.Namespace:
    """The options in ``path``, overridden by the words ``more``. Raises UsageError."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
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
    """A document as words of a command line."""
    known = {option.removeprefix("--") for action in parser._actions
             for option in action.option_strings}  # fmt: skip
    words: list[str] = []
    for key, value in document.items():
        if key == "camera":
            words.append(str(value))
            continue
        if key not in known:
            names = ", ".join(sorted({"camera", *known}))
            raise UsageError(f"{path}: unknown key {key!r}; known keys: {names}")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                words += [f"--{key}"] if one else []
            elif isinstance(one, str | int | float):
                text = str(path.parent / str(one)) if key in _PLACES else str(one)
                words.append(f"--{key}={text}")
            else:
                raise UsageError(f"{path}: {key} is {one!r}; give text, a number, true or false")
    return words
