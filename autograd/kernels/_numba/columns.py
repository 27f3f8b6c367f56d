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
from autograd.kernels._numba._micro import VECTOR_BYTES, added, copied, every_other
from autograd.kernels._numba._room import zeros
from autograd.kernels._numba.direct import PLAN_KIND, edges, plan_of
from autograd.kernels._residues import fills
from autograd.kernels._shares import even
from autograd.kernels._threads import thread_count

__all__ = ["input_grad", "serves_input_grad", "serves_weight_grad", "weight_grad"]

# Windows that are worked on at a time, about, ...
_WINDOWS = 256
# ... and bytes of columns, which fit into half of a second-level cache.
_COLUMN_BYTES = 1 << 19
# From so many filters on, laying out columns is little beside the product, ...
_MANY = 128
# ... and where windows are a stride apart, which other loops have to sort out as well.
_MANY_APART = 64
# Threads share out the channels, which must not be too few.
_FEWEST_CHANNELS = 4
# Up to so many filters, BLAS is faster at the gradient of the weight with the taps first, which is
# worth bringing it into order in the end if it is the sum over so many windows.
_FEW = 128
_LONG = 1 << 10


def serves_weight_grad(channels: int, filters: int, out: Any, stride: Any) -> bool:
    """Whether this is the fastest way to the gradient of a group's weight."""
    return (
        HAS_GEMM
        and out[-1] <= 2 * _WINDOWS
        and channels >= _FEWEST_CHANNELS
        and filters >= (_MANY_APART if max(stride) > 1 else _MANY)
    )


