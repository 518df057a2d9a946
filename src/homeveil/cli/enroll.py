"""``homeveil enroll``: from pictures of the agent to an encrypted profile."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeveil.cli import options
from homeveil.errors import InputError, ProfileError, UsageError
from homeveil.profile.template import Profile

if TYPE_CHECKING:
    from homeveil.frames import RawFrame
    from homeveil.policy import Policy
    from homeveil.profile.desk import DeskTemplate
    from homeveil.profile.voice import VoiceTemplate

DESK_SECONDS = 6.0
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "enroll",
        help="make the agent's profile",
        description="Make an encrypted profile from pictures that show the agent alone, from "
        "several angles, and from recordings of the agent's voice alone, half a minute or "
        "more. It holds numbers, no image and no sound. Without pictures nobody is shown, "
        "without a voice nothing is heard.",
    )
    parser.add_argument("profile", type=Path, metavar="PROFILE", help="file to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video", type=Path, metavar="F", action="append",
                        help="recording of the agent alone; may be repeated")  # fmt: skip
    source.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures")
    source.add_argument("--camera", type=options.whole(0, 99), metavar="N",
                        help="number of a camera, such as 0")  # fmt: skip
    parser.add_argument(
        "--voice",
        type=Path,
        metavar="F",
        action="append",
        help="recording of the agent speaking alone; may be repeated, best from several days; "
        "with --video F its own sound can be given here too",
    )
    parser.add_argument(
        "--desk",
        type=Path,
        metavar="F",
        help="picture or video of the clean desk as the camera sees it, nobody in it; the zone is "
        "the policy's polygon, or is found",
    )
    written = parser.add_mutually_exclusive_group()
    written.add_argument("--overwrite", action="store_true", help="replace an existing profile")
    written.add_argument(
        "--update",
        action="store_true",
        help="keep what an existing profile holds and replace only what is enrolled now",
    )
    parser.add_argument("--policy", type=Path, metavar="F", help="policy file (TOML)")
    options.add_passphrase(parser)
    parser.set_defaults(run=run, style=None)


def run(arguments: argparse.Namespace) -> int:
    """Enroll."""
    policy = options.policy_from(arguments)
    faces = (arguments.video, arguments.images, arguments.camera) != (None, None, None)
    if not faces and not arguments.voice and not arguments.desk:
        raise UsageError(
            "nothing to enroll from; give --images, --video or --camera, --voice or --desk"
        )
    exists = _exists(arguments.profile)
    if exists and not (arguments.overwrite or arguments.update):
        raise ProfileError(
            f"{arguments.profile}: exists; give --overwrite to replace it, or --update to add to it"
        )
    if arguments.update and not exists:
        raise ProfileError(f"{arguments.profile}: no such profile to update")
    from homeveil.media.reader import VideoReader
    from homeveil.profile.store import check_place, load_profile, read_passphrase, save_profile

    check_place(arguments.profile)
    frames = _frames(arguments) if faces else None
    for file in arguments.voice or ():
        _check_sound(file)
    if arguments.desk:
        VideoReader(arguments.desk).close()
    passphrase = read_passphrase(file=arguments.passphrase_file, confirm=not arguments.update)
    old = load_profile(arguments.profile, passphrase) if arguments.update else None
    shown = _enroll_face(frames, policy, bool(arguments.images)) if frames is not None else old
    voice = old.voice if old is not None else None
    if arguments.voice:
        voice = _enroll_voice(arguments.voice, policy)
    desk = old.desk if old is not None else None
    if arguments.desk:
        desk = _enroll_desk(arguments.desk, policy)
    if shown is not None:
        profile = dataclasses.replace(shown, voice=voice, desk=desk)
    else:
        profile = Profile(None, voice=voice, desk=desk)
    save_profile(arguments.profile, profile, passphrase, overwrite=exists)
    print(f"{arguments.profile}: enrolled from {_sources(profile)}", file=sys.stderr)
    return 0


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ProfileError(
            f"{path}: no profile can be there ({error.strerror}); give another name"
        ) from error


def _sources(profile: Profile) -> str:
    parts = []
    if profile.face is not None:
        parts.append(f"{profile.face.embeddings_used} faces")
    if profile.voice is not None:
        parts.append(f"{profile.voice.seconds:.0f} s of speech")
    if profile.desk is not None:
        parts.append("a clean desk")
    missing = []
    if profile.face is None:
        missing.append("nobody will be shown")
    if profile.voice is None:
        missing.append("nothing will be heard")
    return " and ".join(parts) + (f"; {', '.join(missing)}" if missing else "")


def _enroll_face(
    frames: Iterator[tuple[str, RawFrame]], policy: Policy, stills: bool
) -> Profile:
    from homeveil.enrollment import Enrollment
    from homeveil.perceive.loading import load_models, load_perceiver

    models = load_models(policy.models)
    perceiver = load_perceiver(None, policy, models)
    try:
        enrollment = Enrollment(perceiver, models.sha256["face_embedding"])
        for label, frame in frames:
            reason = enrollment.take(frame, spaced=not stills)
            if reason is not None and stills:
                print(f"{label}: refused, {reason}", file=sys.stderr)
        profile = enrollment.finish()
    finally:
        perceiver.close()
    # Whoever could not begin with it is told now.
    load_perceiver(profile, policy, models).close()
    return profile


def _enroll_voice(files: list[Path], policy: Policy) -> VoiceTemplate:
    from homeveil.media.sound_reader import SoundReader
    from homeveil.voice_enrollment import VoiceEnrollment

    enrollment = VoiceEnrollment.with_models_of(policy)
    for file in files:
        with SoundReader(file) as reader:
            reason = enrollment.take(reader, str(file))
        if reason is not None:
            print(f"{file}: refused, {reason}", file=sys.stderr)
    return enrollment.finish()


def _enroll_desk(file: Path, policy: Policy) -> DeskTemplate:
    """The desk as it leaves the veil: what is withheld does not get into a profile either."""
    from homeveil.desk.enrolling import DeskEnrollment
    from homeveil.desk.watcher import DeskModels
    from homeveil.redactor import Redactor

    models = DeskModels.load(policy.models)
    enrollment = DeskEnrollment(models.items, policy.desk.polygon)
    with Redactor(None, policy) as redactor:
        for frame in _desk_frames(file):
            for veiled in redactor.process(frame):
                enrollment.take(veiled)
        for veiled in redactor.flush():
            enrollment.take(veiled)
    return enrollment.finish()


def _desk_frames(file: Path) -> Iterator[RawFrame]:
    """The first seconds of a video; a picture is held for as long, so that it is looked at
    often enough to be cleared."""
    from homeveil.frames import Timestamp
    from homeveil.media.reader import VideoReader

    with VideoReader(file) as reader:
        if file.suffix.lower() not in PICTURE_SUFFIXES:
            first = None
            for frame in reader:
                first = frame.time.seconds if first is None else first
                if frame.time.seconds - first > DESK_SECONDS:
                    break
                yield frame
            return
        still = next(iter(reader))
    for number in range(round(DESK_SECONDS * 10)):
        yield dataclasses.replace(still, time=Timestamp.from_seconds(number / 10))


def _check_sound(file: Path) -> None:
    """A bad recording is told before a passphrase is asked for."""
    from homeveil.media.sound_reader import SoundReader

    SoundReader(file).close()


def _frames(arguments: argparse.Namespace) -> Iterator[tuple[str, RawFrame]]:
    if arguments.images is not None:
        return _pictures(arguments.images)
    if arguments.video is not None:
        return _videos(arguments.video)
    return _camera(arguments.camera)


def _pictures(folder: Path) -> Iterator[tuple[str, RawFrame]]:
    try:
        # What begins with a dot lies there for other programs, under a picture's name too.
        files = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")
        )
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); give a folder of pictures"
        ) from error
    if not files:
        raise InputError(f"{folder}: holds no picture ({', '.join(PICTURE_SUFFIXES)})")
    for file in files:
        if file.is_fifo():
            # Nobody may ever write into it.
            raise InputError(f"{file}: is a pipe, no picture; move it away")
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
