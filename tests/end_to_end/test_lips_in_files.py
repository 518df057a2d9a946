"""The second key with the real networks: a face of the example that speaks and falls silent, with
the agent's voice all along."""

from __future__ import annotations

import json
import os
import threading
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from commands import PASSPHRASE, Run
from homeveil import frame_from_array, load_profile, redact
from homeveil.clear.lips import MOVES
from homeveil.clearing import LiveInput, Order
from homeveil.clearing.here import open_here
from homeveil.errors import PerceptionError
from homeveil.grid import Box
from homeveil.isolation import Isolate
from homeveil.media.feed import (
    CLOCK,
    EncodedSoundForm,
    FeedPacket,
    FeedWriter,
    Kind,
    PictureForm,
)
from homeveil.perceive.identity import FaceIdentity
from homeveil.perceive.loading import load_models
from homeveil.perceive.networks import FaceMesh
from homeveil.policy import Lips, Policy, Sound, Style
from homeveil.profile.template import Profile
from homeveil.report import Report
from mouths import RATE, Picture, opened, speaking, speech, still, with_another, write_clip
from voices import EXAMPLES

SECONDS = 5.0
SPEAKS_TO = 2.6
"""When the agent's mouth, or with somebody else beside them theirs, stops and begins to move."""
TIMES = [n / 25 for n in range(round(SECONDS * 25))]
FROM = 8.0
"""Where in the enrolled recording the voice of the clips begins."""


@pytest.fixture(scope="session")
def stored(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's agent, with face and voice."""
    path = tmp_path_factory.mktemp("lips") / "agent.veil"
    voice = EXAMPLES / "enroll_voice.wav"
    result = run("enroll", path, "--images", EXAMPLES / "enroll", "--voice", voice)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="session")
def profile(stored: Path) -> Profile:
    return load_profile(stored, PASSPHRASE["HOMEVEIL_PASSPHRASE"])


def voice() -> np.ndarray:
    start = round(FROM * RATE)
    return speech()[start : start + round(SECONDS * RATE)]


@cache
def alone(tenths: int) -> Picture:
    return opened(still(), tenths / 10)


def falls_silent(seconds: float) -> Picture:
    """The agent, whose mouth moves, then not."""
    return alone(round(10 * speaking(seconds)) if seconds < SPEAKS_TO else 0)


def in_company(seconds: float) -> Picture:
    """The agent, whose mouth moves, and somebody else, whose mouth begins to."""
    gap = speaking(seconds, hertz=3.0) if seconds >= SPEAKS_TO else 0.0
    return with_another(alone(round(10 * speaking(seconds))), gap)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("lips") / "a.mp4", falls_silent, voice(), TIMES)


def cleared(clip: Path, out: Path, profile: Profile, **settings: object) -> Report:
    policy = Policy(style=Style.FILL, **settings)  # type: ignore[arg-type]
    return redact(clip, out, profile=profile, policy=policy, isolate=Isolate.OFF)


def share(report: Report, start: float, end: float) -> float:
    """How much of the time between two moments was let through, 0..1."""
    assert report.sound is not None
    spans = report.sound.spans
    return sum(max(0.0, min(b, end) - max(a, start)) for a, b in spans) / (end - start)


def test_the_agent_is_heard_while_their_lips_move(
    clip: Path, tmp_path: Path, profile: Profile
) -> None:
    """Off: all along. Check and require: while the mouth moves, and no longer."""
    off = cleared(clip, tmp_path / "off.mp4", profile)
    assert share(off, 0.7, 2.4) > 0.8
    assert share(off, 2.9, 4.9) > 0.8
    assert off.sound is not None
    assert "lips" not in off.sound.withheld
    for mode in (Lips.CHECK, Lips.REQUIRE):
        report = cleared(clip, tmp_path / f"{mode.value}.mp4", profile, lips=mode)
        assert share(report, 0.7, 2.4) == pytest.approx(share(off, 0.7, 2.4), abs=0.001)
        assert share(report, 2.9, 4.9) == 0
        assert report.sound is not None
        assert report.sound.withheld["lips"] > 1.5


