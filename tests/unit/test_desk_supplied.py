"""A detector the user supplies adds candidates and names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from homeveil.desk.supplied import SuppliedDetector
from homeveil.desk.watcher import DeskModels
from homeveil.errors import ModelError
from homeveil.policy import ModelFile

YOLOX = Path(__file__).parents[3] / "shared" / "models" / "yolox_nano.onnx"


def test_a_file_of_another_kind_is_refused() -> None:
    """What cannot be run is told before anything is watched."""
    with pytest.raises(ModelError, match="ONNX"):
        SuppliedDetector.of(b"", ".tflite")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """It is trusted by hash, as every model."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"something else")
    with pytest.raises(ModelError):
        DeskModels.load({"desk_detector": ModelFile(path, "0" * 64)})


@pytest.mark.skipif(not YOLOX.exists(), reason="no detector beside the repository")
def test_it_looks() -> None:
    """It runs on a picture of any shape, and invents nothing on a flat one."""
    digest = hashlib.sha256(YOLOX.read_bytes()).hexdigest()
    models = DeskModels.load({"desk_detector": ModelFile(YOLOX, digest)})
    assert models.supplied is not None
    assert models.supplied.look(np.full((160, 512, 3), 120, np.uint8)) == ()
