"""Softmax, alone and with cross-entropy, row by row."""

from __future__ import annotations

from math import isfinite, log
from typing import Any

import numba
import numpy as np

from autograd.kernels._numba import compiled, functions, parallel, prange, serves
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import thread_count
from autograd.kernels.losses import refuse_classes

__all__ = [
    "backward",
    "cross_entropy",
    "cross_entropy_grad",
    "forward",
    "softmax",
    "softmax_grad",
    "softmax_rows",
    "softmax_rows_grad",
]

# From this many logits on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 13
# Up to so many classes, rows are worked on together, so many logits at a time.
_FEW_CLASSES = 128
_LOGITS = 1 << 12


def cross_entropy(x: Any, target: Any) -> Any:
    """See :func:`autograd.kernels.losses.cross_entropy`."""
    if not serves(x):
        return NotImplemented
    count = len(x)
    losses, sums = np.empty(count, x.dtype), np.empty(count, x.dtype)
    slopes = np.empty(x.shape, x.dtype)
    target = np.ascontiguousarray(target, np.int64)
    if x.size < _SHARED:
        done = forward(x, target, losses, slopes, sums)
    else:
        done = _forward_shared(x, target, losses, slopes, sums, thread_count())
    if not done:
        refuse_classes(x.shape[1])
    return losses, slopes, sums


def cross_entropy_grad(slopes: Any, sums: Any, g: Any) -> Any:
    """See :func:`autograd.kernels.losses.cross_entropy_grad`."""
    if not serves(slopes, sums):
        return NotImplemented
    gx = np.empty(slopes.shape, slopes.dtype)
    g = np.ascontiguousarray(g, slopes.dtype).reshape(-1)
    if slopes.size < _SHARED:
        backward(slopes, sums, g, gx, 0, len(gx))
    else:
        _backward_shared(slopes, sums, g, gx, thread_count())
    return gx


_exp, _log = functions.exp, functions.log


@compiled
def _exponentials(x, peak, out):
    """out = exp(x - peak); their sum, for which short rows better have a loop of its own."""
    for j in range(len(x)):
        out[j] = _exp(x[j] - peak)
    return _total(out)


@compiled
def _total(a):
    total = a.dtype.type(0)
    for j in range(len(a)):
        total += a[j]
    return total


@compiled
def _largest(row, lanes):
    """The maximum, found in eight ``lanes``, as a vector register has them."""
    for k in range(8):
        lanes[k] = row[0]
    whole = len(row) // 8 * 8
    for j in range(0, whole, 8):
        for k in range(8):
            lanes[k] = row[j + k] if row[j + k] > lanes[k] else lanes[k]
    peak = lanes[0]
    for k in range(1, 8):
        peak = max(peak, lanes[k])
    for j in range(whole, len(row)):
        peak = max(peak, row[j])
    return peak


@compiled
def _shift(peak, x):
    """The maximum, or 0 where it is infinite."""
    return peak if isfinite(peak) else x.dtype.type(0)


# Not to be reordered: log(sum) + peak would lose the small losses beside large logits.
_ordered = numba.njit(fastmath={"contract", "nsz"}, error_model="numpy", cache=True, nogil=True)


@compiled
def _each_exp(a):
    for k in range(len(a)):
        a[k] = _exp(a[k])


@_ordered
def _few_classes(x, target, losses, slopes, sums):
    """Step by step: loops along so short rows would be all overhead."""
    count, classes = x.shape
    for i in range(count):
        peak = x[i, 0]
        for j in range(1, classes):
            peak = max(peak, x[i, j])
        peak = _shift(peak, x)
        for j in range(classes):
            slopes[i, j] = x[i, j] - peak
        losses[i] = slopes[i, target[i]]
    _each_exp(slopes.reshape(-1))
    for i in range(count):
        sums[i] = _total(slopes[i])
        slopes[i, target[i]] -= sums[i]
    for i in range(count):
        losses[i] = _log(sums[i]) - losses[i]


