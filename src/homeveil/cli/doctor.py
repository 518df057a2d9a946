"""``homeveil doctor``: whether this machine is ready, in one page."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    "numpy",
    "av",
    "ai-edge-litert",
    "onnxruntime",
    "opencv-python-headless",
    "cryptography",
)


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="check kernels, models and versions")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the state of things; 0 when redaction can start."""
    from homeveil import _kernels
    from homeveil.models.store import State, cache_directory, status
    from homeveil.redaction import package_version

    print(f"homeveil    {package_version()}")
    print(f"python      {platform.python_version()} on {platform.system()} {platform.machine()}")
    print(f"processor   {_processor()}, {os.cpu_count()} cores")
    print(f"kernels     {_kernels.cpu_name()}")
    print(f"isolation   {_isolation()}")
    for package in _PACKAGES:
        print(f"{package:22} {_version(package)}")
    print(f"models in {cache_directory()}")
    ready = True
    for entry in status():
        ready &= entry.state is State.READY
        print(f"  {entry.model.purpose:22} {entry.state.value}")
    print("ready" if ready else "not ready: run `homeveil models pull`")
    return 0 if ready else 4


def _isolation() -> str:
    from homeveil._confine import landlock_abi
    from homeveil.isolation.box import missing_support

    lacks = missing_support()
    if lacks:
        return f"incomplete: this system lacks {' and '.join(lacks)}"
    return f"process of its own, Landlock {landlock_abi()}, seccomp"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
