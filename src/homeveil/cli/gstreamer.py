"""``homeveil gstreamer``: where GStreamer finds the elements."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gstreamer",
        help="print the folder for GST_PLUGIN_PATH",
        description="Print the folder in which GStreamer finds the elements homeveil and "
        'homeveilvoice: export GST_PLUGIN_PATH="$(homeveil gstreamer)"',
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the folder."""
    from homeveil.gstreamer import plugin_folder

    print(plugin_folder())
    return 0
