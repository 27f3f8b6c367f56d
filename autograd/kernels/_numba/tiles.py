"""Convolution whose windows tile the input, compiled: kernels as large as their strides.

Patches of a picture, and, backwards, the usual way to enlarge one. Every cell is in one window, so
the input is the column matrix in another order: a few rows of windows at a time are brought into
that order, or out of it, beside one of BLAS's products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from autograd.kernels._numba import HAS_GEMM, compiled, gemm, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import VECTOR_BYTES, every_other
from autograd.kernels._shares import even
from autograd.kernels._threads import thread_count
from autograd.kernels._windows import three

__all__ = ["conv", "input_grad", "serves", "weight_grad"]

# Columns of so many bytes are made at a time: they fit into half of a second-level cache.
_COLUMN_BYTES = 1 << 18
_LANES = VECTOR_BYTES // 4  # of a vector, at most


def serves(kernel: Any, stride: Any, padding: Any, dilation: Any) -> bool:
    """Whether the windows tile the input."""
    return (
        HAS_GEMM
        and math.prod(kernel) > 1
        and tuple(kernel) == tuple(stride)
        and not any(before or after for before, after in padding)
        and all(k == 1 or d == 1 for k, d in zip(kernel, dilation))
    )


def _shape(x: Any, kernel: Any, out: Any, groups: int, filters: int) -> tuple[int, ...]:
    """A convolution as numbers for the compiled loops; axes that are missing have length 1."""
    channels = x.shape[1] // groups
    row = channels * math.prod(kernel) * out[-1] * x.itemsize
    lines = math.prod(out[:-1])
    rows = even(lines, max(1, _COLUMN_BYTES // row))
    return (
        len(x), groups, channels, filters, *three(x.shape[2:], 1), *three(kernel, 1),
        *three(out, 1), rows,
    )  # fmt: skip


def conv(x: Any, weight: Any, out: Any, groups: int, start: Any) -> Any:
    """The output ``(N, O, *out)``; ``start`` is added to it, one number per filter."""
    y = np.empty((len(x), len(weight), *out), x.dtype)
    shape = _shape(x, weight.shape[2:], out, groups, len(weight) // groups)
    _run(_forward.address(x.dtype, _kinds), x, weight, y, start, shape)
    return y


def input_grad(g: Any, weight: Any, spatial: Any, groups: int) -> Any:
    """The gradient of an input ``(N, C, *spatial)``."""
    kernel, out = weight.shape[2:], g.shape[2:]
    whole = all(n == k * o for n, k, o in zip(spatial, kernel, out))
    gx = (np.empty if whole else np.zeros)((len(g), groups * weight.shape[1], *spatial), g.dtype)
    shape = _shape(gx, kernel, out, groups, len(weight) // groups)
    _run(_backward.address(g.dtype, _kinds), gx, weight, g, np.empty(0, g.dtype), shape)
    return gx


def weight_grad(g: Any, x: Any, kernel: Any, groups: int) -> Any:
    """The gradient of a weight ``(O, C // groups, *kernel)``."""
    shape = _shape(x, kernel, g.shape[2:], groups, g.shape[1] // groups)
    sums = np.zeros((thread_count(), g.shape[1], x.shape[1] // groups, *kernel), g.dtype)
    _run(_weigh.address(g.dtype, _kinds), x, sums, g, np.empty(0, g.dtype), shape)
    return sums.sum(axis=0)


def _run(address: int, x: Any, weight: Any, y: Any, start: Any, shape: tuple[int, ...]) -> None:
    arrays = (x.reshape(-1), weight.reshape(-1), y.reshape(-1), start)
    _in_threads(address, *arrays, shape, thread_count())


def _kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, array, types.UniTuple(n, 14), n, n)


# ------------------------------------------------------------------------------ compiled


@compiled
def _gather(x, base, columns, first, last, shape):
    """Bring what some rows of windows read, of all channels of a group, into columns."""
    _, _, channels, _, depth, height, width, kd, kh, kw, _, out_h, out_w, _ = shape
    at = 0
    for c in range(channels):
        for i in range(kd):
            for j in range(kh):
                for k in range(kw):
                    for r in range(first, last):
                        d, h = r // out_h * kd + i, r % out_h * kh + j
                        source = base + ((c * depth + d) * height + h) * width + k
                        # Copies end at the end of a vector; what is too much is written again.
                        if kw == 2 and source + 2 * (out_w + _LANES) <= x.size:
                            every_other(x, source, columns, at, out_w)
                        else:
                            for q in range(out_w):
                                columns[at + q] = x[source + q * kw]
                        at += out_w


@compiled
def _scatter(columns, x, base, first, last, shape):
    """Adjoint of :func:`_gather`."""
    _, _, channels, _, depth, height, width, kd, kh, kw, _, out_h, out_w, _ = shape
    step = (last - first) * out_w
    for c in range(channels):
        for i in range(kd):
            for j in range(kh):
                row = ((c * kd + i) * kh + j) * kw * step
                for r in range(first, last):
                    d, h = r // out_h * kd + i, r % out_h * kh + j
                    cells = x[base + ((c * depth + d) * height + h) * width :]
                    part = columns[row + (r - first) * out_w :]
                    if kw == 2:
                        other = part[step:]
                        for q in range(out_w):
                            cells[2 * q] = part[q]
                            cells[2 * q + 1] = other[q]
                    else:
                        for k in range(kw):
                            part = columns[row + k * step + (r - first) * out_w :]
                            for q in range(out_w):
                                cells[q * kw + k] = part[q]


@compiled
def _units(shape):
    """How many pieces there are, and how many in an image's group."""
    lines = shape[10] * shape[11]
    pieces = -(-lines // shape[13])
    return shape[0] * shape[1] * pieces, pieces


@compiled
def _piece(unit, pieces, shape):
    """Image and group of a piece, rows of windows it begins and ends with."""
    lines = shape[10] * shape[11]
    first = unit % pieces * shape[13]
    return unit // pieces, unit // pieces % shape[1], first, min(first + shape[13], lines)


@compiled
def _sizes(shape):
    """Cells of a group's input, taps of a filter, positions of an output."""
    channels = shape[2]
    cells = channels * shape[4] * shape[5] * shape[6]
    return cells, channels * shape[7] * shape[8] * shape[9], shape[10] * shape[11] * shape[12]


@Compiled
def _forward(x, weight, y, start, shape, thread, threads):
    filters, out_w = shape[3], shape[12]
    cells, taps, plane = _sizes(shape)
    units, pieces = _units(shape)
    columns = np.empty(taps * shape[13] * out_w + _LANES, x.dtype)
    for unit in range(units * thread // threads, units * (thread + 1) // threads):
        block, group, first, last = _piece(unit, pieces, shape)
        count = (last - first) * out_w
        _gather(x, block * cells, columns, first, last, shape)
        to = block * filters * plane + first * out_w
        for f in range(filters):
            row = y[to + f * plane :]
            begin = start[group * filters + f]
            for q in range(count):
                row[q] = begin
        gemm(False, False, filters, count, taps, weight[group * filters * taps :], taps,
             columns, count, 1.0, y[to:], plane)  # fmt: skip


@Compiled
def _backward(x, weight, y, start, shape, thread, threads):
    filters, out_w = shape[3], shape[12]
    cells, taps, plane = _sizes(shape)
    units, pieces = _units(shape)
    columns = np.empty(taps * shape[13] * out_w, x.dtype)
    for unit in range(units * thread // threads, units * (thread + 1) // threads):
        block, group, first, last = _piece(unit, pieces, shape)
        count = (last - first) * out_w
        gemm(True, False, taps, count, filters, weight[group * filters * taps :], taps,
             y[block * filters * plane + first * out_w :], plane, 0.0, columns, count)  # fmt: skip
        _scatter(columns, x, block * cells, first, last, shape)


@Compiled
def _weigh(x, weight, y, start, shape, thread, threads):
    filters, out_w = shape[3], shape[12]
    cells, taps, plane = _sizes(shape)
    units, pieces = _units(shape)
    own = thread * shape[1] * filters * taps
    columns = np.empty(taps * shape[13] * out_w + _LANES, x.dtype)
    for unit in range(units * thread // threads, units * (thread + 1) // threads):
        block, group, first, last = _piece(unit, pieces, shape)
        count = (last - first) * out_w
        _gather(x, block * cells, columns, first, last, shape)
        gemm(False, True, filters, taps, count, y[block * filters * plane + first * out_w :], plane,
             columns, count, 1.0, weight[own + group * filters * taps :], taps)  # fmt: skip


@parallel
def _in_threads(address, x, weight, y, start, shape, threads):
    for thread in prange(threads):
        call(address, (x, weight, y, start, shape, np.int64(thread), threads))
