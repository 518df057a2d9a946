"""Looks at an already redacted file with a detector that redaction does not use, and tells of
faces that are not the agent's.

The redaction's own detector would miss again what it has missed. Here nothing is cleared or
veiled: what is found is told. It finds faces; a back or a hand it does not.
"""

from __future__ import annotations

import enum
import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from homeveil import _kernels
from homeveil.errors import InputError
from homeveil.frames import RawFrame
from homeveil.grid import Box
from homeveil.models import store
from homeveil.perceive.exposure import exposed, gain_for
from homeveil.perceive.observation import Face
from homeveil.policy import ModelFile, Policy
from homeveil.profile.template import Profile

if TYPE_CHECKING:
    from homeveil.perceive._dnn import FaceDetector
    from homeveil.perceive.identity import FaceIdentity

LEAST_SCORE = 0.7
_FAR_LONG_SIDE, _NEAR_LONG_SIDE = 1280, 640
"""The detector finds faces of 10 to 300 pixels: far ones in a picture made this large, near
ones in one this small."""

_MOST_LONG_SIDE = 3840
_SAME_FACE = 0.4
_CONTAINED = 0.7
_SAME_TRACK = 0.25
_TRACK_GAP_SECONDS = 0.5
_VOUCHED_SECONDS = 2.0
"""How far in time a face that was compared vouches for one on its track that could not be."""

_FRONTAL_DEGREES = 35.0
_CUT_SHARE = 0.05
_IDENTITY_PURPOSES = ("face_landmarks", "face_embedding")


@dataclass(frozen=True, slots=True)
class Other:
    """A face that is not known to be the agent's. box: x0, y0, x1, y1 in pixels, half-open.
    score: the detector's, 0..1. distance: to the profile, None where it cannot be compared."""

    seconds: float
    box: tuple[int, int, int, int]
    score: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. frames: looked at. agent_frames: with a face that is the agent's.
    frames_with_others: with at least one of ``others``. damaged_packets: could not be read, so
    what they held was not looked at; likewise the end of a file that is cut off. other_streams: of
    pictures, covers too, beside the one that was looked at. hidden_frames: that the file holds, and
    has players leave out (the edit list of mp4 and mov). with_profile: faces were compared with one
    in a profile."""

    frames: int
    seconds: float
    agent_frames: int
    frames_with_others: int
    others: tuple[Other, ...]
    damaged_packets: int
    truncated: bool
    with_profile: bool
    detector_sha256: str
    other_streams: int = 0
    hidden_frames: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of the file could be looked at."""
        unseen = self.damaged_packets or self.other_streams or self.hidden_frames
        return not (unseen or self.truncated)

    def to_json(self, indent: int | None = 1) -> str:
        return json.dumps(asdict(self), indent=indent)


class _Verdict(enum.Enum):
    AGENT = "agent"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Seen:
    seconds: float
    box: Box
    score: float
    distance: float | None
    verdict: _Verdict


