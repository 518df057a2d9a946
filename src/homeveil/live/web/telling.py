"""What the board says, as JSON for the page and for ``/health``."""

from __future__ import annotations

import math
from typing import Any

from homeveil.live.board import SILENT_DB, Board, Cause
from homeveil.live.web.words import Words

QUIET_SECONDS = 3.0
"""Without a frame for so long, nothing leaves."""

_MACHINE = {
    Cause.STARTING: "homeveil is starting",
    Cause.NO_CAMERA: "the camera gives no picture",
    Cause.FAULT: "something failed inside",
    Cause.SLOW: "this machine is too slow just now",
}
"""Causes that are the machine's own, in words; the others are no trouble."""


def state_of(board: Board, words: Words) -> dict[str, Any]:
    """What the page shows of this moment, but for the picture and the events.

    state: open, veiled, paused or still (nothing leaves). since: seconds since 1970, None while
    still. sound_db: level of what leaves as sound, dBFS, None for silence. sound_any: whether
    sound has left at all. today: seconds and bytes. events: changes when there are new ones.
    """
    status, counts, sent, level = board.status, board.counts(), board.today.sent(), board.level_db()
    still = is_still(board)
    events = board.events()
    return {
        "state": "still" if still else status.state.value,
        "word": words["state_still"] if still else words.state(status.state),
        "text": words["cause_still"] if still else words.cause(status.cause),
        "detail": status.detail,
        "since": None if still else status.since,
        "paused": board.paused,
        "sound_db": round(level, 1) if math.isfinite(level) and level > SILENT_DB else None,
        "sound_any": counts.sound_seconds > 0,
        "today": {"seconds": sent.seconds, "bytes": sent.bytes},
        "outputs": [
            {
                "name": output.name,
                "going": output.going,
                "bytes": output.bytes,
                "dropped": output.dropped,
                "trouble": output.trouble,
            }
            for output in board.outputs()
            if output.place or output.trouble
        ],
        "events": f"{len(events)} {events[-1]['id']}" if events else "",
    }


def is_still(board: Board) -> bool:
    """Whether nothing leaves, though it should."""
    return board.status.cause is not Cause.STARTING and board.quiet_seconds() > QUIET_SECONDS


def health_of(board: Board) -> dict[str, Any]:
    """ok: frames of the camera, or the worker's card, leave. state: as the board has it.
    reasons: what is wrong with the machine, also where that stops nothing."""
    status, outputs, quiet = board.status, board.outputs(), board.quiet_seconds()
    reasons = []
    if status.cause in _MACHINE:
        reasons.append(_MACHINE[status.cause])
    if is_still(board):
        reasons.append(f"no frame has left for {int(quiet)} s")
    stopped = [output for output in outputs if not output.going]
    ok = not reasons and (not outputs or len(stopped) < len(outputs))
    reasons += [f"{output.name} is not going" for output in stopped]
    return {"ok": ok, "state": status.state.value, "reasons": reasons}
