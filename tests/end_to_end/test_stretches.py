"""Long recordings in stretches, by real isolated processes: what one pass withholds is withheld."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from boxes import needs_box
from commands import PASSPHRASE, Run
from homeveil import stretching
from homeveil.clearing import Order
from homeveil.clearing.here import open_here
from homeveil.errors import IsolationError, OutputError, StretchError
from homeveil.isolation import Isolate
from homeveil.isolation.box import Box
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader
from homeveil.media.stretches import Lengths, Stretch, cut
from homeveil.profile.store import LockedProfile
from homeveil.redaction import redact
from long_clips import (
    FILL,
    RATE,
    SILENT,
    SIZE,
    Stretched,
    example,
    in_one_pass,
    laxer,
    with_sound,
    write,
)
from rooms import texture

pytestmark = needs_box

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = Lengths(opening=4.0, warmup=2.0, seam=1.0, trial=1.0, shortest=5.0)
THING = (slice(5, 14), slice(28, 34))
"""Cells of what comes in, 8 pixels a side."""


@pytest.fixture(scope="module")
def arrival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's first picture; after 7 of 20 s something comes in that nobody would take for
    a person, and stays."""
    still = example()[0]
    there = still.copy()
    there[40:112, 224:272] = texture(5, 48, 72)
    pictures = [still if n < 44 else there for n in range(125)]
    return write(tmp_path_factory.mktemp("arrival") / "in.mp4", pictures)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example five times over."""
    return write(tmp_path_factory.mktemp("repeated") / "in.mp4", example() * 5)


@pytest.fixture(scope="module")
def profile(run: Run, tmp_path_factory: pytest.TempPathFactory) -> LockedProfile:
    """The example's agent, face and voice."""
    path = tmp_path_factory.mktemp("profile") / "agent.veil"
    words = ("--images", EXAMPLES / "enroll", "--voice", EXAMPLES / "enroll_voice.wav")
    assert run("enroll", path, *words).returncode == 0
    return LockedProfile(path, PASSPHRASE["HOMEVEIL_PASSPHRASE"])