@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_how_far_pictures_are_read_ahead_changes_nothing(
    clip: Path, tmp_path: Path, profile: Profile, sound: Sound
) -> None:
    """A file's sound waits for the mouths of its time, in both modes, also where pictures leave at
    once."""
    spans = []
    for ahead in (2.0, 0.0):
        report = cleared(
            clip, tmp_path / f"{ahead}.mp4", profile,
            lips=Lips.CHECK, sound=sound, lookahead_seconds=ahead,
        )  # fmt: skip
        assert report.sound is not None
        spans.append([span for span in report.sound.spans if span[1] > 0.7])
        assert share(report, 0.7, 2.4) > 0.5
        assert share(report, 2.9, 4.9) == 0
    assert spans[0] == spans[1]


def test_another_mouth_that_moves_closes(tmp_path: Path, profile: Profile) -> None:
    """Though the agent's own moves too: who of the two is heard cannot be told."""
    clip = write_clip(tmp_path / "a.mp4", in_company, voice(), TIMES)
    off = cleared(clip, tmp_path / "off.mp4", profile)
    report = cleared(clip, tmp_path / "check.mp4", profile, lips=Lips.CHECK)
    assert share(off, 2.9, 4.9) > 0.8
    assert share(report, 0.7, 2.3) == pytest.approx(share(off, 0.7, 2.3), abs=0.001)
    assert share(report, 2.7, 4.7) == 0


def test_a_mouth_is_told_from_a_wall_and_a_face_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is off by a sixth of a face neither opens a shut mouth nor shuts an open one;
    where there is no face nothing is said."""
    data = load_models({}).data
    identity = FaceIdentity(data["face_landmarks"], data["face_embedding"], lambda probe: 9.0)
    face = Box(269, 76, 342, 149)
    gaps: dict[float, list[float]] = {}
    for gap in (0.0, 8.0):
        frame = frame_from_array(opened(still(), gap), "rgb", 0.0)
        places = face, face.moved(12, -8), face.moved(-8, 6), face.moved(20, 10)
        mouths = [identity.mouth(frame, box) for box in places]
        gaps[gap] = [mouth.opening for mouth in mouths if mouth is not None]
        assert len(gaps[gap]) == len(places)
        for elsewhere in (Box(420, 60, 490, 130), Box(265, 200, 345, 280), face.moved(73, 0)):
            assert identity.mouth(frame, elsewhere) is None
        assert identity.mouth(frame, Box(300, 100, 330, 130)) is None
    assert max(gaps[0.0]) - min(gaps[0.0]) < MOVES / 2
    assert min(gaps[8.0]) - max(gaps[0.0]) > MOVES
    for said in ([-1.0, 1.0], [1.0, -1.0]):
        fits = iter(said)
        monkeypatch.setattr(FaceMesh, "presence", lambda self, fits=fits: next(fits))
        assert identity.mouth(frame, face) is None
    identity.close()


def test_isolated_it_is_the_same(
    run: Run, clip: Path, stored: Path, profile: Profile, tmp_path: Path
) -> None:
    """The command line, with raw content in a process of its own, tells the same; a file in
    stretches is cleared in one pass."""
    told = tmp_path / "report.json"
    result = run(
        "redact", clip, tmp_path / "a.mp4", "--profile", stored, "--style", "fill",
        "--lips", "check", "--stretches", 3, "--report", told,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(told.read_text())
    here = cleared(clip, tmp_path / "b.mp4", profile, lips=Lips.CHECK)
    assert here.sound is not None
    assert report["sound"]["withheld"] == here.sound.withheld
    assert tuple(map(tuple, report["sound"]["spans"])) == here.sound.spans
    assert "lips" in report["one_pass"]


def test_sound_alone_has_no_lips(tmp_path: Path, clip: Path, profile: Profile) -> None:
    """Without the picture nothing is heard where lips are required; a check has no say."""
    policy = {mode: Policy(lips=mode) for mode in Lips}
    heard = {}
    for mode in Lips:
        report = redact(
            clip, tmp_path / f"{mode.value}.wav", profile=profile, policy=policy[mode],
            isolate=Isolate.OFF,
        )  # fmt: skip
        assert report.sound is not None
        heard[mode] = report.sound.spans
    assert heard[Lips.OFF]
    assert heard[Lips.CHECK] == heard[Lips.OFF]
    assert not heard[Lips.REQUIRE]


def feed_of(clip: Path) -> int:
    """A feed of the clip's packets in the order of their times; its times begin at 0."""
    reading, writing = os.pipe()
    with av.open(str(clip)) as container:
        pair = container.streams.video[0], container.streams.audio[0]
        forms = [stream.codec_context for stream in pair]
        packets = []
        for packet in container.demux(*pair):
            if packet.size:
                pts, dts = (
                    round(at * packet.time_base / CLOCK) for at in (packet.pts, packet.dts)
                )
                kind = Kind.PICTURE if packet.stream is pair[0] else Kind.SOUND
                packets.append(FeedPacket(kind, bytes(packet), pts, dts, packet.is_keyframe))
        picture = PictureForm(640, 360, Fraction(25), "h264", "yuv420p", forms[0].extradata)
        sound = EncodedSoundForm(RATE, 1, "aac", forms[1].extradata)

    def write() -> None:
        feed = FeedWriter(writing)
        feed.forms(picture, sound)
        for packet in sorted(packets, key=lambda packet: packet.dts):
            feed.packet(packet)
        feed.end()
        os.close(writing)

    threading.Thread(target=write, daemon=True).start()
    return reading


