"""Convolution in one to three axes as it is written, compiled: the loops that serve any layer.

No columns are laid out, and no BLAS is needed. A few channels of a few rows of the input are
copied, with their padding, to a buffer that fits the second-level cache. There, what one tap of the
kernel sees in neighbouring windows is contiguous (a stride keeps every stride-th cell in a row of
its own, a phase), so that a block of outputs, some filters by some neighbouring windows, is a
matrix product whose right-hand rows begin wherever a table of the taps says. The adjoints are the
same loops with other tables.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numba import types

from autograd.kernels._numba import compiled, gemm, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import (
    SHORT_BYTES,
    VECTOR_BYTES,
    copied,
    dots1x12,
    dots3x4,
    every_other,
    short_dots1x12,
    short_dots3x4,
    short_strip8,
    spread,
    strip8,
    tile4,
    tile6,
)
from autograd.kernels._numba._room import zeros
from autograd.kernels._numba.functions import inlined
from autograd.kernels._shares import even
from autograd.kernels._threads import thread_count
from autograd.kernels._windows import three

__all__ = [
    "PLAN_KIND",
    "correlate",
    "edges",
    "plan_of",
    "row_of_cells",
    "turned",
    "weigh",
    "weigh_pointwise",
    "windows_of",
]

# Bytes of weights, and of input, that a core works on at a time; together they fill half of a
# second-level cache.
_WEIGHT_BYTES = 1 << 18
_BUFFER_BYTES = 1 << 17
# ... and of what two vectors of windows read of it, which is to stay in the first-level cache.
_PANEL_BYTES = 1 << 14
# Windows whose products with all taps are summed up before the sums are added to the gradient.
_MOST_WINDOWS = 512
# ... and of cotangents.
_COTANGENT_BYTES = 1 << 20
# Bytes of input that stay in the first-level cache, beside the cotangents they are multiplied with.
_FIRST_LEVEL = 1 << 14


# One correlation in three axes, as numbers for the compiled loops.
_PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            "images", "groups", "channels", "depth", "height", "width",  # channels of a group
            "filters", "kernel_d", "kernel_h", "kernel_w",  # filters of a group
            "out_d", "out_h", "out_w", "stride_d", "stride_h", "stride_w",
            "before_d", "before_h", "before_w", "dilation_d", "dilation_h", "dilation_w",
            "phases",  # rows of cells that are a stride apart, as far as taps read them
            "pitch",  # cells of each
            "block",  # channels that are worked on at a time
            "rows",  # rows of windows that are worked on at a time
            "windows",  # how many are worked on at a time, about
        )
    ]
)  # fmt: skip


@lru_cache(maxsize=4096)
def plan_of(
    images: int,
    groups: int,
    channels: int,
    filters: int,
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    out: tuple[int, ...],
    stride: tuple[int, ...],
    before: tuple[int, ...],
    dilation: tuple[int, ...],
    itemsize: int,
    windows: int,
) -> Any:
    """How a correlation is cut into pieces; of about ``windows`` windows, if told."""
    spatial, kernel, out = three(spatial, 1), three(kernel, 1), three(out, 1)
    stride, before, dilation = three(stride, 1), three(before, 0), three(dilation, 1)
    taps = math.prod(kernel)
    reach = (kernel[2] - 1) * dilation[2]
    phases = min(stride[2], reach + 1)
    pitch = out[2] + reach // stride[2]
    most = max(1, _WEIGHT_BYTES // (filters * taps * itemsize), 64 // taps)
    panel = max(1, _PANEL_BYTES // (2 * VECTOR_BYTES * kernel[0] * kernel[1]))
    block = even(channels, min(most, panel))
    step = 1 if kernel[1] == 1 else stride[1]
    halo = (kernel[1] - 1) * dilation[1] + 1
    row = block * kernel[0] * phases * pitch * itemsize
    rows = -(-windows // out[2])
    if not windows:
        rows = max(1, (_BUFFER_BYTES // row - halo) // step + 1)
    numbers = (
        images, groups, channels, *spatial, filters, *kernel, *out, *stride, *before, *dilation,
        phases, pitch, block, even(out[1], rows), windows,
    )  # fmt: skip
    return np.array([numbers], _PLAN)


# ------------------------------------------------------------------------------ what is done


def correlate(x: Any, weight: Any, start: Any, y: Any, plan: Any, steps: tuple[int, ...]) -> None:
    """Write a correlation to cells of ``y``, which ``steps`` find; it begins with ``start``.

    Args:
        x, y: in C order.
        weight: ``(groups * filters, channels, *kernel)``, in C order.
        start: a number for each filter.
        plan: from `plan_of`.
        steps: where the first result goes, and how far apart channels, depths, rows, columns are.
    """
    _correlate(
        _correlate_share.address(x.dtype, _correlate_kinds),
        x.reshape(-1), weight.reshape(-1), start, y.reshape(-1), plan, steps, thread_count(),
    )  # fmt: skip


def turned(weight: Any, groups: int, order: Any) -> Any:
    """The weight with input and output exchanged, and its taps, or some of them, in this order."""
    filters, channels = len(weight) // groups, weight.shape[1]
    taps = np.empty(groups * channels * filters * len(order), weight.dtype)
    _turn(
        _turn_share.address(weight.dtype, _turn_kinds),
        weight.reshape(-1), taps, (groups, filters, channels, math.prod(weight.shape[2:])), order,
        thread_count(),
    )  # fmt: skip
    return taps


def weigh(g: Any, x: Any, shape: tuple[int, ...], plan: Any) -> Any:
    """The gradient of a weight of this shape; ``plan`` is of about as many windows as `windows_of`
    says."""
    threads = thread_count()
    by_channels = shape[1] >= 4 * threads and math.prod(shape[1:]) >= 16 * threads
    sums = np.zeros((1 if by_channels else threads, *shape), g.dtype)
    _weigh(
        _weigh_share.address(g.dtype, _weigh_kinds),
        g.reshape(-1), x.reshape(-1), sums.reshape(-1), plan, by_channels, threads,
    )  # fmt: skip
    return sums[0] if len(sums) == 1 else sums.sum(axis=0)


def windows_of(filters: int, itemsize: int) -> int:
    """Windows that a gradient of so many filters' weights takes at a time."""
    return max(128, min(_MOST_WINDOWS, _COTANGENT_BYTES // (filters * itemsize)))


def weigh_pointwise(g: Any, x: Any, shape: tuple[int, ...], groups: int) -> Any:
    """`weigh` for a weight of one tap, where windows are cells: BLAS's products."""
    gw = np.empty(shape, g.dtype)
    numbers = (len(x), groups, len(gw) // groups, shape[1], math.prod(x.shape[2:]))
    _weigh_pointwise(g.reshape(-1), x.reshape(-1), gw.reshape(-1), numbers, thread_count())
    return gw


# ------------------------------------------------------------------------------ compiled

PLAN_KIND = types.Array(numba.from_dtype(_PLAN), 1, "C", aligned=_PLAN.isalignedstruct)


def _correlate_kinds(number: Any) -> tuple[Any, ...]:
    array = types.Array(number, 1, "C")
    n = types.int64
    return (array, array, array, array, PLAN_KIND, types.UniTuple(n, 5), n, n)


def _turn_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, types.UniTuple(n, 4), types.Array(n, 1, "C"), n, n)


def _weigh_kinds(number: Any) -> tuple[Any, ...]:
    array = types.Array(number, 1, "C")
    return (array, array, array, PLAN_KIND, types.boolean, types.int64, types.int64)


@compiled
def _clear(buffer, at, count):
    part = buffer[at : at + count]  # whose indices need no signs
    for q in range(count):
        part[q] = 0


@compiled
def edges(plan):
    """Where cells begin and end in each phase of a row, and which of the row is the first there."""
    table = np.empty((plan.phases, 3), np.int64)
    stride = plan.stride_w
    for p in range(plan.phases):
        shift = p - plan.before_w  # position q holds cell q * stride + shift
        low = min(max(-(shift // stride), 0), plan.pitch)
        high = max(min((plan.width - 1 - shift) // stride + 1, plan.pitch), low)
        table[p, 0], table[p, 1], table[p, 2] = low, high, shift + low * stride
    return table


@inlined
def row_of_cells(x, row, buffer, at, ends, plan):
    """Copy a row of the input, phase after phase, each with its padding."""
    pitch, stride = plan.pitch, plan.stride_w
    for p in range(plan.phases):
        low, high, source = ends[p, 0], ends[p, 1], row + ends[p, 2]
        _clear(buffer, at, low)
        # Copies end at the end of a vector; what is too much is written again.
        end = source + (high - low + VECTOR_BYTES // x.itemsize) * stride
        if low == high:
            pass
        elif stride == 1 and end <= x.size:
            copied(x, source, buffer, at + low, high - low)
        elif stride == 2 and end <= x.size:
            every_other(x, source, buffer, at + low, high - low)
        else:
            for q in range(high - low):
                buffer[at + low + q] = x[source + q * stride]
        _clear(buffer, at + high, pitch - high)
        at += pitch


@compiled
def _pack(x, base, buffer, at, channels, od, oh, rows, ends, plan):
    """Copy what ``rows`` rows of windows read, channel after channel, each with its padding."""
    plane = plan.depth * plan.height * plan.width
    phases, pitch = plan.phases, plan.pitch
    apart = plan.stride_h if plan.kernel_h == 1 else 1
    for c in range(channels):
        for a in range(plan.kernel_d):
            d = od * plan.stride_d + a * plan.dilation_d - plan.before_d
            for r in range(rows):
                h = oh * plan.stride_h + r * apart - plan.before_h
                if d < 0 or d >= plan.depth or h < 0 or h >= plan.height:
                    _clear(buffer, at, phases * pitch)
                    at += phases * pitch
                    continue
                row = base + c * plane + (d * plan.height + h) * plan.width
                row_of_cells(x, row, buffer, at, ends, plan)
                at += phases * pitch


@compiled
def _lanes(plan, x):
    """Whether rows of windows fit into a shorter vector, and the numbers of the one they are in."""
    short = plan.out_w * x.itemsize <= SHORT_BYTES < VECTOR_BYTES
    return short, (SHORT_BYTES if short else VECTOR_BYTES) // x.itemsize


@compiled
def _taps(table, channels, rows, plan):
    """Where in the buffer each tap of each channel reads for the first window."""
    line = plan.phases * plan.pitch
    k = 0
    for c in range(channels):
        for a in range(plan.kernel_d):
            for i in range(plan.kernel_h):
                row = ((c * plan.kernel_d + a) * rows + i * plan.dilation_h) * line
                for j in range(plan.kernel_w):
                    cell = j * plan.dilation_w
                    phase, position = cell % plan.stride_w, cell // plan.stride_w
                    table[k] = row + phase * plan.pitch + position
                    k += 1


@compiled
def _rows_read(rows, plan):
    """Rows of the input that so many rows of windows read."""
    if plan.kernel_h == 1:
        return rows
    return (rows - 1) * plan.stride_h + (plan.kernel_h - 1) * plan.dilation_h + 1


@compiled
def _two(vectors, v, count, column):
    return vectors[v, column], vectors[min(v + 1, count - 1), column]


@compiled
def _four(vectors, v, count, column):
    return _two(vectors, v, count, column) + _two(vectors, min(v + 2, count - 1), count, column)


@compiled
def _filters(a, a0, a_row, filters, b, reads, taps, depth, c, c0, writes, widths, c_row, start, s0,
             more):  # fmt: skip
    """All filters by a few vectors of windows."""
    i = 0
    while i < filters:
        left = filters - i
        if left > 8 or left == 6 or left == 5:
            tile6(a, a0 + i * a_row, a_row, 1, min(left, 6), b, 0, reads, taps, depth,
                  c, c0 + i * c_row, writes, widths, c_row, start, s0 + i, more)  # fmt: skip
            i += 6
        else:
            tile4(a, a0 + i * a_row, a_row, 1, min(left, 4), b, 0, reads, taps, depth,
                  c, c0 + i * c_row, writes, widths, c_row, start, s0 + i, more)  # fmt: skip
            i += 4


@compiled
def _product(a, a0, a_row, filters, b, taps, depth, vectors, count, short, c, c0, c_row, start, s0,
             more):  # fmt: skip
    """Some filters by ``count`` vectors of windows, each read, stored, and as wide, as told."""
    if short:
        for v in range(0, count, 4):
            _filters(a, a0, a_row, filters, b, _four(vectors, v, count, 0), taps, depth,
                     c, c0, _four(vectors, v, count, 1), _four(vectors, v, count, 2), c_row,
                     start, s0, more)  # fmt: skip
        return
    for v in range(0, count, 2):
        _filters(a, a0, a_row, filters, b, _two(vectors, v, count, 0), taps, depth,
                 c, c0, _two(vectors, v, count, 1), _two(vectors, v, count, 2), c_row,
                 start, s0, more)  # fmt: skip


@Compiled
def _turn_share(weight, out, shape, order, thread, threads):
    """One thread's share of :func:`_turn`: some channels, a few at a time."""
    groups, filters, channels, taps = shape
    kept = order.size
    few = 16
    blocks = -(-channels // few)
    total = groups * blocks
    for block in range(total * thread // threads, total * (thread + 1) // threads):
        g, first = block // blocks, block % blocks * few
        for o in range(filters):
            for c in range(first, min(first + few, channels)):
                source = ((g * filters + o) * channels + c) * taps
                at = ((g * channels + c) * filters + o) * kept
                for t in range(kept):
                    out[at + t] = weight[source + order[t]]


@parallel
def _turn(address, weight, out, shape, order, threads):
    """The weight with input and output exchanged, and its taps in another order."""
    for thread in prange(threads):
        call(address, (weight, out, shape, order, np.int64(thread), threads))


@Compiled
def _correlate_share(x, weight, start, y, plans, steps, thread, threads):
    """One thread's share of :func:`_correlate`: some rows of windows, or some filters."""
    plan = plans[0]
    first, y_channel, y_depth, y_height, y_width = steps
    filters, channels = plan.filters, plan.channels
    short, lanes = _lanes(plan, x)
    taps = plan.kernel_d * plan.kernel_h * plan.kernel_w
    line = plan.phases * plan.pitch
    down = line if plan.kernel_h == 1 else plan.stride_h * line
    pieces = -(-plan.out_h // plan.rows)
    units = plan.images * plan.out_d * pieces
    read = _rows_read(plan.rows, plan)
    wide = -(-plan.out_w // lanes)
    by_rows = units >= 4 * threads or units % threads == 0
    # Where results are not stored at once, or are not complete at once, they are collected first.
    aside = y_width != 1 or y_height != plan.out_w or plan.block < channels
    plane = plan.depth * plan.height * plan.width
    low, high, begin, end, one, other = 0, filters, 0, units, 0, plan.groups
    if by_rows:
        begin, end = units * thread // threads, units * (thread + 1) // threads
    elif plan.groups >= threads:
        one, other = plan.groups * thread // threads, plan.groups * (thread + 1) // threads
    else:
        low, high = filters * thread // threads, filters * (thread + 1) // threads
    if low == high or begin == end:
        return
    buffer = zeros(plan.block * plan.kernel_d * read * line + 2 * VECTOR_BYTES // x.itemsize, x)
    table, ends = np.empty(plan.block * taps, np.int64), edges(plan)
    vectors = np.empty((plan.rows * wide, 3), np.int64)
    span = plan.rows * wide * lanes
    collected = zeros((high - low) * span if aside else 1, x)
    target = collected if aside else y
    few = high - low <= 2 and plan.block == channels
    made = -1
    for unit in range(begin, end):
        piece, slab = unit % pieces, unit // pieces
        n, od = slab // plan.out_d, slab % plan.out_d
        oh = piece * plan.rows
        rows = min(plan.rows, plan.out_h - oh)
        if rows != made:
            made = rows
            read = _rows_read(rows, plan)
            _taps(table, plan.block, read, plan)
            k = 0
            for r in range(rows):
                for s in range(0, plan.out_w, lanes):
                    vectors[k, 0] = r * down + s
                    if aside:
                        vectors[k, 1] = k * lanes
                        vectors[k, 2] = lanes
                    else:
                        # A vector may run over into the next row, which is written later.
                        here = r * plan.out_w + s
                        over = here + lanes <= rows * plan.out_w
                        vectors[k, 1] = here
                        vectors[k, 2] = lanes if over else plan.out_w - s
                    k += 1
        for group in range(one, other):
            c_first = (n * plan.groups + group) * channels
            f_first = group * filters + low
            to = first + (n * plan.groups * filters + f_first) * y_channel
            to += od * y_depth + oh * y_height
            for c in range(0, channels, plan.block):
                part = min(plan.block, channels - c)
                _pack(x, (c_first + c) * plane, buffer, np.int64(0), part, od, oh, read, ends, plan)
                a0 = (f_first * channels + c) * taps
                if few:
                    for f in range(high - low):
                        at = f * span if aside else to + f * y_channel
                        for v in range(0, rows * wide, 8):
                            if short:
                                short_strip8(weight, a0 + f * channels * taps, buffer, vectors, v,
                                             rows * wide, table, part * taps, target, at,
                                             start, f_first + f)  # fmt: skip
                            else:
                                strip8(weight, a0 + f * channels * taps, buffer, vectors, v,
                                       rows * wide, table, part * taps, target, at,
                                       start, f_first + f)  # fmt: skip
                else:
                    _product(weight, a0, channels * taps, high - low,
                             buffer, table, part * taps, vectors, rows * wide, short,
                             target, 0 if aside else to, span if aside else y_channel,
                             start, f_first, c > 0)  # fmt: skip
            if aside:
                for f in range(high - low):
                    for r in range(rows):
                        source = f * span + r * wide * lanes
                        at = to + f * y_channel + r * y_height
                        spread(collected, source, y, at, y_width, plan.out_w)


@parallel
def _correlate(address, x, weight, start, y, plans, steps, threads):
    """Write a correlation to cells of ``y``; it begins with ``start``, one number per filter."""
    for thread in prange(threads):
        call(address, (x, weight, start, y, plans, steps, np.int64(thread), threads))


@compiled
def _dots(a, a_row, filters, b, b_offsets, columns, some, left, right, count, c, c0, c_row, short):
    """Add the dot products of the filters' cotangents with what each of the taps has read."""
    if filters == 1:
        for t in range(0, columns, 12):
            if short:
                short_dots1x12(a, 0, a_row, 1, b, b_offsets, t, min(12, columns - t),
                               left, right, count, c, c0 + t, c_row)  # fmt: skip
            else:
                dots1x12(a, 0, a_row, 1, b, b_offsets, t, min(12, columns - t),
                         left, right, count, c, c0 + t, c_row)  # fmt: skip
        return
    # A few channels at a time, which stay in the first-level cache.
    for first in range(0, columns, some):
        for f in range(0, filters, 3):
            for t in range(first, min(first + some, columns), 4):
                if short:
                    short_dots3x4(a, f * a_row, a_row, min(3, filters - f),
                                  b, b_offsets, t, min(4, columns - t),
                                  left, right, count, c, c0 + f * c_row + t, c_row)  # fmt: skip
                else:
                    dots3x4(a, f * a_row, a_row, min(3, filters - f),
                            b, b_offsets, t, min(4, columns - t),
                            left, right, count, c, c0 + f * c_row + t, c_row)  # fmt: skip


@Compiled
def _weigh_share(g, x, gw, plans, by_channels, thread, threads):
    """One thread's share of :func:`_weigh`: some channels, or some rows of windows."""
    plan = plans[0]
    filters, channels = plan.filters, plan.channels
    short, lanes = _lanes(plan, x)
    taps = plan.kernel_d * plan.kernel_h * plan.kernel_w
    line = plan.phases * plan.pitch
    down = line if plan.kernel_h == 1 else plan.stride_h * line
    pieces = -(-plan.out_h // plan.rows)
    slabs = plan.images * plan.out_d
    # Small images are taken several at a time.
    share = slabs if by_channels else -(-slabs // threads)
    many = max(1, min(share, plan.windows // (plan.out_h * plan.out_w))) if pieces == 1 else 1
    units = -(-slabs // many) if pieces == 1 else slabs * pieces
    wide = -(-plan.out_w // lanes)
    plane, out_plane = plan.depth * plan.height * plan.width, plan.out_d * plan.out_h * plan.out_w
    size = plan.groups * filters * channels * taps
    low, high, begin, end = 0, channels, 0, units
    own = 0
    if by_channels:
        low, high = channels * thread // threads, channels * (thread + 1) // threads
    else:
        begin, end = units * thread // threads, units * (thread + 1) // threads
        own = thread * size
    if low == high or begin == end:
        return
    block = min(plan.block, high - low)
    read = _rows_read(plan.rows, plan)
    slot = block * plan.kernel_d * read * line
    some = _FIRST_LEVEL // (x.itemsize * many * plan.kernel_d * read * line) * taps
    some = max(4, some // 4 * 4)
    buffer = zeros(many * slot + 2 * VECTOR_BYTES // x.itemsize, x)
    table, ends = np.empty(block * taps, np.int64), edges(plan)
    span = (many * plan.rows * wide + short) * lanes
    cotangent = zeros(filters * span, g)
    left = np.empty(span // lanes, np.int64)
    right = np.empty(span // lanes, np.int64)
    for unit in range(begin, end):
        piece = unit % pieces
        slab = unit // pieces * many
        oh = piece * plan.rows
        rows = min(plan.rows, plan.out_h - oh)
        read = _rows_read(rows, plan)
        _taps(table, block, read, plan)
        last = min(slab + many, slabs)
        k = 0
        for s in range(slab, last):
            for r in range(rows):
                for v in range(wide):
                    left[k] = k * lanes
                    right[k] = (s - slab) * slot + r * down + v * lanes
                    k += 1
        if short and k % 2:  # they are taken in pairs: one more, of zeros
            left[k], right[k] = k * lanes, right[k - 1]
            for f in range(filters):
                _clear(cotangent, f * span + k * lanes, lanes)
            k += 1
        for group in range(plan.groups):
            for s in range(slab, last):
                n, od = s // plan.out_d, s % plan.out_d
                source = (n * plan.groups + group) * filters * out_plane
                source += (od * plan.out_h + oh) * plan.out_w
                for f in range(filters):
                    at = f * span + (s - slab) * rows * wide * lanes
                    for r in range(rows):
                        row = source + r * plan.out_w
                        if not short and row + wide * lanes <= g.size:
                            copied(g, row, cotangent, at, plan.out_w)
                        else:
                            for q in range(plan.out_w):
                                cotangent[at + q] = g[row + q]
                        for q in range(plan.out_w, wide * lanes):
                            cotangent[at + q] = 0
                        at += wide * lanes
                    source += out_plane
            for c in range(low, high, block):
                part = min(block, high - c)
                for s in range(slab, last):
                    n, od = s // plan.out_d, s % plan.out_d
                    base = ((n * plan.groups + group) * channels + c) * plane
                    _pack(x, base, buffer, (s - slab) * slot, part, od, oh, read, ends, plan)
                _dots(cotangent, span, filters, buffer, table, part * taps, some, left, right, k,
                      gw, own + (group * filters * channels + c) * taps, channels * taps,
                      short)  # fmt: skip


@parallel
def _weigh(address, g, x, gw, plans, by_channels, threads):
    """Add up the gradient of the weight: for each thread its channels, or a copy of its own."""
    for thread in prange(threads):
        call(address, (g, x, gw, plans, by_channels, np.int64(thread), threads))


@parallel
def _weigh_pointwise(g, x, gw, shape, threads):
    """The gradient of a weight of one tap: BLAS's products, each thread's of some filters."""
    images, groups, filters, channels, plane = shape
    for thread in prange(threads):
        low, high = filters * thread // threads, filters * (thread + 1) // threads
        if low < high:
            for n in range(images):
                for group in range(groups):
                    row = group * filters + low
                    gemm(False, True, high - low, channels, plane,
                         g[(n * groups * filters + row) * plane :], plane,
                         x[(n * groups + group) * channels * plane :], plane,
                         1.0 if n else 0.0, gw[row * channels :], channels)  # fmt: skip
