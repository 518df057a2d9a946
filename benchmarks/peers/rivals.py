"""Who is compared, and how each is called."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

PRESET, CRF = "medium", "23"
"""x264's own defaults, for all that let them be chosen. deface leaves them to imageio, which takes
the same preset and a rate factor near it."""

FIT_PRESET = "superfast"
"""What a live redaction would choose: less processor for larger files."""

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Call:
    """source, target: files. profile: the agent's. folder: for files on the way."""

    source: Path
    target: Path
    profile: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Rival:
    """One way to do it. words: the command. protects: whether it is to be scored. foreign: whether
    it is others' and runs in their environment."""

    name: str
    protects: bool = True
    arguments: tuple[str, ...] = field(default=())
    foreign: bool = False

    def words(self, call: Call, python: Path, model: Path) -> list[str]:
        """The command. python: of the environment of others' tools. model: a face detector."""
        source, target = str(call.source), str(call.target)
        if self.name.startswith("transcode"):
            return [sys.executable, str(_HERE / "transcode.py"), source, target, *self.arguments]
        if self.name.startswith("blur loop"):
            script = str(_HERE / "blur_loop.py")
            return [str(python), script, source, target, str(model), *self.arguments]
        if self.name.startswith("deface"):
            return [str(python.parent / "deface"), source, "-o", target, *self.arguments]
        preset, crf = self.arguments
        policy = call.folder / f"{preset}.toml"
        policy.write_text(f'encoder_preset = "{preset}"\nvideo_quality = {crf}\n', "utf-8")
        words = [sys.executable, "-m", "homeveil.cli", "redact", source, target, "--quiet"]
        return [*words, "--profile", str(call.profile), "--policy", str(policy), "--style", "fill"]


RIVALS = (
    Rival("transcode", False, (PRESET, CRF)),
    Rival("homeveil", True, (PRESET, CRF)),
    Rival(f"transcode, {FIT_PRESET}", False, (FIT_PRESET, CRF)),
    Rival(f"homeveil, {FIT_PRESET}", True, (FIT_PRESET, CRF)),
    Rival("blur loop (MediaPipe, OpenCV)", True, (PRESET, CRF), foreign=True),
    Rival("deface --scale 640x360", True, ("--scale", "640x360"), foreign=True),
    Rival("deface", True, foreign=True),
)
