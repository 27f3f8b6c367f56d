"""Activations on plain arrays. Large ones are worked on in blocks that fit the cache, in threads.

What a block needs between two passes then never leaves the cache, and no pass is slowed down by an
operand that is a single number, for which NumPy's loops are slower than for two arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array

__all__ = ["leaky_relu", "leaky_relu_grad", "relu", "relu_grad", "sigmoid", "zeros"]

# Elements of a block.
_BLOCK = 1 << 18
# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 20


@lru_cache(maxsize=64)
def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros, not to be written to."""
    result = np.zeros(shape, dtype)
    result.flags.writeable = False
    return result


def _in_blocks(work: Callable[..., None], *arrays: Array) -> Array:
    """Let ``work(*blocks, out)`` fill an array like the first, block by block.

    It must be right for blocks of any length and for whole arrays, which it gets if they are not
    all of one shape and dtype in C order, or small.
    """
    first = arrays[0]
    out = np.empty(first.shape, first.dtype)
    if first.size <= _BLOCK or not all(
        a.flags.c_contiguous and a.shape == first.shape and a.dtype == first.dtype for a in arrays
    ):
        work(*arrays, out)
        return out
    flat = [a.reshape(-1) for a in (*arrays, out)]
    size = first.size
    threads = thread_count() if size >= _SHARED else 1

    def blocks(piece: tuple[int, int]) -> None:
        for start in range(piece[0], piece[1], _BLOCK):
            part = slice(start, min(start + _BLOCK, piece[1]))
            work(*[a[part] for a in flat])

    in_threads(blocks, [(size * i // threads, size * (i + 1) // threads) for i in range(threads)])
    return out


@compilable(least=1 << 15)
def relu(x: Array) -> Array:
    """max(x, 0).

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    if x.size <= _BLOCK:
        return np.maximum(x, zeros(x.shape, x.dtype))

    def work(x: Array, out: Array) -> None:
        np.maximum(x, zeros(x.shape, x.dtype) if x.size <= _BLOCK else 0, out=out)

    return _in_blocks(work, x)


@compilable(least=1 << 15)
def relu_grad(g: Array, y: Array) -> Array:
    """g where y, the output of `relu`, is positive, else g times 0."""
    if g.size <= _BLOCK:
        return g * (y > 0)

    def work(g: Array, y: Array, out: Array) -> None:
        np.multiply(g, y > 0, out=out)

    return _in_blocks(work, g, y)


@compilable(least=1 << 15)
def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, ``slope`` x elsewhere.

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    if slope == 0:
        return relu(x)
    choose = np.maximum if slope <= 1 else np.minimum

    def work(x: Array, out: Array) -> None:
        np.multiply(x, slope, out=out)
        choose(x, out, out=out)

    return _in_blocks(work, x)


@compilable(least=1 << 15)
def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x is positive, ``slope`` g elsewhere."""
    slopes = np.array([slope, 1], g.dtype)

    def work(g: Array, x: Array, out: Array) -> None:
        if 0 <= slope <= 1:  # the larger of the two factors
            np.maximum(x > 0, slopes[0], out=out)
            np.multiply(g, out, out=out)
        else:
            np.multiply(g, np.where(x > 0, slopes[1], slopes[0]), out=out)

    return _in_blocks(work, g, x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """

    # exp(-|x|) overflows nowhere, and keeps the tail that (1 + tanh(x / 2)) / 2 would lose:
    # σ(x) = exp(min(x, 0)) / (1 + exp(-|x|)).
    def work(x: Array, out: Array) -> None:
        powers = np.abs(x, out=np.empty_like(x))
        np.negative(powers, out=powers)
        np.exp(powers, out=powers)
        np.maximum(x >= 0, powers, out=out)
        np.add(powers, 1, out=powers)
        np.divide(out, powers, out=out)

    return _in_blocks(work, x)
