"""One call for a file: read, redact, write beside, rename when whole."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from homeveil.clearing import Clearing, Order, Veiled
from homeveil.errors import InputError, StretchError, UsageError
from homeveil.files import path_of
from homeveil.frames import VeiledFrame
from homeveil.isolation import Isolate
from homeveil.policy import Lips, Policy, Sound, Style, policy_or_default
from homeveil.profile.store import LockedProfile
from homeveil.profile.template import Profile
from homeveil.report import Report

if TYPE_CHECKING:
    from homeveil.desk_events import DeskEvents
    from homeveil.emit.files import FileSink
    from homeveil.ledger.writer import Ledger
    from homeveil.media.writer import SoundWriter
    from homeveil.stretching import Cleared

_log = logging.getLogger("homeveil")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a redaction is: frames written and their time in seconds, or seconds of sound where
    there is no picture. What is expected is a guess, or None."""

    frames: int
    frames_expected: int | None
    seconds: float
    seconds_expected: float | None = None


def redact(
    src: str | Path,
    dst: str | Path,
    *,
    profile: Profile | LockedProfile | None,
    policy: Policy | None = None,
    sound_track: int | None = None,
    isolate: Isolate = Isolate.AUTO,
    ledger: str | Path | None = None,
    events: DeskEvents | None = None,
    progress: Callable[[Progress], None] | None = None,
    stretches: int = 1,
) -> Report:
    """Redact a recorded file.

    src: any file with a video or sound stream that FFmpeg reads. dst: where the result
    goes; its suffix chooses the container, and one of sound alone (``.wav``, ``.flac``,
    ``.mp3``, ``.m4a``, ``.ogg``, ``.opus``, ``.mka``) leaves the picture out. profile:
    whom to show and hear, or None for nobody; a LockedProfile is opened only where raw
    content is. sound_track: which one to keep, counted from 0; the file's default if None;
    the others are dropped. isolate: whether raw content is kept in a process of its own that
    can open, send and start nothing. ledger: where to write the signed record of what left; it
    must not exist. events: tell what lies on the desk, of the frames as they are written; they
    stay open, and what was told is not taken back should the run fail. progress: called after
    every frame written, or every second of sound where there is no picture. stretches: a
    long picture is cleared in up to so many stretches at once, each in a process of its own.
    What cannot be (a short or damaged file, AVI, the style ``soft``, with lips, a ledger or
    events) is cleared in one pass, and the report says why.

    Everything beside picture and sound is left out. ``dst`` appears whole or not at all.
    Raises InputError, OutputError, ModelError, ProfileError, PolicyError, IsolationError,
    LedgerError, and UsageError for what is no such argument.
    """
    policy = policy_or_default(policy)
    source, target = path_of(src, "src"), path_of(dst, "dst")
    record = path_of(ledger, "ledger") if ledger is not None else None
    if profile is not None and not isinstance(profile, Profile | LockedProfile):
        raise UsageError(
            f"profile is {type(profile).__name__}; give a Profile, a LockedProfile or None"
        )
    if not isinstance(isolate, Isolate):
        raise UsageError(f"isolate is {isolate!r}; give {', '.join(map(str, Isolate))}")
    if sound_track is not None and not isinstance(sound_track, int):
        raise UsageError(f"sound_track is {sound_track!r}; give a number counted from 0, or None")
    if events is not None and not hasattr(events, "take"):
        raise UsageError(f"events is {type(events).__name__}; give homeveil.DeskEvents or None")
    if not isinstance(stretches, int) or stretches < 1:
        raise UsageError(f"stretches is {stretches!r}; give a whole number, at least 1")
    order = Order(source, profile, policy, is_sound_file(target), sound_track)
    _check(order, target, record, events)
    one_pass = ""
    if stretches > 1:
        try:
            _check_stretches(order, target, record, events)
            return _in_stretches(order, target, isolate, stretches, progress)
        except StretchError as error:
            one_pass = str(error)
            _log.info("%s: cleared in one pass: %s", source, error)
    report = _in_one_pass(order, target, isolate, record, events, progress)
    return dataclasses.replace(report, one_pass=one_pass)


def _check(order: Order, target: Path, record: Path | None, events: DeskEvents | None) -> None:
    """Raise for what cannot end well."""
    # The codec library is loaded late: `import homeveil` must stay light.
    from homeveil.emit.files import check_output
    from homeveil.emit.side_files import check_apart
    from homeveil.media.reader import check_file

    check_file(order.source)
    read, written = [("input", order.source)], [("output", target)]
    if isinstance(order.profile, LockedProfile):
        read.append(("profile", order.profile.path))
    if record is not None:
        written.append(("ledger", record))
    written += [("events", path) for path in (events.files if events is not None else ())]
    check_apart(read, written)
    if order.sound_alone and order.policy.sound is Sound.WITHHELD:
        raise UsageError(f"{target}: the policy withholds all sound, so nothing would be in it")
    if order.sound_alone and events is not None:
        raise UsageError(f"{target}: has no picture, so there is no desk to tell events of")
    if not order.sound_alone:
        check_output(target, order.source, order.policy)
    if record is not None:
        from homeveil.ledger.writer import check_ledger

        check_ledger(record)


