"""The audit: faces that are not the agent's are found, the agent's own are not, and what could
not be looked at is never called clean."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from boxes import needs_models
from clips import cut, make
from commands import PASSPHRASE
from homeveil.audit import _others, _Seen, _Verdict, audit
from homeveil.errors import ModelError
from homeveil.grid import Box
from homeveil.policy import ModelFile
from homeveil.profile.store import save_profile
from voices import anybody

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def _shared_detector() -> Path | None:
    """A YuNet file in a folder ``shared`` beside the checkout, or further up."""
    for folder in ROOT.parents:
        path = folder / "shared" / "models" / "yunet_n_dynamic.onnx"
        if path.is_file():
            return path
    return None


FILE = _shared_detector()
needs_detector = pytest.mark.skipif(
    FILE is None, reason="needs a YuNet file, ../shared/models/yunet_n_dynamic.onnx"
)


def detector() -> ModelFile:
    assert FILE is not None
    return ModelFile(FILE, hashlib.sha256(FILE.read_bytes()).hexdigest())


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "homeveil.cli", *map(str, words)],
        capture_output=True, text=True, check=False, env={**os.environ, **PASSPHRASE},
    )  # fmt: skip


def audited(*words: object) -> subprocess.CompletedProcess[str]:
    file = detector()
    return command("audit", *words, "--detector", file.path, "--sha256", file.sha256)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of the example's agent, and the example redacted with it."""
    folder = tmp_path_factory.mktemp("audit")
    profile, out = folder / "agent.veil", folder / "out.mp4"
    assert command("enroll", profile, "--images", EXAMPLES / "enroll").returncode == 0
    made = command("redact", EXAMPLES / "demo.mp4", out, "--profile", profile, "--quiet")
    assert made.returncode == 0, made.stderr
    return folder


