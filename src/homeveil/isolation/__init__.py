"""Raw content in a process of its own that the kernel keeps from everything else.

``box`` is the side that encodes and writes, ``inside`` the side that reads, looks and
veils, ``messages`` all that may pass from the second to the first.
"""

from __future__ import annotations

import enum


class Isolate(enum.Enum):
    """``AUTO``: as far as the kernel can. ``REQUIRE``: whole or not at all. ``OFF``: clear in
    the calling process."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"
