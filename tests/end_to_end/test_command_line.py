"""The command line on real files, with the real models: what it writes, refuses and leaves."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homeveil
from boxes import needs_box
from clips import copy_with, make
from commands import PASSPHRASE, Run
from homeveil import _kernels, inspection
from homeveil.errors import OutputError, UsageError
from homeveil.fakes import ScriptedDesk
from homeveil.frames import RawFrame
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.models.store import ModelStore
from homeveil.policy import Policy

NOBODY = ("unshare", "--user", "--map-user=54321")
"""An account that the system knows nothing of; files are those of whoever runs the tests."""

EXAMPLES = Path(__file__).parents[2] / "examples"
CLIP = EXAMPLES / "demo.mp4"


def can_be_nobody() -> bool:
    """Whether this system has what NOBODY needs."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def profile(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of the example's agent."""
    path = tmp_path_factory.mktemp("profile") / "agent.veil"
    result = run("enroll", path, "--images", EXAMPLES / "enroll")
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="session")
def redacted(run: Run, profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example clip, redacted in one colour."""
    folder = tmp_path_factory.mktemp("out")
    result = run(
        "redact", CLIP, folder / "out.mp4", "--profile", profile, "--style", "fill",
        "--report", folder / "report.json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder / "out.mp4"


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and RGB picture of every frame."""
    with VideoReader(path) as reader:
        return [(frame.time.seconds, _kernels.to_rgb(frame)) for frame in reader]


def kept(before: np.ndarray, after: np.ndarray, box: tuple[int, int, int, int]) -> float:
    """Correlation of a box before and after."""
    x0, y0, x1, y1 = box
    one, two = (picture[y0:y1, x0:x1].mean(-1).reshape(-1) for picture in (before, after))
    if one.std() < 1 or two.std() < 1:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])


def test_the_agent_stays_and_the_child_goes(redacted: Path) -> None:
    """In the example clip the agent's face is kept while nobody is close; the boy who walks
    through the room behind is hidden to the end; frames and times are those of the input."""
    before, after = pictures(CLIP), pictures(redacted)
    assert [time for time, _ in before] == pytest.approx([time for time, _ in after])
    agent = (280, 80, 322, 135)
    for n in (0, 10, 20, 30):
        assert kept(before[n][1], after[n][1], agent) > 0.9, n
    truth = json.loads((EXAMPLES / "demo_child.json").read_text())
    for n, box in ((int(key), value) for key, value in truth.items()):
        assert kept(before[n][1], after[n][1], tuple(box)) < 0.6, n


def test_without_a_voice_in_the_profile_nothing_is_heard(redacted: Path) -> None:
    """The clip's sound is muted whole, and the report says why and names the models."""
    with SoundReader(redacted) as reader:
        assert not any(np.abs(block.samples).max() > 1e-4 for block in reader)
    report = json.loads((redacted.parent / "report.json").read_text())
    assert report["sound"]["cleared"] == 0
    assert report["sound"]["withheld"] == {"no voice enrolled": pytest.approx(6.016, abs=0.05)}
    assert report["frames"] == 75
    assert set(report["models"]) >= {"face_embedding", "people_mask_wide"}


def test_what_was_damaged_is_told(run: Run, tmp_path: Path) -> None:
    """Who looks at the output alone would take what is missing for all there was."""
    whole = make(tmp_path / "whole.mkv", codec="ffv1")
    broken = copy_with(whole, tmp_path / "broken.mkv", broken=frozenset({3, 4}))
    for source, told in ((whole, False), (broken, True)):
        result = run("redact", source, tmp_path / "out.mp4", "--nobody")
        assert result.returncode == 0, result.stderr
        assert ("damaged packets of the input left out" in result.stderr) == told


