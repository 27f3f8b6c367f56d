"""What the machine could do better: how it frees memory, and which kernels its BLAS has chosen."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from autograd.kernels._blas import openblas

__all__ = ["better_core", "can_keep_freed_memory", "keep_freed_memory", "keeps_freed_memory"]

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3

# What OpenBLAS's kernels for AVX-512 need.
_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"}
_kept = False


@cache
def can_keep_freed_memory() -> bool:
    """Whether this is glibc, whose malloc can be told."""
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def keeps_freed_memory() -> bool:
    """Whether :func:`keep_freed_memory` was called."""
    return _kept


def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of returning it to the system; False if it cannot.

    Arrays of some size otherwise come as fresh pages each time, and each page costs a trip into the
    kernel at its first touch.
    """
    global _kept
    if not can_keep_freed_memory():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    most = 2**31 - 1
    done = (
        mallopt(_M_MMAP_THRESHOLD, 1 << 30),
        mallopt(_M_TRIM_THRESHOLD, most),
        mallopt(_M_TOP_PAD, 64 << 20),
    )
    _kept = all(done)
    return _kept


def better_core() -> str | None:
    """The OpenBLAS core type that this processor could use instead of the one in use, if any."""
    blas = openblas()
    if blas is None or not _processor_flags() >= _AVX512:
        return None
    return "SkylakeX" if blas.core in ("Haswell", "Zen", "Sandybridge", "Nehalem") else None


@cache
def _processor_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("flags"):
                    return set(line.split(":")[1].split())
    except OSError:
        pass
    return set()
