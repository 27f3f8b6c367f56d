"""Statistics of channels and maps of channels, compiled; images are shared out over the cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import compiled, parallel, prange, serves
from autograd.kernels._threads import thread_count

__all__ = [
    "channel_combine",
    "channel_dots",
    "channel_moments",
    "channel_scale",
    "channel_sums",
]

# Rows shorter than this are left to NumPy, whose loops run over many channels at once.
_SHORT = 8


def _planes(x: Any) -> Any:
    return x.reshape(x.shape[0], x.shape[1], x.size // (x.shape[0] * x.shape[1]))


def _short(x: Any) -> bool:
    return x.ndim < 3 or not x.size or x.size // (x.shape[0] * x.shape[1]) < _SHORT


def channel_moments(x: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_moments`."""
    if not serves(x) or _short(x):
        return NotImplemented
    planes = _planes(x)
    start = planes[0].mean(1, np.float64).astype(x.dtype)
    sums, squares = _sums(planes, planes, start, start, thread_count())
    count = x.size // x.shape[1]
    mean = sums / count
    return start + mean, np.maximum(squares / count - mean * mean, 0)


def channel_sums(x: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_sums`."""
    if not serves(x) or x.ndim < 3 or not x.size:
        return NotImplemented
    return _totals(_planes(x), thread_count()).astype(x.dtype)


def channel_dots(g: Any, x: Any, center: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_dots`."""
    if not serves(g, x) or _short(x):
        return NotImplemented
    center = center.astype(x.dtype)
    return _sums(_planes(g), _planes(x), np.zeros_like(center), center, thread_count())


def channel_scale(x: Any, center: Any, scale: Any, shift: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_scale`."""
    if not serves(x) or _short(x):
        return NotImplemented
    center, scale, shift = (np.ascontiguousarray(v, x.dtype) for v in (center, scale, shift))
    out = np.empty(x.shape, x.dtype)
    _scale(_planes(x), center, scale, shift, _planes(out), thread_count())
    return out


def channel_combine(g: Any, x: Any, center: Any, of_g: Any, of_x: Any, shift: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_combine`."""
    if not serves(g, x) or _short(x):
        return NotImplemented
    vectors = (np.ascontiguousarray(v, x.dtype) for v in (center, of_g, of_x, shift))
    out = np.empty(x.shape, x.dtype)
    _combine(_planes(g), _planes(x), *vectors, _planes(out), thread_count())
    return out


@compiled
def _row_sums(g, x, g_center, center):
    """Sums of g - g_center and of its products with x - center, over one row."""
    total, dot = g.dtype.type(0), g.dtype.type(0)
    for i in range(len(x)):
        a = g[i] - g_center
        total += a
        dot += a * (x[i] - center)
    return total, dot


@parallel
def _sums(g, x, g_center, center, threads):
    """For each channel the sums of g - g_center and of (g - g_center) (x - center)."""
    count, channels = x.shape[0], x.shape[1]
    sums, dots = np.zeros((threads, channels)), np.zeros((threads, channels))
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                total, dot = _row_sums(g[n, c], x[n, c], g_center[c], center[c])
                sums[t, c] += total
                dots[t, c] += dot
    return sums.sum(0), dots.sum(0)


@compiled
def _row_sum(x):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i]
    return total


@parallel
def _totals(x, threads):
    count, channels = x.shape[0], x.shape[1]
    sums = np.zeros((threads, channels))
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                sums[t, c] += _row_sum(x[n, c])
    return sums.sum(0)


@compiled
def _scale_row(x, center, scale, shift, out):
    for i in range(len(x)):
        out[i] = (x[i] - center) * scale + shift


@parallel
def _scale(x, center, scale, shift, out, threads):
    count, channels = x.shape[0], x.shape[1]
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                _scale_row(x[n, c], center[c], scale[c], shift[c], out[n, c])


@compiled
def _combine_row(g, x, center, of_g, of_x, shift, out):
    for i in range(len(x)):
        out[i] = g[i] * of_g + ((x[i] - center) * of_x + shift)


@parallel
def _combine(g, x, center, of_g, of_x, shift, out, threads):
    count, channels = x.shape[0], x.shape[1]
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                _combine_row(g[n, c], x[n, c], center[c], of_g[c], of_x[c], shift[c], out[n, c])
