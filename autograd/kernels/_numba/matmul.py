"""Matrix products in slices, one for each core."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import HAS_GEMM, gemm, parallel, prange, serves
from autograd.kernels._threads import thread_count

__all__ = ["matmul"]

_SHARED = 1 << 17


def matmul(a: Any, b: Any) -> Any:
    """See :func:`autograd.kernels.matmul.matmul`."""
    rows, depth = a.shape
    columns = b.shape[1]
    if not HAS_GEMM or thread_count() < 2 or rows * columns * depth < _SHARED:
        return NotImplemented
    transpose_a, transpose_b = a.flags.f_contiguous, b.flags.f_contiguous
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    if not serves(a, b):
        return NotImplemented
    out = np.empty((rows, columns), a.dtype)
    _matmul(a, b, out, transpose_a, transpose_b, thread_count())
    return out


@parallel
def _matmul(a, b, out, transpose_a, transpose_b, threads):
    rows, columns = out.shape
    depth = a.shape[0] if transpose_a else a.shape[1]
    flat_a, flat_b, flat = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    lda, ldb = a.shape[1], b.shape[1]
    for i in prange(threads):
        if rows >= columns:
            first, last = rows * i // threads, rows * (i + 1) // threads
            if first < last:
                start = first if transpose_a else first * lda
                gemm(transpose_a, transpose_b, last - first, columns, depth, flat_a[start:], lda,
                     flat_b, ldb, 0.0, flat[first * columns:], columns)  # fmt: skip
        else:
            first, last = columns * i // threads, columns * (i + 1) // threads
            if first < last:
                start = first * ldb if transpose_b else first
                gemm(transpose_a, transpose_b, rows, last - first, depth, flat_a, lda,
                     flat_b[start:], ldb, 0.0, flat[first:], columns)  # fmt: skip
