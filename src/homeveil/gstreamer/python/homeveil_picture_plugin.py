"""What GStreamer's loader for Python plug-ins reads: one file for each element.

homeveil and what it needs may lie in a virtual environment that the Python of GStreamer does not
know. This file lies in it too, so its own place says where.
"""

from __future__ import annotations

import sys
from pathlib import Path

_PACKAGES = str(Path(__file__).resolve().parents[3])
if _PACKAGES not in sys.path:
    # Before the packages of the system: its NumPy is older than what homeveil is built for.
    _ends = ("dist-packages", "site-packages")
    _places = (at for at, entry in enumerate(sys.path) if entry.endswith(_ends))
    sys.path.insert(next(_places, len(sys.path)), _PACKAGES)

from homeveil.gstreamer.picture_element import Homeveil  # noqa: E402

__gstelementfactory__ = ("homeveil", 0, Homeveil)
