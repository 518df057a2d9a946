"""Telephones of the synthetic clips laid on what else lies on their desks: how many are told of.

    python -m benchmarks.desk_piles --clips DIR --enroll DIR --work DIR [--json FILE]

Each telephone is cut out of the frame in which most of it is seen and laid, as large as it is
there, on each paper, notebook, laptop and keyboard of each clip after a second, where and as long
as that is seen. Clips are redacted once, as for ``benchmarks.desk``, whose --work serves here too.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.desk import frames, painted, place_of, redacted, shown
from homeveil.desk.findings import Change
from homeveil.desk.watcher import DeskModels, DeskWatcher
from homeveil.desk_rules import DeskRules
from homeveil.frames import VeiledFrame
from homeveil.grid import Box, Grid
from homeveil.pictures import array_from_frame, frame_from_array
from homeveil.policy import Policy
from homeveil.veil.painter import Veil

BENEATH = ("paper", "notebook", "laptop", "keyboard")
AFTER_SECONDS = 1.0
LEAST_SECONDS = 2.0
LEAST_PIXELS = 60
ON = 0.85
"""Share of the telephone that must lie on the thing, in a frame, for it to lie there."""

SAME = 0.4


@dataclass(frozen=True)
class Cut:
    """A telephone: (h, w, 3) uint8 RGB, (h, w) 0..1 how much of it each pixel is."""

    clip: str
    rgb: np.ndarray
    alpha: np.ndarray


def main() -> int:
    """Lay every telephone on everything; print and write what was told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "enroll", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    clips = redacted(arguments)
    models = DeskModels.load({})
    telephones = [one for clip in clips for one in _telephones(clip, arguments)]
    laid = []
    for clip in clips:
        masks = _masks(clip)
        objects = json.loads((clip / "gt.json").read_text())["objects"]
        for base, kind in ((one["id"], one["class"]) for one in objects):
            for telephone in telephones if kind in BENEATH else ():
                told = _told(clip, base, masks, telephone, models, arguments)
                if told is not None:
                    laid.append({"clip": clip.name, "on": kind, "of": telephone.clip, "told": told})
        print(f"{clip.name}: {len(laid)} laid so far", file=sys.stderr, flush=True)
    summary = {
        kind: {"laid": sum(one["on"] == kind for one in laid),
               "told": dict(Counter(one["told"] for one in laid if one["on"] == kind))}
        for kind in BENEATH
    }  # fmt: skip
    summary["all"] = {"laid": len(laid), "told": dict(Counter(one["told"] for one in laid))}
    print(json.dumps(summary, indent=1))
    if arguments.json:
        machine = platform.processor() or platform.machine()
        record = {"machine": machine, "summary": summary, "laid": laid}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _masks(clip: Path) -> list[np.ndarray]:
    paths = sorted((clip / "mask").glob("*.png"))
    return [cv2.imread(str(path))[..., 2] for path in paths]


def _telephones(clip: Path, arguments: argparse.Namespace) -> Iterator[Cut]:
    """Each as it looks where most of it is seen, and nothing of it is veiled."""
    truth, masks = json.loads((clip / "gt.json").read_text()), _masks(clip)
    for one in truth["objects"]:
        if one["class"] != "phone":
            continue
        best: tuple[int, VeiledFrame, np.ndarray] | None = None
        for mask, frame in zip(masks, frames(clip.name, arguments), strict=False):
            where = mask == one["id"]
            larger = best is None or where.sum() > best[0]
            if larger and shown(frame)[where].all():
                best = (int(where.sum()), frame, where)
        if best is None or best[0] < LEAST_PIXELS:
            continue
        _, frame, where = best
        ys, xs = np.nonzero(where)
        piece = (slice(ys.min() - 1, ys.max() + 2), slice(xs.min() - 1, xs.max() + 2))
        alpha = cv2.GaussianBlur(where.astype(np.float32), (3, 3), 0)[piece]
        yield Cut(clip.name, array_from_frame(frame, "rgb")[piece].copy(), alpha)


def _told(
    clip: Path, base: int, masks: list[np.ndarray], telephone: Cut, models: DeskModels,
    arguments: argparse.Namespace,
) -> str | None:  # fmt: skip
    """As what the telephone was told of, "nothing" if it was not; None: it cannot lie there."""
    at = _spot(masks, base, telephone)
    if at is None:
        return None
    high, wide = telephone.alpha.shape
    piece = (slice(at[1], at[1] + high), slice(at[0], at[0] + wide))
    box = Box(at[0], at[1], at[0] + wide, at[1] + high)
    watcher = DeskWatcher(DeskRules(permitted=frozenset()), models)
    lies = telephone.alpha > 0.5
    there, told = 0.0, "nothing"
    before: float | None = None
    for mask, bare in zip(masks, frames(clip.name, arguments), strict=False):
        frame, seconds = bare, bare.time.seconds
        free = (mask[piece] == base) & shown(bare)[piece]
        if seconds >= AFTER_SECONDS and free[lies].mean() > ON:
            frame = _with(bare, telephone, piece)
            there += seconds - before if before is not None else 0.0
        before = seconds
        for finding in watcher.look(frame):
            came = finding.change is Change.APPEARED and finding.item is not None
            if came and place_of(watcher, finding.number, frame).overlap(box) > SAME:
                told = str(finding.item)
    return told if there >= LEAST_SECONDS else None


def _spot(masks: list[np.ndarray], base: int, telephone: Cut) -> tuple[int, int] | None:
    """Left and top of where the telephone lies wholly on the thing for most of the frames."""
    seen = np.mean([mask == base for mask in masks], axis=0).astype(np.float32)
    lies = (telephone.alpha > 0.5).astype(np.float32)
    if lies.shape[0] > seen.shape[0] or lies.shape[1] > seen.shape[1] or not lies.any():
        return None
    fits = cv2.matchTemplate(seen, lies, cv2.TM_CCORR) / lies.sum()
    _, most, _, at = cv2.minMaxLoc(fits)
    return (int(at[0]), int(at[1])) if most > ON / 2 else None


def _with(frame: VeiledFrame, telephone: Cut, piece: tuple[slice, slice]) -> VeiledFrame:
    """The frame, the telephone in it; what is veiled stays so."""
    rgb = array_from_frame(frame, "rgb").copy()
    alpha = telephone.alpha[..., None]
    rgb[piece] = np.round(rgb[piece] * (1 - alpha) + telephone.rgb * alpha)
    raw = frame_from_array(rgb, "rgb", frame.time.seconds)
    veil = Veil(Grid.over(frame.width, frame.height), Policy())
    return painted(veil, raw, frame.withheld, agent=frame.agent, fault=frame.fault)


if __name__ == "__main__":
    sys.exit(main())
