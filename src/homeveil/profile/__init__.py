"""The agent's profile: what the agent looks and sounds like in numbers, in an encrypted file.

template    FaceTemplate, Profile: frozen values, checked when made
voice       VoiceTemplate, likewise
desk        DeskTemplate, likewise
store       save, load and erase the file; read a passphrase
"""

from homeveil.profile.desk import DeskTemplate
from homeveil.profile.store import (
    PASSPHRASE_VARIABLE,
    erase_profile,
    load_profile,
    read_passphrase,
    save_profile,
)
from homeveil.profile.template import EMBEDDING_SIZE, FaceTemplate, Profile
from homeveil.profile.voice import VoiceTemplate

__all__ = [
    "EMBEDDING_SIZE",
    "PASSPHRASE_VARIABLE",
    "DeskTemplate",
    "FaceTemplate",
    "Profile",
    "VoiceTemplate",
    "erase_profile",
    "load_profile",
    "read_passphrase",
    "save_profile",
]
