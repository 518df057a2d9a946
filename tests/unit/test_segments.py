"""What stretches of a long recording tell when they are one again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from homeveil.audio import VeiledAudio
from homeveil.batch.segments import _joined, _muted, plan
from homeveil.errors import UsageError
from homeveil.frames import _SEAL, Timestamp
from homeveil.policy import Policy
from homeveil.report import Span


def test_sound_is_muted_around_a_picture_that_failed() -> None:
    """From a second before to a second after a fault nothing is heard; the rest stays."""
    sound = VeiledAudio(
        np.ones((2, 80_000), np.float32), 8_000, Timestamp.from_seconds(20.0), 1.0, _SEAL
    )
    muted = _muted(sound, [Span(24.0, 25.0, "fault")]).samples
    assert not muted[:, 3 * 8_000 : 6 * 8_000].any()
    assert muted[:, : 3 * 8_000].all()
    assert muted[:, 6 * 8_000 :].all()
    assert _muted(sound, [Span(100.0, 101.0, "fault")]) is sound
    assert dataclasses.replace(sound, samples=muted).time == sound.time


def test_a_span_that_goes_on_across_a_seam_is_one() -> None:
    """Of the same reason only, and only where nothing lies between."""
    spans = [Span(0, 10, "uncleared"), Span(10.04, 12, "uncleared"), Span(12.04, 13, "fault"),
             Span(20, 21, "fault")]  # fmt: skip
    assert list(_joined(iter(spans))) == [
        Span(0, 12, "uncleared"), Span(12.04, 13, "fault"), Span(20, 21, "fault"),
    ]  # fmt: skip


def test_what_cannot_be_joined_is_not_cut(tmp_path: Path) -> None:
    """AVI and files of sound alone are cleared whole; stretches too short are misuse."""
    assert plan(tmp_path / "a.mp4", tmp_path / "b.avi", Policy(), 60) == []
    assert plan(tmp_path / "a.mp4", tmp_path / "b.wav", Policy(), 60) == []
    with pytest.raises(UsageError, match="10 or more"):
        plan(tmp_path / "a.mp4", tmp_path / "b.mp4", Policy(), 1)
