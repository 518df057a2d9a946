"""Buffers of GStreamer as frames and back, and what its properties ask for; without GStreamer."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import veiled
from homeveil.errors import FrameError, PolicyError, ProfileError, UsageError
from homeveil.fakes import FakePerceiver, FakeScene
from homeveil.frames import PixelFormat, RawFrame, Timestamp, plane_shapes
from homeveil.gstreamer.pictures import NANOSECOND, Label, Layout, PictureFlow, PictureForm, packed
from homeveil.gstreamer.settings import Settings
from homeveil.gstreamer.sounds import SoundFlow, SoundForm, SoundOut
from homeveil.policy import Policy, Sound, Style
from homeveil.redactor import Redactor
from voices import ALONE, Script, anybody, noise


def layout_of(pixel_format: PixelFormat, width: int, height: int, pad: int) -> Layout:
    """Planes one behind the other, each row followed by ``pad`` bytes."""
    offsets, strides, size = [], [], 0
    for rows, columns in plane_shapes(pixel_format, width, height):
        offsets.append(size)
        strides.append(columns + pad)
        size += rows * (columns + pad)
    return Layout(tuple(offsets), tuple(strides), size)


def form_of(
    pixel_format: PixelFormat = PixelFormat.I420, width: int = 64, height: int = 48, pad: int = 0
) -> PictureForm:
    return PictureForm(pixel_format, width, height, layout_of(pixel_format, width, height, pad))


@given(
    pixel_format=st.sampled_from(PixelFormat),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    pad=st.integers(0, 9),
    seed=st.integers(0, 9),
)
def test_planes_come_back_as_they_were_and_padding_does_not(
    pixel_format: PixelFormat, width: int, height: int, pad: int, seed: int
) -> None:
    """What stands between the rows of the input is zero in the output."""
    form = form_of(pixel_format, width, height, pad)
    data = bytearray(np.random.default_rng(seed).bytes(form.layout.size))
    planes = form.planes(data, form.layout)
    frame = RawFrame(planes, pixel_format, width, height, Timestamp(0, NANOSECOND))
    out = bytearray(packed(veiled(frame), form))
    for one, other in zip(planes, form.planes(out, form.layout), strict=True):
        assert np.array_equal(one, other)
    for plane in (*form.planes(data, form.layout), *form.planes(out, form.layout)):
        plane[...] = 0
    assert not any(out)
    assert pad == 0 or any(data)


def test_a_raw_frame_is_never_packed() -> None:
    """Whatever else goes wrong."""
    form = form_of()
    planes = form.planes(bytes(form.layout.size), form.layout)
    raw = RawFrame(planes, PixelFormat.I420, 64, 48, Timestamp(0, NANOSECOND))
    with pytest.raises(FrameError, match="only a VeiledFrame"):
        packed(raw, form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offsets", "strides", "cut"),
    [
        ((0, 3072, 3840), (64, 32, 32), 1),
        ((0, 3072, 3841), (64, 32, 32), 0),
        ((0, 3072, 3840), (63, 32, 32), 0),
        ((0, 3072, 3840), (-64, 32, 32), 0),
        ((0, -1, 3840), (64, 32, 32), 0),
        ((0, 3072), (64, 32), 0),
        ((0, 2**63, 3840), (64, 32, 32), 0),
    ],
)
def test_planes_must_lie_in_their_buffer(
    offsets: tuple[int, ...], strides: tuple[int, ...], cut: int
) -> None:
    """Nothing outside of a buffer is read."""
    form = form_of()
    data = bytes(form.layout.size - cut)
    with pytest.raises(FrameError):
        form.planes(data, Layout(offsets, strides, len(data)))


def flow(delay_seconds: float = 0.0) -> PictureFlow:
    """A flow that sees an empty room."""
    perceiver = FakePerceiver(FakeScene())
    made = PictureFlow(Redactor(None, perceiver=perceiver, delay_seconds=delay_seconds))
    made.begin(form_of())
    return made


def test_what_came_with_a_picture_leaves_with_it() -> None:
    """Time, duration and flags, also where pictures wait; new pictures may not go back."""
    made, layout = flow(0.25), form_of().layout
    data = bytes(layout.size)
    labels = [Label(5 + n, 7 + n, n) for n in range(4)]
    out = [one for n in range(4) for one in made.take(data, layout, n * 10**8, labels[n])]
    assert [one.label for one in out] == labels[:1]
    with pytest.raises(FrameError):
        list(made.take(data, layout, 2 * 10**8, Label(1, 1)))


def test_what_waits_can_be_forgotten() -> None:
    """It never leaves, and the next pictures are counted on their own."""
    made, layout = flow(10.0), form_of().layout
    data = bytes(layout.size)
    assert not [one for n in (0, 5) for one in made.take(data, layout, n, Label(n, 1))]
    made.forget()
    assert list(made.drain()) == []
    assert list(made.take(data, layout, 3, Label(8, 9))) == []
    assert [one.label.pts for one in made.drain()] == [8]
    assert made.frames == 1


def test_no_picture_before_its_form() -> None:
    """And none after the models were freed."""
    layout = form_of().layout
    made = PictureFlow(Redactor(None, perceiver=FakePerceiver(FakeScene())))
    with pytest.raises(FrameError, match="before its format"):
        list(made.take(bytes(layout.size), layout, 0, Label(0, 1)))
    made.begin(form_of())
    made.close()
    with pytest.raises(FrameError, match="closed"):
        list(made.take(bytes(layout.size), layout, 0, Label(0, 1)))


# ------------------------------------------------------------------ sound
@given(floats=st.booleans(), channels=st.integers(1, 4), count=st.integers(0, 50))
def test_samples_come_back_as_they_were(floats: bool, channels: int, count: int) -> None:
    """Also the largest ones."""
    form = SoundForm(floats, 48_000, channels)
    rng = np.random.default_rng(count)
    data = rng.integers(-32768, 32768, count * channels).astype("<i2")
    data[:2] = (-32768, 32767)[: len(data)]
    blob = ((data / 32768).astype("<f4") if floats else data).tobytes()
    samples = form.samples(blob)
    assert samples.shape == (channels, count)
    assert form.pack(samples) == blob


def test_part_of_a_sample_is_refused() -> None:
    """A buffer holds whole samples of all channels."""
    with pytest.raises(FrameError, match="whole number"):
        SoundForm(False, 48_000, 2).samples(bytes(6))


def test_times_of_sound_do_not_drift() -> None:
    """Blocks of 20 ms at 44.1 kHz: each begins where the one before ended."""
    policy = Policy(sound=Sound.CALL)
    made = SoundFlow(anybody(), policy, listen=lambda rate: Script(rate, lambda t: ALONE))
    form = SoundForm(True, 44_100, 1)
    made.begin(form)
    samples = noise(2.0, 44_100)
    out = []
    for at in range(0, samples.shape[1], 882):
        data = form.pack(samples[:, at : at + 882])
        out += made.take(data, at * 10**9 // 44_100)
    out += made.drain()
    assert out[0].pts == 0
    assert all(a.pts + a.duration == b.pts for a, b in itertools.pairwise(out))
    assert out[-1].pts + out[-1].duration == 2 * 10**9
    assert made.delay_nanoseconds == 120_000_000
    assert made.totals.came == pytest.approx(2.0)
    assert 1.0 < made.totals.cleared < 2.0


def test_sound_that_waits_can_be_forgotten() -> None:
    """It never leaves."""
    made = SoundFlow(None, Policy())
    form = SoundForm(False, 16_000, 1)
    made.begin(form)
    assert list(made.take(bytes(3200), 0)) == []
    made.forget()
    assert list(made.drain()) == []


def test_sound_behind_what_is_missing_is_not_the_agents_yet() -> None:
    """What was known of the voice ends at a splice, though the times go on: what waits for a
    verdict never gets one."""
    heard = []
    for spliced in (False, True):
        policy = Policy(sound=Sound.CALL)
        made = SoundFlow(anybody(), policy, listen=lambda rate: Script(rate, lambda t: ALONE))
        form = SoundForm(True, 16_000, 1)
        made.begin(form)
        piece = form.pack(noise(0.05, 16_000))
        out: list[SoundOut] = []
        for at in range(0, 1500, 50):
            out += made.take(piece, at * 10**6, spliced=spliced and at == 1000)
        heard.append(any(any(one.data) for one in out if 0.9e9 <= one.pts < 1e9))
        assert (made.totals.faults > 0) is spliced
    assert heard == [True, False]


# ------------------------------------------------------------------ settings
def test_policy_and_what_takes_its_place(tmp_path: Path) -> None:
    """A property is stronger than the file."""
    file = tmp_path / "p.toml"
    file.write_text("style = 'fill'\nlooks_per_second = 40.0\n")
    policy = Settings(policy=str(file), sound="call").open_policy()
    assert (policy.style, policy.sound, policy.looks_per_second) == (Style.FILL, Sound.CALL, 40.0)
    assert Settings(policy=str(file), style="soft").open_policy().style is Style.SOFT
    assert Settings().open_policy() == Policy()
    with pytest.raises(UsageError, match="give monitor, call, withheld"):
        Settings(sound="loud").open_policy()
    with pytest.raises(PolicyError, match=r"none\.toml"):
        Settings(policy=str(tmp_path / "none.toml")).open_policy()


def test_whom_to_show_must_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of profile and nobody; a passphrase is never asked for."""
    monkeypatch.delenv("HOMEVEIL_PASSPHRASE", raising=False)
    assert Settings(nobody=True).open_profile() is None
    with pytest.raises(UsageError, match="nobody=true"):
        Settings().open_profile()
    with pytest.raises(UsageError, match="take one away"):
        Settings(profile="a.veil", nobody=True).open_profile()
    with pytest.raises(ProfileError, match="no such file"):
        Settings(profile=str(tmp_path / "a.veil")).open_profile()
    (tmp_path / "a.veil").write_bytes(b"not a profile")
    with pytest.raises(ProfileError, match="no passphrase: set HOMEVEIL_PASSPHRASE"):
        Settings(profile=str(tmp_path / "a.veil")).open_profile()
