"""Each stage killed, stalled, starved and corrupted for real: what comes out is veiled or
absent, the exit status tells, and not a byte of raw content is left anywhere."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boxes import boxed, impatient, needs_box, sabotage
from clips import make
from commands import PASSPHRASE
from faults import canary_clip, found, small_disk, statement, written_under
from homeveil.clearing import Order
from homeveil.clearing.here import open_here
from homeveil.errors import InputError, IsolationError
from homeveil.frames import VeiledFrame
from homeveil.grid import Grid
from homeveil.isolation import Isolate, box
from homeveil.isolation.box import Box
from homeveil.media.reader import VideoReader
from homeveil.policy import Policy, Style
from homeveil.profile import DeskTemplate, Profile, load_profile
from homeveil.redaction import redact

pytestmark = needs_box

FILL = Policy(style=Style.FILL)
FILLED_LUMA = 126
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "in.mp4", times=[n * 100 for n in range(60)])


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The agent of the example."""
    path = tmp_path_factory.mktemp("profile") / "agent.veil"
    words = ("enroll", str(path), "--images", str(EXAMPLES / "enroll"))
    subprocess.run(
        [sys.executable, "-m", "homeveil.cli", *words],
        env={**os.environ, **PASSPHRASE}, check=True, capture_output=True,
    )  # fmt: skip
    return load_profile(path, PASSPHRASE["HOMEVEIL_PASSPHRASE"])


def fails(clip: Path, out: Path, match: str) -> None:
    out.parent.mkdir(exist_ok=True)
    with pytest.raises(IsolationError, match=match):
        redact(clip, out, profile=None, policy=FILL)
    assert list(out.parent.iterdir()) == []


def test_the_isolated_output_is_the_same(clip: Path, tmp_path: Path) -> None:
    """With and without isolation the same bytes come out, and the report says which it was."""
    made = {}
    for isolate in (Isolate.REQUIRE, Isolate.OFF):
        out = tmp_path / f"{isolate.value}.mp4"
        report = redact(clip, out, profile=None, policy=FILL, isolate=isolate)
        made[isolate] = (out.read_bytes(), report)
    (inside, one), (outside, other) = made.values()
    assert inside == outside
    assert one.isolation.startswith("process, landlock")
    assert one.isolation.endswith("seccomp")
    assert other.isolation == "off"
    assert (one.frames, one.spans, one.models) == (other.frames, other.spans, other.models)


def test_a_clock_that_tells_the_date_is_kept(tmp_path: Path) -> None:
    """Times counted from 1970 come out as they went in; those that no clock tells are refused."""
    times = [1_700_000_000_000 + n * 100 for n in range(10)]
    source, out = make(tmp_path / "in.mkv", times=times), tmp_path / "out.mp4"
    redact(source, out, profile=None, policy=FILL, isolate=Isolate.REQUIRE)
    with VideoReader(out) as reader:
        seen = [frame.time.seconds for frame in reader]
    assert seen == pytest.approx([at / 1000 for at in times], abs=1e-3)
    wrong = make(tmp_path / "wrong.mkv", times=[10**16 + n * 100 for n in range(10)])
    with pytest.raises(InputError, match="clock is wrong"):
        redact(wrong, tmp_path / "no.mp4", profile=None, policy=FILL, isolate=Isolate.REQUIRE)
    assert not (tmp_path / "no.mp4").exists()


def test_withheld_cells_arrive_with_their_picture() -> None:
    """The cells of a picture say where its pixels are painted over."""
    with boxed(EXAMPLES / "demo.mp4") as box_:
        frame = next(iter(box_))
        assert isinstance(frame, VeiledFrame)
        grid = Grid.over(frame.width, frame.height)
        assert frame.withheld.shape == grid.shape
        assert frame.withheld.any()
        pixels = frame.withheld.repeat(grid.cell, 0).repeat(grid.cell, 1)
        assert (frame.planes[0][pixels[: frame.height, : frame.width]] == FILLED_LUMA).all()
        assert frame.veiled_share == frame.withheld.mean()


