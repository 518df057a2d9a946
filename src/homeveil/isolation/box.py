"""The side that encodes and writes: starts the isolated process and takes what it sends.

This process opens no input, runs no model and never maps raw content.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from homeveil import _confine
from homeveil._kernels import Verdict
from homeveil.audio import VeiledAudio
from homeveil.clearing import Clearing, Form, Order, Veiled
from homeveil.emit.events import PASSWORD, TOKEN, USERNAME
from homeveil.errors import InputError, IsolationError
from homeveil.files import is_descriptor
from homeveil.frames import _SEAL, Colour, Timestamp, VeiledFrame
from homeveil.isolation import Isolate, messages
from homeveil.isolation.messages import ALL_PURPOSES, GO, SOUND_BIT, Message
from homeveil.isolation.orders import write_order
from homeveil.isolation.slots import AGENT, SOUND_SLOT_BYTES, WITHHELD, Slots
from homeveil.media.sound_track import SoundFormat
from homeveil.models.store import expected_sha256
from homeveil.policy import Lips, Sound
from homeveil.profile.store import PASSPHRASE_VARIABLE
from homeveil.report import SoundTally, Tally

_log = logging.getLogger("homeveil")

STALL_SECONDS = 60.0
"""The isolated process is given up when it is silent for this long and as much again as
three looks may take; not while it reads what is no plain file, which may come slowly."""

PROCESSOR_SECONDS = 300
"""Time on processors that the isolated process may use without sending anything; then the kernel
ends it, whatever this process does."""

GONE_SECONDS = 10.0
"""A process from which no message can come any more has all but ended, or never will."""

_RENEW_SECONDS = 10.0
_LAST_STANDARD = 2

_SECRETS = frozenset({PASSPHRASE_VARIABLE, TOKEN, USERNAME, PASSWORD})
"""Names of the environment that are no business of the isolated process."""

_START = (
    "import sys; sys.path[:] = {path!r}; from homeveil import _confine;"
    " landlock = _confine.begin({parent});"
    " from homeveil.isolation.inside import main; main({commands}, {messages}, {memory}, landlock)"
)


def missing_support() -> list[str]:
    """What this system lacks of full isolation, in words; empty if nothing."""
    if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create"):
        return ["Linux"]
    lacks = []
    if not _confine.landlock_abi():
        lacks.append("Landlock (Linux 5.13)")
    if not _confine.has_seccomp():
        lacks.append("seccomp filters (Linux 4.14)")
    return lacks


def open_clearing(order: Order, isolate: Isolate) -> Clearing:
    """Clear a file in a process of its own, or, where ``isolate`` allows or asks, in this one.

    Raises IsolationError, and what the isolated process reports: InputError, ModelError,
    ProfileError.
    """
    if isolate is Isolate.OFF:
        return _open_here(order)
    lacks = missing_support()
    if lacks and isolate is Isolate.REQUIRE:
        raise IsolationError(f"isolation needs {' and '.join(lacks)}, which this system lacks")
    if lacks == ["Linux"] or not sys.executable:
        _log.warning("isolation needs Linux and a Python to start: clearing in this process")
        return _open_here(order)
    if lacks:
        _log.warning("isolation is incomplete: this system lacks %s", " and ".join(lacks))
    if order.live is None:
        _check_name(order.source)
    return Box(order)


def _check_name(source: Path) -> None:
    """Raise InputError for what is this process's alone: the isolated one has other descriptors."""
    if is_descriptor(source):
        raise InputError(
            f"{source}: cannot be handed on to the isolated process; give a file or a named pipe"
        )


def _open_here(order: Order) -> Clearing:
    # What looks and listens is loaded only where it is to run.
    from homeveil.clearing.here import open_here

    return open_here(order)