def times(path: Path) -> list[float]:
    with VideoReader(path) as reader:
        return [frame.time.seconds for frame in reader]


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s of the example's first picture, each a JPEG of its own."""
    path, still = tmp_path_factory.mktemp("jpegs") / "in.mkv", example()[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        for number in range(125):
            frame = av.VideoFrame.from_ndarray(still, format="yuvj420p")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(source: Path, path: Path, bad: Callable[[int], bool]) -> Path:
    """A copy in which the packets of some times hold nothing but zeros."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux(video=0):
            if packet.size and bad(packet.pts):
                start = data.index(bytes(packet), packet.pos)
                data[start : start + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    return path


def test_what_arrived_before_a_seam_is_withheld_behind_it(
    arrival: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pass withholds what came in, to the end. So do the stretches, in every frame; the seam
    lies after it came, and frames and times are those of the input."""
    one = in_one_pass(arrival)
    stretched = Stretched(monkeypatch)
    cleared = stretched.clear(arrival, tmp_path / "out.mp4", 2, SHORT)
    assert cleared.stretches == 2
    (seam,) = stretched.seams
    assert seam > 8.0
    assert list(stretched.grids) == list(one)
    for seconds, withheld in one.items():
        if seconds > 7.5:
            assert withheld[THING].all(), seconds
            assert stretched.grids[seconds][THING].all(), seconds
        assert not laxer(withheld, stretched.grids[seconds]).any(), seconds
    assert times(tmp_path / "out.mp4") == times(arrival)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_without_isolation_it_is_the_same(arrival: Path, tmp_path: Path) -> None:
    """Nothing is warmed up then."""
    made = []
    for isolate in (Isolate.AUTO, Isolate.OFF):
        out = tmp_path / f"{isolate.value}.mp4"
        order = Order(arrival, None, SILENT)
        cleared = stretching.clear_in_stretches(order, out, isolate, 2, SHORT)
        made.append((cleared.stretches, cleared.tally.frames, times(out)))
    assert made[0] == made[1]
    assert made[0][0] == 2


def test_the_example_repeated_shows_no_more_behind_a_seam(
    repeated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boy walks through again and again, nobody is enrolled: for a second from each seam on
    nothing larger than a speck is shown that one pass withholds, and little later."""
    one = in_one_pass(repeated)
    stretched = Stretched(monkeypatch)
    stretched.clear(repeated, tmp_path / "out.mp4", 2, SHORT)
    assert stretched.seams
    for seam in stretched.seams:
        for seconds in (at for at in one if seam <= at <= seam + SHORT.trial):
            assert not laxer(one[seconds], stretched.grids[seconds]).any(), seconds
    more = [(one[at] & ~stretched.grids[at]).mean() for at in one if at >= stretched.seams[0]]
    assert np.mean(more) < 0.01
    assert times(tmp_path / "out.mp4") == times(repeated)


@pytest.mark.parametrize("later", [True, False])
def test_a_stretch_begins_at_its_key_frame_or_not_at_all(
    jpegs: Path, tmp_path: Path, later: bool
) -> None:
    """Else less would be looked at ahead of it than it takes to settle; whether or not there is
    another key frame behind the one that is damaged."""
    stretch = Stretch(1, 2, SHORT)
    begin = cut(jpegs, stretch).begin
    source = damaged(
        jpegs, tmp_path / "in.mkv", lambda at: at == begin or (at > begin and not later)
    )
    assert cut(source, stretch).begin == begin
    with pytest.raises(StretchError, match="a key frame in it"):
        open_here(Order(source, None, SILENT, stretch=stretch))


def test_where_the_agent_is_in_dispute_nobody_takes_over(
    profile: LockedProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boy is never long enough away from the agent: the first stretch goes on to the end, and
    the result is that of one pass, its sound sample by sample."""
    silent = write(tmp_path / "silent.mp4", example() * 2)
    source = with_sound(tmp_path / "in.mp4", silent, 2)
    one = in_one_pass(source, profile)
    report = redact(source, tmp_path / "one.mp4", profile=profile, policy=FILL)
    stretched = Stretched(monkeypatch)
    lengths = Lengths(2.0, 1.0, 0.5, 0.5, 4.0)
    out = tmp_path / "out.mp4"
    cleared = stretched.clear(source, out, 2, lengths, profile, FILL)
    assert not stretched.seams
    # The report must not say so: it would say that somebody was about.
    assert (cleared.stretches, cleared.one_pass) == (2, "")
    assert all((one[at] == stretched.grids[at]).all() for at in one)
    assert cleared.sound_tally is not None
    assert cleared.sound_tally.report() == report.sound
    assert report.sound is not None
    assert report.sound.cleared > 1
    assert times(out) == times(tmp_path / "one.mp4")
    with SoundReader(out) as got, SoundReader(tmp_path / "one.mp4") as wanted:
        for block, other in zip(got, wanted, strict=True):
            assert block.time == other.time
            assert (block.samples == other.samples).all()


def test_another_light_after_the_opening_is_cleared_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The light goes out between opening and seam: the second stretch is unfit, the first goes
    on."""
    still = example()[0]
    dark = still.copy()
    dark[: SIZE[1]] //= 3
    source = write(tmp_path / "in.mp4", [still if n < 20 else dark for n in range(75)])
    one = in_one_pass(source)
    stretched = Stretched(monkeypatch)
    lengths = Lengths(2.0, 0.5, 0.5, 0.5, 4.0)
    cleared = stretched.clear(source, tmp_path / "out.mp4", 2, lengths)
    assert cleared.stretches == 1
    assert "light" in cleared.one_pass
    assert all((one[at] == stretched.grids[at]).all() for at in one)


def test_what_can_only_be_had_in_one_pass_is(arrival: Path, tmp_path: Path, run: Run) -> None:
    """Too short, or with a ledger: done all the same, and the report and the command say why."""
    report = redact(arrival, tmp_path / "a.mp4", profile=None, policy=SILENT, stretches=4)
    assert (report.stretches, report.one_pass) == (1, "it is too short")
    words = ("redact", arrival, tmp_path / "b.mp4", "--nobody", "--stretches", 2)
    result = run(*words, "--ledger", tmp_path / "b.ledger")
    assert result.returncode == 0
    assert "in one pass (a ledger" in result.stderr


def test_a_first_frame_that_is_damaged_leaves_it_to_one_pass(jpegs: Path, tmp_path: Path) -> None:
    """The first stretch says so, with nothing else to wait for."""
    out = tmp_path / "out"
    out.mkdir()
    source = damaged(jpegs, tmp_path / "in.mkv", lambda at: at == 0)
    with pytest.raises(StretchError, match="first frame cannot be decoded"):
        stretching.clear_in_stretches(
            Order(source, None, SILENT), out / "o.mp4", Isolate.AUTO, 2, SHORT
        )
    assert not list(out.iterdir())


# ------------------------------------------------------------------ faults
@pytest.mark.parametrize("which", [0, 1])
def test_a_killed_stretch_fails_the_file_and_leaves_nothing(
    arrival: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """SIGKILL for a stretch's process once it gives frames, with nothing else to wait for, too."""
    add = stretching._Part.add

    def killing(part: stretching._Part, frame: object) -> None:
        if part.number == which and isinstance(part.clearing, Box):
            os.kill(part.clearing.process_id, signal.SIGKILL)
        add(part, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(stretching._Part, "add", killing)
    with pytest.raises(IsolationError, match="SIGKILL"):
        stretching.clear_in_stretches(
            Order(arrival, None, SILENT), tmp_path / "o.mp4", Isolate.AUTO, 2, SHORT
        )
    assert not list(tmp_path.iterdir())


def test_a_result_that_cannot_be_joined_leaves_nothing(
    arrival: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame too few is noticed before the file has its name."""
    join = stretching.join
    monkeypatch.setattr(
        stretching, "join", lambda one, two, three, frames: join(one, two, three, frames + 1)
    )
    with pytest.raises(StretchError, match="came out"):
        stretching.clear_in_stretches(
            Order(arrival, None, SILENT), tmp_path / "o.mp4", Isolate.AUTO, 2, SHORT
        )
    assert not list(tmp_path.iterdir())


_BEGUN = (
    "import sys; from pathlib import Path; from homeveil import stretching;"
    "from homeveil.clearing import Order; from homeveil.cli import options;"
    "from homeveil.isolation import Isolate; from homeveil.media.stretches import Lengths;"
    "from homeveil.policy import Policy, Sound;"
    "source, target = map(Path, sys.argv[1:3]); "
    "{before}\n"
    "with options.stopped_by_terminate():\n"
    "    stretching.clear_in_stretches(Order(source, None, Policy(sound=Sound.WITHHELD)), target,"
    " Isolate.AUTO, 2, Lengths(4.0, 2.0, 1.0, 1.0, 5.0))\n"
)

_HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell in the background has its children ignore Ctrl-C."""


@pytest.fixture
def begun(arrival: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that clears in stretches, once parts of both are being written."""
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", _BEGUN.format(before=_HEARS), arrival, tmp_path / "out/o.mp4"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(list((tmp_path / "out").glob(".*.parts/.*.part"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_leaves_nothing(
    begun: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """SIGTERM and SIGINT in the middle: no file, no part, no isolated process."""
    started = Path(f"/proc/{begun.pid}/task")
    inside = [
        int(child)
        for thread in started.iterdir()
        for child in (thread / "children").read_text("ascii").split()
    ]
    assert len(inside) == 2
    begun.send_signal(number)
    _, told = begun.communicate()
    assert "KeyboardInterrupt" in told
    assert not list((tmp_path / "out").iterdir())
    assert not any(Path(f"/proc/{child}").exists() for child in inside)


def test_a_stretch_that_opens_after_the_stop_is_not_waited_for(
    arrival: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process could not be ended, since nobody knew of it: it is asked for no frame, before
    which it would look at all of the opening."""
    asked: list[Box] = []
    iterate = Box.__iter__

    def noted(box: Box) -> Iterator[object]:
        asked.append(box)
        return iterate(box)

    monkeypatch.setattr(Box, "__iter__", noted)
    order = Order(arrival, None, SILENT)
    plan = (2, SHORT)
    with stretching._Stretches(order, tmp_path / "o.mp4", Isolate.AUTO, tmp_path, plan) as work:
        work._stop()
        with pytest.raises(stretching._StoppedError):
            work._encode(work._part(1))
    assert not asked


def test_a_full_disk_leaves_nothing(arrival: Path, tmp_path: Path) -> None:
    """No part may grow beyond 20 kB: an error that names the result, and nothing stays."""
    (tmp_path / "out").mkdir()
    before = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    limit = "import homeveil.media.writer as w; f = w.VideoWriter._open\n"
    limit += "def limited(*a):\n    f(*a); resource.setrlimit(resource.RLIMIT_FSIZE, (20000, -1))\n"
    limit += "w.VideoWriter._open = limited"
    code = _BEGUN.format(before=f"{before}\n{limit}")
    result = subprocess.run(
        [sys.executable, "-c", code, arrival, tmp_path / "out/o.mp4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = (
        f"{OutputError.__name__}: {tmp_path / 'out/o.mp4'}: cannot be written (the file size limit"
    )
    assert said in result.stderr
    assert not list((tmp_path / "out").iterdir())
