"""What the further keys of the voice gate go by: speech at all, and the user's own model.

It only observes; what follows from it decides ``clear.keys``. Each window of the speaker
model and each chunk of Silero's lies at a fixed place in the stream, so that block sizes
cannot change a result.
"""

from __future__ import annotations

from dataclasses import dataclass

from homeveil.models.purposes import SPEAKER_PURPOSE, SPEECH_PURPOSE
from homeveil.models.store import LoadedModels
from homeveil.perceive.sound_features import Array
from homeveil.perceive.speaker import SpeakerNetwork, SpeakerStream
from homeveil.perceive.speech import SileroNetwork, SpeechStream
from homeveil.policy import Policy, SpeechKey
from homeveil.profile.voice import VoiceTemplate


@dataclass(frozen=True, slots=True)
class KeyModels:
    """What a policy's keys listen with. speech: whether speech is looked for at all."""

    speech: bool = False
    silero: SileroNetwork | None = None
    speaker: SpeakerNetwork | None = None

    @classmethod
    def of(cls, policy: Policy, loaded: LoadedModels) -> KeyModels | None:
        """Those that a policy asks for, or None. Raises ModelError."""
        silero = speaker = None
        if SPEECH_PURPOSE in loaded.data:
            silero = SileroNetwork(loaded.data[SPEECH_PURPOSE])
        if SPEAKER_PURPOSE in loaded.data:
            speaker = SpeakerNetwork(loaded.data[SPEAKER_PURPOSE])
        speech = policy.speech_key is not SpeechKey.OFF
        return cls(speech, silero, speaker) if speech or speaker else None


class KeyStream:
    """Listens to one channel at 16 kHz for the keys."""

    def __init__(self, models: KeyModels, voice: VoiceTemplate) -> None:
        self._speech = SpeechStream(models.silero)
        self._told = models.speech
        self._speaker: SpeakerStream | None = None
        if models.speaker is not None and voice.speaker is not None:
            self._speaker = SpeakerStream(models.speaker, voice.speaker.template)

    def push(self, samples: Array) -> tuple[Array, Array]:
        """Take (n,) samples. -> (k,) probability of speech of the frames now known, (j,)
        likeness of the speaker model's windows now whole; without a key it stays empty."""
        speech = self._speech.push(samples)
        likeness = speech[:0]
        if self._speaker is not None:
            likeness = self._speaker.push(samples, self._speech.spoken)
        return speech if self._told else speech[:0], likeness
