"""Voice enrollment: from recordings of the agent alone to a template, or a refusal.

A template from poor material lowers what the agent must reach to be known, and with it
the wall before everybody else (copies with noise mixed in let 6.4 s a minute of a visitor
through, clean ones none; ``models/target_voice/README.md``). So recordings are judged, and
the finished template is tried on them before it counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from homeveil._kernels import Verdict
from homeveil.audio import RawAudio, is_sound
from homeveil.clear.gate import ChannelGate, rule_of
from homeveil.errors import EnrollmentError
from homeveil.models.purposes import SPEAKER_PURPOSE
from homeveil.perceive.hearing import (
    Listener,
    VoiceModels,
    load_voice_models,
)
from homeveil.perceive.sound_features import (
    BANDS,
    HOP,
    SAMPLE_RATE_HZ,
    Array,
    FrameStream,
    Resampler,
)
from homeveil.perceive.speech import SpeechDetector
from homeveil.perceive.voices import BLOCK, VoiceEmbeddings, template_from
from homeveil.policy import Policy, Sound
from homeveil.profile.voice import SLOTS, SpeakerTemplate, VoiceTemplate

MIN_SPEECH_SECONDS = 20.0
MIN_RECORDING_SECONDS = 3.0
"""Net speech below which one recording tells too little to be judged."""

MAX_SECONDS = 600.0
"""Of each recording, more is not read."""

MAX_CLIPPED_SHARE = 0.002
MIN_SIGNAL_TO_NOISE_DB = 15.0
MIN_OWN_SHARE = 0.7
MIN_AGREEMENT = 0.88
"""Cosine of a recording's mean embedding to that of the others together, below which it may be
somebody else's (figures in ``models/target_voice/README.md``)."""

MIN_PAIR_AGREEMENT = 0.8
"""The same between any two: half of the recordings may be another's."""

_HEARD = -0.6  # mean of the scaled log bands above which a frame holds sound
_SPEECH_RANGE_DB = 30.0
_NOISE_RANGE_DB = 50.0
"""What lies further below the speech is no noise of the room: silence put there, or a gate."""
_PAUSE_FRAMES = 150
_CLIP_LEVEL, _CLIP_RUN = 0.985, 3
_CLIP_QUANTILE = 0.99
"""The level that clips is where pieces have their peaks, but for the highest hundredth: a click
may stand above it."""
_CLIP_PIECE = 1024
_FAINTEST_PEAK = 0.001
_SEPARATE_BELOW, _SEPARATE_SHARE = 0.77, 0.04
"""Two voices: groups less alike than this, the smaller of at least this share."""

_ADVICE = {
    "too little speech": "speak for at least half a minute, about anything",
    "clipped": "turn the microphone down, or move away from it, and record again",
    "too much noise": "record in a quiet room, near the microphone",
    "the same as another": "give each recording once",
    "more than one voice, or music": "record alone, with television, music and loudspeaker off",
}

