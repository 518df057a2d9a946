"""What the isolated process is told to do, as text."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

from homeveil.clearing import LiveInput, Order
from homeveil.media.stretches import Lengths, Stretch
from homeveil.policy import Policy
from homeveil.profile.store import LockedProfile, decode_profile, encode_profile
from homeveil.profile.template import Profile


def write_order(order: Order) -> dict[str, Any]:
    """An order as JSON. Its profile goes as it is: locked with what opens it, or open."""
    profile: dict[str, str] | None = None
    if isinstance(order.profile, LockedProfile):
        path = str(order.profile.path.absolute())
        profile = {"path": path, "passphrase": order.profile.passphrase}
    elif order.profile is not None:
        profile = {"open": base64.b64encode(encode_profile(order.profile)).decode()}
    return {
        "source": str(order.source),
        "profile": profile,
        "policy": order.policy.to_document(),
        "sound_alone": order.sound_alone,
        "sound_track": order.sound_track,
        "live": dataclasses.astuple(order.live) if order.live is not None else None,
        "stretch": dataclasses.astuple(order.stretch) if order.stretch is not None else None,
        "muted": order.muted,
    }


def read_order(document: dict[str, Any]) -> Order:
    """What :func:`write_order` gave."""
    profile: Profile | LockedProfile | None = None
    told = document["profile"]
    if told is not None:
        if "open" in told:
            profile = decode_profile(base64.b64decode(told["open"]))
        else:
            profile = LockedProfile(Path(told["path"]), told["passphrase"])
    return Order(
        Path(document["source"]),
        profile,
        Policy.from_document(document["policy"], Path("policy")),
        document["sound_alone"],
        document["sound_track"],
        LiveInput(*document["live"]) if document["live"] is not None else None,
        _stretch(document["stretch"]),
        tuple((start, end) for start, end in document["muted"]),
    )


def _stretch(told: list[Any] | None) -> Stretch | None:
    if told is None:
        return None
    number, count, lengths = told
    return Stretch(number, count, Lengths(*lengths))
