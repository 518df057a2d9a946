"""Everything the page says, in each language: ``words.toml``, one table a language."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from homeveil.live.board import Cause, State

FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """code: as in BCP 47. name: of the language, in itself. texts: by name."""

    code: str
    name: str
    texts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def state(self, state: State) -> str:
        """One word or two."""
        return self.texts[f"state_{state.value}"]

    def cause(self, cause: Cause | None) -> str:
        """What leaves, and why, in a sentence or two."""
        return self.texts["cause_none" if cause is None else f"cause_{cause.name.lower()}"]


@functools.cache
def languages() -> Mapping[str, Words]:
    """All there are, by code."""
    text = resources.files(__package__).joinpath("words.toml").read_text("utf-8")
    return MappingProxyType(
        {
            code: Words(code, texts.pop("language"), MappingProxyType(texts))
            for code, texts in tomllib.loads(text).items()
        }
    )


def choose(wanted: str | None, accepted: str | None) -> Words:
    """The language asked for by code, else the best of an Accept-Language header."""
    known = languages()
    if wanted is not None and wanted in known:
        return known[wanted]
    ranked = sorted(_ranked(accepted or ""), key=lambda one: -one[0])
    return known[next((code for _, code in ranked if code in known), FALLBACK)]


def _ranked(header: str) -> list[tuple[float, str]]:
    """Weights above 0 and the first part of each tag."""
    found = []
    for part in header[:1000].split(","):
        tag, _, weight = part.strip().partition(";")
        try:
            value = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if value > 0:
            found.append((value, tag.strip().lower().partition("-")[0]))
    return found
