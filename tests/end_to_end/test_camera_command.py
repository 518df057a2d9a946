"""``homeveil camera`` and ``homeveil config``, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from commands import PASSPHRASE, Run
from homeveil.cli.config import read_config
from homeveil.errors import (
    EventError,
    IsolationError,
    ModelError,
    OutputError,
    ProfileError,
    UsageError,
)
from live import still_room, until

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def agent(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agent") / "agent.veil"
    voice = EXAMPLES / "enroll_voice.wav"
    done = run("enroll", path, "--images", EXAMPLES / "enroll", "--voice", voice)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return still_room(tmp_path_factory.mktemp("room") / "room.mkv", 60, sound=False)


_COMMAND = """
import signal, sys
from homeveil.cli import main
signal.signal(signal.SIGHUP, signal.{hangup})
sys.exit(main(sys.argv[1:]))
"""


@contextlib.contextmanager
def filming(
    state: Path, *words: object, hangup: str = "SIG_DFL"
) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs, and what the end of its terminal was to it when it began."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND.format(hangup=hangup), "camera", *map(str, words)],
        env={**os.environ, **PASSPHRASE, "XDG_STATE_HOME": str(state)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pictures(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("sound", ["call", "monitor"])
def test_a_file_at_its_own_pace(run: Run, agent: Path, tmp_path: Path, sound: str) -> None:
    begin = time.monotonic()
    done = run("camera", EXAMPLES / "demo.mp4", "--realtime", "--profile", agent, "--sound", sound,
               "--record", tmp_path, "--log", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin > 5.9
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert any("camera is open" in line["message"] for line in lines)
    (made,) = tmp_path.iterdir()
    with av.open(str(made)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        samples = [frame.to_ndarray() for frame in container.decode(audio=0)]
    assert max(float(abs(block).max()) for block in samples) > 0.1, "the agent was not heard"
    frames = pictures(made)
    assert 40 < len(frames) <= 80
    assert frames[-1].to_ndarray(format="gray").std() > 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(room: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with filming(tmp_path, room, "--realtime", "--nobody", "--record", out) as process:
        until(lambda: any(file.stat().st_size > 4000 for file in out.iterdir()))
        process.send_signal(how)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    (made,) = out.iterdir()
    assert made.suffix == ".ts"
    assert len(pictures(made)) > 5


def test_a_closed_terminal_ends_it_cleanly(room: Path, tmp_path: Path) -> None:
    """The file with the page's address goes too; what is ignored, as under nohup, ends nothing."""
    page = tmp_path / "homeveil"
    for way in ("SIG_IGN", "SIG_DFL"):
        out = tmp_path / way
        out.mkdir()
        words = (room, "--realtime", "--nobody", "--page", "--record", out)
        with filming(tmp_path, *words, hangup=way) as process:
            until(lambda out=out: any(file.stat().st_size > 4000 for file in out.iterdir()))
            assert list(page.glob("page-*"))
            process.send_signal(signal.SIGHUP)
            if way == "SIG_IGN":
                time.sleep(1.0)
                assert process.poll() is None
                process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
        assert process.returncode == 0, said
        assert not list(page.glob("page-*"))


def test_sigusr1_covers_and_uncovers(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with filming(tmp_path, room, "--realtime", "--nobody", "--record", out) as process:
        until(lambda: any(file.stat().st_size > 8000 for file in out.iterdir()))
        process.send_signal(signal.SIGUSR1)
        time.sleep(1.5)
        process.send_signal(signal.SIGUSR1)
        time.sleep(5.0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    (made,) = out.iterdir()
    flat = [frame.to_ndarray(format="gray").std() < 2 for frame in pictures(made)]
    # A card at the beginning, the room, a card while covered, and the room again.
    turns = [value for number, value in enumerate(flat) if number == 0 or flat[number - 1] != value]
    assert turns == [True, False, True, False]


_SHELL = """
import fcntl, os, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
made = subprocess.Popen(sys.argv[2:], preexec_fn=os.setpgrp if sys.argv[1] == "behind" else None)
print(made.pid, flush=True)
made.wait()
"""


@contextlib.contextmanager
def at_a_terminal(where: str, state: Path, *words: object) -> Iterator[tuple[int, int]]:
    """The command in the foreground ("before") or the background ("behind") of a terminal: its
    process and the other end of the terminal."""
    ends = os.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", _SHELL, where, sys.executable, "-m", "homeveil.cli", "camera",
         *map(str, words)],
        env={**os.environ, "XDG_STATE_HOME": str(state), "PYTHONIOENCODING": "utf-8"},
        stdin=ends[1],
        stdout=subprocess.PIPE,
        stderr=ends[1],
        start_new_session=True,
    )  # fmt: skip
    assert shell.stdout is not None
    process = int(shell.stdout.readline())
    try:
        yield process, ends[0]
    finally:
        for one in (process, shell.pid):
            os.kill(one, signal.SIGKILL)
        shell.communicate()
        for end in ends:
            os.close(end)