@pytest.mark.parametrize("isolate", [pytest.param("require", marks=needs_box), "off"])
def test_an_input_that_is_cut_off_is_told(run: Run, tmp_path: Path, isolate: str) -> None:
    """What is there is cleared, and nobody takes it for the whole."""
    whole = make(tmp_path / "whole.mkv", codec="ffv1")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for source, truncated in ((whole, False), (cut, True)):
        report = tmp_path / "report.json"
        words = ("--nobody", "--isolate", isolate, "--report", report)
        result = run("redact", source, tmp_path / "out.mp4", *words)
        assert result.returncode == 0, result.stderr
        assert ("the input is cut off and ends too early" in result.stderr) == truncated
        assert json.loads(report.read_text())["truncated"] is truncated


def test_inspect_keeps_away_from_redacted_videos(run: Run, redacted: Path, tmp_path: Path) -> None:
    """A sheet of raw pictures is refused beside an output of redact, unless asked for."""
    sheet = redacted.parent / "sheet.png"
    result = run("inspect", redacted, sheet, "--nobody", "--frames", 2)
    assert result.returncode == 3
    assert "beside" in result.stderr
    assert not sheet.exists()
    assert run("inspect", redacted, tmp_path / "s.png", "--nobody").returncode == 0
    assert (tmp_path / "s.png").stat().st_size > 1000


