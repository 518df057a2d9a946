"""Loading profiles from arbitrary and mutated bytes; saving arbitrary profiles."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from homeveil.errors import ProfileError
from homeveil.profile import FaceTemplate, Profile, VoiceTemplate, load_profile, save_profile

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _saved() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent"
        face = FaceTemplate(np.ones((1, 128), np.float32), 0.3, 5, "ef" * 32)
        save_profile(path, Profile(face), "secret")
        return path.read_bytes()


SAVED = _saved()


def _load(data: bytes) -> Profile | None:
    """What load_profile makes of a file with these bytes; None for a ProfileError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent"
        path.write_bytes(data)
        try:
            return load_profile(path, "secret")
        except ProfileError:
            return None


@given(st.binary(max_size=300), st.booleans())
@example(b"", True)
@settings(deadline=None)
def test_random_bytes_are_refused(data: bytes, magic: bool) -> None:
    """Random bytes, with the magic or without, raise a ProfileError and nothing else."""
    assert _load(b"HVPROF" + data if magic else data) is None


@given(st.data())
@SLOW
def test_mutated_files_are_refused(data: st.DataObject) -> None:
    """Changed, cut, doubled or lengthened files raise a ProfileError and nothing else."""
    changed = bytearray(SAVED)
    for _ in range(data.draw(st.integers(1, 3))):
        # Half of the changes in the header: that is where a reader goes wrong.
        last = data.draw(st.sampled_from([44, len(changed) - 1]))
        position = data.draw(st.integers(0, min(last, len(changed) - 1)))
        action = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if action == "set":
            changed[position] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del changed[position : position + data.draw(st.integers(1, 30))]
        elif action == "insert":
            changed[position:position] = data.draw(st.binary(min_size=1, max_size=30))
        else:
            changed += changed[position : position + 30]
        if not changed:
            break
    loaded = _load(bytes(changed))
    assert (loaded is None) == (bytes(changed) != SAVED)


@given(
    st.integers(1, 4),
    st.floats(0, 2),
    st.integers(1, 1000),
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), st.floats(0, 9)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@SLOW
def test_any_profile_comes_back(
    count: int,
    spread: float,
    used: int,
    ratios: dict[str, float],
    with_voice: bool,
    seed: int,
) -> None:
    """Whatever can be made can be saved and is loaded the same."""
    templates = np.random.default_rng(seed).normal(size=(count, 128)).astype(np.float32)
    rows = np.eye(3, 256, k=seed % 200, dtype=np.float32)
    voice = VoiceTemplate(rows, rows[:, :1].ravel(), spread + 1, used, "cd" * 32)
    face = FaceTemplate(templates, spread, used, "ef" * 32)
    profile = Profile(face, ratios, ratios, voice=voice if with_voice else None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent"
        save_profile(path, profile, "secret")
        loaded = load_profile(path, "secret")
    assert np.array_equal(loaded.face.templates, templates)
    assert (loaded.face.spread, loaded.face.embeddings_used) == (spread, used)
    assert dict(loaded.ratios) == ratios
    assert (loaded.voice is not None) == with_voice
    if loaded.voice is not None:
        assert np.array_equal(loaded.voice.template, rows)
        assert (loaded.voice.seconds, loaded.voice.recordings) == (spread + 1, used)
