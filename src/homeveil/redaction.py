"""One call for a file: read, redact, write beside, rename when whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from homeveil.errors import InputError, UsageError
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.policy import Policy, Sound
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor
from homeveil.report import Report, Tally
from homeveil.voice_gate import VoiceGate

if TYPE_CHECKING:
    from homeveil.audio import VeiledAudio
    from homeveil.media.reader import VideoReader
    from homeveil.media.sound_reader import SoundReader

_log = logging.getLogger("homeveil")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a redaction is. What is expected is a guess, or None."""

    frames: int
    frames_expected: int | None
    seconds: float
    seconds_expected: float | None = None


def redact(
    src: str | Path,
    dst: str | Path,
    *,
    profile: Profile | None,
    policy: Policy | None = None,
    sound_track: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Redact a recorded file.

    src: any file with a video or sound stream that FFmpeg reads. dst: where the result
    goes; its suffix chooses the container, and one of sound alone (``.wav``, ``.flac``,
    ``.mp3``, ``.m4a``, ``.ogg``, ``.opus``, ``.mka``) leaves the picture out. profile:
    whom to show and hear, or None for nobody. sound_track: which one to keep, counted
    from 0; the file's default if None; the others are dropped. progress: called after
    every frame written, or every second of sound where there is no picture.

    Everything beside picture and sound is left out. ``dst`` appears whole or not at all.
    Raises InputError, OutputError, ModelError, ProfileError, PolicyError.
    """
    policy = policy or Policy()
    source, target = Path(src), Path(dst)
    if profile is not None and not isinstance(profile, Profile):
        raise UsageError(f"profile is {type(profile).__name__}; give a Profile or None")
    if is_sound_file(target):
        return _redact_sound(source, target, profile, policy, sound_track, progress)
    # The codec library is loaded late: `import homeveil` must stay light.
    from homeveil.emit.files import FileSink
    from homeveil.media.reader import VideoReader

    models = load_models(policy.models)
    with VideoReader(source) as reader, ExitStack() as stack:
        sound = _open_sound(reader, profile, policy, sound_track, stack)
        sink = FileSink(
            target,
            frame_rate=reader.frame_rate,
            encoder=policy.video_encoder,
            quality=policy.video_quality,
            preset=policy.encoder_preset,
            sample_aspect_ratio=reader.sample_aspect_ratio,
            source=source,
            sound=sound.form if sound is not None else None,
        )
        perceiver = load_perceiver(profile, policy, models)
        try:
            with Redactor(profile, policy, perceiver=perceiver) as redactor:
                for veiled in _veiled(reader, redactor):
                    sink.write(veiled)
                    if sound is not None:
                        for piece in sound.follow(veiled):
                            sink.write_sound(piece)
                    if progress is not None:
                        tally = redactor.tally
                        progress(Progress(tally.frames, reader.frame_count_hint, tally.seconds))
                damaged = reader.damaged_packets
                if sound is not None:
                    for piece in sound.rest():
                        sink.write_sound(piece)
                    damaged += sound.damaged_packets
                gate = sound.gate if sound is not None else None
                report = _report(policy, models.sha256, redactor.tally, gate, damaged)
            sink.commit()
        except BaseException:
            sink.abort()
            raise
    return report


def is_sound_file(path: Path) -> bool:
    """Whether a file of this name holds sound alone."""
    from homeveil.media.sound_track import SOUND_MUXERS

    return path.suffix.lower() in SOUND_MUXERS


def _redact_sound(
    source: Path,
    target: Path,
    profile: Profile | None,
    policy: Policy,
    track: int | None,
    progress: Callable[[Progress], None] | None,
) -> Report:
    from homeveil.media.sound_reader import SoundReader
    from homeveil.media.writer import SoundWriter

    if policy.sound is Sound.WITHHELD:
        raise UsageError(f"{target}: the policy withholds all sound, so nothing would be in it")
    with (
        SoundReader(source, track) as reader,
        VoiceGate(profile, policy) as gate,
        SoundWriter(target, reader.form, source) as writer,
    ):
        told = 0.0
        for block in reader:
            for veiled in gate.process(block):
                writer.write(veiled)
            seconds = block.time.seconds + block.seconds
            if progress is not None and seconds >= told + 1:
                told = seconds
                progress(Progress(0, None, seconds, reader.duration_seconds))
        for veiled in gate.flush():
            writer.write(veiled)
        report = _report(policy, {}, Tally(), gate, reader.damaged_packets)
        if not report.sound or not report.sound.seconds:
            raise InputError(f"{source}: no sound could be decoded; check that it is whole")
        writer.commit()
    return report


def _open_sound(
    reader: VideoReader,
    profile: Profile | None,
    policy: Policy,
    track: int | None,
    stack: ExitStack,
) -> _SoundBeside | None:
    """The sound of the file whose picture is being read, opened a second time."""
    if policy.sound is Sound.WITHHELD or not reader.has_audio:
        return None
    from homeveil.media.sound_reader import SoundReader

    if not reader.path.is_file():
        _log.warning("%s: is no plain file, so its sound is left out", reader.path)
        return None
    sound = stack.enter_context(SoundReader(reader.path, track))
    return _SoundBeside(sound, stack.enter_context(VoiceGate(profile, policy)))


class _SoundBeside:
    """The sound of a file, gated, in step with its picture. form: what it comes in."""

    def __init__(self, reader: SoundReader, gate: VoiceGate) -> None:
        self._reader, self.gate = reader, gate
        self.form = reader.form
        self._blocks = iter(reader)
        self._read_to = float("-inf")
        self._seen: float | None = None

    @property
    def damaged_packets(self) -> int:
        """Packets of sound skipped so far."""
        return self._reader.damaged_packets

    def follow(self, frame: VeiledFrame) -> Iterator[VeiledAudio]:
        """The sound up to a frame that was written; its faults are the sound's too."""
        seconds = frame.time.seconds
        if frame.fault:
            # It stands from the frame before to the one after, as far off as that.
            step = seconds - self._seen if self._seen is not None else 0.0
            self.gate.withhold(seconds - step, seconds + step)
        self._seen = seconds
        while self._read_to < seconds + self.gate.delay_seconds:
            block = next(self._blocks, None)
            if block is None:
                self._read_to = float("inf")
                return
            self._read_to = block.time.seconds + block.seconds
            yield from self.gate.process(block)

    def rest(self) -> Iterator[VeiledAudio]:
        """All that is left."""
        for block in self._blocks:
            yield from self.gate.process(block)
        yield from self.gate.flush()


def _veiled(frames: Iterable[RawFrame], redactor: Redactor) -> Iterator[VeiledFrame]:
    for raw in frames:
        yield from redactor.process(raw)
    yield from redactor.flush()


def _report(
    policy: Policy,
    models: Mapping[str, str],
    tally: Tally,
    gate: VoiceGate | None,
    damaged_packets: int,
) -> Report:
    voices = gate.models.sha256 if gate is not None and gate.models is not None else {}
    return Report(
        frames=tally.frames,
        seconds=round(tally.seconds, 3),
        veiled_share=round(tally.veiled_share, 4),
        spans=tally.spans,
        damaged_packets=damaged_packets,
        sound=gate.tally.report() if gate is not None else None,
        style=policy.style.value,
        policy_sha256=policy.digest(),
        models={**models, **voices},
        version=package_version(),
    )


def package_version() -> str:
    """Version of the installed package."""
    try:
        return version("homeveil")
    except PackageNotFoundError:
        return "unknown"
