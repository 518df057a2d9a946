"""The GStreamer elements in real pipelines: what leaves them, and that nothing raw does."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

import clips
import homeveil
from commands import PASSPHRASE, Run
from faults import found
from homeveil.frames import Colour, PixelFormat, RawFrame, Timestamp
from homeveil.gstreamer import plugin_folder
from homeveil.gstreamer.pictures import NANOSECOND
from homeveil.media.reader import VideoReader
from homeveil.policy import Policy, Sound, Style
from homeveil.redactor import Redactor
from homeveil.voice_gate import VoiceGate
from pipelines import environment, frames, launch, missing, pads, sabotage, still, times, totals
from voices import AGENT_FIRST, CHILD_ALONE, EXAMPLES, SPOKEN, span

CLIP = EXAMPLES / "demo.mp4"
SIZE = (640, 360)
FRAMES = 38
I420, NV12 = PixelFormat.I420, PixelFormat.NV12


@pytest.fixture(scope="session", autouse=True)
def gstreamer() -> None:
    """Skips where GStreamer, its loader for Python or the models are not there."""
    if missing():
        pytest.skip(missing())


@pytest.fixture(scope="session")
def face(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of the example's agent, without a voice."""
    path = tmp_path_factory.mktemp("profiles") / "face.veil"
    result = run("enroll", path, "--images", EXAMPLES / "enroll")
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="session")
def voice(run: Run, face: Path) -> Path:
    """The same with the voice."""
    path = face.with_name("voice.veil")
    shutil.copy(face, path)
    result = run("enroll", path, "--voice", EXAMPLES / "enroll_voice.wav", "--update")
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three seconds of the example's picture, as they were encoded."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(CLIP)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in itertools.islice(given.demux(video=0), FRAMES):
            packet.stream = stream
            made.mux(packet)
    return path


def opened(path: Path) -> homeveil.Profile:
    return homeveil.load_profile(path, PASSPHRASE["HOMEVEIL_PASSPHRASE"])


def redacted(
    raw: Iterable[RawFrame], profile: homeveil.Profile | None, delay: float, policy: Policy
) -> Iterator[bytes]:
    """The planes that a Redactor gives for frames."""
    with Redactor(profile, policy, delay_seconds=delay) as redactor:
        for frame in raw:
            for veiled in redactor.process(frame):
                yield b"".join(plane.tobytes() for plane in veiled.planes)
        for veiled in redactor.flush():
            yield b"".join(plane.tobytes() for plane in veiled.planes)


def unpadded(raw: Iterable[RawFrame]) -> Iterator[bytes]:
    for frame in raw:
        yield b"".join(plane.tobytes() for plane in frame.planes)


