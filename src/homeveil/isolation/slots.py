"""The memory that both processes map: a page of status, then slots of picture and sound.

Only veiled planes and veiled samples are ever copied into it.
"""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

from homeveil import _confine
from homeveil.errors import IsolationError
from homeveil.frames import PixelFormat, Plane, plane_shapes
from homeveil.grid import Grid
from homeveil.isolation.messages import MOST_PICTURE_SLOTS, SOUND_SLOTS

WITHHELD, AGENT = 1, 2

SOUND_SLOT_BYTES = 2**20
_LEAST_PICTURE_SLOTS = 3
_WAITING_BYTES = 16 * 2**20
"""Of pictures that wait to be encoded. Looks take long now and then, and the encoder would have
nothing to do."""

_LEAST_PICTURE_BYTES = 3840 * 2160 * 3 // 2
_GROWTH = 4
"""A picture may grow to this many times its first size in mid-stream; memory that is never
touched takes none."""


class Slots:
    """Shared slots over the memory file ``handle``.

    width, height: of the first picture. live: nothing may wait longer than it must. pictures: how
    many slots there are for them. A picture slot holds planes one after another, then a byte for
    each cell: see ``cells``.
    """

    def __init__(self, handle: int, width: int, height: int, *, live: bool = False) -> None:
        self.pictures = _LEAST_PICTURE_SLOTS
        if width and not live:
            fit = _WAITING_BYTES // picture_bytes(width, height)
            self.pictures = min(max(fit, _LEAST_PICTURE_SLOTS), MOST_PICTURE_SLOTS)
        self._picture_bytes = _pages(
            max(_GROWTH * picture_bytes(width, height), _LEAST_PICTURE_BYTES)
        )
        if not width:
            self._picture_bytes = 0
        self._sounds = mmap.PAGESIZE + self.pictures * self._picture_bytes
        self.size = self._sounds + SOUND_SLOTS * SOUND_SLOT_BYTES
        self._memory: mmap.mmap | None = None
        self._handle = handle

    def make(self) -> None:
        """Give the memory file its size, for good."""
        import fcntl

        try:
            os.ftruncate(self._handle, self.size)
        except OSError as error:
            raise IsolationError(
                f"no shared memory of {self.size >> 20} MiB can be had ({error.strerror}); raise "
                "the limit of file sizes, or clear in this process (--isolate off)"
            ) from error
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self._handle, fcntl.F_ADD_SEALS, seals)

    def map(self) -> None:
        """Map the memory file, whose size must be the expected one."""
        if os.fstat(self._handle).st_size != self.size:
            raise IsolationError("the shared memory has another size than agreed")
        self._memory = mmap.mmap(self._handle, self.size)

    @property
    def memory(self) -> mmap.mmap:
        if self._memory is None:
            raise IsolationError("the shared memory is not mapped")
        return self._memory

    def denials(self) -> list[int]:
        """Numbers of the system calls that were denied and could have led outward: the last
        ones, newest last."""
        counts = np.frombuffer(self.memory, "<u4", _confine.STATUS_BYTES // 4)
        most = counts.size - 1
        count = int(counts[0])
        first = max(0, count - most)
        return [int(counts[1 + number % most]) for number in range(first, count)]

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture of this size has room in a slot."""
        return picture_bytes(width, height) <= self._picture_bytes

    def planes(
        self, slot: int, pixel_format: PixelFormat, width: int, height: int
    ) -> tuple[Plane, ...]:
        """The planes of a picture in a slot, as views."""
        planes, at = [], mmap.PAGESIZE + slot * self._picture_bytes
        for rows, columns in plane_shapes(pixel_format, width, height):
            flat = np.frombuffer(self.memory, np.uint8, rows * columns, at)
            planes.append(flat.reshape(rows, columns))
            at += rows * columns
        return tuple(planes)

    def cells(self, slot: int, width: int, height: int) -> NDArray[np.uint8]:
        """(rows, cols) of the cells of a picture in a slot, as a view: WITHHELD if painted over,
        AGENT if it shows the agent, else 0."""
        grid = Grid.over(width, height)
        start = mmap.PAGESIZE + slot * self._picture_bytes + _planes_bytes(width, height)
        return np.frombuffer(self.memory, np.uint8, grid.rows * grid.cols, start).reshape(
            grid.shape
        )

    def samples(self, slot: int, channels: int, count: int) -> NDArray[np.float32]:
        """(channels, count) samples in a slot, as a view."""
        start = self._sounds + slot * SOUND_SLOT_BYTES
        flat = np.frombuffer(self.memory, np.float32, channels * count, start)
        return flat.reshape(channels, count)

    def close(self) -> None:
        """Forget the memory; views that somebody still holds keep it."""
        self._memory = None


def picture_bytes(width: int, height: int) -> int:
    """Bytes of a 4:2:0 picture and its cells."""
    grid = Grid.over(width, height)
    return _planes_bytes(width, height) + grid.rows * grid.cols


def _planes_bytes(width: int, height: int) -> int:
    return sum(rows * columns for rows, columns in plane_shapes(PixelFormat.I420, width, height))


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
