"""How a batch of images lies in memory: in order, one after the other, or innermost.

Arrays are ``(N, C, *spatial)`` wherever they are handed on. In order, neighbours in memory are so
along the last axis. Where channels are few and images small, kernels do better with long runs of
one cell of all images: neighbours are then so along the first. Who reads such an array sees no
difference but in its strides.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike

from autograd.kernels._windows import Array

__all__ = ["alike", "flat", "images_last", "in_order", "innermost", "is_innermost", "new_like"]

# Cells that are copied at once from many images to places far apart.
_CELLS = 64


@lru_cache(maxsize=16)
def _images_last(ndim: int) -> tuple[int, ...]:
    return (*range(1, ndim), 0)


def images_last(x: Array) -> Array:
    """View ``(N, *others)`` as ``(*others, N)``."""
    return x.transpose(_images_last(x.ndim))


def is_innermost(x: Array) -> bool:
    """Whether images, and no mere vectors, stand innermost, without gaps, and not also in order.

    >>> is_innermost(innermost((4, 2, 3, 3), float)), is_innermost(np.ones((4, 2, 3, 3)))
    (True, False)
    """
    return (
        x.ndim > 2
        and x.strides[0] == x.itemsize
        and not x.flags.c_contiguous
        and images_last(x).flags.c_contiguous
    )


def innermost(shape: tuple[int, ...], dtype: DTypeLike, memory: Array | None = None) -> Array:
    """An array of this shape, of which `is_innermost` holds: a new one, or a view of ``memory``."""
    dtype = np.dtype(dtype)
    steps = [shape[0] * dtype.itemsize]
    for n in shape[:1:-1]:
        steps.append(steps[-1] * n)
    return np.ndarray(shape, dtype, memory, strides=(dtype.itemsize, *reversed(steps)))


def flat(*arrays: Array) -> list[Array] | None:
    """View arrays of one shape as flat ones, alike element for element; None if they lie
    differently, or neither way."""
    if all(a.flags.c_contiguous for a in arrays):
        return [a.reshape(-1) for a in arrays]
    if all(map(is_innermost, arrays)):
        return [images_last(a).reshape(-1) for a in arrays]
    return None


def new_like(x: Array, shape: tuple[int, ...], dtype: DTypeLike = None) -> Array:
    """A new array of this shape, in which images stand innermost if they do in ``x``."""
    dtype = x.dtype if dtype is None else dtype
    return innermost(shape, dtype) if is_innermost(x) else np.empty(shape, dtype)


def alike(x: Array, y: Array) -> Array:
    """``y``, or a copy of it in which images stand innermost if they do in ``x``, and else not."""
    if not is_innermost(x):
        return in_order(y)
    if is_innermost(y):
        return y
    copy = innermost(y.shape, y.dtype)
    copy[...] = y
    return copy


def in_order(x: Array) -> Array:
    """``x`` with images one after the other: a copy, if they stand innermost."""
    if not is_innermost(x):
        return x
    copy = np.empty(x.shape, x.dtype)
    cells, places = images_last(x).reshape(-1, len(x)), copy.reshape(len(x), -1).T
    step = _CELLS if len(x) >= _CELLS else len(cells)
    for first in range(0, len(cells), step):
        places[first : first + step] = cells[first : first + step]
    return copy
