"""What is to be done to one file, and what came of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from homeveil.policy import Policy

WAIT_SECONDS = 60.0
"""How long a byte from or to another machine is waited for, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file: where it is, where it goes, and whom it is cleared for. No secret is in it.

    source, target, profile: paths or URLs; profile None shows nobody. policy: as a document.
    passphrase_file: on the worker; its environment if None. attempt: names what is staged.
    known_content: a source with this hash needs nothing done; "" for none. known_profile: the
    profile's hash when the run began, "" for any. stretches: how many a
    long recording is cleared in at once, each in a place of a worker; cores: numbers of those
    that it has for that, of the pool alone. wait_seconds: for a byte from another machine.
    """

    source: str
    target: str
    profile: str | None
    policy: dict[str, Any]
    passphrase_file: str | None = None
    isolate: str = "auto"
    attempt: int = 0
    known_content: str = ""
    known_profile: str = ""
    stretches: int = 1
    cores: tuple[int, ...] = ()
    wait_seconds: float = WAIT_SECONDS

    @property
    def staging(self) -> str:
        """Folder beside the target in which this attempt writes, before its name is final."""
        folder, slash, _ = self.target.rpartition("/")
        # A name of this machine need not be UTF-8.
        name = self.target.encode("utf-8", "surrogateescape")
        key = hashlib.sha256(name).hexdigest()[:16]
        return f"{folder}{slash}.homeveil-{key}-{self.attempt}"

    def opened_policy(self) -> Policy:
        """The policy as an object. Raises PolicyError."""
        return Policy.from_document(self.policy, Path("policy"))

    def to_json(self) -> str:
        """For a pipe, or for Ray."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """What :meth:`to_json` gave."""
        told = json.loads(text)
        return cls(**{**told, "cores": tuple(told["cores"])})


@dataclass(frozen=True, slots=True)
class Basis:
    """Hashes of all that a result depends on; where one differs, the result is out of date."""

    content: str = ""
    policy: str = ""
    models: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    reason: why it failed, "" if it did not. blames_file: whether the file may be at fault,
    rather than a disk, a passphrase or a model that other files would miss as well. transient:
    another machine did not answer; it is tried again, but not counted. lost: the
    worker died. unchanged: the source is the one already done. content: its hash. report:
    homeveil's own, as a document. peak_bytes: most memory of the worker and its child so far.
    """

    reason: str = ""
    blames_file: bool = True
    transient: bool = False
    lost: bool = False
    unchanged: bool = False
    content: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    wall_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    peak_bytes: int = 0
    node: str = ""

    @property
    def done(self) -> bool:
        """Whether the result stands under its final name."""
        return not self.reason

    def to_json(self) -> str:
        """For a pipe, or for Ray."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """What :meth:`to_json` gave."""
        return cls(**json.loads(text))
