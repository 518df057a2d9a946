"""One recorded file or one camera, read and cleared: veiled pictures and sound in the order to
be written. ``here`` does it, with ``live`` for cameras and ``stretch`` for stretches of long
files. Whoever only takes what was cleared loads none of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from homeveil.audio import VeiledAudio
from homeveil.frames import Colour, VeiledFrame
from homeveil.policy import DELAY_SECONDS, Policy, Sound
from homeveil.profile.store import LockedProfile
from homeveil.profile.template import Profile
from homeveil.report import SoundTally, Tally
from homeveil.scoped import Scoped

if TYPE_CHECKING:
    from homeveil.media.sound_track import SoundFormat
    from homeveil.media.stretches import Stretch

Veiled = VeiledFrame | VeiledAudio


@dataclass(frozen=True, slots=True)
class LiveInput:
    """A camera's feed. feed: descriptor to read it from (:mod:`homeveil.media.feed`).
    delay_seconds: how long pictures wait. late_seconds: a picture that is this late, with more
    waiting behind it, is given up."""

    feed: int
    delay_seconds: float
    late_seconds: float

    def picture_delay(self, policy: Policy, has_sound: bool) -> float:
        """Seconds that a picture waits: as long as the sound beside it, where that is long."""
        waits = has_sound and policy.sound is Sound.MONITOR
        return max(self.delay_seconds, DELAY_SECONDS[Sound.MONITOR] if waits else 0.0)


@dataclass(frozen=True, slots=True)
class Order:
    """What to clear. source: a file, or what names the camera. profile: whom to show and hear,
    open or still locked, or None for nobody. sound_alone: leave the picture out. sound_track:
    which one, counted from 0, or None for the file's default. live: the input is a feed.
    stretch: of the picture, without sound. muted: of sound alone, spans to be muted because
    the picture was withheld for a fault, in seconds and in order."""

    source: Path
    profile: Profile | LockedProfile | None
    policy: Policy
    sound_alone: bool = False
    sound_track: int | None = None
    live: LiveInput | None = None
    stretch: Stretch | None = None
    muted: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """What will come, known before the first frame. width, height: 0 without a picture.
    seconds_expected and frames_expected are what the file claims. sound: None without.
    stretches: into how many the file is cut. colour: of a camera's pictures, as far as it says.
    begin_seconds: of sound alone, when the file begins."""

    width: int
    height: int
    frame_rate: Fraction | None
    sample_aspect_ratio: Fraction | None
    frames_expected: int | None
    seconds_expected: float | None
    sound: SoundFormat | None
    stretches: int = 1
    colour: Colour = field(default_factory=Colour)
    begin_seconds: float = 0.0


class Clearing(Scoped):
    """Gives the veiled frames and sound of one file, once, and counts.

    form: what comes. models: purpose to SHA-256 of those in use. tally, sound_tally: what came
    so far; sound_tally is None without sound. frames_read: pictures that were read, each of which
    must leave. late_frames: of a camera, pictures given up because they came too late to be
    looked at. damaged_packets: those skipped. isolation: what keeps raw content from this
    process, or ``off``. Of a stretch, about the frame given last: takes_over: the number of the
    stretch that may go on from here, or 0; undisputed: see ``Redactor``. Neither may leave.
    """

    form: Form
    models: dict[str, str]
    tally: Tally
    sound_tally: SoundTally | None
    frames_read: int = 0
    late_frames: int = 0
    isolation: str = "off"
    takes_over: int = 0
    undisputed: bool = False

    @property
    @abstractmethod
    def damaged_packets(self) -> int:
        """Packets skipped so far."""

    @property
    @abstractmethod
    def truncated(self) -> bool:
        """The file ends before its own headers say; known at the end."""

    @abstractmethod
    def __iter__(self) -> Iterator[Veiled]:
        """Frames and sound in the order to be written; the first frame before any sound. What
        is given stays valid until the next is asked for."""
