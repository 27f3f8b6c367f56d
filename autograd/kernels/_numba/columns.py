"""Gradients of convolution by columns and BLAS's products, compiled: for many filters.

What each window sees is laid out first, which other loops need not do; with many filters that is
little beside the product, which then is faster than theirs: it adds up in registers for longer, and
does not know of rows, whose ends leave vectors half empty. Threads share out the channels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from autograd.kernels._numba import HAS_GEMM, compiled, gemm, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import VECTOR_BYTES, copied, every_other
from autograd.kernels._numba._room import zeros
from autograd.kernels._shares import even
from autograd.kernels._threads import thread_count
from autograd.kernels._windows import three

__all__ = ["input_grad", "serves_input_grad", "serves_weight_grad", "weight_grad"]

# Windows that are worked on at a time, about, ...
_WINDOWS = 256
# ... and bytes of columns, which fit into half of a second-level cache.
_COLUMN_BYTES = 1 << 19
_LANES = VECTOR_BYTES // 4  # of a vector, at most
# From so many filters on, laying out columns is little beside the product, ...
_MANY = 128
# ... and where windows are a stride apart, which other loops have to sort out as well.
_MANY_APART = 64


def serves_weight_grad(filters: int, out: Any, stride: Any) -> bool:
    """Whether this is the fastest way to the gradient of so many filters a group."""
    return (
        HAS_GEMM
        and out[-1] <= 2 * _WINDOWS
        and filters >= (_MANY_APART if max(stride) > 1 else _MANY)
    )


def serves_input_grad(images: int, filters: int, out: Any, kernel: Any, stride: Any) -> bool:
    """Whether this is the fastest way to the gradient of the input.

    Elsewhere the weight is brought into another order first, which takes longer than anything if
    there are few windows.
    """
    if not HAS_GEMM or out[-1] > 2 * _WINDOWS or filters < _MANY:
        return False
    windows = images * math.prod(out)
    if max(stride) == 1:
        return filters >= 2 * _MANY and windows <= _WINDOWS // 2
    return math.prod(kernel) > 1 or windows <= 8 * filters


def weight_grad(
    g: Any, x: Any, kernel: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of a weight ``(O, C // groups, *kernel)``."""
    gw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), g.dtype)
    _run(True, g, gw, x, stride, before, dilation, groups)
    return gw


