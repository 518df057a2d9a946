"""What a long run says on standard error: lines for people, or JSON for machines. Never a word
of what was seen or heard."""

from __future__ import annotations

import json
import logging
import sys
import time


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return json.dumps(
            {
                "time": f"{stamp}.{int(record.msecs):03d}Z",
                "level": record.levelname.lower(),
                "message": record.getMessage(),
            },
            ensure_ascii=False,
        )


def set_up(form: str) -> None:
    """Send the package's log to standard error as ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Json() if form == "json" else logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    )
    log = logging.getLogger("homeveil")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
