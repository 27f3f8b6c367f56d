"""Softmax, and with cross-entropy in one, on plain arrays: of logits (N, C) and classes (N,)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any, NoReturn

import numpy as np

# By these names Python finds NumPy's functions in less time, which counts where there is little.
from numpy import add, copyto, divide, empty, exp, maximum, multiply, subtract
from numpy import log as ln

from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array

__all__ = [
    "cross_entropy",
    "cross_entropy_grad",
    "ones",
    "refuse_classes",
    "small_cross_entropy",
    "softmax",
    "softmax_grad",
]

# Up to so many classes, arrays are worked on with the samples along the last axis: NumPy's loops
# run along it, and loops over a handful of classes would be all overhead.
_NARROW = 64
# A product with ones is the faster sum of so few numbers.
_FEW = 1 << 10
# From this many logits on, the compiled kernels are faster.
_COMPILED = 1 << 10
# From this many logits on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 18
# Rows are worked on in blocks of about so many elements: the next pass finds them in the cache.
_BLOCK = 1 << 17


@lru_cache(maxsize=128)
def ones(count: int, dtype: Any) -> Array:
    """So many ones, not to be written to; a product with them is NumPy's fastest short sum."""
    result = np.ones(count, dtype)
    result.flags.writeable = False
    return result


@lru_cache(maxsize=128)
def _indices(count: int) -> Array:
    """The numbers from 0 on, so many, not to be written to."""
    result = np.arange(count)
    result.flags.writeable = False
    return result


@compilable(least=_COMPILED, few=0)
def cross_entropy(x: Array, target: Array) -> tuple[Array, Array, Array]:
    """Minus the logarithm of each row's softmax at the true class, without overflow.

    Args:
        x: logits (N, C) of a floating dtype, with C ≥ 1.
        target: integers (N,) from 0 to C - 1.

    Raises:
        IndexError: a target is not such a number.

    Returns:
        The losses (N,), and what `cross_entropy_grad` needs: the sums (N,) of the exponentials of
        logits less their row's maximum, and before them the losses' derivatives times these sums,
        (N, C): the exponentials, less the sum at the true class.

    >>> losses, slopes, sums = cross_entropy(
    ...     np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([1, 0])
    ... )
    >>> losses.round(4)
    array([0.6931, 0.    ])
    """
    count, classes = x.shape
    check_classes(target, classes)
    losses, sums = empty(count, x.dtype), empty(count, x.dtype)
    if classes <= _NARROW:
        slopes, work = empty((classes, count), x.dtype).T, _columns
    else:
        slopes, work = empty(x.shape, x.dtype), _rows
    if x.size <= _BLOCK:
        work(x, target, slopes, sums, losses)
    else:

        def along(part: slice) -> None:
            work(x[part], target[part], slopes[part], sums[part], losses[part])

        _share(along, x)
    return losses, slopes, sums


_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def check_classes(target: Array, classes: int) -> None:
    """Raise an IndexError if one of these integers is not from 0 to ``classes`` - 1."""
    # Read as unsigned, negative numbers are the largest: one pass finds both.
    if target.size:
        found = target.view(_UNSIGNED[target.itemsize])
        if found.item(found.argmax()) >= classes:
            refuse_classes(classes)


def refuse_classes(classes: int) -> NoReturn:
    """Raise that IndexError."""
    raise IndexError(f"a target is not from 0 to {classes - 1}")


