"""Convolution with 3 by 3 kernels by Winograd's algorithm, compiled; float32 only.

The method and its matrices are those of :mod:`autograd.kernels.winograd`. A few tiles at a time are
cut out of the images with the channels innermost, so that transforms work on vectors of channels;
nothing leaves the core's cache between the cells that are read and the outputs that are written.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types

from autograd.kernels._numba import compiled, parallel, prange
from autograd.kernels._numba._calls import Compiled, call
from autograd.kernels._numba._micro import VECTOR_BYTES, by_itself, tile4, tile6
from autograd.kernels._numba._room import empty, zeros
from autograd.kernels._numba._transforms import Lane, mapped, turn8, turn16
from autograd.kernels._threads import thread_count

__all__ = ["correlate", "pays", "weight_grad"]

# Bytes of transformed cells and outputs that a core works on at a time.
_TILE_BYTES = 1 << 19
# The fewest tiles at a time, forward and for the gradient of the weight; the second number is for
# transformed kernels of more than so many bytes, which come from beyond the caches each time.
_LEAST_TILES = (24, 48), (48, 144)
_FAR_BYTES = 1 << 24
# Bytes of the cells of one group of tiles.
_CELL_BYTES = 1 << 16
_LANES = VECTOR_BYTES // 4
# Columns of a matrix product that are computed at a time: two vectors.
_PANEL = 2 * _LANES

_PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            "images", "groups", "channels", "filters", "height", "width", "out_h", "out_w",
            "before_h", "before_w",
            "rows", "columns",  # tiles of an image
            "group", "parts",  # tiles that are cut out together; such groups in a row of tiles
            "most",  # tiles that are worked on at a time
            "pitch_c", "pitch_o",  # from cell to cell of inputs, and of outputs
            "step_c", "step_o",  # from one of a tile's 36 transformed cells to the next
            "panels",  # in which the transformed kernels of a group lie
        )
    ]
)  # fmt: skip


def _plan(
    images: int, groups: int, channels: int, filters: int, spatial: tuple[int, int],
    out: tuple[int, int], before: tuple[int, int], for_grad: bool,
) -> Any:  # fmt: skip
    rows, columns = -(-out[0] // 4), -(-out[1] // 4)
    pitch_c, pitch_o = _pitch(groups * channels), _pitch(groups * filters)
    cells = max(2, (_CELL_BYTES // (24 * max(pitch_c, pitch_o)) - 2) // 8 * 2)
    group = min(columns, cells)
    parts = -(-columns // group)
    far = 144 * groups * channels * filters * (2 if for_grad else 1) > _FAR_BYTES
    least = _LEAST_TILES[for_grad][far]
    most = max(_TILE_BYTES // (144 * (pitch_c + pitch_o)), least, group)
    numbers = (
        images, groups, channels, filters, *spatial, *out, *before, rows, columns, group, parts,
        most, pitch_c, pitch_o, _apart(most * pitch_c), _apart(most * pitch_o),
        -(-filters // _PANEL),
    )  # fmt: skip
    return np.array([numbers], _PLAN)


def _pitch(count: int) -> int:
    """Room for the channels of a cell: whole cache lines.

    Cells of some larger power of two would share a few sets of the cache.
    """
    lines = -(-count // 16)
    return 16 * (lines if lines % 8 else lines + 1)


def _apart(size: int) -> int:
    """How far to put blocks of that size apart: an odd number of cache lines.

    What lies at the same place of each block would otherwise share a few sets of the cache.
    """
    return (-(-size // 16) | 1) * 16


def pays(images: int, channels: int, filters: int, groups: int, out: tuple[int, int]) -> bool:
    """Whether it is faster than the direct form."""
    rows, columns = -(-out[0] // 4), -(-out[1] // 4)
    filled = out[0] * out[1] / (16 * rows * columns)
    return min(channels, filters) >= 16 and images * rows * columns >= 32 and filled >= 0.25


def correlate(
    x: Any, weight: Any, out: Any, before: tuple[int, int], groups: int,
    start: Any, adjoint: bool,
) -> Any:  # fmt: skip
    """The correlation of images with 3 by 3 kernels; None where it is not finite.

    Args:
        x: images, ``(N, C, H, W)``.
        weight: kernels, ``(O, C // groups, 3, 3)``; for ``adjoint``, ``(C, O // groups, 3, 3)``,
            which are then turned around.
        out: height and width of the outputs.
        before: zeros before each axis; cells are left out where negative.
        groups: blocks of channels.
        start: what the outputs start with, ``(O,)``.
        adjoint: whether this is the gradient of the input.

    Returns:
        Outputs, ``(N, O, *out)``.
    """
    channels, filters = x.shape[1] // groups, start.size // groups
    plan = _plan(len(x), groups, channels, filters, x.shape[2:], out, before, False)
    pitch = int(plan["pitch_o"][0])
    kernels = empty(36 * groups * channels * _PANEL * int(plan["panels"][0]), x.dtype)
    threads = thread_count()
    _transform_weight(
        _weight_share.address(x.dtype, _weight_kinds), weight.reshape(-1), kernels, plan, adjoint,
        threads,
    )  # fmt: skip
    y = np.empty((len(x), start.size, *out), np.float32)
    room = np.zeros(pitch, np.float32)
    room[: start.size] = start
    finite = np.empty(threads, np.float32)
    _correlate(
        _correlate_share.address(x.dtype, _correlate_kinds), x.reshape(-1), kernels, room,
        y.reshape(-1), finite, plan, threads,
    )  # fmt: skip
    return y if all(map(math.isfinite, finite)) else None


def weight_grad(g: Any, x: Any, before: tuple[int, int], groups: int) -> Any:
    """Gradient of :func:`correlate` with respect to its weight; None where it is not finite."""
    channels, filters = x.shape[1] // groups, g.shape[1] // groups
    plan = _plan(len(x), groups, channels, filters, x.shape[2:], g.shape[2:], before, True)
    pitch = int(plan["pitch_o"][0])
    threads = thread_count()
    by_channels = groups == 1 and channels >= 32 * threads
    copies = 1 if by_channels else threads
    size = 36 * channels * pitch + _PANEL
    sums = empty(copies * size, x.dtype)
    sums[:] = 0
    _weigh(
        _weigh_share.address(x.dtype, _weigh_kinds), g.reshape(-1), x.reshape(-1), sums, plan,
        by_channels, threads,
    )  # fmt: skip
    gw = np.empty((g.shape[1], channels, 3, 3), np.float32)
    finite = np.empty(threads, np.float32)
    _transform_sums(
        _sums_share.address(x.dtype, _sums_kinds), sums, gw.reshape(-1), finite, plan, copies,
        threads,
    )  # fmt: skip
    return gw if all(map(math.isfinite, finite)) else None


# --------------------------------------------------------------------------------- the transforms

# Points 0, ±p, ±q and infinity.
_P, _Q = 0.625, 1.5
_P2, _Q2 = _P * _P, _Q * _Q
_G0 = 1 / (_P2 * _Q2)
_GP, _GQ = 1 / (2 * _P2 * (_P2 - _Q2)), 1 / (2 * _Q2 * (_Q2 - _P2))


def _cells(a: Lane, b: Lane, c: Lane, d: Lane, e: Lane, f: Lane) -> list[Lane]:
    even_p, odd_p = e - _Q2 * c, _P * (d - _Q2 * b)
    even_q, odd_q = e - _P2 * c, _Q * (d - _P2 * b)
    first = _P2 * _Q2 * a - (_P2 + _Q2) * c + e
    last = _P2 * _Q2 * b - (_P2 + _Q2) * d + f
    return [first, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, last]


def _outputs(a: Lane, b: Lane, c: Lane, d: Lane, e: Lane, f: Lane) -> list[Lane]:
    even_p, odd_p, even_q, odd_q = b + c, b - c, d + e, d - e
    return [
        a + even_p + even_q,
        _P * odd_p + _Q * odd_q,
        _P2 * even_p + _Q2 * even_q,
        _P * _P2 * odd_p + _Q * _Q2 * odd_q + f,
    ]


def _outputs_adjoint(a: Lane, b: Lane, c: Lane, d: Lane) -> list[Lane]:
    even_p, odd_p = a + _P2 * c, _P * b + _P * _P2 * d
    even_q, odd_q = a + _Q2 * c, _Q * b + _Q * _Q2 * d
    return [a, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, d]


def _taps(a: Lane, b: Lane, c: Lane) -> list[Lane]:
    even_p, odd_p = _GP * a + _GP * _P2 * c, _GP * _P * b
    even_q, odd_q = _GQ * a + _GQ * _Q2 * c, _GQ * _Q * b
    return [_G0 * a, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, c]


def _taps_adjoint(a: Lane, b: Lane, c: Lane, d: Lane, e: Lane, f: Lane) -> list[Lane]:
    even_p, odd_p, even_q, odd_q = b + c, b - c, d + e, d - e
    return [
        _G0 * a + _GP * even_p + _GQ * even_q,
        _GP * _P * odd_p + _GQ * _Q * odd_q,
        _GP * _P2 * even_p + _GQ * _Q2 * even_q + f,
    ]


_to_cells = mapped(6, _cells)
_to_outputs = mapped(6, _outputs)
_to_outputs_plus = mapped(6, _outputs, plus=True)
_from_outputs = mapped(4, _outputs_adjoint)
_to_taps = mapped(3, _taps)
_from_taps = mapped(6, _taps_adjoint)


# ------------------------------------------------------------------------------ compiled helpers

_KIND = types.Array(numba.from_dtype(_PLAN), 1, "C", aligned=_PLAN.isalignedstruct)


def _weight_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, _KIND, types.boolean, n, n)


def _correlate_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, array, array, _KIND, n, n)


def _weigh_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, _KIND, types.boolean, n, n)


def _sums_kinds(number: Any) -> tuple[Any, ...]:
    array, n = types.Array(number, 1, "C"), types.int64
    return (array, array, array, _KIND, n, n, n)


@compiled
def _turn_in(x, base, plane, width, cells, to, wide, pitch, rows, low, high, channels):
    """Copy cells ``low`` to ``high`` of some rows with the channels innermost."""
    # Some channels after the others: their lines of the image stay in the first-level cache.
    if _LANES == 16:
        for c in range(0, channels, 16):
            for i in range(rows):
                for j in range(low, high, 16):
                    turn16(x, base + c * plane + i * width + j, plane,
                           cells, to + (i * wide + j) * pitch + c, pitch,
                           min(16, channels - c), min(16, high - j))  # fmt: skip
        return
    whole = channels // 8 * 8
    for c in range(0, whole, 8):
        for i in range(rows):
            row, target = base + i * width, to + i * wide * pitch
            for j in range(low // 8 * 8, high, 8):
                at = row + c * plane + j
                if at >= 0 and at + 7 * plane + 8 <= x.size:
                    turn8(x, at, plane, cells, target + j * pitch + c, pitch)
                else:
                    for k in range(8):
                        for w in range(max(j, low), min(j + 8, high)):
                            cells[target + w * pitch + c + k] = x[row + (c + k) * plane + w]
    for i in range(rows):
        for c in range(whole, channels):
            for w in range(low, high):
                cells[to + (i * wide + w) * pitch + c] = x[base + c * plane + i * width + w]


@compiled
def _cut_out(x, base, plane, height, width, top, left, rows, columns, channels, pitch, cells):
    """Copy cells with the channels innermost; 0 outside the image. Room for 8 more is needed."""
    by_itself()
    wide = columns + 8
    low, high = min(max(-left, 0), columns), min(max(width - left, 0), columns)
    first, last = min(max(-top, 0), rows), min(max(height - top, 0), rows)
    _turn_in(x, base + (top + first) * width + left, plane, width, cells, first * wide * pitch,
             wide, pitch, max(last - first, 0), low, high, channels)  # fmt: skip
    for i in range(rows):
        to = i * wide * pitch
        inside = first <= i < last
        for k in range((low if inside else columns) * pitch):
            cells[to + k] = 0
        if inside:
            for k in range(high * pitch, columns * pitch):
                cells[to + k] = 0


@compiled
def _paste(lines, wide, pitch, y, base, plane, width, left, rows, columns, filters):
    """Copy outputs back to where they lie in the images, rows and columns of a few tiles."""
    by_itself()
    if _LANES == 16:
        for p in range(rows):
            row = base + p * width + left
            for j in range(0, columns, 16):
                for o in range(0, filters, 16):
                    turn16(lines, (p * wide + j) * pitch + o, pitch, y, row + o * plane + j, plane,
                           min(16, columns - j), min(16, filters - o))  # fmt: skip
        return
    whole = filters // 8 * 8
    for p in range(rows):
        source = p * wide * pitch
        row = base + p * width + left
        for j in range(0, columns, 8):
            # A few more than there are is no harm where the next row is still to be written.
            many = columns - j
            fits = many >= 8 or (p + 1 < rows and columns == width and width >= 8 - many)
            for o in range(0, whole, 8):
                if fits:
                    turn8(lines, source + j * pitch + o, pitch, y, row + o * plane + j, plane)
                else:
                    for k in range(8):
                        for w in range(j, columns):
                            y[row + (o + k) * plane + w] = lines[source + w * pitch + o + k]
            for o in range(whole, filters):
                for w in range(j, min(j + 8, columns)):
                    y[row + o * plane + w] = lines[source + w * pitch + o]


@compiled
def _product(a, a0, a_row, a_step, rows, b, b0, b_step, taps, depth, c, c0, c_row, columns, zero,
             more):  # fmt: skip
    """A matrix product, ``columns`` rounded up to panels; those of ``b`` are ``b_step`` apart."""
    by_itself()
    for j in range(0, columns, _PANEL):
        b1 = b0 + j // _PANEL * b_step
        both = (0, _LANES)
        widths = (_LANES, _LANES if j + _LANES < columns else 0)
        i = 0
        while i < rows:
            left = rows - i
            to = c0 + i * c_row + j
            if left > 8 or left == 6 or left == 5:
                tile6(a, a0 + i * a_row, a_row, a_step, min(left, 6), b, b1, both, taps, depth,
                      c, to, both, widths, c_row, zero, 0, more > 0)  # fmt: skip
                i += 6
            else:
                tile4(a, a0 + i * a_row, a_row, a_step, min(left, 4), b, b1, both, taps, depth,
                      c, to, both, widths, c_row, zero, 0, more > 0)  # fmt: skip
                i += 4


@Compiled
def _weight_share(weight, kernels, plans, adjoint, thread, threads):
    """Transform the kernels of some channels: to ``(36, panels, channels, columns)``."""
    plan = plans[0]
    channels, filters, groups = plan.channels, plan.filters, plan.groups
    wide = _PANEL * plan.panels
    width = groups * wide
    taps = zeros(9 * width, weight)
    halfway = zeros(18 * width, weight)
    step = channels * width
    for c in range(channels * thread // threads, channels * (thread + 1) // threads):
        for group in range(groups):
            for f in range(filters):
                o = group * wide + f
                if adjoint:
                    at = ((group * channels + c) * filters + f) * 9
                    for t in range(9):
                        taps[t * width + o] = weight[at + 8 - t]
                else:
                    at = ((group * filters + f) * channels + c) * 9
                    for t in range(9):
                        taps[t * width + o] = weight[at + t]
        for j in range(3):
            _to_taps(taps, j * width, 3 * width, halfway, j * width, 3 * width, width)
        for i in range(6):
            for j in range(0, width, _PANEL):
                _to_taps(halfway, 3 * i * width + j, width, kernels,
                         6 * i * step + j * channels + c * _PANEL, step,
                         np.int64(_PANEL))  # fmt: skip


@parallel
def _transform_weight(address, weight, kernels, plans, adjoint, threads):
    """Transform the kernels, on all threads."""
    for thread in prange(threads):
        call(address, (weight, kernels, plans, adjoint, np.int64(thread), threads))


@compiled
def _transform_cells(x, n, i, part, plan, first, last, cells, halfway, tiles, t, step):
    """Transform the cells of one group of tiles, of channels from ``first`` to ``last``."""
    by_itself()
    pitch = plan.pitch_c
    count = min(plan.group, plan.columns - part * plan.group)
    columns = 4 * count + 2
    wide = columns + 8
    plane = plan.height * plan.width
    total = plan.groups * plan.channels
    _cut_out(x, (n * total + first) * plane, plane, plan.height, plan.width,
             4 * i - plan.before_h, 4 * part * plan.group - plan.before_w, np.int64(6), columns,
             last - first, pitch, cells)  # fmt: skip
    _to_cells(cells, 0, wide * pitch, halfway, 0, wide * pitch, columns * pitch)
    for j in range(count):
        for k in range(6):
            _to_cells(halfway, (k * wide + 4 * j) * pitch, pitch,
                      tiles, 6 * k * step + (t + j) * pitch, step, pitch)  # fmt: skip
    return count


@compiled
def _transform_products(products, step, first, count, wide, pitch, start, halfway, lines):
    """Transform the products of a group of tiles to outputs; their sum."""
    by_itself()
    for j in range(count):
        for k in range(6):
            _to_outputs(products, 6 * k * step + (first + j) * pitch, step,
                        halfway, (k * wide + 4 * j) * pitch, pitch, pitch)  # fmt: skip
    total = np.float32(0)
    for w in range(4 * count):
        _to_outputs_plus(halfway, w * pitch, wide * pitch, lines, w * pitch, wide * pitch,
                         pitch, start)  # fmt: skip
    for p in range(4):
        for k in range(4 * count * pitch):
            total += lines[p * wide * pitch + k]
    return total


@Compiled
def _correlate_share(x, kernels, start, y, finite, plans, thread, threads):
    """One thread's share of :func:`_correlate`: some groups of tiles."""
    plan = plans[0]
    channels, filters, groups = plan.channels, plan.filters, plan.groups
    pitch_c, pitch = plan.pitch_c, plan.pitch_o
    units = plan.images * plan.rows * plan.parts
    begin, end = units * thread // threads, units * (thread + 1) // threads
    wide = 4 * plan.group + 10
    cells = zeros(6 * wide * pitch_c, x)
    halfway = zeros(6 * wide * max(pitch_c, pitch), x)
    lines = zeros(4 * wide * pitch, x)
    step_c, step = plan.step_c, plan.step_o
    tiles = zeros(36 * step_c, x)
    products = zeros(36 * step, x)
    taps = np.arange(channels) * _PANEL
    zero = zeros(plan.most, x)
    plane = plan.out_h * plan.out_w
    total = np.float32(0)
    done = begin
    while done < end:
        t = np.int64(0)
        unit = done
        while unit < end and t + plan.group <= plan.most:
            part, row = unit % plan.parts, unit // plan.parts
            t += _transform_cells(x, row // plan.rows, row % plan.rows, part, plan, np.int64(0),
                                  groups * channels, cells, halfway, tiles, t, step_c)  # fmt: skip
            unit += 1
        for k in range(36):
            for group in range(groups):
                _product(tiles, k * step_c + group * channels, pitch_c, np.int64(1), t, kernels,
                         (k * groups + group) * _PANEL * plan.panels * channels,
                         _PANEL * channels, taps, channels,
                         products, k * step + group * filters, pitch,
                         filters, zero, np.int64(0))  # fmt: skip
        t = np.int64(0)
        while done < unit:
            part, row = done % plan.parts, done // plan.parts
            n, i = row // plan.rows, row % plan.rows
            count = min(plan.group, plan.columns - part * plan.group)
            total += _transform_products(products, step, t, count, wide, pitch, start, halfway,
                                         lines)  # fmt: skip
            left = 4 * part * plan.group
            base = n * groups * filters * plane + 4 * i * plan.out_w
            _paste(lines, wide, pitch, y, base, plane, plan.out_w, left,
                   min(4, plan.out_h - 4 * i), min(4 * count, plan.out_w - left),
                   groups * filters)  # fmt: skip
            t += count
            done += 1
    finite[thread] = total


@parallel
def _correlate(address, x, kernels, start, y, finite, plans, threads):
    """Correlate on all threads; ``finite`` gets a number for each that says whether outputs are."""
    for thread in prange(threads):
        call(address, (x, kernels, start, y, finite, plans, np.int64(thread), threads))


@compiled
def _transform_cotangents(cells, count, pitch, halfway, products, first, step):
    """Transform the gradients of the outputs of a group of tiles."""
    by_itself()
    line = (4 * count + 8) * pitch
    _from_outputs(cells, 0, line, halfway, 0, line, 4 * count * pitch)
    for j in range(count):
        for k in range(6):
            _from_outputs(halfway, k * line + 4 * j * pitch, pitch,
                          products, 6 * k * step + (first + j) * pitch, step, pitch)  # fmt: skip


@Compiled
def _weigh_share(g, x, sums, plans, by_channels, thread, threads):
    """One thread's share of :func:`_weigh`: some channels, or some groups of tiles."""
    plan = plans[0]
    channels, filters, groups = plan.channels, plan.filters, plan.groups
    pitch_c, pitch = plan.pitch_c, plan.pitch_o
    size = channels * pitch
    begin, end, low, high, own = 0, plan.images * plan.rows * plan.parts, 0, channels, 0
    if by_channels:
        low, high = channels * thread // threads, channels * (thread + 1) // threads
    else:
        begin, end = end * thread // threads, end * (thread + 1) // threads
        own = thread * (36 * size + _PANEL)
    wide = 4 * plan.group + 10
    cells = zeros(6 * wide * max(pitch_c, pitch), x)
    halfway = zeros(6 * wide * max(pitch_c, pitch), x)
    step_c, step = plan.step_c, plan.step_o
    tiles = zeros(36 * step_c, x)
    products = zeros(36 * step + _PANEL, x)
    taps = np.arange(plan.most) * pitch
    zero = zeros(channels, x)
    plane = plan.out_h * plan.out_w
    first, last = (low, high) if by_channels else (0, groups * channels)
    done = begin
    while done < end:
        t = np.int64(0)
        while done < end and t + plan.group <= plan.most:
            part, row = done % plan.parts, done // plan.parts
            n, i = row // plan.rows, row % plan.rows
            count = min(plan.group, plan.columns - part * plan.group)
            # The outputs first: both are cut out into the same room.
            _cut_out(g, n * groups * filters * plane, plane, plan.out_h, plan.out_w, 4 * i,
                     4 * part * plan.group, np.int64(4), 4 * count, groups * filters, pitch,
                     cells)  # fmt: skip
            _transform_cotangents(cells, count, pitch, halfway, products, t, step)
            t += _transform_cells(x, n, i, part, plan, first, last, cells, halfway, tiles, t,
                                  step_c)  # fmt: skip
            done += 1
        for k in range(36):
            for group in range(groups):
                _product(tiles, k * step_c + group * channels, np.int64(1), pitch_c, high - low,
                         products, k * step + group * filters, np.int64(_PANEL), taps, t, sums,
                         own + k * size + low * pitch + group * filters, pitch, filters, zero,
                         np.int64(1))  # fmt: skip


@parallel
def _weigh(address, g, x, sums, plans, by_channels, threads):
    """Add up the gradient of the transformed weight; in a copy for each thread where need be."""
    for thread in prange(threads):
        call(address, (g, x, sums, plans, by_channels, np.int64(thread), threads))


@Compiled
def _sums_share(sums, gw, finite, plans, copies, thread, threads):
    """One thread's share of :func:`_transform_sums`: some channels."""
    plan = plans[0]
    channels, filters, groups, pitch = plan.channels, plan.filters, plan.groups, plan.pitch_o
    size = channels * pitch
    total = np.float32(0)
    halfway = zeros(18 * pitch, sums)
    taps = zeros(9 * pitch, sums)
    for c in range(channels * thread // threads, channels * (thread + 1) // threads):
        for copy in range(1, copies):
            for k in range(36):
                to = k * size + c * pitch
                more = to + copy * (36 * size + _PANEL)
                for f in range(pitch):
                    sums[to + f] += sums[more + f]
        for i in range(6):
            _from_taps(sums, 6 * i * size + c * pitch, size, halfway, 3 * i * pitch, pitch, pitch)
        for j in range(3):
            _from_taps(halfway, j * pitch, 3 * pitch, taps, j * pitch, 3 * pitch, pitch)
        for o in range(groups * filters):
            at = (o * channels + c) * 9
            for t in range(9):
                gw[at + t] = taps[t * pitch + o]
                total += taps[t * pitch + o]
    finite[thread] = total


@parallel
def _transform_sums(address, sums, gw, finite, plans, copies, threads):
    """Transform the sums to the gradient of the weight, on all threads."""
    for thread in prange(threads):
        call(address, (sums, gw, finite, plans, copies, np.int64(thread), threads))
