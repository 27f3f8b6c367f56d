"""Softmax and cross-entropy of float32 logits, row by row, with an exponential that vectorises."""

from __future__ import annotations

from math import exp, isfinite, log
from typing import Any

import numba
import numpy as np

from autograd.kernels._numba import compiled, parallel, prange, serves
from autograd.kernels._threads import thread_count

__all__ = ["cross_entropy", "cross_entropy_grad"]

# From this many logits on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 13


def cross_entropy(x: Any, target: Any) -> Any:
    """See :func:`autograd.kernels.losses.cross_entropy`."""
    if x.dtype.char != "f" or not serves(x):
        return NotImplemented
    count = len(x)
    losses, sums = np.empty(count, x.dtype), np.empty(count, x.dtype)
    powers = np.empty(x.shape, x.dtype)
    target = np.ascontiguousarray(target, np.int64)
    if x.size < _SHARED:
        _forward(x, target, losses, powers, sums, 0, count)
    else:
        _forward_shared(x, target, losses, powers, sums, thread_count())
    return losses, powers, sums


def cross_entropy_grad(powers: Any, sums: Any, target: Any, g: Any) -> Any:
    """See :func:`autograd.kernels.losses.cross_entropy_grad`."""
    if powers.dtype.char != "f" or not serves(powers, sums):
        return NotImplemented
    gx = np.empty(powers.shape, powers.dtype)
    g = np.ascontiguousarray(g, powers.dtype).reshape(-1)
    target = np.ascontiguousarray(target, np.int64)
    if powers.size < _SHARED:
        _backward(powers, sums, target, g, gx, 0, len(gx))
    else:
        _backward_shared(powers, sums, target, g, gx, thread_count())
    return gx


# Sums keep their order: the reduction of the exponent's argument is exact only as it is written.
_exact = numba.njit(
    fastmath={"contract", "nsz"}, error_model="numpy", cache=True, nogil=True, inline="never"
)


@_exact
def _powers(row, peak, out):
    """out = exp(row - peak) for row ≤ peak; the polynomial is that of the Cephes library."""
    one = np.float32(1)
    least = np.float32(-87.33)
    for j in range(len(row)):
        x = row[j] - peak
        n = np.int32((x if x > least else least) * np.float32(1.44269504) - np.float32(0.5))
        whole = np.float32(n)
        r = x - whole * np.float32(0.693359375) - whole * np.float32(-2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = (p * (r * r) + r) + one
        power = np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)
        out[j] = np.float32(0) if x < least else p * power


@compiled
def _sum(row):
    total = np.float32(0)
    for j in range(len(row)):
        total += row[j]
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


# Not to be reordered either: log(sum) + peak would lose the small losses beside large logits.
_ordered = numba.njit(fastmath={"contract", "nsz"}, error_model="numpy", cache=True, nogil=True)


@_ordered
def _forward(x, target, losses, powers, sums, first, last):
    lanes = np.empty(8, x.dtype)
    for i in range(first, last):
        row, out = x[i], powers[i]
        peak = _largest(row, lanes)
        if isfinite(peak):
            _powers(row, peak, out)
        else:
            peak = x.dtype.type(0)
            for j in range(len(row)):
                out[j] = exp(row[j])
        sums[i] = _sum(out)
        losses[i] = log(sums[i]) - (row[target[i]] - peak)


@parallel
def _forward_shared(x, target, losses, powers, sums, threads):
    for i in prange(threads):
        first, last = len(x) * i // threads, len(x) * (i + 1) // threads
        _forward(x, target, losses, powers, sums, first, last)


@compiled
def _backward(powers, sums, target, g, gx, first, last):
    for i in range(first, last):
        row, out = powers[i], gx[i]
        given = g[i] if len(g) > 1 else g[0]
        factor = given / sums[i]
        for j in range(len(row)):
            out[j] = row[j] * factor
        out[target[i]] -= given


@parallel
def _backward_shared(powers, sums, target, g, gx, threads):
    for i in prange(threads):
        first, last = len(gx) * i // threads, len(gx) * (i + 1) // threads
        _backward(powers, sums, target, g, gx, first, last)
