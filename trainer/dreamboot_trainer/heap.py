"""The memory that a run on a CPU gives back in every step only to ask for it again in the next."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's malloc.h: the numbers of the settings that mallopt takes, and their values in a program that sets none.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_TRIM_DEFAULT = _MMAP_DEFAULT = 128 * 1024
# The largest that glibc lets this one be on 64 bits (HEAP_MAX_SIZE / 2). Larger blocks are the system's, as before.
_MMAP_LARGEST = 32 * 2**20
_NEVER = 2**31 - 1


@contextmanager
def kept() -> Iterator[None]:
    """Inside, the C library keeps what is freed, for the tensors of the next step; afterwards the system gets it back.

    Without it the system takes back some 10 MB a step of a small model, and clears each page that it lends again:
    3 % of the step. The largest amount of memory at one time stays the same. glibc only: nothing happens elsewhere.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _MMAP_LARGEST)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _MMAP_DEFAULT)
        library.mallopt(_TRIM_THRESHOLD, _TRIM_DEFAULT)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
