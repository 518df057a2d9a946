"""Locking this process in, for Python: ``native/src/confine.c``.

Only :mod:`homeveil.isolation` uses it.
"""

from __future__ import annotations

import mmap
import os

from homeveil._native import ffi, lib

STATUS_BYTES = 4 * (1 + int(lib.HV_DENIALS_KEPT))


def landlock_abi() -> int:
    """Version of Landlock's interface that the kernel has; 0 for none."""
    return int(lib.hv_landlock_abi())


def has_seccomp() -> bool:
    """Whether the kernel takes seccomp filters."""
    return bool(lib.hv_seccomp_ready())


def begin(parent: int) -> int:
    """Give up writing, making, removing and running files, and die with process ``parent``.

    To be called while there is one thread. Gives the version of Landlock in force, 0 without.
    Raises OSError.
    """
    result = int(lib.hv_confine_begin(parent))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def capture(parent: int) -> int:
    """Give up writing files and running programs, leave no dump, and die with process
    ``parent``; devices and the network stay. Gives the version of Landlock in force, 0 without.
    Raises OSError."""
    result = int(lib.hv_confine_capture(parent))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def lock(messages: int, status: mmap.mmap) -> None:
    """Refuse every system call but those of computing, for all threads; writing goes to the
    descriptor ``messages`` alone. The first STATUS_BYTES of ``status`` count what is denied;
    it must stay mapped. Raises OSError."""
    page = ffi.from_buffer("uint32_t[]", status, require_writable=True)
    _KEPT.append(page)
    result = int(lib.hv_confine_lock(messages, page))
    if result < 0:
        raise OSError(-result, os.strerror(-result))


_KEPT: list[object] = []
