"""From what the caller names to one job a file: folders, patterns, URLs, manifests."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from homeveil.batch import places
from homeveil.batch.jobs import WAIT_SECONDS, Job
from homeveil.errors import InputError, TransferError, UsageError
from homeveil.media.encoders import PICTURE_MUXERS
from homeveil.media.sound_track import SOUND_MUXERS
from homeveil.policy import Policy

_WRITTEN = frozenset(PICTURE_MUXERS) | frozenset(SOUND_MUXERS)
_SOUND = frozenset({".aac", ".wma"})
MEDIA_SUFFIXES = _WRITTEN | _SOUND | {
    ".wmv", ".flv", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".3gp", ".ogv",
}  # fmt: skip
"""Files of a folder that are taken; of anything else only what is named itself."""

_MANIFESTS = frozenset({".csv", ".jsonl", ".ndjson"})
_COLUMNS = frozenset({"file", "profile", "policy"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for each input whose manifest says nothing else."""

    destination: str
    profile: str | None
    nobody: bool
    policy: Policy
    passphrase_file: str | None = None
    isolate: str = "auto"
    wait_seconds: float = WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class _Entry:
    """listed: by a manifest, which means what it names."""

    url: str
    relative: str
    profile: str | None = None
    policy: str | None = None
    listed: bool = False


def jobs_from(sources: list[str], defaults: Defaults) -> list[Job]:
    """One job for each input, in order. Raises UsageError, InputError, PolicyError."""
    places.check_url(defaults.destination)
    if defaults.profile:
        places.check_url(defaults.profile)
    results = places.Known([defaults.destination])
    entries = [entry for source in sources for entry in _entries(source)]
    policies: dict[str, Policy] = {}
    profiles: set[str] = set()
    jobs: dict[str, Job] = {}
    seen: dict[str, Job] = {}
    for entry in entries:
        if not entry.listed and results.holds(entry.url):
            continue  # results of an earlier run that lie in the folder asked for
        job = _job(entry, defaults, policies, profiles)
        first = seen.setdefault(entry.url, job)
        if (first.profile, first.policy) != (job.profile, job.policy):
            raise UsageError(f"{entry.url}: is named twice, for two ways; name it once")
        if first is not job:
            continue
        place = _place(job.target)
        if place in jobs:
            raise UsageError(
                f"{entry.url}: would be written to {job.target}, as would"
                f" {jobs[place].source}; put them into folders of their own"
            )
        jobs[place] = job
    _check_capitals(jobs)
    if not jobs:
        raise InputError(f"{', '.join(sources)}: no recording in there; check the names")
    inputs = places.Known(seen)
    for job in jobs.values():
        # By whatever name: what lies there would be replaced, and the recording gone.
        if job.target in inputs:
            raise UsageError(f"{job.target}: is an input itself; give another --out")
    return list(jobs.values())


def _place(target: str) -> str:
    """The same for all names of one result: folders of results may be links to each other. One
    that is a link itself is replaced, and not what it leads to."""
    if places.is_remote(target):
        return places.resolved(target)
    path = places.local_path(target)
    return os.path.join(os.path.realpath(path.parent), path.name)


def _check_capitals(jobs: dict[str, Job]) -> None:
    """Refuse two results, by their places, that are one file to the disk they are to lie on."""
    seen: dict[str, Job] = {}
    for place, job in jobs.items():
        first = seen.setdefault(place.casefold(), job)
        if first is not job and not places.knows_capitals(job.target):
            raise UsageError(
                f"{job.source}: would be written to {job.target}, as would {first.source}, since"
                " the disk there makes no difference of capitals; put them into folders of their"
                " own"
            )


