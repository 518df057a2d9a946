"""Every stage of the isolated process fails in every way, for real: what comes out is veiled or
absent, the error and the ledger tell, and no raw byte stands in anything that was written."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from boxes import impatient, needs_box, sabotage
from faults import AFTER, FAULTS, STAGES, canary_clip, found, statement, written_under
from homeveil.errors import HomeveilError
from homeveil.isolation import Isolate
from homeveil.ledger.verify import verify
from homeveil.policy import Policy, Style
from homeveil.redaction import redact

pytestmark = needs_box

FRAMES = 12
FILLED_LUMA = 126
ANYWHERE = ("no memory", "an error", "nothing")
SOMEWHERE = [
    *(("read", fault) for fault in ("a crash", "never ends")),
    *(("look at people", fault) for fault in sorted(set(FAULTS) - set(ANYWHERE))),
    *(("look at faces", fault) for fault in ("not a number", "another shape")),
    ("gate", "never ends"),
    ("send", "a crash"),
]
CASES = [*((stage, fault) for stage in STAGES for fault in ANYWHERE), *SOMEWHERE]


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    return canary_clip(tmp_path_factory.mktemp("canary") / "in.mkv", FRAMES)


@pytest.mark.parametrize(("stage", "fault"), CASES)
def test_nothing_unveiled_leaves(
    stage: str,
    fault: str,
    canary: tuple[Path, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever breaks: a whole output that is veiled where it broke, or none and an error."""
    source, pieces = canary
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    impatient(monkeypatch, 20.0)
    sabotage(monkeypatch, statement(stage, fault))
    out, ledger = tmp_path / "o.mkv", tmp_path / "l.jsonl"
    policy = Policy(style=Style.FILL, look_timeout_seconds=1.0, looks_per_second=1000.0)
    failed: HomeveilError | None = None
    try:
        report = redact(
            source, out, profile=None, policy=policy, ledger=ledger, isolate=Isolate.REQUIRE
        )
    except HomeveilError as error:
        failed = error
    if failed is not None:
        assert failed.exit_code != 0
        assert not out.exists()
        assert not list(tmp_path.glob(".*.part"))
        assert verify(ledger).outcome == "failed"
    else:
        assert is_filled(out)
        assert verify(ledger, against=out).findings == ()
        if stage.startswith(("look", "clear")):
            spans = [json.loads(line).get("fault_spans_ms") for line in ledger.open()]
            assert any(spans)
            assert "fault" in {span.reason for span in report.spans}
    said = str(failed) + caplog.text
    assert found(said.encode(), pieces) == 0
    assert "raw content might stand here" not in said
    for data in written_under(tmp_path):
        assert found(data, pieces) == 0
    assert not list(tmp_path.rglob("core*"))


def is_filled(path: Path) -> bool:
    """Whether every picture of a file is the one colour that withheld places have; nobody is
    enrolled, and noise is never scene."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray()[: frame.height]
            if abs(luma.astype(int) - FILLED_LUMA).max() > 3:
                return False
    return True


def test_the_fault_strikes(canary: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """Without one the same clip goes through, so that the failures above are the faults'."""
    assert AFTER < FRAMES
    report = redact(canary[0], tmp_path / "o.mkv", profile=None, policy=Policy(style=Style.FILL))
    assert report.frames == FRAMES
    assert is_filled(tmp_path / "o.mkv")
    assert not any(span.reason == "fault" for span in report.spans)
