"""The key with which this installation signs its ledgers (Ed25519, RFC 8032).

It is made when first needed and kept in the user's state folder, readable by its owner alone.
Whoever reads it can sign as this installation; its public half tells ledgers of this
installation from others.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from homeveil.errors import LedgerError


def key_path() -> Path:
    """Where the key is kept."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "homeveil" / "ledger_key.pem"


def installation_key() -> Ed25519PrivateKey:
    """The key, made now if there is none. Raises LedgerError."""
    path = key_path()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    except OSError as error:
        raise LedgerError(f"{path}: the ledger key cannot be read ({error.strerror})") from error
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise LedgerError(f"{path}: others may read the ledger key; run `chmod 600` on it")
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise LedgerError(f"{path}: is no key; move it away, a new one will be made") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path}: is no Ed25519 key; move it away, a new one will be made")
    return key


def _make(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            # Two first runs at once: the first key to stand is everybody's.
            os.link(part, path)
        finally:
            os.unlink(part)
    except FileExistsError:
        return installation_key()
    except OSError as error:
        raise LedgerError(f"{path}: the ledger key cannot be made ({error.strerror})") from error
    return key


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
