"""Small networks in place of a user's own speaker model, and voices enrolled with them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from homeveil.models.onnx_file import Graph, Port
from homeveil.policy import ModelFile
from homeveil.profile.voice import QUANTILES, SpeakerTemplate

SIZE = 24


@cache
def bands_model() -> bytes:
    """Mel bands (1, T, 80) to how much each of some mixtures of them moves: (1, SIZE)."""
    graph = Graph("speaker")
    mix = np.random.default_rng(7).normal(size=(80, SIZE)).astype(np.float32) / 9
    graph.node("MatMul", ["feats", graph.constant("mix", mix)], "mixed")
    graph.node("Abs", ["mixed"], "size")
    graph.node("ReduceMean", ["size"], "embs", axes=(1,), keepdims=0)
    return graph.encode(
        [Port("feats", "float32", (1, "T", 80))], [Port("embs", "float32", (1, SIZE))], {}
    )


@cache
def sound_model() -> bytes:
    """Sound (1, N) to the energy of its 10 ms in some random filters: (1, SIZE)."""
    graph = Graph("speaker")
    filters = np.random.default_rng(8).normal(size=(160, SIZE)).astype(np.float32)
    graph.node("Reshape", ["x", graph.constant("form", np.array([-1, 160], np.int64))], "cut")
    graph.node("MatMul", ["cut", graph.constant("filters", filters)], "passed")
    graph.node("Abs", ["passed"], "size")
    graph.node("ReduceMean", ["size"], "embedding", axes=(0,), keepdims=1)
    return graph.encode(
        [Port("x", "float32", (1, "N"))], [Port("embedding", "float32", (1, SIZE))], {}
    )


def file_of(model: bytes, folder: Path) -> ModelFile:
    """A model as a file of the user's own."""
    path = folder / f"{hashlib.sha256(model).hexdigest()[:8]}.onnx"
    path.write_bytes(model)
    return ModelFile(path, hashlib.sha256(model).hexdigest())


def some_speaker(
    sha256: str = "0" * 64, size: int = SIZE, spread: tuple[float, float] = (0.6, 0.9)
) -> SpeakerTemplate:
    """A template that some model could have made."""
    row = np.random.default_rng(1).normal(size=size).astype(np.float32)
    own = np.linspace(*spread, QUANTILES).astype(np.float32)
    return SpeakerTemplate(row / np.linalg.norm(row), own, sha256)
