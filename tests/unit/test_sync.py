"""Picture and sound of odd files come out in step: the gate stands open, nobody is about.

The picture path and the codecs are the real ones; only what listens is scripted, so that
all sound is let through and its place can be measured.
"""

from __future__ import annotations

import os
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

import homeveil.clearing.here
from clips import picture
from homeveil.audio import RawAudio, VeiledAudio
from homeveil.clearing import LiveInput, Order
from homeveil.clearing.here import open_here
from homeveil.clearing.together import OneClock, Together
from homeveil.errors import PerceptionError
from homeveil.frames import RawFrame, Timestamp
from homeveil.isolation import Isolate
from homeveil.media.feed import EncodedSoundForm, FeedPacket, FeedWriter, Kind, PictureForm
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.perceive.observation import Observation
from homeveil.perceive.perceiver import ModelPerceiver
from homeveil.policy import Policy, Sound, Style
from homeveil.redaction import redact
from homeveil.voice_gate import VoiceGate
from voices import ALONE, Script, anybody, needs_models

SECONDS = 4.0
CLICKS = (1.0, 2.5)
TICK = Fraction(1, 90_000)


@pytest.fixture(autouse=True)
def _open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that hears the agent alone, always."""
    listen = partial(VoiceGate, listen=lambda rate: Script(rate, lambda t: ALONE))
    monkeypatch.setattr(homeveil.clearing.here, "VoiceGate", listen)


def clicks(rate: int, channels: int = 1) -> np.ndarray:
    """(channels, n): 40 ms of tone at each of CLICKS, over faint noise."""
    count = round(rate * SECONDS)
    samples = np.random.default_rng(0).normal(0, 0.001, (channels, count)).astype(np.float32)
    for at in CLICKS:
        start, length = round(at * rate), rate // 25
        samples[:, start : start + length] += 0.6 * np.sin(
            2 * np.pi * 800 * np.arange(length) / rate
        ).astype(np.float32)
    return samples


def make(
    path: Path,
    *,
    codec: str = "aac",
    rate: int = 48_000,
    channels: int = 1,
    video_start: float = 0.0,
    sound_start: float = 0.0,
    frame_times: list[float] | None = None,
    hole: tuple[float, float] | None = None,
    stretch: float = 1.0,
    packet: int = 0,
    pause: float = 0.0,
) -> Path:
    """A clip of 10 frames/s with clicks. hole: seconds of sound left out. stretch: how much
    slower the sound's times run than its samples. packet: samples in each, 0 for the usual.
    pause: seconds by which the second half of picture and sound comes later."""
    times = frame_times or [n / 10 for n in range(round(SECONDS * 10))]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    video_codec = "libvpx" if path.suffix == ".webm" else "libx264"
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.time_base = video.codec_context.time_base = TICK
        sound = container.add_stream(codec, rate=rate, layout=layout)
        for number, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            late = pause if seconds >= SECONDS / 2 else 0.0
            frame.pts, frame.time_base = round((seconds + video_start + late) / TICK), TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = clicks(rate, channels)
        size = packet or (960 if codec == "libopus" else 1024)
        for at in range(0, samples.shape[1] - size + 1, size):
            if hole is not None and hole[0] <= at / rate < hole[1]:
                continue
            packed = np.ascontiguousarray(samples[:, at : at + size].T).reshape(1, -1)
            block = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
            block.sample_rate, block.time_base = rate, Fraction(1, rate)
            late = pause if at >= samples.shape[1] / 2 else 0.0
            block.pts = round((at * stretch) + (sound_start + late) * rate)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def offsets(path: Path) -> tuple[list[float], list[float]]:
    """Middles of the loud stretches of sound, and frame times; both from the first frame."""
    with VideoReader(path) as reader:
        frames = [frame.time.seconds for frame in reader]
    loud: list[float] = []
    with SoundReader(path) as reader:
        for block in reader:
            where = np.flatnonzero(np.abs(block.samples[0]) > 0.3)
            loud += (block.time.seconds + where / block.rate).tolist()
    groups = np.split(np.array(loud), np.flatnonzero(np.diff(loud) > 0.2) + 1)
    middles = [float(group[0] + group[-1]) / 2 - frames[0] for group in groups]
    return middles, [time - frames[0] for time in frames]


def check(
    source: Path, target: Path, policy: Policy | None = None, tolerance: float = 0.03
) -> None:
    """Redact; clicks and frames of the output stand to each other as in the input."""
    chosen = policy or Policy(style=Style.FILL)
    report = redact(source, target, profile=anybody(), policy=chosen, isolate=Isolate.OFF)
    before, after = offsets(source), offsets(target)
    assert len(before[0]) == len(CLICKS)
    assert after[0] == pytest.approx(before[0], abs=tolerance)
    assert after[1] == pytest.approx(before[1], abs=0.06 if target.suffix == ".avi" else 0.003)
    assert report.sound is not None
    assert report.frames == len(before[1])


@needs_models
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"rate": 44_100, "channels": 2}),
        ("a.mp4", {"sound_start": 0.5}),
        ("a.mp4", {"video_start": 0.5}),
        ("a.mkv", {"codec": "flac", "rate": 22_050}),
        ("a.mkv", {"codec": "libopus", "channels": 6}),
        ("a.webm", {"codec": "libopus"}),
        ("a.ts", {"codec": "mp2", "rate": 44_100}),
        ("a.mov", {"codec": "pcm_s16le", "rate": 16_000}),
    ],
    ids=str,
)
def test_sound_keeps_its_place(
    tmp_path: Path, suffix: str, source: str, options: dict[str, object]
) -> None:
    """Whatever container and codec, and whichever of the two starts later."""
    check(make(tmp_path / source, **options), tmp_path / f"out{suffix}")  # type: ignore[arg-type]


@needs_models
@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mov"])
def test_every_container_keeps_step(tmp_path: Path, suffix: str) -> None:
    """The other containers that hold times."""
    check(make(tmp_path / "a.mp4", sound_start=0.3), tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a", ".ogg"])
@pytest.mark.parametrize("isolate", [Isolate.OFF, Isolate.AUTO])
@pytest.mark.parametrize("begin", [0.0, 100.0])
def test_sound_by_itself_keeps_its_place_in_the_file(
    tmp_path: Path, suffix: str, isolate: Isolate, begin: float
) -> None:
    """Sound that starts later than the picture has silence before it in a file that holds no
    times; a recording whose clock does not start at zero begins as it does."""
    source = make(
        tmp_path / "a.mkv", codec="flac", video_start=begin, sound_start=begin + 0.5
    )
    target = tmp_path / f"out{suffix}"
    profile = anybody() if isolate is Isolate.OFF else None
    report = redact(source, target, profile=profile, policy=Policy(), isolate=isolate)
    with SoundReader(target) as reader:
        blocks = list(reader)
    end = blocks[-1].time.seconds + blocks[-1].seconds
    holds_times = suffix in (".m4a", ".ogg")
    assert end == pytest.approx(SECONDS + 0.5 + (begin if holds_times else 0), abs=0.06)
    assert report.sound is not None
    assert report.sound.seconds == pytest.approx(SECONDS, abs=0.03)
    if isolate is Isolate.OFF:
        loud = np.concatenate(
            [one.time.seconds + np.flatnonzero(np.abs(one.samples[0]) > 0.3) / one.rate
             for one in blocks]
        )  # fmt: skip
        first = CLICKS[0] + 0.5 + (begin if holds_times else 0)
        assert loud[0] == pytest.approx(first, abs=0.03)


@needs_models
def test_a_variable_frame_rate_keeps_step(tmp_path: Path) -> None:
    """Frames at uneven times, sound at its own."""
    times = sorted({round(n * n / 400, 3) for n in range(40)})
    check(make(tmp_path / "a.mp4", frame_times=times), tmp_path / "out.mp4")


@needs_models
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_a_hole_in_the_sound_is_a_hole(tmp_path: Path, sound: Sound) -> None:
    """What comes after a hole is not moved into it."""
    source = make(tmp_path / "a.mkv", codec="flac", hole=(1.3, 2.0))
    check(source, tmp_path / "out.mkv", Policy(style=Style.FILL, sound=sound))


@needs_models
@pytest.mark.parametrize("pause", [60.0, 700.0])
@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_pause_of_any_length_is_kept_by_both(
    tmp_path: Path, suffix: str, pause: float
) -> None:
    """Sound keeps the clock that the picture keeps, however long both stood still."""
    source = make(tmp_path / "a.mkv", codec="flac", rate=16_000, pause=pause)
    assert offsets(source)[0][1] == pytest.approx(CLICKS[1] + pause + 0.02, abs=0.03)
    check(source, tmp_path / f"out{suffix}")


@needs_models
def test_a_fault_behind_a_pause_mutes_its_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Picture and sound fail together also after a pause of many minutes."""
    fail_between(monkeypatch, 702.35, 702.75)
    source = make(tmp_path / "a.mkv", codec="flac", rate=16_000, pause=700.0)
    target = tmp_path / "out.mkv"
    policy = Policy(style=Style.FILL)
    redact(source, target, profile=anybody(), policy=policy, isolate=Isolate.OFF)
    assert offsets(target)[0] == pytest.approx([CLICKS[0] + 0.02], abs=0.03)


