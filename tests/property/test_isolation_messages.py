"""Nothing but the closed set of messages passes from the isolated process to the other."""

from __future__ import annotations

import math
import os
import select
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeveil import errors, policy
from homeveil._kernels import Verdict
from homeveil.clearing import Form, Order
from homeveil.errors import HomeveilError, IsolationError
from homeveil.frames import PixelFormat, VeiledFrame
from homeveil.isolation import messages
from homeveil.isolation.box import Box, missing_support
from homeveil.isolation.messages import (
    SIZE,
    Ahead,
    Done,
    Failed,
    Judged,
    Late,
    Locked,
    Message,
    Opened,
    Picture,
    Sound,
    decode,
    encode,
)
from homeveil.isolation.slots import AGENT, WITHHELD, Slots
from homeveil.media.sound_track import SoundFormat
from homeveil.media.stretches import Stretch
from homeveil.policy import Policy
from homeveil.report import SoundTally, Tally

GOOD: list[Message] = [
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 48_000, 2, 0x3F, 1),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 16_000, 1, 0, 0),
    Locked(7, 1),
    Picture(11, 0, 0, 1, 1, 1, 0, 640, 360, 9000, 1, 90_000, 12),
    Sound(7, 2, 48_000, 1024, -100, 1, 48_000, 512),
    Judged.of(Verdict.OPEN, 0.25, 0.26),
    Judged.of(Verdict.LIPS, 0.26, 0.27),
    Done(100, 3, 1),
    Failed.of(errors.InputError("in.mp4: no video stream; give a video file")),
    Late(4),
    Ahead(40),
    Picture(2, 0, 0, 1, 1, 1, 0, 640, 360, 9000, 1, 90_000, 12, 3, 1),
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 48_000, 2, 0x3F, 1, 4),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 16_000, 1, 0, 0, begin=-0.5),
]


@pytest.mark.parametrize("message", GOOD)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    data = encode(message)
    assert len(data) == SIZE
    assert decode(data) == message


def refused(data: bytes) -> bool:
    try:
        decode(data)
    except IsolationError:
        return True
    return False


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_noise_is_no_message(data: bytes) -> None:
    """A raw picture sent in the place of messages is refused."""
    assert refused(data)


@given(st.binary(max_size=2 * SIZE).filter(lambda data: len(data) != SIZE))
def test_a_torn_message_is_refused(data: bytes) -> None:
    assert refused(data)


@given(st.sampled_from(GOOD), st.data())
def test_spare_bytes_carry_nothing(message: Message, data: st.DataObject) -> None:
    """Whatever is written behind the fields, or behind the text, is refused."""
    good = bytearray(encode(message))
    used = 1 + message.LAYOUT.size
    if isinstance(message, Failed):
        used = 1 + 3 + message.length
    at = data.draw(st.integers(used, SIZE - 1))
    good[at] = data.draw(st.integers(1, 255))
    assert refused(bytes(good))


@given(st.sampled_from(GOOD), st.data())
def test_what_is_accepted_is_in_range(message: Message, data: st.DataObject) -> None:
    """Any field overwritten with any bytes: refused, or a value that a good run could send."""
    raw = bytearray(encode(message))
    start = data.draw(st.integers(1, message.LAYOUT.size))
    piece = data.draw(st.binary(min_size=1, max_size=8))[: 1 + message.LAYOUT.size - start]
    raw[start : start + len(piece)] = piece
    try:
        got = decode(bytes(raw))
    except IsolationError:
        return
    got.check()
    for name in got.__slots__:
        value = getattr(got, name)
        assert not isinstance(value, float) or math.isfinite(value)
    assert encode(got) == bytes(raw), "one value has one form"


