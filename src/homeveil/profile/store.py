"""The profile file: encrypted, authenticated, written whole or not at all.

Layout (big-endian), 45 bytes of header, then the ciphertext with its 16-byte tag::

    6  magic "HVPROF"      1  scrypt log2(n)     16  salt
    2  format version      2  scrypt r           12  nonce
                           2  scrypt p            4  length of ciphertext and tag

The key comes from the passphrase by scrypt (RFC 7914), the cipher is AES-256-GCM with the
header as associated data. The content is canonical JSON with base64 arrays; nothing in it
can name code.
"""

from __future__ import annotations

import base64
import datetime
import getpass
import json
import os
import stat
import struct
import unicodedata
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from homeveil.errors import PassphraseError, ProfileError, UsageError
from homeveil.files import open_regular, path_of, sync_folder, write_whole
from homeveil.profile.desk import DeskTemplate
from homeveil.profile.template import FaceTemplate, Profile
from homeveil.profile.voice import SpeakerTemplate, VoiceTemplate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PASSPHRASE_VARIABLE = "HOMEVEIL_PASSPHRASE"

FORMAT_VERSION = 1

_MAGIC = b"HVPROF"
_HEADER = struct.Struct(">6sHBHH16s12sI")
_TAG_BYTES = 16
_MAX_FILE_BYTES = 4 << 20
# A profile may come from anybody: what it may cost to open is bounded before scrypt runs.
_MAX_SCRYPT_BYTES = 128 << 20
_MAX_SCRYPT_P = 4
_MIN_SCRYPT_LOG2_N = 14
_MAX_PASSPHRASE_BYTES = 4096
_OVERWRITE_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before the ciphertext; all of it is authenticated."""

    salt: bytes
    nonce: bytes
    length: int
    log2_n: int = 15
    r: int = 8
    p: int = 1

    def encode(self) -> bytes:
        return _HEADER.pack(
            *(_MAGIC, FORMAT_VERSION, self.log2_n, self.r, self.p),
            *(self.salt, self.nonce, self.length),
        )


def save_profile(
    path: str | Path, profile: Profile, passphrase: str, *, overwrite: bool = False
) -> None:
    """Encrypt a profile into a file for its owner alone (mode 0600; on Windows, whatever
    the folder grants). Refuses to replace a file unless ``overwrite``; then what a link leads
    to is replaced, lest the old profile stand there on.

    ProfileError if the file exists or cannot be written.
    """
    path = path_of(path, "profile")
    if not isinstance(profile, Profile):
        raise UsageError(f"profile is {type(profile).__name__}; give a Profile")
    payload = _encode_payload(profile)
    header = _Header(os.urandom(16), os.urandom(12), len(payload) + _TAG_BYTES)
    associated = header.encode()
    sealed = _cipher(header, passphrase).encrypt(header.nonce, payload, associated)
    try:
        target = _place(path) if overwrite else path
        write_whole(target, associated + sealed, overwrite=overwrite)
    except FileExistsError:
        raise ProfileError(
            f"{path}: exists already; give another name or ask to overwrite"
        ) from None
    except OSError as error:
        raise ProfileError(f"{path}: profile cannot be written ({error.strerror})") from error


def check_place(path: Path) -> None:
    """Raise ProfileError where no profile can be saved, or something else would be lost for it."""
    try:
        if path.exists():
            with open(path, "rb", opener=open_regular) as file:
                begin = file.read(len(_MAGIC))
            if begin not in (_MAGIC, b""):
                raise ProfileError(f"{path}: is no profile and is left alone; give another name")
        folder = _place(path).parent
        if not folder.is_dir():
            raise ProfileError(f"{path}: no directory {folder}; make it first")
    except OSError as error:
        raise ProfileError(
            f"{path}: no profile can be there ({error.strerror}); give another name"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ProfileError(f"{path}: no permission to write into {folder}")


def load_profile(path: str | Path, passphrase: str) -> Profile:
    """Open a profile.

    PassphraseError if the passphrase is wrong or the content was changed; ProfileError if
    the file is no profile, is of an unknown version, cut short, asks for more memory than
    it may, or holds what no profile holds.
    """
    path = path_of(path, "profile")
    data = _read(path)
    header = _decode_header(path, data)
    from cryptography.exceptions import InvalidTag

    try:
        payload = _cipher(header, passphrase).decrypt(
            header.nonce, data[_HEADER.size :], data[: _HEADER.size]
        )
    except InvalidTag:
        raise PassphraseError(
            f"{path}: the passphrase is wrong, or the profile was changed; try again, or "
            "enroll again"
        ) from None
    return _content(path, payload)


def _content(path: Path, payload: bytes) -> Profile:
    """The profile in what was encrypted. Raises ProfileError."""
    try:
        return _decode_payload(payload)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        # The text of these errors may quote the content: only its kind is told.
        raise ProfileError(
            f"{path}: the profile's content is malformed ({type(error).__name__}); enroll again"
        ) from None


@dataclass(frozen=True, slots=True)
class LockedProfile:
    """A profile still encrypted, and what opens it: for a process that must not hold it
    open itself."""

    path: Path
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        # Text is taken for a path everywhere else, too.
        object.__setattr__(self, "path", path_of(self.path, "profile"))

    def open(self) -> Profile:
        """:func:`load_profile`."""
        return load_profile(self.path, self.passphrase)


def desk_of(profile: Profile | LockedProfile | None) -> DeskTemplate | None:
    """The enrolled desk alone: the zone and its clean look, nothing of a person. None if there
    is none. Raises what :func:`load_profile` raises."""
    opened = profile.open() if isinstance(profile, LockedProfile) else profile
    return opened.desk if opened is not None else None


def encode_profile(profile: Profile) -> bytes:
    """An open profile as bytes, NOT encrypted: for a pipe to another process of ours."""
    return _encode_payload(profile)


def decode_profile(payload: bytes) -> Profile:
    """What :func:`encode_profile` gave."""
    return _decode_payload(payload)


def erase_profile(path: str | Path) -> None:
    """Overwrite a profile with noise and remove it.

    What this cannot promise: flash storage, journaling or copy-on-write file systems,
    snapshots, backups and cloud folders may keep the old blocks, and other copies and
    hard links' names are not found. There the protection is the encryption: forget the
    passphrase. Refuses (ProfileError) anything that is not a profile file, so that a
    mistyped path costs nothing.
    """
    path = path_of(path, "profile")
    if os.path.islink(path):
        raise ProfileError(f"{path}: is a link; give the path of the profile itself")
    if _read(path)[: len(_MAGIC)] != _MAGIC:
        raise ProfileError(f"{path}: not a homeveil profile; it was left alone")
    try:
        with path.open("r+b", buffering=0) as file:
            remaining = os.fstat(file.fileno()).st_size
            while remaining > 0:
                remaining -= file.write(os.urandom(min(remaining, _OVERWRITE_BLOCK)))
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise ProfileError(f"{path}: profile cannot be erased ({error.strerror})") from error


def read_passphrase(
    env: str = PASSPHRASE_VARIABLE,
    file: str | Path | None = None,
    *,
    prompt: bool = True,
    confirm: bool = False,
) -> str:
    """The passphrase from a file, else from the environment, else from the terminal.

    A file must not be readable for others (POSIX modes); one line end at its end is taken
    off. ``confirm`` asks twice at the terminal. ProfileError if there is none, if it is
    empty, or if it would be shown while typed.
    """
    if file is not None:
        return _check_passphrase(_passphrase_file(Path(file)), str(file))
    value = os.environ.get(env)
    if value is not None:
        return _check_passphrase(value, f"environment variable {env}")
    if not prompt:
        raise ProfileError(f"no passphrase: set {env} or give a passphrase file")
    value = _check_passphrase(_ask("Passphrase: "), "the terminal")
    if confirm and _ask("The same again: ") != value:
        raise ProfileError("the two passphrases differ; nothing was done")
    return value


def _cipher(header: _Header, passphrase: str) -> AESGCM:
    # Imported when used: `import homeveil` must not pay for a cryptography library.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # Keyboards and systems compose accents differently; NFC makes them one.
    secret = unicodedata.normalize("NFC", _check_passphrase(passphrase, "the caller"))
    try:
        derivation = Scrypt(
            salt=header.salt, length=32, n=1 << header.log2_n, r=header.r, p=header.p
        )
        return AESGCM(derivation.derive(secret.encode()))
    except (ValueError, MemoryError) as error:
        raise ProfileError("profile: the key cannot be derived on this machine") from error


def _decode_header(path: Path, data: bytes) -> _Header:
    if data[: len(_MAGIC)] != _MAGIC:
        raise ProfileError(f"{path}: not a homeveil profile")
    if len(data) < _HEADER.size:
        raise ProfileError(f"{path}: the profile is cut short; restore it or enroll again")
    _, version, log2_n, r, p, salt, nonce, length = _HEADER.unpack_from(data)
    if version != FORMAT_VERSION:
        raise ProfileError(
            f"{path}: profile format {version} is unknown to this release, which knows "
            f"{FORMAT_VERSION}; update homeveil or enroll again"
        )
    if not (
        _MIN_SCRYPT_LOG2_N <= log2_n < 32
        and r >= 1
        and log2_n < 16 * r  # scrypt knows no others
        and 1 <= p <= _MAX_SCRYPT_P
        and 128 * r * (1 << log2_n) <= _MAX_SCRYPT_BYTES
    ):
        raise ProfileError(
            f"{path}: the profile asks for scrypt n=2^{log2_n}, r={r}, p={p}, which homeveil "
            "never writes and will not compute; the file is damaged or hostile"
        )
    if length != len(data) - _HEADER.size or length < _TAG_BYTES:
        raise ProfileError(
            f"{path}: the profile is cut short or has a tail; restore it or enroll again"
        )
    return _Header(salt, nonce, length, log2_n, r, p)


def _encode_payload(profile: Profile) -> bytes:
    document = {
        "version": profile.version,
        "created_utc": profile.created_utc.isoformat(),
        "face": None if profile.face is None else _encode_face(profile.face),
        "ratios": dict(profile.ratios),
        "ratio_spread": dict(profile.ratio_spread),
        "voice": None if profile.voice is None else _encode_voice(profile.voice),
    }
    if profile.desk is not None:
        document["desk"] = _encode_desk(profile.desk)
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def _encode_face(face: FaceTemplate) -> dict[str, object]:
    return {
        "templates": _encode_array(face.templates),
        "spread": face.spread,
        "embeddings_used": face.embeddings_used,
        "model_sha256": face.model_sha256,
    }


def _encode_voice(voice: VoiceTemplate) -> dict[str, object]:
    table: dict[str, object] = {
        "template": _encode_array(voice.template),
        "own": _encode_array(voice.own),
        "seconds": voice.seconds,
        "recordings": voice.recordings,
        "model_sha256": voice.model_sha256,
    }
    if voice.speaker is not None:
        table["speaker"] = {
            "template": _encode_array(voice.speaker.template),
            "spread": _encode_array(voice.speaker.spread),
            "model_sha256": voice.speaker.model_sha256,
        }
    return table


def _encode_desk(desk: DeskTemplate) -> dict[str, object]:
    return {
        "polygon": [list(point) for point in desk.polygon],
        "shape": list(desk.clean.shape),
        "uint8": base64.b64encode(desk.clean.tobytes()).decode(),
    }


def _encode_array(values: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, object]:
    return {
        "shape": list(values.shape),
        "float32": base64.b64encode(values.astype("<f4").tobytes()).decode(),
    }


def _decode_payload(payload: bytes) -> Profile:
    document = json.loads(
        payload.decode("ascii"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
    )
    if isinstance(document, dict):
        document.setdefault("desk", None)  # profiles made before desks were known
    _expect_keys(
        document, "version", "created_utc", "face", "ratios", "ratio_spread", "voice", "desk"
    )
    for name in ("ratios", "ratio_spread"):
        if not isinstance(document[name], dict):
            raise ValueError(name)
    face, voice, desk = document["face"], document["voice"], document["desk"]
    return Profile(
        face=None if face is None else _decode_face(face),
        ratios=document["ratios"],
        ratio_spread=document["ratio_spread"],
        created_utc=datetime.date.fromisoformat(document["created_utc"]),
        voice=None if voice is None else _decode_voice(voice),
        desk=None if desk is None else _decode_desk(desk),
        version=document["version"],
    )


def _decode_face(value: object) -> FaceTemplate:
    table = _expect_keys(value, "templates", "spread", "embeddings_used", "model_sha256")
    return FaceTemplate(**{**table, "templates": _decode_array(table["templates"])})


def _decode_voice(value: object) -> VoiceTemplate:
    if isinstance(value, dict):
        value.setdefault("speaker", None)  # profiles made without a speaker model
    keys = ("template", "own", "seconds", "recordings", "model_sha256", "speaker")
    table = _expect_keys(value, *keys)
    read: dict[str, object] = {name: _decode_array(table[name]) for name in ("template", "own")}
    if table["speaker"] is not None:
        read["speaker"] = _decode_speaker(table["speaker"])
    return VoiceTemplate(**{**table, **read})


def _decode_speaker(value: object) -> SpeakerTemplate:
    table = _expect_keys(value, "template", "spread", "model_sha256")
    arrays = {name: _decode_array(table[name]) for name in ("template", "spread")}
    return SpeakerTemplate(**{**table, **arrays})


def _decode_desk(value: object) -> DeskTemplate:
    table = _expect_keys(value, "polygon", "shape", "uint8")
    raw = np.frombuffer(base64.b64decode(table["uint8"], validate=True), np.uint8)
    polygon = tuple((float(x), float(y)) for x, y in table["polygon"])
    return DeskTemplate(polygon, raw.reshape(_shape(table["shape"])))


def _shape(value: object) -> list[int]:
    if not isinstance(value, list) or any(type(size) is not int or size < 0 for size in value):
        raise ValueError("shape")
    return value


def _decode_array(value: object) -> np.ndarray[Any, np.dtype[np.float32]]:
    table = _expect_keys(value, "shape", "float32")
    shape = _shape(table["shape"])
    raw = base64.b64decode(table["float32"], validate=True)
    return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(shape)


def _expect_keys(table: object, *keys: str) -> dict[str, Any]:
    if not isinstance(table, dict) or set(table) != set(keys):
        raise ValueError("keys")
    return table


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("the same key twice")
    return table


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError("number that is not finite")


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path}: profile cannot be read ({error.strerror})") from error
    if len(data) > _MAX_FILE_BYTES:
        raise ProfileError(f"{path}: too large for a homeveil profile")
    return data


def _place(path: Path) -> Path:
    """Where a file of this name lies: ``path``, or what it leads to."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _check_passphrase(value: str, origin: str) -> str:
    if not value:
        raise ProfileError(f"empty passphrase from {origin}; give one")
    if not isinstance(value, str):
        raise ProfileError(f"the passphrase from {origin} is {type(value).__name__}; give text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ProfileError(f"the passphrase from {origin} is not valid text") from None
    return value


def _passphrase_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
                raise ProfileError(
                    f"{path}: others may read this passphrase file; run `chmod 600` on it"
                )
            data = file.read(_MAX_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path}: passphrase cannot be read ({error.strerror})") from error
    if len(data) > _MAX_PASSPHRASE_BYTES:
        raise ProfileError(f"{path}: too long for a passphrase")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProfileError(f"{path}: the passphrase is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _ask(question: str) -> str:
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass would echo what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(question)
    except (EOFError, getpass.GetPassWarning):
        raise ProfileError(
            f"no terminal to ask for a passphrase; set {PASSPHRASE_VARIABLE} or give a "
            "passphrase file"
        ) from None
