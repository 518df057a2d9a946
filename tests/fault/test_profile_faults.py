"""Profiles that were cut, changed or made by somebody hostile."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homeveil.errors import PassphraseError, ProfileError
from homeveil.profile import FaceTemplate, Profile, load_profile, save_profile
from homeveil.profile import store as profile_store

HEADER = 45


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a good profile under the passphrase "secret"."""
    path = tmp_path_factory.mktemp("profile") / "agent"
    templates = np.random.default_rng(5).normal(size=(1, 128)).astype(np.float32)
    save_profile(path, Profile(FaceTemplate(templates, 0.3, 5, "cd" * 32)), "secret")
    return path.read_bytes()


@pytest.mark.parametrize("length", [0, 3, 6, 20, HEADER - 1, HEADER, HEADER + 15, HEADER + 16, -1])
def test_cut_profile(saved: bytes, tmp_path: Path, length: int) -> None:
    """A profile cut anywhere is refused before a key is derived."""
    path = tmp_path / "agent"
    path.write_bytes(saved[:length])
    with pytest.raises(ProfileError) as caught:
        load_profile(path, "secret")
    assert not isinstance(caught.value, PassphraseError)


def test_profile_with_a_tail(saved: bytes, tmp_path: Path) -> None:
    """Bytes after the end are refused."""
    path = tmp_path / "agent"
    path.write_bytes(saved + b"x")
    with pytest.raises(ProfileError, match="tail"):
        load_profile(path, "secret")


def test_every_flipped_header_byte_and_a_sample_of_the_rest(saved: bytes, tmp_path: Path) -> None:
    """No byte of the file can be changed without the profile being refused."""
    path = tmp_path / "agent"
    body = range(HEADER, len(saved), max(1, (len(saved) - HEADER) // 20))
    for position in (*range(HEADER), *body, len(saved) - 1):
        data = bytearray(saved)
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.raises(ProfileError):
            load_profile(path, "secret")
    path.write_bytes(saved)
    load_profile(path, "secret")


@pytest.mark.parametrize(
    ("log2_n", "r", "p"),
    [
        *((31, 8, 1), (255, 8, 1), (15, 65535, 1), (15, 8, 65535), (15, 0, 1), (15, 8, 0)),
        *((0, 8, 1), (16, 1, 1), (20, 1, 4)),
    ],
)
def test_hostile_cost_is_refused_without_paying_it(
    saved: bytes, tmp_path: Path, log2_n: int, r: int, p: int
) -> None:
    """A file that asks for much memory or time is refused before scrypt starts."""
    path = tmp_path / "agent"
    path.write_bytes(saved[:8] + struct.pack(">BHH", log2_n, r, p) + saved[13:])
    # Said only by the check of the header; key derivation, had it begun, fails otherwise.
    with pytest.raises(ProfileError, match="will not compute"):
        load_profile(path, "secret")


def test_largest_cost_that_passes_is_bounded() -> None:
    """What the header may ask for stays within 128 MiB."""
    assert profile_store._MAX_SCRYPT_BYTES == 128 << 20


def test_unknown_format_version(saved: bytes, tmp_path: Path) -> None:
    """A later format says so instead of blaming the passphrase."""
    path = tmp_path / "agent"
    path.write_bytes(saved[:6] + b"\0\2" + saved[8:])
    with pytest.raises(ProfileError, match="update homeveil"):
        load_profile(path, "secret")


def test_endless_file_and_pipe(tmp_path: Path) -> None:
    """Neither a device without end nor a pipe without a writer hangs or fills the memory."""
    if os.name != "posix":
        pytest.skip("POSIX devices")
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(ProfileError, match="cannot be read"):
            load_profile(path, "secret")
    (tmp_path / "large").write_bytes(b"HVPROF" + bytes(5 << 20))
    with pytest.raises(ProfileError, match="too large"):
        load_profile(tmp_path / "large", "secret")


def _seal(tmp_path: Path, payload: bytes) -> Path:
    """A file with any content, rightly encrypted: what a holder of the passphrase can make."""
    header = profile_store._Header(bytes(16), bytes(12), len(payload) + 16)
    cipher = profile_store._cipher(header, "secret")
    path = tmp_path / "agent"
    path.write_bytes(header.encode() + cipher.encrypt(bytes(12), payload, header.encode()))
    return path


def _changed(saved: bytes, keys: tuple[str, ...], value: Any) -> bytes:
    """The payload of a good profile with one value replaced (or removed, for Ellipsis)."""
    header = saved[:HEADER]
    salt, nonce = header[13:29], header[29:41]
    cipher = profile_store._cipher(profile_store._Header(salt, nonce, 0), "secret")
    document = json.loads(cipher.decrypt(nonce, saved[HEADER:], header))
    table = document
    for key in keys[:-1]:
        table = table[key]
    if value is ...:
        del table[keys[-1]]
    else:
        table[keys[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), 99),
        (("created_utc",), "yesterday"),
        (("created_utc",), 5),
        (("face", "spread"), float("nan")),
        (("face", "spread"), float("inf")),
        (("face", "spread"), "0.3"),
        (("face", "spread"), 10**400),
        (("face", "embeddings_used"), 1.5),
        (("face", "model_sha256"), None),
        (("face", "templates", "shape"), [2, 128]),
        (("face", "templates", "shape"), [128]),
        (("face", "templates", "shape"), [-1, 128]),
        (("face", "templates", "float32"), "AAAA"),
        (("face", "templates", "float32"), "AADAfw==" * 128),
        (("face", "templates", "float32"), 7),
        (("face", "templates"), []),
        (("face",), ...),
        (("face", "picture"), "iVBORw0KGgo="),
        (("ratios",), [1.0]),
        (("ratios",), {"head": 1.0}),
        (("voice",), "text"),
        (("voice",), {"template": 1}),
        (("face",), None),
        (("extra",), {}),
    ],
)
def test_content_that_no_profile_has(
    saved: bytes, tmp_path: Path, keys: tuple[str, ...], value: Any
) -> None:
    """Broken numbers, shapes, types and unknown keys are refused behind the encryption too."""
    path = _seal(tmp_path, _changed(saved, keys, value))
    with pytest.raises(ProfileError, match="agent") as caught:
        load_profile(path, "secret")
    assert not isinstance(caught.value, PassphraseError)


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[" * 100_000, b'{"a":1,"a":2}', b"\xff", b"9" * 10_000]
)
def test_payload_that_is_no_document(tmp_path: Path, payload: bytes) -> None:
    """Anything but the JSON of a profile is a ProfileError, however deep it nests."""
    with pytest.raises(ProfileError, match="malformed"):
        load_profile(_seal(tmp_path, payload), "secret")