@pytest.mark.parametrize(("frames", "asked"), [(23, 12), (10, 12), (75, 12), (20, 19)])
def test_a_sheet_shows_all_of_a_recording(
    frames: int, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures from all over it, and as many as were asked for if it has them."""
    clip = make(tmp_path / "in.mp4", times=[n * 100 for n in range(frames)])
    drawn: list[float] = []
    draw = inspection.draw

    def note(frame: RawFrame, reasons: np.ndarray) -> np.ndarray:
        drawn.append(frame.time.seconds)
        return draw(frame, reasons)

    monkeypatch.setattr(inspection, "draw", note)
    inspection.inspect(clip, tmp_path / "sheet.png", None, Policy(), pictures=asked)
    assert len(drawn) == min(frames, asked)
    steps = np.diff([*drawn, frames / 10])
    assert steps.max() - steps.min() < 0.11


def test_a_link_to_itself_is_no_sheet(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sheet.png").symlink_to("sheet.png")
    result = run("inspect", CLIP, "sheet.png", "--nobody", "--frames", 1, cwd=tmp_path)
    assert "Traceback" not in result.stderr
    assert result.returncode in (0, 3)


def test_what_a_name_holds_steers_no_terminal(run: Run, tmp_path: Path) -> None:
    """Nor does it make a failure of more than one line."""
    result = run("redact", "no\nsuch\x1b[2J.mp4", "out.mp4", "--nobody", cwd=tmp_path)
    assert result.returncode == 3
    assert result.stderr == "homeveil: no\\nsuch\\x1b[2J.mp4: no such file; check the name\n"


def test_a_bar_names_the_file_as_it_is_called() -> None:
    """Brackets are no colours."""
    code = (
        "from homeveil.emit.progress import progress_bar\n"
        "with progress_bar('redacting desk [red] [old].mp4') as show:\n"
        "    show(1, 2)\n"
    )
    reader, terminal = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", code], stderr=terminal, env=environment, check=True)
    assert b"redacting desk [red] [old].mp4" in os.read(reader, 10_000)
    os.close(terminal)
    os.close(reader)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("missing.mp4", lambda path: None, "no such file"),
        ("folder.mp4", lambda path: path.mkdir(), "directory"),
        ("text.mp4", lambda path: path.write_text("not a film\n" * 100), "not"),
        ("empty.mp4", lambda path: path.write_bytes(b""), ""),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    run: Run, profile: Path, tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    """A file that cannot be read: one line that names it, a non-zero status, no output."""
    source = tmp_path / name
    make(source)
    target = tmp_path / "out"
    target.mkdir()
    result = run("redact", source, target / "out.mp4", "--profile", profile)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert name in result.stderr
    assert words in result.stderr.lower()
    assert list(target.iterdir()) == []


def test_output_over_the_input_is_refused(run: Run, profile: Path, tmp_path: Path) -> None:
    """The input is never overwritten."""
    source = tmp_path / "in.mp4"
    shutil.copy(CLIP, source)
    before = source.read_bytes()
    result = run("redact", source, source, "--profile", profile)
    assert result.returncode == 3
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--report", "in.mp4"), "report would be written over the input"),
        (("--plot", "in.mp4"), "plot would be written over the input"),
        (("--plot", "here/in.mp4"), "plot would be written over the input"),
        (("--report", "agent.veil"), "report would be written over the profile"),
        (("--report", "policy.toml"), "report would be written over the policy"),
        (("--ledger", "out.mp4"), "ledger would be written over the output"),
        (("--report", "out.mp4"), "report would be written over the output"),
        (("--events", "out.mp4"), "events would be written over the output"),
        (("--events", "r", "--report", "r"), "events would be written over the report"),
        (("--ledger", "l", "--report", "l"), "report would be written over the ledger"),
        (("--plot", "l", "--report", "here/l"), "plot would be written over the report"),
        (("--report", "."), "is a directory"),
        (("--report", ""), "is a directory"),
        (("--plot", "nodir/p.svg"), "no directory nodir"),
        (("--ledger", "nodir/l"), "cannot be made there"),
        (("--ledger", "x" * 300), "cannot be made (File name too long)"),
        (("--report", "pipe"), "is no plain file"),
    ],
)
def test_what_would_cost_another_file_is_refused(
    run: Run, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Before anything is read: one line, and every file is what it was."""
    make(tmp_path / "in.mp4")
    (tmp_path / "agent.veil").write_bytes(b"a profile")
    (tmp_path / "policy.toml").write_text("[desk]\n")
    (tmp_path / "here").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    given = ("--profile", "agent.veil", "--policy", "policy.toml")
    result = run("redact", "in.mp4", "out.mp4", *given, *words, cwd=tmp_path)
    assert result.returncode == (7 if "cannot be made" in told else 3), result.stderr
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    after = {path: path.lstat() for path in tmp_path.iterdir()}
    assert {path: (one.st_ino, one.st_mtime_ns) for path, one in after.items()} == {
        path: (one.st_ino, one.st_mtime_ns) for path, one in before.items()
    }


def test_the_library_keeps_files_apart_too(tmp_path: Path) -> None:
    """A ledger or a file of events under the output's own name."""
    source, out = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    with pytest.raises(OutputError, match="ledger would be written over the output"):
        homeveil.redact(source, out, profile=None, ledger=out)
    with (
        homeveil.DeskEvents([out], watcher=ScriptedDesk({})) as events,
        pytest.raises(OutputError, match="events would be written over the output"),
    ):
        homeveil.redact(source, out, profile=None, events=events)


def test_isolation_is_asked_for_by_its_own_word_alone(tmp_path: Path) -> None:
    """Text would pass for "as far as the kernel can", whatever it says."""
    source = make(tmp_path / "in.mp4")
    word: Any = "require"
    with pytest.raises(UsageError, match="REQUIRE"):
        homeveil.redact(source, tmp_path / "out.mp4", profile=None, isolate=word)
    assert list(tmp_path.iterdir()) == [source]


def test_wrong_passphrase_and_missing_profile(run: Run, profile: Path, tmp_path: Path) -> None:
    """A wrong passphrase or no profile: status 5, nothing written."""
    out = tmp_path / "out.mp4"
    wrong = run("redact", CLIP, out, "--profile", profile, environment={"HOMEVEIL_PASSPHRASE": "x"})
    missing = run("redact", CLIP, out, "--profile", tmp_path / "no.veil")
    beyond = run("redact", CLIP, out, "--profile", CLIP / "a.veil")
    assert (wrong.returncode, missing.returncode, beyond.returncode) == (5, 5, 5)
    assert "passphrase" in wrong.stderr.lower()
    assert "no.veil: no such profile" in missing.stderr
    assert "a.veil: profile cannot be read (Not a directory)" in beyond.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["\xb2x\xb2", "9" * 5000 + "x2", "16 x 16", "-16x16", "x"])
