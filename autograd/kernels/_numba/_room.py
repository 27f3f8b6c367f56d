"""Room to work in that begins at a cache line: vectors as wide as one then lie in one each.

A vector that lies in two takes twice the time to read, and NumPy's arrays begin anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import compiled

__all__ = ["empty", "zeros"]

_LINE = 64  # bytes


def empty(count: int, dtype: Any) -> Any:
    """A vector of ``count`` numbers, whatever they are."""
    dtype = np.dtype(dtype)
    array = np.empty(count + _LINE // dtype.itemsize, dtype)
    first = -array.ctypes.data % _LINE // dtype.itemsize
    return array[first : first + count]


@compiled
def zeros(count, like):
    """A vector of ``count`` zeros of the dtype of another array, for compiled code."""
    array = np.zeros(count + _LINE // like.itemsize, like.dtype)
    first = -array.ctypes.data % _LINE // like.itemsize
    return array[first : first + count]
