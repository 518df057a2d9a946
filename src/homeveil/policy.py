"""What to show, what to withhold, and how: one frozen value object.

A policy can only be as strict as the laws or stricter: nothing in it turns clearance
off, and no default shows more when a key is left out.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeveil.desk_rules import DeskRules, made_again
from homeveil.errors import PolicyError, UsageError
from homeveil.files import path_of


class Style(enum.Enum):
    """How withheld cells are painted.

    ``VEIL``: the blurred plate (last cleared look of the place) under a neutral tint.
    ``FILL``: one colour. ``SOFT``: blocks averaged from what is hidden, at most six
    across a person and held in time: it carries a trace of the hidden content.
    """

    VEIL = "veil"
    FILL = "fill"
    SOFT = "soft"


class Sound(enum.Enum):
    """What becomes of the sound.

    ``MONITOR``: the agent's own speech is let through, 1.5 s late where it is live; a file
    keeps its times. ``CALL``: the same with at most 0.12 s, which keeps less and leaks
    more. ``WITHHELD``: no sound leaves at all.
    """

    MONITOR = "monitor"
    CALL = "call"
    WITHHELD = "withheld"


DELAY_SECONDS: Mapping[Sound, float] = {Sound.MONITOR: 1.5, Sound.CALL: 0.12}
"""How long sound waits."""


class Muted(enum.Enum):
    """How withheld sound sounds: ``SILENCE``, or ``COMFORT`` noise of a fixed, low level
    that knows nothing of what it replaces."""

    SILENCE = "silence"
    COMFORT = "comfort"


class Lips(enum.Enum):
    """Whether the agent's lips must move for the agent to be heard. It only ever closes.

    ``OFF``: the picture has no say about the sound, but for its faults. ``CHECK``: closed
    where the agent's mouth is seen to be still, or another face's to move. ``REQUIRE``: closed
    also where the agent's mouth cannot be seen to move. Off is the default: no footage of
    people who speak was at hand to measure how much of the agent it costs.
    """

    OFF = "off"
    CHECK = "check"
    REQUIRE = "require"


class SpeechKey(enum.Enum):
    """What must hear speech for the voice gate to open: nothing more than the gate's own
    network, webrtcvad (cheap), or webrtcvad and Silero (``homeveil models pull speech``)."""

    OFF = "off"
    WEBRTCVAD = "webrtcvad"
    SILERO = "silero"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file of the user's own, trusted by hash: 64 hexadecimal digits."""

    path: Path
    sha256: str

    def __post_init__(self) -> None:
        # Text is taken for a path everywhere else, too.
        object.__setattr__(self, "path", path_of(self.path, "path of a model"))


