"""Activations, compiled: one pass over memory, shared by the cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import compiled, parallel, prange, serves
from autograd.kernels._threads import thread_count

__all__ = ["leaky_relu", "leaky_relu_grad", "relu", "relu_grad"]


def relu(x: Any) -> Any:
    """See :func:`autograd.kernels.elementwise.relu`."""
    if not serves(x):
        return NotImplemented
    out = np.empty(x.shape, x.dtype)
    _relu(x.reshape(-1), out.reshape(-1), thread_count())
    return out


def relu_grad(g: Any, y: Any) -> Any:
    """See :func:`autograd.kernels.elementwise.relu_grad`."""
    if not serves(g, y) or g.shape != y.shape:
        return NotImplemented
    out = np.empty(g.shape, g.dtype)
    _scaled(g.reshape(-1), y.reshape(-1), g.dtype.type(0), out.reshape(-1), thread_count())
    return out


def leaky_relu(x: Any, slope: float) -> Any:
    """See :func:`autograd.kernels.elementwise.leaky_relu`."""
    return relu(x) if slope == 0 else leaky_relu_grad(x, x, slope)


def leaky_relu_grad(g: Any, x: Any, slope: float) -> Any:
    """See :func:`autograd.kernels.elementwise.leaky_relu_grad`."""
    if not serves(g, x) or g.shape != x.shape:
        return NotImplemented
    out = np.empty(g.shape, g.dtype)
    _scaled(g.reshape(-1), x.reshape(-1), g.dtype.type(slope), out.reshape(-1), thread_count())
    return out


@compiled
def _relu_part(x, out):
    for i in range(len(x)):
        out[i] = 0 if x[i] <= 0 else x[i]  # NaN stays


@parallel
def _relu(x, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _relu_part(x[first:last], out[first:last])


@compiled
def _scaled_part(g, x, slope, out):
    one = x.dtype.type(1)
    for i in range(len(g)):
        out[i] = g[i] * (one if x[i] > 0 else slope)


@parallel
def _scaled(g, x, slope, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _scaled_part(g[first:last], x[first:last], slope, out[first:last])
