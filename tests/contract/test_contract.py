"""What users build on: exported names, import cost, signatures, types, exit codes."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homeveil
from homeveil import errors
from homeveil.emit.files import FileSink
from homeveil.errors import HomeveilError, UsageError
from homeveil.fakes import FakePerceiver, FakeScene, fake_frames, fake_profile
from homeveil.profile.template import FaceTemplate
from homeveil.profile.voice import VoiceTemplate
from rooms import texture

SOURCE = Path(homeveil.__file__).parent

EXPORTED = {
    "DeskEvents", "DeskItem", "DeskRules", "EnrollmentError", "EventError", "FrameError",
    "HomeveilError", "InputError", "Isolate", "IsolationError", "LedgerError", "Lips", "LipsKey",
    "Live", "LockedProfile", "MediaError", "ModelError", "ModelFile", "Muted", "OutputError",
    "PassphraseError", "PerceptionError", "PixelFormat", "Policy", "PolicyError", "Profile",
    "ProfileError", "Progress", "RawAudio", "RawFrame", "Recorded", "Redactor", "Report",
    "Severity", "Sound", "SoundReport", "Span", "SpeechKey", "Style", "Timestamp", "UsageError",
    "VeiledAudio", "VeiledFrame", "VoiceGate", "array_from_frame", "audio_from_array",
    "erase_profile", "frame_from_array", "load_profile", "redact", "save_profile",
}  # fmt: skip


def test_exported_names_are_pinned() -> None:
    """The public names are exactly these, and each can be had."""
    assert set(homeveil.__all__) == EXPORTED
    for name in homeveil.__all__:
        assert getattr(homeveil, name) is not None
    with pytest.raises(AttributeError):
        _ = homeveil.nothing  # type: ignore[attr-defined]


def test_import_is_light() -> None:
    """Importing the package imports no codec, model runtime or vision library."""
    code = (
        "import sys, homeveil; "
        "heavy = {'av', 'cv2', 'ai_edge_litert', 'onnxruntime', 'mediapipe', 'numpy', "
        "'urllib3', 'sqlite3'}; "
        "heavy &= set(sys.modules); "
        "print(sorted(heavy)); sys.exit(bool(heavy))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == 0, result.stdout


def test_both_doors_take_the_same_settings() -> None:
    """redact(), Redactor() and VoiceGate() name profile and policy alike."""
    for door in (homeveil.redact, homeveil.Redactor, homeveil.VoiceGate):
        assert {"profile", "policy"} <= set(inspect.signature(door).parameters)


def test_every_error_has_a_root_and_an_exit_code() -> None:
    """All errors are HomeveilErrors with a non-zero exit status; misuse is a ValueError."""
    kinds = [one for one in vars(errors).values() if inspect.isclass(one)]
    kinds = [one for one in kinds if issubclass(one, HomeveilError)]
    assert len(kinds) > 8
    assert all(one.exit_code != 0 for one in kinds)
    assert issubclass(UsageError, ValueError)


def test_the_seal_is_held_by_the_veil_alone() -> None:
    """No module but those of the types and the veil names the seal, and the one that takes
    what the veil made in the isolated process."""
    holders = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"\b_SEAL\b", path.read_text("utf-8"))
    }
    types, veil = {"frames.py", "audio.py"}, {"veil/painter.py", "veil/muting.py", "veil/card.py"}
    assert holders == types | veil | {"isolation/box.py"}


def test_sinks_and_arrays_refuse_raw_frames(tmp_path: Path) -> None:
    """Whatever leaves takes veiled frames only, also at run time."""
    raw = next(fake_frames(lambda n: texture(1), 1))
    with pytest.raises(homeveil.FrameError):
        homeveil.array_from_frame(raw)  # type: ignore[arg-type]
    with FileSink(tmp_path / "out.mp4") as sink, pytest.raises(UsageError, match="VeiledFrame"):
        sink.write(raw)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_nothing_raw_is_in_what_is_printed() -> None:
    """A log line, a debugger or a traceback with variables shows the size of a frame, of sound
    or of a template, and no number of it."""
    luma = np.full((16, 16), 87, np.uint8)
    raw = next(fake_frames(lambda n: luma, 1))
    sound = homeveil.audio_from_array(np.full(480, 0.871, np.float32), 48_000, 0.0)
    face = FaceTemplate(np.full((1, 128), 0.87, np.float32), 0.3, 5, "0" * 64)
    own = np.full(3, 0.87, np.float32)
    voice = VoiceTemplate(np.full((3, 256), 1 / 16, np.float32), own, 30.0, 1, "0" * 64)
    profile = homeveil.Profile(face, {"jaw": 0.87}, {"jaw": 0.87}, voice=voice)
    for one in (raw, sound, profile):
        assert not re.search("87|0625|array", repr(one))
    assert repr(raw).startswith("RawFrame(pixel_format=")
    assert repr(sound).startswith("RawAudio(rate=48000")


@pytest.mark.parametrize("seconds", [None, "1", float("nan"), float("inf"), 1e305, 1e300])
def test_a_time_that_is_none_is_refused(seconds: Any) -> None:
    """As decoders give for pictures without one; a frame made by hand is refused too."""
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(homeveil.FrameError, match="finite time"):
        homeveil.frame_from_array(picture, "bgr", seconds)
    with pytest.raises(homeveil.FrameError, match="finite time"):
        homeveil.audio_from_array(np.zeros(4, np.float32), 48_000, seconds)
    raw = homeveil.frame_from_array(picture, "bgr", 0.0)
    nan: Any = float("nan")
    never = replace(raw, time=homeveil.Timestamp(nan, raw.time.time_base))
    with homeveil.Redactor(fake_profile(), perceiver=FakePerceiver(FakeScene())) as redactor:
        with pytest.raises(homeveil.FrameError, match="finite time"):
            list(redactor.process(never))
        assert len([*redactor.process(raw), *redactor.flush()]) == 1


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), -1.0, "0"])
def test_a_delay_that_is_none_is_refused(delay: Any) -> None:
    """Frames would wait for ever, or leave before they are looked at."""
    looks = FakePerceiver(FakeScene())
    with pytest.raises(homeveil.UsageError, match="delay_seconds"):
        homeveil.Redactor(fake_profile(), perceiver=looks, delay_seconds=delay)


@pytest.mark.parametrize("profile", ["agent.veil", homeveil.LockedProfile(Path("agent.veil"), "x")])
def test_a_profile_that_is_not_open_is_refused(profile: Any) -> None:
    """By both doors, which hold raw content here."""
    with pytest.raises(UsageError, match="load_profile"):
        homeveil.Redactor(profile, perceiver=FakePerceiver(FakeScene()))
    with pytest.raises(UsageError, match="load_profile"):
        homeveil.VoiceGate(profile)


@pytest.mark.parametrize(
    ("array", "layout", "told"),
    [
        (None, "bgr", "give a numpy array"),  # as cv2.VideoCapture.read() gives at the end
        ([[0]], "i420", "give a numpy array"),
        (np.zeros((4, 4, 4), np.uint8), "rgb", "without alpha"),
        (np.zeros((4, 4, 3)), "rgb", "give .* uint8, 0 to 255"),
        (np.zeros((0, 0, 3), np.uint8), "rgb", "give .height, width, 3"),
        (np.zeros((1, 16385, 3), np.uint8), "rgb", "16385x1: sides must be 1..16384"),
        (np.zeros((4, 4, 3), np.uint8), "rgba", "give rgb, bgr, i420 or nv12"),
    ],
)
def test_a_picture_that_is_none_is_refused(array: Any, layout: Any, told: str) -> None:
    """With what to give instead."""
    with pytest.raises(homeveil.FrameError, match=told):
        homeveil.frame_from_array(array, layout, 0.0)


def test_a_layout_that_there_is_not_is_named() -> None:
    """And one that the frame does not have."""
    raw = homeveil.frame_from_array(np.zeros((4, 4, 3), np.uint8), "rgb", 0.0)
    with homeveil.Redactor(fake_profile(), perceiver=FakePerceiver(FakeScene())) as redactor:
        (veiled,) = [*redactor.process(raw), *redactor.flush()]
    wrong: Any = "rgba"
    with pytest.raises(homeveil.FrameError, match="layout is 'rgba'; give rgb, bgr"):
        homeveil.array_from_frame(veiled, wrong)
    with pytest.raises(homeveil.FrameError, match="the frame is i420, not nv12"):
        homeveil.array_from_frame(veiled, "nv12")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"time": 0.0}, "give a Timestamp"),
        ({"pixel_format": "i420"}, "give a PixelFormat"),
        ({"planes": None}, "numpy arrays"),
        ({"planes": ([[0]], [[0]], [[0]])}, "numpy arrays"),
        ({"width": "4"}, "whole numbers"),
        ({"width": 4.0}, "whole numbers"),
    ],
)
def test_a_frame_of_other_things_is_refused(wrong: dict[str, Any], told: str) -> None:
    """When it is made, not where it would fail later."""
    raw = homeveil.frame_from_array(np.zeros((4, 4, 3), np.uint8), "rgb", 0.0)
    with pytest.raises(homeveil.FrameError, match=told):
        replace(raw, **wrong)


@pytest.mark.parametrize("ticks", [(None, Fraction(1, 90_000)), (0, None), (0, 0.1)])
def test_ticks_that_are_none_are_refused(ticks: Any) -> None:
    """As decoders give for pictures without a time."""
    with pytest.raises(homeveil.FrameError, match="give a whole number, and a Fraction"):
        homeveil.Timestamp(*ticks)


@pytest.mark.parametrize("kind", [np.int32, np.int16, np.uint16, np.float32, np.float64])
def test_seconds_may_be_a_number_of_numpys(kind: type[Any]) -> None:
    """However few bits it has: ticks need more."""
    picture = np.zeros((4, 4, 3), np.uint8)
    raw = homeveil.frame_from_array(picture, "rgb", kind(30_000))
    sound = homeveil.audio_from_array(np.zeros(4, np.float32), 48_000, kind(30_000))
    assert raw.time.seconds == sound.time.seconds == 30_000


@pytest.mark.parametrize("array", [np.array(["1"]), np.array([None]), np.zeros(4)])
def test_samples_that_are_none_are_refused(array: Any) -> None:
    with pytest.raises(homeveil.FrameError, match="expected float32 or int16"):
        homeveil.audio_from_array(array, 48_000, 0.0)


@pytest.mark.parametrize("profile", [None, "agent.veil", homeveil.LockedProfile("agent.veil", "x")])
def test_only_an_open_profile_is_saved(profile: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a Profile"):
        homeveil.save_profile(tmp_path / "agent.veil", profile, "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"stretches": "auto"}, "give a whole number"),
        ({"stretches": 0}, "at least 1"),
        ({"events": ["events.jsonl"]}, "homeveil.DeskEvents"),
    ],
)
def test_what_redact_does_not_take_is_told(wrong: dict[str, Any], told: str) -> None:
    """Before any file is touched."""
    with pytest.raises(UsageError, match=told):
        homeveil.redact("in.mp4", "out.mp4", profile=None, **wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rules": homeveil.Policy()}, "policy.desk"),
        ({"clock": homeveil.Live}, r"Live\(\)"),
        ({"template": fake_profile()}, "profile.desk"),
        ({"patience_seconds": float("nan")}, "patience_seconds is nan"),
        ({"patience_seconds": "10"}, "patience_seconds is '10'"),
        ({"to": [None]}, r"go to None; .*put\(event\)"),
        ({"to": 5}, "a list of places"),
    ],
)
def test_what_desk_events_do_not_take_is_told(wrong: dict[str, Any], told: str) -> None:
    """What is easily taken for what it should be."""
    with pytest.raises(UsageError, match=told):
        homeveil.DeskEvents(**{"to": ["events.jsonl"], **wrong})


@pytest.mark.parametrize("name", [None, 5, b"a", "a\0b", "\ud800"])
def test_a_name_that_no_file_has_is_an_error_of_ours(name: Any) -> None:
    """As from a list that somebody else wrote: whoever catches HomeveilError goes on."""
    for call in (
        lambda: homeveil.redact(name, "out.mp4", profile=None),
        lambda: homeveil.redact("in.mp4", name, profile=None),
        lambda: homeveil.Policy.from_toml(name),
        lambda: homeveil.ModelFile(name, "ab"),
        lambda: homeveil.LockedProfile(name, "x"),
        lambda: homeveil.load_profile(name, "x"),
        lambda: homeveil.save_profile(name, fake_profile(), "x"),
        lambda: homeveil.erase_profile(name),
    ):
        with pytest.raises(UsageError, match="give the name of a file"):
            call()
    if name is not None:
        with pytest.raises(UsageError, match=r"ledger is .*; give the name of a file"):
            homeveil.redact("in.mp4", "out.mp4", profile=None, ledger=name)


@pytest.mark.parametrize("lips", [homeveil.Lips.CHECK, "check"])
def test_the_policys_word_is_no_key_of_lips(lips: Any) -> None:
    looks = FakePerceiver(FakeScene())
    for door in (homeveil.VoiceGate, partial(homeveil.Redactor, perceiver=looks)):
        with pytest.raises(UsageError, match=r"give homeveil\.LipsKey"):
            door(fake_profile(), lips=lips)
    with pytest.raises(UsageError, match=r"give what homeveil.Policy.from_toml gives"):
        homeveil.LipsKey(lips)


def test_a_start_in_text_is_refused() -> None:
    """It would have no time zone that could be trusted."""
    start: Any = "2026-01-31T08:00:00+01:00"
    with pytest.raises(UsageError, match="give a datetime"):
        homeveil.Recorded(start)


def test_a_locked_profile_takes_text_for_a_path(tmp_path: Path) -> None:
    """As load_profile does."""
    path: Any = str(tmp_path / "nobody.veil")
    with pytest.raises(homeveil.ProfileError, match="cannot be read"):
        homeveil.LockedProfile(path, "x").open()
    assert homeveil.LockedProfile(path, "x").path == tmp_path / "nobody.veil"


def test_times_in_milliseconds_are_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody would be followed, and much be veiled, without a word."""
    picture = np.zeros((64, 64, 3), np.uint8)
    with homeveil.Redactor(fake_profile(), perceiver=FakePerceiver(FakeScene())) as redactor:
        for number in range(30):
            raw = homeveil.frame_from_array(picture, "bgr", 33 * number)
            list(redactor.process(raw))
    assert [one.message for one in caplog.records if "times in seconds" in one.message] != []
    caplog.clear()
    with homeveil.Redactor(fake_profile(), perceiver=FakePerceiver(FakeScene())) as redactor:
        for seconds in (0.0, 5.0, 5.1, 10.0, 15.0, 15.5):
            list(redactor.process(homeveil.frame_from_array(picture, "bgr", seconds)))
    assert not caplog.records