_ONE_VOICE = "enroll from recordings of the agent alone, best of one microphone"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording, measured.

    samples: 16 kHz mono. embeddings: (n, SLOTS, 256). heard: (n,) frames loud enough for
    the template. speech: (n,) frames of speech.
    """

    label: str
    samples: Array = field(repr=False)
    embeddings: Array = field(repr=False)
    heard: NDArray[np.bool_] = field(repr=False)
    speech: NDArray[np.bool_] = field(repr=False)
    clipped_share: float
    signal_to_noise_db: float

    @property
    def speech_seconds(self) -> float:
        """Net speech, its short pauses included."""
        return float(_bridged(self.speech).sum()) * HOP / SAMPLE_RATE_HZ

    @property
    def voiced(self) -> Array:
        """(m, SLOTS, 256): embeddings of the frames that count, once windows of full age
        are open."""
        skip = BLOCK * SLOTS
        return self.embeddings[skip:][self.heard[skip:]]

    def fault(self) -> str | None:
        """Why it cannot be enrolled from, or None."""
        if self.speech_seconds < MIN_RECORDING_SECONDS:
            return "too little speech"
        if self.clipped_share > MAX_CLIPPED_SHARE:
            return "clipped"
        if self.signal_to_noise_db < MIN_SIGNAL_TO_NOISE_DB:
            return "too much noise"
        return "more than one voice, or music" if self.several_voices() else None

    def several_voices(self) -> bool:
        """Whether its windows of 1.2 s fall into two groups too far apart for one voice.

        Measured on LibriSpeech: none of 167 readers alone is refused; of 400 random pairs
        93 % where both speak as long, 91 % where the second speaks a tenth of the time.
        """
        ends = np.arange(SLOTS * BLOCK + BLOCK - 1, len(self.speech), BLOCK)
        ends = ends[[bool(self.speech[end - 110 : end].mean() > 0.6) for end in ends]]
        if len(ends) < 4:
            return False
        nearness, share = _two_groups(self.embeddings[ends, -1])
        return nearness < _SEPARATE_BELOW and share >= _SEPARATE_SHARE


@dataclass(slots=True)
class VoiceEnrollment:
    """Collects recordings; ``finish`` makes the template.

    models: those of monitor mode; a template serves every mode. With a speaker model of the
    user's own among them the template holds what that says, too.
    """

    models: VoiceModels
    good: list[Recording] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def with_models_of(cls, policy: Policy) -> VoiceEnrollment:
        """With the models a policy names. Raises ModelError."""
        return cls(load_voice_models(replace(policy, sound=Sound.MONITOR)))

    def take(self, blocks: Iterable[RawAudio], label: str) -> str | None:
        """Judge one recording; gives the reason of a refusal, or None when it counts."""
        recording = self.measure(blocks, label)
        reason = recording.fault()
        if any(np.array_equal(recording.samples, other.samples) for other in self.good):
            reason = "the same as another"
        if reason is None:
            self.good.append(recording)
        else:
            self.refused.append((label, reason))
        return reason

    def measure(self, blocks: Iterable[RawAudio], label: str) -> Recording:
        """Listen to one recording."""
        parts: list[Array] = []
        clipping = _Clipping()
        seconds = 0.0
        resampler: Resampler | None = None
        rate = 0
        for block in blocks:
            if resampler is None or block.rate != rate:
                if resampler is not None:
                    parts.append(resampler.finish())
                resampler, rate = Resampler(block.rate), block.rate
            if not is_sound(block.samples):
                raise EnrollmentError(
                    f"{label}: holds samples that are no numbers, or far beyond full scale; "
                    "record it again"
                )
            clipping.take(block.samples)
            parts.append(resampler.push(block.samples.mean(0, dtype=np.float32)))
            seconds += block.seconds
            if seconds >= MAX_SECONDS:
                break
        if resampler is not None:
            parts.append(resampler.finish())
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        frames = FrameStream().push(samples)
        heard = frames.sound[:, :BANDS].mean(1) > _HEARD
        speech = SpeechDetector().frames(samples, len(frames))
        ratio = 0.0
        if heard.any():
            loud = frames.level_db[heard]
            speech &= frames.level_db > np.quantile(loud, 0.95) - _SPEECH_RANGE_DB
            ratio = _signal_to_noise(frames.level_db, float(np.quantile(loud, 0.7)), speech)
        else:
            speech[:] = False
        embeddings = VoiceEmbeddings(self.models.embedding).push(frames.mel)
        return Recording(label, samples, embeddings, heard, speech, clipping.share, ratio)

    def finish(self) -> VoiceTemplate:
        """The template; raises EnrollmentError with what to do when it would be poor."""
        speech = sum(one.speech_seconds for one in self.good)
        if speech < MIN_SPEECH_SECONDS:
            raise EnrollmentError(
                f"{speech:.0f} s of clear speech of at least {MIN_SPEECH_SECONDS:.0f}{self._why()}"
            )
        self._require_one_voice()
        voice = self.template(self.good)
        for one in self.good:
            if not self.own_share(one, voice) >= MIN_OWN_SHARE:
                reason = "more than one voice, or music"
                raise EnrollmentError(f"{one.label}: {reason}; {_ADVICE[reason]}")
        return voice

    def _require_one_voice(self) -> None:
        """Raises EnrollmentError when one recording may be somebody else's than the others."""
        if len(self.good) < 2:
            return
        good = self.good
        likeness = [
            self.agreement(one, [other for other in good if other is not one]) for one in good
        ]
        pairs = [self.agreement(one, [other]) for one, other in itertools.combinations(good, 2)]
        # Written so that what is no number refuses, too.
        if all(one >= MIN_AGREEMENT for one in likeness) and all(
            pair >= MIN_PAIR_AGREEMENT for pair in pairs
        ):
            return
        if len(good) == 2:
            raise EnrollmentError(
                f"{good[0].label} and {good[1].label} sound like two people; {_ONE_VOICE}"
            )
        odd = good[int(np.argmin(likeness))]
        raise EnrollmentError(
            f"{odd.label}: sounds like somebody else than the other recordings; leave it out, or "
            f"{_ONE_VOICE}"
        )

    def template(self, recordings: list[Recording]) -> VoiceTemplate:
        """A template from recordings as they are; ``finish`` is what checks it."""
        speech = sum(one.speech_seconds for one in recordings)
        template, own = template_from([one.voiced for one in recordings])
        return VoiceTemplate(
            template,
            own,
            round(speech, 1),
            len(recordings),
            self.models.sha256["voice_embedding"],
            self._speaker(recordings),
        )

    def _speaker(self, recordings: list[Recording]) -> SpeakerTemplate | None:
        """By the speaker model of the user's own, if there is one."""
        if self.models.keys is None or self.models.keys.speaker is None:
            return None
        from homeveil.perceive.speaker import speaker_template, windows_of

        network = self.models.keys.speaker
        windows = [windows_of(one.samples, network) for one in recordings]
        return speaker_template(windows, self.models.sha256[SPEAKER_PURPOSE])

    def agreement(self, recording: Recording, others: list[Recording]) -> float:
        """Cosine between the mean embeddings, oldest window, of one and of the others; 0 where
        there is nothing to compare."""

        def mean(recordings: list[Recording]) -> Array:
            frames: Array = np.concatenate([one.voiced[:, -1] for one in recordings])
            total: Array = frames.sum(0)
            return total / (np.linalg.norm(total) + 1e-6)

        return float(mean([recording]) @ mean(others))

    def own_share(self, recording: Recording, voice: VoiceTemplate) -> float:
        """Share of a recording's speech that a gate with this template lets through."""
        listener = Listener(SAMPLE_RATE_HZ, voice, replace(self.models, keys=None))
        gate = ChannelGate(rule_of(Policy()))
        verdicts = gate.take(listener.push(recording.samples))
        verdicts += gate.take(listener.finish()) + gate.finish()
        opened = np.array([verdict is Verdict.OPEN for verdict, _ in verdicts])
        speech = recording.heard[: len(opened)]
        return float(opened[: len(speech)][speech].mean()) if speech.any() else 0.0

    def _why(self) -> str:
        if not self.refused:
            return f"; {_ADVICE['too little speech']}"
        label, reason = self.refused[0]
        return f"; {label} was refused: {reason}; {_ADVICE[reason]}"


