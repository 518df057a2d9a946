"""What keeps the stretches of one recording together: places of workers, and sound that fails with
the picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

import homeveil.clearing.here
from clips import make
from homeveil.audio import VeiledAudio
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.run import Run
from homeveil.batch.state import State
from homeveil.clearing import Order
from homeveil.clearing.here import open_here
from homeveil.clearing.together import Together
from homeveil.errors import StretchError
from homeveil.media import stretches
from homeveil.media.stretches import Stretch, cut
from homeveil.policy import Policy
from homeveil.stretching import _Muted
from homeveil.voice_gate import VoiceGate
from voices import ALONE, Script, anybody


def tone(path: Path, seconds: int) -> Path:
    """A file of one tone."""
    rate = 16_000
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(seconds * rate) / rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        block = (32_767 * samples[None]).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Read(list[Any]):
    """Packets of key frames at ticks."""

    damaged, cut = 0, False

    def __init__(self, ticks: list[int]) -> None:
        plain = {"is_corrupt": False, "is_discard": False, "is_keyframe": True}
        super().__init__(SimpleNamespace(pts=tick, **plain) for tick in ticks)


def test_a_clock_that_jumps_back_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of two recordings would be put in one order by their times."""
    source = make(tmp_path / "a.mkv")
    one = list(range(0, 400_000, 100))
    monkeypatch.setattr(stretches, "Packets", lambda container, stream: Read(one))
    assert cut(source, Stretch(1, 2)).count == 2
    both = one + [tick + 13 for tick in one]
    monkeypatch.setattr(stretches, "Packets", lambda container, stream: Read(both))
    with pytest.raises(StretchError, match="jumps back"):
        cut(source, Stretch(1, 2))


def test_sound_is_muted_where_a_stretch_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that stands open lets everything through but the spans of the picture's faults, which
    are counted as such, however many there are."""
    monkeypatch.setattr(
        homeveil.clearing.here,
        "VoiceGate",
        partial(VoiceGate, listen=lambda rate: Script(rate, lambda t: ALONE)),
    )
    spans = tuple((2.0 + n / 20, 2.0 + n / 20 + 0.03) for n in range(300))
    order = Order(tone(tmp_path / "a.wav", 20), anybody(), Policy(), sound_alone=True, muted=spans)
    with open_here(order) as clearing:
        out = [one.samples for one in clearing if isinstance(one, VeiledAudio)]
        assert clearing.sound_tally is not None
        report = clearing.sound_tally.report()
    samples = np.concatenate(out, axis=1)[0]
    for start, end in spans:
        assert not samples[int(16_000 * start) + 1 : int(16_000 * end)].any(), start
    assert np.abs(samples[16_000 * 18 : 16_000 * 19]).max() > 0.4
    assert report.withheld["fault"] >= 300 * 0.03
    assert len(report.fault_spans) == 300


def test_faults_take_the_sound_around_them() -> None:
    """From the frame before one that failed to the one after it; neighbours are one span, and the
    last frame stands to the end."""
    muted = _Muted()
    together = Together(muted.withhold)
    for number, fault in enumerate([False, False, True, True, False, False, True]):
        together.see(number / 10, failed=fault)
    assert muted.spans == [pytest.approx((0.1, 0.4)), pytest.approx((0.5, 0.7))]
    together.end()
    assert muted.spans == [pytest.approx((0.1, 0.4)), (pytest.approx(0.5), float("inf"))]


class Places(Engine):
    """Ends each job as soon as it is waited for."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken: list[Job] = []
        self.given: list[int] = []

    @property
    def free(self) -> int:
        return self.places - sum(job.stretches for job in self.taken)

    def submit(self, job: Job) -> None:
        assert job.stretches <= self.free
        self.given.append(job.stretches)
        self.taken.append(job)

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        job = self.taken.pop(0)
        return [(job, Outcome(content="x", report={}))]

    def close(self) -> None:
        self.taken.clear()


@pytest.mark.parametrize(
    ("files", "places", "stretches", "given"),
    [
        (1, 4, 256, [4]),
        (2, 5, 256, [2, 3]),
        (1, 4, 2, [2]),
        (6, 4, 256, [1, 1, 1, 1, 1, 1]),
        (2, 4, 1, [1, 1]),
    ],
)
def test_places_that_no_other_file_needs_are_shared_out(
    tmp_path: Path, files: int, places: int, stretches: int, given: list[int]
) -> None:
    """A file gets more than one place only where fewer files than places are left."""
    jobs = []
    for number in range(files):
        source = tmp_path / f"{number}.mp4"
        source.write_bytes(b"x")
        target = str(tmp_path / "out" / source.name)
        jobs.append(Job(str(source), target, None, Policy().to_document()))
    with State(tmp_path / "s") as state, Places(places) as engine:
        Run(jobs, state, stretches=stretches).work(engine)
        assert engine.given == given
