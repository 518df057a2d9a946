"""How long it takes to verify the ledger of a day: python -m benchmarks.ledger [--json F]."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from homeveil.ledger.verify import verify
from ledgers import written

DAY = 24 * 3600


def main() -> int:
    """Write a day of entries, verify it five times, print the median; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        path = written(Path(folder) / "day.jsonl", DAY, step=10.0)
        wrote = time.perf_counter() - begin
        times, busy = [], []
        for _ in range(5):
            begin, used = time.perf_counter(), time.process_time()
            result = verify(path)
            times.append(time.perf_counter() - begin)
            busy.append(time.process_time() - used)
        size = path.stat().st_size
        flipped = bytearray(path.read_bytes())
        flipped[size // 2] ^= 1
        path.write_bytes(flipped)
        begin = time.perf_counter()
        found = verify(path).findings
        finding = time.perf_counter() - begin
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 1),
        "entries": result.entries,
        "bytes": size,
        "write_ms_per_entry": round(1000 * wrote / result.entries, 3),
        "verify_seconds": round(statistics.median(times), 3),
        "verify_processor_seconds": round(statistics.median(busy), 3),
        "locate_flipped_bit_seconds": round(finding, 3),
        "findings": found[0],
    }
    print(json.dumps(record, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
