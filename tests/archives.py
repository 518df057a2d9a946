"""What tests of archives share: small recordings cut from the example, and the state read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

CLIP = Path(__file__).parents[1] / "examples" / "demo.mp4"
SIZE = (320, 180)
STATE = ".homeveil-batch.sqlite"


def cuts(folder: Path, count: int, frames: int = 12) -> list[Path]:
    """``count`` short cuts of the example clip, each with another content."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with av.open(str(CLIP)) as clip:
        for picture in clip.decode(video=0):
            pictures.append(picture.reformat(*SIZE, format="yuv420p"))
            if len(pictures) == frames + count:
                break
    files = []
    for number in range(count):
        files.append(folder / f"cut{number:02}.mp4")
        with av.open(str(files[-1]), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            for index, picture in enumerate(pictures[number : number + frames]):
                picture.pts, picture.time_base = index, Fraction(1, 10)
                picture.pict_type = av.video.frame.PictureType.NONE
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return files


def recorded(count: int) -> Callable[..., Path]:
    """A fixture: a folder with ``count`` short recordings, made once for a module."""

    @pytest.fixture(scope="module")
    def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("in")
        cuts(folder, count)
        return folder

    return recordings


def times_done(state: Path) -> dict[str, int]:
    """How often each file of an archive was published, by name."""
    with sqlite3.connect(state) as base:
        rows = base.execute("SELECT target, times_done FROM files").fetchall()
    return {Path(os.fsdecode(target)).name: count for target, count in rows}


def files_in(folder: Path) -> list[str]:
    """Names below a folder, without the state file and the like."""
    return sorted(
        str(one.relative_to(folder))
        for one in folder.rglob("*")
        if not one.name.startswith(STATE)
    )
