"""homeveil as elements of GStreamer: ``homeveil`` for pictures, ``homeveilvoice`` for sound.

GStreamer's loader for Python plug-ins looks into the folder ``python`` below each folder of
``GST_PLUGIN_PATH``::

    export GST_PLUGIN_PATH="$(homeveil gstreamer)"
    gst-launch-1.0 v4l2src ! videoconvert ! homeveil profile=agent.veil ! v4l2sink

An element makes every buffer that it pushes from what the veil gave. No buffer, event or query
that may carry raw content passes through it. ``settings``, ``pictures`` and ``sounds`` know
nothing of GStreamer; ``element`` and what stands on it are loaded by GStreamer alone.
"""

from __future__ import annotations

from pathlib import Path


def plugin_folder() -> Path:
    """The folder that GST_PLUGIN_PATH must name."""
    return Path(__file__).resolve().parent
