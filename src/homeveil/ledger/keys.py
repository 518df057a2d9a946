"""The key with which this installation signs its ledgers (Ed25519, RFC 8032).

It is made when first needed and kept in the user's state folder, readable by its owner alone.
Whoever reads it can sign as this installation; its public half tells ledgers of this
installation from others.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from homeveil.errors import LedgerError
from homeveil.installation import own_secret, state_folder


def key_path() -> Path:
    """Where the key is kept."""
    return state_folder() / "ledger_key.pem"


def installation_key() -> Ed25519PrivateKey:
    """The key, made now if there is none. Raises LedgerError."""
    path = key_path()
    data = own_secret(path, "ledger key", _make, LedgerError)
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise LedgerError(f"{path}: is no key; move it away, a new one will be made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path}: is no Ed25519 key; move it away, a new one will be made")
    return key


def _make() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_hex(key: Ed25519PublicKey) -> str:
    """The public half, 64 hex digits."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()


def public_key(text: str) -> Ed25519PublicKey:
    """A public key from 64 hex digits. Raises LedgerError."""
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise LedgerError(
            f"{text[:80]!r} is no public key; give the 64 digits that `homeveil ledger key` prints"
        ) from error
