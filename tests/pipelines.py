"""What tests of the GStreamer elements share: gst-launch-1.0 and the Python of the system, each
in a process of its own that finds the plug-in as a user's does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from homeveil.frames import PixelFormat, RawFrame, Timestamp, plane_shapes
from homeveil.gstreamer import plugin_folder
from homeveil.gstreamer.pictures import NANOSECOND
from homeveil.models.store import ModelStore, State

TESTS = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"
SECOND = 10**9


@cache
def missing() -> str:
    """What these tests need and do not find here, or nothing."""
    if any(entry.state is not State.READY for entry in ModelStore().status()):
        return "models are not pulled; run `homeveil models pull`"
    if not shutil.which("gst-launch-1.0"):
        return "gst-launch-1.0 is not installed"
    plugin = subprocess.run(
        ["gst-inspect-1.0", "python"], env=environment(), capture_output=True, check=False
    )
    if plugin.returncode:
        return "GStreamer's loader for Python plug-ins is not installed"
    asked = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import gi, sys; print(sys.version_info[:2])"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.stdout.strip() != str(sys.version_info[:2]):
        return f"GStreamer runs another Python than {sys.version_info[:2]}"
    return ""


@cache
def _registry() -> str:
    """A registry of plug-ins for this run alone."""
    return os.path.join(tempfile.mkdtemp(prefix="homeveil-gst-"), "registry")


def environment(**changes: str) -> dict[str, str]:
    """What a pipeline's process gets to see."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        # GStreamer runs the Python that is first in PATH; the bindings are the system's.
        "PATH": f"/usr/bin:{os.environ.get('PATH', '')}",
        "GST_PLUGIN_PATH": str(plugin_folder()),
        "GST_REGISTRY": _registry(),
        "GST_DEBUG_NO_COLOR": "1",
        "HOMEVEIL_PASSPHRASE": "correct horse",
        **changes,
    }


def launch(words: str, *options: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run gst-launch-1.0 on a pipeline to its end; after a crash it ends too (``-f``)."""
    return subprocess.run(
        ["gst-launch-1.0", "-f", *options, *words.split()],
        env=environment(**changes), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def pads(case: str, **changes: str) -> Any:
    """What a case of ``gst_pads.py`` found out."""
    result = subprocess.run(
        [SYSTEM_PYTHON, str(TESTS / "gst_pads.py"), case],
        env=environment(**changes), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def sabotage(folder: Path, statement: str) -> dict[str, str]:
    """Environment in which a pipeline's Python runs ``statement`` when it starts."""
    packages = sysconfig.get_path("purelib")
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.path[:0] = [{str(TESTS)!r}, {packages!r}]\n{statement}\n"
    )
    return {"PYTHONPATH": f"{folder}:{packages}"}


def broken(stage: str, fault: str, after: int) -> None:
    """Called in a pipeline's process: ``stage`` (``module:Class.method`` or ``module:function``)
    does its work ``after`` times and fails from then on."""
    import importlib

    from faults import FAULTS

    module, _, name = stage.partition(":")
    owner: Any = importlib.import_module(module)
    *kind, method = name.split(".")
    for part in kind:
        owner = getattr(owner, part)
    good, done = getattr(owner, method), 0

    def bad(*arguments: object, **named: object) -> object:
        nonlocal done
        done += 1
        result = good(*arguments, **named)
        return result if done <= after else FAULTS[fault](result)

    setattr(owner, method, bad)


# ------------------------------------------------------------------ raw files
def still(width: int, height: int, count: int, pixel_format: PixelFormat) -> bytes:
    """Frames of one textured picture, without padding; a scene that is shown after a while."""
    rng = np.random.default_rng(5)
    planes = [
        (rng.integers(60, 190, (-(-rows // 4), -(-columns // 4))).repeat(4, 0).repeat(4, 1))
        for rows, columns in plane_shapes(pixel_format, width, height)
    ]
    shapes = plane_shapes(pixel_format, width, height)
    one = b"".join(
        (plane[:rows, :columns] + rng.integers(0, 8, (rows, columns))).astype(np.uint8).tobytes()
        for plane, (rows, columns) in zip(planes, shapes, strict=True)
    )
    return one * count


def frames(
    data: bytes, size: tuple[int, int], pixel_format: PixelFormat, *, align: int = 1
) -> Iterator[RawFrame]:
    """The frames of raw video, 10 a second, whose rows are padded to a multiple of ``align``
    bytes. With 4 it is GStreamer's own layout, in which an odd height is rounded up too."""
    shapes = plane_shapes(pixel_format, *size)
    at = number = 0
    while at < len(data):
        planes = []
        for index, (rows, columns) in enumerate(shapes):
            stride = -(-columns // align) * align
            plane = np.frombuffer(data, np.uint8, stride * rows, at).reshape(rows, stride)
            planes.append(plane[:, :columns])
            tall = rows + rows % 2 if index == 0 and align > 1 else rows
            at += stride * tall
        time = Timestamp(number * SECOND // 10, NANOSECOND)
        yield RawFrame(tuple(planes), pixel_format, *size, time)
        number += 1


def times(told: str, sink: str) -> list[int]:
    """Nanoseconds of the buffers that a ``multifilesink post-messages=true`` told of (``-m``)."""
    start = rf'message #\d+ from element "{sink}" \(element\): GstMultiFileSink, '
    return [int(pts) for pts in re.findall(start + r".*?timestamp=\(guint64\)(\d+)", told)]


def totals(told: str, element: str) -> list[dict[str, float]]:
    """Numbers of the messages that an element posted (``gst-launch-1.0 -m``)."""
    start = rf'message #\d+ from element "{element}\d+" \(element\): {element}, '
    lines = re.findall(start + "(.*?);", told)
    return [
        {name: float(value) for name, value in re.findall(r"([a-z-]+)=\(\w+\)([\d.]+)", line)}
        for line in lines
    ]
