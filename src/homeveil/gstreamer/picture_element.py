"""The element ``homeveil``: raw pictures in, veiled pictures out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from homeveil.errors import FrameError
from homeveil.gstreamer._gi import Gst, GstVideo
from homeveil.gstreamer.element import PROPERTIES, Property, VeilingElement, changeable, pads

if TYPE_CHECKING:
    from homeveil.frames import Colour
    from homeveil.gstreamer.pictures import Layout, PictureForm, PictureOut
    from homeveil.gstreamer.settings import Settings

_CAPS = (
    "video/x-raw, format=(string){ I420, NV12 }, width=(int)[ 1, 16384 ], "
    "height=(int)[ 1, 16384 ], framerate=(fraction)[ 0/1, 2147483647/1 ]"
)
_FIELDS = int(
    GstVideo.VideoBufferFlags.INTERLACED
    | GstVideo.VideoBufferFlags.TFF
    | GstVideo.VideoBufferFlags.RFF
    | GstVideo.VideoBufferFlags.ONEFIELD
)
"""Flags of a buffer that say how its rows are to be shown; no others pass."""

_FULL_RANGE = 1
"""Of GstVideoColorRange: luma of 0..255. Its name begins with a digit."""

_USUAL_FRAME = Gst.SECOND // 30
MOST_DELAY_MS = 10_000


class PictureStream:
    """A :class:`homeveil.gstreamer.element.Stream` of pictures.

    delay: milliseconds that a picture waits while later ones are looked at. Raises
    HomeveilError as the policy, the profile and the models do.
    """

    def __init__(self, settings: Settings, delay: int) -> None:
        # Loaded late, as are the settings.
        from homeveil.clearing.here import warm_up_picture
        from homeveil.gstreamer.pictures import PictureFlow
        from homeveil.redactor import Redactor

        policy, profile = settings.open_policy(), settings.open_profile()
        redactor = Redactor(profile, policy, delay_seconds=delay / 1000)
        # Else the first picture of a camera would take half a second.
        warm_up_picture(redactor)
        self._flow = PictureFlow(redactor)
        self._delay = delay * Gst.MSECOND
        self._frame = _USUAL_FRAME
        self._form: PictureForm | None = None
        self._format: Any = None

    @property
    def latency(self) -> int:
        """The wait, in whole frames, and a frame's time for the work."""
        return int((-(-self._delay // self._frame) + 1) * self._frame)

    @property
    def faults(self) -> float:
        return self._flow.faults

    def begin(self, caps: Gst.Caps) -> Gst.Caps:
        """Raises FrameError for caps that are not those of one picture after another."""
        from homeveil.frames import PixelFormat
        from homeveil.gstreamer.pictures import Layout, PictureForm

        info = GstVideo.VideoInfo.new_from_caps(caps)
        formats = {
            GstVideo.VideoFormat.I420: PixelFormat.I420,
            GstVideo.VideoFormat.NV12: PixelFormat.NV12,
        }
        if info is None or info.finfo.format not in formats or info.views > 1:
            raise FrameError("the pictures are neither I420 nor NV12; put videoconvert before")
        self._format = info.finfo.format
        planes = info.finfo.n_planes
        layout = Layout(tuple(info.offset[:planes]), tuple(info.stride[:planes]), info.size)
        self._form = PictureForm(
            formats[self._format], info.width, info.height, layout, _colour_of(info.colorimetry)
        )
        told = info.fps_n > 0 and info.fps_d > 0
        self._frame = max(1, Gst.SECOND * info.fps_d // info.fps_n) if told else _USUAL_FRAME
        self._flow.begin(self._form)
        # Made anew: only what describes a picture passes.
        return info.to_caps()

    def take(self, buffer: Gst.Buffer, time: int) -> Iterator[Gst.Buffer]:
        """Raises FrameError when the buffer does not hold what its caps say."""
        from homeveil.gstreamer.pictures import Label

        layout = self._layout_of(buffer)
        data = buffer.extract_dup(0, buffer.get_size())
        label = Label(buffer.pts, buffer.duration, int(buffer.get_flags()) & _FIELDS)
        yield from _buffers(self._flow.take(data, layout, time, label))

    def drain(self) -> Iterator[Gst.Buffer]:
        yield from _buffers(self._flow.drain())

    def forget(self) -> None:
        self._flow.forget()

    def close(self) -> None:
        self._flow.close()

    def totals(self) -> dict[str, object]:
        flow = self._flow
        share = round(flow.veiled_share, 3)
        return {"frames": flow.frames, "faults": flow.faults, "veiled-share": share}

    def _layout_of(self, buffer: Gst.Buffer) -> Layout:
        from homeveil.gstreamer.pictures import Layout

        form = self._form
        if form is None:
            raise FrameError("a buffer came before its format")
        meta = GstVideo.buffer_get_video_meta(buffer)
        if meta is None:
            return form.layout
        if (meta.format, meta.width, meta.height) != (self._format, form.width, form.height):
            raise FrameError(
                f"a buffer of {meta.width}x{meta.height} in a stream of "
                f"{form.width}x{form.height}"
            )
        planes = meta.n_planes
        return Layout(tuple(meta.offset[:planes]), tuple(meta.stride[:planes]), form.layout.size)


def _colour_of(told: GstVideo.VideoColorimetry) -> Colour:
    from homeveil.frames import Colour

    return Colour(
        GstVideo.video_color_matrix_to_iso(told.matrix),
        GstVideo.video_color_primaries_to_iso(told.primaries),
        GstVideo.video_transfer_function_to_iso(told.transfer),
        int(told.range) == _FULL_RANGE,
    )


def _buffers(pictures: Iterable[PictureOut]) -> Iterator[Gst.Buffer]:
    for picture in pictures:
        buffer = Gst.Buffer.new_wrapped(picture.data)
        buffer.pts, buffer.duration = picture.label.pts, picture.label.duration
        if picture.label.flags:
            buffer.set_flags(Gst.BufferFlags(picture.label.flags))
        yield buffer


class Homeveil(VeilingElement):
    """Shows the enrolled agent and a scene free of people; veils everything else."""

    __gtype_name__ = "Homeveil"
    __gstmetadata__ = (
        "Veil of the home",
        "Filter/Effect/Video",
        "Shows the enrolled agent in an empty room and veils everybody else",
        "homeveil",
    )
    properties: ClassVar[dict[str, Property]] = {
        **PROPERTIES,
        "style": changeable(str, "Style", "How withheld places look: veil, fill or soft", None),
        "delay": changeable(
            *(int, "Delay", "Milliseconds that a picture waits so that what is learnt late counts"),
            *(0, MOST_DELAY_MS, 0),
        ),
        "qos": changeable(bool, "QoS", "Drop pictures that come too late to be shown", True),
    }
    __gproperties__ = properties
    pad_templates = __gsttemplates__ = pads(_CAPS)
    drops_late = True

    def open_stream(self, settings: Settings) -> PictureStream:
        """Raises HomeveilError."""
        return PictureStream(settings, self.value("delay"))

    def offer_memory(self, query: Gst.Query) -> bool:
        """Any memory will do, and rows may be padded."""
        query.add_allocation_meta(GstVideo.video_meta_api_get_type(), None)
        return True