def test_it_goes_on_in_the_background(room: Path, tmp_path: Path) -> None:
    """It waits for keys that it cannot be given there, and is not stopped for it."""
    out = tmp_path / "out"
    out.mkdir()
    words = (room, "--realtime", "--nobody", "--record", out)
    with at_a_terminal("behind", tmp_path, *words) as (process, _):
        stat = Path(f"/proc/{process}/stat")
        stopped = False
        while not stopped and not any(file.stat().st_size > 4000 for file in out.iterdir()):
            time.sleep(0.05)
            stopped = stat.read_text("ascii").rpartition(")")[2].split()[0] == "T"
        assert not stopped


def test_what_is_no_text_leaves_the_key_as_it_is(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = (room, "--realtime", "--nobody", "--record", out)
    with at_a_terminal("before", tmp_path, *words) as (_, terminal):
        said = b""
        while b"the camera is open" not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, b"\xe9\np\n")
        while b"camera covered" not in said and b"Traceback" not in said:
            said += os.read(terminal, 4096)
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--nobody", "--record", "."], 2, "no camera is named"),
        (["film.mp4", "--nobody", "--record", "."], 2, "--realtime"),
        (["0", "--record", "."], 2, "whom to show"),
        (["0", "--nobody"], 2, "nothing would leave"),
        (["0", "--nobody", "--stream", "ftp://x"], 2, "rtsp"),
        (["0", "--nobody", "--record", "/no/such"], 3, "make it first"),
        (["0", "--nobody", "--record", ".", "--size", "3x5"], 2, "even sides"),
        (["0", "--nobody", "--record", ".", "--delay", "99"], 2, "0 to 10"),
        (["no.mp4", "--realtime", "--nobody", "--record", "."], 3, "no such file"),
        (["0", "--profile", "no.veil", "--record", "."], 5, "no such profile"),
        (["--config", "no.toml"], 2, "cannot be read"),
        (["0", "--nobody", "--http", "--port", "99999"], 2, "0 to 65535"),
        (["0", "--nobody", "--events", "http://example.com/x"], 9, "https://"),
        (["0", "--nobody", "--events", "no/e.jsonl"], 9, "make it first"),
        *(
            (["0", "--nobody", "--record", ".", option, value], 2, "no number above 0")
            for option in ("--rate", "--record-minutes", "--record-keep")
            for value in ("-1", "0", "nan", "inf", "1e300", "many")
        ),
    ],
)
def test_misuse_is_told(run: Run, tmp_path: Path, words: list[str], status: int, said: str) -> None:
    done = run("camera", *words, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["rtsp://me:hunter2/x@cam/1", "--http"], ["rtsp://me:hunter2@cam:x", "--http"],
        ["xtsp://me:hunter2@cam/1", "--record", "."], ["rtsp://me:hunter2@", "--record", "."],
        ["0", "--stream", "rtsp://me:hunter2/x@host"], ["0", "--stream", "//me:hunter2@host/x"],
        ["0", "--events", "https://me:hunter2/x@host"], ["0", "--events", "htps://host/hunter2"],
    ],
)  # fmt: skip
def test_no_message_holds_the_password_of_a_bad_address(run: Run, words: list[str]) -> None:
    done = run("camera", "--nobody", *words)
    assert done.returncode in (2, 9)
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_passphrase_ends_it(run: Run, agent: Path, room: Path, tmp_path: Path) -> None:
    done = run("camera", room, "--realtime", "--profile", agent, "--record", tmp_path,
               environment={"HOMEVEIL_PASSPHRASE": "wrong"})  # fmt: skip
    assert done.returncode == 5
    assert "passphrase" in done.stderr
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ config
def test_a_config_file_is_as_good_as_options(run: Run, room: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    config = tmp_path / "camera.toml"
    config.write_text(
        f'camera = "{room}"\nrealtime = true\nnobody = true\nrecord = "out"\nlog = "text"\n'
    )
    assert run("config", "check", config).returncode == 0
    with filming(tmp_path, "--config", config, "--log", "json") as process:
        until(lambda: any((tmp_path / "out").iterdir()))
        until(lambda: any(file.stat().st_size > 4000 for file in (tmp_path / "out").iterdir()))
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(said.splitlines()[0])["level"] == "info"


def test_the_example_service_can_be_checked(run: Run, agent: Path, tmp_path: Path) -> None:
    """The unit's options stand, and its file's keys are ones that the command takes."""
    example = (EXAMPLES / "service" / "camera.toml").read_text("utf-8")
    (tmp_path / "camera.toml").write_text(example)
    (tmp_path / "agent.veil").write_bytes(agent.read_bytes())
    (tmp_path / "passphrase").write_text("correct horse\n")
    done = run("config", "check", tmp_path / "camera.toml")
    assert done.returncode == 0, done.stderr
    unit = (EXAMPLES / "service" / "homeveil-camera.service").read_text("utf-8")
    for line in unit.splitlines():
        if line.startswith("Exec"):
            command = line.partition("=")[2].split()[1:]
            assert command[0] in ("camera", "config")


def test_the_example_service_is_set_up_as_its_head_says(tmp_path: Path) -> None:
    """In an account in which nothing was made yet; systemd starts no unit that may write to a
    folder which is not there."""
    service = EXAMPLES / "service"
    lines = (service / "homeveil-camera.service").read_text("utf-8").splitlines()
    head = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    before = [line for line in head if not line.startswith("systemctl")]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run(["sh", "-ec", "\n".join(before)], cwd=service, env=environment, check=True)
    (places,) = (line for line in lines if line.startswith("ReadWritePaths="))
    for place in places.partition("=")[2].split():
        assert Path(place.replace("%h", str(tmp_path))).is_dir(), place


CAMERA, NOBODY = 'camera = "film.mp4"', "nobody = true"


@pytest.mark.parametrize(
    ("lines", "more", "name", "values"),
    [
        (["virtual-camera = true", CAMERA], [], "virtual_camera", ""),
        (["virtual-camera = true", CAMERA], [], "source", "film.mp4"),
        ([CAMERA, "virtual-camera = true"], ["0"], "source", "0"),
        ([CAMERA, 'virtual-camera = "/dev/video9"'], [], "virtual_camera", "/dev/video9"),
        ([CAMERA, "http = false"], [], "http", False),
        ([CAMERA], ["--events", "e.jsonl"], "events", ["e.jsonl"]),
        (
            [CAMERA, 'events = ["e.jsonl", "-", "https://host/x", "sub/e.jsonl"]'], [],
            "events", ["FOLDER/e.jsonl", "-", "https://host/x", "FOLDER/sub/e.jsonl"],
        ),
    ],
)  # fmt: skip
def test_what_a_config_file_means(
    tmp_path: Path, lines: list[str], more: list[str], name: str, values: object
) -> None:
    """In any order of its lines; its relative names are relative to it; the command line counts
    more."""
    config = tmp_path / "camera.toml"
    config.write_text("\n".join([NOBODY, *lines]))
    read = vars(read_config(config, more))[name]
    assert (
        [one.replace(str(tmp_path), "FOLDER") for one in read] if isinstance(read, list) else read
    ) == values


def test_the_service_gives_up_on_what_trying_again_does_not_mend() -> None:
    """The statuses of errors in a config are those after which the unit is not started again."""
    unit = (EXAMPLES / "service" / "homeveil-camera.service").read_text("utf-8")
    (line,) = (line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus="))
    kinds = (UsageError, OutputError, ModelError, ProfileError, IsolationError, EventError)
    assert {int(word) for word in line.partition("=")[2].split()} == {
        kind.exit_code for kind in kinds
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera = ", "not a TOML file"),
        ('camra = "0"', "unknown key 'camra'"),
        ('camera = "0"\nrate = "fast"', "no number above 0"),
        ('camera = "0"\nnobody = true\nhttp = true\nrate = -5', "no number above 0"),
        ('camera = "0"\nnobody = true\nrecord = "."\nrecord-keep = nan', "no number above 0"),
        ('camera = "0"\nnobody = true\nhttp = true\nport = 99999', "0 to 65535"),
        ('camera = "0"\nnobody = true', "nothing would leave"),
        ('camera = "0"\nhttp = true', "whom to show"),
        ('nobody = true\nhttp = true', "no camera is named"),
        ('camera = true\nnobody = true\nhttp = true', "give text"),
        ('camera = "0"\nprofile = true\nhttp = true', "give text"),
        ('camera = "0"\nnobody = true\nevents = "http://example.com/x"', "https://"),
        ('camera = "0"\nnobody = true\nevents = "no/ev.jsonl"', "make it first"),
        ('camera = "0"\nnobody = true\nprofile = "x.veil"', "not allowed with"),
        ('camera = "0"\nprofile = "x.veil"', "is not there"),
        ('camera = "0"\nnobody = true\nrecord = "no"', "make it first"),
        ('camera = "0"\nnobody = true\nstream = ["ftp://x"]', "rtsp"),
        ("camera = 0.5\nnobody = true\nhttp = true", "--realtime"),
        ('camera = "0"\nnobody = true\nsize = {}', "give text"),
        ('camera = "0"\nnobody = true\nhttp = true\nisolate = ["require", "off"]', "one value"),
        ('camera = ["0", "1"]\nnobody = true\nhttp = true', "one value"),
        ('camera = false\nnobody = true\nhttp = true', "camera is False; give text or a number"),
        ('camera = "0"\nnobody = true\nhttp = "yes"', "http is 'yes'; give true or false"),
        ('camera = "0"\nnobody = 1\nhttp = true', "nobody is 1; give true or false"),
        ('camera = "0"\nnobody = true\nhttp = true\nevents = "a\\u0000b"', "name of a file"),
        ('camera = "0"\nnobody = true\nhttp = true\nevents = "."', "is a folder"),
        ('camera = "0"\nnobody = true\nhttp = true\nevents = ["e", "./e"]', "twice"),
    ],
)
def test_a_bad_config_is_told(run: Run, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "camera.toml"
    config.write_text(text)
    done = run("config", "check", config)
    assert done.returncode in (2, 3, 9)
    assert said in done.stderr
    assert "camera.toml" in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------ what is served
def test_page_stream_and_metrics_of_one_session(room: Path, tmp_path: Path) -> None:
    """The page's switch covers the camera that the stream shows, and all count the same."""
    pytest.importorskip("uvicorn")
    with filming(tmp_path, room, "--realtime", "--nobody", "--http", "--page",
                 "--metrics") as process:  # fmt: skip
        address: dict[str, str] = {}
        while len(address) < 3:
            what, _, url = (process.stderr.readline() if process.stderr else "").partition(": ")
            address[what] = url.strip()
        with av.open(address["stream"]) as container:
            shown = container.decode(video=0)
            until(lambda: next(shown).to_ndarray(format="gray").std() > 3)
            kept = Path(address["your page"].rpartition(" ")[2])
            assert kept.stat().st_mode & 0o777 == 0o600
            page = kept.read_text("utf-8").strip()
            origin = page.rsplit("/", 2)[0]
            assert cover(page, origin, "https://elsewhere.example") == 403
            assert cover(page, origin, origin) < 300
            # What was encoded before is still on its way.
            until(lambda: next(shown).to_ndarray(format="gray").std() < 2)
            for _ in range(10):
                assert next(shown).to_ndarray(format="gray").std() < 2
        metrics = fetched(address["metrics"])
        assert 'homeveil_state{state="paused"} 1.0' in metrics
        assert int(fetched_number(metrics, "homeveil_frames_total")) > 10
        assert fetched_number(metrics, 'output_bytes_total{output="stream on loopback"}') > 1000
        token = page.split("/")[3]
        health = json.loads(fetched(address["metrics"].replace("metrics", "health")))
        assert health["state"] == "paused"
        process.terminate()
        _, said = process.communicate(timeout=20)
    # Its key reaches no log, and goes with it.
    assert token not in said + "".join(address.values())
    assert not kept.exists()


def test_an_address_of_a_killed_session_goes_with_the_next(room: Path, tmp_path: Path) -> None:
    """Those of sessions that run stay, and so does what is no address."""
    pytest.importorskip("uvicorn")
    with filming(tmp_path, room, "--realtime", "--nobody", "--page") as process:
        left = tmp_path / "homeveil" / f"page-{process.pid}"
        until(left.exists, 60)
    assert left.exists()
    others = [left.with_name(f"page-{number}") for number in (os.getpid(), "notes")]
    for path in others:
        path.touch()
    with filming(tmp_path, room, "--realtime", "--nobody", "--page") as process:
        until(left.with_name(f"page-{process.pid}").exists, 60)
    assert not left.exists()
    assert all(path.exists() for path in others)


def cover(page: str, origin: str, claimed: str) -> int:
    """Press the page's switch as a page of ``claimed`` would; the status."""
    request = urllib.request.Request(
        f"{page}pause",
        json.dumps({"paused": True}).encode(),
        {"Content-Type": "application/json", "Origin": claimed},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def fetched(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())


def fetched_number(metrics: str, name: str) -> float:
    (line,) = (line for line in metrics.splitlines() if name in line and line[0] != "#")
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('[models.face_embedding]\npath = "gone.onnx"\nsha256 = "00"', "is missing"),
        ('[models.speaker]\npath = "policy.toml"\nsha256 = "00"', "another one"),
        ('[models.speeker]\npath = "policy.toml"\nsha256 = "00"', "'speeker'"),
    ],
)
def test_a_policy_whose_models_are_not_there_is_told(
    run: Run, tmp_path: Path, models: str, said: str
) -> None:
    """A check that passes means that the camera can begin."""
    (tmp_path / "policy.toml").write_text(models)
    config = tmp_path / "camera.toml"
    config.write_text('camera = "0"\nnobody = true\nhttp = true\npolicy = "policy.toml"')
    done = run("config", "check", config)
    assert done.returncode == 4
    assert said in done.stderr
