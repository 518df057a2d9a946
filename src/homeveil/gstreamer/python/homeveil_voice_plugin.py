"""What GStreamer's loader for Python plug-ins reads: the element for sound."""

from __future__ import annotations

import importlib

# The file beside this one says where homeveil lies.
importlib.import_module("homeveil_picture_plugin")

from homeveil.gstreamer.sound_element import HomeveilVoice  # noqa: E402

__gstelementfactory__ = ("homeveilvoice", 0, HomeveilVoice)