def _in_one_pass(
    order: Order,
    target: Path,
    isolate: Isolate,
    record: Path | None,
    events: DeskEvents | None,
    progress: Callable[[Progress], None] | None,
) -> Report:
    from homeveil.isolation.box import open_clearing

    source, policy = order.source, order.policy
    with (
        open_clearing(order, isolate) as clearing,
        _recorded(record, policy, clearing) as note,
        _output(target, source, policy, clearing) as output,
    ):
        told = Progress(0, None, 0.0)
        for veiled in clearing:
            _write(output, veiled)
            if note is not None:
                note.take(veiled)
            if events is not None and isinstance(veiled, VeiledFrame):
                events.take(veiled)
            now = _progress(clearing, told)
            if progress is not None and now is not told:
                progress(now)
            told = now
        if events is not None:
            events.finish()
        report = _report(policy, clearing)
        if order.sound_alone and not (report.sound and report.sound.seconds):
            raise InputError(f"{source}: no sound could be decoded; check that it is whole")
        output.commit()
        if note is not None:
            note.finish(
                target,
                frames_in=clearing.frames_read,
                damaged_packets=clearing.damaged_packets,
            )
    return report


def _check_stretches(
    order: Order, target: Path, record: Path | None, events: DeskEvents | None
) -> None:
    """Raise StretchError for what can only be had in one pass."""
    from homeveil.media.stretches import CUT_SUFFIXES

    if order.sound_alone or not order.source.is_file():
        raise StretchError("there is no picture in a plain file to be cut")
    if target.suffix.lower() not in CUT_SUFFIXES:
        raise StretchError(f"{target.suffix} keeps no times of frames")
    if record is not None:
        raise StretchError("a ledger records frames in their order")
    if events is not None:
        raise StretchError("desk events are told in their order")
    if order.policy.style is Style.SOFT:
        raise StretchError("soft blocks are held in time")
    if order.policy.lips is not Lips.OFF and order.policy.sound is not Sound.WITHHELD:
        raise StretchError("the sound is held against the lips")


def _in_stretches(
    order: Order,
    target: Path,
    isolate: Isolate,
    count: int,
    progress: Callable[[Progress], None] | None,
) -> Report:
    from homeveil.stretching import clear_in_stretches

    def told(frames: int, expected: int | None, seconds: float) -> None:
        if progress is not None:
            progress(Progress(frames, expected, seconds))

    cleared = clear_in_stretches(order, target, isolate, count, told=told)
    report = _report(order.policy, cleared)
    return dataclasses.replace(report, stretches=cleared.stretches, one_pass=cleared.one_pass)


def is_sound_file(path: Path) -> bool:
    """Whether a file of this name holds sound alone."""
    from homeveil.media.sound_track import SOUND_MUXERS

    return path.suffix.lower() in SOUND_MUXERS


def _output(
    target: Path, source: Path, policy: Policy, clearing: Clearing
) -> FileSink | SoundWriter:
    from homeveil.emit.files import policy_sink
    from homeveil.media.writer import SoundWriter

    form = clearing.form
    if not form.width and form.sound is not None:
        return SoundWriter(target, form.sound, source, form.begin_seconds)
    return policy_sink(
        target,
        policy,
        source,
        frame_rate=form.frame_rate,
        sample_aspect_ratio=form.sample_aspect_ratio,
        sound=form.sound,
    )


@contextlib.contextmanager
def _recorded(path: Path | None, policy: Policy, clearing: Clearing) -> Iterator[Ledger | None]:
    """A ledger at ``path``, which also tells when the run ends in an error."""
    if path is None:
        yield None
        return
    from homeveil.ledger.writer import Head, Ledger

    head = Head(policy.digest(), clearing.models, package_version(), clearing.isolation)
    with Ledger(path, head) as ledger:
        try:
            yield ledger
        except BaseException as error:
            ledger.fail(error)
            raise


def _write(output: FileSink | SoundWriter, veiled: Veiled) -> None:
    from homeveil.emit.files import FileSink

    if isinstance(veiled, VeiledFrame):
        if not isinstance(output, FileSink):
            raise UsageError("a picture does not belong into a file of sound alone")
        output.write(veiled)
    elif isinstance(output, FileSink):
        output.write_sound(veiled)
    else:
        output.write(veiled)


def _progress(clearing: Clearing, told: Progress) -> Progress:
    """What is to be told now; ``told`` itself if nothing is new."""
    form, tally, sound = clearing.form, clearing.tally, clearing.sound_tally
    if form.width:
        if tally.frames == told.frames:
            return told
        return Progress(tally.frames, form.frames_expected, tally.seconds)
    if sound is None or sound.seconds < told.seconds + 1:
        return told
    return Progress(0, None, sound.seconds, form.seconds_expected)


def _report(policy: Policy, clearing: Clearing | Cleared) -> Report:
    tally, sound = clearing.tally, clearing.sound_tally
    return Report(
        frames=tally.frames,
        seconds=round(tally.seconds, 3),
        veiled_share=round(tally.veiled_share, 4),
        spans=tally.spans,
        damaged_packets=clearing.damaged_packets,
        sound=sound.report() if sound is not None else None,
        style=policy.style.value,
        policy_sha256=policy.digest(),
        models=dict(clearing.models),
        version=package_version(),
        isolation=clearing.isolation,
        truncated=clearing.truncated,
        start_seconds=round(tally.first_seconds or 0.0, 3),
    )


def package_version() -> str:
    """Version of the installed package."""
    try:
        return version("homeveil")
    except PackageNotFoundError:
        return "unknown"
