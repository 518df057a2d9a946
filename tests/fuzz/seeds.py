"""Makes the corpus that the search starts from: small good inputs of every target.

    cd tests && python -m fuzz.seeds
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from clips import copy_with, make, make_sound_only
from homeveil.media.capture import capture
from homeveil.media.feed import FeedWriter
from homeveil.media.live_source import read_source
from homeveil.models.manifest import manifest_path
from homeveil.profile import FaceTemplate, Profile, VoiceTemplate, store
from homeveil.profile.store import encode_profile
from ledgers import written
from property.test_isolation_messages import GOOD, encode

HERE = Path(__file__).parent

POLICY = """\
style = "fill"
fill_colour = [1, 2, 3]
accept_distance = 0.4
lookahead_seconds = 0.0
sound = "call"
strict_voice = true
muted = "comfort"

[desk]
permitted = ["mug"]
polygon = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0]]

[models.face_embedding]
path = "m.onnx"
sha256 = "00"
"""


def main() -> int:
    """Write them; 0."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for suffix, codec, options in (
            (".mp4", "libx264", {}), (".mkv", "libx264", {"g": "2"}), (".avi", "mjpeg", {}),
            (".webm", "libvpx", {}), (".mov", "mpeg4", {}),
        ):  # fmt: skip
            layout = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            path = work / f"clip{suffix}"
            make(path, codec=codec, pixel_format=layout, size=(32, 16), times=[0, 100, 200],
                 options=options, sound=suffix == ".mkv")  # fmt: skip
            put("container", suffix[1:], path.read_bytes())
        put("container", "sound", make_sound_only(work / "s.m4a").read_bytes())
        for name in ("clip.mkv", "clip.mov"):
            put("feed", name[5:], _fed(work / name))
        turned = copy_with(work / "clip.mov", work / "turned.mov", turn=(90, False, True))
        put("feed", "turned", _fed(turned))
        put("ledger", "day", written(work / "l.jsonl", 25).read_bytes())
    rows = np.eye(1, 128, dtype=np.float32)
    windows = np.eye(3, 256, dtype=np.float32)
    voice = VoiceTemplate(windows, np.ones(3, np.float32), 20, 1, "cd" * 32)
    profile = Profile(FaceTemplate(rows, 0.3, 5, "ef" * 32), {"a": 1.0}, {"a": 0.1}, voice=voice)
    inside = encode_profile(profile)
    put("profile", "both", inside)
    header = store._Header(bytes(16), bytes(12), len(inside) + 16, log2_n=14, r=1)
    cipher = store._cipher(header, "secret")
    sealed = cipher.encrypt(header.nonce, inside, header.encode())
    put("sealed_profile", "both", header.encode() + sealed)
    put("policy", "full", POLICY.encode())
    put("manifest", "ours", manifest_path().read_bytes())
    for number, message in enumerate(GOOD):
        put("message", f"{number}-{type(message).__name__.lower()}", encode(message))
    return 0


def _fed(path: Path) -> bytes:
    """A file as the process that holds it feeds it."""
    reading, writing = os.pipe()
    parts: list[bytes] = []

    def read() -> None:
        while part := os.read(reading, 65536):
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    capture(read_source(str(path), realtime=True), FeedWriter(writing))
    os.close(writing)
    reader.join()
    os.close(reading)
    return b"".join(parts)


def put(target: str, name: str, data: bytes) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
