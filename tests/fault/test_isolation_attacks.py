"""Whoever takes over the isolated process, by a hostile file for instance, can do nothing with
it: each attack is tried for real, inside, and the kernel refuses it."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import attacks
from boxes import boxed, needs_box, sabotage
from clips import make
from homeveil._kernels import Verdict
from homeveil.errors import IsolationError
from homeveil.isolation import Isolate
from homeveil.isolation.messages import Judged, Locked, Sound, encode
from homeveil.policy import Policy, Style
from homeveil.redaction import redact

pytestmark = needs_box

UNRECORDED = {
    "read_file", "list_folder", "more_memory", "read_parent_memory", "name_itself",
    "change_limits", "type_into_terminal", "signal_by_descriptor", "signal_of_choice",
    "choose_processor", "choose_scheduler", "choose_disk_priority", "find_file",
}  # fmt: skip
"""Refused, or failing by themselves, without a record: nothing could leave by them."""

NETWORK = {"tcp", "udp", "http", "c_http", "abstract_unix", "dns"}
CHANGING = {
    "write_file", "c_write_file", "make_folder", "execute", "spawn", "rename", "link_file",
    "truncate_file", "remove_file", "append_file",
}  # fmt: skip
OTHERS = {
    "fork", "ptrace_parent", "process_vm", "kill_parent", "parent_memory", "read_parent_memory",
    "memory_file", "named_memory", "system_v_memory", "message_queue", "posix_queue", "io_uring",
    "be_dumped", "be_dumpable", "outlive_parent", "name_itself", "thread_kill_parent",
    "change_limits", "set_priority", "type_into_terminal", "signal_by_descriptor",
    "signal_of_choice", "choose_processor", "choose_scheduler", "choose_disk_priority",
}  # fmt: skip
ABOUT_FILES = {
    "set_attribute", "set_attribute_of_link", "remove_attribute", "change_mode", "change_owner",
    "change_owner_of_link", "change_times",
}  # fmt: skip
HELD_FILES = {"set_flags", "lock_file", "lock_part_of_file", "lease_file"}
SHARED = {
    "set_semaphore", "raise_semaphore", "take_message", "remove_queue", "remove_posix_queue",
}  # fmt: skip
DYING = {"core_dump"}
ABSTRACT = f"homeveil-test-{os.getpid()}"
"""Abstract names are those of the whole machine."""

NINE_CHANNELS = encode(Sound(0, 9, 16_000, 8, 0, 1, 16_000, 0)).hex()

RECORDED = sorted(set(attacks.ATTACKS) - UNRECORDED - DYING - ABOUT_FILES - HELD_FILES - SHARED)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "in.mp4")


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port on which TCP and UDP are listened to, and what came."""
    came: list[bytes] = []
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        for one in (tcp, udp):
            one.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with suppress(OSError):
                    came.append(udp.recv(64))
                with suppress(OSError):
                    tcp.accept()[0].close()
                    came.append(b"connected")

        thread = threading.Thread(target=serve)
        thread.start()
        yield port, came
        stop.set()
        thread.join()


def attacked(clip: Path, out: Path) -> str:
    """The error that a redaction ends in; nothing may be left of it."""
    with pytest.raises(IsolationError) as caught:
        redact(clip, out, profile=None, policy=Policy(style=Style.FILL), isolate=Isolate.REQUIRE)
    assert list(out.parent.iterdir()) == []
    return str(caught.value)


def target_of(name: str, folder: Path, port: int) -> str:
    if name == "abstract_unix":
        return ABSTRACT
    return str(port) if name in NETWORK else str(folder / "stolen")


