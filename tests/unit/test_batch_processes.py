"""Who made a thing is known to be gone, or taken to be there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeveil.batch.processes import Process
from live import until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

_TELLS = """
import time
from homeveil.batch.processes import Process
print(Process.this(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], Process]]:
    running = subprocess.Popen([sys.executable, "-c", _TELLS], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    told = Process.named(running.stdout.readline().strip())
    assert told is not None
    yield running, told
    running.kill()
    running.wait()


def test_a_process_is_there_until_it_ends_waited_for_or_not(
    child: tuple[subprocess.Popen[str], Process],
) -> None:
    running, told = child
    assert told.number == running.pid
    assert not told.is_gone
    running.kill()
    assert running.stdout is not None
    running.stdout.read()
    stat = Path(f"/proc/{running.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
    assert told.is_gone
    running.wait()
    assert told.is_gone


def test_a_number_given_again_is_another_process() -> None:
    assert Process.this()._replace(born=1).is_gone


@pytest.mark.parametrize("elsewhere", [{"boot": "0123abcd"}, {"space": "7"}, {"boot": "0"}])
def test_of_a_process_elsewhere_nothing_is_known(elsewhere: dict[str, str]) -> None:
    gone = Process.this()._replace(born=1, **elsewhere)
    assert not gone.is_gone


@pytest.mark.parametrize(
    "text",
    ["", "1-2-3", "ab-1-2-3-4", "x-1-2-3", "ab-1-9999999999999999999-3", "ab-\u0661-2-3"],
)
def test_what_is_no_process_is_none(text: str) -> None:
    assert Process.named(text) is None