def _bridged(speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Speech with the pauses inside it that are short."""
    found = np.flatnonzero(speech)
    out = speech.copy()
    for left, right in itertools.pairwise(found):
        if right - left <= _PAUSE_FRAMES:
            out[left:right] = True
    return out


def _two_groups(embeddings: Array) -> tuple[float, float]:
    """Cosine between the means of two groups, begun from the pair least alike, and the
    share of the smaller (k-means on the sphere)."""
    unit = embeddings / (np.linalg.norm(embeddings, axis=1, keepdims=True) + 1e-6)
    alike = unit @ unit.T
    first, second = (unit[i] for i in np.unravel_index(alike.argmin(), alike.shape))
    near = np.ones(len(unit), bool)
    for _ in range(12):
        near = unit @ first > unit @ second
        if near.all() or not near.any():
            return 1.0, 0.0
        first, second = unit[near].mean(0), unit[~near].mean(0)
        first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    return float(first @ second), float(min(near.mean(), 1 - near.mean()))


def _signal_to_noise(level_db: Array, loud_db: float, speech: NDArray[np.bool_]) -> float:
    """Decibels from the noise between words to ``loud_db``. What lies before, behind and in long
    pauses does not count, nor what is too faint to be this room's: there may be anything."""
    within = level_db[_bridged(speech) & (level_db > loud_db - _NOISE_RANGE_DB)]
    return loud_db - float(np.quantile(within, 0.1)) if len(within) else 0.0


class _Clipping:
    """Finds samples in flat runs at full scale or at the recording's own peak: what was turned
    down after it clipped is as poor. What was then coded with loss is not found."""

    def __init__(self) -> None:
        self._total = 0
        self._found: dict[int, list[tuple[float, int]]] = {}

    def take(self, samples: Array) -> None:
        """The next block (channels, n)."""
        self._total += samples.size
        for at in range(0, samples.shape[1], _CLIP_PIECE):
            for number, channel in enumerate(np.abs(samples[:, at : at + _CLIP_PIECE])):
                peak = float(channel.max())
                high = channel >= _CLIP_LEVEL * min(peak, 1.0)
                edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]])))
                lengths = edges[1::2] - edges[::2]
                count = int(lengths[lengths >= _CLIP_RUN].sum())
                self._found.setdefault(number, []).append((peak, count))

    @property
    def share(self) -> float:
        """Of all samples, all channels."""
        clipped = 0
        for found in self._found.values():
            level = float(np.quantile([peak for peak, _ in found], _CLIP_QUANTILE))
            level = max(_FAINTEST_PEAK, _CLIP_LEVEL * min(level, 1.0))
            clipped += sum(count for peak, count in found if peak >= level)
        return clipped / self._total if self._total else 0.0