def joined(tmp_path: Path, **options: Any) -> Path:
    """Three recordings with clocks of their own in one file; the sound of each is half a second
    longer than its picture."""
    part = make(tmp_path / "part.ts", frame_times=[n / 10 for n in range(35)], **options)
    path = tmp_path / "joined.ts"
    path.write_bytes(part.read_bytes() * 3)
    return path


@needs_models
@pytest.mark.parametrize(("suffix", "lookahead"), [(".mp4", 0.0), (".mkv", 2.0)])
def test_recordings_that_were_joined_keep_step(
    tmp_path: Path, suffix: str, lookahead: float
) -> None:
    """In each part sound stands to its picture as it did, and does not fall behind with each."""
    policy = Policy(style=Style.FILL, lookahead_seconds=lookahead)
    target = tmp_path / f"out{suffix}"
    redact(joined(tmp_path), target, profile=anybody(), policy=policy, isolate=Isolate.OFF)
    found, frames = offsets(target)
    starts = frames[::35]
    assert len(starts) == 3
    want = [start + at + 0.02 for start in starts for at in CLICKS]
    assert found == pytest.approx(want, abs=0.03)


@needs_models
def test_a_fault_behind_a_join_mutes_its_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the third part, and no other sound."""
    source, target = joined(tmp_path), tmp_path / "out.mkv"
    with VideoReader(source) as reader:
        start = [frame.time.seconds for frame in reader][70]
    fail_between(monkeypatch, start + 0.85, start + 1.25)
    policy = Policy(style=Style.FILL)
    redact(source, target, profile=anybody(), policy=policy, isolate=Isolate.OFF)
    found, frames = offsets(target)
    heard = [start + at + 0.02 for start in frames[::35] for at in CLICKS]
    assert found == pytest.approx(heard[:4] + heard[5:], abs=0.03)


def test_sound_that_was_joined_without_its_picture_goes_on_by_itself() -> None:
    """It waits until so much of the picture was read that this is known, or there is no more."""
    picture = SimpleNamespace(joins=[(1.0, 1.0)], read_to=21.0)
    sound = SimpleNamespace(joins=[(20.05, 20.05), (40.05, 40.05)])
    clock = OneClock(picture, sound)  # type: ignore[arg-type]

    def block(seconds: float, *, spliced: bool = False) -> RawAudio:
        return RawAudio(
            np.zeros((1, 16_000), np.float32), 16_000, Timestamp.from_seconds(seconds), spliced
        )

    assert clock.place(block(19.0)) is not None
    later = block(20.05, spliced=True)
    assert clock.place(later) is None
    picture.read_to = 26.0
    placed = clock.place(later)
    assert placed is not None
    assert placed.spliced
    assert placed.time.seconds == pytest.approx(20.05)
    last = block(40.05, spliced=True)
    assert clock.place(last) is None
    clock.end()
    assert clock.place(last) is not None


@needs_models
def test_a_drifting_clock_is_followed(tmp_path: Path) -> None:
    """Sound whose times run 2 % slower than its samples stays within a frame of them."""
    source = make(tmp_path / "a.mkv", codec="flac", rate=16_000, stretch=1.02)
    check(source, tmp_path / "out.mp4", tolerance=0.06)


def fail_between(monkeypatch: pytest.MonkeyPatch, start: float, end: float) -> None:
    """Looks at frames between two times fail."""
    look = ModelPerceiver.look

    def failing(self: ModelPerceiver, frame: RawFrame, *rest: Any) -> Observation:
        if start < frame.time.seconds < end:
            raise PerceptionError("the look failed")
        return look(self, frame, *rest)

    monkeypatch.setattr(ModelPerceiver, "look", failing)


def faults_of_sound(source: Path, sound: Sound = Sound.MONITOR) -> list[tuple[float, float]]:
    """Spans of sound muted for a fault, from the samples that leave, in seconds."""
    order = Order(source, anybody(), Policy(style=Style.FILL, sound=sound))
    rows, rate = [], 1
    with open_here(order) as clearing:
        for veiled in clearing:
            if isinstance(veiled, VeiledAudio):
                rows.append(veiled.samples[0])
                rate = veiled.rate
    silent = np.concatenate(rows) == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(int)))
    spans = edges.reshape(-1, 2) / rate
    return [(float(a), float(b)) for a, b in spans if b - a > 0.02]


@needs_models
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
@pytest.mark.parametrize("packet", [1024, 8000, 16_000])
def test_a_fault_mutes_its_sound_however_long_the_packets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packet: int, sound: Sound
) -> None:
    """Nothing between the picture before and the one after is heard, though the sound of that time
    came with sound from before it."""
    source = make(tmp_path / "a.mkv", codec="pcm_f32le", rate=16_000, packet=packet)
    fail_between(monkeypatch, 0.95, 1.25)
    (span,) = [span for span in faults_of_sound(source, sound) if 0.5 < span[0] < 3.5]
    assert 0.88 <= span[0] <= 0.905
    assert 1.295 <= span[1] <= 1.32


@needs_models
def test_a_picture_that_failed_mutes_for_as_long_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At a variable frame rate a failed picture is seen until the next one, and the last of all to
    the end."""
    times = [0.0, 0.1, 0.2, 0.9, 2.9, 3.0, 3.1]
    source = make(tmp_path / "a.mkv", codec="pcm_f32le", rate=16_000, frame_times=times)
    fail_between(monkeypatch, 0.85, 1.0)
    (span,) = [span for span in faults_of_sound(source) if 0.1 < span[0] < 3.5]
    assert span == pytest.approx((0.2, 2.9), abs=0.03)
    fail_between(monkeypatch, 3.05, 9.0)
    assert faults_of_sound(source)[-1] == pytest.approx((3.0, SECONDS), abs=0.07)


