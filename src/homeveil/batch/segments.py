"""A long recording in stretches, cleared side by side and joined without a seam.

Each stretch is a redaction of its own: it starts denied, looks at ``BEFORE_SECONDS`` and more
ahead of what it gives, and reads on past its end for as long as frames wait. The sound is
never cut: whoever joins hears all of it in one pass, and mutes it where a picture failed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from homeveil.audio import VeiledAudio
from homeveil.clearing import Order
from homeveil.emit.files import FileSink
from homeveil.errors import InputError, OutputError, UsageError
from homeveil.frames import VeiledFrame
from homeveil.isolation import Isolate
from homeveil.isolation.box import open_clearing
from homeveil.media import stretches
from homeveil.media.reader import VideoReader
from homeveil.media.stretches import Stretch
from homeveil.media.writer import SoundWriter
from homeveil.policy import Policy, Sound
from homeveil.profile.store import LockedProfile
from homeveil.redaction import package_version
from homeveil.report import Report, SoundReport, Span

BEFORE_SECONDS = 10.0
"""Looked at before each stretch, and not given."""

_MUTED_SECONDS = 1.0
_SEAM_SECONDS = 0.2


@dataclasses.dataclass(frozen=True, slots=True)
class Whole:
    """A recording and how it is to be cleared, whole or in stretches."""

    source: Path
    profile: LockedProfile | None
    policy: Policy
    isolate: Isolate = Isolate.AUTO


def plan(source: Path, target: Path, policy: Policy, seconds: float) -> list[Stretch]:
    """How to cut ``source`` for a result named ``target``; fewer than two for not at all.

    Raises UsageError for stretches too short to be worth it, InputError.
    """
    if seconds < BEFORE_SECONDS:
        raise UsageError(f"stretches of {seconds:g} s; give {BEFORE_SECONDS:g} or more")
    if target.suffix.lower() not in stretches.CUT_SUFFIXES:
        return []
    return stretches.cut(source, seconds, BEFORE_SECONDS, policy.lookahead_seconds + 1)


def clear_stretch(whole: Whole, stretch: Stretch, part: Path) -> Report:
    """Clear one stretch into ``part``, an .mp4 of its own that keeps the recording's times.

    It appears whole or not at all. Raises what :func:`homeveil.redact` raises.
    """
    policy = whole.policy
    order = Order(whole.source, whole.profile, policy, stretch=stretch)
    with open_clearing(order, whole.isolate) as clearing:
        form = clearing.form
        with FileSink(
            part,
            frame_rate=form.frame_rate,
            encoder=policy.video_encoder,
            quality=policy.video_quality,
            preset=policy.encoder_preset,
            sample_aspect_ratio=form.sample_aspect_ratio,
            source=whole.source,
        ) as sink:
            for veiled in clearing:
                if isinstance(veiled, VeiledFrame):
                    sink.write(veiled)
            if sink.frames_written != stretch.frames:
                raise InputError(
                    f"{whole.source}: {sink.frames_written} frames of {stretch.frames} in a"
                    " stretch could be decoded; clear it in one pass"
                )
            sink.commit()
        tally = clearing.tally
        return Report(
            frames=tally.frames,
            seconds=tally.seconds,
            veiled_share=tally.veiled_share,
            spans=tally.spans,
            damaged_packets=clearing.damaged_packets,
            sound=None,
            style=policy.style.value,
            policy_sha256=policy.digest(),
            models=dict(clearing.models),
            version=package_version(),
            isolation=clearing.isolation,
        )


def join_stretches(
    whole: Whole, parts: Sequence[tuple[Path, Report]], target: Path, scratch: Path
) -> Report:
    """The result from its cleared stretches, in order, and the sound, heard here in one pass.

    It appears whole or not at all; the sound lies in ``scratch`` for the time being. Raises
    OutputError where the stretches do not fit, and what :func:`homeveil.redact` raises.
    """
    reports = [report for _, report in parts]
    if not reports:
        raise UsageError(f"{target}: no stretches to join")
    if len({(one.policy_sha256, one.version, one.isolation) for one in reports}) > 1:
        raise OutputError(f"{target}: stretches were cleared in different ways; clear them anew")
    faults = [span for one in reports for span in one.spans if span.reason == "fault"]
    track = scratch / ("sound.ogg" if target.suffix.lower() == ".webm" else "sound.m4a")
    sound, models = _sound(whole, faults, track)
    frames = sum(one.frames for one in reports)
    stretches.join(
        [path for path, _ in parts], track if sound is not None else None, target, frames
    )
    share = sum(one.veiled_share * one.frames for one in reports) / frames
    with VideoReader(target) as reader:
        first = next(iter(reader)).time.seconds
    return dataclasses.replace(
        reports[0],
        frames=frames,
        seconds=round(_last_seconds(parts[-1][0]) - first, 3),
        veiled_share=round(share, 4),
        spans=tuple(_joined(span for one in reports for span in one.spans)),
        damaged_packets=sum(one.damaged_packets for one in reports),
        sound=sound,
        models={**reports[0].models, **models},
    )


def _sound(
    whole: Whole, faults: list[Span], track: Path
) -> tuple[SoundReport | None, dict[str, str]]:
    """Clear the sound into ``track``, with nothing in it where a picture failed."""
    with VideoReader(whole.source) as reader:
        silent = not reader.has_audio
    if silent or whole.policy.sound is Sound.WITHHELD:
        return None, {}
    order = Order(whole.source, whole.profile, whole.policy, sound_alone=True)
    with open_clearing(order, whole.isolate) as clearing:
        if clearing.form.sound is None:
            return None, {}
        with SoundWriter(track, clearing.form.sound, whole.source) as writer:
            for veiled in clearing:
                if isinstance(veiled, VeiledAudio):
                    writer.write(_muted(veiled, faults))
            tally = clearing.sound_tally
            if tally is None or not tally.seconds:
                return None, {}
            writer.commit()
        return tally.report(), dict(clearing.models)


def _muted(sound: VeiledAudio, faults: list[Span]) -> VeiledAudio:
    """Silent where a frame was withheld for a fault, and a second around it."""
    start, end = sound.time.seconds, sound.time.seconds + sound.seconds
    samples = sound.samples
    for span in faults:
        low, high = span.start_seconds - _MUTED_SECONDS, span.end_seconds + _MUTED_SECONDS
        if low < end and high > start:
            samples = np.array(samples)
            samples[:, max(0, round((low - start) * sound.rate)) : max(
                0, round((high - start) * sound.rate)
            )] = 0.0  # fmt: skip
    return sound if samples is sound.samples else dataclasses.replace(sound, samples=samples)


def _joined(spans: Iterator[Span]) -> Iterator[Span]:
    """Spans that go on across a seam are one."""
    last: Span | None = None
    for span in spans:
        goes_on = last is not None and last.reason == span.reason
        if last is not None and goes_on and span.start_seconds - last.end_seconds < _SEAM_SECONDS:
            last = Span(last.start_seconds, span.end_seconds, last.reason)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _last_seconds(path: Path) -> float:
    with VideoReader(path) as reader:
        return max(frame.time.seconds for frame in reader)
