"""What the properties of an element ask for."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from homeveil.errors import ProfileError, UsageError
from homeveil.policy import Policy, Sound, Style
from homeveil.profile.store import load_profile, read_passphrase
from homeveil.profile.template import Profile

_Choice = TypeVar("_Choice", bound=enum.Enum)


@dataclass(frozen=True, slots=True)
class Settings:
    """Properties as they were set, unchecked; None or "" where left out.

    profile, policy, passphrase_file: paths. nobody: show or hear nobody. style, sound: what
    takes the place of the policy's own.
    """

    profile: str | None = None
    nobody: bool = False
    passphrase_file: str | None = None
    policy: str | None = None
    style: str | None = None
    sound: str | None = None

    def open_policy(self) -> Policy:
        """Raises PolicyError, UsageError."""
        policy = Policy.from_toml(self.policy) if self.policy else Policy()
        changes: dict[str, Any] = {}
        if self.style:
            changes["style"] = _one_of(Style, "style", self.style)
        if self.sound:
            changes["sound"] = _one_of(Sound, "sound", self.sound)
        return dataclasses.replace(policy, **changes)

    def open_profile(self) -> Profile | None:
        """The profile, opened with a passphrase from the file or the environment; None for
        nobody. There is no terminal to ask at. Raises UsageError, ProfileError."""
        if bool(self.profile) == self.nobody:
            raise UsageError(
                "both profile and nobody are set; take one away"
                if self.nobody
                else "whom to show is not said; set profile=FILE, or nobody=true"
            )
        if not self.profile:
            return None
        if not Path(self.profile).is_file():
            raise ProfileError(
                f"profile {self.profile}: no such file; make one with `homeveil enroll`"
            )
        passphrase = read_passphrase(file=self.passphrase_file or None, prompt=False)
        return load_profile(self.profile, passphrase)


def _one_of(kind: type[_Choice], name: str, value: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(str(member.value) for member in kind)
        raise UsageError(f"{name} is {value!r}; give {names}") from None
