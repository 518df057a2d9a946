"""Sound files in and out: every kind keeps its length, its times and what is in it."""

from __future__ import annotations

import re
from collections import deque
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clips import cut, make, make_sound_only, take_sound_out, veiled_frame
from homeveil.audio import RawAudio, VeiledAudio
from homeveil.errors import InputError, OutputError
from homeveil.frames import Timestamp
from homeveil.media import _av, sound_track
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.media.sound_timeline import SoundTimeline
from homeveil.media.sound_track import SOUND_MUXERS, SoundFormat
from homeveil.media.writer import SoundWriter, VideoWriter
from homeveil.veil.muting import seal
from homeveil.voice_gate import GAP_SECONDS

SECONDS = 2.0
CLICK = 0.7
"""Where a short tone stands in otherwise silent sound, in seconds."""


def click(rate: int, channels: int = 1, at: float = CLICK, seconds: float = SECONDS) -> np.ndarray:
    """(channels, n): 50 ms of tone at ``at``."""
    samples = np.zeros((channels, round(rate * seconds)), np.float32)
    start, count = round(at * rate), rate // 20
    samples[:, start : start + count] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(count) / rate)
    return samples


def veiled(samples: np.ndarray, rate: int, seconds: float = 0.0) -> VeiledAudio:
    return seal(samples, rate, Timestamp.from_seconds(seconds), 1.0)


def write(path: Path, samples: np.ndarray, rate: int, seconds: float = 0.0) -> Path:
    """A sound file of the package's own writer, in blocks of odd size."""
    with SoundWriter(path, SoundFormat(rate, samples.shape[0])) as writer:
        for at in range(0, samples.shape[1], 1237):
            writer.write(veiled(samples[:, at : at + 1237].copy(), rate, seconds + at / rate))
        writer.commit()
    return path


def read(path: Path, track: int | None = None) -> tuple[np.ndarray, int, float]:
    """All samples placed at their times from the first one on, rate, time of the first."""
    with SoundReader(path, track) as reader:
        blocks = list(reader)
    rate, start = blocks[0].rate, blocks[0].time.seconds
    end = blocks[-1].time.seconds + blocks[-1].seconds
    out = np.zeros((blocks[0].channels, round((end - start) * rate) + 2), np.float32)
    for block in blocks:
        at = round((block.time.seconds - start) * rate)
        out[:, at : at + block.samples.shape[1]] = block.samples
    return out, rate, start


def onset(samples: np.ndarray, rate: int, start: float = 0.0) -> float:
    """Seconds of the middle of what is loud."""
    loud = np.flatnonzero(np.abs(samples[0]) > 0.2)
    return float(loud[0] + loud[-1]) / 2 / rate + start


MIDDLE = CLICK + 0.025


@pytest.mark.parametrize("suffix", sorted(SOUND_MUXERS))
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_every_kind_of_sound_file_keeps_its_times(tmp_path: Path, suffix: str, rate: int) -> None:
    """Length and place of a tone survive writing and reading within 10 ms."""
    path = write(tmp_path / f"a{suffix}", click(rate), rate)
    samples, found, start = read(path)
    assert onset(samples, found, start) == pytest.approx(MIDDLE, abs=0.01)
    assert start + samples.shape[1] / found == pytest.approx(SECONDS, abs=0.06)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".flac", ".mka", ".ogg", ".opus"])
def test_channels_are_kept(tmp_path: Path, suffix: str, channels: int) -> None:
    """As many come out as went in."""
    samples, _, _ = read(write(tmp_path / f"a{suffix}", click(48_000, channels), 48_000))
    assert samples.shape[0] == channels


