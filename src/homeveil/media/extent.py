"""Does a file end before its own headers say?

Reads a few header bytes only. Knows ISO base media (mp4, mov), Matroska (mkv, webm) and
RIFF (avi); any other file counts as whole.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

_MOST_BOXES = 10_000
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_UNKNOWN = 0xFFFFFFFF
"""As a size of RIFF that was sent through a pipe, where nobody can go back to write it."""
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"})


def is_cut_off(path: Path) -> bool:
    """True if the headers of ``path`` promise more bytes than the file has."""
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(12)
            file.seek(0)
            if head[4:8] in _FIRST_BOXES:
                return _boxes_cut(file, end)
            if head[:4] == _EBML:
                return _segment_cut(file, end)
            if head[:4] == b"RIFF":
                size = int.from_bytes(head[4:8], "little")
                return size != _UNKNOWN and 8 + size > end + 1
    except OSError:
        return False
    return False


def _boxes_cut(file: BinaryIO, end: int) -> bool:
    """Walk the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    start, indexed = 0, False
    for _ in range(_MOST_BOXES):
        if start == end:
            return not indexed
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return True
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        indexed |= head[4:8] == b"moov"
        if size == 0:
            return not indexed
        if size < 8 or start + size > end:
            return True
        start += size
    return False


def _segment_cut(file: BinaryIO, end: int) -> bool:
    """Compare the Segment's size (RFC 8794) with the file's; unknown sizes are whole."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return False
    file.seek(header, io.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return False
    size = _vint(file)
    return size is not None and file.tell() + size > end


def _vint(file: BinaryIO) -> int | None:
    """A variable-length size; None if it says unknown or is broken."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> length)]) + file.read(length - 1), "big")
    return None if value == (1 << (7 * length)) - 1 else value
