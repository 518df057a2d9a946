"""A kernel that lacks a piece of isolation, for real: a filter over the whole process answers that
the system call is unknown. ``require`` then refuses to run, ``auto`` says what is lacking."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from boxes import needs_box
from clips import make

pytestmark = [
    needs_box,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter names x86-64 calls"),
]

WITHOUT = """
import ctypes, os, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
def step(code, k, yes=0, no=0): return struct.pack("HBBI", code, yes, no, k)
lacking, failure = {lacking}, 0x00050000 | 38
program = step(LOAD, 0) + step(EQUAL, lacking, 0, 1) + step(RETURN, failure)
program = ctypes.create_string_buffer(program + step(RETURN, 0x7fff0000))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
filter = Program(4, ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
CALLS = {"Landlock": 444, "seccomp": 317}


def python(lacking: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Python on a kernel without ``lacking``."""
    code = WITHOUT.format(lacking=CALLS[lacking])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )


def command(lacking: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A command of ours on a kernel without ``lacking``."""
    return python(lacking, "-m", "homeveil.cli", *words)


@pytest.mark.parametrize("lacking", CALLS)
def test_require_refuses(lacking: str, tmp_path: Path) -> None:
    """One clear line, status 8, no output."""
    source = make(tmp_path / "in.mp4")
    out = tmp_path / "out.mp4"
    run = command(lacking, "redact", source, out, "--nobody", "--isolate", "require")
    assert run.returncode == 8
    assert run.stderr.startswith(f"homeveil: isolation needs {lacking}")
    assert run.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize("lacking", CALLS)
def test_auto_says_what_is_lacking(lacking: str, tmp_path: Path) -> None:
    """It runs with what there is, warns, and the report does not claim the lacking piece."""
    source = make(tmp_path / "in.mp4")
    out, report = tmp_path / "out.mp4", tmp_path / "r.json"
    run = command(lacking, "redact", source, out, "--nobody", "--quiet", "--report", report)
    assert run.returncode == 0
    assert f"isolation is incomplete: this system lacks {lacking}" in run.stderr
    assert out.exists()
    isolation = report.read_text().split('"isolation": "')[1].split('"')[0]
    assert isolation.startswith("process")
    assert lacking.lower() not in isolation


@pytest.mark.parametrize(
    "emptying", ["os.truncate(path, 0)", "os.open(path, os.O_RDONLY | os.O_TRUNC)"]
)
def test_no_file_is_emptied_where_landlock_does_not_see_it(emptying: str, tmp_path: Path) -> None:
    """Landlock knows of truncation from Linux 6.2 on: on older ones the first filter alone keeps
    code that the input runs from emptying the agent's files."""
    path = tmp_path / "precious"
    path.write_text("as it was")
    begin = "import os, sys; from homeveil import _confine; _confine.begin(os.getppid())"
    run = python("Landlock", "-c", f"{begin}; path = sys.argv[1]; {emptying}", path)
    assert "PermissionError" in run.stderr
    assert path.read_text() == "as it was"


@pytest.mark.parametrize("lacking", CALLS)
def test_doctor_says_so(lacking: str) -> None:
    run = command(lacking, "doctor")
    assert f"isolation   incomplete: this system lacks {lacking}" in run.stdout


def test_doctor_on_this_kernel() -> None:
    words = [sys.executable, "-m", "homeveil.cli", "doctor"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "isolation   process of its own, Landlock " in run.stdout
