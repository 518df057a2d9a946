"""Which 10 ms of sound were cleared: the networks' answers to verdicts.

The machine itself is ``native/src/gate.c``; here are its settings, and how the verdicts
on several channels become one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeveil._kernels import ClosedBy, GateMachine, Verdict
from homeveil.policy import Policy, Sound

QUIET_DB = -70.0
"""A channel below this level holds no voice that could be understood: it has no say."""

QUIET_REACH = 5
"""Frames to each side in which a quiet channel must be quiet too."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """Settings of the machine, see ``hv_gate_rule``: odds in natural logarithms, lengths in
    frames of 10 ms. ``wait`` is the time from a frame to its verdict.

    The numbers were chosen on scenes of 24 speakers that are in no other figure of ours
    (``models/target_voice/README.md``).
    """

    over_other: float
    over_overlap: float
    peak: float
    slack: float
    smooth: int
    before: int
    after: int
    shortest: int
    span: int
    hang: int
    wait: int

    @classmethod
    def of(cls, policy: Policy) -> GateRule:
        """The rule that a policy asks for."""
        return _RULES[policy.sound is Sound.CALL, policy.strict_voice]

    def machine(self) -> GateMachine:
        """A gate in its first state: closed."""
        return GateMachine(
            over_other=self.over_other,
            over_overlap=self.over_overlap,
            peak=self.peak,
            slack=self.slack,
            smooth=self.smooth,
            before=self.before,
            after=self.after,
            shortest=self.shortest,
            span=self.span,
            hang=self.hang,
            wait=self.wait,
        )


_RULES = {
    (False, False): GateRule(0.0, -1.0, 1.0, 1.0, 1, 3, 3, 5, 20, 15, 15),
    (False, True): GateRule(2.0, 0.0, 2.0, 1.0, 1, 6, 6, 5, 20, 15, 15),
    (True, False): GateRule(0.5, -0.5, 0.0, 1.0, 0, 5, 1, 1, 20, 15, 1),
    (True, True): GateRule(2.0, 1.0, 1.0, 1.0, 0, 5, 1, 1, 20, 15, 1),
}
"""By (call, strict)."""


class ChannelGate:
    """One channel: verdicts, with the levels that go with them."""

    def __init__(self, rule: GateRule) -> None:
        self._machine = rule.machine()
        self._levels: list[float] = []
        self._first = 0
        self._given = 0

    def hear(self, level_db: NDArray[np.float32]) -> None:
        """Levels of the next frames, ahead of their answers."""
        self._levels.extend(level_db.tolist())

    def step(self, logits: NDArray[np.float32], closed_by: ClosedBy) -> tuple[Verdict, bool] | None:
        """One answered frame; the next verdict and whether the channel was quiet there."""
        return self._with_level(self._machine.step(logits, closed_by))

    def finish(self) -> tuple[Verdict, bool] | None:
        """After the last frame: the next verdict that still waits, or None."""
        return self._with_level(self._machine.finish())

    def _with_level(self, verdict: Verdict | None) -> tuple[Verdict, bool] | None:
        if verdict is None:
            return None
        at = self._given - self._first
        near = self._levels[max(0, at - QUIET_REACH) : at + QUIET_REACH + 1]
        self._given += 1
        spare = self._given - self._first - 64
        if spare > 64:
            del self._levels[:spare]
            self._first += spare
        return verdict, all(level <= QUIET_DB for level in near)


def joint(verdicts: list[tuple[Verdict, bool]]) -> Verdict:
    """One verdict for all channels: open only where each that can be heard is open.

    A fault in any channel closes all.
    """
    if any(verdict is Verdict.FAULT for verdict, _ in verdicts):
        return Verdict.FAULT
    loud = [verdict for verdict, quiet in verdicts if not quiet]
    if loud and all(verdict is Verdict.OPEN for verdict in loud):
        return Verdict.OPEN
    closed = [verdict for verdict in loud if verdict is not Verdict.OPEN]
    return min(closed, default=Verdict.CLOSED)
