"""Other machines that stop answering in mid-transfer: real S3 and SFTP servers behind a relay that
lets so many bytes through and then keeps silent, its connections open."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_batch_places import Sftp

from archives import cuts
from commands import Run
from homeveil.batch import places
from homeveil.batch.jobs import WAIT_SECONDS
from homeveil.errors import TransferError

WAIT = 1.5
BYTES = 3_000_000
ENOUGH = 150_000
"""Bytes that come through one connection before it falls silent: greetings and lists, no file."""

ALL = 1 << 60


class Relay:
    """Hands connections on to ``port`` of this machine. most: bytes that each lets through, either
    way, before it falls silent."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.most = ALL
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        left = self.most
        try:
            while data := source.recv(min(left, 1 << 16)) if left > 0 else b"":
                target.sendall(data)
                left -= len(data)
            if left > 0:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        """Break all connections; new ones can be had."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def refuse(self) -> None:
        """Nobody listens any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def close(self) -> None:
        self._listener.close()
        for one in self._open:
            one.close()


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    places.wait_at_most(WAIT)
    yield
    places.wait_at_most(WAIT_SECONDS)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Relay, str]]:
    """A bucket behind a relay."""
    server_module = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    relay = Relay(server.get_host_and_port()[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-of-tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(f"archive{relay.port}")
    yield relay, f"s3://archive{relay.port}"
    relay.close()
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Relay, str]]:
    """A folder behind a relay."""
    pytest.importorskip("paramiko")
    (tmp_path / "root").mkdir()
    server = Sftp(tmp_path / "root", tmp_path / "home")
    relay = Relay(server.port)
    known = server.known.replace(str(server.port), str(relay.port), 1)
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(known)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield relay, f"sftp://tester@127.0.0.1:{relay.port}"
    relay.close()
    server.close()


@pytest.fixture(params=["s3", "sftp"])
def far(request: pytest.FixtureRequest) -> tuple[Relay, str]:
    """Either, and where files lie on it."""
    pair: tuple[Relay, str] = request.getfixturevalue(request.param)
    return pair


def sent(tmp_path: Path, url: str) -> Path:
    """A file here and there."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(250)) * (BYTES // 250))
    places.publish(path, f"{url}/a.bin", f"{url}/.staged-a")
    return path


def begin_anew(url: str) -> None:
    """Connect again, under what the relay lets through now."""
    places._give_up(places._filesystem(url)[0])


def test_a_download_that_stalls_is_given_up(far: tuple[Relay, str], tmp_path: Path) -> None:
    """In the middle of a file: told, and as soon as the server answers again it can be had."""
    relay, url = far
    path = sent(tmp_path, url)
    (tmp_path / "got").mkdir()
    relay.most = ENOUGH
    begin_anew(url)
    with pytest.raises(TransferError, match="tried again"):
        places.fetch(f"{url}/a.bin", tmp_path / "got")
    relay.most = ALL
    assert places.fetch(f"{url}/a.bin", tmp_path / "got").read_bytes() == path.read_bytes()


def test_an_upload_that_stalls_is_given_up(far: tuple[Relay, str], tmp_path: Path) -> None:
    """Nothing stands under the name, and later it can be sent."""
    relay, url = far
    path = sent(tmp_path, url)
    relay.most = ENOUGH
    begin_anew(url)
    with pytest.raises(TransferError, match="tried again"):
        places.publish(path, f"{url}/b.bin", f"{url}/.staged-b")
    relay.most = ALL
    assert places.stamp(f"{url}/b.bin") is None
    places.publish(path, f"{url}/b.bin", f"{url}/.staged-b")
    assert places.size(f"{url}/b.bin") == path.stat().st_size


def test_a_server_that_accepts_and_says_nothing(far: tuple[Relay, str], tmp_path: Path) -> None:
    """Not even a greeting comes."""
    relay, url = far
    relay.most = 0
    with pytest.raises(TransferError, match="tried again"):
        places.stamp(f"{url}/a.bin")


def test_a_broken_connection_is_made_anew(far: tuple[Relay, str], tmp_path: Path) -> None:
    """As when the server starts anew: what is tried again finds it."""
    relay, url = far
    path = sent(tmp_path, url)
    relay.cut()
    with contextlib.suppress(TransferError):
        places.stamp(f"{url}/a.bin")
    assert places.size(f"{url}/a.bin") == path.stat().st_size


def test_a_server_that_is_gone(far: tuple[Relay, str], tmp_path: Path) -> None:
    """Nobody listens there: that says nothing against the file."""
    relay, url = far
    sent(tmp_path, url)
    relay.refuse()
    # As long as S3's client takes to give up.
    places.wait_at_most(WAIT_SECONDS)
    with pytest.raises(TransferError, match="cannot be reached"):
        places.fetch(f"{url}/a.bin", tmp_path)


def test_an_archive_whose_server_stalls(
    run: Run, far: tuple[Relay, str], tmp_path: Path
) -> None:
    """Tried three times, then failed but not set aside, with nothing left; the command ends. Once
    the server answers, the same command does the file."""
    relay, url = far
    (tmp_path / "cuts").mkdir()
    (recording,) = cuts(tmp_path / "cuts", 1)
    # A box that says nothing makes it long.
    padding = (8 + BYTES).to_bytes(4, "big") + b"free" + bytes(BYTES)
    recording.write_bytes(recording.read_bytes() + padding)
    places.publish(recording, f"{url}/in/a.mp4", f"{url}/in/.staged")
    relay.most = ENOUGH
    words = ("batch", f"{url}/in", "--out", tmp_path / "out", "--nobody", "--json",
             "--workers", "1", "--transfer-timeout", WAIT)  # fmt: skip
    result = run(*words)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["again", "again", "failed", "summary"]
    assert "nothing came or went" in lines[2]["reason"]
    assert (lines[3]["failed"], lines[3]["set_aside"]) == (1, 0)
    assert result.returncode == 1
    left = [one.name for one in (tmp_path / "out").iterdir()]
    assert not [name for name in left if "sqlite" not in name]
    relay.most = ALL
    assert run(*words).returncode == 0
    assert (tmp_path / "out" / "a.mp4").exists()