BAD: list[Message] = [
    Picture(12, 0, 0, 1, 1, 1, 0, 640, 360, 0, 1, 90_000, 0),
    Picture(0, 2, 0, 1, 1, 1, 0, 640, 360, 0, 1, 90_000, 0),
    Picture(0, 0, 2, 1, 1, 1, 0, 640, 360, 0, 1, 90_000, 0),
    Picture(0, 0, 0, 99, 1, 1, 0, 640, 360, 0, 1, 90_000, 0),
    Picture(0, 0, 0, 1, 1, 1, 0, 0, 360, 0, 1, 90_000, 0),
    Picture(0, 0, 0, 1, 1, 1, 0, 640, 360, 0, 0, 90_000, 0),
    Picture(0, 0, 0, 1, 1, 1, 0, 640, 360, 2**62, 1, 90_000, 0),
    Picture(0, 0, 0, 1, 1, 1, 0, 640, 360, 0, 1, 90_000, 0, 1, 2),
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 0, 0, 0, 0, 0),
    Ahead(2**40),
    Sound(8, 1, 48_000, 10, 0, 1, 48_000, 0),
    Sound(0, 0, 48_000, 10, 0, 1, 48_000, 0),
    Sound(0, 1, 1, 10, 0, 1, 48_000, 0),
    Sound(0, 1, 48_000, 0, 0, 1, 48_000, 0),
    Sound(0, 1, 48_000, 10, 0, 1, 48_000, 11),
    Judged(9, 0.0, 1.0),
    Judged(0, 1.0, 0.0),
    Judged(0, math.nan, 0.0),
    Judged(0, 0.0, math.inf),
    Opened(640, 0, 30, 1, 0, 0, 100, 4.0, 0, 0, 0, 0),
    Opened(640, 360, 30, 0, 0, 0, 100, 4.0, 0, 0, 0, 0),
    Opened(640, 360, 30, 1, 0, 0, 100, math.nan, 0, 0, 0, 0),
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 48_000, 0, 0, 0),
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 0, 0, 0, 2),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 16_000, 1, 0, 0, begin=math.nan),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 16_000, 1, 0, 0, begin=1e11),
    Locked(200, 1),
    Locked(7, 2),
    Done(0, 2**31, 0),
    Done(0, 0, 2),
    Done(2**40, 0, 0),
    Failed(99, 0, b""),
    Failed(0, 3, b"a\nb"),
    Failed(0, 2, b"\xff\xfe"),
]


@pytest.mark.parametrize("message", BAD)
def test_a_field_out_of_range_is_refused(message: Message) -> None:
    assert refused(encode(message))


@given(st.text(max_size=2000))
def test_last_words_are_one_printable_line(text: str) -> None:
    """Whatever an error says, what arrives is a bounded line."""
    error = decode(encode(Failed.of(errors.ModelError(text))))
    assert isinstance(error, Failed)
    said = str(error.exception())
    assert said.isprintable()
    assert len(said.encode()) <= messages.TEXT_BYTES
    assert isinstance(error.exception(), errors.ModelError)


@given(st.binary(max_size=50))
def test_an_unexpected_error_does_not_quote(content: bytes) -> None:
    """The text of errors that are not ours may hold anything, so only their kind is told."""
    told = Failed.of(ValueError(content.hex()))
    assert isinstance(told.exception(), IsolationError)
    assert str(told.exception()) == "the isolated process failed (ValueError)"


def test_every_error_of_ours_that_can_come_has_its_place() -> None:
    """But for those of what the isolated process does not do: write, enroll and tell events."""
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {kind for kind in kinds if issubclass(kind, HomeveilError)}
    elsewhere = {HomeveilError, errors.MediaError, errors.OutputError, errors.EnrollmentError}
    elsewhere |= {errors.LedgerError, errors.EventError, errors.TransferError}
    assert {*messages.ERRORS} == ours - elsewhere


def test_ratios_survive() -> None:
    assert messages.fraction(*messages.ratio(None)) is None
    for value in (Fraction(30_000, 1001), Fraction(1, 3)):
        assert messages.fraction(*messages.ratio(value)) == value


# ------------------------------------------------------------------ what a message says of a slot
PICTURE = Picture(1, 0, 0, 1, 1, 1, 0, 64, 48, 9000, 1, 90_000, 12)
SOUND = Sound(2, 2, 48_000, 16, 0, 1, 48_000, 8)