@needs_models
@pytest.mark.parametrize(
    ("sound", "delay"), [(Sound.MONITOR, 0.0), (Sound.CALL, 0.0), (Sound.CALL, 0.3)]
)
def test_live_a_fault_mutes_sound_that_leaves_before_the_picture(
    monkeypatch: pytest.MonkeyPatch, sound: Sound, delay: float
) -> None:
    """A failed picture is known to have failed when it comes, not when it leaves."""
    fail_between(monkeypatch, 3.95, 4.05)
    reading, writing = os.pipe()

    def send() -> None:
        feed = FeedWriter(writing)
        feed.forms(
            PictureForm(64, 48, Fraction(10), "rawvideo", "yuv420p"),
            EncodedSoundForm(16_000, 1, "pcm_f32le"),
        )
        noise = np.random.default_rng(0).integers(0, 255, 64 * 48 * 3 // 2, np.uint8).tobytes()
        samples = np.full(320, 0.5, np.float32).tobytes()
        pictures = [(n / 10, Kind.PICTURE, n / 10) for n in range(50)]
        # A block of sound is there when its last sample is.
        blocks = [(n / 50 + 0.02, Kind.SOUND, n / 50) for n in range(250)]
        for _, kind, at in sorted(pictures + blocks, key=lambda one: one[0]):
            tick = round((1 + at) * 1e6)  # long ago
            data = noise if kind is Kind.PICTURE else samples
            feed.packet(FeedPacket(kind, data, tick, tick, True))
        feed.end()
        os.close(writing)

    sender = threading.Thread(target=send)
    sender.start()
    live = LiveInput(reading, delay, 1e9)
    order = Order(Path("cam"), anybody(), Policy(style=Style.FILL, sound=sound), live=live)
    silent: list[float] = []
    with open_here(order) as clearing:
        for veiled in clearing:
            if isinstance(veiled, VeiledAudio):
                where = np.flatnonzero(veiled.samples[0] == 0)
                silent += (veiled.time.seconds - 1 + where / veiled.rate).tolist()
    sender.join()
    os.close(reading)
    beside = [at for at in silent if 1.0 < at < 4.5]
    assert (min(beside), max(beside)) == pytest.approx((2.9, 3.1), abs=0.02)


@needs_models
def test_live_one_picture_of_a_time_to_come_costs_no_other() -> None:
    """The tenth claims to be nine seconds later than it is."""
    reading, writing = os.pipe()
    begin = time.monotonic() - 4

    def send() -> None:
        feed = FeedWriter(writing)
        feed.forms(PictureForm(64, 48, Fraction(10), "rawvideo", "yuv420p"), None)
        noise = np.random.default_rng(0).integers(0, 255, 64 * 48 * 3 // 2, np.uint8).tobytes()
        for n in range(30):
            tick = round((begin + n / 10 + (9 if n == 10 else 0)) * 1e6)
            feed.packet(FeedPacket(Kind.PICTURE, noise, tick, tick, True))
        feed.end()
        os.close(writing)

    sender = threading.Thread(target=send)
    sender.start()
    order = Order(Path("cam"), None, Policy(style=Style.FILL), live=LiveInput(reading, 0.0, 1e9))
    with open_here(order) as clearing:
        times = [round((one.time.seconds - begin) * 10) for one in clearing]
    sender.join()
    os.close(reading)
    assert times == [n for n in range(30) if n != 10]


@needs_models
def test_a_fault_of_the_picture_mutes_its_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames withheld for a fault take the sound of their time with them, and no more."""
    fail_between(monkeypatch, 0.9, 1.3)
    source, target = make(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    policy = Policy(style=Style.FILL)
    report = redact(source, target, profile=anybody(), policy=policy, isolate=Isolate.OFF)
    assert offsets(target)[0] == pytest.approx([CLICKS[1] + 0.02], abs=0.03)
    assert report.sound is not None
    assert report.sound.withheld["fault"] == pytest.approx(0.4, abs=0.1)
    assert report.sound.cleared > 3.0


@needs_models
def test_sound_longer_than_the_picture_is_kept(tmp_path: Path) -> None:
    """The picture ends first; the sound goes on."""
    source = make(tmp_path / "a.mp4", frame_times=[n / 10 for n in range(15)])
    check(source, tmp_path / "out.mp4")


def test_a_picture_that_fails_mutes_at_once_what_is_beside_it() -> None:
    """From the picture before to as long after it as that one stood, before the next one comes: by
    then the sound may have left. The last one mutes all that is left."""
    muted: list[tuple[float, float]] = []

    def at(seconds: float) -> bool:
        return any(start <= seconds < end for start, end in muted)

    together = Together(lambda start, end: muted.append((start, end)))
    for seconds, failed in ((1.0, False), (1.1, False), (1.2, True)):
        together.see(seconds, failed=failed)
    assert [at(1.05), at(1.15), at(1.25), at(1.35)] == [False, True, True, False]
    together.see(1.5, failed=False)
    assert [at(1.45), at(1.55)] == [True, False]
    together.see(1.6, failed=True)
    together.end()
    assert at(9.0)
