"""Searches for inputs that break a target, led by coverage: needs ``pip install atheris``.

    python tests/fuzz/run.py TARGET [--seconds 600] [--found DIR]

Starts from the committed corpus. What breaks the target is left in ``--found``; add it to the
corpus, where ``test_corpus.py`` replays it, with the repair. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["homeveil"]):
    import targets

CORPUS = Path(__file__).with_name("corpus")


def main() -> None:
    """Run until the time is over or as told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=sorted(targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    arguments = parser.parse_args()
    work = arguments.found / arguments.target
    work.mkdir(parents=True, exist_ok=True)
    target, begin = targets.TARGETS[arguments.target], time.monotonic()
    count, kinds = 0, {}

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        try:
            target(data)
        except Exception as error:
            # Gone on after each, so that one finding does not hide the others.
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if kind not in kinds:
                (arguments.found / f"{arguments.target}-{len(kinds)}.bin").write_bytes(data)
                kinds[kind] = str(error)[:200]
                print(f"finding: {kind}: {error}", file=sys.stderr, flush=True)
        if count % 200 == 0 or time.monotonic() - begin > arguments.seconds - 1:
            record = {
                "target": arguments.target,
                "executions": count,
                "seconds": round(time.monotonic() - begin, 1),
                "processor_seconds": round(time.process_time(), 1),
                "findings": kinds,
            }
            (arguments.found / f"{arguments.target}.json").write_text(json.dumps(record, indent=1))

    options = [
        sys.argv[0], str(work), str(CORPUS / arguments.target),
        f"-max_total_time={arguments.seconds}", "-max_len=65536", "-timeout=60",
        "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=0",
        f"-artifact_prefix={arguments.found}/{arguments.target}-",
    ]  # fmt: skip
    atheris.Setup(options, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