def _range(low: float, high: float) -> Mapping[str, Any]:
    return MappingProxyType({"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of one redaction. Validated when made; unknown TOML keys are errors.

    style: how withheld cells look.
    fill_colour: R, G, B of ``Style.FILL``.
    accept_distance: largest face embedding distance that counts as the agent, in the
        identity model's own unit (Euclidean for the default model). The agent's own
        spread at enrollment may lower it further, never raise it.
    drop_distance: two looks beyond this end a track's identity.
    verify_interval_seconds: how often a settled face is compared again; the agent's four
        times as often.
    lookahead_seconds: how far a file is read ahead before a frame leaves.
    looks_per_second: scanning looks spent on a second of picture, where there is cause.
    hold_seconds: how long a cell must hold still before looks may clear it.
    grow_cells: cells withheld round people.
    look_timeout_seconds: a look that takes longer is a fault and veils the frame.
    soft_blocks: blocks across a person in ``Style.SOFT``, 1..6.
    sound: what becomes of the sound. strict_voice: doubt closes the voice gate sooner:
        fewer leaks, less of the agent kept. muted: how withheld sound sounds.
    lips: whether the agent's lips must move, where the picture is there.
    speech_key: what must hear speech for the gate to open. speaker_accept: likeness that a
        speaker model of your own, which must be among ``models``, must find, where the
        enrollment's own spread asks for less.
    near_db: closed is what is this much softer than the agent is; 0: the level has no say.
    desk: what may lie on the desk, and where it is.
    models: purpose -> file of the user's own, see ``homeveil models list``.
    video_encoder, video_quality, encoder_preset: what writes the output and how well
        (constant rate factor: lower is better).
    """

    style: Style = Style.VEIL
    fill_colour: tuple[int, int, int] = (128, 128, 128)
    accept_distance: float = field(default=0.43, metadata=_range(0.05, 0.6))
    drop_distance: float = field(default=0.50, metadata=_range(0.05, 0.7))
    verify_interval_seconds: float = field(default=1.0, metadata=_range(0.05, 5.0))
    lookahead_seconds: float = field(default=2.0, metadata=_range(0.0, 10.0))
    looks_per_second: float = field(default=80.0, metadata=_range(1.0, 1000.0))
    hold_seconds: float = field(default=0.6, metadata=_range(0.2, 60.0))
    grow_cells: int = field(default=1, metadata=_range(1, 8))
    look_timeout_seconds: float = field(default=10.0, metadata=_range(0.05, 120.0))
    soft_blocks: int = field(default=4, metadata=_range(1, 6))
    sound: Sound = Sound.MONITOR
    strict_voice: bool = False
    muted: Muted = Muted.SILENCE
    lips: Lips = Lips.OFF
    speech_key: SpeechKey = SpeechKey.OFF
    speaker_accept: float = field(default=0.0, metadata=_range(0.0, 0.99))
    near_db: float = field(default=0.0, metadata=_range(0.0, 60.0))
    desk: DeskRules = field(default_factory=DeskRules)
    models: Mapping[str, ModelFile] = field(default_factory=dict)
    video_encoder: str = "libx264"
    video_quality: int = field(default=20, metadata=_range(0, 51))
    encoder_preset: str = "veryfast"

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            if item.metadata:
                self._check_range(item.name, item.metadata, item.type)
        self._check_kinds()
        colour = self.fill_colour
        if (
            not isinstance(colour, (tuple, list))
            or len(colour) != 3
            or not all(type(v) is int and 0 <= v <= 255 for v in colour)
        ):
            raise PolicyError(
                f"policy: fill_colour is {self.fill_colour!r}; give three integers 0..255"
            )
        if not isinstance(self.strict_voice, bool):
            raise PolicyError(f"policy: strict_voice is {self.strict_voice!r}; give true or false")
        if self.drop_distance < self.accept_distance:
            raise PolicyError("policy: drop_distance must not be below accept_distance")
        self._check_keys()
        object.__setattr__(self, "fill_colour", tuple(self.fill_colour))
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))

    def _check_kinds(self) -> None:
        """Text is no choice: what compares with members would take ``"withheld"`` for none."""
        for name, kind in _CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                members = ", ".join(str(member) for member in kind)
                raise PolicyError(f"policy: {name} is {value!r}; give {members}")
        if not isinstance(self.desk, DeskRules):
            raise PolicyError(f"policy: desk is {type(self.desk).__name__}; give DeskRules")
        files = self.models.values() if isinstance(self.models, Mapping) else (None,)
        if not all(isinstance(file, ModelFile) for file in files):
            raise PolicyError("policy: models must be a mapping of purposes to ModelFile")
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str):
                raise PolicyError(f"policy: {name} is {getattr(self, name)!r}; give text")

    def _check_keys(self) -> None:
        """What asks for less sound to pass must not be without effect."""
        if self.speaker_accept > 0 and "speaker" not in self.models:
            raise PolicyError(
                "policy: speaker_accept is without effect: name the file of a speaker model in "
                "[models.speaker]"
            )
        if "speech" in self.models and self.speech_key is not SpeechKey.SILERO:
            raise PolicyError(
                "policy: [models.speech] is without effect: give speech_key = \"silero\", too"
            )

    def _check_range(self, name: str, metadata: Mapping[str, Any], kind: object) -> None:
        value = getattr(self, name)
        integral = kind == "int"
        good = isinstance(value, int if integral else (int, float)) and not isinstance(value, bool)
        if not good or not metadata["low"] <= value <= metadata["high"]:
            raise PolicyError(
                f"policy: {name} is {value!r}; give {'an integer' if integral else 'a number'} "
                f"from {metadata['low']} to {metadata['high']}"
            )

    @classmethod
    def from_toml(cls, path: str | Path) -> Policy:
        """Read a policy file. Keys are the field names; ``[models.PURPOSE]`` tables hold
        ``path`` (relative to the policy file) and ``sha256``."""
        path = path_of(path, "policy")
        try:
            # Some editors begin a file with a mark.
            document = tomllib.loads(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise PolicyError(f"{path}: policy cannot be read ({why})") from error
        except (ValueError, RecursionError) as error:
            # Not only TOMLDecodeError: nesting without end, numbers of thousands of digits.
            raise PolicyError(f"{path}: not a TOML file ({error})") from error
        return cls.from_document(document, path)

    def to_document(self) -> dict[str, Any]:
        """What a policy file would hold, with absolute paths; for JSON or TOML."""
        names = [item.name for item in dataclasses.fields(self)]
        document = {name: _plain(getattr(self, name)) for name in names}
        document["fill_colour"] = list(self.fill_colour)
        document["desk"] = self.desk.to_document()
        document["models"] = {
            purpose: {"path": str(file.path.absolute()), "sha256": file.sha256}
            for purpose, file in self.models.items()
        }
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any], path: Path) -> Policy:
        """The policy of a file's content; ``path`` is named in errors and is what relative
        paths are relative to. Raises PolicyError."""
        known = {item.name for item in dataclasses.fields(cls)}
        for key in document:
            if key not in known:
                raise PolicyError(
                    f"{path}: unknown policy key {key!r}; known keys: {', '.join(sorted(known))}"
                )
        values = dict(document)
        for name, kind in _CHOICES.items():
            if name in values:
                values[name] = _choice(values[name], name, kind, path)
        if "fill_colour" in values:
            if not isinstance(values["fill_colour"], list):
                raise PolicyError(f"{path}: fill_colour must be a list of three integers")
            values["fill_colour"] = tuple(values["fill_colour"])
        if "models" in values:
            values["models"] = _model_files(values["models"], path)
        for name in _TEXTS:
            if not isinstance(values.get(name, ""), str):
                raise PolicyError(f"{path}: {name} is {values[name]!r}; give text")
        try:
            if "desk" in values:
                values["desk"] = DeskRules.from_document(values["desk"])
            return cls(**values)
        except PolicyError as error:
            # They are made without a file, too, and do not know its name.
            raise PolicyError(f"{path}: {str(error).removeprefix('policy: ')}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return made_again(self)

    def digest(self) -> str:
        """SHA-256 over all settings, for reports."""
        document = {
            item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


_CHOICES: Mapping[str, type[enum.Enum]] = {
    "style": Style,
    "sound": Sound,
    "muted": Muted,
    "lips": Lips,
    "speech_key": SpeechKey,
}
_TEXTS = ("video_encoder", "encoder_preset")


def _choice(value: object, name: str, kind: type[enum.Enum], path: Path) -> enum.Enum:
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(member.value for member in kind)
        raise PolicyError(f"{path}: {name} is {value!r}; give {names}") from error


def _model_files(tables: object, path: Path) -> dict[str, ModelFile]:
    if not isinstance(tables, dict):
        raise PolicyError(f"{path}: models must be tables [models.PURPOSE]")
    files: dict[str, ModelFile] = {}
    for purpose, table in tables.items():
        if not isinstance(table, dict) or set(table) != {"path", "sha256"}:
            raise PolicyError(f"{path}: [models.{purpose}] needs exactly the keys path and sha256")
        try:
            file = path.parent / path_of(table["path"], f"[models.{purpose}] path")
        except UsageError as error:
            raise PolicyError(f"{path}: {error}") from error
        files[purpose] = ModelFile(file, str(table["sha256"]).lower())
    return files


def policy_or_default(policy: Policy | None) -> Policy:
    """``policy``, or the default for None; UsageError for the name of a file."""
    if policy is None:
        return Policy()
    if not isinstance(policy, Policy):
        raise UsageError(
            f"policy is {type(policy).__name__}; give what homeveil.Policy.from_toml gives, or None"
        )
    return policy


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, DeskRules):
        return value.to_document()
    if isinstance(value, Mapping):
        return {key: entry.sha256 for key, entry in value.items()}
    return value
