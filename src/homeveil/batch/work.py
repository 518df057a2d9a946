"""One file, in a worker: the same code for every engine.

The worker reads the source and writes the target itself; through an engine pass only names
and numbers. The profile comes encrypted; what opens it is the worker's own, from its
environment or from a file of its machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from homeveil.batch import places
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.scratch import scratch
from homeveil.errors import (
    HomeveilError,
    InputError,
    ModelError,
    OutputError,
    ProfileError,
    TransferError,
    UsageError,
)
from homeveil.files import open_regular
from homeveil.isolation import Isolate
from homeveil.profile.store import LockedProfile, read_passphrase

_OTHERS_FAULT = (ModelError, ProfileError, OutputError, UsageError)
"""Errors that say nothing against the file."""


def clear(job: Job) -> Outcome:
    """Clear one file. Nothing is raised: a failure is an outcome, and leaves nothing."""
    begin = time.monotonic()
    places.wait_at_most(job.wait_seconds)
    try:
        done = _clear(job)
    except TransferError as error:
        done = Outcome(str(error), blames_file=False, transient=True)
    except HomeveilError as error:
        done = Outcome(str(error), blames_file=not isinstance(error, _OTHERS_FAULT))
    except OSError as error:
        done = Outcome(f"{job.target}: {error.strerror or type(error).__name__}", blames_file=False)
    except Exception as error:
        # Its text may quote anything.
        done = Outcome(f"{job.source}: failed ({type(error).__name__})")
    told = asdict(done)
    told["wall_seconds"] = round(time.monotonic() - begin, 3)
    told["peak_bytes"] = peak_bytes()
    told["node"] = f"{socket.gethostname()}:{os.getpid()}"
    return Outcome(**told)


def peak_bytes() -> int:
    """Most memory that this process and one child of its had, together."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in both) * 1024


def _clear(job: Job) -> Outcome:
    from homeveil.redaction import redact

    with scratch() as folder, _staging(job) as staged:
        before = places.stamp(job.source)
        source = places.fetch(job.source, folder)
        if places.is_remote(job.source):
            # Somebody may still be sending it there.
            _check_same(job, before)
        content = places.sha256(source)
        if content == job.known_content:
            return Outcome(unchanged=True, content=content)
        profile = _profile(job, folder)
        # Its final name may be as long as names can be.
        target = staged / f"result{PurePosixPath(job.target).suffix}"
        try:
            report = redact(
                source,
                target,
                profile=profile,
                policy=job.opened_policy(),
                isolate=Isolate(job.isolate),
                stretches=job.stretches,
            )
        except HomeveilError as error:
            # Told by the names that the caller knows, not by those of copies.
            said = str(error).replace(str(target), job.target).replace(str(source), job.source)
            if job.profile and profile:
                said = said.replace(str(profile.path), job.profile)
            raise type(error)(said) from error
        if not places.is_remote(job.source):
            _check_same(job, before)
        sizes = source.stat().st_size, target.stat().st_size
        places.publish(target, job.target, job.staging)
    return Outcome(content=content, report=asdict(report), bytes_in=sizes[0], bytes_out=sizes[1])


def _check_same(job: Job, before: str | None) -> None:
    if places.stamp(job.source) != before:
        raise InputError(f"{job.source}: changed while it was read; try again when it is whole")


@contextlib.contextmanager
def _staging(job: Job) -> Iterator[Path]:
    """A folder for what is not whole yet: beside a local target, so that a rename publishes
    it; of this machine for a remote one. Gone afterwards."""
    places.make_folder(job.target)
    if places.is_remote(job.target):
        with tempfile.TemporaryDirectory(prefix="homeveil-") as folder:
            yield Path(folder)
        return
    staged = places.local_path(job.staging)
    try:
        os.lstat(places.local_path(job.target))
    except FileNotFoundError:
        pass
    except OSError as error:
        # Such as a name that is too long, which would show after all the work.
        raise OutputError(f"{job.target}: cannot be written ({error.strerror})") from error
    places.remove_staged(job.staging)
    staged.mkdir(mode=0o700)
    try:
        yield staged
    finally:
        places.remove_staged(job.staging)


def _profile(job: Job, folder: Path) -> LockedProfile | None:
    """The profile that the run began with, in a copy: however often it is opened, and whoever is
    enrolled under its name meanwhile, it is the one whose hash is noted. Raises ProfileError."""
    if job.profile is None:
        return None
    copies = Path(tempfile.mkdtemp(dir=folder))
    try:
        if places.is_remote(job.profile):
            local = places.fetch(job.profile, copies)
        else:
            path = places.local_path(job.profile)
            local = copies / path.name
            with open(path, "rb", opener=open_regular) as file, open(local, "xb") as copy:
                shutil.copyfileobj(file, copy)
        content = places.sha256(local)
    except InputError as error:
        raise ProfileError(str(error)) from error
    except OSError as error:
        raise ProfileError(f"{job.profile}: cannot be read ({error.strerror})") from error
    if job.known_profile not in ("", content):
        raise ProfileError(
            f"{job.profile}: is another profile than when this run began; run the same again when"
            " it is the right one"
        )
    return LockedProfile(local, read_passphrase(file=job.passphrase_file, prompt=False))
