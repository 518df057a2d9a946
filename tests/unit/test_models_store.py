"""Finding models: nothing is given out whose hash was not compared."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
from pathlib import Path

import pytest

from homeveil.errors import ModelError, UsageError
from homeveil.models.manifest import Bundled, Carrier, CarrierKind, Manifest, Member, Model
from homeveil.models.store import ModelStore, Origin, State, cache_directory
from homeveil.policy import ModelFile

DATA = b"weights" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
MODEL = Model(
    id="tiny",
    purpose="face_embedding",
    licence="MIT",
    source="test",
    input="none",
    carrier="box",
    conversion="none",
    suffix=".onnx",
    sha256=DIGEST,
    size=len(DATA),
    members=(Member("a", DIGEST, len(DATA)),),
)
CARRIER = Carrier("box", "box", "1", CarrierKind.WHEEL, (), "box-1.whl", "0" * 64, 1)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with one model in place."""
    store = ModelStore(tmp_path, Manifest((CARRIER,), (MODEL,)))
    store.write(MODEL, DATA)
    return store


def test_locate_gives_path_and_hash(store: ModelStore) -> None:
    """A model that is there and right is found, and reads back as written."""
    found = store.locate("face_embedding")
    assert (found.sha256, found.origin) == (DIGEST, Origin.PULLED)
    assert found.read() == DATA
    store.verify()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_and_not_waited_for(store: ModelStore, what: str) -> None:
    """A pipe that nobody writes, a device that never ends."""
    path = store.path(MODEL)
    found = store.locate("face_embedding")
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for call in (lambda: store.locate("face_embedding"), found.read, store.verify):
        with pytest.raises(ModelError, match="face_embedding"):
            call()