def audit(
    src: str | Path,
    detector: ModelFile,
    *,
    profile: Profile | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Audit:
    """Look at every frame of a redacted file.

    detector: an ONNX file for OpenCV's FaceDetectorYN, trusted by hash. profile: of the agent;
    without a face in one, every face is somebody else's. progress: called with the number of frames
    looked at and of those expected. Raises InputError, ModelError, ProfileError.
    """
    from homeveil.media.reader import VideoReader
    from homeveil.perceive._dnn import FaceDetector

    model = store.locate("audit_detector", {"audit_detector": detector})
    with (
        FaceDetector(model.read(), str(detector.path), LEAST_SCORE) as finder,
        VideoReader(src) as reader,
    ):
        identity = _identity(profile)
        live: list[list[_Seen]] = []
        tracks: list[list[_Seen]] = []
        frames, first, last = 0, None, 0.0
        for frame in reader:
            now = frame.time.seconds
            tracks += [track for track in live if now - track[-1].seconds > _TRACK_GAP_SECONDS]
            live = [track for track in live if now - track[-1].seconds <= _TRACK_GAP_SECONDS]
            _follow(live, list(_look(frame, finder, identity)))
            frames += 1
            last = now
            first = now if first is None else first
            if progress is not None:
                progress(frames, reader.frame_count_hint)
    if not frames:
        raise InputError(f"{src}: no frame could be looked at; check that the file is whole")
    tracks += live
    others = sorted(_others(tracks), key=lambda other: (other.seconds, other.box))
    agent = {seen.seconds for track in tracks for seen in track if _is_agent(seen, track)}
    return Audit(
        frames=frames,
        seconds=round(last - (first or 0.0), 3),
        agent_frames=len(agent),
        frames_with_others=len({other.seconds for other in others}),
        others=tuple(others),
        damaged_packets=reader.damaged_packets,
        truncated=reader.truncated,
        with_profile=identity is not None,
        detector_sha256=model.sha256,
        other_streams=reader.other_pictures,
        hidden_frames=max(0, reader.indexed_frames - frames),
    )


def _identity(profile: Profile | None) -> FaceIdentity | None:
    """What compares faces with the profile; None where there is no face in it."""
    if profile is None or profile.face is None:
        return None
    from homeveil.perceive.identity import FaceIdentity

    face = profile.face
    models = store.load(_IDENTITY_PURPOSES, {})
    profile.require_model(models.sha256["face_embedding"])
    landmarks, embedding = (models.data[purpose] for purpose in _IDENTITY_PURPOSES)
    return FaceIdentity(landmarks, embedding, lambda probe: float(face.distance(probe[None])[0]))


def _look(
    frame: RawFrame, finder: FaceDetector, identity: FaceIdentity | None
) -> Iterator[_Seen]:
    policy = Policy()
    for box, score in _faces(frame, finder):
        distance, verdict = None, _Verdict.UNKNOWN
        compared = None
        if identity is not None and not _is_cut(box, frame):
            # The picture of a face is a square, and this detector's boxes are upright.
            x, y = box.centre
            half = box.height / 2
            square = Box(x - half, y - half, x + half, y + half)
            compared = identity.compare(frame, Face(square, score, 0))
        if compared is not None:
            distance = compared.distance
            if distance <= policy.accept_distance:
                verdict = _Verdict.AGENT
            elif not (
                distance <= policy.drop_distance
                or abs(compared.yaw_degrees) > _FRONTAL_DEGREES
            ):
                verdict = _Verdict.OTHER
        yield _Seen(frame.time.seconds, box, score, distance, verdict)


def _is_cut(box: Box, frame: RawFrame) -> bool:
    """Whether the face runs out of the frame: half a face compares with nobody."""
    margin = _CUT_SHARE * box.height
    return (
        min(box.x0, box.y0) < margin
        or box.x1 > frame.width - margin
        or box.y1 > frame.height - margin
    )


def _faces(frame: RawFrame, finder: FaceDetector) -> list[tuple[Box, float]]:
    """Faces of all sizes, best first."""
    longer = max(frame.width, frame.height)
    whole = Box(0, 0, frame.width, frame.height)
    found: list[tuple[Box, float]] = []
    far = min(max(longer, _FAR_LONG_SIDE), _MOST_LONG_SIDE)
    for long_side in (far, _NEAR_LONG_SIDE):
        scale = longer / long_side
        size = (max(1, round(frame.width / scale)), max(1, round(frame.height / scale)))
        rgb = exposed(_kernels.thumbnail(frame, whole, size), gain_for(frame))
        found += [
            (Box(*(side * scale for side in sides)), score)
            for *sides, score in finder.faces(rgb).tolist()
        ]
    kept: list[tuple[Box, float]] = []
    for box, score in sorted(found, key=lambda one: -one[1]):
        if not any(_same(box, other) for other, _ in kept):
            kept.append((box, score))
    return kept


def _same(box: Box, other: Box) -> bool:
    smaller = max(min(box.area, other.area), 1e-9)
    return box.overlap(other) >= _SAME_FACE or box.shared(other) / smaller >= _CONTAINED


def _follow(live: list[list[_Seen]], seen: list[_Seen]) -> None:
    """Add the faces of a frame to the tracks that they continue; the others begin one each."""
    free = list(live)
    for face in seen:
        best = max(free, key=lambda track: face.box.overlap(track[-1].box), default=None)
        if best is None or face.box.overlap(best[-1].box) < _SAME_TRACK:
            live.append([face])
        else:
            best.append(face)
            free = [track for track in free if track is not best]


def _others(tracks: list[list[_Seen]]) -> Iterator[Other]:
    for track in tracks:
        for seen in track:
            if not _is_agent(seen, track):
                box = seen.box
                sides = (round(box.x0), round(box.y0), round(box.x1), round(box.y1))
                distance = None if seen.distance is None else round(seen.distance, 3)
                yield Other(round(seen.seconds, 3), sides, round(seen.score, 3), distance)


def _is_agent(seen: _Seen, track: list[_Seen]) -> bool:
    """Compared and good; or else between faces of its track that were.

    A face that cannot be compared (small, turned, cut) takes the word of the nearest that was.
    One bad comparison between good ones is a bad picture of the agent: nobody takes a face's
    place for a single frame.
    """
    if seen.verdict is _Verdict.AGENT:
        return True
    at = bisect_left(track, seen.seconds, key=lambda other: other.seconds)
    sides = (range(at - 1, -1, -1), range(at + 1, len(track)))
    near = [
        other
        for side in sides
        for other in islice(_compared((track[i] for i in side), seen.seconds), 1)
    ]
    if seen.verdict is _Verdict.OTHER:
        return len(near) == len(sides) and all(one.verdict is _Verdict.AGENT for one in near)
    nearest = min(near, key=lambda other: abs(other.seconds - seen.seconds), default=None)
    return nearest is not None and nearest.verdict is _Verdict.AGENT


def _compared(seen: Iterable[_Seen], seconds: float) -> Iterator[_Seen]:
    """Those of ``seen`` that could be compared, while they are near in time."""
    for other in seen:
        if abs(other.seconds - seconds) > _VOUCHED_SECONDS:
            return
        if other.verdict is not _Verdict.UNKNOWN:
            yield other
