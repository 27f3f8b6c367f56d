"""Matrix products, shared out over the cores."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autograd.kernels._threads import are_up, in_threads, thread_count
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array

__all__ = ["matmul"]

# From this many multiplications on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 24


@compilable(least=1 << 12)
def matmul(a: Array, b: Array) -> Array:
    """The product of two matrices, (m, k) and (k, n).

    With BLAS's own threads; in a process whose kernels use ours, such as a convolutional network's,
    BLAS has given them up and computes slices of the product, one on each of ours.

    >>> matmul(np.ones((2, 3)), np.ones((3, 1)))
    array([[3.],
           [3.]])
    """
    rows, columns = a.shape[0], b.shape[1]
    threads = thread_count()
    work = rows * columns * a.shape[1]
    if threads < 2 or not are_up() or work < _SHARED or a.dtype.kind not in "fc":
        return np.matmul(a, b)
    out = np.empty((rows, columns), np.result_type(a, b))
    along = rows if rows >= columns else columns
    bounds = [along * i // threads for i in range(threads + 1)]

    def multiply(part: slice) -> None:
        if rows >= columns:
            np.matmul(a[part], b, out=out[part])
        else:
            np.matmul(a, b[:, part], out=out[:, part])

    in_threads(multiply, [slice(i, j) for i, j in pairwise(bounds)])
    return out
