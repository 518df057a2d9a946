"""The system calls of the isolated process once it is locked in, as strace sees them.

    python -m benchmarks.system_calls [--json benchmarks/results/system_calls.json] [--profile F]

Needs ``strace``. Redacts the example clip, picture and sound, and counts what the isolated
process and its threads called after the last lock, and what of it the kernel refused.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALL = re.compile(r"^(\d+)\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)")
"""A line of ``strace -f``: the thread, and the call that begins or comes back in it."""

RESULT = re.compile(r"\)\s+= (-?\w+|\?)(?: (E[A-Z]+))?")
LOCK = "SECCOMP_FILTER_FLAG_TSYNC"


def main() -> int:
    """Trace one redaction and print the list; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", type=Path, help="else nobody is shown")
    arguments = parser.parse_args()
    who = ["--profile", str(arguments.profile)] if arguments.profile else ["--nobody"]
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        subprocess.run(
            [
                "strace", "-f", "-qq", "-s", "0", "-o", trace,
                sys.executable, "-m", "homeveil.cli", "redact", ROOT / "examples" / "demo.mp4",
                Path(folder) / "out.mp4", *who, "--isolate", "require", "--quiet",
            ],
            check=True,
        )  # fmt: skip
        allowed, refused = counted(trace.read_text("utf-8", "replace").splitlines())
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "allowed": dict(allowed.most_common()),
        "refused": dict(refused.most_common()),
    }
    print(json.dumps(record, indent=1))
    print(f"{os.path.basename(sys.executable)} {platform.python_version()}", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def counted(lines: list[str]) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Calls of the locked process by name, and of those the refused ones with their error."""
    start = next(number for number, line in enumerate(lines) if LOCK in line)
    inside = _threads(lines, lines[start].split()[0])
    allowed: collections.Counter[str] = collections.Counter()
    refused: collections.Counter[str] = collections.Counter()
    for line in lines[start + 1 :]:
        call = CALL.match(line)
        if call is None or call[1] not in inside or line.endswith("<unfinished ...>"):
            continue
        result = RESULT.search(line)
        error = result[2] if result is not None else None
        if error in ("EPERM", "EACCES", "ENOSYS"):
            refused[f"{call[2]} ({error})"] += 1
        else:
            allowed[call[2]] += 1
    return allowed, refused


def _threads(lines: list[str], process: str) -> set[str]:
    """The process and all threads that it began."""
    threads = {process}
    for line in lines:
        call = CALL.match(line)
        if call is None or call[1] not in threads or not call[2].startswith("clone"):
            continue
        result = RESULT.search(line)
        if result is not None and result[1].isdigit():
            threads.add(result[1])
    return threads


if __name__ == "__main__":
    sys.exit(main())
