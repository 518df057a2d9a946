"""What the model supply promises to the rest of the package."""

from __future__ import annotations

import inspect
import subprocess
import sys

from homeveil.models import pull, store

HEAVY = ("onnx", "onnxruntime", "ai_edge_litert", "rich", "tarfile", "subprocess", "cryptography")


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_is_light() -> None:
    """`import homeveil.models` imports none of its modules and nothing heavy."""
    loaded = _loaded_after("import homeveil.models")
    assert "homeveil.models.pull" not in loaded
    assert loaded.isdisjoint(HEAVY)


def test_locating_needs_no_downloader() -> None:
    """Finding a model at a start imports neither pip's runner nor a runtime."""
    loaded = _loaded_after("import homeveil.models.store")
    assert not {"homeveil.models.pull", "homeveil.models.carrier", "onnx", "rich"} & loaded


def test_profile_import_is_light() -> None:
    """`import homeveil.profile` does not load the cryptography library."""
    assert "cryptography" not in _loaded_after("import homeveil.profile")


def test_signatures() -> None:
    """The calls that the command line and the engine make keep their shape."""
    assert list(inspect.signature(pull.pull_models).parameters) == [
        "purposes",
        "progress",
        "store",
        "carrier_folder",
    ]
    assert list(inspect.signature(store.locate).parameters) == ["purpose", "policy_models"]
    assert list(inspect.signature(store.status).parameters) == []
    assert list(inspect.signature(store.verify).parameters) == ["purposes"]