def input_grad(
    g: Any, weight: Any, spatial: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of an input ``(N, C, *spatial)``."""
    gx = np.zeros((len(g), groups * weight.shape[1], *spatial), g.dtype)
    _run(False, g, weight, gx, stride, before, dilation, groups)
    return gx


def _run(
    weighs: bool, g: Any, w: Any, x: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> None:
    """Find the gradient of the weight, or of the input."""
    kernel, out = three(w.shape[2:], 1), three(g.shape[2:], 1)
    threads = thread_count()
    lines = even(len(g) * out[0] * out[1], -(-_WINDOWS // out[2]))
    columns = math.prod(kernel) * lines * out[2] * g.itemsize  # bytes of a channel's
    block = even(-(-w.shape[1] // threads), max(1, _COLUMN_BYTES // columns))
    shape = (
        len(x), groups, w.shape[1], len(w) // groups, *three(x.shape[2:], 1), *kernel, *out,
        *three(stride, 1), *three(before, 0), *three(dilation, 1), lines, block,
    )  # fmt: skip
    _in_threads(
        _share.address(g.dtype, _kinds),
        g.reshape(-1), w.reshape(-1), x.reshape(-1), shape, weighs, threads,
    )  # fmt: skip


def _kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, types.UniTuple(n, 24), types.boolean, n, n)


# ------------------------------------------------------------------------------ compiled


@compiled
def _reach(j, out_w, width, stride, before, dilation):
    """What a tap sees in a row: its first window's cell, and the windows that see one."""
    shift = j * dilation - before
    low = min(max(-(shift // stride), 0), out_w)
    high = max(min((width - 1 - shift) // stride + 1, out_w), low)
    return shift, low, high


@compiled
def _rows(table, first, last, group, shape):
    """Where the row of cells begins that some windows' row of taps sees; -1 outside the input."""
    _, groups, channels, _, depth, height, width, kd, kh = shape[:9]
    out_d, out_h, sd, sh = shape[10], shape[11], shape[13], shape[14]
    bd, bh, dd, dh = shape[16], shape[17], shape[19], shape[20]
    for line in range(first, last):
        n, row = line // (out_d * out_h), line % (out_d * out_h)
        base = (n * groups + group) * channels * depth
        for i in range(kd):
            d = row // out_h * sd - bd + i * dd
            for j in range(kh):
                h = row % out_h * sh - bh + j * dh
                inside = 0 <= d < depth and 0 <= h < height
                cell = ((base + d) * height + h) * width
                table[i * kh + j, line - first] = cell if inside else -1


@compiled
def _gather(x, columns, rows, count, c0, c1, shape):
    """What ``count`` rows of windows see of some channels, as ``(channels, taps, windows)``."""
    plane, width, out_w = shape[4] * shape[5] * shape[6], shape[6], shape[12]
    kw, stride, before, dilation = shape[9], shape[15], shape[18], shape[21]
    at = 0
    for c in range(c0, c1):
        for u in range(len(rows)):
            for k in range(kw):
                shift, low, high = _reach(k, out_w, width, stride, before, dilation)
                # Copies end at the end of a vector; what is too much is written again.
                end = (high - low + _LANES) * stride
                for r in range(count):
                    row = columns[at : at + out_w]  # whose indices need no signs
                    at += out_w
                    cell = rows[u, r]
                    if cell < 0 or low == high:
                        for q in range(out_w):
                            row[q] = 0
                        continue
                    cell += c * plane + shift + low * stride
                    for q in range(low):
                        row[q] = 0
                    if stride == 1 and cell + end <= x.size:
                        copied(x, cell, columns, at - out_w + low, high - low)
                    elif stride == 2 and cell + end <= x.size:
                        every_other(x, cell, columns, at - out_w + low, high - low)
                    else:
                        for q in range(low, high):
                            row[q] = x[cell + (q - low) * stride]
                    for q in range(high, out_w):
                        row[q] = 0


@compiled
def _scatter(columns, x, rows, count, c0, c1, shape):
    """Adjoint of :func:`_gather`: add columns to the cells that they would be read from."""
    plane, width, out_w = shape[4] * shape[5] * shape[6], shape[6], shape[12]
    kw, stride, before, dilation = shape[9], shape[15], shape[18], shape[21]
    at = 0
    for c in range(c0, c1):
        for u in range(len(rows)):
            for k in range(kw):
                shift, low, high = _reach(k, out_w, width, stride, before, dilation)
                for r in range(count):
                    cell = rows[u, r]
                    if cell >= 0:
                        cells = x[cell + c * plane + shift + low * stride :]
                        part = columns[at + low : at + high]
                        for q in range(len(part)):
                            cells[q * stride] += part[q]
                    at += out_w


@compiled
def _cotangents(g, own, first, last, group, shape):
    """Those of some rows of windows, as ``(filters, windows)``."""
    _, groups, _, filters, _, _, _, _, _, _, out_d, out_h, out_w = shape[:13]
    lines = out_d * out_h
    at = 0
    for f in range(filters):
        line = first
        while line < last:
            n, row = line // lines, line % lines
            end = min(last, line + lines - row)
            source = (((n * groups + group) * filters + f) * lines + row) * out_w
            count = (end - line) * out_w
            if source + count + _LANES <= g.size:
                copied(g, source, own, at, count)
            else:
                for q in range(count):
                    own[at + q] = g[source + q]
            at += count
            line = end


@Compiled
def _share(g, w, x, shape, weighs, thread, threads):
    """One thread's share: some channels."""
    images, groups, channels, filters = shape[:4]
    taps, out_w = shape[7] * shape[8] * shape[9], shape[12]
    every, lines, block = images * shape[10] * shape[11], shape[22], shape[23]
    low, high = channels * thread // threads, channels * (thread + 1) // threads
    slack = VECTOR_BYTES // g.itemsize
    own = zeros(filters * lines * out_w + slack, g)
    columns = zeros(block * taps * lines * out_w + slack, g)
    rows = np.empty((shape[7] * shape[8], lines), np.int64)
    for group in range(groups):
        for first in range(0, every, lines):
            last = min(first + lines, every)
            count = (last - first) * out_w
            _cotangents(g, own, first, last, group, shape)
            _rows(rows, first, last, group, shape)
            for c in range(low, high, block):
                end = min(c + block, high)
                part = w[(group * filters * channels + c) * taps :]
                if weighs:
                    _gather(x, columns, rows, last - first, c, end, shape)
                    gemm(False, True, filters, (end - c) * taps, count, own, count,
                         columns, count, 1.0 if first else 0.0, part, channels * taps)  # fmt: skip
                else:
                    gemm(True, False, (end - c) * taps, count, filters, part, channels * taps,
                         own, count, 0.0, columns, count)  # fmt: skip
                    _scatter(columns, x, rows, last - first, c, end, shape)


@parallel
def _in_threads(address, g, w, x, shape, weighs, threads):
    for thread in prange(threads):
        call(address, (g, w, x, shape, weighs, np.int64(thread), threads))
