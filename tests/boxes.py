"""What tests of the isolated process share: boxes on a small clip, with something done to
the process that is inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeveil.clearing import Order
from homeveil.isolation import box
from homeveil.isolation.box import Box, missing_support
from homeveil.models.store import ModelStore, State
from homeveil.policy import Policy, Style

_NO_MODELS = any(entry.state is not State.READY for entry in ModelStore().status())

needs_models = pytest.mark.skipif(_NO_MODELS, reason="needs pulled models")
needs_box = pytest.mark.skipif(
    bool(missing_support()) or _NO_MODELS,
    reason="needs Landlock, seccomp and pulled models",
)

TESTS = str(Path(__file__).parent)


def sabotage(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Have the isolated process run ``statement`` before it starts its work, having given up
    writing, with ``attacks`` imported."""
    start = box._START.replace(
        " from homeveil.isolation.inside import main;",
        f" sys.path.append({TESTS!r}); import attacks; {statement};"
        " from homeveil.isolation.inside import main;",
    )
    assert start != box._START
    monkeypatch.setattr(box, "_START", start)


def boxed(source: Path, policy: Policy | None = None) -> Box:
    """A box that clears ``source`` for nobody."""
    return Box(Order(source, None, policy or Policy(style=Style.FILL)))


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Give the isolated process up when it is silent for this long. Opening may take as long as it
    does on a busy machine; the frames may not."""
    plain = Box._open

    def patient(self: Box) -> None:
        short, self._patience_ms = round(1000 * seconds), 120_000
        plain(self)
        self._patience_ms = short

    monkeypatch.setattr(Box, "_open", patient)
