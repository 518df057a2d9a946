"""The engine of a cluster: Ray, one that runs already or a local one. The one door to Ray.

Ray carries names and numbers: a job's paths and URLs one way, an outcome the other. Pictures,
sound, profiles and passphrases never enter its object store; each worker reads and writes by
itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

from homeveil.batch import places
from homeveil.batch.cores import keep_to_free
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Job, Outcome
from homeveil.batch.work import clear
from homeveil.errors import IsolationError, UsageError

_STORE_BYTES = 100 << 20
"""The least that Ray takes; nothing of ours needs it."""


class Cluster(Engine):
    """Workers on Ray. address: of a cluster (``auto`` for the one this machine belongs to),
    or None to start one here with ``workers`` cores. cores: set aside for each file.

    Raises UsageError without Ray or without a cluster at that address.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, cores: int = 1
    ) -> None:
        # Ray would send figures about its use to its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:
            # Ray takes orders from whoever reaches its ports and knows the token.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        try:
            import ray
        except ImportError as error:
            raise UsageError("--engine ray needs `pip install 'homeveil[ray]'`") from error
        self._ray: Any = ray
        self._cores = cores
        self._running: dict[Any, Job] = {}
        here: dict[str, Any] = {}
        if address is None:
            here = {
                "num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1",
                "object_store_memory": _STORE_BYTES,
            }  # fmt: skip
        try:
            ray.init(address=address or "local", log_to_driver=False, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"{address or 'local'}: no Ray there ({error}); start one with `ray start`"
            ) from error
        # Tried again here, where what was published is known, never by Ray.
        self._task = ray.remote(num_cpus=cores, max_retries=0)(_clear)

    @property
    def free(self) -> int:
        with self._told():
            cores = self._ray.cluster_resources().get("CPU", 0)
        taken = sum(job.stretches for job in self._running.values())
        return max(0, int(cores) // self._cores - taken)

    def submit(self, job: Job) -> None:
        with self._told():
            cores = self._cores * job.stretches
            task = self._task.options(num_cpus=cores)
            self._running[task.remote(job.to_json(), cores)] = job

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        if not self._running:
            # All nodes are gone; others may come.
            time.sleep(seconds)
            return []
        with self._told():
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        ended = [(one, self._running.pop(one)) for one in ready]
        return [(job, self._outcome(one, job)) for one, job in ended]

    def _outcome(self, reference: Any, job: Job) -> Outcome:
        try:
            return Outcome.from_json(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            how = type(error).__name__
            return Outcome(f"{job.source}: its worker or node died ({how})", lost=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            raise IsolationError(
                f"the Ray cluster cannot be reached any more ({type(error).__name__}); start"
                " it and run the same again: what is done stays done"
            ) from error

    def close(self) -> None:
        for reference, job in self._running.items():
            with contextlib.suppress(Exception):
                self._ray.cancel(reference, force=True)
            places.remove_staged(job.staging)
        self._running.clear()
        self._ray.shutdown()


def _clear(job: str, cores: int) -> str:
    keep_to_free(cores)
    return clear(Job.from_json(job)).to_json()
