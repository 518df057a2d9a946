"""Every contender of every group under pytest-benchmark.

    python -m pytest benchmarks/kernels --benchmark-json=FILE

It times them one after another; ``python -m benchmarks.kernels`` takes turns, which is fairer
on a machine that does other things too, and is where the published figures come from.
"""

from __future__ import annotations

import pytest

from benchmarks.kernels.contenders import Work, groups


def rows() -> list[tuple[str, str, Work]]:
    found: list[tuple[str, str, Work]] = []
    for group in groups():
        found.append((group.name, "homeveil", group.ours))
        found += [(group.name, f"OpenCV: {name}", work) for name, work in group.opencv.items()]
        if group.copy is not None:
            found.append((group.name, "memcpy", group.copy))
    return found


@pytest.mark.parametrize(
    ("group", "who", "work"), [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in rows()]
)
def test_speed(benchmark, group: str, who: str, work: Work) -> None:
    """Time of one call."""
    benchmark.group = group
    benchmark(work)
