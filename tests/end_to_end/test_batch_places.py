"""Archives on other machines: a real S3 server and a real SFTP server on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import recorded
from commands import Run
from homeveil.batch import places
from homeveil.batch.jobs import Job
from homeveil.batch.work import clear
from homeveil.errors import TransferError
from homeveil.models.store import cache_directory
from homeveil.policy import Policy

ENROLL = Path(__file__).parents[2] / "examples" / "enroll"


recordings = recorded(2)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An S3-compatible server with a bucket; gives the environment that reaches it."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "s3cret-of-tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield environment
    server.stop()


def test_an_archive_on_s3(
    run: Run, recordings: Path, s3: dict[str, str], tmp_path: Path
) -> None:
    """Recordings and the encrypted profile come from a bucket, results go to one; a second run
    does nothing; nothing but results lies there."""
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True)
    system.mkdir("archive")
    profile = tmp_path / "agent.veil"
    assert run("enroll", profile, "--images", ENROLL).returncode == 0
    system.put_file(str(profile), "archive/keys/agent.veil")
    for one in recordings.iterdir():
        system.put_file(str(one), f"archive/in/x/{one.name}")
    words = ("batch", "s3://archive/in", "--out", "s3://archive/out",
             "--profile", "s3://archive/keys/agent.veil")  # fmt: skip
    result = run(*words, environment=s3)
    assert result.returncode == 0, result.stderr
    system.invalidate_cache()
    results = system.find("archive/out")
    assert results == ["archive/out/x/cut00.mp4", "archive/out/x/cut01.mp4"]
    before = [system.info(one)["LastModified"] for one in results]
    assert run(*words, "--dry-run", environment=s3).stdout.count("done") == 2
    assert run(*words, environment=s3).returncode == 0
    system.invalidate_cache()
    assert [system.info(one)["LastModified"] for one in results] == before
    missing = run("batch", "s3://archive/nothing", "--out", "s3://archive/o", "--nobody",
                  environment=s3)  # fmt: skip
    assert missing.returncode == 3
    assert "s3cret-of-tests" not in missing.stderr


@pytest.mark.parametrize("answered", [0, 1])
def test_keys_that_are_refused_are_no_fault_of_the_file(
    recordings: Path, s3: dict[str, str], tmp_path: Path, answered: int
) -> None:
    """As when they run out in mid-run, at the first request for a file or the next: it is tried
    again, not counted, and nothing is left of it."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir(f"refused{answered}")
    url = f"s3://refused{answered}/a.mp4"
    system.put_file(str(recordings / "cut00.mp4"), url)
    _check_keys_after(s3, answered)
    try:
        target = tmp_path / "out" / "a.mp4"
        outcome = clear(Job(url, str(target), None, Policy().to_document()))
    finally:
        _check_keys_after(s3, 1 << 60)
        s3fs.S3FileSystem.clear_instance_cache()
    assert "check server and keys" in outcome.reason
    assert outcome.transient
    assert not outcome.blames_file
    assert list(target.parent.iterdir()) == []


def _check_keys_after(s3: dict[str, str], requests: int) -> None:
    """From then on the server knows no key."""
    request = urllib.request.Request(
        f"{s3['AWS_ENDPOINT_URL']}/moto-api/reset-auth",
        data=str(requests).encode(),
        headers={"Content-Type": "application/octet-stream"},
    )
    urllib.request.urlopen(request).close()


class Sftp:
    """An SFTP server whose root is ``root``, in a thread, with keys of its own."""

    def __init__(self, root: Path, home: Path) -> None:
        asyncssh = pytest.importorskip("asyncssh")
        (home / ".ssh").mkdir(parents=True)
        client = asyncssh.generate_private_key("ssh-rsa")
        client.write_private_key(str(home / ".ssh" / "id_rsa"))
        client.write_public_key(str(home / "allowed"))
        host = asyncssh.generate_private_key("ssh-ed25519")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

        async def listen() -> object:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[host],
                authorized_client_keys=str(home / "allowed"),
                sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root)),
            )

        self.server = asyncio.run_coroutine_threadsafe(listen(), self.loop).result(30)
        self.port = self.server.sockets[0].getsockname()[1]
        public = host.export_public_key().decode().strip()
        self.known = f"[127.0.0.1]:{self.port} {public}\n"
        self.url = f"sftp://tester@127.0.0.1:{self.port}"
        self.environment = {"HOME": str(home), "HOMEVEIL_MODELS": str(cache_directory())}

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Sftp]:
    """An SFTP server."""
    pytest.importorskip("paramiko")
    (tmp_path / "root").mkdir()
    server = Sftp(tmp_path / "root", tmp_path / "home")
    yield server
    server.close()