@pytest.mark.parametrize("suffix", sorted({*SOUND_MUXERS} - {".mp3"}))
def test_three_channels_stay_what_they_were(tmp_path: Path, suffix: str) -> None:
    """Each of three comes out where it went in, and whole."""
    times = np.arange(48_000) / 48_000
    tones = [0.3 * np.sin(2 * np.pi * hertz * times) for hertz in (300, 500, 700)]
    samples, rate, _ = read(write(tmp_path / f"a{suffix}", np.array(tones, np.float32), 48_000))
    power = np.abs(np.fft.rfft(samples[:, : rate // 2], axis=1))
    assert (power.argmax(axis=1) * 2).tolist() == [300, 500, 700]
    assert power.max(axis=1) == pytest.approx(power.max(), rel=0.2)


def test_a_video_holds_three_channels(tmp_path: Path) -> None:
    """Also one whose sound is Opus."""
    for suffix in (".webm", ".mp4"):
        path = tmp_path / f"a{suffix}"
        with VideoWriter(
            path, width=64, height=48, time_base=Fraction(1, 1000), frame_rate=Fraction(10),
            sound=SoundFormat(48_000, 3),
        ) as writer:  # fmt: skip
            writer.write(veiled_frame(0, Fraction(1, 1000)))
            writer.write_sound(veiled(click(48_000, 3), 48_000))
            writer.commit()
        assert read(path)[0].shape[0] == 3


def test_plain_samples_are_kept_exactly(tmp_path: Path) -> None:
    """A wav file holds what was written, to 16 bits."""
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, (2, 32_000)).astype(np.float32)
    samples, rate, _ = read(write(tmp_path / "a.wav", sound, 44_100))
    assert rate == 44_100
    assert np.abs(samples[:, : sound.shape[1]] - sound).max() < 1 / 32_000


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_picture_and_sound_keep_step(tmp_path: Path, suffix: str, rate: int) -> None:
    """In a file of both, sound stands where it stood, to a fraction of a frame."""
    path = tmp_path / f"a{suffix}"
    with VideoWriter(
        path, width=64, height=48, time_base=Fraction(1, 1000), frame_rate=Fraction(10),
        sound=SoundFormat(rate, 1),
    ) as writer:  # fmt: skip
        sound = click(rate)
        for number in range(20):
            writer.write(veiled_frame(number * 100, Fraction(1, 1000)))
            part = sound[:, number * rate // 10 : (number + 1) * rate // 10]
            writer.write_sound(veiled(part.copy(), rate, number / 10))
        writer.commit()
    samples, found, start = read(path)
    assert onset(samples, found, start) == pytest.approx(MIDDLE, abs=0.012)
    with VideoReader(path) as reader:
        times = [frame.time.seconds for frame in reader]
    assert times == pytest.approx([n / 10 for n in range(20)], abs=0.002)


def test_gaps_become_silence_and_overlaps_are_left_out(tmp_path: Path) -> None:
    """Sound after a hole keeps its time; samples that would come twice come once."""
    rate = 16_000
    path = tmp_path / "a.wav"
    with SoundWriter(path, SoundFormat(rate, 1)) as writer:
        ones = np.full((1, rate), 0.5, np.float32)
        writer.write(veiled(ones, rate, 0.0))
        writer.write(veiled(ones, rate, 1.5))
        writer.write(veiled(ones * 0.5, rate, 2.0))
        writer.commit()
    samples, _, _ = read(path)
    assert samples[0, : rate - 1].min() > 0.4
    assert not samples[0, rate + 10 : round(1.49 * rate)].any()
    assert samples[0, round(1.51 * rate) : round(2.49 * rate)].min() > 0.4
    assert samples[0, round(2.51 * rate) : round(2.99 * rate)].max() < 0.3


def test_silence_for_a_gap_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps by years, in one step or in many, is told and fills no disk."""
    for step, most in ((1.7e9, 86_400), (50.0, 90)):
        monkeypatch.setattr(sound_track, "_MOST_PAUSE_SECONDS", most)
        with SoundWriter(tmp_path / "a.flac", SoundFormat(8_000, 1)) as writer:
            blocks = [veiled(click(8_000), 8_000, number * step) for number in range(3)]
            with pytest.raises(OutputError, match="more than a day"):
                deque(map(writer.write, blocks))
    assert not list(tmp_path.iterdir())


def spans_of(starts: list[float]) -> list[float]:
    """Where unbroken sound begins and ends, of half a second decoded at each of these times."""
    timeline, rate = SoundTimeline("clip"), 16_000
    spans: list[tuple[float, float]] = []

    def take(blocks: list[RawAudio]) -> None:
        for block in blocks:
            assert block.seconds <= 0.6
            begin, end = block.time.seconds, block.time.seconds + block.seconds
            if spans and abs(begin - spans[-1][1]) <= GAP_SECONDS:
                begin, _ = spans.pop()
            spans.append((begin, end))

    for start in starts:
        frame = av.AudioFrame.from_ndarray(
            np.full((1, rate // 2), 9000, np.int16), format="s16", layout="mono"
        )
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate)
        take(timeline.place([frame]))
    take(timeline.finish())
    return [round(at, 3) for span in spans for at in span]


def test_gaps_are_kept_and_a_step_back_is_a_splice() -> None:
    """A gap of whatever length stays one. Where the clock jumps back, times go on, after a
    gap that closes the gate, and later ones with them."""
    found = spans_of([0.0, 0.5, 5000.0, 5000.5, 20.0, 20.5])
    assert found == [0, 1, 5000, 5001, 5001.05, 5002.05]
    assert spans_of([0.0, 0.5, 7.0]) == [0, 1, 7, 7.5]
    assert spans_of([0.0, 7.0, 7.5, 9.0, 9.5]) == [0, 0.5, 7, 8, 9, 10]


def test_one_time_far_ahead_moves_no_other_sound() -> None:
    """A single damaged one: all that comes later keeps its place beside the picture."""
    assert spans_of([0.0, 0.5, 5000.0, 1.5, 2.0]) == [0, 2.5]
    assert spans_of([0.0, 0.5, 31.0, 1.5, 2.0, 40.0, 3.0]) == [0, 3.5]
    assert spans_of([0.0, 0.5, 2.1, 2.6]) == [0, 1, 2.1, 3.1]


def test_another_form_in_mid_stream_is_converted(tmp_path: Path) -> None:
    """A track holds one rate: sound that changes to another one keeps its length."""
    path = tmp_path / "a.wav"
    with SoundWriter(path, SoundFormat(16_000, 1)) as writer:
        writer.write(veiled(np.full((1, 16_000), 0.5, np.float32), 16_000, 0.0))
        writer.write(veiled(click(48_000, 2, at=0.2, seconds=1.0), 48_000, 1.0))
        writer.commit()
    samples, rate, _ = read(path)
    assert rate == 16_000
    loud = np.flatnonzero(np.abs(samples[0, 16_500:]) > 0.2) + 16_500
    assert (loud[0] + loud[-1]) / 2 / rate == pytest.approx(1.225, abs=0.01)


def test_one_of_several_tracks_is_read(tmp_path: Path) -> None:
    """Tracks are counted from 0; one that is not there is an error."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=16_000, layout="mono") for _ in range(2)]
        for stream, at in zip(streams, (0.3, 1.2), strict=True):
            data = (click(16_000, at=at) * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    for track, at in ((None, 0.3), (0, 0.3), (1, 1.2)):
        samples, rate, start = read(path, track)
        assert onset(samples, rate, start) == pytest.approx(at + 0.025, abs=0.01)
    with pytest.raises(InputError, match="no sound track 2"):
        SoundReader(path, 2)
    # Of what nobody here can decode, the next one is taken; asked for by its number, it is told of.
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_FLAX", 1))
    samples, rate, start = read(path)
    assert onset(samples, rate, start) == pytest.approx(1.225, abs=0.01)
    with pytest.raises(InputError, match="no decoder for its sound"):
        SoundReader(path, 0)


def test_bad_inputs_are_told_plainly(tmp_path: Path) -> None:
    """A file without sound, no file, and no media are errors that name the file and say what to
    do."""
    silent = make(tmp_path / "silent.mp4")
    junk = tmp_path / "junk.wav"
    junk.write_bytes(b"no sound at all")
    empty = tmp_path / "empty.wav"
    empty.touch()
    lost = cut(make(tmp_path / "whole.mp4", sound=True), tmp_path / "cut.mp4", 0.7)
    for path, words in (
        (silent, "no sound in it; give a recording with sound"),
        (tmp_path / "none.wav", "no such file; check the name"),
        (junk, r"can be read .*; give a recording"),
        (empty, "is empty; give a recording"),
        (tmp_path, "is a directory; give a recording"),
        (lost, "cut off and its index is gone .*; record it again"),
    ):
        with pytest.raises(InputError, match=f"{re.escape(str(path))}: .*{words}"):
            list(SoundReader(path))


LISTS = {
    "in.wav": "ffconcat version 1.0\nfile {}\n",
    "in.mp4": "ffconcat version 1.0\nfile {}\n",
    "in.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
}
"""Files that name another one."""


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("reader", [SoundReader, VideoReader])
def test_a_file_that_names_another_is_refused(tmp_path: Path, reader: type, name: str) -> None:
    """A list of files, whatever it is called, opens none of them."""
    other = make(tmp_path / "other.mp4", sound=True)
    for path in (other.name, str(other)):
        listed = tmp_path / name
        listed.write_text(LISTS[name].format(path))
        with pytest.raises(InputError, match="a playlist or another list of files is none"):
            reader(listed)
    reader(other).close()


def test_every_kind_that_is_read_is_one_file() -> None:
    """FFmpeg knows each, and reads each from the one file that is opened for it."""
    kinds = set(_av.KINDS.split(","))
    assert not {"concat", "dash", "hls", "imf", "sdp", "vobsub"} & kinds
    assert {name for name in kinds if av.ContainerFormat(name, "r").no_file} == {"image2"}


def test_the_name_of_a_picture_is_no_pattern(tmp_path: Path) -> None:
    """A picture whose name would fit others is read alone."""
    for name, level in (("a%d.jpg", 40), ("a0.jpg", 200), ("a1.jpg", 200), ("[ab]*.jpg", 40)):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        packets = encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None)
        (tmp_path / name).write_bytes(b"".join(bytes(packet) for packet in packets))
    for name in ("a%d.jpg", "[ab]*.jpg"):
        with VideoReader(tmp_path / name) as reader:
            (frame,) = reader
        assert frame.planes[0].mean() < 60


def test_unknown_names_and_unfinished_files_leave_nothing(tmp_path: Path) -> None:
    """A suffix of no sound file is refused, and without commit nothing is left."""
    with pytest.raises(OutputError, match="unknown kind"):
        SoundWriter(tmp_path / "a.txt", SoundFormat(16_000, 1))
    with SoundWriter(tmp_path / "a.wav", SoundFormat(16_000, 1)) as writer:
        writer.write(veiled(click(16_000), 16_000))
    assert not list(tmp_path.iterdir())
    source = write(tmp_path / "in.wav", click(16_000), 16_000)
    with pytest.raises(OutputError, match="input itself"):
        SoundWriter(source, SoundFormat(16_000, 1), source)


def test_a_cut_file_gives_what_it_holds(tmp_path: Path) -> None:
    """Damage in mid-file costs what is damaged, no error and no endless loop."""
    whole = make_sound_only(tmp_path / "whole.mp4")
    data = bytearray(write(tmp_path / "a.mka", click(48_000), 48_000).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    broken = tmp_path / "broken.mka"
    broken.write_bytes(data)
    with SoundReader(broken) as reader:
        blocks = list(reader)
    assert sum(block.seconds for block in blocks) > 0.5
    with SoundReader(whole) as reader:
        assert all(isinstance(block, RawAudio) for block in reader)


def test_sound_that_is_announced_and_never_comes_is_none(tmp_path: Path) -> None:
    """The picture is read without it."""
    clip = make(tmp_path / "a.ts", times=[0, 20], options={"bf": "0"}, sound=True)
    with VideoReader(clip) as reader:
        assert reader.has_audio
    take_sound_out(clip)
    with VideoReader(clip) as reader:
        assert not reader.has_audio
        assert len(list(reader)) == 2
    with pytest.raises(InputError, match="no sound in it"):
        SoundReader(clip)
