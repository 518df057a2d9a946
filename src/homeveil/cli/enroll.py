"""``homeveil enroll``: from pictures of the agent to an encrypted profile."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.errors import InputError, ProfileError

if TYPE_CHECKING:
    from homeveil.frames import RawFrame

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "enroll",
        help="make the agent's profile",
        description="Make an encrypted profile from pictures that show the agent alone, from "
        "several angles. It holds numbers, no image.",
    )
    parser.add_argument("profile", type=Path, metavar="PROFILE", help="file to write")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--video", type=Path, metavar="F", action="append", help="may be repeated")
    source.add_argument("--images", type=Path, metavar="DIR")
    source.add_argument("--camera", type=int, metavar="N")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing profile")
    parser.add_argument("--policy", type=Path, metavar="F", help="policy file (TOML)")
    options.add_passphrase(parser)
    parser.set_defaults(run=run, style=None)


def run(arguments: argparse.Namespace) -> int:
    """Enroll."""
    policy = options.policy_from(arguments)
    if arguments.profile.exists() and not arguments.overwrite:
        raise ProfileError(f"{arguments.profile}: exists; give --overwrite to replace it")
    frames = _frames(arguments)
    from homeveil.enrollment import Enrollment
    from homeveil.perceive.loading import load_models, load_perceiver
    from homeveil.profile.store import read_passphrase, save_profile

    models = load_models(policy.models)
    passphrase = read_passphrase(file=arguments.passphrase_file, confirm=True)
    perceiver = load_perceiver(None, policy, models)
    try:
        enrollment = Enrollment(perceiver, models.sha256["face_embedding"])
        for label, frame in frames:
            reason = enrollment.take(frame, spaced=not arguments.images)
            if reason is not None and arguments.images:
                print(f"{label}: refused, {reason}", file=sys.stderr)
        profile = enrollment.finish()
    finally:
        perceiver.close()
    save_profile(arguments.profile, profile, passphrase, overwrite=arguments.overwrite)
    print(
        f"{arguments.profile}: enrolled from {profile.face.embeddings_used} faces "
        f"({sum(enrollment.refused.values())} refused)",
        file=sys.stderr,
    )
    return 0


def _frames(arguments: argparse.Namespace) -> Iterator[tuple[str, RawFrame]]:
    if arguments.images is not None:
        return _pictures(arguments.images)
    if arguments.video is not None:
        return _videos(arguments.video)
    return _camera(arguments.camera)


def _pictures(folder: Path) -> Iterator[tuple[str, RawFrame]]:
    try:
        files = sorted(
            file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES
        )
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); give a folder of pictures"
        ) from error
    if not files:
        raise InputError(f"{folder}: holds no picture ({', '.join(PICTURE_SUFFIXES)})")
    from homeveil.media.reader import VideoReader

    def read() -> Iterator[tuple[str, RawFrame]]:
        for file in files:
            with VideoReader(file) as reader:
                for frame in reader:
                    yield file.name, frame
                    break

    return read()


def _videos(files: list[Path]) -> Iterator[tuple[str, RawFrame]]:
    from homeveil.media.reader import VideoReader

    for file in files:
        VideoReader(file).close()

    def read() -> Iterator[tuple[str, RawFrame]]:
        for file in files:
            with VideoReader(file) as reader:
                for frame in reader:
                    yield file.name, frame

    return read()


def _camera(number: int) -> Iterator[tuple[str, RawFrame]]:
    from homeveil.media.camera import camera_frames

    print("look at the camera and turn your head slowly to both sides", file=sys.stderr)
    return ((f"camera {number}", frame) for frame in camera_frames(number, seconds=10.0))
