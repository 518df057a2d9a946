"""Nothing but the closed set of messages passes from the isolated process to the other."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeveil import errors
from homeveil._kernels import Verdict
from homeveil.errors import HomeveilError, IsolationError
from homeveil.isolation import messages
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

GOOD: list[Message] = [
    Opened(640, 360, 30, 1, 0, 0, 100, 4.0, 48_000, 2, 0x3F, 1),
    Opened(0, 0, 0, 0, 0, 0, 0, 0.0, 16_000, 1, 0, 0),
    Locked(7, 1),
    Picture(2, 0, 0, 1, 1, 1, 0, 640, 360, 9000, 1, 90_000, 12),
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
    Picture(3, 0, 0, 1, 1, 1, 0, 640, 360, 0, 1, 90_000, 0),
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
