"""One frame live, without encoding: how long it takes, and how many cores a camera keeps busy.

    python -m pytest benchmarks/pipeline --benchmark-json=pipeline.json

Each round is one frame. ``extra_info`` has the percentiles, the processor time, and the cores
that a camera of 15 frames a second would keep busy. Two scenes: the example clip as it is (a
child comes in), and its beginning forth and back (the agent types, nobody else is there).
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.pipeline import material
from homeveil.policy import Policy
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor

SIZE = (1280, 720)
WARM_SECONDS = 4.0


@pytest.fixture(scope="module")
def agent() -> Profile:
    return material.profile()


@pytest.mark.benchmark(group="one frame at 1280x720, no delay, no encoding")
@pytest.mark.parametrize("rate", [15, 30])
@pytest.mark.parametrize("scene", ["calm", "company"])
def test_frame(benchmark, agent: Profile, scene: str, rate: int) -> None:
    """Start-up (four seconds, in which all the room is looked at) is left out."""
    shown = material.CALM_SECONDS if scene == "calm" else None
    raws = iter(material.frames(material.DEMO, SIZE, rate, seconds=24.0, shown_seconds=shown))
    taken: list[float] = []
    spent: list[float] = []
    with Redactor(agent, Policy(), delay_seconds=0.0) as redactor:
        for _ in range(round(WARM_SECONDS * rate)):
            list(redactor.process(next(raws)))

        def one(raw) -> None:
            begin, used = time.perf_counter(), time.process_time()
            list(redactor.process(raw))
            taken.append(1000 * (time.perf_counter() - begin))
            spent.append(1000 * (time.process_time() - used))

        rounds = round(20.0 * rate)
        benchmark.pedantic(one, setup=lambda: ((next(raws),), {}), rounds=rounds)
    for percent in (50, 95, 99):
        benchmark.extra_info[f"p{percent}_ms"] = round(float(np.percentile(taken, percent)), 1)
    cpu = float(np.mean(spent))
    benchmark.extra_info["cpu_ms_per_frame"] = round(cpu, 1)
    benchmark.extra_info["cores_at_this_rate"] = round(cpu * rate / 1000, 2)
