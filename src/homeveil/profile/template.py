"""What is known of the agent: face templates, body ratios, a voice; never a picture of them.

The clean desk, without people, is kept beside it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homeveil.errors import ProfileError, UsageError
from homeveil.profile._checks import check_hash
from homeveil.profile.desk import DeskTemplate
from homeveil.profile.voice import VoiceTemplate

PROFILE_VERSION = 1
EMBEDDING_SIZE = 128
MAX_TEMPLATES = 64
MAX_RATIOS = 64

_RATIO_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, eq=False)
class FaceTemplate:
    """The agent's face as the identity model gives it.

    templates: float32 (k, 128), read-only; one row per way the agent is seen (camera,
        glasses), each the mean of embeddings, in the model's own unit (not normalised).
    spread: largest distance of one of the agent's own enrollment embeddings to the
        template made without it.
    embeddings_used: embeddings that went into the templates.
    model_sha256: hash of the identity model; templates of another model mean nothing.
    """

    templates: NDArray[np.float32] = field(repr=False)
    spread: float
    embeddings_used: int
    model_sha256: str

    def __post_init__(self) -> None:
        templates = np.array(self.templates, dtype=np.float32, order="C")
        if templates.ndim != 2 or templates.shape[1] != EMBEDDING_SIZE:
            raise ProfileError(
                f"profile: templates have shape {templates.shape}, expected (k, {EMBEDDING_SIZE})"
            )
        if not 1 <= len(templates) <= MAX_TEMPLATES:
            raise ProfileError(f"profile: {len(templates)} templates, expected 1..{MAX_TEMPLATES}")
        if not np.isfinite(templates).all():
            raise ProfileError("profile: a template holds a number that is not finite")
        templates.flags.writeable = False
        object.__setattr__(self, "templates", templates)
        object.__setattr__(self, "spread", _measure("spread", self.spread))
        count = self.embeddings_used
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ProfileError(f"profile: embeddings_used is {count!r}, expected 1 or more")
        check_hash(self.model_sha256)

    def distance(self, embeddings: ArrayLike) -> NDArray[np.float64]:
        """Euclidean distance of each embedding (n, 128) to the nearest template: (n,).

        An embedding that is not finite is infinitely far: doubt must not clear anybody.
        """
        probes = np.asarray(embeddings, dtype=np.float64)
        if probes.ndim != 2 or probes.shape[1] != EMBEDDING_SIZE:
            raise ProfileError(
                f"embeddings have shape {probes.shape}, expected (n, {EMBEDDING_SIZE})"
            )
        finite = np.isfinite(probes).all(axis=1)
        distances = np.full(len(probes), np.inf)
        differences = probes[finite, None, :] - self.templates[None, :, :].astype(np.float64)
        distances[finite] = np.linalg.norm(differences, axis=2).min(axis=1)
        return distances


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """All that is kept of the agent.

    version: of the meaning of these fields.
    face: without one nobody is shown. voice: without one nothing is heard.
    created_utc: the day, without a time.
    ratios: name -> mean of a body or face ratio over the enrollment.
    ratio_spread: the same names -> spread of that ratio.
    desk: the desk zone and its clean look, where one was enrolled.
    """

    face: FaceTemplate | None
    ratios: Mapping[str, float] = field(default_factory=dict, repr=False)
    ratio_spread: Mapping[str, float] = field(default_factory=dict, repr=False)
    created_utc: datetime.date = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).date()
    )
    voice: VoiceTemplate | None = None
    desk: DeskTemplate | None = None
    version: int = PROFILE_VERSION

    def __post_init__(self) -> None:
        if self.version != PROFILE_VERSION:
            raise ProfileError(
                f"profile: version {self.version!r} is unknown to this release, which knows "
                f"{PROFILE_VERSION}; update homeveil or enroll again"
            )
        # A datetime is a date to isinstance, and would bring a time along.
        if type(self.created_utc) is not datetime.date:
            raise ProfileError("profile: created_utc must be a date without a time")
        if set(self.ratios) != set(self.ratio_spread):
            raise ProfileError("profile: ratios and ratio_spread must have the same names")
        if len(self.ratios) > MAX_RATIOS:
            raise ProfileError(f"profile: {len(self.ratios)} ratios, at most {MAX_RATIOS}")
        for name in ("ratios", "ratio_spread"):
            object.__setattr__(self, name, _measures(getattr(self, name)))
        if self.face is None and self.voice is None and self.desk is None:
            raise ProfileError("profile: neither a face nor a voice nor a desk")
        parts = (("face", FaceTemplate), ("voice", VoiceTemplate), ("desk", DeskTemplate))
        for name, kind in parts:
            if not isinstance(getattr(self, name), (kind, type(None))):
                raise ProfileError(f"profile: {name} must be a {kind.__name__} or None")

    def require_model(self, sha256: str) -> None:
        """ProfileError unless the templates were made with this identity model."""
        if self.face is None:
            return
        if sha256.lower() != self.face.model_sha256:
            raise ProfileError(
                f"profile was made with identity model {self.face.model_sha256[:12]}, this run "
                f"uses {sha256.lower()[:12]}: their distances cannot be compared; enroll again, "
                "or give the policy the model the profile was made with"
            )


def require_open(profile: Profile | None) -> Profile | None:
    """``profile``; UsageError for a name, or one still locked."""
    if profile is not None and not isinstance(profile, Profile):
        raise UsageError(
            f"profile is {type(profile).__name__}; give what homeveil.load_profile gives, or None"
        )
    return profile


def _measures(values: Mapping[str, float]) -> Mapping[str, float]:
    for name in values:
        if not isinstance(name, str) or not _RATIO_NAME.fullmatch(name):
            raise ProfileError("profile: a ratio's name must be lower-case letters and digits")
    return MappingProxyType({name: _measure(name, values[name]) for name in sorted(values)})


def _measure(name: str, value: float) -> float:
    """A finite number of zero or more, as a plain float."""
    number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise ProfileError(f"profile: {name} must be a finite number of zero or more")
    return float(value)