def joined(folder: Path) -> bytes:
    """What a multifilesink wrote, buffer after buffer."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def same(got: Iterable[bytes], want: Iterable[bytes]) -> int:
    """Number of frames, all of which must be equal byte by byte."""
    count = 0
    for one, other in itertools.zip_longest(got, want):
        assert one == other, f"frame {count}"
        count += 1
    return count


# ------------------------------------------------------------------ what is found
def test_the_folder_is_printed(run: Run) -> None:
    """``homeveil gstreamer`` prints what GST_PLUGIN_PATH needs, and warns of a Python without
    the bindings, such as that of an active virtual environment."""
    for first, warns in (("/usr/bin", False), (str(Path(sys.executable).parent), True)):
        result = run("gstreamer", environment={"PATH": f"{first}:{os.environ['PATH']}"})
        assert result.returncode == 0
        assert Path(result.stdout.rstrip("\n")) == plugin_folder()
        assert ("no bindings" in result.stderr) == warns
    assert (plugin_folder() / "python" / "homeveil_picture_plugin.py").is_file()


def test_elements_are_found_without_models_or_a_profile(tmp_path: Path) -> None:
    """GStreamer looks at the plug-in, with properties, where nothing was ever set up; its own
    path to Python packages is enough."""
    for element, words in (
        ("homeveil", ("profile", "nobody", "passphrase-file", "policy", "style", "delay", "qos")),
        ("homeveilvoice", ("profile", "nobody", "passphrase-file", "policy", "sound")),
    ):
        result = subprocess.run(
            ["gst-inspect-1.0", element],
            env=environment(HOMEVEIL_MODELS=str(tmp_path), GST_REGISTRY=str(tmp_path / "registry")),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        for word in words:
            assert f"\n  {word} " in result.stdout, word
    assert not [path for path in tmp_path.iterdir() if path.name != "registry"]


# ------------------------------------------------------------------ the same as the Redactor
def test_a_file_leaves_as_the_redactor_gives_it(face: Path, clip: Path, tmp_path: Path) -> None:
    """Decoded by GStreamer, as live: count, times and every byte of every plane."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    for folder in (raw, out):
        folder.mkdir()
    result = launch(
        f"filesrc location={clip} ! decodebin ! videoconvert "
        f"! video/x-raw,format=NV12 ! tee name=both "
        f"both. ! queue ! multifilesink name=came post-messages=true location={raw}/%05d "
        f"both. ! queue max-size-time=0 max-size-bytes=0 ! homeveil profile={face} style=fill "
        f"! multifilesink name=left post-messages=true location={out}/%05d",
        "-m",
    )
    assert result.returncode == 0, result.stderr
    came, left = times(result.stdout, "came"), times(result.stdout, "left")
    assert came == left
    assert len(left) == FRAMES
    source = [
        replace(frame, time=Timestamp(pts - came[0], NANOSECOND))
        for frame, pts in zip(frames(joined(raw), SIZE, NV12), came, strict=True)
    ]
    want = redacted(source, opened(face), 0.0, Policy(style=Style.FILL))
    assert same(unpadded(frames(joined(out), SIZE, NV12)), want) == FRAMES
    told = totals(result.stdout, "homeveil")[-1]
    assert (told["frames"], told["faults"], told["dropped"]) == (FRAMES, 0, 0)
    assert 0 < told["veiled-share"] < 0.5


def test_a_file_leaves_as_redact_writes_it(
    run: Run, face: Path, clip: Path, tmp_path: Path
) -> None:
    """With the same wait, the pipeline's planes are those of ``homeveil redact``, byte by byte."""
    policy, written, out = tmp_path / "p.toml", tmp_path / "out.mkv", tmp_path / "out"
    policy.write_text("video_encoder = 'ffv1'\nstyle = 'fill'\nlookahead_seconds = 1.0\n")
    result = run("redact", clip, written, "--profile", face, "--policy", policy)
    assert result.returncode == 0, result.stderr
    result = launch(
        f"filesrc location={clip} ! decodebin ! videoconvert ! video/x-raw,format=I420 "
        f"! homeveil profile={face} policy={policy} delay=1000 ! filesink location={out}"
    )
    assert result.returncode == 0, result.stderr
    with VideoReader(written) as reader:
        want = list(unpadded(reader))
    assert same(unpadded(frames(out.read_bytes(), SIZE, I420)), want) == FRAMES


def test_pictures_are_looked_at_in_their_own_colours(tmp_path: Path) -> None:
    """As most cameras give them, from black at 0 to white at 255: what is taken for less range
    drowns in the dark, and nobody is found there."""
    source, out = tmp_path / "raw", tmp_path / "out"
    with VideoReader(CLIP) as reader:
        source.write_bytes(b"".join(unpadded(itertools.islice(reader, 24))))
    result = launch(
        f"filesrc location={source} ! rawvideoparse format=i420 width={SIZE[0]} height={SIZE[1]} "
        "framerate=10/1 colorimetry=1:3:5:1 "
        f"! homeveil nobody=true style=fill ! filesink location={out}"
    )
    assert result.returncode == 0, result.stderr
    plain = list(frames(source.read_bytes(), SIZE, I420))
    policy = Policy(style=Style.FILL)
    full = [replace(frame, colour=Colour(1, 1, 1, full_range=True)) for frame in plain]
    want = list(redacted(full, None, 0.0, policy))
    assert want != list(redacted(plain, None, 0.0, policy)), "the range makes no difference here"
    assert same(unpadded(frames(out.read_bytes(), SIZE, I420)), want) == 24


