"""Ledgers of runs that end badly: they tell so, and what they hold up to then stands."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boxes import needs_box, sabotage
from clips import make
from faults import statement
from homeveil.errors import IsolationError, LedgerError
from homeveil.ledger.verify import verify
from homeveil.ledger.writer import Ledger
from homeveil.policy import Policy, Style
from homeveil.redaction import redact
from ledgers import HEAD, KEY, veiled

WRITE = (
    "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2].split(':');"
    "from ledgers import *; import itertools;"
    "ledger = Ledger(Path(sys.argv[1]), HEAD, key=KEY);"
    "[ledger.frame(veiled(n * 1.0)) for n in itertools.count()]"
)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("after", [1, 3, 8])
def test_kill_9_leaves_whole_entries(tmp_path: Path, after: int) -> None:
    """The last entry is there or not: what stands verifies but for the missing end."""
    path = tmp_path / "l.jsonl"
    paths = ":".join(entry for entry in sys.path if entry)
    with subprocess.Popen([sys.executable, "-c", WRITE, str(path), paths]) as process:
        while not path.exists() or path.read_bytes().count(b"\n") < after:
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    result = verify(path)
    assert result.outcome == "open-ended"
    assert [line for line in result.findings if "no closing entry" not in line] == []
    assert result.entries >= after


def test_an_interrupt_while_an_entry_reaches_the_disk_breaks_no_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written stands; the closing entry follows on it."""
    path = tmp_path / "l"
    with Ledger(path, HEAD, key=KEY) as ledger:
        ledger.frame(veiled(0.0))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda handle: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                ledger.frame(veiled(11.0))
        ledger.fail(KeyboardInterrupt())
    result = verify(path)
    assert (result.findings, result.outcome, result.entries) == ((), "failed", 3)


def test_a_ledger_that_cannot_begin_is_not_there(tmp_path: Path) -> None:
    """A full disk, and then room again: an empty file would be in the way of the next try."""
    path = tmp_path / "l.jsonl"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        with pytest.raises(LedgerError, match="cannot be written"):
            Ledger(path, HEAD, key=KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert list(tmp_path.iterdir()) == []
    with Ledger(path, HEAD, key=KEY) as ledger:
        ledger.frame(veiled(0.0))


@needs_box
def test_a_fault_is_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames withheld for a model that answers nonsense are fault spans of the ledger."""
    source = make(tmp_path / "in.mp4")
    sabotage(monkeypatch, statement("look at people", "not a number", after=0))
    ledger, out = tmp_path / "l.jsonl", tmp_path / "o.mp4"
    redact(source, out, profile=None, policy=Policy(style=Style.FILL), ledger=ledger)
    assert b'"fault_spans_ms":[[0,900]]' in ledger.read_bytes()
    assert b'"withheld_permille":1000' in ledger.read_bytes()
    result = verify(ledger, against=out)
    assert (result.findings, result.outcome, result.signer) == ((), "done", "own")


@needs_box
def test_a_run_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The isolated process dies in mid-run: the ledger is closed with the kind of error."""
    source = make(tmp_path / "in.mp4")
    sabotage(monkeypatch, "attacks.install('core_dump', '')")
    ledger = tmp_path / "l.jsonl"
    with pytest.raises(IsolationError):
        redact(source, tmp_path / "o.mp4", profile=None, ledger=ledger)
    result = verify(ledger)
    assert (result.findings, result.outcome) == ((), "failed")
    assert b'"error":"IsolationError"' in ledger.read_bytes()
    assert not (tmp_path / "o.mp4").exists()


@needs_box
def test_the_command(tmp_path: Path) -> None:
    """redact --ledger, then verify: 0 for the output, 7 for another file."""
    source = make(tmp_path / "in.mp4")
    ledger, out = tmp_path / "l.jsonl", tmp_path / "o.mp4"

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "homeveil.cli", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    assert run("redact", source, out, "--nobody", "--ledger", ledger).returncode == 0
    good = run("ledger", "verify", ledger, "--against", out)
    assert (good.returncode, good.stderr) == (0, "")
    assert "signed by this installation" in good.stdout
    bad = run("ledger", "verify", ledger, "--against", source)
    assert bad.returncode == 7
    assert "is not the file that was written" in bad.stderr
    again = run("redact", source, out, "--nobody", "--ledger", ledger)
    assert again.returncode == 7
    assert "exists already" in again.stderr
    assert len(run("ledger", "key").stdout.strip()) == 64