def _job(
    entry: _Entry, defaults: Defaults, policies: dict[str, Policy], profiles: set[str]
) -> Job:
    """policies, profiles: those had, or asked for, already."""
    policy = defaults.policy
    if entry.policy:
        if entry.policy not in policies:
            with tempfile.TemporaryDirectory(prefix="homeveil-") as folder:
                file = places.fetch(entry.policy, Path(folder))
                policies[entry.policy] = Policy.from_toml(file)
                _check_models(entry.policy, policies[entry.policy], file)
        policy = policies[entry.policy]
    profile = entry.profile or defaults.profile
    if profile is None and not defaults.nobody:
        raise UsageError(
            f"{entry.url}: whom to show? give --profile or --nobody, or a profile in the manifest"
        )
    if profile is not None and profile not in profiles:
        profiles.add(profile)
        try:
            there = places.stamp(profile) is not None
        except TransferError:
            if not entry.profile:
                raise
            there = True  # for all that is known; the files that it is for fail for now
        if not there:
            raise InputError(f"{profile}: no such profile; make one with `homeveil enroll`")
    return Job(
        source=entry.url,
        target=places.joined(places.absolute(defaults.destination), _output_name(entry.relative)),
        profile=places.absolute(profile) if profile else None,
        policy=policy.to_document(),
        passphrase_file=defaults.passphrase_file,
        isolate=defaults.isolate,
        wait_seconds=defaults.wait_seconds,
    )


def _check_models(url: str, policy: Policy, file: Path) -> None:
    """Of a policy that was fetched into ``file``."""
    if places.is_remote(url) and any(
        one.path.is_relative_to(file.parent) for one in policy.models.values()
    ):
        raise UsageError(
            f"{url}: names models beside itself, which are not fetched with it; put them where"
            " each worker reads them, and name them by absolute paths"
        )


def _output_name(relative: str) -> str:
    """A suffix that cannot be written becomes one that can; the old one stays in the name."""
    suffix = PurePosixPath(relative).suffix.lower()
    if suffix in _WRITTEN:
        return relative
    return relative + (".m4a" if suffix in _SOUND else ".mp4")


def _entries(source: str) -> list[_Entry]:
    places.check_url(source)
    if PurePosixPath(source).suffix.lower() in _MANIFESTS:
        return _manifest(source)
    found = places.find(source)
    if len(found) == 1 and (found[0][0] == source or PurePosixPath(source).name == found[0][1]):
        return [_Entry(*found[0])]
    return [
        _Entry(url, relative)
        for url, relative in found
        if PurePosixPath(relative).suffix.lower() in MEDIA_SUFFIXES
        and not any(part.startswith(".") for part in PurePosixPath(relative).parts)
    ]


def _manifest(source: str) -> list[_Entry]:
    """Rows of a manifest. Relative names count from its own folder."""
    text = places.fetch_text(source)
    if source.lower().endswith(".csv"):
        try:
            rows = [dict(row) for row in csv.DictReader(io.StringIO(text, ""))]
        except csv.Error as error:
            raise UsageError(f"{source}: is no CSV ({error})") from error
    else:
        # Names may hold what other ways to cut text take for the end of a line.
        rows = [_row(source, n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    folder = source.rpartition("/")[0] or "."
    entries = []
    for number, row in enumerate(rows, 1):
        named = {key: value for key, value in row.items() if value}
        if not named.get("file") or not set(named) <= _COLUMNS or not _all_names(named):
            raise UsageError(
                f"{source}: entry {number} must have file, and may have profile and policy,"
                " each a name, and nothing else"
            )
        for name in named.values():
            places.check_secrets(name)
        url, profile, policy = (_beside(folder, named.get(key)) for key in
                                ("file", "profile", "policy"))  # fmt: skip
        plain = named["file"]
        relative = plain if _is_relative(plain) else PurePosixPath(plain).name
        entries.append(_Entry(str(url), relative, profile, policy, listed=True))
    return entries


def _all_names(row: dict[str, object]) -> bool:
    try:
        return all(isinstance(one, str) and b"\0" not in os.fsencode(one) for one in row.values())
    except UnicodeEncodeError:
        return False


def _row(source: str, number: int, line: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{source}: line {number} is no JSON; one object a line") from error
    if not isinstance(row, dict):
        raise UsageError(f"{source}: line {number} is no JSON object; one object a line")
    return row


def _is_relative(name: str) -> bool:
    return "://" not in name and not name.startswith("/") and ".." not in name.split("/")


def _beside(folder: str, name: str | None) -> str | None:
    if name is None or "://" in name or name.startswith("/"):
        return places.absolute(name) if name else None
    return places.absolute(places.joined(folder, name))
