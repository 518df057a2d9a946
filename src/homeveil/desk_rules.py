"""What may lie on the desk, and where the desk is: one frozen value object."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from homeveil.errors import PolicyError


class DeskItem(enum.StrEnum):
    """Kinds of things that can be named. ``UNKNOWN``: something, but none of them for sure."""

    PHONE = "phone"
    PAPER = "paper"
    NOTEBOOK = "notebook"
    PEN = "pen"
    CAMERA = "camera"
    LAPTOP = "laptop"
    KEYBOARD = "keyboard"
    MOUSE = "mouse"
    MUG = "mug"
    OTHER = "other"
    UNKNOWN = "unknown_item"


class Severity(enum.StrEnum):
    """How much it matters to whoever receives events."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


PERMITTED = frozenset(
    {DeskItem.KEYBOARD, DeskItem.MOUSE, DeskItem.LAPTOP, DeskItem.MUG, DeskItem.PEN}
)
_ZONE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MOST_CORNERS = 32

LEAST_AREA = 0.001
"""Of the picture: in less than that nothing would ever be found, and silence would pass for a
clean desk."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DeskRules:
    """What raises an event, and where. Validated when made.

    zone: name of the desk zone: lower-case letters, digits, ``_`` and ``-``.
    polygon: its corners in order, as shares (x, y) of the frame's width and height, 0..1, at
        least three around at least LEAST_AREA, no two sides crossing or going the same way on one
        line; empty: the work surface is found.
    permitted: kinds that raise no event.
    severity: kind -> severity; WARNING for those left out.
    round_seconds: times in events are rounded down to multiples of this.
    """

    zone: str = "desk"
    polygon: tuple[Point, ...] = ()
    permitted: frozenset[DeskItem] = PERMITTED
    severity: Mapping[DeskItem, Severity] = field(default_factory=dict)
    round_seconds: float = 10.0

    def __post_init__(self) -> None:
        self._check_kinds()
        if not _ZONE_NAME.fullmatch(self.zone):
            raise PolicyError(
                f"policy: desk zone is {self.zone!r}; give up to 32 lower-case letters, digits, "
                "'_' or '-', a letter first"
            )
        if self.polygon and not 3 <= len(self.polygon) <= _MOST_CORNERS:
            raise PolicyError(f"policy: desk polygon needs 3 to {_MOST_CORNERS} corners")
        for x, y in self.polygon:
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise PolicyError(
                    f"policy: desk corner ({x}, {y}) is outside the frame; give shares 0..1"
                )
        if self.polygon and _area(self.polygon) < LEAST_AREA:
            raise PolicyError(
                f"policy: desk polygon encloses less than {LEAST_AREA:.1%} of the picture; give "
                "its corners in the order in which they lie around the desk"
            )
        if _crosses_itself(self.polygon):
            raise PolicyError(
                "policy: sides of the desk polygon cross, or one runs along another, so that part "
                "of the desk could be left out; give its corners once, in the order in which they "
                "lie around the desk"
            )
        if not 1 <= self.round_seconds <= 3600:
            raise PolicyError(
                f"policy: desk round_seconds is {self.round_seconds!r}; give 1 to 3600"
            )
        try:
            permitted = frozenset(map(DeskItem, self.permitted))
            severity = {DeskItem(kind): Severity(word) for kind, word in self.severity.items()}
        except (TypeError, ValueError) as error:
            raise PolicyError(
                f"policy: desk: {error}; kinds: {', '.join(DeskItem)}; "
                f"severities: {', '.join(Severity)}"
            ) from error
        corners = tuple((float(x), float(y)) for x, y in self.polygon)
        object.__setattr__(self, "polygon", corners)
        object.__setattr__(self, "permitted", permitted)
        object.__setattr__(self, "severity", MappingProxyType(severity))
        object.__setattr__(self, "round_seconds", float(self.round_seconds))

    def _check_kinds(self) -> None:
        """Text is no number, and no list of words: ``"01"`` would be taken for a corner."""
        lists = (list, tuple)
        for name, good, give in (
            ("zone", isinstance(self.zone, str), "text"),
            (
                "polygon",
                isinstance(self.polygon, lists)
                and all(isinstance(one, lists) and len(one) == 2 for one in self.polygon)
                and all(_is_number(share) for one in self.polygon for share in one),
                "corners [x, y] in numbers",
            ),
            ("permitted", isinstance(self.permitted, (*lists, set, frozenset)), "a list of kinds"),
            ("severity", isinstance(self.severity, Mapping), "a severity by kind"),
            ("round_seconds", _is_number(self.round_seconds), "1 to 3600"),
        ):
            if not good:
                raise PolicyError(f"policy: desk {name} is {getattr(self, name)!r}; give {give}")

    @classmethod
    def from_document(cls, document: object) -> DeskRules:
        """The rules of a policy's ``[desk]`` table. Raises PolicyError."""
        if not isinstance(document, dict):
            raise PolicyError("policy: desk must be a table [desk]")
        known = {"zone", "polygon", "permitted", "severity", "round_seconds"}
        unknown = sorted(set(document) - known)
        if unknown:
            raise PolicyError(
                f"policy: unknown key {unknown[0]!r} in [desk]; known keys: "
                f"{', '.join(sorted(known))}"
            )
        return cls(**document)

    def __reduce__(self) -> tuple[Any, ...]:
        return made_again(self)

    def to_document(self) -> dict[str, Any]:
        """What a ``[desk]`` table would hold."""
        return {
            "zone": self.zone,
            "polygon": [list(point) for point in self.polygon],
            "permitted": sorted(self.permitted),
            "severity": {kind.value: word.value for kind, word in sorted(self.severity.items())},
            "round_seconds": self.round_seconds,
        }


def made_again(one: Any) -> tuple[Any, ...]:
    """For ``__reduce__`` of a dataclass of settings, as it was made: read-only views of mappings
    cannot be copied, or sent to another process."""
    values = {item.name: getattr(one, item.name) for item in dataclasses.fields(one)}
    plain = {name: dict(v) if isinstance(v, MappingProxyType) else v for name, v in values.items()}
    return _make, (type(one), plain)


def _make(kind: Callable[..., Any], values: dict[str, Any]) -> Any:
    return kind(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _area(polygon: tuple[Point, ...]) -> float:
    """What a polygon encloses, as a share of the frame."""
    sides = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides)) / 2


def _crosses_itself(polygon: tuple[Point, ...]) -> bool:
    """Whether two sides meet between their ends, each going over to the other's far side, or go
    the same way on one line: what is gone round twice would count as outside."""
    sides = list(zip(polygon, (*polygon[1:], *polygon[:1]), strict=True))

    def turn(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def along(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[0] - a[0]) + (b[1] - a[1]) * (c[1] - a[1])

    return any(
        (turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0)
        or (
            turn(a, b, c) == turn(a, b, d) == 0
            and along(a, b, c) < min(along(a, b, b), along(a, b, d))
            and along(a, b, d) > 0
        )
        for (a, b), (c, d) in itertools.combinations(sides, 2)
    )
