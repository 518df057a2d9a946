"""From jobs and what is remembered of them to work done: what is left, in which order, again
after a failure, never beside another run."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from homeveil.batch import places
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Basis, Job, Outcome
from homeveil.batch.state import Row, State
from homeveil.errors import HomeveilError, InputError, TransferError, UsageError

_WAIT_SECONDS = 1.0


class Standing(enum.Enum):
    """What is to be done about an input. ``CHANGED``: its result is missing or out of date.
    ``POISON``: set aside. ``HELD``: another run is at it. ``UNREACHED``: its server did not tell
    for now; it is asked again when all others have begun."""

    NEW = "new"
    CHANGED = "changed"
    FAILED = "failed"
    DONE = "done"
    POISON = "poison"
    HELD = "held"
    UNREACHED = "unreached"


LEFT = frozenset({Standing.NEW, Standing.CHANGED, Standing.FAILED, Standing.UNREACHED})


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one input: ``done``, ``failed``, ``poison`` or ``again`` (tried again
    later in this run)."""

    job: Job
    kind: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Input:
    """A job, what is known of it, and what its result would depend on."""

    job: Job
    row: Row | None
    stamp: str
    basis: Basis
    standing: Standing


class Run:
    """The work of one call on ``jobs``. tries: failed attempts until a file is set aside.
    stretches: how many places of workers a long file may take, where fewer files are left than
    places. tell: called when a file has ended."""

    def __init__(
        self,
        jobs: Iterable[Job],
        state: State,
        *,
        tries: int = 3,
        stretches: int = 1,
        tell: Callable[[Told], None] = lambda told: None,
    ) -> None:
        self._state, self._tries, self._tell = state, tries, tell
        self._stretches = stretches
        self._bases: dict[tuple[str, str | None], Basis] = {}
        self._running: dict[str, _Input] = {}
        self._held: list[Job] = []
        self._stalls: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._waiting: list[Job] = []
        self._old: dict[str, bool | None] = {}
        self._silent: set[str] = set()
        self._unreached: dict[tuple[str, str], tuple[int, str, str]] = {}
        self.inputs = self._first_looks(jobs)

    def try_again(self) -> None:
        """Take files that were set aside as if they were new."""
        for one in self.inputs:
            self._state.forget_failures(one.job.target)
        self.inputs = self._first_looks([one.job for one in self.inputs])

    def work(self, engine: Engine) -> None:
        """Do what is left. Raises OutputError when the state file cannot be kept."""
        # Also while a server that says nothing is waited for.
        with self._state.renewed():
            self._work(engine)

    def _work(self, engine: Engine) -> None:
        left = [one for one in self.inputs if one.standing in LEFT]
        left.sort(key=lambda one: one.standing is Standing.UNREACHED)
        pending = deque(one.job for one in left)
        self._held = [one.job for one in self.inputs if one.standing is Standing.HELD]
        while pending or self._running or self._held or self._waiting:
            pending.extend(self._waiting)
            self._waiting.clear()
            while pending and engine.free > 0:
                spare = engine.free // len(pending)
                self._begin(pending.popleft(), engine, max(1, min(self._stretches, spare)))
            if self._running or engine.free == 0:
                for job, outcome in engine.wait(_WAIT_SECONDS):
                    pending.extend(self._end(job, outcome))
            elif self._held:
                # Its holder finishes it, or dies: then it is done here.
                time.sleep(_WAIT_SECONDS)
                pending.extend(self._held)
                self._held.clear()

    def _begin(self, job: Job, engine: Engine, places_taken: int) -> None:
        try:
            one = self._ask(job)
            refusal = self._refusal(one)
        except TransferError as error:
            outcome = Outcome(str(error), blames_file=False, transient=True)
            self._waiting += self._after_stall(job, outcome)
            return
        except InputError as error:
            self._tell(Told(job, "failed", Outcome(str(error), blames_file=False)))
            return
        if one.standing is Standing.HELD:
            self._held.append(job)
            return
        if one.standing not in LEFT:
            self._tell(Told(job, one.standing.value, Outcome(one.row.reason if one.row else "")))
            return
        if refusal:
            self._tell(Told(job, "failed", Outcome(refusal, blames_file=False)))
            return
        if one.standing is Standing.CHANGED:
            self._state.forget_failures(job.target)
        start = self._state.claim(job, one.row)
        if start is None:
            self._held.append(job)
            return
        # What a killed attempt left; one that still lives somewhere can then not publish.
        if start > 1:
            places.remove_staged(dataclasses.replace(job, attempt=start - 1).staging)
        known = one.basis.content if one.standing is Standing.CHANGED else ""
        engine.submit(
            dataclasses.replace(
                job,
                attempt=start,
                known_content=known,
                known_profile=one.basis.profile,
                stretches=places_taken,
            )
        )
        self._running[job.target] = one

    def _end(self, job: Job, outcome: Outcome) -> list[Job]:
        """Note it; gives the job if it is to be tried again."""
        one = self._running.pop(job.target)
        if outcome.lost:
            places.remove_staged(job.staging)
        if outcome.unchanged:
            self._state.set_stamp(job.target, one.stamp)
            kind = "done"
        else:
            basis = dataclasses.replace(one.basis, content=outcome.content)
            kind = self._state.finish(job, one.stamp, basis, outcome, self._tries)
        if outcome.transient:
            return self._after_stall(one.job, outcome)
        again = kind == "failed" and outcome.blames_file
        if again:
            # One that is still being recorded is another file each time: its attempts start anew.
            failures = self._failures[job.target] = self._failures.get(job.target, 0) + 1
            again = failures < self._tries
        self._tell(Told(job, "again" if again else kind, outcome))
        return [one.job] if again else []

    def _after_stall(self, job: Job, outcome: Outcome) -> list[Job]:
        """Another machine did not answer: gives the job if it is to be tried again in this run."""
        stalls = self._stalls[job.target] = self._stalls.get(job.target, 0) + 1
        again = stalls < self._tries
        self._tell(Told(job, "again" if again else "failed", outcome))
        return [job] if again else []

    def _first_looks(self, jobs: Iterable[Job]) -> list[_Input]:
        """Raises UsageError for a result that must stay, TransferError if not one server tells."""
        looks, first = list[_Input](), None
        for job in jobs:
            try:
                one = self._ask(job)
                refusal = self._refusal(one, sure=True)
            except TransferError as error:
                first, refusal = first or error, ""
                one = _Input(job, None, "", Basis(), Standing.UNREACHED)
            if refusal:
                raise UsageError(refusal)
            looks.append(one)
        if first and all(one.standing is Standing.UNREACHED for one in looks):
            raise first
        return looks

    def _ask(self, job: Job) -> _Input:
        """:meth:`_look`. A server that does not answer is asked once for all of its files, and
        again when each of them has failed for that: to wait for it each time would take hours."""
        servers = places.server(job.source), places.server(job.profile or "")
        turn = self._stalls.get(job.target, 0)
        last, asked, why = self._unreached.get(servers, (-1, "", ""))
        if turn <= last:
            raise places.UnreachedError(why.replace(asked, job.source))
        try:
            one = self._look(job)
        except places.UnreachedError as error:
            if any(servers):
                self._unreached[servers] = turn, job.source, str(error)
            raise
        self._unreached.pop(servers, None)
        return one

    def _look(self, job: Job) -> _Input:
        row = self._state.get(job.target)
        stamp, basis = places.stamp(job.source) or "", self._basis(job)
        if row is not None and row.held:
            return _Input(job, row, stamp, basis, Standing.HELD)
        if row is None or row.outcome == "new":
            return _Input(job, row, stamp, basis, Standing.NEW)
        same = dataclasses.replace(row.basis, content="") == basis
        if row.outcome == "done":
            there = same and places.size(job.target) == row.bytes_out
            if there:
                # Under another stamp the content may still be the one already done.
                basis = dataclasses.replace(basis, content=row.basis.content)
            fresh = there and stamp == row.stamp and places.is_same(row.source, job.source)
            standing = Standing.DONE if fresh else Standing.CHANGED
            return _Input(job, row, stamp, basis, standing)
        if not same or stamp != row.stamp or not places.is_same(row.source, job.source):
            return _Input(job, row, stamp, basis, Standing.CHANGED)
        return _Input(job, row, stamp, basis, Standing(row.outcome))

    def _refusal(self, one: _Input, *, sure: bool = False) -> str:
        """Why the result must stay: it is that of another recording, which is still there; "" if
        it need not. One that was moved takes its result along. sure: "" too where it cannot be
        told for now whether the other is there."""
        job, row = one.job, one.row
        if row is None or not row.times_done or places.is_same(row.source, job.source):
            return ""
        if places.size(job.target) != row.bytes_out:
            return ""
        told, there = f"{job.target}: is the result of {row.source}", self._is_there(row.source)
        ways = "give another --out, or remove it"
        if there:
            return f"{told} and would be replaced by that of {job.source}; {ways}"
        if there is None and not sure:
            return f"{told}, which cannot be asked for now; try again later, {ways}"
        return ""

    def _is_there(self, source: str) -> bool | None:
        """Whether a recording of an earlier run is still there, None if that cannot be told.
        Asked once; a server that does not answer is not asked again."""
        server = places.server(source)
        if source not in self._old and server not in self._silent:
            try:
                self._old[source] = places.stamp(source) is not None
            except HomeveilError:
                self._silent.add(server)
        return self._old.get(source)

    def _basis(self, job: Job) -> Basis:
        key = (json.dumps(job.policy, sort_keys=True), job.profile)
        if key not in self._bases:
            self._bases[key] = basis_of(job)
        return self._bases[key]


def basis_of(job: Job) -> Basis:
    """What a result depends on beside the content. Raises ModelError, InputError."""
    from homeveil.models.purposes import PICTURE_PURPOSES, VOICE_PURPOSES, key_purposes
    from homeveil.models.store import expected_sha256

    policy = job.opened_policy()
    purposes = (*PICTURE_PURPOSES, *VOICE_PURPOSES, *key_purposes(policy))
    models = "".join(f"{one} {expected_sha256(one, policy.models)}\n" for one in purposes)
    return Basis(
        policy=policy.digest(),
        models=hashlib.sha256(models.encode()).hexdigest(),
        profile=places.content_sha256(job.profile) if job.profile else "nobody",
    )
