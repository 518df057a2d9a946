"""What both elements share: pads, events, queries, errors, and the rule that nothing passes.

An element has a chain function of its own and is no in-place transform: the buffer that comes
in is read and let go of; what goes out is made from veiled frames. Events and queries pass by
name, the rest stops here: tags hold thumbnails, and an allocation query would let a raw frame be
written straight into the memory of whoever stands behind.

A failure is posted on the bus and ends the flow with an error. A picture or sound that could not
be judged leaves veiled whole (``homeveil.Redactor``, ``homeveil.VoiceGate``).
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from homeveil.errors import (
    FrameError,
    HomeveilError,
    ModelError,
    PassphraseError,
    ProfileError,
    UsageError,
)
from homeveil.gstreamer._gi import GLib, GObject, Gst

if TYPE_CHECKING:
    from homeveil.gstreamer.settings import Settings

TELL_SECONDS = 10.0
"""How often totals are posted on the bus."""

_CHANGEABLE = GObject.ParamFlags(int(GObject.ParamFlags.READWRITE) | Gst.PARAM_MUTABLE_READY)

Property = tuple[object, ...]


def changeable(kind: type, name: str, text: str, *rest: object) -> Property:
    """A property that may be set while the element is in the state NULL or READY.

    rest: the default, of a number after its least and greatest value.
    """
    return (kind, name, text, *rest, _CHANGEABLE)


PROPERTIES: dict[str, Property] = {
    "profile": changeable(str, "Profile", "Profile of the agent, who alone may pass", None),
    "nobody": changeable(bool, "Nobody", "Let nobody pass; in place of a profile", False),
    "passphrase-file": changeable(
        *(str, "Passphrase file", "File with the profile's passphrase, readable by you alone"),
        None,
    ),
    "policy": changeable(str, "Policy", "Policy file (TOML)", None),
}
"""What both elements can be told; taken over on the way from NULL to READY."""

def pads(caps: str) -> tuple[Gst.PadTemplate, Gst.PadTemplate]:
    """Templates of the pad before and the one behind, for the same caps."""
    made = Gst.Caps.from_string(caps)
    always = Gst.PadPresence.ALWAYS
    return (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, always, made),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, always, made),
    )


_DOWN = frozenset({Gst.EventType.SEGMENT_DONE, Gst.EventType.STREAM_GROUP_DONE, Gst.EventType.GAP})
"""Events that pass behind what waits, as they are. Others that pass have a case of their own."""

_ASKED = frozenset(
    {
        *(Gst.QueryType.POSITION, Gst.QueryType.DURATION, Gst.QueryType.SEEKING),
        *(Gst.QueryType.SEGMENT, Gst.QueryType.FORMATS, Gst.QueryType.ACCEPT_CAPS),
    }
)
"""Queries of those behind that are passed on to those before."""


class Stream(Protocol):
    """What an element does with its buffers. ``latency``: nanoseconds from a buffer's coming to
    its leaving. ``faults``: what was withheld because something failed, so far."""

    @property
    def latency(self) -> int: ...

    @property
    def faults(self) -> float: ...

    def begin(self, caps: Gst.Caps) -> Gst.Caps:
        """Buffers of these caps come next and everything is denied again; gives the caps of
        what leaves. Raises FrameError."""

    def take(self, buffer: Gst.Buffer, time: int) -> Iterator[Gst.Buffer]:
        """Take one buffer, ``time`` nanoseconds from the start of its segment; give new ones
        whose wait is over. Raises FrameError."""

    def drain(self) -> Iterator[Gst.Buffer]:
        """All that waits."""

    def forget(self) -> None:
        """What waits is lost; everything is denied again."""

    def close(self) -> None:
        """Free the models."""

    def totals(self) -> dict[str, object]:
        """What left so far: numbers by name, none of which tells of others."""


class VeilingElement(Gst.Element):
    """An element with a pad before and one behind, at which all that leaves is veiled.

    A subclass says how it opens its Stream, which properties it has and which templates its pads.
    """

    properties: ClassVar[dict[str, Property]]
    pad_templates: ClassVar[tuple[Gst.PadTemplate, Gst.PadTemplate]]
    drops_late: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        _log_through_gstreamer()
        self._values: dict[str, Any] = {name: row[-2] for name, row in self.properties.items()}
        self._stream: Stream | None = None
        self._failed = False
        self._live = False
        self._new_stream()
        # The functions get the element with each call: one that held it would keep it for ever.
        before, behind = self.pad_templates
        self.sink = Gst.Pad.new_from_template(before, "sink")
        self.sink.set_chain_function_full(_chain)
        self.sink.set_event_function_full(_sink_event)
        self.sink.set_query_function_full(_sink_query)
        self.add_pad(self.sink)
        self.source = Gst.Pad.new_from_template(behind, "src")
        self.source.set_event_function_full(_source_event)
        self.source.set_query_function_full(_source_query)
        self.add_pad(self.source)

    def open_stream(self, settings: Settings) -> Stream:
        """What the properties ask for. Raises HomeveilError."""
        raise NotImplementedError

    def offer_memory(self, query: Gst.Query) -> bool:
        """Answer an allocation query of those before; none of it is asked of those behind."""
        return False

    # -------------------------------------------------------------- properties and states
    def do_get_property(self, item: Any) -> Any:
        return self._values[item.name]

    def do_set_property(self, item: Any, value: Any) -> None:
        self._values[item.name] = value

    def value(self, name: str) -> Any:
        """What a property is set to."""
        return self._values[name]

    def do_change_state(self, change: Gst.StateChange) -> Gst.StateChangeReturn:
        """Everything that can be missing is missed on the way to READY, before any buffer."""
        try:
            if change == Gst.StateChange.NULL_TO_READY:
                self._failed = False
                self._stream = self._open()
            elif change == Gst.StateChange.READY_TO_PAUSED:
                self._new_stream()
            result = Gst.Element.do_change_state(self, change)
            if change == Gst.StateChange.PAUSED_TO_READY:
                self._new_stream()
            elif change == Gst.StateChange.READY_TO_NULL:
                self._close()
            return result
        except Exception as error:
            self.fail(error)
            return Gst.StateChangeReturn.FAILURE

    def _open(self) -> Stream:
        values = self._values
        try:
            # Loaded late, with all that it needs: GStreamer looks into a plug-in long before
            # anybody uses it.
            from homeveil.gstreamer.settings import Settings

            settings = Settings(
                profile=values["profile"],
                nobody=values["nobody"],
                passphrase_file=values["passphrase-file"],
                policy=values["policy"],
                style=values.get("style"),
                sound=values.get("sound"),
            )
            return self.open_stream(settings)
        except ImportError as error:
            version = ".".join(map(str, sys.version_info[:3]))
            raise _NotInstalledError(
                f"homeveil does not load in the Python that GStreamer runs, {version} "
                f"({error.name}); install homeveil with that Python"
            ) from error

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _new_stream(self) -> None:
        """Nothing is known of what comes next. What waits is lost."""
        self._caps: Gst.Caps | None = None
        self._segment: Gst.Segment | None = None
        self._frames_in = self._dropped = 0
        self._told = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._newest: int | None = None
        self._earliest: tuple[int, float] | None = None
        self._gap = True
        self._warned: set[str] = set()
        self._faults = 0.0
        if self._stream is not None:
            self._faults = self._stream.faults
            self._stream.forget()

    # -------------------------------------------------------------- buffers
    def take(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """One buffer came."""
        stream = self._stream
        if self._failed or stream is None:
            return Gst.FlowReturn.ERROR
        segment = self._segment
        if self._caps is None or segment is None:
            raise FrameError("a buffer came before its format or segment; put a parser before")
        if not self._is_due(buffer, segment):
            self._dropped += 1
            self._gap = True
            return Gst.FlowReturn.OK
        self._frames_in += 1
        # Counted from the segment's start, as a file's times are: what is decided must not depend
        # on where a demuxer lets its count begin.
        result = self._push_all(stream, stream.take(buffer, buffer.pts - segment.start))
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._tell()
        return result

    def _is_due(self, buffer: Gst.Buffer, segment: Gst.Segment) -> bool:
        """Whether a buffer has a time, a later one than those before, and is not late."""
        pts = buffer.pts
        if pts == Gst.CLOCK_TIME_NONE:
            self.warn("buffers without a time are dropped; have the source set times")
            return False
        if self._newest is not None and pts <= self._newest:
            self.warn("buffers whose time does not increase are dropped")
            return False
        running = segment.to_running_time(Gst.Format.TIME, pts)
        if running == Gst.CLOCK_TIME_NONE:
            return False
        if self._earliest is not None and running <= self._earliest[0]:
            self._tell_late(buffer, segment, running)
            return False
        self._newest = pts
        return True

    def _push_all(self, stream: Stream, buffers: Iterator[Gst.Buffer]) -> Gst.FlowReturn:
        for made in buffers:
            if stream.faults > self._faults:
                self.warn(
                    "something failed, and what it was needed for is withheld whole; "
                    "GST_DEBUG=python:3 says what"
                )
            if self._gap:
                made.set_flags(Gst.BufferFlags.DISCONT)
                self._gap = False
            result = self.source.push(made)
            if result != Gst.FlowReturn.OK:
                return result
        return Gst.FlowReturn.OK

    def _drain(self) -> None:
        if self._stream is not None and not self._failed:
            self._push_all(self._stream, self._stream.drain())

    # -------------------------------------------------------------- events
    def sink_event(self, event: Gst.Event) -> bool:
        """An event of those before came."""
        kind = event.type
        if kind == Gst.EventType.CAPS:
            return self._take_caps(event.parse_caps())
        if kind == Gst.EventType.SEGMENT:
            return self._take_segment(event)
        if kind == Gst.EventType.STREAM_START:
            self._drain()
            self._forget()
            self._caps = self._segment = None
            return bool(self.source.push_event(_plain_start(event)))
        if kind == Gst.EventType.FLUSH_START:
            return bool(self.source.push_event(event))
        if kind == Gst.EventType.FLUSH_STOP:
            self._forget()
            self._segment = None
            return bool(self.source.push_event(event))
        if kind == Gst.EventType.EOS:
            self._drain()
            self._tell()
            return bool(self.source.push_event(event))
        if kind in _DOWN:
            self._drain()
            return bool(self.source.push_event(event))
        return True

    def _take_caps(self, caps: Gst.Caps) -> bool:
        if self._failed or self._stream is None:
            return False
        if self._caps is not None and self._caps.is_equal(caps):
            return True
        if self._caps is not None:
            self._drain()
        self._forget()
        self._caps = None
        leaving = self._stream.begin(caps)
        self._caps = caps
        self.post_message(Gst.Message.new_latency(self))
        return bool(self.source.push_event(Gst.Event.new_caps(leaving)))

    def _take_segment(self, event: Gst.Event) -> bool:
        segment = event.parse_segment().copy()
        if segment.format != Gst.Format.TIME:
            raise FrameError("the stream does not count in time; put a parser or decoder before")
        if self._segment is not None and not segment.is_equal(self._segment):
            self._drain()
            self._forget()
        self._segment = segment
        return bool(self.source.push_event(event))

    def source_event(self, event: Gst.Event) -> bool:
        """An event of those behind came; all of them are passed on to those before."""
        if event.type == Gst.EventType.QOS and self.drops_late and self._values["qos"]:
            _, proportion, late, at = event.parse_qos()
            if at != Gst.CLOCK_TIME_NONE:
                self._earliest = max(0, at + late), proportion
        return bool(self.sink.push_event(event))

    # -------------------------------------------------------------- queries
    def sink_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Those before ask."""
        kind = query.type
        if kind == Gst.QueryType.CAPS:
            return bool(pad.proxy_query_caps(query))
        if kind == Gst.QueryType.ACCEPT_CAPS:
            return bool(pad.query_default(self, query))
        if kind == Gst.QueryType.ALLOCATION:
            return self.offer_memory(query)
        return bool(kind == Gst.QueryType.DRAIN)

    def source_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Those behind ask."""
        kind = query.type
        if kind == Gst.QueryType.CAPS:
            return bool(pad.proxy_query_caps(query))
        if kind in _ASKED:
            return bool(pad.query_default(self, query))
        if kind != Gst.QueryType.LATENCY or not self.sink.peer_query(query):
            return False
        self._live, least, most = query.parse_latency()
        own = self._stream.latency if self._stream is not None else 0
        if most != Gst.CLOCK_TIME_NONE:
            most += own
        query.set_latency(self._live, least + own, most)
        return True

    # -------------------------------------------------------------- messages
    def fail(self, error: Exception) -> None:
        """Post an error. Nothing leaves any more until the element was in the state NULL.

        The text of an error that is not our own is left out: it may quote what was raw.
        """
        self._failed = True
        domain, code = _code_of(error)
        own = isinstance(error, (HomeveilError, _NotInstalledError))
        text = str(error) if own else f"something failed ({type(error).__name__}); nothing leaves"
        places = traceback.extract_tb(error.__traceback__)
        at = f"{places[-1].filename}:{places[-1].lineno}" if places else ""
        reason = GLib.Error.new_literal(GLib.quark_from_string(domain), text, int(code))
        self.post_message(
            Gst.Message.new_error(self, reason, f"{type(error).__name__} at {at}")
        )

    def warn(self, text: str) -> None:
        """Post a warning, once in a stream."""
        if text in self._warned:
            return
        self._warned.add(text)
        domain = GLib.quark_from_string("gst-stream-error-quark")
        reason = GLib.Error.new_literal(domain, text, int(Gst.StreamError.FAILED))
        self.post_message(Gst.Message.new_warning(self, reason, ""))

    def _tell(self) -> None:
        """Post totals, in a structure with the name of the element."""
        if self._stream is None:
            return
        self._told = time.monotonic()
        totals = Gst.Structure.new_empty(self.get_factory().get_name())
        for name, number in {**self._stream.totals(), "dropped": self._dropped}.items():
            kind = GObject.TYPE_UINT64 if isinstance(number, int) else GObject.TYPE_DOUBLE
            totals.set_value(name, GObject.Value(kind, number))
        self.post_message(Gst.Message.new_element(self, totals))

    def _tell_late(self, buffer: Gst.Buffer, segment: Gst.Segment, running: int) -> None:
        earliest, proportion = self._earliest or (running, 1.0)
        pts = buffer.pts
        stream_time = segment.to_stream_time(Gst.Format.TIME, pts)
        message = Gst.Message.new_qos(
            self, self._live, running, stream_time, pts, buffer.duration
        )
        message.set_qos_values(earliest - running, proportion, 1_000_000)
        message.set_qos_stats(Gst.Format.BUFFERS, self._frames_in, self._dropped + 1)
        self.post_message(message)


class _NotInstalledError(Exception):
    """homeveil or what it needs cannot be imported where GStreamer runs."""


def _code_of(error: Exception) -> tuple[str, Any]:
    """GStreamer's domain and code for an error."""
    resource, stream = "gst-resource-error-quark", "gst-stream-error-quark"
    if isinstance(error, _NotInstalledError):
        return "gst-library-error-quark", Gst.LibraryError.INIT
    for kind, domain, code in (
        (FrameError, stream, Gst.StreamError.FORMAT),
        (UsageError, resource, Gst.ResourceError.SETTINGS),
        (PassphraseError, resource, Gst.ResourceError.NOT_AUTHORIZED),
        (ProfileError, resource, Gst.ResourceError.OPEN_READ),
        (ModelError, resource, Gst.ResourceError.NOT_FOUND),
    ):
        if isinstance(error, kind):
            return domain, code
    return stream, Gst.StreamError.FAILED


