"""Faults, by the stage of the isolated process that they strike and by what goes wrong there, and
what tests of them share: clips full of canaries, and the search for these.

A fault is Python that the isolated process runs before it begins its work (``boxes.sabotage``).
It strikes at the third time, so that something good may have left before.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

STAGES = {
    "read": "homeveil.media.picture:PictureReader.read",
    "look at faces": "homeveil.perceive.networks:FaceFinder.faces",
    "look at people": "homeveil.perceive.networks:Segmenter.probability",
    "clear": "homeveil.clear.clearance:Clearance.finish",
    "veil": "homeveil.veil.painter:Veil.paint",
    "read sound": "homeveil.media.sound_timeline:SoundTimeline._block",
    "gate": "homeveil.voice_gate:VoiceGate.process",
    "send": "homeveil.isolation.inside:_Inside._send_picture",
}

AFTER = 2
"""Times that a stage does its work before it fails."""


def _no_memory(_: object) -> object:
    raise MemoryError


def _error(_: object) -> object:
    raise RuntimeError("raw content might stand here")


def _crash(_: object) -> object:
    return ctypes.string_at(0)


def _never_ends(_: object) -> object:
    threading.Event().wait()
    return None


def _not_a_number(good: object) -> object:
    """``good`` as a network that broke down would give it."""
    if isinstance(good, np.ndarray):
        return good * np.float32("nan")
    return [(math.nan,) * 5] if isinstance(good, list) else math.nan


def _another_shape(good: object) -> object:
    if isinstance(good, np.ndarray):
        return good.ravel()[:3]
    return [(1.0, 2.0)] if isinstance(good, list) else (good, good)


def _nothing(_: object) -> object:
    return None


FAULTS: dict[str, Callable[[object], object]] = {
    "no memory": _no_memory,
    "an error": _error,
    "a crash": _crash,
    "never ends": _never_ends,
    "not a number": _not_a_number,
    "another shape": _another_shape,
    "nothing": _nothing,
}
"""What comes of a stage, made from what should have come of it."""


def statement(stage: str, fault: str, after: int = AFTER) -> str:
    """What the isolated process is to run so that ``stage`` fails in mid-run."""
    return f"import faults; faults.strike({stage!r}, {fault!r}, {after})"


def strike(stage: str, fault: str, after: int = AFTER) -> None:
    """Called in the isolated process. The fault waits until that is locked in: nothing can have
    left before. after: times that the stage does its work before it fails."""
    from homeveil.isolation import inside

    module, name = STAGES[stage].split(":")
    kind, method = name.split(".")
    owner = getattr(importlib.import_module(module), kind)
    good, lock = getattr(owner, method), inside._Inside._lock
    done = -1

    def locked(self: inside._Inside, landlock: int) -> None:
        nonlocal done
        lock(self, landlock)
        done = 0

    def bad(*arguments: object, **named: object) -> object:
        nonlocal done
        if 0 <= done < after:
            done += 1
        elif done == after:
            return FAULTS[fault](good(*arguments, **named))
        return good(*arguments, **named)

    inside._Inside._lock = locked  # type: ignore[method-assign]
    setattr(owner, method, bad)


# ------------------------------------------------------------------ canaries
SIDE = 64
PIECE_BYTES = 24


def canary_clip(path: Path, frames: int = 20) -> tuple[Path, list[bytes]]:
    """A lossless clip of noise, with sound, and pieces of what is in it, as it is decoded and as
    it is computed with; nobody is enrolled, so none of it may ever leave."""
    import av

    rng = np.random.default_rng(7)
    pieces: list[bytes] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for number in range(frames):
            planes = rng.integers(0, 256, (SIDE * 3 // 2, SIDE), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
            pieces += [bytes(row[8 : 8 + PIECE_BYTES]) for row in planes[:SIDE:5]]
            noise = rng.integers(-9000, 9000, (1, 1600), np.int16)
            block = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            block.sample_rate, block.pts = 16_000, number * 1600
            container.mux(sound.encode(block))
            pieces += [noise[0, 100:112].tobytes()]
            pieces += [(noise[0, 200:206].astype(np.float32) / 32768).tobytes()]
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path, pieces


def found(data: bytes, pieces: list[bytes]) -> int:
    """How many of the pieces, of at least 8 bytes, stand in ``data``. All are looked for at once:
    only where four bytes begin some piece is more compared."""
    starts: dict[bytes, list[bytes]] = {}
    first, second = np.zeros((2, 2**16), bool)
    for piece in pieces:
        starts.setdefault(piece[:8], []).append(piece)
        one, other = np.frombuffer(piece[:4], "<u2")
        first[one] = second[other] = True
    there: set[bytes] = set()
    for odd in (0, 1):
        words = np.frombuffer(data[odd:], "<u2", max(0, len(data) - odd) // 2)
        for place in np.flatnonzero(first[words[:-1]] & second[words[1:]]) * 2 + odd:
            at = int(place)
            there.update(p for p in starts.get(data[at : at + 8], ()) if data.startswith(p, at))
    return len(there)


def written_under(folder: Path) -> Iterator[bytes]:
    """The content of every file below a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.read_bytes()


@contextlib.contextmanager
def small_disk(place: Path, size: str, *, lazily: bool = False) -> Iterator[Path]:
    """A file system of ``size``, such as ``4k``, at the new folder ``place``; nothing may hold a
    file of it at the end, unless it is let go ``lazily``."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", *(["-l"] if lazily else []), str(place)], check=True)
