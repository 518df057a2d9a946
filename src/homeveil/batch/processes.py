"""Which process made something, and whether it is gone.

A process's number is given to others: after it, after the machine's next start, and in every
container.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_TEXT = re.compile(r"([0-9a-f]+)-(\d{1,18})-(\d{1,18})-(\d{1,18})", re.ASCII)
_FIRST_SPACE = "4026531836"
"""The number of the processes' namespace that a machine starts with, outside all containers."""


class Process(NamedTuple):
    """A process that is or was. boot: of the machine it ran on, one for each start. space: number
    of the namespace, a container's or the machine's, that its own number belongs to. born: when it
    began, in ticks since the machine did.

    Where that cannot be known boot and space are "0".
    """

    boot: str
    space: str
    number: int
    born: int

    @classmethod
    def this(cls) -> Process:
        """The one that asks."""
        number = os.getpid()
        return cls(*_here(), number, _born(number))

    @classmethod
    def named(cls, text: str) -> Process | None:
        """The one whose ``str`` that is."""
        found = _TEXT.fullmatch(text)
        return cls(found[1], found[2], int(found[3]), int(found[4])) if found else None

    def __str__(self) -> str:
        return f"{self.boot}-{self.space}-{self.number}-{self.born}"

    @property
    def is_gone(self) -> bool:
        """Whether it is known to be: it was of this start of this machine, and of this container
        or none; others cannot be seen from here."""
        here = _here()
        return here != ("0", "0") and here == self[:2] and _born(self.number) != self.born

    @property
    def stopped_with_machine(self) -> bool:
        """Whether it was outside all containers of another start than this process's machine had,
        which is outside them too. It may be of another machine that never stopped."""
        boot, space = _here()
        return boot not in ("0", self.boot) and space == self.space == _FIRST_SPACE


def _here() -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
        # Of another container, where none of its own is mounted.
        known = os.readlink("/proc/self") == str(os.getpid())
    except (OSError, ValueError):
        known = False
    if not known:
        return "0", "0"
    return boot.replace("-", ""), "".join(filter(str.isdigit, space))


def _born(number: int) -> int:
    """0 for a process that is gone, or where that cannot be known."""
    try:
        text = Path(f"/proc/{number}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])
