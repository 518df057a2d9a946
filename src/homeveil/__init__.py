"""homeveil: only the enrolled agent and an empty room leave the camera.

    import homeveil

    profile = homeveil.load_profile("agent.veil", passphrase)
    report = homeveil.redact("in.mp4", "out.mp4", profile=profile)

or, for frames of one's own:

    with homeveil.Redactor(profile) as redactor:
        raw = homeveil.frame_from_array(picture, "bgr", seconds)
        for veiled in redactor.process(raw):
            show(homeveil.array_from_frame(veiled, "bgr"))
        for veiled in redactor.flush():
            show(homeveil.array_from_frame(veiled, "bgr"))

and the same for sound:

    with homeveil.VoiceGate(profile) as gate:
        for veiled in gate.process(homeveil.audio_from_array(samples, rate, seconds)):
            play(veiled.samples)
        for veiled in gate.flush():
            play(veiled.samples)

Events say what lies on the desk, without a picture:

    with homeveil.DeskEvents(["events.jsonl"], policy.desk) as events:
        homeveil.redact("in.mp4", "out.mp4", profile=profile, policy=policy, events=events)

Importing this package loads no model, opens no device and imports no codec.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from homeveil.errors import (
    EnrollmentError,
    EventError,
    FrameError,
    HomeveilError,
    InputError,
    IsolationError,
    LedgerError,
    MediaError,
    ModelError,
    OutputError,
    PassphraseError,
    PerceptionError,
    PolicyError,
    ProfileError,
    UsageError,
)

if TYPE_CHECKING:
    from homeveil.audio import RawAudio, VeiledAudio, audio_from_array
    from homeveil.clear.lips import LipsKey
    from homeveil.desk.times import Live, Recorded
    from homeveil.desk_events import DeskEvents
    from homeveil.desk_rules import DeskItem, DeskRules, Severity
    from homeveil.frames import PixelFormat, RawFrame, Timestamp, VeiledFrame
    from homeveil.isolation import Isolate
    from homeveil.pictures import array_from_frame, frame_from_array
    from homeveil.policy import Lips, ModelFile, Muted, Policy, Sound, SpeechKey, Style
    from homeveil.profile.store import LockedProfile, erase_profile, load_profile, save_profile
    from homeveil.profile.template import Profile
    from homeveil.redaction import Progress, redact
    from homeveil.redactor import Redactor
    from homeveil.report import Report, SoundReport, Span
    from homeveil.voice_gate import VoiceGate

_HOMES = {
    "DeskEvents": "homeveil.desk_events",
    "DeskItem": "homeveil.desk_rules",
    "DeskRules": "homeveil.desk_rules",
    "Isolate": "homeveil.isolation",
    "Lips": "homeveil.policy",
    "LipsKey": "homeveil.clear.lips",
    "Live": "homeveil.desk.times",
    "LockedProfile": "homeveil.profile.store",
    "ModelFile": "homeveil.policy",
    "Muted": "homeveil.policy",
    "PixelFormat": "homeveil.frames",
    "Policy": "homeveil.policy",
    "Profile": "homeveil.profile.template",
    "Progress": "homeveil.redaction",
    "RawAudio": "homeveil.audio",
    "RawFrame": "homeveil.frames",
    "Recorded": "homeveil.desk.times",
    "Redactor": "homeveil.redactor",
    "Report": "homeveil.report",
    "Severity": "homeveil.desk_rules",
    "Sound": "homeveil.policy",
    "SoundReport": "homeveil.report",
    "Span": "homeveil.report",
    "SpeechKey": "homeveil.policy",
    "Style": "homeveil.policy",
    "Timestamp": "homeveil.frames",
    "VeiledAudio": "homeveil.audio",
    "VeiledFrame": "homeveil.frames",
    "VoiceGate": "homeveil.voice_gate",
    "array_from_frame": "homeveil.pictures",
    "audio_from_array": "homeveil.audio",
    "erase_profile": "homeveil.profile.store",
    "frame_from_array": "homeveil.pictures",
    "load_profile": "homeveil.profile.store",
    "redact": "homeveil.redaction",
    "save_profile": "homeveil.profile.store",
}

__all__ = [
    "DeskEvents",
    "DeskItem",
    "DeskRules",
    "EnrollmentError",
    "EventError",
    "FrameError",
    "HomeveilError",
    "InputError",
    "Isolate",
    "IsolationError",
    "LedgerError",
    "Lips",
    "LipsKey",
    "Live",
    "LockedProfile",
    "MediaError",
    "ModelError",
    "ModelFile",
    "Muted",
    "OutputError",
    "PassphraseError",
    "PerceptionError",
    "PixelFormat",
    "Policy",
    "PolicyError",
    "Profile",
    "ProfileError",
    "Progress",
    "RawAudio",
    "RawFrame",
    "Recorded",
    "Redactor",
    "Report",
    "Severity",
    "Sound",
    "SoundReport",
    "Span",
    "SpeechKey",
    "Style",
    "Timestamp",
    "UsageError",
    "VeiledAudio",
    "VeiledFrame",
    "VoiceGate",
    "array_from_frame",
    "audio_from_array",
    "erase_profile",
    "frame_from_array",
    "load_profile",
    "redact",
    "save_profile",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'homeveil' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
