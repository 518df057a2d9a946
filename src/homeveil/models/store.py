"""The folder of models on this machine, and the only way to get a path out of it.

A path is given out only after the file's SHA-256 has been compared, at every start: a
model that was swapped or damaged could clear a bystander.
"""

from __future__ import annotations

import enum
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from homeveil.errors import ModelError, UsageError
from homeveil.files import open_regular, write_whole
from homeveil.installation import home_folder
from homeveil.models.manifest import Bundled, Manifest, Model, load_manifest
from homeveil.policy import ModelFile

_PULL = "run `homeveil models pull`"


class Origin(enum.Enum):
    """Who supplied a model: ``homeveil models pull``, the same by name, this package, or the
    user by path and hash."""

    PULLED = "pulled"
    OPTIONAL = "optional"
    BUNDLED = "bundled"
    USER = "user"


class State(enum.Enum):
    """What stands in a model's place."""

    READY = "ready"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model file whose hash was just compared."""

    path: Path
    sha256: str
    purpose: str
    origin: Origin

    def read(self) -> bytes:
        """The file's bytes, compared again.

        Give these to the runtime rather than the path where it takes them: what runs is
        then what was compared, even if the file is exchanged in between.
        """
        try:
            with open(self.path, "rb", opener=open_regular) as file:
                data = file.read()
        except OSError as error:
            raise ModelError(
                f"model {self.purpose}: {self.path} cannot be read ({error.strerror}); "
                + _remedy(self.origin, self.purpose)
            ) from error
        _compare(hashlib.sha256(data).hexdigest(), self)
        return data


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One line of ``homeveil models list``."""

    model: Model | Bundled
    path: Path
    state: State


def cache_directory() -> Path:
    """Where models live: ``HOMEVEIL_MODELS``, else the user's cache folder. Raises UsageError."""
    chosen = os.environ.get("HOMEVEIL_MODELS")
    if not chosen:
        return _user_cache() / "homeveil" / "models"
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"HOMEVEIL_MODELS: there is no home folder for {chosen}; set it to a full path"
        ) from error


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) if base else home_folder("HOMEVEIL_MODELS") / "AppData" / "Local"
    if sys.platform == "darwin":
        return home_folder("HOMEVEIL_MODELS") / "Library" / "Caches"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return Path(base) if os.path.isabs(base) else home_folder("HOMEVEIL_MODELS") / ".cache"


