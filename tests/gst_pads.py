"""Pads of our own before and behind an element, for what no pipeline of gst-launch-1.0 does.

Run by the Python of the system, which has GStreamer's bindings: ``gst_pads.py CASE`` prints what
was found as JSON. Buffers are pushed from here, so everything is over when a push returns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402

WIDTH, HEIGHT = 64, 48
SIZE = WIDTH * HEIGHT * 3 // 2
PICTURES = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=10/1"
SOUND = "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved"
STEP = 100 * Gst.MSECOND
RAW = bytes((31 * at + 7) % 251 for at in range(SIZE))
"""A picture in which each row is told from every other."""


class Harness:
    """One element between two pads. Remembers what came out."""

    def __init__(self, element: str, caps: str = PICTURES, **properties: Any) -> None:
        self.element = Gst.ElementFactory.make(element, None)
        for name, value in properties.items():
            self.element.set_property(name.replace("_", "-"), value)
        self.bus = Gst.Bus.new()
        self.element.set_bus(self.bus)
        self.posted: list[Gst.Message] = []
        self.out: list[tuple[int, bytes, int]] = []
        self.events: list[str] = []
        self.caps: list[str] = []
        self.before = Gst.Pad.new("before", Gst.PadDirection.SRC)
        anything = Gst.PadTemplate.new(
            "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()
        )
        self.behind = Gst.Pad.new_from_template(anything, "behind")
        self.behind.set_chain_function_full(self._chain)
        self.behind.set_event_function_full(self._event)
        self.before.set_query_function_full(self._query)
        self.upstream: list[str] = []
        self.before.set_event_function_full(self._upstream)
        self.before.link(self.element.get_static_pad("sink"))
        self.element.get_static_pad("src").link(self.behind)
        self.behind.set_active(True)
        self.before.set_active(True)
        self.started = self.element.set_state(Gst.State.PLAYING)
        self.before.push_event(Gst.Event.new_stream_start("test"))
        self.accepted = self.before.push_event(Gst.Event.new_caps(Gst.Caps.from_string(caps)))
        self.segment()

    def segment(self, base: int = 0) -> bool:
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        segment.base = base
        return bool(self.before.push_event(Gst.Event.new_segment(segment)))

    def push(self, pts: int | None, data: bytes = RAW, *, lost: bool = False) -> str:
        buffer = Gst.Buffer.new_wrapped(data)
        if lost:
            buffer.set_flags(Gst.BufferFlags.DISCONT)
        buffer.pts = Gst.CLOCK_TIME_NONE if pts is None else pts
        buffer.duration = STEP
        return str(self.before.push(buffer).value_nick)

    def still(self, count: int, first: int = 0) -> list[str]:
        """Push the same picture again and again."""
        return [self.push((first + number) * STEP) for number in range(count)]

    def messages(self, kind: Gst.MessageType) -> list[Gst.Message]:
        while (message := self.bus.pop()) is not None:
            self.posted.append(message)
        return [message for message in self.posted if message.type == kind]

    def errors(self) -> list[str]:
        return [m.parse_error()[0].message for m in self.messages(Gst.MessageType.ERROR)]

    def warnings(self) -> list[str]:
        return [m.parse_warning()[0].message for m in self.messages(Gst.MessageType.WARNING)]

    def close(self) -> None:
        self.element.set_state(Gst.State.NULL)

    @property
    def times(self) -> list[int]:
        return [pts // Gst.MSECOND for pts, _, _ in self.out]

    def _chain(self, pad: Gst.Pad, parent: Any, buffer: Gst.Buffer) -> Gst.FlowReturn:
        data = buffer.extract_dup(0, buffer.get_size())
        self.out.append((buffer.pts, data, int(buffer.get_flags())))
        return Gst.FlowReturn.OK

    def _event(self, pad: Gst.Pad, parent: Any, event: Gst.Event) -> bool:
        self.events.append(event.type.value_nick)
        if event.type == Gst.EventType.CAPS:
            self.caps.append(event.parse_caps().to_string())
        return True

    def _upstream(self, pad: Gst.Pad, parent: Any, event: Gst.Event) -> bool:
        self.upstream.append(event.type.value_nick)
        return True

    def _query(self, pad: Gst.Pad, parent: Any, query: Gst.Query) -> bool:
        if query.type == Gst.QueryType.LATENCY:
            query.set_latency(True, 5 * Gst.MSECOND, 50 * Gst.MSECOND)
            return True
        return bool(pad.query_default(parent, query))


def raw(data: bytes, of: bytes = RAW) -> int:
    """Rows of the raw luma that stand in ``data``."""
    return sum(of[row * WIDTH : row * WIDTH + 24] in data for row in range(HEIGHT))


def case_times() -> Any:
    """A buffer without a time, one that repeats a time and one that goes back."""
    harness = Harness("homeveil", nobody=True)
    flows = [harness.push(at) for at in (None, 0, 0, 5 * STEP, 2 * STEP, None, 6 * STEP)]
    harness.before.push_event(Gst.Event.new_eos())
    told = harness.messages(Gst.MessageType.ELEMENT)[-1].get_structure()
    found = {
        "flows": flows,
        "times": harness.times,
        "warnings": harness.warnings(),
        "told": {name: told.get_value(name) for name in ("frames", "dropped", "faults")},
    }
    harness.close()
    return found


def case_waiting() -> Any:
    """A wait of 250 ms; end of stream; then, on a new element, a flush."""
    harness = Harness("homeveil", nobody=True, delay=250)
    harness.still(4)
    early = harness.times
    harness.before.push_event(Gst.Event.new_eos())
    whole = harness.times
    last = harness.events[-1]
    harness.close()
    harness = Harness("homeveil", nobody=True, delay=250)
    harness.still(20)
    shown = [raw(data) for _, data, _ in harness.out]
    count = len(harness.out)
    harness.before.push_event(Gst.Event.new_flush_start())
    harness.before.push_event(Gst.Event.new_flush_stop(True))
    harness.segment()
    harness.still(5)
    harness.before.push_event(Gst.Event.new_eos())
    after = harness.out[count:]
    found = {
        **{"early": early, "whole": whole, "last": last, "shown": shown},
        "after": [(pts // Gst.MSECOND, raw(data)) for pts, data, _ in after],
        "discont": bool(after[0][2] & int(Gst.BufferFlags.DISCONT)),
    }
    harness.close()
    return found


def case_restart() -> Any:
    """New caps, a new segment and a new stream, each after the scene was shown."""
    found = {}
    for what in ("the same caps", "a rate", "segment", "stream"):
        harness = Harness("homeveil", nobody=True)
        harness.still(20)
        shown = raw(harness.out[-1][1])
        if what == "segment":
            harness.segment(base=10 * Gst.SECOND)
        elif what == "stream":
            harness.before.push_event(Gst.Event.new_stream_start("another"))
        if what != "segment":
            caps = PICTURES.replace("10/1", "15/1") if what == "a rate" else PICTURES
            harness.before.push_event(Gst.Event.new_caps(Gst.Caps.from_string(caps)))
        if what == "stream":
            harness.segment()
        harness.still(1, first=30)
        found[what] = (shown, raw(harness.out[-1][1]), len(harness.out))
        harness.close()
    return found


def case_latency() -> Any:
    """Least and most latency in ms, without a wait and with one; for sound."""
    found = {}
    for name, element, caps, properties in (
        ("none", "homeveil", PICTURES, {}),
        ("wait", "homeveil", PICTURES, {"delay": 250}),
        ("sound", "homeveilvoice", SOUND, {}),
    ):
        harness = Harness(element, caps, nobody=True, **properties)
        query = Gst.Query.new_latency()
        assert harness.behind.peer_query(query)
        live, least, most = query.parse_latency()
        found[name] = (live, least // Gst.MSECOND, most // Gst.MSECOND)
        harness.close()
    return found


def case_late() -> Any:
    """Those behind say that they are 450 ms late."""
    found = {}
    for qos in (True, False):
        harness = Harness("homeveil", nobody=True, qos=qos)
        harness.still(2)
        late = Gst.Event.new_qos(Gst.QOSType.UNDERFLOW, 1.5, 450 * Gst.MSECOND, STEP)
        harness.behind.push_event(late)
        harness.still(8, first=2)
        told = harness.messages(Gst.MessageType.QOS)
        found[str(qos)] = {
            "times": harness.times,
            "told": len(told),
            "stats": list(told[-1].parse_qos_stats()[1:]) if told else None,
            "upstream": harness.upstream.count("qos"),
        }
        harness.close()
    return found


def case_passing() -> Any:
    """What might carry raw content beside the buffers."""
    harness = Harness("homeveil", caps=PICTURES + ",secret=(string)raw", nobody=True)
    harness.still(1)
    tags = Gst.TagList.new_empty()
    tags.add_value(Gst.TagMergeMode.APPEND, Gst.TAG_TITLE, "at home")
    harness.before.push_event(Gst.Event.new_tag(tags))
    custom = Gst.Structure.new_empty("raw")
    for kind in (
        Gst.EventType.CUSTOM_DOWNSTREAM,
        Gst.EventType.CUSTOM_DOWNSTREAM_STICKY,
        Gst.EventType.CUSTOM_DOWNSTREAM_OOB,
    ):
        harness.before.push_event(Gst.Event.new_custom(kind, custom))
    allocation = Gst.Query.new_allocation(Gst.Caps.from_string(PICTURES), True)
    answered = harness.before.peer_query(allocation)
    buffer = Gst.Buffer.new_wrapped(RAW)
    buffer.pts = STEP
    GstVideo.buffer_add_video_region_of_interest_meta(buffer, "face", 1, 1, 8, 8)
    harness.before.push(buffer)
    uri = Gst.Query.new_uri()
    found = {
        "events": harness.events,
        "caps": harness.caps,
        "allocation": [answered, allocation.get_n_allocation_pools()],
        "uri": harness.behind.peer_query(uri),
        "flow": len(harness.out),
    }
    harness.close()
    return found


def case_bad_buffers() -> Any:
    """Buffers that are too short, or whose planes lie elsewhere than they say."""
    found = {}
    for what in ("short", "beyond", "narrow", "another size"):
        harness = Harness("homeveil", nobody=True)
        harness.still(1)
        buffer = Gst.Buffer.new_wrapped(RAW[: SIZE // 2] if what == "short" else RAW)
        buffer.pts = STEP
        offsets, strides, size = [0, 3072, 3840, 0], [64, 32, 32, 0], (WIDTH, HEIGHT)
        if what == "beyond":
            offsets[2] += 1
        elif what == "narrow":
            strides[0] = 63
        elif what == "another size":
            size = (32, 24)
        if what != "short":
            GstVideo.buffer_add_video_meta_full(
                buffer, 0, GstVideo.VideoFormat.I420, *size, 3, offsets, strides
            )
        flow = harness.before.push(buffer).value_nick
        again = harness.push(2 * STEP)
        found[what] = [flow, again, len(harness.out), harness.errors()]
        harness.close()
    return found


def case_broken() -> Any:
    """Each part that a buffer goes through fails: nothing raw leaves, and nothing more."""
    Gst.ElementFactory.make("homeveil", None)  # loads the plug-in, and with it the path
    import homeveil.gstreamer.picture_element as element
    from homeveil import redactor
    from homeveil.clearing import here
    from homeveil.gstreamer import pictures
    from homeveil.perceive import loading
    from homeveil.policy import Policy

    # The models, loaded and warmed up once for all of the elements.
    perceiver = loading.load_perceiver(None, Policy())
    perceiver.close = lambda: None
    loading.load_perceiver = lambda *_: perceiver
    here.warm_up_picture = lambda _: None

    stream, flow = element.PictureStream, pictures.PictureFlow
    on_buffers: list[tuple[Any, str]] = [
        *((stream, name) for name in ("take", "_layout_of")),
        *((flow, name) for name in ("take", "_pack")),
        *((pictures, "packed"), (pictures.PictureForm, "planes")),
        *((redactor.Redactor, "process"), (redactor._Stream, "leave")),
        *((element.Homeveil, name) for name in ("_is_due", "_push_all")),
    ]
    on_events: list[tuple[Any, str]] = [
        *((stream, name) for name in ("begin", "drain")),
        *((flow, name) for name in ("begin", "drain", "forget")),
        *((redactor.Redactor, name) for name in ("reset", "flush")),
    ]
    errors: list[type[BaseException]] = [RuntimeError, MemoryError, TypeError]
    found = {}
    for number, (owner, name) in enumerate([*on_buffers, *on_events]):
        harness = Harness("homeveil", nobody=True, delay=150)
        harness.still(14)
        shown, before = max(raw(data) for _, data, _ in harness.out), len(harness.out)
        good = getattr(owner, name)

        def bad(*_: object, error: type[BaseException] = errors[number % 3], **__: object) -> Any:
            raise error("raw content might stand here")

        setattr(owner, name, bad)
        if number >= len(on_buffers):
            caps = Gst.Caps.from_string(PICTURES.replace("10/1", "15/1"))
            harness.before.push_event(Gst.Event.new_caps(caps))
        flows = harness.still(3, first=30)
        harness.before.push_event(Gst.Event.new_eos())
        setattr(owner, name, good)
        found[f"{owner.__name__}.{name}"] = {
            "shown": shown,
            "flows": flows,
            "left": [raw(data) for pts, data, _ in harness.out[before:] if pts >= 30 * STEP],
            "errors": harness.errors(),
        }
        harness.close()
    return found


def case_faults() -> Any:
    """Warnings of a fault in pictures that leave at the end alone, and after a flush behind it."""
    Gst.ElementFactory.make("homeveil", None)  # loads the plug-in, and with it the path
    from homeveil.clear.clearance import Clearance

    good = Clearance.finish

    def bad(*_: object, **__: object) -> Any:
        raise RuntimeError("raw content might stand here")

    Clearance.finish = bad
    harness = Harness("homeveil", nobody=True, delay=1000)
    harness.still(3)
    harness.before.push_event(Gst.Event.new_eos())
    at_the_end = harness.warnings()
    harness.close()
    harness = Harness("homeveil", nobody=True)
    harness.still(3)
    Clearance.finish = good
    before = harness.warnings()
    harness.before.push_event(Gst.Event.new_flush_start())
    harness.before.push_event(Gst.Event.new_flush_stop(True))
    harness.segment()
    harness.still(3)
    after = harness.warnings()
    harness.close()
    return {"at the end": at_the_end, "before": before, "after": after}


def case_lost_sound() -> Any:
    """What the gate is told of three buffers, the second of which says that sound is missing."""
    Gst.ElementFactory.make("homeveil", None)  # loads the plug-in, and with it the path
    from homeveil.gstreamer.sounds import SoundFlow

    said = []
    take = SoundFlow.take

    def listening(flow: Any, data: bytes, pts: int, *, spliced: bool = False) -> Any:
        said.append(spliced)
        return take(flow, data, pts, spliced=spliced)

    SoundFlow.take = listening
    caps = "audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1"
    harness = Harness("homeveilvoice", caps, nobody=True)
    for number in range(3):
        harness.push(number * 100 * Gst.MSECOND, bytes(3200), lost=number == 1)
    harness.close()
    return said


def case_long() -> Any:
    """Memory after fifty pictures and after two hundred and fifty."""
    import resource

    caps = PICTURES.replace(f"width={WIDTH},height={HEIGHT}", "width=320,height=240")
    data = bytes(320 * 240 * 3 // 2)
    harness = Harness("homeveil", caps, nobody=True, delay=150)
    harness.behind.set_chain_function_full(lambda pad, parent, buffer: Gst.FlowReturn.OK)
    before = 0
    for number in range(250):
        harness.push(number * STEP, data)
        if number == 50:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    harness.close()
    return {"grown_kib": grown}


def main() -> int:
    Gst.init(None)
    case: Callable[[], Any] = globals()[f"case_{sys.argv[1]}"]
    print(json.dumps(case()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
