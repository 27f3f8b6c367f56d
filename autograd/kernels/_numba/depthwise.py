"""Gradients of depthwise convolutions in one or two axes, compiled: each plane by itself.

A plane of the input is copied once, with its padding, so that cells whose indices are equal modulo
the strides stand together (a phase, see `_rows`). What a tap sees in all windows is then one run of
numbers, and so is the cotangent, laid out with as many numbers to a row and zeros where no window
is. The gradient of a tap's weight is the dot product of the two; that of a phase of the input a sum
of runs of the cotangent, one for each of the taps that reach it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from autograd.kernels._numba import compiled, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import VECTOR_BYTES, copied, every_other
from autograd.kernels._numba._room import zeros
from autograd.kernels._threads import thread_count

__all__ = ["input_grad", "serves", "weight_grad"]

# A plane and its cotangent shall fit into the second-level cache.
_PLANE_BYTES = 1 << 17
# Groups to each thread, at least.
_FEWEST = 2
# From more filters to a channel on, products of several at once are faster.
_MOST_FILTERS = 4
_LANES = VECTOR_BYTES // 4  # of a vector, at most


def serves(groups: int, channels: int, filters: int, planes: tuple[Any, ...], size: int) -> bool:
    """Whether these kernels are the ones for so many groups, and channels and filters of each.

    ``planes`` are the shapes of a plane of the input and of the output, ``size`` that of a number
    in bytes.
    """
    return (
        channels == 1
        and filters <= _MOST_FILTERS
        and groups >= _FEWEST * thread_count()
        and len(planes[0]) <= 2
        and max(map(math.prod, planes)) * size <= _PLANE_BYTES
    )


def _two(values: Any, fill: int) -> tuple[int, int]:
    """Per axis, with an axis before the only one."""
    return (fill, *values) if len(values) == 1 else tuple(values)


# ------------------------------------------------------------------------------ weights


class _Windows(NamedTuple):
    """How the windows of a plane read it."""

    rows: int  # of each phase
    pitch: int  # cells of each row
    phases: tuple[int, int]
    offsets: Any  # where each tap reads for the first window


@lru_cache(maxsize=1024)
def _windows(
    kernel: tuple[int, int],
    out: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> _Windows:
    reach = [(k - 1) * d for k, d in zip(kernel, dilation)]
    rows, pitch = (n + r // s for n, r, s in zip(out, reach, stride))
    high, wide = (min(s, r + 1) for s, r in zip(stride, reach))
    offsets = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            row, a = divmod(i * dilation[0], stride[0])
            column, b = divmod(j * dilation[1], stride[1])
            offsets.append(((a * wide + b) * rows + row) * pitch + column)
    return _Windows(rows, pitch, (high, wide), np.array(offsets, np.int64))


def weight_grad(g: Any, x: Any, kernel: Any, stride: Any, before: Any, dilation: Any) -> Any:
    """The gradient of a weight ``(O, 1, *kernel)``; the arrays are contiguous."""
    groups, filters = x.shape[1], g.shape[1] // x.shape[1]
    taps, stride, out = _two(kernel, 1), _two(stride, 1), _two(g.shape[2:], 1)
    plan = _windows(taps, out, stride, _two(dilation, 1))
    shape = (len(x), groups, filters, *_two(x.shape[2:], 1), *out, plan.rows, plan.pitch)
    gw = np.zeros((groups * filters, 1, *kernel), g.dtype)
    _weigh(
        _weigh_share.address(g.dtype, _weigh_kinds),
        g.reshape(-1), x.reshape(-1), gw.reshape(-1), shape,
        (*stride, *_two(before, 0), *plan.phases), plan.offsets, thread_count(),
    )  # fmt: skip
    return gw


def _weigh_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    tables = types.Array(n, 1, "C")
    return (array, array, array, types.UniTuple(n, 9), types.UniTuple(n, 6), tables, n, n)


@compiled
def _lay(source, first, step, target, at, low, count, pitch):
    """A row of ``pitch`` numbers: zeros, so many cells that are a step apart, and zeros.

    Copies end at the end of a vector; what is too much goes to the next row, to be written again.
    """
    for q in range(low):
        target[at + q] = 0
    if step == 1 and first + count + _LANES <= source.size:
        copied(source, first, target, at + low, count)
    elif step == 2 and first + 2 * (count + _LANES) <= source.size:
        every_other(source, first, target, at + low, count)
    else:
        for q in range(count):
            target[at + low + q] = source[first + q * step]
    for q in range(low + count, pitch):
        target[at + q] = 0


@compiled
def _end(target, at):
    """Clear what a copy left behind the last row."""
    for q in range(_LANES):
        target[at + q] = 0


@compiled
def _split(x, base, cells, shape, window):
    """Lay out a plane phase by phase; rows beyond it are 0 already."""
    height, width, rows, pitch = shape[3], shape[4], shape[7], shape[8]
    stride_h, stride_w, before_h, before_w, high, wide = window
    at = 0
    for a in range(high):
        for b in range(wide):
            shift = b - before_w  # position q holds cell q * stride + shift
            low = min(max(-(shift // stride_w), 0), pitch)
            end = max(min((width - 1 - shift) // stride_w + 1, pitch), low)
            first = base + shift + low * stride_w
            last = at
            for r in range(rows):
                h = r * stride_h + a - before_h
                if h >= 0 and h < height:
                    _lay(x, first + h * width, stride_w, cells, at, low, end - low, pitch)
                    last = at + pitch
                at += pitch
            _end(cells, last)


@compiled
def _dots3(a, b, first, second, third, count):
    """Dot products of ``a`` with three runs of ``b``."""
    x, y, z = a.dtype.type(0), a.dtype.type(0), a.dtype.type(0)
    one, two, three = b[first:], b[second:], b[third:]
    for q in range(count):
        x += a[q] * one[q]
        y += a[q] * two[q]
        z += a[q] * three[q]
    return x, y, z


@Compiled
def _weigh_share(g, x, gw, shape, window, offsets, thread, threads):
    """One thread's share of :func:`_weigh`: some groups."""
    images, groups, filters, height, width, out_h, out_w, rows, pitch = shape
    taps = offsets.size
    cells = zeros(window[4] * window[5] * rows * pitch + _LANES, x)
    cotangent = zeros(out_h * pitch + _LANES, g)
    count = (out_h - 1) * pitch + out_w
    for group in range(groups * thread // threads, groups * (thread + 1) // threads):
        for image in range(images):
            _split(x, (image * groups + group) * height * width, cells, shape, window)
            for f in range(filters):
                channel = group * filters + f
                source = (image * groups * filters + channel) * out_h * out_w
                for r in range(out_h):
                    _lay(g, source + r * out_w, 1, cotangent, r * pitch, 0, out_w, pitch)
                _end(cotangent, out_h * pitch)
                to = channel * taps
                for t in range(0, taps, 3):
                    u, v = min(t + 1, taps - 1), min(t + 2, taps - 1)
                    dots = _dots3(cotangent, cells, offsets[t], offsets[u], offsets[v], count)
                    gw[to + t] += dots[0]
                    if t + 1 < taps:
                        gw[to + t + 1] += dots[1]
                    if t + 2 < taps:
                        gw[to + t + 2] += dots[2]


@parallel
def _weigh(address, g, x, gw, shape, window, offsets, threads):
    for thread in prange(threads):
        call(address, (g, x, gw, shape, window, offsets, np.int64(thread), threads))


# ------------------------------------------------------------------------------ inputs


class _Sums(NamedTuple):
    """How the phases of a plane's gradient are summed up from its cotangent."""

    rows: int  # of the cotangent, with zeros around it
    pitch: int
    low: tuple[int, int]  # zeros before it
    parts: Any  # of each phase: its first cell and numbers of cells, its taps, where it is summed
    taps: Any  # places in the kernel
    offsets: Any  # and in the cotangent, for the phase's first cell
    size: int  # of all sums


@lru_cache(maxsize=1024)
def _sums(
    kernel: tuple[int, int],
    spatial: tuple[int, int],
    out: tuple[int, int],
    stride: tuple[int, int],
    before: tuple[int, int],
    dilation: tuple[int, int],
) -> _Sums:
    """Cell ``i`` with ``i + before = q * stride + r`` meets tap ``t`` in window
    ``q - t * dilation // stride``, provided ``t * dilation % stride == r``."""
    axes = []
    for k, n, s, b, d in zip(kernel, spatial, stride, before, dilation):
        axis = []
        for first in range(min(s, n)):
            q, r = divmod(first + b, s)
            shifts = [(t, q - t * d // s) for t in range(k) if t * d % s == r]
            axis.append((first, len(range(first, n, s)), shifts))
        axes.append(axis)
    low, length = [], []
    for axis, n in zip(axes, out):
        shifts = [(shift, count) for _, count, taps in axis for _, shift in taps]
        before_it = max([0, *(-shift for shift, _ in shifts)])
        low.append(before_it)
        length.append(before_it + max([n, *(shift + count for shift, count in shifts)]))
    rows, pitch = length
    parts, taps, offsets = [], [], []
    at = 0
    for first_h, count_h, shifts_h in axes[0]:
        for first_w, count_w, shifts_w in axes[1]:
            begin = len(taps)
            for i, down in shifts_h:
                for j, along in shifts_w:
                    taps.append(i * kernel[1] + j)
                    offsets.append((down + low[0]) * pitch + along + low[1])
            parts.append((first_h, first_w, count_h, count_w, begin, len(taps), at))
            at += count_h * pitch
    integers = np.int64
    return _Sums(
        rows, pitch, (low[0], low[1]), np.array(parts, integers).reshape(-1, 7),
        np.array(taps, integers), np.array(offsets, integers), at,
    )  # fmt: skip


def input_grad(
    g: Any, weight: Any, spatial: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of an input ``(N, groups, *spatial)``; the arrays are contiguous."""
    kernel, stride = _two(weight.shape[2:], 1), _two(stride, 1)
    whole, out = _two(spatial, 1), _two(g.shape[2:], 1)
    plan = _sums(kernel, whole, out, stride, _two(before, 0), _two(dilation, 1))
    gx = np.empty((len(g), groups, *spatial), g.dtype)
    shape = (len(g), groups, len(weight) // groups, *whole, *out, math.prod(kernel))
    layout = (plan.rows, plan.pitch, *plan.low, *stride, plan.size)
    _spread(
        _spread_share.address(g.dtype, _spread_kinds),
        g.reshape(-1), weight.reshape(-1), gx.reshape(-1), shape, layout,
        plan.parts, plan.taps, plan.offsets, thread_count(),
    )  # fmt: skip
    return gx


def _spread_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    table = types.Array(n, 1, "C")
    return (
        array, array, array, types.UniTuple(n, 8), types.UniTuple(n, 7),
        types.Array(n, 2, "C"), table, table, n, n,
    )  # fmt: skip


@compiled
def _add_run(sums, at, run, first, factor, count):
    to, of = sums[at:], run[first:]
    for q in range(count):
        to[q] += factor * of[q]


@compiled
def _put(gx, to, step, sums, at, count):
    cells, of = gx[to:], sums[at:]
    for q in range(count):
        cells[q * step] = of[q]


@compiled
def _put_by_turns(gx, to, sums, at, other, count):
    cells, even, odd = gx[to:], sums[at:], sums[other:]
    for q in range(count):
        cells[2 * q] = even[q]
        cells[2 * q + 1] = odd[q]


@Compiled
def _spread_share(g, weight, gx, shape, layout, parts, places, offsets, thread, threads):
    """One thread's share of :func:`_spread`: some groups."""
    images, groups, filters, height, width, out_h, out_w, taps = shape
    rows, pitch, low_h, low_w, stride_h, stride_w, size = layout
    cotangent, sums = zeros(rows * pitch + _LANES, g), zeros(size, g)
    for group in range(groups * thread // threads, groups * (thread + 1) // threads):
        for image in range(images):
            for q in range(size):
                sums[q] = 0
            for f in range(filters):
                channel = group * filters + f
                source = (image * groups * filters + channel) * out_h * out_w
                for r in range(out_h):
                    at = (r + low_h) * pitch
                    _lay(g, source + r * out_w, 1, cotangent, at, low_w, out_w, pitch)
                _end(cotangent, (low_h + out_h) * pitch)
                for p in range(len(parts)):
                    count = (parts[p, 2] - 1) * pitch + parts[p, 3]
                    for t in range(parts[p, 4], parts[p, 5]):
                        factor = weight[channel * taps + places[t]]
                        _add_run(sums, parts[p, 6], cotangent, offsets[t], factor, count)
            base = (image * groups + group) * height * width
            p = 0
            while p < len(parts):
                # Even and odd cells of a row are written together.
                both = stride_w == 2 and p + 1 < len(parts) and parts[p + 1, 1] == 1
                for r in range(parts[p, 2]):
                    to = base + (parts[p, 0] + r * stride_h) * width + parts[p, 1]
                    at, count = parts[p, 6] + r * pitch, parts[p, 3]
                    if both:
                        other, pairs = parts[p + 1, 6] + r * pitch, parts[p + 1, 3]
                        _put_by_turns(gx, to, sums, at, other, pairs)
                        _put(gx, to + 2 * pairs, 2, sums, at + pairs, count - pairs)
                    else:
                        _put(gx, to, stride_w, sums, at, count)
                p += 2 if both else 1


@parallel
def _spread(address, g, weight, gx, shape, layout, parts, places, offsets, threads):
    for thread in prange(threads):
        call(
            address,
            (g, weight, gx, shape, layout, parts, places, offsets, np.int64(thread), threads),
        )