@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_live_it_is_decided_with_what_is_known(
    clip: Path, profile: Profile, sound: Sound
) -> None:
    """A camera: heard while the lips move, not while they are still; a call, which knows 120 ms of
    what comes, is held against that."""
    policy = Policy(style=Style.FILL, lips=Lips.REQUIRE, sound=sound)
    live = LiveInput(feed_of(clip), 0.0, 1e12)
    with open_here(Order(Path("camera"), profile, policy, live=live)) as clearing:
        for _ in clearing:
            pass
        assert clearing.sound_tally is not None
        report = clearing.sound_tally.report()
    spans = [(max(a, 0.0), b) for a, b in report.spans]
    assert sum(max(0.0, min(b, 2.4) - max(a, 0.9)) for a, b in spans) > 0.7
    assert not [span for span in spans if span[1] > 2.9]
    assert report.withheld["lips"] > 1.0


@pytest.mark.parametrize("mode", [Lips.CHECK, Lips.REQUIRE])
@pytest.mark.parametrize("how", ["raises", "no numbers"])
def test_a_mesh_that_fails_takes_picture_and_sound(
    clip: Path, tmp_path: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch,
    mode: Lips, how: str,
) -> None:  # fmt: skip
    """While it fails frames are withheld for a fault, and their sound with them, in both modes."""
    real = FaceIdentity._points

    def points(self: FaceIdentity, frame: object, picture: object) -> np.ndarray:
        found = real(self, frame, picture)  # type: ignore[arg-type]
        if not 1.4 < frame.time.seconds < 2.0:  # type: ignore[attr-defined]
            return found
        if how == "raises":
            raise PerceptionError("the mesh failed")
        return found * np.nan

    monkeypatch.setattr(FaceIdentity, "_points", points)
    report = cleared(clip, tmp_path / "a.mp4", profile, lips=mode)
    assert any(span.reason == "fault" for span in report.spans)
    assert report.sound is not None
    assert report.sound.withheld["fault"] > 0
    assert share(report, 0.7, 1.35) > 0.5
    off = cleared(clip, tmp_path / "b.mp4", profile)
    for start in np.arange(0.0, SECONDS - 0.05, 0.05):
        assert share(report, start, start + 0.05) <= share(off, start, start + 0.05) + 1e-6