def _share(work: Any, x: Array) -> None:
    """Do ``work`` on slices of rows, block after block, in threads where that pays."""
    count = len(x)
    threads = thread_count() if x.size >= _SHARED else 1
    step = max(1, _BLOCK * count // x.size)

    def blocks(piece: tuple[int, int]) -> None:
        for start in range(piece[0], piece[1], step):
            work(slice(start, min(start + step, piece[1])))

    in_threads(blocks, [(count * i // threads, count * (i + 1) // threads) for i in range(threads)])


def _columns(x: Array, target: Array, slopes: Array, sums: Array, losses: Array) -> None:
    count, out = len(x), slopes.T
    z = out if out.flags.c_contiguous else empty(out.shape, out.dtype)
    at = multiply(target, count, dtype=np.intp, casting="unsafe")
    _few_classes(x, add(at, _indices(count), at), z, sums, losses)
    if z is not out:  # of some of the samples
        copyto(out, z)


def _few_classes(
    x: Array,
    at: Array,
    z: Array,
    sums: Array,
    losses: Array,
    peak: Array | None = None,
    true: Array | None = None,
) -> None:
    """`cross_entropy` of classes that are at these places of ``z``, (C, N) in C order, where the
    derivatives go; where given, ``peak`` and ``true`` are room for numbers on the way."""
    copyto(z, x.T)
    subtract(z, _peaks(z, peak), z)
    flat = z.reshape(-1)
    true = flat.take(at, 0, true, "clip")  # NumPy's other modes make a copy
    exp(z, z)
    ones(len(z), z.dtype).dot(z, out=sums)
    ln(sums, losses)
    subtract(losses, true, losses)
    flat[at] -= sums


def _rows(x: Array, target: Array, slopes: Array, sums: Array, losses: Array) -> None:
    subtract(x, _finite(maximum.reduce(x, 1))[:, np.newaxis], out=slopes)
    at = _indices(len(x)), target
    true = slopes[at]
    exp(slopes, out=slopes)
    sums[...] = _sums(slopes)
    ln(sums, out=losses)
    subtract(losses, true, out=losses)
    slopes[at] -= sums


def _peaks(z: Array, out: Array | None = None) -> Array:
    """By which columns are shifted; ``out`` is where the maxima may go."""
    if len(z) == 2:  # which takes half the time of a reduction
        return _finite(maximum(z[0], z[1], out=out))
    return _finite(maximum.reduce(z, 0, None, out))


def _finite(peak: Array) -> Array:
    """The maxima by which rows are shifted; 0 where one is infinite, which cannot be subtracted."""
    few = len(peak) <= _FEW
    if not isfinite(ones(len(peak), peak.dtype).dot(peak) if few else add.reduce(peak)):
        peak = np.where(np.isfinite(peak), peak, 0).astype(peak.dtype)
    return peak


def _sums(rows: Array) -> Array:
    """Of each row."""
    count = rows.shape[1]
    if count <= _FEW and rows.dtype.char in "fd":
        found: Array = rows.dot(ones(count, rows.dtype))
        return found
    return add.reduce(rows, 1)


@compilable(least=_COMPILED, few=0)
def cross_entropy_grad(slopes: Array, sums: Array, g: Any) -> Array:
    """The gradient of the logits: g (softmax - [class is the true one]).

    Args:
        slopes, sums: as `cross_entropy` returned them.
        g: the gradient of the losses, (N,) or () for one that all share.

    Returns:
        (N, C), in C order.
    """
    factor = g / sums
    gx = empty(slopes.shape, slopes.dtype)
    if not slopes.flags.c_contiguous:
        multiply(slopes.T, factor, gx.T)
    elif slopes.size <= _BLOCK:
        multiply(slopes, factor[:, np.newaxis], gx)
    else:

        def scale(part: slice) -> None:
            multiply(slopes[part], factor[part, np.newaxis], out=gx[part])

        _share(scale, slopes)
    return gx


def small_cross_entropy(
    count: int, classes: int, dtype: Any
) -> tuple[Callable[..., tuple[Array, Array, Array]], Callable[[Any], Array], list[Array]] | None:
    """`cross_entropy` and `cross_entropy_grad` for so few logits, and buffers they use each time.

    The gradient is that of the latest call, whose targets must be of an integer type that fits into
    `intp`. None where there are too many logits for that to be worth while.
    """
    if classes > _NARROW or count * classes >= _COMPILED:
        return None
    z, gx = empty((classes, count), dtype), empty((count, classes), dtype)
    peak, sums, losses, factor, true = (empty(count, dtype) for _ in range(5))
    slopes, across = z.T, gx.T
    sample, stride, at = np.arange(count), np.array(count), empty(count, np.intp)

    def compute(x: Array, target: Array) -> tuple[Array, Array, Array]:
        check_classes(target, classes)
        multiply(target, stride, at)
        add(at, sample, at)
        _few_classes(x, at, z, sums, losses, peak, true)
        return losses, slopes, sums

    def differentiate(g: Any) -> Array:
        divide(g, sums, factor)
        multiply(z, factor, across)
        return gx

    return compute, differentiate, [losses, slopes, sums, gx]


@compilable(least=_COMPILED, few=0)
def softmax(x: Array, log: bool = False) -> Array:
    """exp(x) / sum(exp(x)) along the last axis, without overflow, or its logarithm.

    Args:
        x: (…, C) of a floating dtype, with C ≥ 1.

    >>> softmax(np.array([[0.0, 0.0, -1000.0]]))
    array([[0.5, 0.5, 0. ]])
    """
    y = empty(x.shape, x.dtype)
    rows, results = (v.reshape(-1, x.shape[-1]) for v in (x, y))
    if x.shape[-1] <= _NARROW and 0 < x.size <= _BLOCK:
        z = rows.T.copy()
        subtract(z, _peaks(z), z)
        powers = exp(z, None if log else z)
        sums = ones(len(z), z.dtype).dot(powers)
        if log:
            subtract(z, ln(sums, sums), results.T)
        else:
            divide(z, sums, results.T)
        return y

    def along(part: slice) -> None:
        given, out = rows[part], results[part]
        subtract(given, _finite(maximum.reduce(given, 1))[:, np.newaxis], out=out)
        powers = exp(out, out=None if log else out)
        sums = _sums(powers)[:, np.newaxis]
        if log:
            subtract(out, ln(sums), out=out)
        else:
            divide(out, sums, out=out)

    if x.size:
        _share(along, rows)
    return y


@compilable(least=_COMPILED, few=0)
def softmax_grad(g: Array, y: Array, log: bool = False) -> Array:
    """The gradient of `softmax`, y (g - sum(g y)), or of its logarithm, g - exp(y) sum(g).

    Args:
        g: the gradient of y, (…, C).
        y: what `softmax` returned.
    """
    gx = empty(g.shape, g.dtype)
    slopes, values, results = (v.reshape(-1, g.shape[-1]) for v in (g, y, gx))

    def along(part: slice) -> None:
        given, out = slopes[part], results[part]
        if log:
            exp(values[part], out=out)
            multiply(out, _sums(given)[:, np.newaxis], out=out)
            subtract(given, out, out=out)
        else:
            subtract(given, np.vecdot(given, values[part])[:, np.newaxis], out=out)
            multiply(out, values[part], out=out)

    if g.size:
        _share(along, slopes)
    return gx