class Box(Clearing):
    """A file being cleared in a process that the kernel keeps from everything else."""

    def __init__(self, order: Order) -> None:
        self._order = order
        # A camera's silence is watched over by who shows it.
        patient = order.live is not None or (order.source.exists() and not order.source.is_file())
        seconds = STALL_SECONDS + 3 * order.policy.look_timeout_seconds
        self._patience_ms = None if patient else round(1000 * seconds)
        self._damaged, self._cut = 0, False
        self._renewed = float("-inf")
        self._newest = float("-inf")
        self._slots: Slots | None = None
        self._descriptors: list[int] = []
        try:
            self._start()
            self._open()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        try:
            self._spawn()
        except OSError as error:
            raise IsolationError(
                f"the isolated process could not be started ({error}); nothing was read"
            ) from error

    def _spawn(self) -> None:
        their_commands, self._commands = self._pipe()
        self._incoming, their_messages = self._pipe()
        memory = os.memfd_create("homeveil", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._memory = self._kept(memory)
        handed = [their_commands, their_messages, self._memory]
        if self._order.live is not None:
            handed.append(self._order.live.feed)
        root = str(Path(__file__).parents[2])
        code = _START.format(
            path=[root, *(entry for entry in sys.path if entry and entry != root)],
            parent=os.getpid(),
            commands=their_commands,
            messages=their_messages,
            memory=self._memory,
        )
        nothing = subprocess.DEVNULL
        environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        # What numpy is used for there is too small for threads, which only turn as it starts.
        environment.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            pass_fds=handed,
            env=environment,
            # A process of the same session could type into its terminal.
            start_new_session=True,
        )
        self._allow_time()
        for handle in (their_commands, their_messages):
            self._descriptors.remove(handle)
            os.close(handle)
        self._poll = select.poll()
        self._poll.register(self._incoming, select.POLLIN)
        # An order may be more than a pipe holds, and who is to read it may never do so.
        os.set_blocking(self._commands, False)
        self._room = select.poll()
        self._room.register(self._commands, select.POLLOUT)
        text = json.dumps(write_order(self._order)).encode()
        self._command(len(text).to_bytes(4, "little") + text)

    def _pipe(self) -> tuple[int, int]:
        before, behind = os.pipe()
        return self._kept(before), self._kept(behind)

    def _kept(self, handle: int) -> int:
        """A descriptor to be handed on and closed at the end. One that took the place of a
        standard stream that was closed is moved: there the other process has others."""
        if handle <= _LAST_STANDARD:
            low, handle = handle, fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _LAST_STANDARD + 1)
            os.close(low)
        self._descriptors.append(handle)
        return handle

    def _open(self) -> None:
        opened = self._receive()
        if not isinstance(opened, messages.Opened):
            raise self._out_of_turn()
        self.form = _form(opened)
        self.tally = Tally()
        self.sound_tally = None
        if self.form.sound is not None:
            reason = "not cleared" if opened.voice else "no voice enrolled"
            self.sound_tally = SoundTally(reason)
        known, own = ALL_PURPOSES, self._order.policy.models
        if opened.purposes >> len(known):
            raise self._out_of_turn()
        stretch = self._order.stretch
        most = stretch.count if stretch is not None else 1
        # For each of them a process is started.
        if not min(2, most) <= opened.stretches <= most:
            raise self._out_of_turn()
        if self.form.sound is not None and self._order.policy.sound is Sound.WITHHELD:
            raise self._out_of_turn()
        used = [name for bit, name in enumerate(known) if opened.purposes >> bit & 1]
        self.models = {purpose: expected_sha256(purpose, own) for purpose in used}
        slots = Slots(
            self._memory, self.form.width, self.form.height, live=self._order.live is not None
        )
        slots.make()
        slots.map()
        self._slots = slots
        self._command(GO)
        locked = self._receive()
        if not isinstance(locked, messages.Locked):
            raise self._out_of_turn()
        parts = ["process"]
        parts += [f"landlock {locked.landlock}"] if locked.landlock else []
        parts += ["seccomp"] if locked.seccomp else []
        if missing_support() == [] and len(parts) < 3:
            raise IsolationError("the isolated process could not lock itself in; it was stopped")
        self.isolation = ", ".join(parts)

    @property
    def damaged_packets(self) -> int:
        return self._damaged

    @property
    def truncated(self) -> bool:
        return self._cut

    @property
    def process_id(self) -> int:
        """Of the isolated process."""
        return self._process.pid

    def kill(self) -> None:
        """End the isolated process from another thread; who waits for it is told."""
        self._process.kill()

    def __iter__(self) -> Iterator[Veiled]:
        while True:
            message = self._receive()
            if isinstance(message, messages.Picture):
                frame = self._frame(message)
                self.takes_over, self.undisputed = message.takes_over, bool(message.undisputed)
                self.tally.add(frame)
                if frame.fault:
                    _log.warning("frame withheld: a fault in the isolated process")
                yield frame
                self._command(bytes([message.slot]))
            elif isinstance(message, messages.Sound):
                yield self._sound(message)
                self._command(bytes([message.slot | SOUND_BIT]))
            elif isinstance(message, messages.Judged) and self.sound_tally is not None:
                if message.verdict is Verdict.LIPS and self._order.policy.lips is Lips.OFF:
                    raise self._out_of_turn()
                self.sound_tally.add(message.verdict, message.start, message.end)
            elif isinstance(message, messages.Late) and message.frames >= self.late_frames:
                self.late_frames = message.frames
            elif isinstance(message, messages.Ahead) and self._order.stretch is not None:
                continue
            elif isinstance(message, messages.Done) and message.frames == self.tally.frames:
                self.frames_read, self._damaged = message.frames, message.damaged
                self._cut = bool(message.cut)
                return
            else:
                raise self._out_of_turn()

    def _frame(self, message: messages.Picture) -> VeiledFrame:
        width, height = message.width, message.height
        if self._slots is None or not self.form.width or not self._slots.fits(width, height):
            raise self._out_of_turn()
        if message.slot >= self._slots.pictures:
            raise self._out_of_turn()
        # Compared, so that none of its bytes is anything but one of three answers.
        cells = self._slots.cells(message.slot, width, height).copy()
        withheld = cells == WITHHELD
        if cells.max() > AGENT or int(withheld.sum()) != message.withheld:
            raise self._out_of_turn()
        if message.fault and not withheld.all():
            raise self._out_of_turn()
        if self._order.stretch is None and (message.takes_over or message.undisputed):
            raise self._out_of_turn()
        time = _time(message)
        if time.seconds <= self._newest:
            raise self._out_of_turn()
        self._newest = time.seconds
        return VeiledFrame(
            self._slots.planes(message.slot, message.layout, width, height),
            message.layout,
            width,
            height,
            time,
            _colour(message),
            withheld=withheld,
            agent=cells == AGENT,
            fault=bool(message.fault),
            seal=_SEAL,
        )

    def _sound(self, message: messages.Sound) -> VeiledAudio:
        size = 4 * message.channels * message.count
        if self._slots is None or self.form.sound is None or size > SOUND_SLOT_BYTES:
            raise self._out_of_turn()
        # Copied, so that what is looked at is what leaves.
        samples = self._slots.samples(message.slot, message.channels, message.count).copy()
        if not np.isfinite(samples).all():
            raise self._out_of_turn()
        share = message.opened / message.count
        return VeiledAudio(samples, message.rate, _time(message), share, _SEAL)

    def _command(self, data: bytes) -> None:
        while data:
            if not self._room.poll(self._patience_ms):
                raise self._silent()
            try:
                data = data[os.write(self._commands, data) :]
            except BrokenPipeError:
                # Its last words, or that it has none, come out when they are read.
                return

    def _receive(self) -> Message:
        """The next message; whatever else happens to the isolated process is an error."""
        if not self._poll.poll(self._patience_ms):
            raise self._silent()
        data = os.read(self._incoming, messages.SIZE)
        self._check_denials()
        self._allow_time()
        if not data:
            raise self._died()
        message = messages.decode(data)
        if isinstance(message, messages.Failed):
            raise message.exception()
        return message

    def _allow_time(self) -> None:
        """It begins, or sent something: it may go on."""
        now = time.monotonic()
        if now < self._renewed + _RENEW_SECONDS:
            return
        self._renewed = now
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text("ascii")
            user, system = stat.rpartition(")")[2].split()[11:13]
            used = (int(user) + int(system)) // os.sysconf("SC_CLK_TCK")
            _, most = resource.prlimit(self._process.pid, resource.RLIMIT_CPU)
            resource.prlimit(
                self._process.pid, resource.RLIMIT_CPU, (used + PROCESSOR_SECONDS, most)
            )
        except (OSError, ValueError):
            # It has ended, or its limit is lower already.
            return

    def _check_denials(self) -> None:
        denied = self._slots.denials() if self._slots is not None else []
        if denied:
            calls = ", ".join(map(str, sorted(set(denied))))
            raise IsolationError(
                f"the isolated process tried what it may not (system call {calls}) and was "
                "stopped; the input may be hostile; nothing was left behind"
            )

    def _died(self) -> IsolationError:
        try:
            status = self._process.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:
            return IsolationError(
                "the isolated process hung up and went on; it was stopped and nothing was left "
                "behind"
            )
        if -status == signal.SIGSYS:
            why = "was killed for a system call that it may not make"
        elif status < 0:
            why = f"was killed ({signal.Signals(-status).name})"
        else:
            why = f"ended too early (status {status})"
        return IsolationError(f"the isolated process {why}; nothing was left behind")

    def _silent(self) -> IsolationError:
        return IsolationError(
            f"the isolated process was silent for {(self._patience_ms or 0) // 1000} s and was "
            "stopped; nothing was left behind"
        )

    def _out_of_turn(self) -> IsolationError:
        return IsolationError(
            "the isolated process sent what does not belong there; it was stopped and nothing "
            "was left behind"
        )

    def close(self) -> None:
        """Kill the process, which has nothing left that is worth an orderly end."""
        process: subprocess.Popen[bytes] | None = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        while self._descriptors:
            os.close(self._descriptors.pop())
        if self._slots is not None:
            self._slots.close()


def _form(opened: messages.Opened) -> Form:
    sound = None
    if opened.sound_rate:
        sound = SoundFormat(opened.sound_rate, opened.sound_channels)
    return Form(
        opened.width,
        opened.height,
        messages.fraction(opened.rate_num, opened.rate_den),
        messages.fraction(opened.aspect_num, opened.aspect_den),
        opened.frames or None,
        opened.seconds or None,
        sound,
        opened.stretches,
        _colour(opened),
        opened.begin,
    )


def _colour(message: messages.Opened | messages.Picture) -> Colour:
    return Colour(message.matrix, message.primaries, message.transfer, bool(message.full_range))


def _time(message: messages.Picture | messages.Sound) -> Timestamp:
    base = messages.fraction(message.base_num, message.base_den)
    if base is None:
        raise IsolationError("the isolated process sent a time without a clock")
    return Timestamp(message.pts, base)
