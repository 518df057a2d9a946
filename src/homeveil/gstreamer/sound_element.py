"""The element ``homeveilvoice``: raw sound in, the agent's speech out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from homeveil.errors import FrameError
from homeveil.gstreamer._gi import Gst, GstAudio
from homeveil.gstreamer.element import PROPERTIES, Property, VeilingElement, changeable, pads

if TYPE_CHECKING:
    from homeveil.gstreamer.settings import Settings
    from homeveil.gstreamer.sounds import SoundOut

_CAPS = (
    "audio/x-raw, format=(string){ F32LE, S16LE }, layout=(string)interleaved, "
    "rate=(int)[ 8000, 384000 ], channels=(int)[ 1, 32 ]"
)
_WORK = 20 * Gst.MSECOND
"""Time that the work on a block may take."""


class SoundStream:
    """A :class:`homeveil.gstreamer.element.Stream` of sound. Raises HomeveilError as the policy,
    the profile and the models do.

    voiceless: nobody's voice is enrolled, so nothing will be heard.
    """

    def __init__(self, settings: Settings) -> None:
        # Loaded late, as are the settings.
        from homeveil.gstreamer.sounds import SoundFlow

        policy, profile = settings.open_policy(), settings.open_profile()
        self.voiceless = profile is not None and profile.voice is None
        self._flow = SoundFlow(profile, policy)

    @property
    def latency(self) -> int:
        """The gate's wait, and time for the work."""
        return self._flow.delay_nanoseconds + int(_WORK)

    @property
    def faults(self) -> float:
        return self._flow.totals.faults

    def begin(self, caps: Gst.Caps) -> Gst.Caps:
        """Raises FrameError for caps of another kind of sound."""
        from homeveil.gstreamer.sounds import SoundForm

        info = GstAudio.AudioInfo.new_from_caps(caps)
        formats = {GstAudio.AudioFormat.F32LE: True, GstAudio.AudioFormat.S16LE: False}
        if (
            info is None
            or info.finfo.format not in formats
            or info.layout != GstAudio.AudioLayout.INTERLEAVED
        ):
            raise FrameError("the sound is neither F32LE nor S16LE; put audioconvert before")
        self._flow.begin(SoundForm(formats[info.finfo.format], info.rate, info.channels))
        return info.to_caps()

    def take(self, buffer: Gst.Buffer, time: int) -> Iterator[Gst.Buffer]:
        """Raises FrameError when the buffer holds part of a sample."""
        data = buffer.extract_dup(0, buffer.get_size())
        lost = buffer.has_flags(Gst.BufferFlags.DISCONT)
        yield from _buffers(self._flow.take(data, buffer.pts, spliced=lost))

    def drain(self) -> Iterator[Gst.Buffer]:
        yield from _buffers(self._flow.drain())

    def forget(self) -> None:
        self._flow.forget()

    def close(self) -> None:
        self._flow.close()

    def totals(self) -> dict[str, object]:
        totals = self._flow.totals
        return {
            "seconds": round(totals.came, 3),
            "cleared": round(totals.cleared, 3),
            "faults": round(totals.faults, 3),
        }


def _buffers(blocks: Iterable[SoundOut]) -> Iterator[Gst.Buffer]:
    for block in blocks:
        buffer = Gst.Buffer.new_wrapped(block.data)
        buffer.pts, buffer.duration = block.pts, block.duration
        yield buffer


class HomeveilVoice(VeilingElement):
    """Lets the enrolled agent's own speech through and mutes everything else."""

    __gtype_name__ = "HomeveilVoice"
    __gstmetadata__ = (
        "Voice gate of the home",
        "Filter/Effect/Audio",
        "Lets the enrolled agent's own speech through and mutes every other sound",
        "homeveil",
    )
    properties: ClassVar[dict[str, Property]] = {
        **PROPERTIES,
        "sound": changeable(
            *(str, "Sound", "monitor (1.5 s late, sure), call (0.12 s late) or withheld (none)"),
            None,
        ),
    }
    __gproperties__ = properties
    pad_templates = __gsttemplates__ = pads(_CAPS)
    drops_late = False

    def open_stream(self, settings: Settings) -> SoundStream:
        """Raises HomeveilError."""
        stream = SoundStream(settings)
        if stream.voiceless:
            self.warn("the profile holds no voice, so nothing is heard; `homeveil enroll --voice`")
        return stream