_KILLED = """
import os, signal, sys
import numpy as np
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import scrypt
from homeveil.profile import FaceTemplate, Profile, save_profile
profile = Profile(FaceTemplate(np.ones((1, 128), np.float32), 0.3, 5, "cd" * 32))
left, begun = int(sys.argv[2]), False
def count(event, arguments):
    global left
    if begun and event in ("open", "os.link", "os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
begun = True
save_profile(sys.argv[1], profile, "secret")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_first_save_killed_at_any_instant_leaves_all_or_nothing(tmp_path: Path) -> None:
    """Before each thing that it does to files: the name is free, or stands for the whole profile,
    so that the next try can begin or need not."""
    for instant in range(1000):
        path = tmp_path / f"{instant}.veil"
        words = [sys.executable, "-c", _KILLED, str(path), str(instant)]
        status = subprocess.run(words, check=False).returncode
        assert not path.exists() or load_profile(path, "secret").face.embeddings_used == 5
        if status != -signal.SIGKILL:
            break
    assert status == 0
    assert instant >= 3


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_save_leaves_old_or_new(saved: bytes, tmp_path: Path) -> None:
    """A process killed while it saves over and over never leaves a broken profile."""
    path = tmp_path / "agent"
    path.write_bytes(saved)
    code = (
        "import sys; from homeveil.profile import load_profile, save_profile\n"
        "profile = load_profile(sys.argv[1], 'secret'); print('ready', flush=True)\n"
        "while True: save_profile(sys.argv[1], profile, 'secret', overwrite=True)\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        before = path.stat().st_ino
        while path.stat().st_ino == before:
            pass  # until the first new file has taken the place
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert load_profile(path, "secret").face.embeddings_used == 5