def serves_input_grad(
    images: int, channels: int, filters: int, out: Any, kernel: Any, stride: Any, dilation: Any
) -> bool:
    """Whether this is the fastest way to the gradient of a group's input.

    Elsewhere the weight is brought into another order first, which takes longer than anything if
    there are few windows; and with a stride there are as many correlations as residues, which are
    the slower the less equal they are.
    """
    if not HAS_GEMM or out[-1] > 2 * _WINDOWS:
        return False
    windows = images * math.prod(out)
    if max(stride) == 1:
        return filters >= 2 * _MANY and windows <= _WINDOWS // 2
    if filters >= _MANY:
        return math.prod(kernel) > 1 or windows <= 8 * filters
    unequal = len(kernel) > 1 and not fills(kernel, stride, dilation)
    return unequal and (filters >= 2 * channels or windows <= 4 * _WINDOWS)


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
    kernel, out, threads = w.shape[2:], g.shape[2:], thread_count()
    plan = plan_of(
        len(x), groups, w.shape[1], len(w) // groups, x.shape[2:], kernel, out,
        tuple(stride), tuple(before), tuple(dilation), g.itemsize, 0,
    )  # fmt: skip
    lines = even(len(g) * math.prod(out[:-1]), -(-_WINDOWS // out[-1]))
    columns = math.prod(kernel) * lines * out[-1] * g.itemsize  # bytes of a channel's
    block = even(-(-w.shape[1] // threads), max(1, _COLUMN_BYTES // columns))
    _in_threads(
        _share.address(g.dtype, _kinds),
        g.reshape(-1), w.reshape(-1), x.reshape(-1), plan, lines, block, weighs, threads,
    )  # fmt: skip


# ------------------------------------------------------------------------------ compiled


def _kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, PLAN_KIND, n, n, types.boolean, n, n)


@compiled
def _find(table, sources, cells, numbers, first, last, group, plan):
    """Number the rows of cells that some rows of windows see; how many, with 0, that is outside.

    ``table`` gets the numbers for each tap's row and each row of windows, ``sources`` where each
    row begins in the first channel, or -1. ``numbers`` are 0 before and after.
    """
    count = 1
    sources[0] = -1
    for line in range(first, last):
        n, row = line // (plan.out_d * plan.out_h), line % (plan.out_d * plan.out_h)
        image = (n * plan.groups + group) * plan.channels
        for i in range(plan.kernel_d):
            d = row // plan.out_h * plan.stride_d - plan.before_d + i * plan.dilation_d
            for j in range(plan.kernel_h):
                h = row % plan.out_h * plan.stride_h - plan.before_h + j * plan.dilation_h
                number = 0
                if 0 <= d < plan.depth and 0 <= h < plan.height:
                    cell = (n * plan.depth + d) * plan.height + h
                    number = numbers[cell]
                    if number == 0:
                        number = count
                        numbers[cell], cells[count] = number, cell
                        sources[count] = ((image * plan.depth + d) * plan.height + h) * plan.width
                        count += 1
                table[i * plan.kernel_h + j, line - first] = number
    for k in range(1, count):
        numbers[cells[k]] = 0
    return count


@compiled
def _gather(x, columns, table, sources, lines, c0, c1, plan):
    """What ``lines`` rows of windows see of some channels, as ``(channels, taps, windows)``."""
    plane, out_w, stride = plan.depth * plan.height * plan.width, plan.out_w, plan.stride_w
    at = 0
    for c in range(c0, c1):
        for u in range(len(table)):
            for k in range(plan.kernel_w):
                shift = k * plan.dilation_w - plan.before_w
                low = min(max(-(shift // stride), 0), out_w)
                high = max(min((plan.width - 1 - shift) // stride + 1, out_w), low)
                # Copies end at the end of a vector; what is too much is written again.
                end = (high - low + VECTOR_BYTES // x.itemsize) * stride
                for r in range(lines):
                    row = columns[at : at + out_w]  # whose indices need no signs
                    at += out_w
                    cell = sources[table[u, r]]
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
def _scatter(columns, x, rows, table, sources, seen, lines, c0, c1, ends, plan):
    """Adjoint of :func:`_gather`: add columns to the cells that they would be read from.

    They are added up on copies of the rows that have cells a stride apart beside each other, and a
    row for what is outside.
    """
    plane, length = plan.depth * plan.height * plan.width, plan.phases * plan.pitch
    out_w, stride = plan.out_w, plan.stride_w
    at = 0
    for c in range(c0, c1):
        rows[: seen * length] = 0
        for u in range(len(table)):
            for k in range(plan.kernel_w):
                cell = k * plan.dilation_w
                tap = cell % stride * plan.pitch + cell // stride
                for r in range(lines):
                    added(columns, at, rows, table[u, r] * length + tap, out_w)
                    at += out_w
        for s in range(1, seen):
            for p in range(plan.phases):
                begin = s * length + p * plan.pitch
                part = rows[begin + ends[p, 0] : begin + ends[p, 1]]
                cells = x[sources[s] + c * plane + ends[p, 2] :]
                for q in range(len(part)):
                    cells[q * stride] += part[q]


@compiled
def _cotangents(g, own, first, last, group, plan):
    """Those of some rows of windows, as ``(filters, windows)``."""
    lines = plan.out_d * plan.out_h
    at = 0
    for f in range(plan.filters):
        line = first
        while line < last:
            n, row = line // lines, line % lines
            end = min(last, line + lines - row)
            channel = (n * plan.groups + group) * plan.filters + f
            source = (channel * lines + row) * plan.out_w
            count = (end - line) * plan.out_w
            if source + count + VECTOR_BYTES // g.itemsize <= g.size:
                copied(g, source, own, at, count)
            else:
                for q in range(count):
                    own[at + q] = g[source + q]
            at += count
            line = end


@Compiled
def _share(g, w, x, plans, lines, block, weighs, thread, threads):
    """One thread's share: some channels."""
    plan = plans[0]
    channels, filters, out_w = plan.channels, plan.filters, plan.out_w
    taps = plan.kernel_d * plan.kernel_h * plan.kernel_w
    every = plan.images * plan.out_d * plan.out_h
    low, high = channels * thread // threads, channels * (thread + 1) // threads
    slack = VECTOR_BYTES // g.itemsize
    own = zeros(filters * lines * out_w + slack, g)
    columns = zeros(block * taps * lines * out_w + slack, g)
    table = np.empty((plan.kernel_d * plan.kernel_h, lines), np.int64)
    sources, cells = np.empty(table.size + 1, np.int64), np.empty(table.size + 1, np.int64)
    numbers = np.zeros(plan.images * plan.depth * plan.height, np.int64)
    rows = zeros(0 if weighs else (table.size + 1) * plan.phases * plan.pitch + slack, g)
    ends = edges(plan)
    taps_first = weighs and filters <= _FEW and every * out_w >= _LONG
    sums = zeros((high - low) * taps * filters if taps_first else 0, g)
    for group in range(plan.groups):
        for first in range(0, every, lines):
            last = min(first + lines, every)
            count = (last - first) * out_w
            _cotangents(g, own, first, last, group, plan)
            seen = _find(table, sources, cells, numbers, first, last, group, plan)
            for c in range(low, high, block):
                end = min(c + block, high)
                part = w[(group * filters * channels + c) * taps :]
                depth, more = (end - c) * taps, 1.0 if first else 0.0
                if not weighs:
                    gemm(True, False, depth, count, filters, part, channels * taps,
                         own, count, 0.0, columns, count)  # fmt: skip
                    _scatter(columns, x, rows, table, sources, seen, last - first, c, end,
                             ends, plan)  # fmt: skip
                    continue
                _gather(x, columns, table, sources, last - first, c, end, plan)
                if taps_first:
                    gemm(False, True, depth, filters, count, columns, count, own, count,
                         more, sums[(c - low) * taps * filters :], filters)  # fmt: skip
                else:
                    gemm(False, True, filters, depth, count, own, count, columns, count,
                         more, part, channels * taps)  # fmt: skip
        if taps_first:
            for f in range(filters):
                part = w[((group * filters + f) * channels + low) * taps :]
                for q in range((high - low) * taps):
                    part[q] = sums[q * filters + f]


@parallel
def _in_threads(address, g, w, x, plan, lines, block, weighs, threads):
    for thread in prange(threads):
        call(address, (g, w, x, plan, lines, block, weighs, np.int64(thread), threads))
