"""Which 10 ms of sound were cleared: the networks' answers to verdicts.

The machine itself is ``native/src/gate.c``; here are its settings, and how the verdicts
on several channels become one.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeveil._kernels import GateMachine, GateRule, Verdict
from homeveil.clear.keys import KeyRule, Keys
from homeveil.errors import FrameError
from homeveil.perceive.hearing import Heard
from homeveil.policy import Policy, Sound

QUIET_DB = -70.0
"""A channel below this level holds no voice that could be understood in it: it has no say, and
is not let through. What is turned up later may be understood all the same."""

Channels = tuple[bool, ...]
"""Of each channel, whether it is let through."""

QUIET_REACH = 5
"""Frames to each side in which a quiet channel must be quiet too."""


_RULES = {
    (False, False): GateRule(0.0, -1.0, 1.0, 1.0, 1, 3, 3, 5, 20, 15, 15),
    (False, True): GateRule(2.0, 0.0, 2.0, 1.0, 1, 6, 6, 5, 20, 15, 15),
    (True, False): GateRule(0.5, -0.5, 0.0, 1.0, 0, 5, 1, 1, 20, 15, 1),
    (True, True): GateRule(2.0, 1.0, 1.0, 1.0, 0, 5, 1, 1, 20, 15, 1),
}
"""By (call, strict). Chosen on scenes of 24 speakers that are in no other figure of ours
(``models/target_voice/README.md``)."""


def rule_of(policy: Policy) -> GateRule:
    """The rule that a policy asks for."""
    return _RULES[policy.sound is Sound.CALL, policy.strict_voice]


class ChannelGate:
    """One channel: verdicts, and whether the channel was quiet there. keys: what closes
    frames beside the network's answers."""

    def __init__(self, rule: GateRule, keys: KeyRule | None = None) -> None:
        self._machine = GateMachine(rule)
        self._keys = Keys(keys) if keys is not None else None
        self._levels: list[float] = []
        self._first = 0
        self._given = 0
        self._unanswered = 0

    def take(self, heard: Heard) -> list[tuple[Verdict, bool]]:
        """What a listener gave; the verdicts that are now due. Raises FrameError for answers about
        frames that were not heard."""
        self._unanswered += len(heard.level_db) - len(heard.logits)
        if self._unanswered < 0:
            raise FrameError("more frames were answered than heard")
        self._levels.extend(heard.level_db.tolist())
        if self._keys is not None:
            return [self._with_level(verdict) for verdict in self._locked(heard, self._keys)]
        verdicts = [self._machine.step(row) for row in heard.logits]
        return [self._with_level(verdict) for verdict in verdicts if verdict is not None]

    def _locked(self, heard: Heard, keys: Keys) -> Iterator[Verdict]:
        """What the machine says where the keys close frames."""
        keys.hear(heard)
        for row in heard.logits:
            verdict = self._machine.step(row, keys.closed_by())
            if verdict is not None:
                keys.learn(verdict)
                yield verdict

    def finish(self) -> list[tuple[Verdict, bool]]:
        """After the last frame: the verdicts that still wait."""
        found = []
        while (verdict := self._machine.finish()) is not None:
            found.append(self._with_level(verdict))
        return found

    def _with_level(self, verdict: Verdict) -> tuple[Verdict, bool]:
        at = self._given - self._first
        near = self._levels[max(0, at - QUIET_REACH) : at + QUIET_REACH + 1]
        self._given += 1
        spare = self._given - self._first - 64
        if spare > 64:
            del self._levels[:spare]
            self._first += spare
        return verdict, all(level <= QUIET_DB for level in near)


def joint(verdicts: list[tuple[Verdict, bool]]) -> tuple[Verdict, Channels]:
    """One verdict for all channels: open only where each that can be heard is open; and which
    of them it lets through, none unless it is open.

    A fault in any channel closes all.
    """
    quiet = tuple(quiet for _, quiet in verdicts)
    if any(verdict is Verdict.FAULT for verdict, _ in verdicts):
        return Verdict.FAULT, (False,) * len(quiet)
    loud = [verdict for verdict, quiet in verdicts if not quiet]
    if loud and all(verdict is Verdict.OPEN for verdict in loud):
        return Verdict.OPEN, tuple(not one for one in quiet)
    closed = [verdict for verdict in loud if verdict is not Verdict.OPEN]
    return min(closed, default=Verdict.CLOSED), (False,) * len(quiet)
