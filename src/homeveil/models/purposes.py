"""What models are for: the names that the manifest, a policy and a report give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from homeveil.errors import ModelError
from homeveil.policy import Policy, Sound, SpeechKey

PICTURE_PURPOSES = (
    "face_detection_full",
    "face_detection_short",
    "people_mask_wide",
    "people_mask_square",
    "face_landmarks",
    "face_embedding",
    "body_pose",
)
"""Models that redaction cannot start without."""

EMBEDDING_PURPOSE = "voice_embedding"
TARGET_PURPOSES: Mapping[Sound, str] = {
    Sound.MONITOR: "target_voice_monitor",
    Sound.CALL: "target_voice_call",
}
VOICE_PURPOSES = (EMBEDDING_PURPOSE, *TARGET_PURPOSES.values())
"""Models that the voice gate needs: the first and that of its mode."""

SPEAKER_PURPOSE, SPEECH_PURPOSE = KEY_PURPOSES = ("speaker", "speech")
"""Models that a policy can ask for in addition: the user's own, and Silero's."""

DESK_PURPOSES = ("desk_items", "desk_change", "desk_detector")
"""What the desk is watched with: our own networks, and one the user may add."""


_KNOWN = (*PICTURE_PURPOSES, *VOICE_PURPOSES, *KEY_PURPOSES, *DESK_PURPOSES)


def check_purposes(purposes: Iterable[str]) -> None:
    """Raise ModelError for the first purpose that nothing has: a policy that misspells the name
    of a further key must not run without it."""
    for purpose in purposes:
        if purpose not in _KNOWN:
            raise ModelError(
                f"policy: no model has the purpose {purpose!r}; purposes: {', '.join(_KNOWN)}"
            )


def key_purposes(policy: Policy) -> tuple[str, ...]:
    """Those of KEY_PURPOSES that a policy asks for."""
    asked = {
        SPEAKER_PURPOSE: SPEAKER_PURPOSE in policy.models,
        SPEECH_PURPOSE: policy.speech_key is SpeechKey.SILERO,
    }
    return tuple(purpose for purpose in KEY_PURPOSES if asked[purpose])