@dataclass(frozen=True, slots=True)
class ModelStore:
    """A folder of models and the manifest that says what must be in it."""

    directory: Path = field(default_factory=cache_directory)
    manifest: Manifest = field(default_factory=load_manifest)

    def path(self, model: Model | Bundled) -> Path:
        """Where the model's file stands or will stand."""
        if isinstance(model, Bundled):
            return self.manifest.folder.joinpath(*model.file.split("/"))
        return self.directory / model.file_name

    def state(self, model: Model | Bundled) -> State:
        """Whether the file is there and is the right one (hashes the file)."""
        path = self.path(model)
        try:
            right = path.stat().st_size == model.size and file_sha256(path) == model.sha256
        except FileNotFoundError:
            return State.MISSING
        except OSError:
            return State.CORRUPT
        return State.READY if right else State.CORRUPT

    def status(self) -> list[ModelStatus]:
        """The state of every model that is always needed; each file is hashed."""
        return self._states(self.manifest.all)

    def optional(self) -> list[ModelStatus]:
        """The state of the models that only some policies ask for."""
        return self._states(self.manifest.optional)

    def _states(self, models: Iterable[Model | Bundled]) -> list[ModelStatus]:
        return [ModelStatus(model, self.path(model), self.state(model)) for model in models]

    def verify(self, purposes: Iterable[str] | None = None) -> None:
        """Hash every model again, or those for these purposes; ModelError names all that are
        missing or corrupt. Only those that are optional may be missing where none is named."""
        if purposes is None:
            self.require_ready(self.wanted())
        else:
            named = [self.manifest.find(purpose) for purpose in dict.fromkeys(purposes)]
            self.require_ready(self._states(named))

    def wanted(self) -> list[ModelStatus]:
        """The state of every model that is always needed, and of the optional ones that are
        there."""
        there = [entry for entry in self.optional() if entry.state is not State.MISSING]
        return [*self.status(), *there]

    def require_ready(self, entries: Iterable[ModelStatus]) -> None:
        """ModelError names all that are missing or corrupt, and what mends that."""
        bad = [entry for entry in entries if entry.state is not State.READY]
        if not bad:
            return
        found = "; ".join(f"{one.model.purpose} is {one.state.value} ({one.path})" for one in bad)
        remedies = [_remedy(self._origin(one.model), one.model.purpose) for one in bad]
        raise ModelError(f"models: {found}; {' and '.join(dict.fromkeys(remedies))}")

    def _origin(self, model: Model | Bundled) -> Origin:
        if isinstance(model, Bundled):
            return Origin.BUNDLED
        return Origin.OPTIONAL if model in self.manifest.optional else Origin.PULLED

    def locate(
        self, purpose: str, policy_models: Mapping[str, ModelFile] | None = None
    ) -> ResolvedModel:
        """The file for a purpose, its hash compared now.

        A file of the user's own (``Policy.models``) takes the place of any model, also for
        purposes that the manifest does not know. ModelError names purpose, path and remedy.
        """
        own = (policy_models or {}).get(purpose)
        if own is not None:
            found = ResolvedModel(own.path, own.sha256.lower(), purpose, Origin.USER)
        else:
            model = self.manifest.find(purpose)
            found = ResolvedModel(self.path(model), model.sha256, purpose, self._origin(model))
        try:
            digest = file_sha256(found.path)
        except FileNotFoundError:
            raise ModelError(
                f"model {purpose} is missing: {found.path}; {_remedy(found.origin, purpose)}"
            ) from None
        except OSError as error:
            raise ModelError(
                f"model {purpose}: {found.path} cannot be read ({error.strerror}); "
                + _remedy(found.origin, purpose)
            ) from error
        _compare(digest, found)
        return found

    def write(self, model: Model, data: bytes) -> Path:
        """Put a model into its place, whole or not at all; the hash is compared first."""
        digest = hashlib.sha256(data).hexdigest()
        if digest != model.sha256:
            raise ModelError(
                f"model {model.purpose}: conversion gave sha256 {digest}, "
                f"the manifest says {model.sha256}; nothing was written"
            )
        path = self.path(model)
        write_atomically(path, data)
        return path


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """Bytes of each purpose, and the hashes they had."""

    data: Mapping[str, bytes]
    sha256: Mapping[str, str]


def load(purposes: Iterable[str], policy_models: Mapping[str, ModelFile]) -> LoadedModels:
    """Read the models for these purposes; ModelError for the first that is amiss."""
    found = {purpose: locate(purpose, policy_models) for purpose in purposes}
    return LoadedModels(
        {purpose: model.read() for purpose, model in found.items()},
        {purpose: model.sha256 for purpose, model in found.items()},
    )


def locate(purpose: str, policy_models: Mapping[str, ModelFile] | None = None) -> ResolvedModel:
    """:meth:`ModelStore.locate` in the user's own store."""
    return ModelStore().locate(purpose, policy_models)


def expected_sha256(purpose: str, policy_models: Mapping[str, ModelFile]) -> str:
    """The hash that the model for a purpose must have, lower-case hex; ModelError for a
    purpose that nobody knows."""
    own = policy_models.get(purpose)
    return own.sha256.lower() if own is not None else ModelStore().manifest.find(purpose).sha256


def optional() -> list[ModelStatus]:
    """:meth:`ModelStore.optional` of the user's own store."""
    return ModelStore().optional()


def status() -> list[ModelStatus]:
    """:meth:`ModelStore.status` of the user's own store."""
    return ModelStore().status()


def verify(purposes: Iterable[str] | None = None) -> None:
    """:meth:`ModelStore.verify` of the user's own store."""
    ModelStore().verify(purposes)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as lower-case hex."""
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write whole or not at all. ModelError on failure."""
    try:
        # A cache may be shared on a machine.
        write_whole(path, data, overwrite=True, mode=0o644)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror})") from error


def _compare(digest: str, found: ResolvedModel) -> None:
    if digest == found.sha256:
        return
    raise ModelError(
        f"model {found.purpose} is corrupt or another one: {found.path} has sha256 {digest}, "
        f"expected {found.sha256}; {_remedy(found.origin, found.purpose)}"
    )


def _remedy(origin: Origin, purpose: str) -> str:
    if origin is Origin.PULLED:
        return _PULL
    if origin is Origin.OPTIONAL:
        return f"run `homeveil models pull {purpose}`"
    if origin is Origin.BUNDLED:
        return "reinstall homeveil"
    return "correct the path and the sha256 that the policy, or the command, gives"