@pytest.mark.parametrize("pixel_format", [I420, NV12])
def test_odd_sizes_and_padded_rows(tmp_path: Path, pixel_format: PixelFormat) -> None:
    """Rows padded as nobody else pads them, told of by GstVideoMeta alone."""
    size, count = (67, 51), 20
    plain = list(frames(still(*size, count, pixel_format), size, pixel_format))
    strides, blob = (96, 56, 48) if pixel_format is I420 else (96, 80), b""
    offsets: list[int] = []
    for frame in plain:
        start = len(blob)
        offsets = []
        for plane, stride in zip(frame.planes, strides, strict=True):
            offsets.append(len(blob) - start)
            padded = np.full((plane.shape[0], stride), 0xAB, np.uint8)
            padded[:, : plane.shape[1]] = plane
            blob += padded.tobytes()
    (tmp_path / "in").write_bytes(blob)
    out = tmp_path / "out"
    lists = ["<" + ",".join(map(str, numbers)) + ">" for numbers in (strides, offsets)]
    result = launch(
        f"filesrc location={tmp_path / 'in'} ! rawvideoparse format={pixel_format.value} "
        f"width={size[0]} height={size[1]} framerate=10/1 frame-size={len(blob) // count} "
        f"plane-strides={lists[0]} plane-offsets={lists[1]} "
        f"! homeveil nobody=true ! filesink location={out}"
    )
    assert result.returncode == 0, result.stderr
    got = list(unpadded(frames(out.read_bytes(), size, pixel_format, align=4)))
    assert same(got, redacted(plain, None, 0.0, Policy())) == count
    assert got[-1] == b"".join(plane.tobytes() for plane in plain[-1].planes)
    assert b"\xab\xab\xab\xab" not in out.read_bytes()


def test_a_change_of_size_begins_denied(tmp_path: Path) -> None:
    """In mid-stream, with frames that wait: all leave, in both sizes."""
    source = clips.make_two_sizes(tmp_path / "in.mkv")
    out = tmp_path / "out"
    result = launch(
        f"filesrc location={source} ! matroskademux ! jpegdec ! videoconvert "
        f"! video/x-raw,format=I420 ! homeveil nobody=true style=fill delay=250 "
        f"! filesink location={out}",
        "-m",
    )
    assert result.returncode == 0, result.stderr
    large, small = 64 * 48 * 3 // 2, 36 * 22 + 2 * 20 * 11
    assert out.stat().st_size == 3 * large + 3 * small
    assert totals(result.stdout, "homeveil")[-1] == {
        "frames": 6, "faults": 0, "veiled-share": 1.0, "dropped": 0
    }  # fmt: skip


