"""Gradients of convolutions whose cotangents are mostly zeros, compiled.

Max-pooling sends its gradient back to one cell of each window, and ReLU to cells above zero: before
both, three quarters of a cotangent or more are zeros. Here what is not zero in a plane is found
first, and only that is multiplied. For the gradient of the weight, what a window reads of one row
of the input is a vector, and such vectors are summed in registers over all windows found. For that
of the input, the channels of a cell stand together, so that a window adds whole vectors to them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from autograd.kernels._numba import compiled, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import (
    SHORT_BYTES,
    not_zero,
    scatter1,
    scatter4,
    scatter5,
    short_strip8,
)
from autograd.kernels._threads import thread_count

__all__ = ["input_grad", "serves_input_grad", "serves_weight_grad", "weight_grad"]

# A product here takes as long as so many of the dense kernels, measured with many shapes: between
# 2 and 3.8 for gradients of inputs, between 1.2 and 2.3 for those of weights.
_INPUT_COST, _WEIGHT_COST = 3.5, 2
# With fewer products of the dense kernels, what is around them takes longer.
_FEWEST = 1 << 21
# Bytes of input that stay in the first-level cache, and of its gradient in the second.
_FIRST_LEVEL = 1 << 14
_SECOND_LEVEL = 1 << 18


def serves_weight_grad(g: Any, channels: int, kernel: Any, dilation: Any) -> bool:
    """Whether this is the way to the gradient of a weight for a group of so many channels."""
    if kernel[-1] > 1 and dilation[-1] > 1:
        return False
    lanes = SHORT_BYTES // g.itemsize
    slots = -(-kernel[-1] // lanes) * lanes * _WEIGHT_COST
    return _pays(g, g.size * channels * math.prod(kernel), kernel[-1] / slots)


def serves_input_grad(g: Any, weight: Any, spatial: Any, stride: Any) -> bool:
    """Whether this is the way to the gradient of an input with ``spatial`` axes."""
    lanes, channels, taps = SHORT_BYTES // g.itemsize, weight.shape[1], math.prod(weight.shape[2:])
    wide = -(-channels // lanes) * lanes
    reach = math.prod([n + k for n, k in zip(spatial, weight.shape[2:])])
    # The dense kernels multiply every cell of the input with the taps that reach it.
    cells = len(g) * g.shape[1] * math.prod(spatial) / math.prod(stride)
    return (
        reach * wide * g.itemsize <= _SECOND_LEVEL
        and _pays(g, cells * channels * taps, cells * channels / (g.size * wide * _INPUT_COST))
        and bool(np.isfinite(weight).all())
    )


def _pays(g: Any, products: float, most: float) -> bool:
    """Whether there are enough products, and few enough of a sample of ``g`` are not zero."""
    if products < _FEWEST or len(g) < thread_count():
        return False
    seen, found = _sample(g.reshape(-1))
    return bool(found < most * seen)


@compiled
def _sample(g):
    """How many numbers were looked at, in 64 places, and how many of them are not zero."""
    length, seen, found = min(len(g), 64), 0, 0
    for i in range(64):
        first = (len(g) - length) * i // 63
        for q in range(length):
            found += g[first + q] != 0
        seen += length
    return seen, found


class _Plan(NamedTuple):
    """How windows read an image's group."""

    axes: tuple[int, ...]  # of the image, then with what windows read beside it; and how much
    places: Any  # where each window begins
    table: Any  # what it reads, seen from there


def _geometry(spatial: Any, kernel: Any, out: Any, stride: Any, before: Any, dilation: Any) -> Any:
    """All of these in three axes."""
    values = ((spatial, 1), (kernel, 1), (out, 1), (stride, 1), (before, 0), (dilation, 1))
    return tuple([(fill,) * (3 - len(v)) + tuple(v) for v, fill in values])


def _cells(geometry: Any) -> tuple[tuple[int, ...], Any, Any]:
    """Padded axes; cells where windows begin, and where their taps are, seen from there."""
    spatial, kernel, out, stride, before, dilation = geometry
    depth, height, width = (
        max((o - 1) * s + (k - 1) * d + 1, n + b)
        for n, k, o, s, b, d in zip(spatial, kernel, out, stride, before, dilation)
    )

    def cells(counts: tuple[int, ...], steps: tuple[int, ...]) -> Any:
        z, y, x = (np.arange(n, dtype=np.int64) * s for n, s in zip(counts, steps))
        return ((z[:, None, None] * height + y[:, None]) * width + x).reshape(-1)

    return (depth, height, width), cells(out, stride), cells(kernel, dilation)


