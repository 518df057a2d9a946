"""Watches the desk in redacted clips with pixel ground truth, and scores what was found.

    python -m benchmarks.desk --clips DIR --enroll DIR --work DIR [--bottle FILE]
        [--supplied yolox_nano.onnx] [--json benchmarks/results/desk.json]

Clips are redacted once through homeveil.Redactor and kept under --work. A finding's place is
read from the watcher for scoring alone: no event carries it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from homeveil.desk.enrolling import DeskEnrollment
from homeveil.desk.findings import Change
from homeveil.desk.watcher import DeskModels, DeskWatcher
from homeveil.desk_rules import DeskItem, DeskRules
from homeveil.enrollment import Enrollment
from homeveil.errors import EnrollmentError
from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame
from homeveil.grid import BoolGrid, Box, Grid
from homeveil.media.reader import VideoReader
from homeveil.perceive.loading import load_models, load_perceiver
from homeveil.policy import ModelFile, Policy
from homeveil.profile.template import Profile
from homeveil.redactor import Redactor
from homeveil.veil.painter import Veil

ASKED = ("phone", "paper", "notebook")
LEAST_SECONDS = 2.0
LEAST_VISIBLE = 0.5
CLEAN_SECONDS = 1.0


def main() -> int:
    """Redact what is not redacted yet, watch, score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "enroll", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("bottle", "supplied", "json", "sheets"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    clips = redacted(arguments)
    if arguments.bottle:
        _redact("bottle", arguments.bottle, lambda: None, arguments)
    models = {"own": DeskModels.load({})}
    if arguments.supplied:
        digest = hashlib.sha256(arguments.supplied.read_bytes()).hexdigest()
        policy = {"desk_detector": ModelFile(arguments.supplied, digest)}
        models["with_supplied"] = DeskModels.load(policy)
    record: dict[str, Any] = {"machine": platform.processor() or platform.machine()}
    for name, loaded in models.items():
        scored = [_clip(clip, loaded, arguments) for clip in clips]
        record[name] = {"summary": _summary(scored), "clips": scored}
        if arguments.bottle:
            record[name]["bottle"] = _bottle(loaded, arguments, clean=False)
            record[name]["bottle_against_clean"] = _bottle(loaded, arguments, clean=True)
    record["cost"] = _cost(models["own"])
    print(json.dumps({name: record[name]["summary"] for name in models}, indent=1))
    print(json.dumps(record["cost"]))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def redacted(arguments: argparse.Namespace) -> list[Path]:
    """Folders of the synthetic clips, whose veiled frames are kept."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    clips = sorted(path.parent for path in arguments.clips.glob("*/gt.json"))
    for clip in clips:
        _redact(clip.name, clip / "video.mp4", lambda c=clip: _profile(c, arguments), arguments)
    return clips


def _profile(clip: Path, arguments: argparse.Namespace) -> Profile:
    """The clip's agent, from the folder of stills with the character's name."""
    truth = json.loads((clip / "gt.json").read_text())
    agent = next(one["character"] for one in truth["persons"] if one["role"] == "agent")
    models = load_models({})
    perceiver = load_perceiver(None, Policy(), models)
    enrollment = Enrollment(perceiver, models.sha256["face_embedding"])
    for still in sorted((arguments.enroll / agent).glob("*.jpg")):
        with VideoReader(still) as reader:
            enrollment.take(next(iter(reader)))
    perceiver.close()
    return enrollment.finish()


def _redact(name: str, video: Path, profile: Any, arguments: argparse.Namespace) -> None:
    """Keep the veiled frames of a clip: planes, times, cells withheld and the agent's."""
    kept = arguments.work / f"{name}.npz"
    if kept.exists():
        return
    planes, times, withheld, agent, faults = [], [], [], [], []
    with Redactor(profile(), Policy()) as redactor, VideoReader(video) as reader:

        def veiled() -> Iterator[VeiledFrame]:
            for raw in reader:
                yield from redactor.process(raw)
            yield from redactor.flush()

        for frame in veiled():
            planes.append(np.concatenate([plane.ravel() for plane in frame.planes]))
            times.append(frame.time.seconds)
            withheld.append(frame.withheld)
            agent.append(frame.agent)
            faults.append(frame.fault)
            size = (frame.width, frame.height, frame.pixel_format.value)
    np.savez_compressed(
        kept, planes=np.stack(planes), times=times, withheld=np.stack(withheld),
        agent=np.stack(agent), faults=faults, size=np.array(size[:2]), layout=size[2],
    )  # fmt: skip
    print(f"{name}: {len(times)} frames redacted", file=sys.stderr, flush=True)


def frames(name: str, arguments: argparse.Namespace) -> Iterator[VeiledFrame]:
    """The kept frames, veiled again where they were: what is painted over stays so."""
    kept = np.load(arguments.work / f"{name}.npz")
    width, height = (int(side) for side in kept["size"])
    grid = Grid.over(width, height)
    veil = Veil(grid, Policy())
    rows, cols = (height + 1) // 2, (width + 1) // 2
    planes, times, withheld = kept["planes"], kept["times"], kept["withheld"]
    agents = kept["agent"]
    for number, packed in enumerate(planes):
        flat = packed.copy()
        y, u, v = np.split(flat, [height * width, height * width + rows * cols])
        parts = (y.reshape(height, width), u.reshape(rows, cols), v.reshape(rows, cols))
        time_of = Timestamp.from_seconds(float(times[number]))
        raw = RawFrame(parts, PixelFormat.I420, width, height, time_of)
        fault = bool(kept["faults"][number])
        yield painted(veil, raw, withheld[number], agent=agents[number], fault=fault)


def painted(
    veil: Veil, raw: RawFrame, withheld: BoolGrid, *, agent: BoolGrid, fault: bool
) -> VeiledFrame:
    """``raw`` veiled where it is withheld, without tints."""
    blank, nowhere = np.zeros((*withheld.shape, 3), np.uint8), np.zeros(withheld.shape, bool)
    return veil.paint(raw, withheld, blank, nowhere, agent=agent, fault=fault)


def shown(frame: VeiledFrame) -> Any:
    """(height, width) of the pixels that are not withheld."""
    cell = Grid.over(frame.width, frame.height).cell
    pixels = np.kron(~frame.withheld, np.ones((cell, cell), bool))
    return pixels[: frame.height, : frame.width]


def _clip(clip: Path, models: DeskModels, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that was found in one clip, beside what lay there."""
    truth = json.loads((clip / "gt.json").read_text())
    kinds = {one["id"]: one["class"] for one in truth["objects"]}
    watcher = DeskWatcher(DeskRules(permitted=frozenset()), models)
    events, since = [], dict.fromkeys(kinds)
    seen: dict[int, list[tuple[float, float]]] = {number: [] for number in kinds}
    full = _whole_sizes(truth)
    for number, frame in enumerate(frames(clip.name, arguments)):
        mask = cv2.imread(str(clip / "mask" / f"{number:04d}.png"))[..., 2]
        open_ = shown(frame)
        for one in kinds:
            share = float(((mask == one) & open_).sum()) / full[one]
            seen[one].append((frame.time.seconds, share))
            if share >= LEAST_VISIBLE and since[one] is None:
                since[one] = frame.time.seconds
        for finding in watcher.look(frame):
            if finding.change is Change.APPEARED:
                box = place_of(watcher, finding.number, frame)
                hit, person = _under(mask, box, kinds)
                first = since[hit] if hit is not None else None
                late = None if first is None else round(finding.seconds - first, 2)
                events.append(
                    {"item": finding.item.value, "on": kinds.get(hit), "id": hit,
                     "person": person, "late": late, "confidence": round(finding.confidence, 3)}
                )  # fmt: skip
                if arguments.sheets:
                    _sheet(arguments.sheets, clip.name, frame, box, finding.item.value)
    asked = [
        {"id": one, "class": kind} for one, kind in kinds.items() if _long_enough(seen[one])
    ]
    return {"clip": clip.name, "asked": asked, "events": events}


def _whole_sizes(truth: dict[str, Any]) -> dict[int, float]:
    """Pixels each object would have, whole: its most, times what the frame's rim cuts off."""
    full: dict[int, float] = {}
    for frame in truth["frames"]:
        for one in frame["objects"]:
            if one["bbox"]:
                box, whole = Box(*one["bbox"]), Box(*one["box_amodal"])
                size = one["px"] * max(1.0, whole.area / max(1.0, box.area))
                if one["px"] >= full.get(-one["id"], 0):
                    full[-one["id"]], full[one["id"]] = one["px"], size
    return {one["id"]: full.get(one["id"], 1e9) for one in truth["objects"]}


def _long_enough(seen: list[tuple[float, float]]) -> bool:
    start = None
    for seconds, share in seen:
        if share < LEAST_VISIBLE:
            start = None
        elif start is None:
            start = seconds
        elif seconds - start >= LEAST_SECONDS:
            return True
    return False


def place_of(watcher: DeskWatcher, number: int, frame: VeiledFrame) -> Box:
    """Where the watcher saw an item, in pixels of the frame."""
    track = next(one for one in watcher._tracks.all if one.number == number)
    shares = watcher._view.shares(track.box)
    return Box(
        shares.x0 * frame.width, shares.y0 * frame.height,
        shares.x1 * frame.width, shares.y1 * frame.height,
    )  # fmt: skip


def _under(mask: Any, box: Box, kinds: dict[int, str]) -> tuple[int | None, bool]:
    """The object a box is about (None: none fills it enough), and whether a person is."""
    piece = mask[max(0, int(box.y0)) : int(box.y1) + 1, max(0, int(box.x0)) : int(box.x1) + 1]
    if not piece.size:
        return None, False
    best, most = None, 0.0
    for one in kinds:
        inside = float((piece == one).sum())
        fit = inside / piece.size + inside / max(1.0, float((mask == one).sum()))
        if inside >= 0.2 * piece.size and fit > most:
            best, most = one, fit
    person = best is None and float(((piece > 0) & (piece < 100)).mean()) > 0.3
    return best, bool(person)


def _summary(scored: list[dict[str, Any]]) -> dict[str, Any]:
    """Recall, precision and confusion over the clips."""
    out: dict[str, Any] = {}
    events = [event for clip in scored for event in clip["events"]]
    for kind in ASKED:
        wanted = hits = found_any = 0
        for clip in scored:
            for one in clip["asked"]:
                if one["class"] == kind:
                    wanted += 1
                    on = [event for event in clip["events"] if event["id"] == one["id"]]
                    hits += any(event["item"] == kind for event in on)
                    found_any += bool(on)
        named = [event for event in events if event["item"] == kind]
        right = sum(event["on"] == kind for event in named)
        out[kind] = {"wanted": wanted, "named": hits, "found": found_any,
                     "named_so": len(named), "rightly": right}  # fmt: skip
    late = sorted(event["late"] for event in events if event["late"] is not None)
    out["events"] = len(events)
    out["of_persons"] = sum(event["person"] for event in events)
    out["of_nothing"] = sum(event["on"] is None and not event["person"] for event in events)
    out["latency_median_max"] = [late[len(late) // 2], late[-1]] if late else None
    pairs = Counter((event["on"] or "nothing", event["item"]) for event in events)
    out["confusion"] = {f"{a} -> {b}": count for (a, b), count in sorted(pairs.items())}
    return out


def _bottle(
    models: DeskModels, arguments: argparse.Namespace, *, clean: bool
) -> list[dict[str, Any]]:
    """Findings in the real clip; the table is the zone, its first second the clean look."""
    table = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
    watcher = DeskWatcher(DeskRules(permitted=frozenset(), polygon=table), models)
    if clean:
        enrollment = DeskEnrollment(models.items, table)
        for frame in frames("bottle", arguments):
            if frame.time.seconds > CLEAN_SECONDS:
                break
            enrollment.take(frame)
        try:
            template = enrollment.finish()
        except EnrollmentError as error:
            return [{"refused": str(error)}]
        watcher = DeskWatcher(DeskRules(permitted=frozenset()), models, template)
    found = []
    for frame in frames("bottle", arguments):
        for one in watcher.look(frame):
            name = one.item.value if one.item else None
            found.append({"change": one.change.value, "item": name, "at": round(one.seconds, 1)})
            if one.change is Change.APPEARED and arguments.sheets:
                place = place_of(watcher, one.number, frame)
                _sheet(arguments.sheets, f"bottle_{clean}", frame, place, str(name))
    return found


def _sheet(folder: Path, clip: str, frame: VeiledFrame, box: Box, name: str) -> None:
    """The frame of a finding with its place drawn in, to be looked at."""
    from homeveil.pictures import array_from_frame

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{clip}.png"
    picture = cv2.imread(str(path)) if path.exists() else array_from_frame(frame, "bgr").copy()
    corners = [(int(box.x0), int(box.y0)), (int(box.x1), int(box.y1))]
    cv2.rectangle(picture, *corners, (0, 0, 255), 1)
    cv2.putText(picture, name, corners[0], cv2.FONT_HERSHEY_PLAIN, 0.9, (0, 0, 255))
    cv2.imwrite(str(path), picture)


def _cost(models: DeskModels, count: int = 300) -> dict[str, float]:
    """Mean time per frame at 1280x720 and 30 frames a second, processor time of this thread."""
    rng = np.random.default_rng(5)
    grid = Grid.over(1280, 720)
    veil = Veil(grid, Policy())
    planes = tuple(
        cv2.GaussianBlur(rng.integers(0, 255, shape, dtype=np.uint8), (0, 0), 9)
        for shape in ((720, 1280), (360, 640), (360, 640))
    )
    blank = np.zeros(grid.shape, bool)
    watcher = DeskWatcher(DeskRules(permitted=frozenset(DeskItem)), models)
    spent = 0.0
    for number in range(count):
        time_of = Timestamp.from_seconds(number / 30)
        raw = RawFrame(planes, PixelFormat.I420, 1280, 720, time_of)
        frame = veil.paint(raw, blank, np.zeros((*grid.shape, 3), np.uint8), blank)
        begin = time.thread_time()
        watcher.look(frame)
        spent += time.thread_time() - begin
    return {"ms_per_frame_1280x720": round(1000 * spent / count, 3)}


if __name__ == "__main__":
    sys.exit(main())