def test_a_size_that_is_none_is_refused(run: Run, tmp_path: Path, size: str) -> None:
    """In one line, also where it is made of what some take for digits."""
    config = tmp_path / "camera.toml"
    config.write_text(f'camera = "0"\nnobody = true\nhttp = true\nsize = "{size}"\n', "utf-8")
    result = run("config", "check", config)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "--size is" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        *(("enroll", "p", "--camera", number) for number in ("-1", "\xb2", "9" * 20, "9" * 5000)),
        *(("inspect", "in.mp4", "s.png", "--nobody", "--frames", n) for n in ("0", "-3", "1e3")),
    ],
)
def test_a_number_that_is_none_is_refused(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Before anything is opened: OpenCV crashes at some that it is given for a camera's."""
    make(tmp_path / "in.mp4")
    result = run(*words, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert "is no whole number from" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["in.mp4"]


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("redact", "in.mp4", "o.mp4", "--profile", LONG), 5),
        (("enroll", LONG, "--images", "."), 5),
        (("profile", "erase", LONG), 5),
        (("batch", LONG, "--out", "o", "--nobody"), 3),
        (("camera", "in.mp4", "--realtime", "--nobody", "--record", LONG), 3),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(
    run: Run, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """In one line, like any other name that is wrong."""
    make(tmp_path / "in.mp4")
    result = run(*words, cwd=tmp_path)
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert LONG in result.stderr


def test_unknown_policy_key(run: Run, profile: Path, tmp_path: Path) -> None:
    """A policy with an unknown key is refused by name."""
    policy = tmp_path / "policy.toml"
    policy.write_text("show_everybody = true\n")
    result = run("redact", CLIP, tmp_path / "o.mp4", "--profile", profile, "--policy", policy)
    assert result.returncode == 2
    assert "show_everybody" in result.stderr
    assert not (tmp_path / "o.mp4").exists()


def test_missing_or_swapped_models_stop_the_start(run: Run, profile: Path, tmp_path: Path) -> None:
    """No models, or one flipped byte in one of them: status 4 and no output."""
    out = tmp_path / "out.mp4"
    empty = {"HOMEVEIL_MODELS": str(tmp_path / "none")}
    result = run("redact", CLIP, out, "--profile", profile, environment=empty)
    assert result.returncode == 4
    assert "models pull" in result.stderr
    folder = tmp_path / "models"
    shutil.copytree(ModelStore().directory, folder)
    broken = next(folder.glob("people_mask_wide*"))
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(bytes(data))
    result = run(
        "redact", CLIP, out, "--profile", profile, environment={"HOMEVEIL_MODELS": str(folder)}
    )
    assert result.returncode == 4
    assert "people_mask_wide" in result.stderr
    assert not out.exists()


def test_a_profile_of_another_identity_model_is_refused(
    run: Run, profile: Path, tmp_path: Path
) -> None:
    """A profile made with one identity model cannot be used with another."""
    other = next(ModelStore().directory.glob("people_mask_square*"))
    import hashlib

    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[models.face_embedding]\npath = "{other}"\nsha256 = "{digest}"\n')
    result = run("redact", CLIP, tmp_path / "o.mp4", "--profile", profile, "--policy", policy)
    assert result.returncode == 5
    assert "enroll" in result.stderr


def test_a_full_disk_leaves_nothing(run: Run, profile: Path, tmp_path: Path) -> None:
    """When the file cannot grow any further, no part of it stays."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    target = tmp_path / "out"
    target.mkdir()
    words = ("redact", CLIP, target / "o.mp4", "--profile", profile)
    result = run(*words, "--isolate", "off", preexec_fn=limit)
    assert result.returncode == 3, result.stderr
    assert list(target.iterdir()) == []
    # Shared memory counts as a file here, so that with isolation it ends sooner.
    result = run(*words, preexec_fn=limit)
    assert result.returncode in (3, 8), result.stderr
    assert list(target.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs names of descriptors")
def test_standard_input_is_no_recording(run: Run, tmp_path: Path) -> None:
    """It is another one in the isolated process, which would say that nothing can be read."""
    source = make(tmp_path / "in.mp4")
    with open(source, "rb") as recording:
        result = run("redact", "/dev/stdin", tmp_path / "o.mp4", "--nobody", stdin=recording)
    assert result.returncode == 3, result.stderr
    assert "give a file or a named pipe" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["in.mp4"]


def test_a_full_disk_costs_no_sheet_or_report(run: Run, tmp_path: Path) -> None:
    """What stood under the name of a sheet of raw pictures, or of a report, is whole still."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))

    source, sheet = make(tmp_path / "in.mp4"), tmp_path / "sheet.png"
    sheet.write_bytes(b"before")
    result = run("inspect", source, sheet, "--nobody", preexec_fn=limit)
    assert result.returncode == 3, result.stderr
    assert "cannot be written" in result.stderr
    assert sheet.read_bytes() == b"before"
    assert run("inspect", source, sheet, "--nobody").returncode == 0
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    report = tmp_path / ("r" * 250)
    out = tmp_path / "out.mp4"
    result = run("redact", source, out, "--nobody", "--report", report)
    assert result.returncode == 0, result.stderr
    assert sorted(tmp_path.iterdir()) == sorted([source, sheet, out, report])


def test_a_killed_run_leaves_nothing_under_the_final_name(profile: Path, tmp_path: Path) -> None:
    """SIGKILL in mid-run: no file under the final name, and what is left holds no raw frame
    (only veiled ones ever reach the encoder)."""
    out = tmp_path / "out.mp4"
    words = [sys.executable, "-m", "homeveil.cli", "redact", CLIP, out, "--profile", profile]
    process = subprocess.Popen(
        [str(word) for word in words], env={**os.environ, **PASSPHRASE}, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(tmp_path.glob(".out.mp4.*.part")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_leaves_nothing(by: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, a shutdown or a closed terminal in mid-run: no file, no matter of what name."""
    # A run in the background may have been told to ignore them.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        " from homeveil.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "redact", CLIP, tmp_path / "out.mp4", "--nobody"]
    process = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(tmp_path.glob(".out.mp4.*.part")):
        time.sleep(0.05)
    process.send_signal(by)
    _, told = process.communicate()
    assert process.returncode == 130, told
    assert told.endswith("homeveil: stopped; nothing unfinished was left behind\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["enroll", "profile", "inspect", "audit"])
def test_every_command_is_stopped_alike(command: str, by: signal.Signals, tmp_path: Path) -> None:
    """With the status that stands for it, and in a line."""
    profile, passphrase = tmp_path / "agent.veil", tmp_path / "passphrase"
    profile.write_bytes(b"HVPROF")
    os.mkfifo(passphrase)
    words = {
        "enroll": ("new.veil", "--images", EXAMPLES / "enroll"),
        "profile": ("show", profile),
        "inspect": (CLIP, "sheet.png", "--profile", profile),
        "audit": (CLIP, "--detector", "yunet.onnx", "--sha256", "00", "--profile", profile),
    }[command]
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        " from homeveil.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, command, *map(str, words), "--passphrase-file", passphrase],
        stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    # Somebody reads it by then.
    with open(passphrase, "wb"):
        process.send_signal(by)
        _, told = process.communicate()
    assert process.returncode == 130, told
    assert told == "homeveil: stopped; nothing unfinished was left behind\n"
    assert sorted(tmp_path.iterdir()) == [profile, passphrase]


def test_a_cut_off_file_is_redacted_up_to_the_cut(run: Run, tmp_path: Path) -> None:
    """A file cut in the middle gives the frames up to the cut, redacted, or a clear refusal."""
    source = tmp_path / "cut.mkv"
    whole = tmp_path / "whole.mkv"
    assert run("redact", CLIP, whole, "--nobody", "--quiet").returncode == 0
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = run("redact", source, tmp_path / "out.mp4", "--nobody", "--json")
    assert result.returncode == 0, result.stderr
    assert 5 < json.loads(result.stdout)["frames"] < 75


def test_enrolling_from_two_people_is_refused(run: Run, tmp_path: Path) -> None:
    """Frames with a second person in them do not count, and the refusal says what to do."""
    result = run("enroll", tmp_path / "a.veil", "--video", CLIP)
    assert result.returncode in (0, 5)
    if result.returncode == 5:
        assert "refused" in result.stderr or "faces" in result.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("voice.wav", "is no profile"),
        ("stills/00.jpg", "is no profile"),
        ("pass", "is no profile"),
        ("nodir/a.veil", "no directory nodir"),
        ("stills", "not a regular file"),
    ],
)
def test_enrolling_costs_no_other_file(run: Run, tmp_path: Path, name: str, told: str) -> None:
    """``--overwrite`` replaces a profile and nothing else, whatever else has its name; it is told
    before a passphrase is read."""
    shutil.copy(EXAMPLES / "enroll_voice.wav", tmp_path / "voice.wav")
    shutil.copytree(EXAMPLES / "enroll", tmp_path / "stills")
    (tmp_path / "pass").write_text("correct horse")
    (tmp_path / "pass").chmod(0o644)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    given = ("--images", "stills", "--voice", "voice.wav", "--passphrase-file", "pass")
    result = run("enroll", name, *given, "--overwrite", cwd=tmp_path)
    assert result.returncode == 5
    assert result.stderr.startswith(f"homeveil: {name}: ")
    assert told in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_other_programs_hide_among_the_pictures_is_passed_over(
    run: Run, tmp_path: Path
) -> None:
    """macOS puts a ``._00.jpg`` beside a ``00.jpg``."""
    folder = tmp_path / "pictures"
    shutil.copytree(EXAMPLES / "enroll", folder)
    (folder / "._00.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    result = run("enroll", tmp_path / "a.veil", "--images", folder)
    assert result.returncode == 0, result.stderr


def test_a_desk_that_is_not_there_is_told_before_a_passphrase_is_read(
    run: Run, tmp_path: Path
) -> None:
    """And before minutes are spent on the rest."""
    result = run(
        "enroll", tmp_path / "a.veil", "--images", EXAMPLES / "enroll",
        "--desk", tmp_path / "gone.jpg", "--passphrase-file", tmp_path / "gone",
    )  # fmt: skip
    assert result.returncode == 3
    assert "gone.jpg: no such file" in result.stderr


def test_a_pipe_among_the_pictures_holds_up_nothing(run: Run, tmp_path: Path) -> None:
    """Whatever it is called: nobody may ever write into it."""
    os.mkfifo(tmp_path / "a.jpg")
    result = run("enroll", tmp_path / "a.veil", "--images", tmp_path, timeout=60)
    assert result.returncode == 3
    assert "a.jpg: is a pipe" in result.stderr


def test_enrolling_from_nobody_is_refused(run: Run, tmp_path: Path) -> None:
    """Pictures without a face make no profile."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    import cv2

    rng = np.random.default_rng(1)
    for n in range(6):
        noise = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{n}.png"), noise)
    result = run("enroll", tmp_path / "a.veil", "--images", folder)
    assert result.returncode == 5
    assert "no face" in result.stderr
    assert not (tmp_path / "a.veil").exists()


@pytest.mark.parametrize(
    ("module", "given", "there"),
    [
        ("homeveil.cli", {}, "1"),
        ("homeveil.cli", {"OPENBLAS_NUM_THREADS": "2"}, "2"),
        ("homeveil", {}, "None"),
    ],
)
def test_numpy_makes_no_threads_for_a_command(
    module: str, given: dict[str, str], there: str
) -> None:
    """Unless somebody says otherwise; a program that imports the library decides for itself."""
    told = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    code = (
        f"import os, {module}, numpy;"
        " print(os.environ.get('OPENBLAS_NUM_THREADS'), len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=told | given, capture_output=True, text=True, check=True
    )
    setting, threads = done.stdout.split()
    assert setting == there
    assert setting != "1" or threads == "1"


def test_a_crash_writes_no_core() -> None:
    """Not in the process of the command either, which may hold raw pictures as it enrolls; where a
    program takes cores, which no limit holds back, there is no memory in them."""
    crash = (
        "import resource\n"
        "most = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (most, most))\n"
        "from homeveil.cli import main\n"
        "main(['--version'])\n"
        "print(most, *resource.getrlimit(resource.RLIMIT_CORE),"
        " int(open('/proc/self/coredump_filter').read(), 16))"
    )
    done = subprocess.run(
        [sys.executable, "-c", crash], capture_output=True, text=True, check=True
    )
    most, *limits = done.stdout.splitlines()[-1].split()
    assert limits == ["0", "0", "0"], most


def test_doctor_says_ready(run: Run) -> None:
    """doctor lists kernels and models and ends well when redaction can start."""
    result = run("doctor")
    assert result.returncode == 0
    assert "kernels" in result.stdout
    assert "ready" in result.stdout


def test_standard_output_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """A full disk, a reader that went away, a name in no encoding of it: told in one line at most,
    with a status."""
    words = [sys.executable, "-m", "homeveil.cli", "doctor"]
    for buffered in ("", "1"):
        environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                words, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert (done.returncode, done.stderr.count("\n")) == (10, 1), done.stderr
        assert done.stderr.startswith("homeveil: failed (")
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as gone:
            done = subprocess.run(
                words, env=environment, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
            )
        assert (done.returncode, done.stderr) == (141, "")
    (tmp_path / "\xe9.veil").write_bytes(b"HVPROF")
    done = run(
        "profile", "erase", "\xe9.veil", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stdout) == (0, "\\xe9.veil: erased\n")


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["redact", "none.mp4", "out.mp4", "--nobody"], 3),
        (["profile", "show", "none.veil"], 5),
        (["ledger", "verify", "none.ledger"], 7),
        (["audit", "none.mp4", "--detector", "none.onnx", "--sha256", "00"], 2),
        (["redact"], 2),
    ],
)
def test_standard_error_that_cannot_be_written_changes_no_status(
    tmp_path: Path, words: list[str], status: int, buffered: str
) -> None:
    words = [sys.executable, "-m", "homeveil.cli", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    reader, writer = os.pipe()
    os.close(reader)
    for stream in (os.open("/dev/full", os.O_WRONLY), writer):
        done = subprocess.run(words, env=environment, cwd=tmp_path, stderr=stream, check=False)
        os.close(stream)
        assert done.returncode == status


def test_closed_standard_streams_change_nothing(tmp_path: Path) -> None:
    """Nothing of ours takes their numbers, where others would write into it."""
    source, out = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    words = [sys.executable, "-m", "homeveil.cli", "redact", str(source), str(out), "--nobody"]
    program = "import os, sys; [os.close(n) for n in range(3)]; os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", program, *words], check=False)
    assert done.returncode == 0
    assert len(pictures(out)) == 10


@pytest.mark.skipif(not can_be_nobody(), reason="no user namespaces here")
def test_names_that_the_locale_has_no_signs_for(run: Run, tmp_path: Path) -> None:
    """As a service without a locale may be started: files get the names they were asked for."""
    clip = make(tmp_path / "in.mp4")
    out, report = tmp_path / "Küche ✓.mp4", tmp_path / "Küche ✓.json"
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run("redact", clip, out, "--nobody", "--report", report, environment=bare)
    assert result.returncode == 0, result.stderr
    assert sorted(tmp_path.iterdir()) == sorted((clip, out, report))


def test_an_account_without_a_home(tmp_path: Path) -> None:
    """As in a container: what needs a place is told so in one line, and redacting needs none but
    that of the models."""
    source, out = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    models = {"HOMEVEIL_MODELS": str(ModelStore().directory)}
    words = [sys.executable, "-m", "homeveil.cli"]

    def run(*more: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NOBODY, *words, *map(str, more)], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    for command, instead in (
        (("doctor",), "HOMEVEIL_MODELS"),
        (("redact", source, out, "--nobody"), "HOMEVEIL_MODELS"),
        (("ledger", "key"), "XDG_STATE_HOME"),
    ):
        done = run(*command)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.endswith(f"no home folder; set HOME or {instead}\n")
    assert not out.exists()
    done = run("redact", source, out, "--nobody", **models)
    assert (done.returncode, len(pictures(out))) == (0, 10), done.stderr