@needs_detector
@needs_models
def test_the_redacted_example_is_clean(work: Path) -> None:
    """Status 0; the agent is seen and is nobody else."""
    run = audited(work / "out.mp4", "--profile", work / "agent.veil", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads(run.stdout)
    assert found["others"] == []
    assert found["agent_frames"] > found["frames"] / 2


@needs_detector
@needs_models
def test_the_raw_example_is_not(work: Path) -> None:
    """Status 1: the child is found, with time and place, in the report too."""
    report = work / "report.json"
    run = audited(
        EXAMPLES / "demo.mp4", "--profile", work / "agent.veil", "--report", report
    )
    assert run.returncode == 1
    assert "a face that is not the agent's in" in run.stdout
    found = json.loads(report.read_text())
    assert found["frames_with_others"] > 5
    other = found["others"][0]
    x0, y0, x1, y1 = other["box"]
    assert x0 < x1
    assert y0 < y1
    assert other["score"] >= 0.7


@needs_detector
@needs_models
def test_without_a_profile_the_agent_counts_too(work: Path) -> None:
    run = audited(work / "out.mp4", "--quiet")
    assert (run.returncode, run.stdout) == (1, "")


@needs_detector
def test_nobody_is_nobody(tmp_path: Path) -> None:
    """A file without any face, and no profile."""
    found = audit(make(tmp_path / "in.mp4", size=(320, 240)), detector())
    assert (found.frames, found.others, found.whole) == (10, (), True)


@needs_detector
def test_a_profile_without_a_face_compares_none(tmp_path: Path) -> None:
    """Nothing is said of whose faces there are: nobody knows the agent's."""
    path, profile = make(tmp_path / "in.mp4", size=(320, 240)), tmp_path / "voice.veil"
    assert not audit(path, detector(), profile=anybody()).with_profile
    save_profile(profile, anybody(), PASSPHRASE["HOMEVEIL_PASSPHRASE"])
    run = audited(path, "--profile", profile)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(" s, no face\n")


@pytest.mark.parametrize(
    ("faces", "found"),
    [
        ("aaoaa", ""),  # a bad picture of the agent
        ("?a?", ""),
        ("aaao", "3"),
        ("oaaa", "0"),
        ("aa?o", "23"),
        ("aao??", "234"),
        ("aaooaa", "23"),
        ("???", "012"),
    ],
)
def test_one_bad_comparison_is_forgiven_between_good_ones_alone(faces: str, found: str) -> None:
    """Faces of one track: the agent's, somebody else's, and such as cannot be compared. Whoever is
    in the last frame of it, before all is veiled, is told of."""
    verdicts = {"a": _Verdict.AGENT, "o": _Verdict.OTHER, "?": _Verdict.UNKNOWN}
    box = Box(0, 0, 40, 40)
    track = [_Seen(n / 10, box, 0.9, None, verdicts[face]) for n, face in enumerate(faces)]
    assert "".join(str(round(10 * other.seconds)) for other in _others([track])) == found


@needs_detector
def test_what_can_be_read_only_once_will_do(tmp_path: Path) -> None:
    """A pipe, as a shell's ``<(...)``: the file is opened once."""
    file = make(tmp_path / "in.mkv", size=(320, 240))
    reading, writing = os.pipe()
    with subprocess.Popen(["cat", str(file)], stdout=writing):
        os.close(writing)
        found = audit(f"/dev/fd/{reading}", detector())
    os.close(reading)
    assert (found.frames, found.others, found.whole) == (10, (), True)


@needs_detector
def test_what_cannot_be_looked_at_is_not_clean(tmp_path: Path) -> None:
    """Status 2 for a file that is cut off, for none, for another hash and for no detector."""
    whole = make(tmp_path / "in.mkv", times=[n * 100 for n in range(60)])
    torn = cut(whole, tmp_path / "cut.mkv", 0.7)
    run = audited(torn)
    assert run.returncode == 2, run.stdout
    assert "NOT ALL COULD BE READ" in run.stdout
    assert audited(tmp_path / "none.mp4").returncode == 2
    (tmp_path / "text.mp4").write_text("no film")
    assert audited(tmp_path / "text.mp4").returncode == 2
    wrong = command("audit", whole, "--detector", detector().path, "--sha256", "00" * 32)
    assert wrong.returncode == 2
    assert "expected 000000" in wrong.stderr
    assert command("audit", whole).returncode == 2


@needs_detector
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_second_stream_that_nobody_looked_at_is_not_clean(tmp_path: Path, suffix: str) -> None:
    """A film without a face, and the raw example as another stream of the same file: status 2."""
    plain, out = make(tmp_path / "plain.mp4", size=(320, 240)), tmp_path / f"out{suffix}"
    with av.open(str(plain)) as one, av.open(str(EXAMPLES / "demo.mp4")) as two, av.open(
        str(out), "w"
    ) as made:
        streams = [made.add_stream_from_template(file.streams.video[0]) for file in (one, two)]
        for file, stream in zip((one, two), streams, strict=True):
            for packet in file.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    made.mux(packet)
    run = audited(out)
    assert run.returncode == 2, run.stdout
    assert "1 further streams" in run.stdout


@needs_detector
def test_frames_that_players_leave_out_are_not_clean(tmp_path: Path) -> None:
    """The first ten come before the film begins: mp4 keeps them and hides them. Status 2."""
    path = tmp_path / "out.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((360, 320), 90, np.uint8), "yuv420p")
            picture.pts, picture.time_base = number - 10, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    run = audited(path)
    assert run.returncode == 2, run.stdout
    assert "10 hidden frames" in run.stdout


def test_another_kind_of_file_is_no_detector(tmp_path: Path) -> None:
    """Bytes of the right hash that are no network."""
    path = tmp_path / "d.onnx"
    path.write_bytes(b"no network at all" * 9)
    file = ModelFile(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="cannot be run as a face detector"):
        audit(make(tmp_path / "in.mp4"), file)


def test_a_detector_that_is_not_there_is_the_commands_fault(tmp_path: Path) -> None:
    """There is no policy here to be corrected."""
    missing = ModelFile(tmp_path / "d.onnx", "0" * 64)
    with pytest.raises(ModelError, match=r"missing: .*that the policy, or the command, gives"):
        audit(make(tmp_path / "in.mp4"), missing)
