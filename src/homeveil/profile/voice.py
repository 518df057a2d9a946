"""What is known of the agent's voice: numbers, never a recording."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homeveil.errors import ProfileError
from homeveil.profile._checks import check_hash

SLOTS = 3
VOICE_SIZE = 256

QUANTILES = 21
ACCEPT_FLOOR, ACCEPT_MARGIN = 0.2, 0.05
"""A likeness counts from the agent's own 5 % quantile less the margin, never below the floor."""

_OWN_QUANTILE = 1  # of 0, 5, ... 100 %


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerTemplate:
    """The agent's voice as a speaker model of the user's own gives it.

    template: float32 (D,), read-only, of unit length. spread: float32 (21,), quantiles
        0, 5, ... 100 % of the enrollment's own cosines, each to a template of the rest.
    model_sha256: hash of that model.
    """

    template: NDArray[np.float32] = field(repr=False)
    spread: NDArray[np.float32] = field(repr=False)
    model_sha256: str

    def __post_init__(self) -> None:
        for name in ("template", "spread"):
            value = np.array(getattr(self, name), dtype=np.float32, order="C")
            if value.ndim != 1 or not 2 <= len(value) <= 4096:
                raise ProfileError(f"profile: speaker {name} is {value.shape}, expected (n,)")
            if not np.isfinite(value).all() or np.abs(value).max() > 1.001:
                raise ProfileError(f"profile: speaker {name} holds a number out of range")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        if len(self.spread) != QUANTILES or (np.diff(self.spread) < 0).any():
            raise ProfileError(f"profile: speaker spread must be {QUANTILES} rising numbers")
        if abs(float(np.linalg.norm(self.template)) - 1) > 0.01:
            raise ProfileError("profile: a speaker template must have unit length")
        check_hash(self.model_sha256)

    @property
    def accept(self) -> float:
        """Cosine from which a window counts as the agent's."""
        return max(ACCEPT_FLOOR, float(self.spread[_OWN_QUANTILE]) - ACCEPT_MARGIN)


@dataclass(frozen=True, slots=True, eq=False)
class VoiceTemplate:
    """The agent's voice as the embedding network gives it.

    template: float32 (3, 256), read-only; the mean embedding of a window that was open
        for up to 0.4, 0.8 and 1.2 s, each row of unit length.
    own: float32 (3,), mean likeness (cosine) of the enrollment itself to each row.
    seconds: net speech it was made from. recordings: how many.
    model_sha256: hash of the embedding network; templates of another mean nothing.
    speaker: the same voice by the policy's own speaker model, where there was one.
    """

    template: NDArray[np.float32] = field(repr=False)
    own: NDArray[np.float32] = field(repr=False)
    seconds: float
    recordings: int
    model_sha256: str
    speaker: SpeakerTemplate | None = None

    def __post_init__(self) -> None:
        for name, shape in (("template", (SLOTS, VOICE_SIZE)), ("own", (SLOTS,))):
            value = np.array(getattr(self, name), dtype=np.float32, order="C")
            if value.shape != shape:
                raise ProfileError(f"profile: voice {name} is {value.shape}, expected {shape}")
            if not np.isfinite(value).all() or np.abs(value).max() > 1.001:
                raise ProfileError(f"profile: voice {name} holds a number out of range")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        lengths = np.linalg.norm(self.template, axis=1)
        if np.abs(lengths - 1).max() > 0.01:
            raise ProfileError("profile: the rows of a voice template must have unit length")
        seconds = self.seconds
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ProfileError("profile: voice seconds must be a number")
        if not math.isfinite(seconds) or seconds <= 0:
            raise ProfileError("profile: voice seconds must be above zero")
        count = self.recordings
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ProfileError(f"profile: voice recordings is {count!r}, expected 1 or more")
        check_hash(self.model_sha256)
        if not isinstance(self.speaker, (SpeakerTemplate, type(None))):
            raise ProfileError("profile: voice speaker must be a SpeakerTemplate or None")

    def require_model(self, sha256: str) -> None:
        """ProfileError unless the template was made with this embedding network."""
        if sha256.lower() != self.model_sha256:
            raise ProfileError(
                f"the profile's voice was made with model {self.model_sha256[:12]}, this run "
                f"uses {sha256.lower()[:12]}: enroll the voice again"
            )

    def speaker_of(self, sha256: str) -> SpeakerTemplate:
        """What was enrolled with this speaker model; ProfileError if that is nothing."""
        if self.speaker is None:
            raise ProfileError(
                "the policy names a speaker model, and the profile's voice was enrolled without "
                "one: enroll the voice again with this policy"
            )
        if sha256.lower() != self.speaker.model_sha256:
            raise ProfileError(
                f"the profile's voice was made with speaker model "
                f"{self.speaker.model_sha256[:12]}, the policy names {sha256.lower()[:12]}: "
                "enroll the voice again"
            )
        return self.speaker
