"""What `make demo` runs: enroll, redact the example clip, and show before and after.

    python examples/demo.py OUT

Writes OUT/agent.veil, OUT/redacted.mp4, OUT/report.json, OUT/timeline.svg, OUT/before_after.png
and OUT/sound.png. The people of the clip are rendered and their voices synthetic: nobody is
shown or heard.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from homeveil import _kernels
from homeveil.media.reader import VideoReader
from homeveil.media.sound_reader import SoundReader

HERE = Path(__file__).resolve().parent
PICTURES = 6
WIDTH = 480
SPEAKERS = {"agent": (98, 158, 47), "child": (46, 56, 200)}  # BGR


def main(out: Path) -> None:
    """Run the three commands a user would, then draw the sheet."""
    out.mkdir(parents=True, exist_ok=True)
    clip, redacted = HERE / "demo.mp4", out / "redacted.mp4"
    profile, report = out / "agent.veil", out / "report.json"
    # The example's passphrase is no secret; yours is asked for on the terminal.
    environment = {"HOMEVEIL_PASSPHRASE": "example", **os.environ}
    run = [sys.executable, "-m", "homeveil.cli"]
    for command in (
        ["enroll", profile, "--images", HERE / "enroll", "--voice", HERE / "enroll_voice.wav",
         "--overwrite"],
        ["redact", clip, redacted, "--profile", profile, "--report", report,
         "--plot", out / "timeline.svg"],
    ):
        subprocess.run([*run, *map(str, command)], env=environment, check=True)
    sheet(clip, redacted, out / "before_after.png")
    sound_plot(clip, redacted, out / "sound.png")
    print(f"\nredacted clip   {redacted}\nbefore, after   {out / 'before_after.png'}")
    print(f"sound           {out / 'sound.png'}: the agent is heard, the child is not")
    print(f"report          {report}\ntimeline        {out / 'timeline.svg'}")


def sheet(before: Path, after: Path, path: Path) -> None:
    """Pairs of frames, the clip above its redaction."""
    columns = []
    pairs = list(zip(pictures(before), pictures(after), strict=True))
    for index in np.linspace(0, len(pairs) - 1, PICTURES).astype(int):
        columns.append(np.vstack(pairs[index]))
    rows = [np.hstack(columns[i : i + 3]) for i in range(0, PICTURES, 3)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def sound_plot(before: Path, after: Path, path: Path) -> None:
    """Loudness over time before and after, and who speaks when."""
    speech = json.loads((HERE / "demo_speech.json").read_text())
    first, second = loudness(before), loudness(after)
    picture = np.full((300, 960, 3), 255, np.uint8)
    left, scale = 90, 850 / len(first)
    for index, (name, levels) in enumerate((("before", first), ("after", second))):
        base = 100 + 110 * index
        label(picture, name, (12, base - 30))
        for n, level in enumerate(levels):
            x = round(left + n * scale)
            cv2.line(picture, (x, base), (x, base - round(90 * level)), (60, 60, 60), 1)
    for index, (name, colour) in enumerate(SPEAKERS.items()):
        row = 232 + 26 * index
        label(picture, name, (12, row + 14))
        for one in speech:
            if one["speaker"] == name:
                ends = [round(left + one[edge] * 100 * scale) for edge in ("start", "end")]
                cv2.rectangle(picture, (ends[0], row), (ends[1], row + 18), colour, -1)
    cv2.imwrite(str(path), picture)


def label(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    """Write a word."""
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)


def loudness(path: Path) -> np.ndarray:
    """Level of every 10 ms, 0 at -60 dBFS and 1 at -6."""
    with SoundReader(path) as reader:
        blocks = list(reader)
    samples = np.concatenate([block.samples[0] for block in blocks])
    step = blocks[0].rate // 100
    power = (samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(1)
    return np.clip((10 * np.log10(power + 1e-10) + 60) / 54, 0, 1)


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
