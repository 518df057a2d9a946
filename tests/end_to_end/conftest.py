"""Fixtures of the end-to-end tests: the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from commands import PASSPHRASE, Run
from homeveil.models.store import ModelStore, State


@pytest.fixture(scope="session", autouse=True)
def models() -> None:
    """These tests need the models; `make test` pulls them first."""
    if any(entry.state is not State.READY for entry in ModelStore().status()):
        pytest.skip("models are not pulled; run `homeveil models pull`")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs one command in a process of its own."""
    state = tmp_path_factory.mktemp("state")

    def call(
        *words: object, environment: dict[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        full = {**os.environ, **PASSPHRASE, "XDG_STATE_HOME": str(state), **(environment or {})}
        return subprocess.run(
            [sys.executable, "-m", "homeveil.cli", *map(str, words)],
            env=full,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            capture_output=True,
            text=True,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return call