@pytest.mark.parametrize("name", RECORDED)
def test_an_attack_is_refused_and_recorded(
    name: str,
    clip: Path,
    tmp_path: Path,
    listener: tuple[int, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The redaction ends, names the call that was denied, and leaves nothing."""
    port, came = listener
    folder = tmp_path / "target"
    folder.mkdir()
    target = target_of(name, folder, port)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{ABSTRACT}")
        server.listen()
        sabotage(monkeypatch, f"attacks.install({name!r}, {target!r})")
        (tmp_path / "out").mkdir()
        said = attacked(clip, tmp_path / "out" / "out.mp4")
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()
    # The C library blocks signals while it spawns: then there is no record but death.
    killed = name == "spawn" and "was killed for a system call that it may not make" in said
    assert killed or re.search(r"tried what it may not \(system call [\d, ]+\)", said), said
    assert came == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", sorted(UNRECORDED))
def test_a_harmless_attempt_fails(
    name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could only be read, or is used up, cannot be had either."""
    sabotage(monkeypatch, f"attacks.install({name!r}, '')")
    assert attacked(clip, tmp_path / "out.mp4") == attacks.DENIED


@pytest.mark.parametrize("name", sorted(NETWORK | CHANGING | OTHERS))
def test_nor_while_the_input_is_opened(
    name: str,
    clip: Path,
    tmp_path: Path,
    listener: tuple[int, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file is opened and its first picture decoded before the last lock: nothing can be
    sent, changed or started then either."""
    port, came = listener
    folder = tmp_path / "target"
    folder.mkdir()
    sabotage(
        monkeypatch,
        f"attacks.install({name!r}, {target_of(name, folder, port)!r}, first=True)",
    )
    (tmp_path / "out").mkdir()
    assert attacked(clip, tmp_path / "out" / "out.mp4") == attacks.DENIED
    assert came == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", sorted(ABOUT_FILES))
def test_nothing_is_written_beside_a_file(
    name: str, first: bool, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes, owner, mode and times of a file hold bytes too; Landlock guards none of them."""
    target = tmp_path / "target"
    target.write_bytes(b"as it was")
    os.setxattr(target, "user.own", b"as it was")

    def told() -> tuple[object, ...]:
        status = target.stat()
        attributes = {name: os.getxattr(target, name) for name in os.listxattr(target)}
        return status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, attributes

    before = told()
    sabotage(monkeypatch, f"attacks.install({name!r}, {str(target)!r}, first={first})")
    (tmp_path / "out").mkdir()
    said = attacked(clip, tmp_path / "out" / "out.mp4")
    assert said == attacks.DENIED if first else "tried what it may not" in said
    assert told() == before


@pytest.mark.parametrize("name", sorted(HELD_FILES))
def test_no_file_is_held_while_the_input_is_opened(
    name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may be read may not be flagged or locked: others would wait for it."""
    target = tmp_path / "target"
    target.write_bytes(b"as it was")
    sabotage(monkeypatch, f"attacks.install({name!r}, {str(target)!r}, first=True)")
    (tmp_path / "out").mkdir()
    assert attacked(clip, tmp_path / "out" / "out.mp4") == attacks.DENIED


@pytest.fixture
def shared() -> Iterator[dict[str, str]]:
    """A semaphore, a message in a queue and a queue with a name, for each attack on one; they must
    be as they were in the end."""
    libc, own = attacks.libc, 0o600
    semaphores, queue = libc.semget(0, 1, own), libc.msgget(0, own)
    name = f"/homeveil-test-{os.getpid()}"
    named = libc.mq_open(name.encode(), os.O_RDWR | os.O_CREAT, own, None)
    assert min(semaphores, queue, named) >= 0
    message = ctypes.create_string_buffer(b"message".rjust(15, b"\1"))
    assert libc.msgsnd(queue, message, 7, 0) == 0
    try:
        by_number = {one: str(semaphores) for one in ("set_semaphore", "raise_semaphore")}
        by_number |= {one: str(queue) for one in ("take_message", "remove_queue")}
        yield by_number | {"remove_posix_queue": name}
        assert libc.semctl(semaphores, 0, 12) == 0  # its value
        assert libc.msgrcv(queue, message, 7, 0, os.O_NONBLOCK) == 7
    finally:
        libc.semctl(semaphores, 0, 0)
        libc.msgctl(queue, 0, None)
        os.close(named)
        removed = libc.mq_unlink(name.encode())
    assert removed == 0


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", sorted(SHARED))
def test_semaphores_and_queues_of_others_stay_as_they_are(
    name: str,
    first: bool,
    shared: dict[str, str],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They have numbers and names that can be guessed: nobody has to hand them over."""
    sabotage(monkeypatch, f"attacks.install({name!r}, {shared[name]!r}, first={first})")
    said = attacked(clip, tmp_path / "out.mp4")
    assert said == attacks.DENIED if first else "tried what it may not" in said


def test_it_has_no_terminal(clip: Path) -> None:
    """It leads a session of its own: what it types reaches nobody."""
    with boxed(clip) as box:
        assert os.getsid(box.process_id) == box.process_id


def test_no_core_is_written(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies writes no core, though the limit of this one would allow it."""
    monkeypatch.chdir(tmp_path)
    sabotage(monkeypatch, "attacks.install('core_dump', '')")
    (tmp_path / "out").mkdir()
    assert "was killed (SIGABRT)" in attacked(clip, tmp_path / "out" / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_locked(clip: Path) -> None:
    """The kernel itself says that the isolated process is locked in, every thread of it."""
    with boxed(clip) as box:
        threads = sorted(Path(f"/proc/{box.process_id}/task").iterdir())
        assert len(threads) > 2
        for thread in threads:
            status = (thread / "status").read_text()
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), thread
            assert re.search(r"^Seccomp:\s+2$", status, re.M), thread
            assert re.search(r"^Seccomp_filters:\s+2$", status, re.M), thread
        # Not one kind of mapping goes into a core, whoever would write it.
        dumped = Path(f"/proc/{box.process_id}/coredump_filter").read_text()
        assert int(dumped, 16) == 0
        limits = Path(f"/proc/{box.process_id}/limits").read_text()
        assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.M)
        assert re.search(r"^Max file size\s+0\s+0\s", limits, re.M)
        assert not re.search(r"^Max address space\s+unlimited", limits, re.M)
        handles = list(Path(f"/proc/{box.process_id}/fd").iterdir())
        targets = sorted(os.readlink(handle) for handle in handles)
        assert not any("socket" in target for target in targets)
        own = {target for target in targets if not target.startswith(("pipe:", "anon_inode:"))}
        assert own <= {"/dev/null", "/dev/urandom", "/memfd:homeveil (deleted)", str(clip)}


def test_this_process_maps_no_raw_content(clip: Path) -> None:
    """Read from /proc: nothing that one process writes is mapped by the other but the slots of
    veiled content."""

    def shared(process: int | str) -> set[str]:
        lines = Path(f"/proc/{process}/maps").read_text().splitlines()
        return {line.split(maxsplit=5)[-1] for line in lines if line.split()[1][1:4:2] == "ws"}

    with boxed(clip) as box:
        assert shared(box.process_id) & shared("self") == {"/memfd:homeveil (deleted)"}
        assert shared("self") - {"/memfd:homeveil (deleted)"} == set()


def test_another_user_cannot_look_in(clip: Path) -> None:
    """The memory of the isolated process belongs to root alone, and cannot be traced."""
    with boxed(clip) as box:
        memory = Path(f"/proc/{box.process_id}/mem")
        assert memory.stat().st_uid == 0
        if os.geteuid() == 0:
            nobody = ["setpriv", "--reuid=65534", "--clear-groups", "head", "-c1"]
            for name in ("mem", "maps", "environ"):
                path = f"/proc/{box.process_id}/{name}"
                look = subprocess.run([*nobody, path], capture_output=True, check=False)
                assert b"Permission denied" in look.stderr


@pytest.mark.parametrize(
    "forged",
    [
        "00",
        "ff",
        encode(Locked(7, 1)).hex(),
        "03" + "ff" * 60,
        "07" + "00" + "0400" + "61620a63",
        encode(Locked(7, 1))[:3].hex() + "00" * 500 + "55",
    ],
)
def test_a_forged_message_ends_the_run(
    forged: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no message, is out of range or comes out of turn is refused."""
    sabotage(monkeypatch, f"attacks.forge({forged!r})")
    assert "the isolated process sent" in attacked(clip, tmp_path / "out.mp4")


def test_lips_have_no_word_where_the_policy_gives_them_none(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that cannot have been made under the policy is refused."""
    clip = make(tmp_path_factory.mktemp("clip") / "in.mp4", sound=True)
    sabotage(monkeypatch, f"attacks.forge({encode(Judged.of(Verdict.LIPS, 0.0, 0.1)).hex()!r})")
    assert "the isolated process sent" in attacked(clip, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    "statement",
    [
        f"attacks.forge_sound({NINE_CHANNELS!r})",
        "attacks.spoil_sound('nan')",
        "attacks.spoil_sound('inf')",
    ],
)
def test_sound_that_is_none_ends_the_run(
    statement: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of more channels than are ever read, or with samples that are no numbers."""
    clip = make(tmp_path_factory.mktemp("clip") / "in.mp4", sound=True)
    sabotage(monkeypatch, statement)
    assert "the isolated process sent" in attacked(clip, tmp_path / "out.mp4")


def test_secrets_of_the_environment_stay_outside(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrase, and what opens a webhook or a broker, are not in the isolated process."""
    names = (
        "HOMEVEIL_PASSPHRASE", "HOMEVEIL_EVENTS_TOKEN", "HOMEVEIL_MQTT_USERNAME",
        "HOMEVEIL_MQTT_PASSWORD",
    )  # fmt: skip
    for name in names:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("HOMEVEIL_ELSE", "known")
    sabotage(
        monkeypatch,
        f"import os; assert os.environ['HOMEVEIL_ELSE'] and not set({names!r}) & set(os.environ)",
    )
    with boxed(clip) as box:
        assert sum(1 for _ in box) == 10


@pytest.mark.parametrize(("given", "there"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_numpy_makes_no_threads_inside(
    clip: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], there: str
) -> None:
    """Unless somebody says otherwise."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    sabotage(monkeypatch, f"import os; assert os.environ['OPENBLAS_NUM_THREADS'] == '{there}'")
    with boxed(clip) as box:
        assert sum(1 for _ in box) == 10


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("tear", "what is no message"),
        ("turn_back", "what does not belong there"),
        ("say_less", "what does not belong there"),
    ],
)
def test_messages_that_do_not_follow_end_the_run(
    how: str, said: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message cut short, a clock that jumps back, a picture that was read and never came."""
    sabotage(monkeypatch, f"attacks.{how}()")
    assert said in attacked(clip, tmp_path / "out.mp4")


def test_who_hangs_up_and_goes_on_is_not_waited_for(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be heard any more of a process that closed its end and does not end."""
    monkeypatch.setattr("homeveil.isolation.box.GONE_SECONDS", 0.5)
    sabotage(monkeypatch, "attacks.hang_up()")
    assert "hung up" in attacked(clip, tmp_path / "out.mp4")
