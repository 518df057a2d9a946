"""Archives on a real Ray: the same results, nothing secret in it, a node killed in mid-run."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import cuts, files_in, times_done
from commands import PASSPHRASE, Run

STATE = ".homeveil-batch.sqlite"
ENROLL = Path(__file__).parents[2] / "examples" / "enroll"

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Lets nobody else on this machine give orders to the cluster."""

pytest.importorskip("ray")


class Node:
    """A node of a cluster, with one core: `ray start` and all that it starts."""

    def __init__(self, folder: Path, port: int, *, head: bool) -> None:
        where = ["--head", "--port", str(port)] if head else ["--address", f"127.0.0.1:{port}"]
        if head:
            where += ["--include-dashboard=false", "--temp-dir", str(folder)]
        environment = {**os.environ, **PASSPHRASE, **TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
        with open(folder / f"log-{head}", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--block",
                 "--num-cpus", "1", "--object-store-memory", "100000000"],
                stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL everything of the node at once."""
        for process in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def works(self) -> bool:
        """Whether a file is being cleared on it: its worker has begun an isolated process."""
        for process in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                if b"homeveil.isolation" in Path(f"/proc/{process}/cmdline").read_bytes():
                    return True
        return False


def descendants(process: int) -> list[int]:
    """Processes begun by a process, by those, and so on."""
    found = []
    with contextlib.suppress(OSError):
        for listed in Path(f"/proc/{process}/task").glob("*/children"):
            for word in listed.read_text("ascii").split():
                found += [int(word), *descendants(int(word))]
    return found


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A folder whose name is short enough for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hv", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_ray_gives_the_same_results_and_learns_no_secret(
    run: Run, ray_folder: Path, tmp_path: Path
) -> None:
    """A local Ray: the bytes of the pool; neither passphrase nor open profile in its files."""
    cuts(tmp_path / "in", 2)
    profile = tmp_path / "agent.veil"
    assert run("enroll", profile, "--images", ENROLL).returncode == 0
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE["HOMEVEIL_PASSPHRASE"])
    secret.chmod(0o600)
    # Known from a file alone, so that not even an environment could be written down.
    words = ("batch", tmp_path / "in", "--profile", profile, "--passphrase-file", secret)
    environment = {"RAY_TMPDIR": str(ray_folder), "HOMEVEIL_PASSPHRASE": ""}
    workers = ("--workers", len(os.sched_getaffinity(0)))
    pool = run(*words, "--out", tmp_path / "a", *workers, environment=environment)
    assert pool.returncode == 0, pool.stderr
    ray = run(*words, "--out", tmp_path / "b", "--engine", "ray", *workers,
              environment=environment)  # fmt: skip
    assert ray.returncode == 0, ray.stderr
    names = files_in(tmp_path / "a")
    assert len(names) == 2
    assert files_in(tmp_path / "b") == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    written = [one for one in ray_folder.rglob("*") if one.is_file()]
    assert any("worker" in one.name for one in written)
    for one in written:
        data = one.read_bytes()
        assert PASSPHRASE["HOMEVEIL_PASSPHRASE"].encode() not in data, one
        assert b'"face":' not in data, one


def test_a_killed_node_loses_nothing(ray_folder: Path, tmp_path: Path) -> None:
    """Two nodes, one killed while it clears a file: every file is done exactly once, whole, and
    nothing half-written is left."""
    out = tmp_path / "out"
    cuts(tmp_path / "in", 6)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nodes = [Node(ray_folder, port, head=True)]
    try:
        wait_until(lambda: "Ray runtime started" in (ray_folder / "log-True").read_text())
        nodes.append(Node(ray_folder, port, head=False))
        wait_until(lambda: "Ray runtime started" in (ray_folder / "log-False").read_text())
        command = [sys.executable, "-m", "homeveil.cli", "batch", str(tmp_path / "in"), "--out",
                   str(out), "--nobody", "--engine", "ray", "--ray-address",
                   f"127.0.0.1:{port}", "--json"]  # fmt: skip
        environment = {**os.environ, **TOKEN, "XDG_STATE_HOME": str(tmp_path / "state")}
        with open(tmp_path / "log", "w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until(lambda: nodes[1].works() or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "log").read_text()
            nodes[1].kill()
            assert process.wait(180) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
    finally:
        for node in nodes:
            node.kill()
    assert "node died" in (tmp_path / "log").read_text()
    assert files_in(out) == [f"cut{number:02}.mp4" for number in range(6)]
    assert times_done(out / STATE) == dict.fromkeys(files_in(out), 1)


def wait_until(what: object, seconds: float = 90.0) -> None:
    """Until it holds."""
    assert callable(what)
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.05)
