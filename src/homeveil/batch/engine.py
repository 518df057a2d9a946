"""What hands files to workers."""

from __future__ import annotations

from abc import abstractmethod

from homeveil.batch.jobs import Job, Outcome
from homeveil.scoped import Scoped


class Engine(Scoped):
    """Workers that clear files. Each job that was submitted comes back once from ``wait``,
    also when its worker or its machine dies, or not at all after ``close``, which ends all
    work and leaves nothing of it."""

    @property
    @abstractmethod
    def free(self) -> int:
        """Places for jobs now; a job takes one for each of its stretches."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Begin a job, for which there must be places."""

    @abstractmethod
    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Jobs that ended, after at most this long."""