# ------------------------------------------------------------------ refusals
def wrong_passphrase(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return f"profile={face}", {"HOMEVEIL_PASSPHRASE": "wrong"}


def no_passphrase(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return f"profile={face} passphrase-file={folder / 'none'}", {}


def no_profile(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return f"profile={folder / 'none.veil'}", {}


def no_model(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return "nobody=true", {"HOMEVEIL_MODELS": str(folder)}


def unknown_key(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    (folder / "p.toml").write_text("stlye = 'fill'\n")
    return f"nobody=true policy={folder / 'p.toml'}", {}


def nothing_said(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return "", {}


def both_said(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return f"nobody=true profile={face}", {}


def unknown_style(face: Path, folder: Path) -> tuple[str, dict[str, str]]:
    return "nobody=true style=glass", {}


Wrong = Callable[[Path, Path], tuple[str, dict[str, str]]]


@pytest.mark.parametrize(
    ("wrong", "element", "words"),
    [
        (wrong_passphrase, "homeveil", "passphrase is wrong"),
        (wrong_passphrase, "homeveilvoice", "passphrase is wrong"),
        (no_passphrase, "homeveil", "cannot be read"),
        (no_profile, "homeveil", "none.veil: no such file"),
        (no_model, "homeveil", "homeveil models pull"),
        (unknown_key, "homeveilvoice", "unknown policy key 'stlye'"),
        (nothing_said, "homeveilvoice", "profile=FILE, or nobody=true"),
        (both_said, "homeveil", "take one away"),
        (unknown_style, "homeveil", "give veil, fill, soft"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_leaves(
    face: Path, tmp_path: Path, wrong: Wrong, element: str, words: str
) -> None:
    """An error from the element, with what to do; a failed status; an empty file."""
    properties, changes = wrong(face, tmp_path)
    source = "videotestsrc num-buffers=5" if element == "homeveil" else "audiotestsrc num-buffers=5"
    out = tmp_path / "out"
    result = launch(f"{source} ! {element} {properties} ! filesink location={out}", **changes)
    assert result.returncode != 0
    assert f":{element}0: " in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists() or not out.read_bytes()


def test_a_python_that_lacks_what_is_needed_is_named(tmp_path: Path) -> None:
    """homeveil cannot be loaded where GStreamer runs: said on the bus."""
    changes = sabotage(tmp_path, "sys.modules['numpy'] = None")
    out = tmp_path / "out"
    result = launch(
        f"videotestsrc num-buffers=5 ! homeveil nobody=true ! filesink location={out}", **changes
    )
    assert result.returncode != 0
    assert "does not load in the Python that GStreamer runs" in result.stderr
    assert "numpy" in result.stderr
    assert not out.exists() or not out.read_bytes()


# ------------------------------------------------------------------ faults
@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A still room that is shown after a while, and pieces of its rows."""
    path = tmp_path_factory.mktemp("canary") / "in"
    data = still(96, 64, 1, I420)
    path.write_bytes(data * 20)
    rows = (data[row * 96 : (row + 1) * 96] for row in range(64))
    return path, [row[at : at + 24] for row in rows for at in (0, 40, 72)]


def filtered(source: Path, out: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return launch(
        f"filesrc location={source} ! rawvideoparse format=i420 width=96 height=64 "
        f"framerate=10/1 ! homeveil nobody=true style=fill ! filesink location={out}",
        "-m", **changes,
    )  # fmt: skip


def test_the_still_room_is_shown(canary: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """Without a fault the canaries of the tests below are found."""
    source, pieces = canary
    result = filtered(source, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert found((tmp_path / "out").read_bytes(), pieces) == len(pieces)


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("homeveil.perceive.networks:FaceFinder.faces", "an error"),
        ("homeveil.perceive.networks:Segmenter.probability", "not a number"),
        ("homeveil.clear.clearance:Clearance.finish", "no memory"),
        ("homeveil.veil.painter:Veil.paint", "another shape"),
    ],
)
def test_a_frame_that_could_not_be_judged_leaves_veiled(
    canary: tuple[Path, list[bytes]], tmp_path: Path, stage: str, fault: str
) -> None:
    """Something fails from the third time on: every frame leaves, none shows anything."""
    source, pieces = canary
    changes = sabotage(tmp_path, f"import pipelines; pipelines.broken({stage!r}, {fault!r}, 2)")
    out = tmp_path / "out"
    result = filtered(source, out, **changes)
    data = out.read_bytes()
    assert found(data, pieces) == 0
    assert "raw content might stand here" not in result.stdout + result.stderr
    if stage.endswith("paint"):
        assert result.returncode != 0
        return
    assert result.returncode == 0, result.stderr
    assert len(data) == source.stat().st_size
    assert totals(result.stdout, "homeveil")[-1]["faults"] >= 10
    assert "withheld whole" in result.stdout


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("homeveil.gstreamer.pictures:packed", "an error"),
        ("homeveil.gstreamer.pictures:PictureFlow.take", "nothing"),
        ("homeveil.redactor:Redactor.process", "no memory"),
        ("homeveil.frames:RawFrame.copy", "a crash"),
    ],
)
def test_an_element_that_fails_stops(
    canary: tuple[Path, list[bytes]], tmp_path: Path, stage: str, fault: str
) -> None:
    """Something of the element's own fails: an error, a failed status, nothing raw."""
    source, pieces = canary
    changes = sabotage(tmp_path, f"import pipelines; pipelines.broken({stage!r}, {fault!r}, 2)")
    out = tmp_path / "out"
    result = filtered(source, out, **changes)
    assert found(out.read_bytes() if out.exists() else b"", pieces) == 0
    assert result.returncode != 0
    assert "raw content might stand here" not in result.stdout + result.stderr
    if fault != "a crash":
        assert "homeveil0: something failed" in result.stderr


# ------------------------------------------------------------------ sound
def sound(folder: Path, count: int = 6 * 16_000) -> tuple[Path, np.ndarray]:
    """The example's sound as raw 16-bit samples at 16 kHz, and the samples."""
    path = folder / "sound.raw"
    result = launch(
        f"filesrc location={CLIP} ! decodebin ! audioconvert ! audioresample "
        f"! audio/x-raw,format=S16LE,rate=16000,channels=1 ! filesink location={path}"
    )
    assert result.returncode == 0, result.stderr
    samples = np.fromfile(path, "<i2")[:count]
    samples.tofile(path)
    return path, samples


@pytest.mark.parametrize("kind", ["s16le", "f32le"])
def test_sound_leaves_as_the_gate_gives_it(voice: Path, tmp_path: Path, kind: str) -> None:
    """Sample for sample: the agent's first sentence is there, the child's words are not."""
    path, samples = sound(tmp_path)
    floats = samples.astype(np.float32) / 32768
    if kind == "f32le":
        floats.astype("<f4").tofile(path)
    out = tmp_path / "out"
    result = launch(
        f"filesrc location={path} blocksize=2048 ! rawaudioparse format=pcm pcm-format={kind} "
        f"sample-rate=16000 num-channels=1 ! homeveilvoice profile={voice} sound=call "
        f"! filesink location={out}",
        "-m",
    )
    assert result.returncode == 0, result.stderr
    got = np.fromfile(out, "<i2" if kind == "s16le" else "<f4")
    heard = got.astype(np.float32) / (32768 if kind == "s16le" else 1)
    assert len(heard) == len(samples)
    assert np.abs(span(heard, 16_000, CHILD_ALONE)).max() < 1e-3
    assert np.abs(span(heard, 16_000, AGENT_FIRST)).max() > SPOKEN
    with VoiceGate(opened(voice), Policy(sound=Sound.CALL)) as gate:
        want = [*gate.process(homeveil.audio_from_array(floats, 16_000, 0.0)), *gate.flush()]
    expected = np.concatenate([block.samples[0] for block in want])
    assert np.abs(heard - expected).max() <= (0.5 / 32768 if kind == "s16le" else 0)
    told = totals(result.stdout, "homeveilvoice")[-1]
    assert told["seconds"] == pytest.approx(len(samples) / 16_000, abs=0.01)
    assert 0.5 < told["cleared"] < 4.0


def test_without_a_voice_in_the_profile_nothing_is_heard(face: Path, tmp_path: Path) -> None:
    """The sound leaves, muted whole, with a warning."""
    path, samples = sound(tmp_path)
    out = tmp_path / "out"
    result = launch(
        f"filesrc location={path} ! rawaudioparse format=pcm pcm-format=s16le sample-rate=16000 "
        f"num-channels=1 ! homeveilvoice profile={face} ! filesink location={out}"
    )
    assert result.returncode == 0, result.stderr
    assert "holds no voice" in result.stdout
    got = np.fromfile(out, "<i2")
    assert len(got) == len(samples)
    assert not got.any()


def test_picture_and_sound_of_a_file_together(voice: Path, tmp_path: Path) -> None:
    """Both elements in one pipeline, into one file, as it would be written."""
    out = tmp_path / "out.mkv"
    result = launch(
        f"filesrc location={CLIP} ! decodebin name=in "
        f"in. ! queue ! videoconvert ! videorate drop-only=true max-rate=3 "
        f"! homeveil profile={voice} style=fill ! queue ! mux. "
        f"in. ! queue ! audioconvert ! homeveilvoice profile={voice} ! queue ! mux. "
        f"matroskamux name=mux ! filesink location={out}"
    )
    assert result.returncode == 0, result.stderr
    with av.open(str(out)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        count = sum(1 for _ in container.decode(video=0))
    assert 15 <= count < 75


# ------------------------------------------------------------------ at the pads
def test_time_must_go_on() -> None:
    """A buffer without a time, or with none later than those before, is dropped and told of."""
    told = pads("times")
    assert set(told["flows"]) == {"ok"}
    assert told["times"] == [0, 500, 600]
    assert len(told["warnings"]) == 2
    assert told["told"] == {"frames": 3, "dropped": 4, "faults": 0}


def test_what_waits_leaves_at_the_end_and_is_lost_in_a_flush() -> None:
    """EOS comes after the last picture; after a flush everything is denied again."""
    told = pads("waiting")
    assert told["early"] == [0]
    assert told["whole"] == [0, 100, 200, 300]
    assert told["last"] == "eos"
    assert max(told["shown"]) > 0
    assert told["after"] == [[at, 0] for at in (0, 100, 200, 300, 400)]
    assert told["discont"]


def test_new_caps_segments_and_streams_begin_denied() -> None:
    """The scene was shown; after the change it is not. The same caps again change nothing."""
    told = pads("restart")
    for what, (before, after, count) in told.items():
        assert before > 0, what
        assert count == 21, what
        assert (after > 0) == (what == "the same caps"), what


def test_latency_is_added_to_that_of_others() -> None:
    """A frame's time for the work, and the wait in whole frames; the gate's wait."""
    assert pads("latency") == {
        "none": [True, 5 + 100, 50 + 100],
        "wait": [True, 5 + 400, 50 + 400],
        "sound": [True, 5 + 1520, 50 + 1520],
    }


def test_late_pictures_are_dropped_and_told_of() -> None:
    """Those that would come too late do not leave, raw or veiled."""
    told = pads("late")
    assert told["True"] == {
        "times": [0, 100, 600, 700, 800, 900], "told": 4, "stats": [2, 4], "upstream": 1
    }  # fmt: skip
    assert told["False"]["times"] == [n * 100 for n in range(10)]
    assert told["False"]["told"] == 0


def test_nothing_passes_beside_the_pictures() -> None:
    """Tags, events and fields of others stop; nobody behind is asked for memory."""
    told = pads("passing")
    assert set(told["events"]) == {"stream-start", "caps", "segment"}
    assert "secret" not in told["caps"][0]
    assert told["allocation"] == [True, 0]
    assert told["uri"] is False
    assert told["flow"] == 2


def test_buffers_that_are_not_what_they_say_stop_the_stream() -> None:
    """Too short, planes outside, another size: an error, and nothing of them leaves."""
    for what, (flow, again, count, errors) in pads("bad_buffers").items():
        assert (flow, again, count) == ("error", "error", 1), what
        assert len(errors) == 1, what


def test_whatever_part_fails_nothing_raw_leaves() -> None:
    """Each part on the way of a buffer is broken in turn, in a stream that showed the room."""
    told = pads("broken")
    assert len(told) == 17
    for place, what in told.items():
        assert what["shown"] > 0, place
        assert what["left"] == [], place
        assert set(what["flows"]) <= {"error", "not-negotiated"}, place
        assert len(what["errors"]) == 1, place
        assert "something failed" in what["errors"][0], place
        assert "raw content might stand here" not in what["errors"][0], place


def test_a_fault_is_told_of_once_and_only_where_it_was() -> None:
    """Also where all that waits leaves at the end; not again behind a flush, where nothing
    failed."""
    told = pads("faults")
    for what in ("at the end", "before"):
        assert len(told[what]) == 1, what
        assert "withheld whole" in told[what][0], what
    assert told["after"] == told["before"]


def test_the_gate_is_told_where_sound_is_missing() -> None:
    """By the buffer's flag, though its time goes on."""
    assert pads("lost_sound") == [False, True, False]


def test_memory_does_not_grow() -> None:
    """Two hundred pictures of 320x240 would be 23 MB, were they kept, in or out."""
    assert pads("long")["grown_kib"] < 10_000