@lru_cache(maxsize=1024)
def _weigh_plan(geometry: Any, channels: int, lanes: int) -> _Plan:
    """The table tells for each vector that is read: where, where its sum goes, and how much."""
    padded, places, taps = _cells(geometry)
    wide = geometry[1][2]
    planes = np.arange(channels)[:, None, None] * math.prod(padded)
    reads = (planes + taps[::wide, None] + np.arange(0, wide, lanes)).reshape(-1)
    table = np.stack((reads, np.arange(len(reads)) * lanes, np.full(len(reads), lanes)), axis=1)
    return _Plan((*geometry[0], *padded, *geometry[4]), places, table.reshape(-1))


@lru_cache(maxsize=1024)
def _scatter_plan(geometry: Any, wide: int, lanes: int) -> _Plan:
    """The table has the vectors of all taps, of cells that are so many numbers wide."""
    padded, places, taps = _cells(geometry)
    reads = (taps[:, None] * wide + np.arange(0, wide, lanes)).reshape(-1)
    return _Plan((*geometry[0], *padded, *geometry[4]), places * wide, reads)


def weight_grad(
    g: Any, x: Any, kernel: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of a weight ``(O, C // groups, *kernel)``; not finite if ``x`` is not.

    The arrays are contiguous.
    """
    channels, filters, threads = x.shape[1] // groups, g.shape[1] // groups, thread_count()
    lanes, wide = SHORT_BYTES // x.itemsize, kernel[-1]
    geometry = _geometry(x.shape[2:], kernel, g.shape[2:], stride, before, dilation)
    plan = _weigh_plan(geometry, channels, lanes)
    many = max(1, _FIRST_LEVEL // (channels * math.prod(plan.axes[3:6]) * x.itemsize))
    sums = np.zeros((threads, groups * filters, len(plan.table) // 3 * lanes), x.dtype)
    _in_threads(
        _weigh.address(x.dtype, _kinds),
        g.reshape(-1), x.reshape(-1), sums.reshape(-1), plan.places, plan.table,
        (len(x), groups, channels, filters, *plan.axes, many, lanes), threads,
    )  # fmt: skip
    rows = sums.sum(axis=0).reshape(-1, -(-wide // lanes) * lanes)
    return rows[:, :wide].reshape(groups * filters, channels, *kernel)


def input_grad(
    g: Any, weight: Any, spatial: Any, stride: Any, before: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of an input ``(N, C, *spatial)``; the arrays are contiguous."""
    channels, filters, lanes = weight.shape[1], len(weight) // groups, SHORT_BYTES // g.itemsize
    kernel, wide = weight.shape[2:], -(-channels // lanes) * lanes
    geometry = _geometry(spatial, kernel, g.shape[2:], stride, before, dilation)
    plan = _scatter_plan(geometry, wide, lanes)
    turned = np.zeros((groups * filters, math.prod(kernel), wide), g.dtype)
    turned[..., :channels] = weight.reshape(groups * filters, channels, -1).swapaxes(1, 2)
    gx = np.empty((len(g), groups * channels, *spatial), g.dtype)
    _in_threads(
        _scatter.address(g.dtype, _kinds),
        g.reshape(-1), turned.reshape(-1), gx.reshape(-1), plan.places, plan.table,
        (len(g), groups, channels, filters, *plan.axes, wide, lanes), thread_count(),
    )  # fmt: skip
    return gx


def _kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    table = types.Array(n, 1, "C")
    return (array, array, array, table, table, types.UniTuple(n, 15), n, n)


# ------------------------------------------------------------------------------ compiled

# For each byte, which of its bits are set, in 8 numbers.
_SET = np.zeros(256 * 8, np.int32)
for _byte in range(256):
    _bits = [bit for bit in range(8) if _byte >> bit & 1]
    _SET[_byte * 8 : _byte * 8 + len(_bits)] = _bits


@compiled
def _collect(g, base, places, offset, indices, values, found, k):
    """Append what is not zero in a plane of cotangents, and the places of its windows."""
    whole = len(places) // 8 * 8
    count = not_zero(g, base, whole, _SET, indices)
    for i in range(whole, len(places)):
        if g[base + i] != 0:
            indices[count] = i
            count += 1
    plane = g[base : base + len(places)]
    values, found = values[k:], found[k:]
    for i in range(count):
        which = np.uint32(indices[i])  # whose sign is not asked for
        values[i] = plane[which]
        found[i] = places[which] + offset
    return k + count


@compiled
def _lay(x, base, buffer, at, depth, height, width, ph, pw, bd, bh, bw):
    """Copy a channel into a padded one, whose other cells are zeros; 0, or nan if a cell is not
    finite."""
    total = x[base] * 0
    for z in range(depth):
        for y in range(height):
            row = at + ((z + bd) * ph + y + bh) * pw + bw
            target, source = buffer[row : row + width], x[base + (z * height + y) * width :]
            for q in range(width):
                target[q] = source[q]
                total += source[q] * 0
    return total


@Compiled
def _weigh(g, x, gw, places, vectors, shape, thread, threads):
    """One thread's share of the gradient of a weight: some images, a few at a time."""
    images, groups, channels, filters, depth, height, width, pd, ph, pw, bd, bh, bw, many, lanes = (
        shape
    )
    cells, padded, plane = depth * height * width, pd * ph * pw, len(places)
    count = len(vectors) // 3
    slot, size = channels * padded, count * lanes
    # A vector may reach beyond the last cell.
    buffer = np.zeros(many * slot + lanes, x.dtype)
    values = np.empty(many * plane, x.dtype)
    found = np.empty(many * plane, np.int64)
    indices = np.empty(plane + 8, np.int32)
    part = np.empty(size, x.dtype)
    nothing = np.zeros(1, x.dtype)
    own = thread * groups * filters * size
    first, last = images * thread // threads, images * (thread + 1) // threads
    for begin in range(first, last, many):
        end = min(begin + many, last)
        for group in range(groups):
            spoilt = nothing[0]
            for n in range(begin, end):
                for c in range(channels):
                    spoilt += _lay(
                        x, ((n * groups + group) * channels + c) * cells,
                        buffer, (n - begin) * slot + c * padded,
                        depth, height, width, ph, pw, bd, bh, bw,
                    )  # fmt: skip
            for f in range(group * filters, (group + 1) * filters):
                k = 0
                for n in range(begin, end):
                    base = (n * groups * filters + f) * plane
                    k = _collect(g, base, places, (n - begin) * slot, indices, values, found, k)
                if not k:
                    continue
                for v in range(0, count, 8):
                    short_strip8(values, np.int64(0), buffer, vectors, v, count, found, k,
                                 part, np.int64(0), nothing, np.int64(0))  # fmt: skip
                target = gw[own + f * size : own + (f + 1) * size]
                for i in range(size):
                    target[i] += part[i]
            gw[own] += spoilt


@Compiled
def _scatter(g, weight, gx, places, reads, shape, thread, threads):
    """One thread's share of the gradient of an input: some images."""
    images, groups, channels, filters, depth, height, width, pd, ph, pw, bd, bh, bw, wide, lanes = (
        shape
    )
    cells, plane, size = depth * height * width, len(places), len(reads) * lanes
    buffer = np.empty(pd * ph * pw * wide, g.dtype)
    values = np.empty(plane, g.dtype)
    found = np.empty(plane, np.int64)
    indices = np.empty(plane + 8, np.int32)
    for n in range(images * thread // threads, images * (thread + 1) // threads):
        for group in range(groups):
            buffer[:] = 0
            for f in range(group * filters, (group + 1) * filters):
                base = (n * groups * filters + f) * plane
                k = _collect(g, base, places, 0, indices, values, found, 0)
                v = 0
                while v < len(reads):
                    left, at = len(reads) - v, f * size + v * lanes
                    if left % 5 == 0:
                        scatter5(values, found, k, weight, at, buffer, reads, v)
                        v += 5
                    elif left >= 4:
                        scatter4(values, found, k, weight, at, buffer, reads, v)
                        v += 4
                    else:
                        scatter1(values, found, k, weight, at, buffer, reads, v)
                        v += 1
            for c in range(channels):
                base = ((n * groups + group) * channels + c) * cells
                for z in range(depth):
                    for y in range(height):
                        target = gx[base + (z * height + y) * width :]
                        source = buffer[(((z + bd) * ph + y + bh) * pw + bw) * wide + c :]
                        for q in range(width):
                            target[q] = source[q * wide]


@parallel
def _in_threads(address, g, source, target, places, table, shape, threads):
    for thread in prange(threads):
        call(address, (g, source, target, places, table, shape, np.int64(thread), threads))
