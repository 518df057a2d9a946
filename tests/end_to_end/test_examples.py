"""The examples for vendors run as they are, on the example clip, and stay short."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from clips import make
from commands import PASSPHRASE, Run

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = ("embed.py", "opencv_loop.py", "asyncio_stream.py")
ENVIRONMENT = {**os.environ, **PASSPHRASE}


@pytest.fixture(scope="module")
def agent(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agent") / "agent.veil"
    done = run("enroll", path, "--images", EXAMPLES / "enroll")
    assert done.returncode == 0, done.stderr
    return path


def example(name: str, *words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """What an example came to. how: where it runs, and in what environment, if not in ours."""
    called = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    how = {"env": ENVIRONMENT} | how
    return subprocess.run(called, capture_output=True, text=True, check=False, **how)


@pytest.mark.parametrize("name", SHORT)
def test_it_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 40


def test_embed(agent: Path, tmp_path: Path) -> None:
    state = {**ENVIRONMENT, "XDG_STATE_HOME": str(tmp_path)}
    done = example("embed.py", agent, EXAMPLES / "demo.mp4", env=state)
    assert done.returncode == 0, done.stderr
    assert "75 frames sent" in done.stdout


def test_opencv_loop(agent: Path, tmp_path: Path) -> None:
    out = tmp_path / "veiled.avi"
    done = example("opencv_loop.py", agent, EXAMPLES / "demo.mp4", out)
    assert done.returncode == 0, done.stderr
    with av.open(str(out)) as made:
        pictures = [frame.to_ndarray(format="gray") for frame in made.decode(video=0)]
    assert len(pictures) == 75
    # Nothing is known about the first one, so that nothing of it is seen.
    assert pictures[0].std() < 3 < pictures[-1].std()


def test_opencv_loop_without_a_camera(agent: Path, tmp_path: Path) -> None:
    """It says so, with a status that tells."""
    done = example("opencv_loop.py", agent, tmp_path / "none.mp4", cwd=tmp_path)
    assert done.returncode == 1
    assert "none.mp4: cannot be opened" in done.stderr
    assert not list(tmp_path.iterdir())


def test_asyncio_stream(agent: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, EXAMPLES / "asyncio_stream.py", agent, EXAMPLES / "demo.mp4", str(port)],
        env=ENVIRONMENT,
    )
    try:
        got = _first_bytes(port, 100_000)
    finally:
        server.kill()
        server.wait()
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert got.count(b"Content-Type: image/jpeg") > 5
    assert got.count(b"\xff\xd8\xff") > 5


def test_the_readmes_program(
    agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands there, with a camera and a microphone of arrays; nothing is lost on the way."""
    readme = (EXAMPLES.parent / "README.md").read_text("utf-8")
    (program,) = re.findall("```python\n(.*?)```", readme, re.DOTALL)
    make(tmp_path / "in.mp4", sound=True)
    shutil.copy(agent, tmp_path / "agent.veil")
    monkeypatch.chdir(tmp_path)
    shown: list[np.ndarray] = []
    played: list[np.ndarray] = []
    names = {
        "passphrase": PASSPHRASE["HOMEVEIL_PASSPHRASE"],
        "camera": [np.zeros((48, 64, 3), np.uint8)] * 5,
        "microphone": [np.zeros(960, np.float32)] * 100,
        "show": shown.append,
        "play": played.append,
    }
    exec(program, names)
    assert names["report"].frames == 10  # type: ignore[attr-defined]
    assert [picture.shape for picture in shown] == [(48, 64, 3)] * 5
    assert sum(samples.shape[1] for samples in played) == 96_000


def _first_bytes(port: int, count: int) -> bytes:
    end = time.monotonic() + 60
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
    got = b""
    with connection:
        while len(got) < count and (part := connection.recv(65536)):
            got += part
    return got
