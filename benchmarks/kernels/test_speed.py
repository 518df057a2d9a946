"""The kernels beside OpenCV at its best and beside a copy of the bytes that they must touch.

    python -m pytest benchmarks/kernels --benchmark-json=kernels.json

Each test measures its kernel, and in `extra_info` has the race: ours, OpenCV and the copy in
turn, which on a machine that is not idle says more than times one after another. The table
in benchmarks/results comes from `python -m benchmarks.kernels`.
"""

from __future__ import annotations

import pytest

from benchmarks.kernels.contests import Contest, contests
from benchmarks.kernels.race import race


@pytest.mark.benchmark(group="kernels on one 1280x720 frame")
@pytest.mark.parametrize("contest", contests(), ids=lambda contest: contest.name)
def test_kernel(benchmark, contest: Contest) -> None:
    benchmark.extra_info.update(race(contest, rounds=20))
    benchmark(contest.ours)
