"""``homeveil gstreamer``: where GStreamer finds the elements."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gstreamer",
        help="print the folder for GST_PLUGIN_PATH",
        description="Print the folder in which GStreamer finds the elements homeveil and "
        'homeveilvoice: export GST_PLUGIN_PATH="$(homeveil gstreamer)". What would keep it from '
        "finding them is said on standard error.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the folder."""
    from homeveil.gstreamer import plugin_folder

    print(plugin_folder())
    obstacle = _obstacle()
    if obstacle:
        print(f"homeveil: {obstacle}", file=sys.stderr)
    return 0


def _obstacle() -> str:
    """What keeps GStreamer from running the elements, or nothing.

    Its loader takes the Python to which the first ``python3`` in PATH belongs, if there is one
    about it, be it a virtual environment; else the one it was built with.
    """
    python = shutil.which("python3")
    if python is None:
        return ""
    folder = Path(python).parent
    library = folder.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = (folder / "pyvenv.cfg", folder.parent / "pyvenv.cfg", library / "os.py")
    if not any(path.exists() for path in own):
        return ""
    told = subprocess.run(
        [python, "-c", "import sys, gi; print(sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        return (
            f"GStreamer would run {python}, which has no bindings (python3-gst-1.0); put "
            "/usr/bin first in PATH, or leave an active virtual environment"
        )
    if told.stdout.strip() != str(sys.version_info[:2]):
        return (
            f"GStreamer would run {python}, of another version than this one "
            f"({sys.version_info[0]}.{sys.version_info[1]}); install homeveil with that one"
        )
    return ""
