"""Enrollment: from pictures of the agent to a profile, or a refusal that says why.

A template made from poor pictures does not only fail to know the agent; one made from a
covered face accepts strangers (2 % of them, measured with masks and sunglasses); the mean of
two people lies near enough to both that each is taken for the agent. So each face is judged
before it counts, all must be one person's, and enrollment refuses rather than guesses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homeveil import _kernels
from homeveil.errors import EnrollmentError, HomeveilError, PerceptionError
from homeveil.frames import RawFrame
from homeveil.grid import Box, Grid
from homeveil.perceive.observation import Face, Identity, LookRequest
from homeveil.perceive.perceiver import Perceiver
from homeveil.profile.template import FaceTemplate, Profile

MIN_FACES = 5
MIN_SIDE_PIXELS = 48
MIN_SCORE = 0.6
MAX_YAW_DEGREES = 40.0
MIN_YAW_RANGE_DEGREES = 6.0
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 40.0, 225.0
MIN_SHARPNESS = 1.6
"""Mean absolute luma step between neighbouring pixels of a 96-pixel face, grey levels."""

MAX_DISAGREEMENT = 0.45
"""Distance from the mean beyond which a face counts as somebody else's."""

MAX_OUTLIER_SHARE = 0.2
MOST_FACES = 60
MOST_COMPARED = 600
"""Faces that are looked through for copies, each against all others: two minutes of video."""

MIN_DIFFERENCE = 0.02
SAMPLE_SECONDS = 0.2

_ADVICE = {
    "no face": "face the camera",
    "more than one person": "be alone in the picture, without photos or screens behind you",
    "too small": "come nearer to the camera",
    "turned away": "turn towards the camera",
    "too dark": "put light in front of you",
    "too bright": "put less light on your face",
    "blurred": "hold still, and wipe the lens",
    "covered": "take off sunglasses or mask, and keep hands away from your face",
}


@dataclass(slots=True)
class Enrollment:
    """Collects faces; ``finish`` makes the profile."""

    perceiver: Perceiver
    model_sha256: str
    good: list[Identity] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _last_seconds: float = float("-inf")

    def take(self, frame: RawFrame, *, spaced: bool = False) -> str | None:
        """Judge one picture; gives the reason of a refusal, or None when it counts. Raises
        PerceptionError when a look fails.

        spaced: the frames are of videos, one after another; those too close in time are passed
        over.
        """
        if spaced:
            # A time before the last one is that of another video.
            if 0 <= frame.time.seconds - self._last_seconds < SAMPLE_SECONDS:
                return None
            self._last_seconds = frame.time.seconds
        grid = Grid.over(frame.width, frame.height)
        request = LookRequest()
        try:
            observation = self.perceiver.look(frame, grid, request)
        except HomeveilError:
            raise
        except Exception as error:
            # Its text may quote anything.
            raise PerceptionError(
                f"a look failed ({type(error).__name__}); run `homeveil models verify`"
            ) from error
        observation.check(grid, request)
        reason = self._judge(frame, observation.faces, observation.identities)
        if reason is not None:
            self.refused[reason] += 1
        return reason

    def _judge(
        self, frame: RawFrame, faces: tuple[Face, ...], identities: tuple[Identity, ...]
    ) -> str | None:
        sure = [face for face in faces if face.score >= MIN_SCORE and face.confirmed]
        if not sure:
            return "no face"
        if len(sure) > 1:
            return "more than one person"
        box = sure[0].box
        if max(box.width, box.height) < MIN_SIDE_PIXELS:
            return "too small"
        reason = _light(frame, box)
        if reason is not None:
            return reason
        identity = next((one for one in identities if one.face.box == box), None)
        if identity is None:
            return "covered"
        if abs(identity.yaw_degrees) > MAX_YAW_DEGREES:
            return "turned away"
        if covered(frame, box):
            return "covered"
        self.good.append(identity)
        return None

    def finish(self) -> Profile:
        """The profile; raises EnrollmentError with what to do when it would be poor."""
        faces = self._distinct()
        if len(faces) < MIN_FACES:
            raise EnrollmentError(
                f"{len(faces)} good faces of at least {MIN_FACES}{self._why()}"
            )
        embeddings = np.stack([face.embedding for face in faces])
        agree = _of_one_person(embeddings)
        middle = np.median(embeddings[agree], axis=0)
        agree &= np.linalg.norm(embeddings - middle, axis=1) <= MAX_DISAGREEMENT
        if (~agree).mean() > MAX_OUTLIER_SHARE or agree.sum() < MIN_FACES:
            raise EnrollmentError(
                "the faces disagree: more than one person was enrolled from, or the pictures "
                "are too poor; use pictures of the agent alone"
            )
        faces = [face for face, good in zip(faces, agree, strict=True) if good]
        yaws = [face.yaw_degrees for face in faces]
        if max(yaws) - min(yaws) < MIN_YAW_RANGE_DEGREES:
            raise EnrollmentError(
                "all faces look the same way; turn the head a little to both sides while enrolling"
            )
        return self._profile(faces, embeddings[agree])

    def _distinct(self) -> list[Identity]:
        """Faces without near copies, spread over the material."""
        kept: list[Identity] = []
        for face in _spread(self.good, MOST_COMPARED):
            if all(
                np.linalg.norm(face.embedding - other.embedding) > MIN_DIFFERENCE
                for other in kept
            ):
                kept.append(face)
        return _spread(kept, MOST_FACES)

    def _why(self) -> str:
        if not self.refused:
            return "; give more pictures, with the head turned a little differently in each"
        worst, count = self.refused.most_common(1)[0]
        return f"; {count} refused as {worst!r}: {_ADVICE.get(worst, 'take other pictures')}"

    def _profile(self, faces: list[Identity], embeddings: NDArray[np.float32]) -> Profile:
        count = len(embeddings)
        total = embeddings.sum(0)
        without = (total - embeddings) / (count - 1)
        distances = np.linalg.norm(embeddings - without, axis=1)
        # A long video always holds a few odd frames; a handful of stills does not.
        spread = float(distances.max() if count < 20 else np.quantile(distances, 0.95))
        frontal = [face for face in faces if abs(face.yaw_degrees) < 18] or faces
        names = frontal[0].ratios.keys()
        values = {name: np.array([face.ratios[name] for face in frontal]) for name in names}
        return Profile(
            face=FaceTemplate(
                embeddings.mean(0, keepdims=True).astype(np.float32),
                spread,
                count,
                self.model_sha256,
            ),
            ratios={name: float(array.mean()) for name, array in values.items()},
            ratio_spread={name: float(array.std()) for name, array in values.items()},
        )


