"""What tests of the command line share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

PASSPHRASE = {"HOMEVEIL_PASSPHRASE": "correct horse"}

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs one command with these words; see the fixture ``run``."""
