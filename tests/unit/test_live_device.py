"""A camera and a microphone of this machine, as far as one without either can show."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxes import needs_models
from homeveil.errors import InputError
from homeveil.live.board import Cause
from homeveil.media import device
from homeveil.media.feed import FeedReader, FeedWriter
from homeveil.media.feed_decoder import FeedPictures
from homeveil.media.live_source import LiveSource, SourceKind
from live import session, shot, until


def test_pictures_of_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What OpenCV gives, here of a file in the place of a camera, arrives as it was; the end is a
    camera that was lost."""
    place = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(place, cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(6):
        writer.write(np.full((48, 64, 3), 40 + 10 * number, np.uint8))
    writer.release()
    monkeypatch.setattr(device, "_open", lambda source: cv2.VideoCapture(source.place))
    reading, writing = os.pipe()
    said: list[str] = []

    def feed() -> None:
        with pytest.raises(InputError) as error:
            device.feed_device(LiveSource(SourceKind.DEVICE, place), FeedWriter(writing))
        said.append(str(error.value))
        os.close(writing)

    thread = threading.Thread(target=feed)
    thread.start()
    reader = FeedReader(reading)
    assert (reader.picture.width, reader.picture.height) == (64, 48)
    pictures = FeedPictures(reader.picture, Path(place))
    frames = []
    with contextlib.suppress(InputError):
        for packet in reader:
            frames += pictures.decode(packet)
    thread.join()
    os.close(reading)
    assert "stopped giving pictures" in said[0]
    # The first one said how large they are.
    levels = [float(frame.planes[0].mean()) for frame in frames]
    assert levels == pytest.approx([16 + (40 + 10 * n) * 219 / 255 for n in range(1, 6)], abs=3)
    times = [frame.time.seconds for frame in frames]
    assert times == sorted(times)


@needs_models
def test_a_device_that_is_not_there() -> None:
    with session(shot("/dev/video77")) as (_, memory, board):
        until(lambda: memory.frames and board.status.detail)
        assert board.status.cause is Cause.NO_CAMERA
        assert "/dev/video77: cannot be opened; check that the camera" in board.status.detail
        assert all(frame.fault for frame in memory.frames)


_LISTEN = """
import sys, time
from homeveil.media.device import open_microphone
parts = []
with open_microphone("default", lambda kind, data, at: parts.append((kind, data, at))):
    while len(parts) < 20:
        time.sleep(0.01)
assert all(kind.name == "SOUND" for kind, _, _ in parts)
assert abs(parts[0][2] - time.monotonic()) < 60
sys.stdout.buffer.write(b"".join(data for _, data, _ in parts[:20]))
"""


def test_sound_of_a_microphone(tmp_path: Path) -> None:
    """PortAudio and ALSA for real, with a file in the place of a sound card."""
    pytest.importorskip("sounddevice", exc_type=OSError)
    tone = np.sin(np.arange(96_000) * 2 * np.pi * 440 / device.SOUND_RATE).astype("<f4") * 0.3
    (tmp_path / "tone.raw").write_bytes(tone.astype("<f4").tobytes())
    (tmp_path / ".asoundrc").write_text(
        "pcm.!default { type file slave.pcm null file /dev/null format raw "
        f"infile {tmp_path / 'tone.raw'} }}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _LISTEN],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    heard = np.frombuffer(done.stdout, "<f4")
    assert np.allclose(heard, tone[: heard.size], atol=1e-6)
    assert heard.size == 20 * 960


def test_a_microphone_that_is_not_there() -> None:
    pytest.importorskip("sounddevice", exc_type=OSError)
    with pytest.raises(InputError, match="cannot be opened"):
        device.open_microphone("no such thing", lambda kind, data, at: None)
