"""Pooling of images (two spatial axes), compiled; planes are shared out over the cores.

Tiles of 2 by 2 cells have loops of their own, in vector instructions; other windows go tap by tap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import compiled, parallel, prange, serves
from autograd.kernels._numba._micro import VECTOR_BYTES
from autograd.kernels._numba._pool_rows import largest, spread_back
from autograd.kernels._threads import thread_count
from autograd.kernels.pooling import pool_output_shape

__all__ = ["avg_pool", "avg_pool_input_grad", "max_pool", "max_pool_grad", "max_unpool"]


def _window(
    kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[int, int, int, int, int, int, int, int]:
    (top, _), (left, _) = padding
    return (*kernel, *stride, top, left, *dilation)


def _tiles(x: Any, y: Any, window: tuple[int, ...]) -> bool:
    return window == (2, 2, 2, 2, 0, 0, 1, 1) and x.size == 4 * y.size


def _split(x: Any) -> Any:
    """Rows of tiles: (rows, 2, columns, 2)."""
    return x.reshape(x.shape[0] * x.shape[1] * (x.shape[2] // 2), 2, x.shape[3] // 2, 2)


def _rows(y: Any) -> Any:
    return y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])


def _planes(x: Any) -> Any:
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])


def max_pool(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool = False, want_indices: bool = True,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.pooling.max_pool`."""
    if want_indices or x.ndim != 4 or not serves(x) or not x.size:
        return NotImplemented
    out = pool_output_shape(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    window = _window(kernel, stride, padding, dilation)
    if _tiles(x, y, window):
        _max_tiles(_split(x), _rows(y), thread_count())
    else:
        _max_windows(_planes(x), _planes(y), window, thread_count())
    return y, None


def max_pool_grad(
    g: Any, x: Any, y: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.pooling.max_pool_grad`."""
    if x.ndim != 4 or not serves(g, x, y) or not x.size:
        return NotImplemented
    window = _window(kernel, stride, padding, dilation)
    if _tiles(x, y, window):
        gx = np.empty(x.shape, x.dtype)
        _spread_tiles(_rows(g), _split(x), _rows(y), _split(gx), thread_count())
    else:
        gx = np.zeros(x.shape, x.dtype)
        _spread_windows(_planes(g), _planes(x), _planes(y), _planes(gx), window, thread_count())
    return gx


def max_unpool(g: Any, indices: Any, spatial: Any) -> Any:
    """See :func:`autograd.kernels.pooling.max_unpool`."""
    if g.ndim < 3 or not serves(g) or not g.size or indices.dtype != np.int64:
        return NotImplemented
    if not indices.flags.c_contiguous or indices.shape != g.shape:
        return NotImplemented
    gx = np.zeros((*g.shape[:2], *spatial), g.dtype)
    count = g.shape[0] * g.shape[1]
    size = gx.size // count
    if not size or indices.min() < 0 or indices.max() >= size:
        return NotImplemented
    _add_at(g.reshape(count, -1), indices.reshape(count, -1), gx.reshape(count, size),
            thread_count())  # fmt: skip
    return gx


@parallel
def _add_at(g, indices, gx, threads):
    for t in prange(threads):
        for n in range(len(g) * t // threads, len(g) * (t + 1) // threads):
            for i in range(g.shape[1]):
                gx[n, indices[n, i]] += g[n, i]


# ----------------------------------------------------------------------------------------- tiles


def _halves(kernel: Any, stride: Any, padding: Any, spatial: Any) -> bool:
    """Whether the windows are tiles of 2 by 2 cells that cover everything."""
    return (
        tuple(kernel) == (2, 2) == tuple(stride)
        and tuple(map(tuple, padding)) == ((0, 0), (0, 0))
        and not (spatial[0] % 2 or spatial[1] % 2)
    )


def avg_pool(
    x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.pooling.avg_pool`."""
    if x.ndim != 4 or not serves(x) or not x.size:
        return NotImplemented
    if not _halves(kernel, stride, padding, x.shape[2:]):
        return NotImplemented
    y = np.empty((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), x.dtype)
    share = x.dtype.type(1 / (divisor_override or 4))
    _mean_tiles(_split(x), _rows(y), share, thread_count())
    return y


def avg_pool_input_grad(
    g: Any, spatial: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.pooling.avg_pool_input_grad`."""
    if g.ndim != 4 or not serves(g) or not g.size:
        return NotImplemented
    if not _halves(kernel, stride, padding, spatial):
        return NotImplemented
    gx = np.empty((*g.shape[:2], *spatial), g.dtype)
    share = g.dtype.type(1 / (divisor_override or 4))
    _share_tiles(_rows(g), share, _split(gx), thread_count())
    return gx


@compiled
def _mean_part(x, y, share):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            left = x[i, 0, j, 0] + x[i, 1, j, 0]
            y[i, j] = (left + (x[i, 0, j, 1] + x[i, 1, j, 1])) * share


@parallel
def _mean_tiles(x, y, share, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _mean_part(x[first:last], y[first:last], share)


@compiled
def _share_part(g, share, gx):
    for i in range(g.shape[0]):
        for side in range(2):
            for j in range(g.shape[1]):
                part = g[i, j] * share
                gx[i, side, j, 0] = part
                gx[i, side, j, 1] = part


@parallel
def _share_tiles(g, share, gx, threads):
    for t in prange(threads):
        first, last = len(g) * t // threads, len(g) * (t + 1) // threads
        _share_part(g[first:last], share, gx[first:last])


@compiled
def _larger(a, b):
    """The larger one, or the one that is not a number."""
    return a if a >= b or a != a else b


@compiled
def _whole(i, y):
    """Whether vectors that begin in this row end before the last one does."""
    lanes = VECTOR_BYTES // y.itemsize
    columns = y.shape[1]
    return -(-columns // lanes) * lanes <= (len(y) - i) * columns


@compiled
def _max_part(x, y):
    for i in range(y.shape[0]):
        if _whole(i, y):
            largest(x, y, i, y.shape[1])
            continue
        for j in range(y.shape[1]):
            above = _larger(x[i, 0, j, 0], x[i, 0, j, 1])
            below = _larger(x[i, 1, j, 0], x[i, 1, j, 1])
            y[i, j] = _larger(above, below)


@parallel
def _max_tiles(x, y, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _max_part(x[first:last], y[first:last])


@compiled
def _spread_part(g, x, y, gx):
    for i in range(y.shape[0]):
        if _whole(i, y):
            spread_back(g, x, y, gx, i, y.shape[1])
            continue
        for j in range(y.shape[1]):
            rest = g[i, j]
            for cell in range(4):
                equal = x[i, cell // 2, j, cell % 2] == y[i, j]
                gx[i, cell // 2, j, cell % 2] = rest if equal else 0
                rest = 0 if equal else rest


@compiled
def _spread_to_nan(g, x, y, gx):
    """The last of a tile's cells that are not a number gets the gradient."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            if y[i, j] != y[i, j]:  # and so far nothing went to its cells
                for cell in range(3, -1, -1):
                    if x[i, cell // 2, j, cell % 2] != x[i, cell // 2, j, cell % 2]:
                        gx[i, cell // 2, j, cell % 2] = g[i, j]
                        break


@compiled
def _has_nan(y):
    count = 0
    for value in y:
        count += value != value
    return count > 0


@parallel
def _spread_tiles(g, x, y, gx, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _spread_part(g[first:last], x[first:last], y[first:last], gx[first:last])
        if _has_nan(y[first:last].reshape(-1)):
            _spread_to_nan(g[first:last], x[first:last], y[first:last], gx[first:last])


# --------------------------------------------------------------------------------------- windows


@compiled
def _bounds(size, out, stride, shift):
    """The first window whose tap lies inside the axis, and the one after the last."""
    first = 0 if shift >= 0 else (-shift + stride - 1) // stride
    last = (size - 1 - shift) // stride + 1 if size - 1 - shift >= 0 else 0
    return first, min(out, last)


@compiled
def _max_windows_of(x, y, window):
    rows, columns, down, right, top, left, apart, aside = window
    y[:] = -np.inf
    for a in range(rows):
        above = a * apart - top
        first_i, last_i = _bounds(x.shape[0], y.shape[0], down, above)
        for b in range(columns):
            shift = b * aside - left
            first, last = _bounds(x.shape[1], y.shape[1], right, shift)
            for i in range(first_i, last_i):
                row, top_row = x[i * down + above, first * right + shift :], y[i, first:last]
                if right == 1:
                    for j in range(len(top_row)):
                        top_row[j] = _larger(top_row[j], row[j])
                elif right == 2:
                    for j in range(len(top_row)):
                        top_row[j] = _larger(top_row[j], row[2 * j])
                else:
                    for j in range(len(top_row)):
                        top_row[j] = _larger(top_row[j], row[j * right])


@parallel
def _max_windows(x, y, window, threads):
    for t in prange(threads):
        for n in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            _max_windows_of(x[n], y[n], window)


@compiled
def _winner(x, peak, i, j, rows, columns, down, right, top, left, apart, aside):
    """The cell of a window that is its maximum: the first, but the last of those not a number."""
    found_row, found_column = -1, -1
    for a in range(rows):
        row = i * down + a * apart - top
        if 0 <= row < x.shape[0]:
            for b in range(columns):
                column = j * right + b * aside - left
                if 0 <= column < x.shape[1]:
                    value = x[row, column]
                    if value != value:
                        found_row, found_column = row, column
                    elif value == peak:
                        return row, column
    return found_row, found_column


@compiled
def _spread_windows_of(g, x, y, gx, window):
    rows, columns, down, right, top, left, apart, aside = window
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            row, column = _winner(
                x, y[i, j], i, j, rows, columns, down, right, top, left, apart, aside
            )
            if row < 0:  # a window without a cell: the first one, as the NumPy form has it
                row, column = 0, 0
            gx[row, column] += g[i, j]


@parallel
def _spread_windows(g, x, y, gx, window, threads):
    for t in prange(threads):
        for n in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            _spread_windows_of(g[n], x[n], y[n], gx[n], window)