def test_what_is_veiled_stays_so_in_another_process() -> None:
    """A frame that came through a pipe, or a deep copy, is as good as the veil's own."""
    raw = next(fake_frames(lambda n: texture(1), 1))
    with homeveil.Redactor(fake_profile(), perceiver=FakePerceiver(FakeScene())) as redactor:
        (veiled,) = [*redactor.process(raw), *redactor.flush()]
    for other in (pickle.loads(pickle.dumps(veiled)), copy.deepcopy(veiled)):
        again = other.copy()
        assert (homeveil.array_from_frame(again) == homeveil.array_from_frame(veiled)).all()


def test_a_policy_is_the_same_in_another_process() -> None:
    """As where a pool of processes redacts one file each."""
    rules = homeveil.DeskRules(severity={homeveil.DeskItem.PHONE: homeveil.Severity.CRITICAL})
    file = homeveil.ModelFile(Path("own.onnx"), "ab" * 32)
    policy = homeveil.Policy(grow_cells=2, desk=rules, models={"face_embedding": file})
    for other in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
        assert other == policy
        assert other.digest() == policy.digest()


@pytest.mark.once
def test_the_type_checker_refuses_a_leak(tmp_path: Path) -> None:
    """Passing a RawFrame where a VeiledFrame is wanted is a type error."""
    pytest.importorskip("mypy")
    snippet = tmp_path / "leak.py"
    snippet.write_text(
        "from homeveil.emit.sink import Sink\n"
        "from homeveil.frames import RawFrame\n"
        "def leak(sink: Sink, raw: RawFrame) -> None:\n"
        "    sink.write(raw)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(snippet)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 1
    assert 'incompatible type "RawFrame"; expected "VeiledFrame"' in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        *("redact", "batch", "camera", "config", "enroll", "profile", "models", "inspect"),
        *("ledger", "audit", "gstreamer", "doctor", ""),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    """--help works for every command."""
    words = [sys.executable, "-m", "homeveil.cli", *command.split(), "--help"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "usage: homeveil" in result.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("left", ["without pip", "of a Python that is gone"])
def test_an_environment_that_is_none_is_made_anew(left: str, tmp_path: Path) -> None:
    """One whose making failed halfway, and one whose Python was removed, are not in the way."""
    venv, makes = tmp_path / "venv", tmp_path / "python"
    environment = {name: one for name, one in os.environ.items() if "MAKE" not in name}

    def made(ends: str) -> int:
        makes.write_text(f'#!/bin/sh\n{sys.executable} -m venv --without-pip "$3"; {ends}\n')
        makes.chmod(0o755)
        words = ["make", f"VENV={venv}", f"PYTHON={makes}", str(venv / "bin" / "python")]
        folder = Path(__file__).parents[2]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False)
        return done.returncode

    if left == "without pip":
        assert made("exit 1") != 0
        assert not (venv / "bin" / "python").exists()
    else:
        assert made("") == 0
        (venv / "bin" / "python3").unlink()
        (venv / "bin" / "python").unlink()
        (venv / "bin" / "python3").symlink_to("/gone/python3")
        (venv / "bin" / "python").symlink_to("python3")
        (venv / "installed").touch()
    assert made("") == 0
    assert subprocess.run([venv / "bin" / "python", "-c", ""], check=False).returncode == 0
    assert not (venv / "installed").exists()