class Emptied(Box):
    """A box whose other side is this test: real memory and pipes, and nobody in it."""

    def __init__(self) -> None:
        self._order = Order(Path("in.mp4"), None, Policy())
        self._descriptors = []
        self._incoming, self.out = self._pipe()
        self.freed, self._commands = self._pipe()
        os.set_blocking(self.freed, False)
        self._poll, self._room = select.poll(), select.poll()
        self._poll.register(self._incoming, select.POLLIN)
        self._room.register(self._commands, select.POLLOUT)
        self._patience_ms = 0
        self._renewed, self._newest = math.inf, -math.inf
        self._memory = os.memfd_create("slots", os.MFD_ALLOW_SEALING)
        self._descriptors.append(self._memory)
        self._slots = None

    def open(self, *said: Message) -> None:
        """As when a file is opened, with what is said then."""
        for message in said:
            self.tell(message)
        self._open()

    def fill(self) -> None:
        """As when a picture lies in a slot."""
        self.slots = self._slots = Slots(self._memory, 64, 48)
        self.slots.make()
        self.slots.map()
        self.form = Form(64, 48, None, None, None, None, SoundFormat(48_000, 2))
        self.tally, self.sound_tally = Tally(), SoundTally("not cleared")
        self.cells = self.slots.cells(PICTURE.slot, 64, 48)
        self.cells.flat[: PICTURE.withheld] = WITHHELD
        self.cells.flat[20:25] = AGENT

    def tell(self, message: Message) -> None:
        os.write(self.out, encode(message))

    def free(self) -> bytes:
        """What was said of slots that are free again."""
        try:
            return os.read(self.freed, 99)
        except BlockingIOError:
            return b""


@pytest.fixture
def closed() -> Iterator[Emptied]:
    if not hasattr(os, "memfd_create"):
        pytest.skip("needs Linux")
    with Emptied() as box:
        yield box


@pytest.fixture
def box(closed: Emptied) -> Emptied:
    closed.fill()
    return closed


def _set(at: int, value: int) -> Callable[[Emptied], None]:
    def change(box: Emptied) -> None:
        box.cells.flat[at] = value

    return change


def _take_slots(box: Emptied) -> None:
    box.slots.pictures = PICTURE.slot


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(_set(40, 3), PICTURE, id="a cell of no kind"),
        pytest.param(_set(40, 65), PICTURE, id="a cell that is a letter"),
        pytest.param(_set(40, WITHHELD), PICTURE, id="one more withheld"),
        pytest.param(_set(0, 0), PICTURE, id="one less withheld"),
        pytest.param(_set(0, WITHHELD), replace(PICTURE, fault=1), id="a fault that is shown"),
        pytest.param(_set(0, WITHHELD), replace(PICTURE, takes_over=1), id="no stretch to go on"),
        pytest.param(_set(0, WITHHELD), replace(PICTURE, undisputed=1), id="no stretch to cut"),
        pytest.param(_set(0, WITHHELD), replace(PICTURE, width=9000, height=9000), id="too large"),
        pytest.param(_take_slots, PICTURE, id="a slot that there is not"),
        pytest.param(_set(0, WITHHELD), Ahead(1), id="ahead of no stretch"),
        pytest.param(_set(0, WITHHELD), Locked(7, 1), id="locked again"),
        pytest.param(_set(0, WITHHELD), replace(SOUND, count=2**18), id="too long"),
        pytest.param(_set(0, WITHHELD), Done(1, 0, 0), id="a picture that never came"),
    ],
)
def test_what_is_said_of_a_slot_must_be_true(
    change: Callable[[Emptied], None], message: Message, box: Emptied
) -> None:
    """Of what lies in it as of what was ordered; and what is true passes."""
    honest = PICTURE if isinstance(message, Picture) else SOUND
    box.tell(honest)
    assert next(iter(box)).time.seconds >= 0
    change(box)
    box.tell(replace(message, pts=18_000) if isinstance(message, Picture) else message)
    with pytest.raises(IsolationError, match="does not belong"):
        next(iter(box))


@pytest.mark.parametrize(
    ("width", "height", "live", "count"),
    [(64, 48, False, 12), (1280, 720, False, 12), (1920, 1080, False, 5),
     (3840, 2160, False, 3), (64, 48, True, 3), (1280, 720, True, 3), (0, 0, False, 3)],
)  # fmt: skip
def test_pictures_wait_by_their_size_and_live_ones_hardly(
    width: int, height: int, live: bool, count: int
) -> None:
    slots = Slots(-1, width, height, live=live)
    assert slots.pictures == count


