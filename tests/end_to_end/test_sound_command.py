"""Sound on the command line: enroll a voice, redact with it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from commands import Run
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from speakers import bands_model, file_of
from voices import AGENT_FIRST, BOTH, CHILD_ALONE, EXAMPLES, SPOKEN, span

CLIP = EXAMPLES / "demo.mp4"
VOICE = EXAMPLES / "enroll_voice.wav"


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    """(channels, n) from time 0 on, and the rate."""
    with SoundReader(path) as reader:
        blocks = list(reader)
    rate = blocks[0].rate
    end = round((blocks[-1].time.seconds + blocks[-1].seconds) * rate) + 2
    out = np.zeros((blocks[0].channels, end), np.float32)
    at = max(0, round(blocks[0].time.seconds * rate))
    for block in blocks:
        told = round(block.time.seconds * rate)
        at = told if abs(told - at) > rate // 100 else at
        out[:, at : at + block.samples.shape[1]] = block.samples[:, : end - at]
        at += block.samples.shape[1]
    return out, rate


def wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """A plain sound file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        data = (np.clip(samples.reshape(1, -1), -1, 1) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def voice(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile that holds the example agent's voice alone."""
    path = tmp_path_factory.mktemp("voice") / "voice.veil"
    result = run("enroll", path, "--voice", VOICE)
    assert result.returncode == 0, result.stderr
    assert "nobody will be shown" in result.stderr
    return path


def check_gated(path: Path) -> None:
    """The agent's first sentence is there, the child's is not, and time has not moved."""
    before, rate = sound_of(CLIP)
    after, found = sound_of(path)
    assert found == rate
    assert np.abs(span(after, rate, CHILD_ALONE)).max() < 1e-3
    assert np.sqrt(np.mean(span(after, rate, BOTH) ** 2)) < 0.01
    # Matroska keeps times to a millisecond.
    alike = []
    for lag in range(-rate // 1000, rate // 1000 + 1):
        first, second = (
            span(one, rate, AGENT_FIRST) for one in (before, np.roll(after, lag, axis=1))
        )
        spoken = np.abs(first) > SPOKEN
        alike.append(np.corrcoef(first[spoken], second[spoken])[0, 1])
    assert max(alike) > 0.95


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".wav", ".flac", ".m4a"])
def test_the_agent_is_heard_and_the_child_is_not(
    run: Run, voice: Path, tmp_path: Path, suffix: str
) -> None:
    """The same in every container, with the picture and without it, in step with the input.

    Sound encoders that change the rate are checked for what is mute alone.
    """
    out, report = tmp_path / f"out{suffix}", tmp_path / "report.json"
    result = run("redact", CLIP, out, "--profile", voice, "--report", report)
    assert result.returncode == 0, result.stderr
    if suffix == ".webm":
        after, rate = sound_of(out)
        assert np.abs(span(after, rate, (2.65, 3.7))).max() < 1e-3
        assert np.abs(span(after, rate, AGENT_FIRST)).max() > 0.1
    else:
        check_gated(out)
    sound = json.loads(report.read_text())["sound"]
    assert sound["seconds"] == pytest.approx(6.016, abs=0.05)
    assert 2.0 < sound["cleared"] < 4.0
    assert set(sound["withheld"]) == {"not cleared"}


def test_sound_alone_in_and_out(run: Run, voice: Path, tmp_path: Path) -> None:
    """A recording without picture becomes one; a timeline is drawn."""
    samples, rate = sound_of(CLIP)
    source = wav(tmp_path / "in.wav", samples[0], rate)
    plot = tmp_path / "plot.svg"
    result = run("redact", source, tmp_path / "out.wav", "--profile", voice, "--plot", plot)
    assert result.returncode == 0, result.stderr
    check_gated(tmp_path / "out.wav")
    assert plot.read_text().startswith("<svg")
    assert "let through" in plot.read_text()


def test_sound_can_be_left_out(run: Run, voice: Path, tmp_path: Path) -> None:
    """``--sound withheld`` leaves no sound stream; a file of sound alone is then refused."""
    out = tmp_path / "out.mp4"
    assert run("redact", CLIP, out, "--profile", voice, "--sound", "withheld").returncode == 0
    with VideoReader(out) as reader:
        assert not reader.has_audio
    result = run("redact", CLIP, tmp_path / "o.wav", "--profile", voice, "--sound", "withheld")
    assert result.returncode == 2
    assert "withholds all sound" in result.stderr
    assert not (tmp_path / "o.wav").exists()


def test_a_voice_is_added_to_a_profile(run: Run, tmp_path: Path) -> None:
    """--update keeps the face and replaces the voice; without it a profile is kept."""
    path = tmp_path / "agent.veil"
    assert run("enroll", path, "--images", EXAMPLES / "enroll").returncode == 0
    assert run("enroll", path, "--voice", VOICE).returncode == 5
    result = run("enroll", path, "--voice", VOICE, "--update")
    assert result.returncode == 0, result.stderr
    shown = run("profile", "show", path).stdout
    assert "faces used" in shown
    assert "speech used      31 s" in shown
    wrong = run(
        "enroll", path, "--voice", VOICE, "--update", environment={"HOMEVEIL_PASSPHRASE": "x"}
    )
    assert wrong.returncode == 5
    assert run("profile", "show", path).stdout == shown


def test_a_speaker_model_of_ones_own(run: Run, voice: Path, tmp_path: Path) -> None:
    """Enrolled and redacted with it, the child is mute and the report names the model; a
    profile made without it, and another file in its place, are refused."""
    own = file_of(bands_model(), tmp_path)
    policy, report = tmp_path / "p.toml", tmp_path / "r.json"
    policy.write_text(
        f'speech_key = "webrtcvad"\n[models.speaker]\npath = "{own.path}"\n'
        f'sha256 = "{own.sha256}"\n'
    )
    profile, out = tmp_path / "a.veil", tmp_path / "out.wav"
    result = run("enroll", profile, "--voice", VOICE, "--policy", policy)
    assert result.returncode == 0, result.stderr
    assert own.sha256 in run("profile", "show", profile).stdout
    told = ("--policy", policy, "--report", report)
    result = run("redact", CLIP, out, "--profile", profile, *told)
    assert result.returncode == 0, result.stderr
    samples, rate = sound_of(out)
    assert not span(samples, rate, CHILD_ALONE).any()
    assert samples.any()
    document = json.loads(report.read_text())
    assert document["models"]["speaker"] == own.sha256
    assert set(document["sound"]["withheld"]) <= {"not cleared", "fault"}
    result = run("redact", CLIP, tmp_path / "no.wav", "--profile", voice, *told)
    assert result.returncode == 5
    assert "enroll the voice again" in result.stderr
    own.path.write_bytes(bands_model() + b"\0")
    result = run("redact", CLIP, tmp_path / "no.wav", "--profile", profile, *told)
    assert result.returncode == 4
    assert "model speaker" in result.stderr
    assert not (tmp_path / "no.wav").exists()


def spoil(samples: np.ndarray, how: str) -> np.ndarray:
    """The example's voice, made unfit."""
    rng = np.random.default_rng(3)
    if how == "short":
        return samples[: 16_000 * 8]
    if how == "clipped":
        return np.clip(samples * 12, -1, 1)
    if how == "noisy":
        return samples + rng.normal(0, np.sqrt(np.mean(samples**2)) * 0.5, len(samples))
    if how == "nobody":
        return rng.normal(0, 0.001, 16_000 * 40)
    child, rate = sound_of(CLIP)
    word = span(child, rate, CHILD_ALONE)[0]
    word = np.interp(np.arange(0, len(word), rate / 16_000), np.arange(len(word)), word)
    return np.concatenate([samples[: 16_000 * 21], *[word] * 8])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("short", "of at least 20"),
        ("clipped", "microphone down"),
        ("noisy", "quiet room"),
        ("nobody", "speak for at least"),
        ("two voices", "more than one voice"),
    ],
)
def test_unfit_recordings_are_refused(
    run: Run, tmp_path: Path, how: str, words: str
) -> None:
    """Each is named with what to do about it, and no profile is made."""
    with SoundReader(VOICE) as reader:
        samples = np.concatenate([block.samples[0] for block in reader])
    source = wav(tmp_path / "in.wav", spoil(samples, how))
    result = run("enroll", tmp_path / "a.veil", "--voice", source)
    assert result.returncode == 5, result.stderr
    assert words in result.stderr
    assert not (tmp_path / "a.veil").exists()


