"""The manifest that ships, and what a manifest may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeveil.errors import ModelError, UsageError
from homeveil.models.conversion import convert
from homeveil.models.manifest import CarrierKind, load_manifest, manifest_path

PURPOSES = {
    "voice_embedding",
    "face_detection_full",
    "face_detection_short",
    "people_mask_wide",
    "people_mask_square",
    "face_landmarks",
    "face_embedding",
    "body_pose",
}


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    text = manifest_path().read_text("utf-8")
    assert old in text
    path = tmp_path / "manifest.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def test_every_purpose_is_supplied_once() -> None:
    """The shipped manifest has one model for each purpose the engine asks for."""
    manifest = load_manifest()
    assert {model.purpose for model in manifest.models} == PURPOSES
    assert len(manifest.models) == len(PURPOSES)
    assert {one.purpose for one in manifest.bundled} == {
        "target_voice_monitor",
        "target_voice_call",
        "desk_items",
        "desk_change",
    }


def test_an_optional_model_is_had_by_name_alone() -> None:
    """Pulling all leaves it out, and nothing is amiss without it; its name is enough."""
    manifest = load_manifest()
    assert "speech" in {model.purpose for model in manifest.optional}
    assert "speech" not in {model.purpose for model in (*manifest.select(None), *manifest.all)}
    assert [model.purpose for model in manifest.select(["speech"])] == ["speech"]
    assert manifest.find("speech") is manifest.optional[0]


def test_an_optional_model_is_held_to_the_same(tmp_path: Path) -> None:
    """It may not take another's purpose, nor come from a carrier nobody names."""
    for old, new in (('"speech"', '"face_embedding"'), ('carrier = "silero_vad"', 'carrier = "x"')):
        with pytest.raises(ModelError, match="malformed"):
            load_manifest(_changed(tmp_path, old, new))


@pytest.mark.parametrize("file", ["/etc/passwd", "../x.onnx", "a/../../x.onnx", "a//x.onnx"])
def test_a_bundled_file_lies_beside_the_manifest(tmp_path: Path, file: str) -> None:
    """No path leads out of the package."""
    path = _changed(tmp_path, "target_voice/target_voice_call.onnx", file)
    with pytest.raises(ModelError, match="malformed"):
        load_manifest(path)


def test_licences_and_sources_are_named() -> None:
    """No model comes without a licence that allows commercial use, and a source."""
    manifest = load_manifest()
    for model in (*manifest.models, *manifest.optional):
        assert model.licence in {"Apache-2.0", "CC0-1.0", "MIT"}
        assert model.source
        assert model.input


def test_landmark_file_for_non_commercial_use_is_never_named() -> None:
    """The 68-point file in the same carrier is no member of any model."""
    for model in load_manifest().models:
        assert not any("68" in Path(member.path).name for member in model.members)


def test_sdist_is_downloaded_without_build_isolation() -> None:
    """An sdist's metadata step must use the stand-in backend, never a real setuptools."""
    for carrier in load_manifest().carriers:
        if carrier.kind is CarrierKind.SDIST:
            assert {"--use-pep517", "--no-build-isolation"} <= set(carrier.pip)


def test_select_keeps_order_and_drops_repeats() -> None:
    """A purpose asked for twice is pulled once."""
    manifest = load_manifest()
    chosen = manifest.select(["face_landmarks", "face_embedding", "face_landmarks"])
    assert [model.purpose for model in chosen] == ["face_landmarks", "face_embedding"]


def test_unknown_purpose_is_misuse_and_names_the_known() -> None:
    """A mistyped purpose is answered with the purposes there are."""
    with pytest.raises(UsageError, match="face_embedding"):
        load_manifest().model("face_embeding")
    with pytest.raises(UsageError, match="'desk_items' comes with homeveil and is not pulled"):
        load_manifest().select(["desk_items"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ('suffix = ".tflite"', 'suffix = "/../../x"'),
        ('file = "mediapipe-', 'file = "../mediapipe-'),
        ('sha256 = "956e', 'sha256 = "956E'),
        ("size = 35627340", "size = -1"),
        ("size = 35627340", "size = true"),
        ('kind = "wheel"', 'kind = "egg"'),
        ('carrier = "mediapipe"', 'carrier = "nobody"'),
        ('purpose = "people_mask_wide"', 'purpose = "people_mask_square"'),
        ('licence = "Apache-2.0"\n', ""),
        ("[[carrier]]", "[[carrier]]\nextra = 1"),
        ("version = 1", "version = "),
    ],
)
def test_malformed_manifest_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """Each damage to the manifest is a ModelError that names the file."""
    path = _changed(tmp_path, old, new)
    with pytest.raises(ModelError, match="manifest"):
        load_manifest(path)


def test_missing_manifest_is_a_model_error(tmp_path: Path) -> None:
    """An installation without its manifest says so."""
    with pytest.raises(ModelError, match="reinstall"):
        load_manifest(tmp_path / "none.toml")


def test_unknown_conversion_is_refused() -> None:
    """A manifest cannot name a conversion that does not exist."""
    with pytest.raises(ModelError, match="dlib_to_onnx"):
        convert("pickle", [b""])