def test_an_archive_on_sftp(run: Run, recordings: Path, sftp: Sftp, tmp_path: Path) -> None:
    """Read from and written to a server that known_hosts names; one that it does not name is
    refused before anything is read or sent."""
    root = tmp_path / "root"
    (root / "in").mkdir()
    for one in recordings.iterdir():
        (root / "in" / one.name).write_bytes(one.read_bytes())
    words = ("batch", f"{sftp.url}/in", "--out", f"{sftp.url}/out", "--nobody")
    stranger = run(*words, environment=sftp.environment)
    assert stranger.returncode == 3
    assert "known_hosts" in stranger.stderr
    assert not (root / "out").exists()
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(sftp.known)
    result = run(*words, environment=sftp.environment)
    assert result.returncode == 0, result.stderr
    assert sorted(one.name for one in (root / "out").iterdir()) == ["cut00.mp4", "cut01.mp4"]
    again = run(*words, "--dry-run", environment=sftp.environment)
    assert again.stdout.count("done") == 2


def test_a_folder_on_sftp_is_looked_into_as_one_here(
    sftp: Sftp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are followed, each folder once; one that cannot be listed stops the start."""
    asyncssh = pytest.importorskip("asyncssh")
    for name, value in sftp.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(sftp.known)
    for name in ("in/a.mp4", "in/z/b.mp4", "disk/c.mp4", "in/.x/d.mp4"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(b"x")
    for name, place in (("a", "z"), ("loop", "."), ("more", "../disk"), ("z/up", "..")):
        (tmp_path / "root" / "in" / name).symlink_to(place)
    found = places.find(f"{sftp.url}/in")
    assert found == [(f"{sftp.url}/in/{name}", name) for name in ("a.mp4", "more/c.mp4", "z/b.mp4")]
    listed = asyncssh.SFTPServer.scandir

    def scandir(self: object, path: bytes) -> object:
        if path.endswith(b"/z"):
            raise asyncssh.SFTPPermissionDenied("not for you")
        return listed(self, path)

    monkeypatch.setattr(asyncssh.SFTPServer, "scandir", scandir)
    with pytest.raises(TransferError, match=r"/in.*cannot be read.*not for you"):
        places.find(f"{sftp.url}/in")


def test_a_server_that_knows_us_no_more_is_no_fault_of_the_file(
    recordings: Path, sftp: Sftp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our key is another one than it was."""
    for name, value in sftp.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(sftp.known)
    shutil.copy(recordings / "cut00.mp4", tmp_path / "root" / "a.mp4")
    target = tmp_path / "out" / "a.mp4"
    job = Job(f"{sftp.url}/a.mp4", str(target), None, Policy().to_document())
    asyncssh = pytest.importorskip("asyncssh")
    other = asyncssh.generate_private_key("ssh-rsa")
    other.write_private_key(str(tmp_path / "home" / ".ssh" / "id_rsa"))
    outcome = clear(job)
    assert "cannot be reached" in outcome.reason
    assert outcome.transient
    assert not outcome.blames_file


def test_raw_copies_do_not_outlive_a_killed_run(
    recordings: Path, sftp: Sftp, tmp_path: Path
) -> None:
    """SIGKILL while a worker has fetched a recording: no copy of it stays on this machine, and
    nothing has come to the server."""
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(sftp.known)
    for one in recordings.iterdir():
        shutil.copy(one, tmp_path / "root")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, **sftp.environment, "TMPDIR": str(scratch)}
    words = ("batch", sftp.url + "/", "--out", f"{sftp.url}/out", "--nobody", "--workers", "1")
    command = [sys.executable, "-m", "homeveil.cli", *words]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(scratch.rglob("cut*.mp4")) and time.monotonic() < end:
        time.sleep(0.01)
    assert list(scratch.rglob("cut*.mp4"))
    process.kill()
    process.wait()
    while list(scratch.rglob("*.mp4")) and time.monotonic() < end:
        time.sleep(0.05)
    assert not list(scratch.rglob("*.mp4"))
    assert not list((tmp_path / "root").glob("out/*.mp4"))


def test_an_upload_that_fails_leaves_nothing(
    run: Run, recordings: Path, sftp: Sftp, tmp_path: Path
) -> None:
    """A target folder that takes no file: status 1, no part under any name, nothing set aside."""
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(sftp.known)
    # A folder stands where the result is to go: the move at the end fails.
    blocked = tmp_path / "root" / "out" / "cut00.mp4"
    (blocked / "x").mkdir(parents=True)
    words = ("batch", recordings / "cut00.mp4", "--out", f"{sftp.url}/out", "--nobody", "--json")
    result = run(*words, "--tries", 1, environment=sftp.environment)
    assert result.returncode == 1, result.stderr
    assert '"failed": 1' in result.stdout
    assert [one.name for one in (tmp_path / "root" / "out").iterdir()] == ["cut00.mp4"]