def enroll(
    frames: Iterable[RawFrame], perceiver: Perceiver, model_sha256: str, *, spaced: bool = False
) -> Profile:
    """Make a profile from frames that show the agent alone.

    spaced: the frames are of videos, of which only some are looked at.
    """
    enrollment = Enrollment(perceiver, model_sha256)
    for frame in frames:
        enrollment.take(frame, spaced=spaced)
    return enrollment.finish()


def _spread(faces: list[Identity], most: int) -> list[Identity]:
    """``most`` of them, evenly; all if they are no more."""
    if len(faces) <= most:
        return faces
    return [faces[i] for i in np.linspace(0, len(faces) - 1, most).astype(int)]


def _of_one_person(embeddings: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, 128) -> (n,): the largest group of faces that are one person's.

    Groups grow from single faces, the nearest two become one, while the faces of each lie on
    average within MAX_DISAGREEMENT of the mean of the other. Whether faces lie near the middle of
    them all says nothing: between two people lies the middle of both.

    Measured on nine people: of 378 mixtures of two, as many faces of each, 92 % made a profile
    that took both for the agent; now none does. Refused are also some 8 % of draws of 6 to 12
    faces of two people who sign with their hands before the face, and of the others none.
    """
    members = np.eye(len(embeddings), dtype=bool)
    while len(members) > 1:
        weights = members / members.sum(1, keepdims=True)
        means = weights @ embeddings
        apart = weights @ np.linalg.norm(embeddings[:, None] - means, axis=2)
        apart = np.maximum(apart, apart.T)
        np.fill_diagonal(apart, np.inf)
        first, second = np.unravel_index(apart.argmin(), apart.shape)
        # Written so that what is no number joins nothing.
        if not apart[first, second] <= MAX_DISAGREEMENT:
            break
        members[first] |= members[second]
        members = np.delete(members, second, axis=0)
    largest: NDArray[np.bool_] = members[members.sum(1).argmax()]
    return largest


def _light(frame: RawFrame, box: Box) -> str | None:
    x, y = box.centre
    half = 0.4 * max(box.width, box.height)
    middle = _kernels.thumbnail(frame, Box(x - half, y - half, x + half, y + half), (96, 96))
    luma = middle.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    brightness = float(luma.mean())
    if brightness < MIN_BRIGHTNESS:
        return "too dark"
    if brightness > MAX_BRIGHTNESS:
        return "too bright"
    steps = np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=0)).mean()
    return "blurred" if float(steps) < MIN_SHARPNESS else None


def covered(frame: RawFrame, box: Box) -> bool:
    """Whether eyes or mouth seem to be covered, from colours alone.

    Sunglasses make the band of the eyes far darker than forehead and cheeks; a mask or a
    hand in glove gives the mouth another colour than the cheeks or, since most masks cover
    these too, than the skin between the eyes. One without colour, as black or white, is not
    told. Measured on 205 faces: at most 0.053 from the cheeks and 0.036 from between the eyes;
    with a blue mask drawn on them, at least 0.030 and 0.159.
    """
    face = _kernels.thumbnail(frame, box, (32, 32)).astype(np.float32)
    forehead, eyes = face[3:8, 10:22], face[10:15, 5:27]
    cheeks = np.concatenate([face[16:20, 5:11], face[16:20, 21:27]], axis=1)
    between_eyes, mouth = face[10:15, 14:18], face[23:29, 10:22]

    def luma(patch: NDArray[np.float32]) -> float:
        return float((patch @ np.array([0.299, 0.587, 0.114], np.float32)).mean())

    def hue(patch: NDArray[np.float32]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = patch.reshape(-1, 3).mean(0)
        return mean / max(float(mean.sum()), 1.0)

    if luma(eyes) < 0.42 * max(luma(forehead), luma(cheeks)):
        return True
    return any(np.abs(hue(mouth) - hue(skin)).max() > 0.07 for skin in (cheeks, between_eyes))
