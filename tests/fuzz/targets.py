"""What is fed with arbitrary bytes: each takes them or raises an error of its own, nothing else.

A target is given the bytes of one input. Whatever it raises is a finding.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from homeveil.errors import (
    InputError,
    IsolationError,
    LedgerError,
    ModelError,
    PolicyError,
    ProfileError,
)
from homeveil.isolation.messages import SIZE, decode, encode
from homeveil.ledger.verify import verify
from homeveil.models.manifest import load_manifest
from homeveil.policy import Policy
from homeveil.profile import store

_MOST_FRAMES, _MOST_BLOCKS = 8, 24
_SMALL = 512 * 512
PASSPHRASE = "secret"


@functools.cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path



def container(data: bytes) -> None:
    """A media file, read for its picture and, if it has any, its sound."""
    from homeveil.media.reader import VideoReader
    from homeveil.media.sound_reader import SoundReader

    path = _file("input", data)
    with contextlib.suppress(InputError), VideoReader(path) as reader:
        assert min(reader.width, reader.height) > 0
        before = None
        for frame in islice(reader, _MOST_FRAMES if reader.width * reader.height < _SMALL else 1):
            assert before is None or frame.time.seconds > before
            before = frame.time.seconds
    with contextlib.suppress(InputError), SoundReader(path) as sound:
        for block in islice(sound, _MOST_BLOCKS):
            assert block.samples.ndim == 2


def feed(data: bytes) -> None:
    """What the process that holds a camera sends, to the decoded picture and sound."""
    from homeveil.media.feed import FeedReader, Kind
    from homeveil.media.feed_decoder import FeedPictures, FeedSound

    reading, writing = os.pipe()
    sender = threading.Thread(target=_send, args=(writing, data))
    sender.start()
    with contextlib.suppress(InputError):
        reader = FeedReader(reading)
        if reader.picture.width * reader.picture.height < _SMALL:
            pictures = FeedPictures(reader.picture, Path("camera"))
            sound = FeedSound(reader.sound, Path("camera")) if reader.sound else None
            for packet in islice(reader, _MOST_BLOCKS):
                if packet.kind is Kind.PICTURE:
                    for frame in pictures.decode(packet):
                        assert min(frame.width, frame.height) > 0
                elif sound is not None:
                    for block in sound.decode(packet):
                        assert block.samples.ndim == 2
            pictures.finish()
    os.close(reading)
    sender.join()


def _send(handle: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(handle, data) :]
    os.close(handle)


def profile(data: bytes) -> None:
    """What is inside a profile's encryption, which whoever knows the passphrase can write."""
    with contextlib.suppress(ProfileError):
        store._content(Path("agent"), data)


def sealed_profile(data: bytes) -> None:
    """A profile file."""
    with contextlib.suppress(ProfileError):
        store.load_profile(_file("sealed", data), PASSPHRASE)


def policy(data: bytes) -> None:
    """A policy file; what is accepted survives the way to the isolated process."""
    path = _file("policy.toml", data)
    try:
        found = Policy.from_toml(path)
    except PolicyError:
        return
    assert Policy.from_document(found.to_document(), path).digest() == found.digest()


def manifest(data: bytes) -> None:
    """A list of models; no name in it leads out of the store."""
    path = _file("manifest.toml", data)
    try:
        found = load_manifest(path)
    except ModelError:
        return
    names = [model.file_name for model in found.models] + [one.file for one in found.bundled]
    for name in (*names, *(carrier.file for carrier in found.carriers)):
        assert ".." not in name.split("/")
        assert not name.startswith("/")


def ledger(data: bytes) -> None:
    """A ledger."""
    with contextlib.suppress(LedgerError):
        verify(_file("ledger", data))


def message(data: bytes) -> None:
    """What the isolated process sends; what is accepted has one form."""
    padded = data[:SIZE].ljust(SIZE, b"\0") if len(data) % 2 else data
    try:
        found = decode(padded)
    except IsolationError:
        return
    assert encode(found) == padded


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (container, feed, profile, sealed_profile, policy, manifest, ledger, message)
}
