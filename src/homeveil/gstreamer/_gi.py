"""The one door to GStreamer: its bindings (PyGObject), which are packages of the system."""

from __future__ import annotations

import gi

for _name in ("Gst", "GstAudio", "GstVideo"):
    gi.require_version(_name, "1.0")

from gi.repository import GLib, GObject, Gst, GstAudio, GstVideo  # noqa: E402

__all__ = ["GLib", "GObject", "Gst", "GstAudio", "GstVideo"]