def test_the_agents_cells_arrive_with_their_picture(agent: Profile) -> None:
    """They are those that clearing in this process gives."""
    order = Order(EXAMPLES / "demo.mp4", agent, FILL)
    cells: list[list[np.ndarray]] = []
    for clearing in (Box(order), open_here(order)):
        with clearing:
            frames = (one for one in clearing if isinstance(one, VeiledFrame))
            cells.append([one.agent.copy() for one in itertools.islice(frames, 12)])
    assert cells[0][-1].any()
    assert all(np.array_equal(*both) for both in zip(*cells, strict=True))


def test_cells_smuggle_nothing(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell's byte that is neither yes nor no, or a count that is not theirs, ends the run."""
    sabotage(monkeypatch, "attacks.smuggle_in_cells()")
    with boxed(clip) as box_, pytest.raises(IsolationError, match="does not belong"):
        next(iter(box_))


@pytest.mark.parametrize("after", [0, 1, 7])
def test_the_isolated_process_is_killed(clip: Path, after: int) -> None:
    """SIGKILL at any time ends the run with an error; frames that came are veiled ones."""
    with boxed(clip) as box_:
        frames = iter(box_)
        for _ in range(after):
            assert isinstance(next(frames), VeiledFrame)
        os.kill(box_.process_id, signal.SIGKILL)
        with pytest.raises(IsolationError, match="killed \\(SIGKILL\\)"):
            assert all(isinstance(frame, VeiledFrame) for frame in frames)


def test_killed_while_it_starts(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it says anything: an error, no output."""
    sabotage(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    fails(clip, tmp_path / "out" / "o.mp4", "died|killed|ended too early")


def test_it_cannot_even_start(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that ends at once."""
    monkeypatch.setattr(box, "_START", "raise SystemExit(3)")
    fails(clip, tmp_path / "out" / "o.mp4", "ended too early \\(status 3\\)")


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_it_works_where_standard_streams_are_closed(
    clip: Path, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """As in a service that closed them before it calls this library: the isolated process has
    streams in their places."""
    code = (
        "import os, sys; from pathlib import Path; from homeveil.policy import Policy, Style;"
        " from homeveil.redaction import redact\n"
        f"for number in {closed}:\n    os.close(number)\n"
        "redact(*map(Path, sys.argv[1:]), profile=None, policy=Policy(style=Style.FILL))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(clip), str(tmp_path / "o.mp4")],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "o.mp4").exists()


def test_a_stopped_process_is_given_up(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP: the run does not wait for ever, and the stopped process is gone afterwards."""
    impatient(monkeypatch, 2.0)
    with boxed(clip) as box_:
        frames = iter(box_)
        next(frames)
        os.kill(box_.process_id, signal.SIGSTOP)
        with pytest.raises(IsolationError, match="silent for 2 s"):
            list(frames)
        process = box_.process_id
    assert not Path(f"/proc/{process}").exists()


def test_a_process_that_never_reads_its_order_is_given_up(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the order, with a large desk in it, is more than a pipe holds."""
    stopped = "import time; time.sleep(30) #{path}{parent}{commands}{messages}{memory}"
    monkeypatch.setattr(box, "_START", stopped)
    monkeypatch.setattr(box, "STALL_SECONDS", 1.0)
    clean = np.zeros((256, 256, 3), np.uint8)
    desk = DeskTemplate(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), clean)
    policy = Policy(style=Style.FILL, look_timeout_seconds=1.0)
    with pytest.raises(IsolationError, match="silent"):
        Box(Order(clip, Profile(None, desk=desk), policy))


def test_no_descriptor_left_is_told(clip: Path) -> None:
    """In the words of isolation, so that who asked for it knows; nothing stays open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = os.listdir("/proc/self/fd")
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, hard))
    try:
        with pytest.raises(IsolationError, match="could not be started"):
            Box(Order(clip, None, FILL))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir("/proc/self/fd") == before


def test_a_process_that_spins_is_ended_by_the_kernel(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However patient the other side is: a hostile input gets no processor for good."""
    sabotage(monkeypatch, "attacks.spin()")
    monkeypatch.setattr(box, "_RENEW_SECONDS", 0.0)
    with boxed(clip) as box_:
        monkeypatch.setattr(box, "PROCESSOR_SECONDS", 2)
        box_._allow_time()
        box_._patience_ms = 30_000
        with pytest.raises(IsolationError, match="SIGXCPU"):
            list(box_)


def test_a_process_that_spins_before_it_said_anything_is_ended_too(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it opens an input that may come slowly, nothing else would end it."""
    sabotage(monkeypatch, "exec('while True: pass')")
    monkeypatch.setattr(box, "PROCESSOR_SECONDS", 2)
    with pytest.raises(IsolationError, match="SIGXCPU"):
        boxed(clip)


def test_a_slow_writer_starves_nobody(clip: Path) -> None:
    """While the encoder sleeps the isolated process waits, in memory that does not grow."""
    numbers = []
    with boxed(clip) as box_:
        for number, veiled in enumerate(box_):
            if number < 3:
                time.sleep(0.5)
                numbers.append(_resident(box_.process_id))
            assert isinstance(veiled, VeiledFrame)
    assert number == 59
    assert numbers[-1] < 1.1 * numbers[0]


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1])


def test_no_memory_left_inside(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When memory runs out inside, frames are veiled whole or the run ends; nothing passes."""
    sabotage(
        monkeypatch,
        "import homeveil.isolation.inside as i; i.MORE_MEMORY_BYTES = 0",
    )
    out = tmp_path / "out" / "o.mp4"
    out.parent.mkdir()
    try:
        report = redact(clip, out, profile=None, policy=FILL)
    except (IsolationError, InputError):
        assert list(out.parent.iterdir()) == []
    else:
        assert report.frames == 60


def test_a_limit_of_memory_that_somebody_set_is_kept(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `ulimit -v`: lower than the process would set itself, and no reason to fail."""
    sabotage(
        monkeypatch,
        "import resource, homeveil.isolation.inside as i; i.MORE_MEMORY_BYTES = 1 << 45;"
        " resource.setrlimit(resource.RLIMIT_AS, (1 << 44, 1 << 44))",
    )
    assert redact(clip, tmp_path / "o.mp4", profile=None, policy=FILL).frames == 60


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_model_that_answers_nonsense(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """A people mask of NaN veils every frame whole, as a fault that the report names."""
    sabotage(
        monkeypatch,
        "import faults, numpy;"
        f" faults.FAULTS['nonsense'] = lambda good: numpy.full_like(good, numpy.{number}); "
        + statement("look at people", "nonsense", after=0),
    )
    report = redact(clip, tmp_path / "o.mp4", profile=None, policy=FILL)
    assert report.frames == 60
    assert report.veiled_share == 1.0
    assert [span.reason for span in report.spans] == ["fault"]


def test_a_full_disk(clip: Path, tmp_path: Path) -> None:
    """A real full file system: a clear error, nothing left on it."""
    with small_disk(tmp_path / "small", "4k") as small:
        words = [sys.executable, "-m", "homeveil.cli", "redact", clip, small / "o.mp4", "--nobody"]
        run = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
        assert run.returncode == 3
        assert "the disk is full" in run.stderr
        assert list(small.iterdir()) == []


def test_the_isolated_process_dies_with_its_parent(clip: Path, tmp_path: Path) -> None:
    """kill -9 of the one that writes: no final name, and nobody goes on with raw content."""
    long = make(tmp_path / "long.mp4", times=[n * 100 for n in range(600)])
    out = tmp_path / "out"
    out.mkdir()
    words = [sys.executable, "-m", "homeveil.cli", "redact", long, out / "o.mp4", "--nobody"]
    process = subprocess.Popen(list(map(str, words)), stderr=subprocess.DEVNULL)
    children: list[str] = []
    while process.poll() is None and not list(out.iterdir()):
        time.sleep(0.02)
    task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = task.read_text().split()
    assert children
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(_runs(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not (out / "o.mp4").exists()


def _runs(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    return canary_clip(tmp_path_factory.mktemp("canary") / "in.mkv")


@pytest.mark.parametrize("ending", ["whole", "killed inside", "killed outside", "aborted inside"])
def test_no_canary_is_written(
    ending: str, canary: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    """Whatever way a run ends, none of the raw bytes stands in any file that it could write:
    output, report, logs, home, temporary files, cores."""
    source, pieces = canary
    home = tmp_path / "home"
    for name in ("out", "tmp"):
        (home / name).mkdir(parents=True)
    environment = {
        **os.environ,
        **PASSPHRASE,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HOMEVEIL_MODELS": os.environ.get("HOMEVEIL_MODELS", str(_models())),
    }
    words = [
        sys.executable, "-m", "homeveil.cli", "redact", source, home / "out" / "o.mkv", "--nobody",
        "--report", home / "out" / "r.json", "--plot", home / "out" / "p.svg",
    ]  # fmt: skip
    # A core as large as it likes may be written, if anybody is to write one.
    words = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *words]
    process = subprocess.Popen(
        list(map(str, words)), env=environment, cwd=home, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    if ending != "whole":
        threading.Thread(target=_interfere, args=(ending, process), daemon=True).start()
    log, _ = process.communicate(timeout=120)
    assert (process.returncode == 0) == (ending == "whole"), log
    assert found(source.read_bytes(), pieces[-2:]) >= 1, "the canaries can be found"
    assert found(log, pieces) == 0
    for data in written_under(home):
        assert found(data, pieces) == 0
    assert not list(home.rglob("core*"))


def _models() -> Path:
    from homeveil.models.store import cache_directory

    return cache_directory()


def _interfere(ending: str, process: subprocess.Popen[bytes]) -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        inside = children.read_text().split()
        part = list(Path(f"/proc/{process.pid}/cwd/out").glob(".*.part"))
        if inside and part:
            victim = process.pid if ending == "killed outside" else int(inside[0])
            os.kill(victim, signal.SIGABRT if ending == "aborted inside" else signal.SIGKILL)
            return
        time.sleep(0.005)


def test_no_canary_is_in_the_memory_of_the_writer(canary: tuple[Path, list[bytes]]) -> None:
    """The process that encodes never holds raw content: its whole memory is searched, and so
    is, to show that the search finds what is there, that of the isolated one."""
    if os.geteuid() != 0 or shutil.which("python3") is None:
        pytest.skip("only root may read the memory of processes")
    source, pieces = canary
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2].split(':');"
        " from homeveil.clearing import Order; from homeveil.isolation.box import Box;"
        " from homeveil.policy import Policy;"
        " box = Box(Order(Path(sys.argv[1]), None, Policy())); frames = iter(box);"
        " [next(frames) for _ in range(3)];"
        " print(box.process_id, flush=True); sys.stdin.read()"
    )
    paths = ":".join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(source), paths],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        inside = int(writer.stdout.readline())
        time.sleep(1)
        in_writer = sum(found(data, pieces) for data in _memory(writer.pid))
        in_box = sum(found(data, pieces) for data in _memory(inside))
        writer.kill()
    assert in_box > 0
    assert in_writer == 0


def _memory(process: int) -> Iterator[bytes]:
    """All that a process can write to, mapping by mapping."""
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, end = (int(number, 16) for number in span.split("-"))
            if "rw" not in rights or end - start > 2**28:
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                continue