def _plain_start(event: Gst.Event) -> Gst.Event:
    """A stream-start event that says no more than which stream it is: the original may hold the
    stream's tags."""
    start = Gst.Event.new_stream_start(event.parse_stream_start())
    known, group = event.parse_group_id()
    if known:
        start.set_group_id(group)
    start.set_stream_flags(event.parse_stream_flags())
    return start


class _ThroughGStreamer(logging.Handler):
    """homeveil's log, in GStreamer's (category ``python``)."""

    def emit(self, record: logging.LogRecord) -> None:
        Gst.warning(record.getMessage())


def _log_through_gstreamer() -> None:
    """Unless the program around it has chosen otherwise. Else each withheld frame would write a
    line to standard error."""
    log = logging.getLogger("homeveil")
    if not log.hasHandlers():
        log.addHandler(_ThroughGStreamer())


# What escapes from a function that GStreamer calls is printed and taken for success.
def _chain(pad: Gst.Pad, parent: VeilingElement, buffer: Gst.Buffer) -> Gst.FlowReturn:
    try:
        return parent.take(buffer)
    except Exception as error:
        parent.fail(error)
        return Gst.FlowReturn.ERROR


def _sink_event(pad: Gst.Pad, parent: VeilingElement, event: Gst.Event) -> bool:
    try:
        return parent.sink_event(event)
    except Exception as error:
        parent.fail(error)
        return False


def _source_event(pad: Gst.Pad, parent: VeilingElement, event: Gst.Event) -> bool:
    try:
        return parent.source_event(event)
    except Exception as error:
        parent.fail(error)
        return False


def _sink_query(pad: Gst.Pad, parent: VeilingElement, query: Gst.Query) -> bool:
    try:
        return parent.sink_query(pad, query)
    except Exception as error:
        parent.fail(error)
        return False


def _source_query(pad: Gst.Pad, parent: VeilingElement, query: Gst.Query) -> bool:
    try:
        return parent.source_query(pad, query)
    except Exception as error:
        parent.fail(error)
        return False