@_ordered
def _forward(x, target, losses, slopes, sums, first, last):
    if x.shape[1] <= _FEW_CLASSES:
        step = max(1, _LOGITS // x.shape[1])
        for i in range(first, last, step):
            part = slice(i, min(i + step, last))
            _few_classes(x[part], target[part], losses[part], slopes[part], sums[part])
        return
    lanes = np.empty(8, x.dtype)
    for i in range(first, last):
        row, out = x[i], slopes[i]
        peak = _shift(_largest(row, lanes), x)
        sums[i] = _exponentials(row, peak, out)
        losses[i] = log(sums[i]) - (row[target[i]] - peak)
        out[target[i]] -= sums[i]


@compiled
def _are_classes(target, classes):
    outside = 0
    for t in target:
        outside += t < 0 or t >= classes
    return outside == 0


@compiled
def forward(x, target, losses, slopes, sums):
    """See :func:`autograd.kernels.losses.cross_entropy`; False if a target is no class."""
    if not _are_classes(target, x.shape[1]):
        return False
    _forward(x, target, losses, slopes, sums, 0, len(x))
    return True


@parallel
def _forward_shared(x, target, losses, slopes, sums, threads):
    if not _are_classes(target, x.shape[1]):
        return False
    for i in prange(threads):
        first, last = len(x) * i // threads, len(x) * (i + 1) // threads
        _forward(x, target, losses, slopes, sums, first, last)
    return True


@compiled
def backward(slopes, sums, g, gx, first, last):
    """See :func:`autograd.kernels.losses.cross_entropy_grad`; of some of the rows."""
    for i in range(first, last):
        row, out = slopes[i], gx[i]
        factor = (g[i] if len(g) > 1 else g[0]) / sums[i]
        for j in range(len(row)):
            out[j] = row[j] * factor


@parallel
def _backward_shared(slopes, sums, g, gx, threads):
    for i in prange(threads):
        first, last = len(gx) * i // threads, len(gx) * (i + 1) // threads
        backward(slopes, sums, g, gx, first, last)


# -------------------------------------------------------------------------------------- softmax


def _rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


def softmax(x: Any, log: bool = False) -> Any:
    """See :func:`autograd.kernels.losses.softmax`."""
    few = SETTINGS.few
    if few is not None and (found := few.softmax(x, log)) is not None:
        return found
    if not serves(x) or not x.size:
        return NotImplemented
    y = np.empty(x.shape, x.dtype)
    _softmax(_rows(x), log, _rows(y), thread_count() if x.size >= _SHARED else 1)
    return y


def softmax_grad(g: Any, y: Any, log: bool = False) -> Any:
    """See :func:`autograd.kernels.losses.softmax_grad`."""
    few = SETTINGS.few
    if few is not None and (found := few.softmax_grad(g, y, log)) is not None:
        return found
    if not serves(g, y) or not g.size:
        return NotImplemented
    gx = np.empty(g.shape, g.dtype)
    _softmax_grad(_rows(g), _rows(y), log, _rows(gx), thread_count() if g.size >= _SHARED else 1)
    return gx


@compiled
def _dot(a, b):
    total = a.dtype.type(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@_ordered
def _less(row, peak, logarithm, out):
    """out = (row - peak) - logarithm; their sum would lose small logarithms beside large peaks."""
    for j in range(len(row)):
        out[j] = (row[j] - peak) - logarithm


@compiled
def _times(row, factor):
    for j in range(len(row)):
        row[j] *= factor


@compiled
def softmax_rows(x, log, y, first, last):
    """See :func:`autograd.kernels.losses.softmax`; of some of the rows."""
    lanes = np.empty(8, x.dtype)
    for i in range(first, last):
        row, out = x[i], y[i]
        peak = _shift(_largest(row, lanes), x)
        total = _exponentials(row, peak, out)
        if log:
            _less(row, peak, np.log(total), out)
        else:
            _times(out, 1 / total)


@parallel
def _softmax(x, log, y, threads):
    for t in prange(threads):
        softmax_rows(x, log, y, len(x) * t // threads, len(x) * (t + 1) // threads)


@compiled
def _softmax_slope(g, y, dot, out):
    for j in range(len(g)):
        out[j] = (g[j] - dot) * y[j]


@compiled
def _log_softmax_slope(g, y, total, out):
    for j in range(len(g)):
        out[j] = g[j] - _exp(y[j]) * total


@compiled
def softmax_rows_grad(g, y, log, gx, first, last):
    """See :func:`autograd.kernels.losses.softmax_grad`; of some of the rows."""
    for i in range(first, last):
        if log:
            _log_softmax_slope(g[i], y[i], _total(g[i]), gx[i])
        else:
            _softmax_slope(g[i], y[i], _dot(g[i], y[i]), gx[i])


@parallel
def _softmax_grad(g, y, log, gx, threads):
    for t in prange(threads):
        softmax_rows_grad(g, y, log, gx, len(g) * t // threads, len(g) * (t + 1) // threads)