@pytest.mark.parametrize("pts", [9000, 8999])
def test_no_picture_comes_before_or_with_another(pts: int, box: Emptied) -> None:
    for at in (PICTURE.pts, pts):
        box.tell(replace(PICTURE, pts=at))
    came = iter(box)
    next(came)
    with pytest.raises(IsolationError, match="does not belong"):
        next(came)


def test_late_pictures_do_not_become_fewer(box: Emptied) -> None:
    for message in (Late(4), Late(3)):
        box.tell(message)
    with pytest.raises(IsolationError, match="does not belong"):
        next(iter(box))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_sound_of_no_numbers_is_refused(value: float, box: Emptied) -> None:
    """A single one among good ones."""
    box.slots.samples(SOUND.slot, 2, 16)[1, 5] = value
    box.tell(SOUND)
    with pytest.raises(IsolationError, match="does not belong"):
        next(iter(box))


def test_a_slot_is_free_when_what_lies_in_it_is_done_with(box: Emptied) -> None:
    """Not while it is encoded: what is veiled next would be written over it. And what was looked
    at is what leaves, though the other side goes on writing."""
    for message in (PICTURE, SOUND, Done(1, 0, 0)):
        box.tell(message)
    came = iter(box)
    frame = next(came)
    assert isinstance(frame, VeiledFrame)
    assert frame.pixel_format is PixelFormat.I420
    box.cells[:] = 0
    assert frame.withheld.sum() == PICTURE.withheld
    assert np.flatnonzero(frame.agent).tolist() == [20, 21, 22, 23, 24]
    assert box.free() == b""
    sound = next(came)
    assert box.free() == bytes([PICTURE.slot])
    box.slots.samples(SOUND.slot, 2, 16)[:] = math.nan
    assert not sound.samples.any()
    assert box.free() == b""
    assert list(came) == []
    assert box.free() == bytes([SOUND.slot | messages.SOUND_BIT])


OPENED = Opened(64, 48, 30, 1, 0, 0, 100, 4.0, 48_000, 2, 0x3F, 1)


def test_the_memory_of_both_keeps_its_size(closed: Emptied) -> None:
    """Who cut it short would end the process that encodes."""
    closed.open(OPENED, Locked(7, 1))
    assert closed.free() == messages.GO
    assert closed.isolation == "process, landlock 7, seccomp"
    size = os.fstat(closed._memory).st_size
    for other in (0, size + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(closed._memory, other)


@pytest.mark.skipif(bool(missing_support()), reason="needs Landlock and seccomp")
@pytest.mark.parametrize("locked", [Locked(0, 1), Locked(7, 0), Locked(0, 0)])
def test_who_is_not_locked_in_clears_nothing(locked: Locked, closed: Emptied) -> None:
    """Where the kernel has all that it takes."""
    with pytest.raises(IsolationError, match="could not lock itself in"):
        closed.open(OPENED, locked)


@pytest.mark.parametrize(
    "said",
    [
        (replace(OPENED, purposes=1 << len(messages.ALL_PURPOSES)), Locked(7, 1)),
        (Locked(7, 1), OPENED),
        (OPENED, PICTURE),
        (OPENED, OPENED),
    ],
    ids=["a model that there is not", "locked first", "not locked", "opened twice"],
)
def test_nothing_comes_before_it_is_locked_in(said: list[Message], closed: Emptied) -> None:
    with pytest.raises(IsolationError, match="does not belong"):
        closed.open(*said)


def test_no_sound_is_told_of_where_the_policy_withholds_it(closed: Emptied) -> None:
    """A track of it would stand in the output."""
    closed._order = replace(closed._order, policy=Policy(sound=policy.Sound.WITHHELD))
    with pytest.raises(IsolationError, match="does not belong"):
        closed.open(OPENED, Locked(7, 1))


@pytest.mark.parametrize(("asked", "told"), [(None, 2), (4, 1), (4, 5), (4, 65_535)])
def test_no_more_stretches_are_told_of_than_were_asked_for(
    asked: int | None, told: int, closed: Emptied
) -> None:
    """For each of them a process would be started."""
    stretch = Stretch(0, asked) if asked is not None else None
    closed._order = replace(closed._order, stretch=stretch)
    with pytest.raises(IsolationError, match="does not belong"):
        closed.open(replace(OPENED, stretches=told), Locked(7, 1))
