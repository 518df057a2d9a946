"""What `make demo` runs: enroll, redact the example clip, and show before and after.

    python examples/demo.py OUT

Writes OUT/agent.veil, OUT/redacted.mp4, OUT/report.json and OUT/before_after.png. The people
of the clip are rendered: nobody's picture is shown.
"""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from homeveil import _kernels
from homeveil.media.reader import VideoReader

HERE = Path(__file__).resolve().parent
PICTURES = 6
WIDTH = 480


def main(out: Path) -> None:
    """Run the three commands a user would, then draw the sheet."""
    out.mkdir(parents=True, exist_ok=True)
    clip, redacted = HERE / "demo.mp4", out / "redacted.mp4"
    profile, report = out / "agent.veil", out / "report.json"
    # The example's passphrase is no secret; yours is asked for on the terminal.
    environment = {"HOMEVEIL_PASSPHRASE": "example", **os.environ}
    run = [sys.executable, "-m", "homeveil.cli"]
    for command in (
        ["enroll", profile, "--images", HERE / "enroll", "--overwrite"],
        ["redact", clip, redacted, "--profile", profile, "--report", report],
    ):
        subprocess.run([*run, *map(str, command)], env=environment, check=True)
    sheet(clip, redacted, out / "before_after.png")
    print(f"\nredacted clip   {redacted}\nbefore, after   {out / 'before_after.png'}")
    print(f"report          {report}")


def sheet(before: Path, after: Path, path: Path) -> None:
    """Pairs of frames, the clip above its redaction."""
    columns = []
    pairs = list(zip(pictures(before), pictures(after), strict=True))
    for index in np.linspace(0, len(pairs) - 1, PICTURES).astype(int):
        columns.append(np.vstack(pairs[index]))
    rows = [np.hstack(columns[i : i + 3]) for i in range(0, PICTURES, 3)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def pictures(path: Path) -> list[np.ndarray]:
    """All frames as small RGB pictures."""
    found = []
    with VideoReader(path) as reader:
        for frame in reader:
            rgb = _kernels.to_rgb(frame)
            height = round(frame.height * WIDTH / frame.width)
            found.append(cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
