"""One call for a file: read, redact, write beside, rename when whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from homeveil.errors import UsageError
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.perceive.loading import LoadedModels, load_models, load_perceiver
from homeveil.policy import Policy
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor
from homeveil.report import Report


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a redaction is. ``frames_expected`` is a guess, or None."""

    frames: int
    frames_expected: int | None
    seconds: float


def redact(
    src: str | Path,
    dst: str | Path,
    *,
    profile: Profile | None,
    policy: Policy | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Redact a video file.

    src: any file with a video stream that FFmpeg reads. dst: where the result goes; its
    suffix chooses the container. profile: whom to show, or None to show nobody. progress:
    called after every frame written.

    The sound, and everything else beside the picture, is left out. ``dst`` appears whole
    or not at all. Raises InputError, OutputError, ModelError, ProfileError, PolicyError.
    """
    policy = policy or Policy()
    source, target = Path(src), Path(dst)
    # The codec library is loaded late: `import homeveil` must stay light.
    from homeveil.emit.files import FileSink
    from homeveil.media.reader import VideoReader

    if profile is not None and not isinstance(profile, Profile):
        raise UsageError(f"profile is {type(profile).__name__}; give a Profile or None")
    models = load_models(policy.models)
    with VideoReader(source) as reader:
        sink = FileSink(
            target,
            frame_rate=reader.frame_rate,
            encoder=policy.video_encoder,
            quality=policy.video_quality,
            preset=policy.encoder_preset,
            sample_aspect_ratio=reader.sample_aspect_ratio,
            source=source,
        )
        perceiver = load_perceiver(profile, policy, models)
        try:
            with Redactor(profile, policy, perceiver=perceiver) as redactor:
                for veiled in _veiled(reader, redactor):
                    sink.write(veiled)
                    if progress is not None:
                        tally = redactor.tally
                        progress(Progress(tally.frames, reader.frame_count_hint, tally.seconds))
                report = _report(redactor, policy, models, reader.damaged_packets)
            sink.commit()
        except BaseException:
            sink.abort()
            raise
    return report


def _veiled(frames: Iterable[RawFrame], redactor: Redactor) -> Iterator[VeiledFrame]:
    for raw in frames:
        yield from redactor.process(raw)
    yield from redactor.flush()


def _report(
    redactor: Redactor, policy: Policy, models: LoadedModels, damaged_packets: int
) -> Report:
    tally = redactor.tally
    return Report(
        frames=tally.frames,
        seconds=round(tally.seconds, 3),
        veiled_share=round(tally.veiled_share, 4),
        spans=tally.spans,
        damaged_packets=damaged_packets,
        sound="withheld",
        style=policy.style.value,
        policy_sha256=policy.digest(),
        models=dict(models.sha256),
        version=package_version(),
    )


def package_version() -> str:
    """Version of the installed package."""
    try:
        return version("homeveil")
    except PackageNotFoundError:
        return "unknown"