def test_bad_sound_is_named_and_leaves_nothing(run: Run, voice: Path, tmp_path: Path) -> None:
    """A silent video, a missing track and a missing file end with a message and no output."""
    mute = tmp_path / "mute.mp4"
    assert run("redact", CLIP, mute, "--nobody", "--sound", "withheld").returncode == 0
    out = tmp_path / "out.wav"
    for words, expected in (
        ((mute, out), "no sound in it"),
        ((CLIP, out, "--sound-track", 3), "no sound track 3"),
        ((tmp_path / "none.wav", out), "none.wav"),
        ((CLIP, tmp_path / "out.xyz"), ".webm, or for sound alone in .flac"),
    ):
        result = run("redact", *words, "--profile", voice)
        assert result.returncode in (2, 3), result.stderr
        assert expected in result.stderr
        assert "Traceback" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mute.mp4"]
    result = run("enroll", tmp_path / "a.veil", "--voice", mute)
    assert result.returncode == 3
    assert "no sound in it" in result.stderr


def test_a_file_that_names_another_opens_nothing(run: Run, voice: Path, tmp_path: Path) -> None:
    """A list of files under a recording's name: neither redacted, isolated or not, nor enrolled
    from, and what it names is not read."""
    (tmp_path / "other.wav").write_bytes(VOICE.read_bytes())
    for name, text in (
        ("in.wav", "ffconcat version 1.0\nfile other.wav\n"),
        ("in.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{CLIP}\n#EXT-X-ENDLIST\n"),
    ):
        listed = tmp_path / name
        listed.write_text(text)
        for words in (
            ("redact", listed, tmp_path / "out.wav", "--profile", voice),
            ("redact", listed, tmp_path / "out.wav", "--profile", voice, "--isolate", "off"),
            ("redact", listed, tmp_path / "out.mp4", "--nobody"),
            ("enroll", tmp_path / "a.veil", "--voice", listed),
            ("enroll", tmp_path / "a.veil", "--video", listed),
        ):
            result = run(*words)
            assert result.returncode == 3, result.stderr
            assert "another list of files is none" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.m3u8", "in.wav", "other.wav"]


def test_nothing_to_enroll_from(run: Run, tmp_path: Path) -> None:
    """Neither pictures nor voice is a usage error."""
    result = run("enroll", tmp_path / "a.veil")
    assert result.returncode == 2
    assert "nothing to enroll from" in result.stderr