@pytest.mark.skipif(os.name != "posix", reason="homes of users")
def test_no_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom nobody knows."""
    monkeypatch.setenv("HOMEVEIL_MODELS", "~nobody-of-this-name/models")
    with pytest.raises(UsageError, match="there is no home folder for"):
        cache_directory()


def test_verify_says_what_mends_each(tmp_path: Path) -> None:
    """What only some policies ask for is pulled by name."""
    other = dataclasses.replace(MODEL, id="other", purpose="speech")
    store = ModelStore(tmp_path, Manifest((CARRIER,), (MODEL,), optional=(other,)))
    with pytest.raises(ModelError, match="pull` and run `homeveil models pull speech`"):
        store.verify(["face_embedding", "speech"])


def test_verify_compares_what_is_optional_where_it_is_there(tmp_path: Path) -> None:
    """It may be missing; damaged it is told of like the others."""
    other = dataclasses.replace(MODEL, id="other", purpose="speech")
    store = ModelStore(tmp_path, Manifest((CARRIER,), (), optional=(other,)))
    store.verify()
    store.path(other).write_bytes(DATA)
    store.verify()
    assert [entry.state for entry in store.wanted()] == [State.READY]
    store.path(other).write_bytes(DATA + b"!")
    with pytest.raises(ModelError, match="speech is corrupt"):
        store.verify()


def test_what_comes_with_the_package_is_compared_too(tmp_path: Path) -> None:
    """A bundled model is found beside the manifest; damaged or gone it is an error."""
    bundled = Bundled("own", "target", "MIT", "test", "none", "own/own.onnx", DIGEST, len(DATA))
    store = ModelStore(tmp_path / "cache", Manifest((), (), (bundled,), tmp_path))
    with pytest.raises(ModelError, match="reinstall homeveil"):
        store.locate("target")
    (tmp_path / "own").mkdir()
    file = tmp_path / "own" / "own.onnx"
    file.write_bytes(DATA)
    assert store.locate("target").origin is Origin.BUNDLED
    assert store.locate("target").read() == DATA
    store.verify()
    store.verify(["target"])
    own = ModelFile(file, DIGEST)
    assert store.locate("target", {"target": own}).origin is Origin.USER
    file.write_bytes(DATA + b"!")
    assert store.status()[0].state is State.CORRUPT
    for call in (store.verify, lambda: store.locate("target")):
        with pytest.raises(ModelError, match="corrupt"):
            call()


def test_a_missing_optional_model_names_its_own_remedy(store: ModelStore) -> None:
    """It is pulled by name; the state of what is always needed does not tell of it."""
    (model,) = store.manifest.models
    only = dataclasses.replace(model, purpose="extra")
    other = ModelStore(store.directory, Manifest((CARRIER,), (), optional=(only,)))
    other.path(only).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="homeveil models pull extra"):
        other.locate("extra")
    assert other.status() == []
    assert [entry.state for entry in other.optional()] == [State.MISSING]


def test_missing_model_names_the_remedy(store: ModelStore) -> None:
    """A missing model is an error with its purpose, its path and the command to run."""
    path = store.path(MODEL)
    path.unlink()
    with pytest.raises(ModelError, match="homeveil models pull") as caught:
        store.locate("face_embedding")
    assert "face_embedding" in str(caught.value)
    assert str(path) in str(caught.value)
    assert store.status()[0].state is State.MISSING


@pytest.mark.parametrize("position", [0, len(DATA) // 2, len(DATA) - 1])
def test_one_flipped_bit_is_found(store: ModelStore, position: int) -> None:
    """A model changed in one bit, its size unchanged, is refused everywhere."""
    found = store.locate("face_embedding")
    data = bytearray(DATA)
    data[position] ^= 1
    store.path(MODEL).write_bytes(data)
    with pytest.raises(ModelError, match="corrupt"):
        store.locate("face_embedding")
    with pytest.raises(ModelError, match="corrupt"):
        found.read()
    with pytest.raises(ModelError, match="corrupt"):
        store.verify()
    assert store.status()[0].state is State.CORRUPT


def test_folder_in_a_models_place_is_an_error(store: ModelStore) -> None:
    """Something that is not a file where the model should be is refused, not followed."""
    store.path(MODEL).unlink()
    store.path(MODEL).mkdir()
    with pytest.raises(ModelError, match="face_embedding"):
        store.locate("face_embedding")


def test_own_file_takes_the_place(store: ModelStore, tmp_path: Path) -> None:
    """A file of the user's own is used for any purpose, when its hash fits."""
    own = tmp_path / "mine.onnx"
    own.write_bytes(b"mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    for purpose in ("face_embedding", "age"):
        found = store.locate(purpose, {purpose: ModelFile(own, digest)})
        assert (found.path, found.origin) == (own, Origin.USER)


def test_own_file_with_wrong_hash_is_an_error(store: ModelStore, tmp_path: Path) -> None:
    """A wrong hash in the policy never falls back to the model of the manifest."""
    own = tmp_path / "mine.onnx"
    own.write_bytes(b"mine")
    with pytest.raises(ModelError, match="policy"):
        store.locate("face_embedding", {"face_embedding": ModelFile(own, "0" * 64)})
    own.unlink()
    with pytest.raises(ModelError, match="policy"):
        store.locate("face_embedding", {"face_embedding": ModelFile(own, DIGEST)})


def test_unknown_purpose_is_misuse(store: ModelStore) -> None:
    """A purpose without a model and without an own file is a usage error."""
    with pytest.raises(UsageError):
        store.locate("age")


def test_write_refuses_other_data(store: ModelStore) -> None:
    """Data that does not have the manifest's hash is never written."""
    store.path(MODEL).unlink()
    with pytest.raises(ModelError, match="nothing was written"):
        store.write(MODEL, DATA + b"x")
    assert list(store.directory.iterdir()) == []


def test_releases_share_a_cache(store: ModelStore) -> None:
    """Another version of a model gets another file name."""
    other = dataclasses.replace(MODEL, sha256="1" * 64)
    assert store.path(other) != store.path(MODEL)


def test_cache_directory_follows_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """HOMEVEIL_MODELS decides; else the XDG cache, where a relative path is ignored."""
    monkeypatch.setenv("HOMEVEIL_MODELS", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("HOMEVEIL_MODELS")
    if sys.platform not in ("win32", "darwin"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_directory() == tmp_path / "homeveil" / "models"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert cache_directory() == Path.home() / ".cache" / "homeveil" / "models"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom modes bind")
def test_unreadable_model_is_an_error(store: ModelStore) -> None:
    """A model that may not be read is an error, not a missing one."""
    store.path(MODEL).chmod(0)
    with pytest.raises(ModelError, match="cannot be read"):
        store.locate("face_embedding")
