"""The agent's profile: what the agent looks like in numbers, in an encrypted file.

template    FaceTemplate, Profile: frozen values, checked when made
store       save, load and erase the file; read a passphrase
"""

from homeveil.profile.store import (
    PASSPHRASE_VARIABLE,
    erase_profile,
    load_profile,
    read_passphrase,
    save_profile,
)
from homeveil.profile.template import EMBEDDING_SIZE, FaceTemplate, Profile

__all__ = [
    "EMBEDDING_SIZE",
    "PASSPHRASE_VARIABLE",
    "FaceTemplate",
    "Profile",
    "erase_profile",
    "load_profile",
    "read_passphrase",
    "save_profile",
]
