"""The isolated side: reads, looks and veils one file, and sends what is veiled.

Started by :mod:`homeveil.isolation.box` in a process that has already given up writing
(``_confine.begin``). It opens what it needs, locks itself in and never opens anything again.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections import deque
from pathlib import Path

import numpy as np

from homeveil import _confine
from homeveil._kernels import Verdict
from homeveil.audio import VeiledAudio
from homeveil.clearing.here import FileClearing, open_here
from homeveil.errors import InputError, IsolationError
from homeveil.frames import PixelFormat, VeiledFrame
from homeveil.isolation import messages
from homeveil.isolation.messages import (
    ALL_PURPOSES,
    GO,
    MOST_SECONDS,
    SOUND_BIT,
    SOUND_SLOTS,
    Message,
)
from homeveil.isolation.orders import read_order
from homeveil.isolation.slots import AGENT, SOUND_SLOT_BYTES, WITHHELD, Slots
from homeveil.report import SoundTally

MORE_MEMORY_BYTES = 3 * 2**30
"""What may be mapped beyond what is mapped when the process locks itself in."""


def main(commands: int, outgoing: int, memory: int, landlock: int) -> None:
    """Clear one file and end the process. commands, outgoing, memory: descriptors that were
    handed over; landlock: its version in force."""
    # Who is at the terminal stops the other process, and that one stops this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inside = _Inside(commands, outgoing, memory)
    status = 1
    try:
        inside.run(landlock)
        status = 0
    except BaseException as error:
        inside.tell(messages.Failed.of(error))
    finally:
        # Nothing is closed in an orderly way: most of what that needs is forbidden by now.
        os._exit(status)


class _SentTally(SoundTally):
    """Counts on the other side."""

    inside: _Inside

    def add(self, verdict: Verdict, start: float, end: float) -> None:
        _check_times(start, end)
        self.inside.tell(messages.Judged.of(verdict, start, end))


class _Inside:
    def __init__(self, commands: int, outgoing: int, memory: int) -> None:
        self._commands, self._outgoing, self._memory = commands, outgoing, memory
        self._pictures: deque[int] = deque()
        self._sounds = deque(range(SOUND_SLOTS))
        self._damaged = 0

    def tell(self, message: Message) -> None:
        """Send one message. A reader that is gone ends this process."""
        os.write(self._outgoing, messages.encode(message))

    def run(self, landlock: int) -> None:
        order = read_order(json.loads(self._read_text()))
        with open_here(order, self._tally) as clearing:
            clearing.ahead = lambda frames: self.tell(messages.Ahead(frames))
            clearing.warm_up()
            self.tell(_opened(clearing))
            form = clearing.form
            live = order.live is not None
            self._slots = Slots(self._memory, form.width, form.height, live=live)
            self._pictures.extend(range(self._slots.pictures))
            if os.read(self._commands, 1) != GO:
                raise IsolationError("the other process gave up")
            self._slots.map()
            self._lock(landlock)
            late = 0
            for veiled in clearing:
                if clearing.late_frames > late:
                    late = clearing.late_frames
                    self.tell(messages.Late(late))
                if isinstance(veiled, VeiledFrame):
                    self._send_picture(veiled, clearing)
                else:
                    self._send_sound(veiled)
            damaged = min(clearing.damaged_packets, 2**31 - 1)
            cut = int(clearing.truncated)
            self.tell(messages.Done(clearing.frames_read, damaged, cut))

    def _lock(self, landlock: int) -> None:
        _limit_memory()
        seccomp = _confine.has_seccomp()
        if seccomp:
            _confine.lock(self._outgoing, self._slots.memory)
        self.tell(messages.Locked(landlock, int(seccomp)))

    def _tally(self, closed_reason: str) -> SoundTally:
        tally = _SentTally(closed_reason)
        tally.inside = self
        return tally

    def _read_text(self) -> bytes:
        size = int.from_bytes(self._read(4), "little")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = os.read(self._commands, size - len(data))
            if not piece:
                raise IsolationError("the other process gave up")
            data += piece
        return data

    def _free(self, slots: deque[int]) -> int:
        """A slot to fill; waits until the other process has done with one."""
        while not slots:
            (slot,) = self._read(1)
            if slot & SOUND_BIT:
                self._sounds.append(slot & ~SOUND_BIT)
            else:
                self._pictures.append(slot)
        return slots.popleft()

    def _send_picture(self, frame: VeiledFrame, clearing: FileClearing) -> None:
        if not self._slots.fits(frame.width, frame.height):
            raise InputError(
                f"the picture grows to {frame.width}x{frame.height} in mid-stream, too much for "
                "one file; cut it there"
            )
        _check_times(frame.time.seconds)
        slot = self._free(self._pictures)
        places = self._slots.planes(slot, frame.pixel_format, frame.width, frame.height)
        for place, plane in zip(places, frame.planes, strict=True):
            np.copyto(place, plane)
        cells = self._slots.cells(slot, frame.width, frame.height)
        np.copyto(cells, AGENT * frame.agent + WITHHELD * frame.withheld, casting="unsafe")
        colour, base = frame.colour, frame.time.time_base
        self.tell(
            messages.Picture(
                slot=slot,
                pixel_format=tuple(PixelFormat).index(frame.pixel_format),
                fault=int(frame.fault),
                matrix=colour.matrix,
                primaries=colour.primaries,
                transfer=colour.transfer,
                full_range=int(colour.full_range),
                width=frame.width,
                height=frame.height,
                pts=frame.time.pts,
                base_num=base.numerator,
                base_den=base.denominator,
                withheld=int(frame.withheld.sum()),
                takes_over=clearing.takes_over,
                undisputed=int(clearing.undisputed),
            )
        )

    def _send_sound(self, sound: VeiledAudio) -> None:
        most = SOUND_SLOT_BYTES // (4 * sound.channels)
        base = sound.time.time_base
        for start in range(0, sound.samples.shape[1], most):
            piece = sound.samples[:, start : start + most]
            count = piece.shape[1]
            slot = self._free(self._sounds)
            np.copyto(self._slots.samples(slot, sound.channels, count), piece)
            self.tell(
                messages.Sound(
                    slot=slot,
                    channels=sound.channels,
                    rate=sound.rate,
                    count=count,
                    pts=sound.time.pts + start * base.denominator // (sound.rate * base.numerator),
                    base_num=base.numerator,
                    base_den=base.denominator,
                    opened=round(sound.open_share * count),
                )
            )


def _opened(clearing: FileClearing) -> messages.Opened:
    form = clearing.form
    rate_num, rate_den = messages.ratio(form.frame_rate)
    aspect_num, aspect_den = messages.ratio(form.sample_aspect_ratio)
    profile = clearing.profile
    return messages.Opened(
        width=form.width,
        height=form.height,
        rate_num=rate_num,
        rate_den=rate_den,
        aspect_num=aspect_num,
        aspect_den=aspect_den,
        frames=min(form.frames_expected or 0, 2**40 - 1),
        seconds=min(form.seconds_expected or 0.0, MOST_SECONDS),
        sound_rate=form.sound.rate if form.sound else 0,
        sound_channels=form.sound.channels if form.sound else 0,
        purposes=sum(1 << ALL_PURPOSES.index(purpose) for purpose in clearing.models),
        voice=int(profile is not None and profile.voice is not None),
        stretches=form.stretches,
        matrix=form.colour.matrix,
        primaries=form.colour.primaries,
        transfer=form.colour.transfer,
        full_range=int(form.colour.full_range),
        begin=form.begin_seconds if abs(form.begin_seconds) <= MOST_SECONDS else 0.0,
    )


def _check_times(*seconds: float) -> None:
    if max(map(abs, seconds)) > MOST_SECONDS:
        raise InputError(
            "the recording's clock is wrong by centuries; convert it so that its times begin at 0"
        )


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY_BYTES
    _, before = resource.getrlimit(resource.RLIMIT_AS)
    if before != resource.RLIM_INFINITY:
        # A limit that somebody set is not to be raised.
        most = min(most, before)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
