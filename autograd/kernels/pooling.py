"""Max and average pooling on plain arrays: the forward passes and their adjoints.

Everything works on any number of spatial axes, ``(N, C, *spatial)``, and knows nothing of Tensors:
kernels, strides and dilations are ints per axis, padding is ``(before, after)`` per axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np

from autograd.kernels._layout import alike, images_last, is_innermost, new_like
from autograd.kernels._threads import in_shares
from autograd.kernels._twins import compilable
from autograd.kernels._windows import (
    Array,
    Index,
    Ints,
    Padding,
    each_tap,
    once_for_each,
    tap_slices,
)

__all__ = [
    "avg_pool",
    "avg_pool_input_grad",
    "max_gather",
    "max_pool",
    "max_pool_grad",
    "max_unpool",
    "pool_output_shape",
]

# Planes are pooled in blocks of about this many bytes: the next pass finds them still in cache.
_BLOCK_BYTES = 1 << 20
# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 19


@once_for_each
def pool_output_shape(
    spatial: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool = False,
) -> tuple[int, ...]:
    """Spatial shape of a pooling layer's output.

    As for a convolution; with ``ceil_mode`` a last window that sticks out is kept, provided it
    starts inside the input or its left padding (PyTorch's rule). An axis too short for a single
    window gives 0.

    >>> pool_output_shape((5, 5), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    (2, 2)
    >>> pool_output_shape((5, 5), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), ceil_mode=True)
    (3, 3)
    """
    out = []
    for n, k, s, (before, after), d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        room = n + before + after - (k - 1) * d - 1
        windows = room // s + 1
        if ceil_mode and room % s and windows * s < n + before:
            windows += 1
        out.append(max(0, windows))
    return tuple(out)


@compilable(least=1 << 13)
def max_pool(
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool = False,
    want_indices: bool = True,
) -> tuple[Array, Array | None]:
    """Largest element of every window, and where it stands.

    Padding never wins. Of equal elements the first in row-major order wins. A window with a nan
    gives nan, and the place of its last nan, as in PyTorch.

    Args:
        x: input, ``(N, C, *spatial)``, of any real dtype.
        kernel: spatial shape of the window.
        stride: step from window to window, per spatial axis.
        padding: cells ``(before, after)`` each spatial axis.
        dilation: step from cell to cell within a window, per spatial axis.
        ceil_mode: whether to keep windows that stick out; see `pool_output_shape`.
        want_indices: whether to look for the places too, which takes longer.

    Returns:
        The maxima, ``(N, C, *out)``, and their flat indices into the unpadded plane ``spatial`` of
        each image and channel, int64 of the same shape; None if not wanted. A window that holds no
        cell at all gives the lowest value of the dtype, and index 0.

    >>> x = np.array([[[[1, 5, 2, 2], [3, 4, 2, 2]]]])
    >>> y, indices = max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    >>> y, indices
    (array([[[[5, 2]]]]), array([[[[1, 2]]]]))
    """
    spatial = x.shape[2:]
    out = pool_output_shape(spatial, kernel, stride, padding, dilation, ceil_mode)
    y = new_like(x, (*x.shape[:2], *out))
    indices = new_like(x, y.shape, np.int64) if want_indices else None
    if y.size:
        axes = _axes(spatial, out, kernel, stride, padding, dilation)
        planes, maxima = _planes(x, y)

        def reduce_block(block: slice) -> None:
            _reduce_windows(np.maximum, _lowest(x.dtype), planes[block], axes, maxima[block])

        if indices is None:
            _in_blocks(planes, reduce_block)
            return y, None
        taps = _taps(spatial, out, kernel, stride, padding, dilation)
        origins = _of_windows(_flat_origins(spatial, out, stride, padding), maxima)
        steps = np.array([0, *reversed(_flat_steps(spatial, kernel, dilation))], np.int64)
        _, places = _planes(x, indices)

        def work(block: slice) -> None:
            reduce_block(block)
            rank = _winner(planes[block], maxima[block], taps)
            # The window's first cell, plus the winner's distance from it. (Ranks are in range;
            # mode="clip" spares a check.)
            np.add(origins, steps.take(rank, mode="clip"), out=places[block])
            if not rank.all():
                places[block][rank == 0] = 0

        _in_blocks(planes, work)
    return y, indices


@compilable(least=1 << 12)
def max_pool_grad(
    g: Array,
    x: Array,
    y: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool = False,
) -> Array:
    """The gradient of `max_pool`: that of every window goes to its winner.

    Args:
        g: cotangent of the maxima, ``(N, C, *out)``.
        x: the input, ``(N, C, *spatial)``.
        y: the maxima.
        kernel, stride, padding, dilation, ceil_mode: as given to `max_pool`.

    Returns:
        Cotangent of the input, ``(N, C, *spatial)``.

    >>> x = np.array([[[1.0, 2.0, 4.0, 3.0]]])
    >>> y, _ = max_pool(x, (2,), (2,), ((0, 0),), (1,))
    >>> max_pool_grad(np.array([[[10.0, 20.0]]]), x, y, (2,), (2,), ((0, 0),), (1,))
    array([[[ 0., 10., 20.,  0.]]])
    """
    spatial, out = x.shape[2:], y.shape[2:]
    cells = _cells_apart(spatial, out, kernel, stride, padding, dilation)
    if cells is not None:
        y, g = alike(x, y), alike(x, g)
        pairs = len(out) == 2 and tuple(kernel) == (2, 2) == tuple(stride)
        if pairs and x.size == 4 * y.size and not is_innermost(x):
            gx = _mask_pairs(g, x, y)
        else:
            gx = _mask_windows(g, x, y, cells)
        if gx is not None:
            return gx
    _, indices = max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    assert indices is not None
    return max_unpool(g, indices, spatial)


def _mask_windows(g: Array, x: Array, y: Array, taps: Sequence[Index]) -> Array | None:
    """The gradient where no two windows meet, tap by tap: to the first cell that is the maximum.

    None if a window has no such cell, because it holds a nan, or if a gradient is not finite, which
    no mask can keep out of the other cells.
    """
    covered = y.size * len(taps) == x.size
    gx = new_like(x, x.shape, g.dtype)
    if not covered:
        gx[...] = 0
    cells, targets, maxima, given = _planes(x, gx, y, g)
    *others, last = taps

    def work(block: slice) -> bool:
        to, of, top, part = targets[block], cells[block], maxima[block], given[block]
        if not np.isfinite(part).all() or np.isnan(top).any():
            return False
        open_ = np.ones(top.shape, bool)
        for tap in others:
            hit = np.equal(of[tap], top)
            np.logical_and(hit, open_, out=hit)
            np.multiply(part, hit, out=to[tap])
            np.not_equal(open_, hit, out=open_)
        np.multiply(part, open_, out=to[last])
        return True

    return gx if _in_blocks(cells, work) else None


def _mask_pairs(g: Array, x: Array, y: Array) -> Array | None:
    """The gradient for tiles of 2 by 2 cells: it goes to a row, and there to a cell.

    The maxima of the pairs are found anew; that is faster than comparing four cells with y, whose
    rows are short. None as for `_mask_windows`.
    """
    gx = np.empty(x.shape, g.dtype)
    cells, targets, maxima, given = _planes(x, gx, y, g)

    def work(block: slice) -> bool:
        to, of, top, part = targets[block], cells[block], maxima[block], given[block]
        if not (np.isfinite(part).all() and np.isfinite(top).all()):
            return False
        left = of[..., 0::2].copy()  # which is compared twice
        peaks = np.maximum(left, of[..., 1::2])
        rows = np.empty(peaks.shape, g.dtype)
        above, below = rows[:, 0::2], rows[:, 1::2]
        np.multiply(part, peaks[:, 0::2] == top, out=above)
        np.subtract(part, above, out=below)
        first = np.multiply(rows, left == peaks)
        to[..., 0::2] = first
        np.subtract(rows, first, out=to[..., 1::2])
        return True

    return gx if _in_blocks(cells, work) else None


@compilable(least=1 << 12)
def max_unpool(g: Array, indices: Array, spatial: Ints) -> Array:
    """Add every element of ``g`` to the cell its index names: the adjoint of `max_gather`.

    Args:
        g: cotangent of the maxima, ``(N, C, *out)``.
        indices: flat indices into the planes, as `max_pool` gives them, of the same shape.
        spatial: spatial shape of the result.

    Returns:
        Sums, ``(N, C, *spatial)``; 0 where no index points.

    >>> g, indices = np.array([[[1.0, 10.0]]]), np.array([[[2, 2]]])
    >>> max_unpool(g, indices, (4,))
    array([[[ 0.,  0., 11.,  0.]]])
    """
    gx = np.zeros((*g.shape[:2], *spatial), g.dtype)
    if g.size:
        for target, at, values in _flat_blocks(gx, indices, g):
            np.add.at(target, at, values)
    return gx


def max_gather(x: Array, indices: Array) -> Array:
    """Read from every plane the cells that ``indices`` name: the adjoint of `max_unpool`.

    Args:
        x: input, ``(N, C, *spatial)``.
        indices: flat indices into the planes, ``(N, C, *out)``.

    Returns:
        The cells, ``(N, C, *out)``.

    >>> max_gather(np.array([[[5.0, 6.0, 7.0]]]), np.array([[[2, 0]]]))
    array([[[7., 5.]]])
    """
    y = np.empty(indices.shape, x.dtype)
    if y.size:
        for source, at, values in _flat_blocks(x, indices, y):
            values[...] = source.take(at)
    return y


@compilable(least=1 << 13)
def avg_pool(
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Mean of every window.

    Args:
        x: input, ``(N, C, *spatial)``, of a floating dtype.
        kernel: spatial shape of the window.
        stride: step from window to window, per spatial axis.
        padding: zeros ``(before, after)`` each spatial axis.
        ceil_mode: whether to keep windows that stick out; see `pool_output_shape`.
        count_include_pad: whether to divide by the number of the window's cells inside the padded
            input, or only by that inside the input. Cells beyond the padding never count.
        divisor_override: divide by this instead.

    Returns:
        Means, ``(N, C, *out)``.

    >>> x = np.array([[[2.0, 4.0, 6.0]]])
    >>> avg_pool(x, (2,), (2,), ((1, 1),))
    array([[[1., 5.]]])
    >>> avg_pool(x, (2,), (2,), ((1, 1),), count_include_pad=False)
    array([[[2., 5.]]])
    """
    spatial = x.shape[2:]
    dilation = (1,) * len(spatial)
    out = pool_output_shape(spatial, kernel, stride, padding, dilation, ceil_mode)
    y = new_like(x, (*x.shape[:2], *out))
    if y.size:
        axes = _axes(spatial, out, kernel, stride, padding, dilation)
        divisor = divisor_override or _divisors(
            spatial, out, kernel, stride, padding, count_include_pad, x.dtype
        )
        planes, means = _planes(x, y)
        divisor = _of_windows(divisor, means)

        def work(block: slice) -> None:
            mean = means[block]
            _reduce_windows(np.add, 0, planes[block], axes, mean)
            np.divide(mean, divisor, out=mean)

        _in_blocks(planes, work)
    return y


@compilable(least=1 << 11)
def avg_pool_input_grad(
    g: Array,
    spatial: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Adjoint of `avg_pool`: spread every element of ``g`` evenly over its window.

    Args:
        g: cotangent of the means, ``(N, C, *out)``.
        spatial: spatial shape of the input.
        kernel, stride, padding, ceil_mode, count_include_pad, divisor_override: as given to
            `avg_pool`.

    Returns:
        Cotangent of the input, ``(N, C, *spatial)``.

    >>> avg_pool_input_grad(np.array([[[2.0, 4.0]]]), (5,), (2,), (2,), ((0, 0),))
    array([[[1., 1., 2., 2., 0.]]])
    """
    out = g.shape[2:]
    gx = new_like(g, (*g.shape[:2], *spatial))
    if g.size and gx.size:
        axes = _axes(spatial, out, kernel, stride, padding, (1,) * len(out))
        divisor = divisor_override or _divisors(
            spatial, out, kernel, stride, padding, count_include_pad, g.dtype
        )
        sums, cells = _planes(g, gx)
        divisor = _of_windows(divisor, sums)

        def work(block: slice) -> None:
            _spread_windows(sums[block] / divisor, axes, cells[block])

        _in_blocks(cells, work)
    else:
        gx[...] = 0
    return gx


# ------------------------------------------------------------------------------------- blocks


def _planes(x: Array, *others: Array) -> list[Array]:
    """Arrays ``(N, C, *spatial)`` as ``(N * C, *spatial)``, without a copy where the layout allows.

    Where images stand innermost in the first, each is ``(C, *spatial, N)``: planes of N lanes.
    """
    view = images_last if is_innermost(x) else _stacked
    return [view(a) for a in (x, *others)]


def _stacked(x: Array) -> Array:
    """The same with planes one after the other in any case."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _of_windows(values: Any, planes: Array) -> Any:
    """A value for each window, to be broadcast against `_planes`; or one for all, as it is."""
    return values if np.ndim(values) in (0, planes.ndim - 1) else values[..., np.newaxis]


def _taps(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> list[tuple[Index, Index]]:
    """`each_tap`, as indices of `_planes`."""
    return [
        ((slice(None), *windows[1:]), (slice(None), *cells[1:]))
        for windows, cells in each_tap(spatial, out, kernel, stride, padding, dilation)
    ]


@once_for_each
def _cells_apart(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> tuple[Index, ...] | None:
    """The cells that each tap reads, as indices of `_planes`; None if windows overlap or stick
    out."""
    if any((k - 1) * d >= s for s, k, d in zip(stride, kernel, dilation, strict=True)):
        return None
    windows, cells = zip(*_taps(spatial, out, kernel, stride, padding, dilation), strict=True)
    everywhere = slice(None), *(slice(0, o) for o in out)
    return cells if all(those == everywhere for those in windows) else None


def _blocks(planes: Array) -> Iterator[slice]:
    """Slices of planes that fit in cache together."""
    count = max(1, _BLOCK_BYTES * len(planes) // max(1, planes.nbytes))
    for start in range(0, len(planes), count):
        yield slice(start, start + count)


def _in_blocks(planes: Array, work: Callable[[slice], bool | None]) -> bool:
    """Call ``work`` on slices of planes that fit in cache together, in threads where that pays.

    Returns:
        Whether none of them was False; after one that is, its thread stops.
    """
    well = True

    def share(blocks: list[slice]) -> None:
        nonlocal well
        for block in blocks:
            if work(block) is False:
                well = False
                return

    in_shares(share, list(_blocks(planes)), None if planes.size >= _SHARED else 1)
    return well


def _flat_blocks(x: Array, indices: Array, values: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Blocks of ``x`` and ``values`` as flat arrays, with the flat indices that join them."""
    planes, at, values = _stacked(x), _stacked(indices), values.reshape(-1)
    cells = planes.reshape(-1)
    size, windows = math.prod(planes.shape[1:]), math.prod(at.shape[1:])
    for block in _blocks(planes):
        inside = at[block].reshape(-1, windows)
        offsets = np.arange(0, len(inside) * size, size, dtype=at.dtype)[:, np.newaxis]
        yield (
            cells[block.start * size : block.stop * size],
            (inside + offsets).reshape(-1),
            values[block.start * windows : block.stop * windows],
        )


# ------------------------------------------------------------------------------------ windows


class _Axis(NamedTuple):
    """The windows along one spatial axis, tap by tap."""

    taps: tuple[tuple[slice, slice], ...]  # windows and the cells they read, see `tap_slices`
    whole: int  # so many of them, the first ones, lie inside the axis for every window
    disjoint: bool  # whether no cell is in two windows
    complete: bool  # whether, moreover, every cell is in one


@lru_cache(maxsize=1024)
def _axis(size: int, out: int, kernel: int, stride: int, before: int, dilation: int) -> _Axis:
    taps = [tap_slices(size, out, stride, before, t * dilation) for t in range(kernel)]
    everywhere = slice(0, out)
    taps.sort(key=lambda tap: tap[0] != everywhere)
    whole = sum(windows == everywhere for windows, _ in taps)
    disjoint = stride > (kernel - 1) * dilation
    reached = sum(windows.stop - windows.start for windows, _ in taps)
    return _Axis(tuple(taps), whole, disjoint, disjoint and reached == size)


def _axes(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> list[_Axis]:
    before = [b for b, _ in padding]
    return list(map(_axis, spatial, out, kernel, stride, before, dilation))


def _reduce_windows(
    combine: np.ufunc, identity: float, x: Array, axes: list[_Axis], y: Array
) -> None:
    """Combine the cells of every window into ``y``; ``x`` and ``y`` are ``(planes, ...)``.

    One axis after the other: a window of k by k cells then takes 2 k steps instead of k * k. The
    last axis comes last: steps along it are not contiguous in memory, and by then least is left.
    """
    for i, axis in enumerate(axes, start=1):
        ahead = (slice(None),) * i
        last = i == len(axes)
        partial = y if last else np.empty((*x.shape[:i], y.shape[i], *x.shape[i + 1 :]), x.dtype)
        cells = [x[(*ahead, c)] for _, c in axis.taps]
        if axis.whole > 1:
            combine(cells[0], cells[1], out=partial)
        else:
            partial[...] = cells[0] if axis.whole else identity
        for (windows, _), c in list(zip(axis.taps, cells, strict=True))[min(2, axis.whole) :]:
            part = partial[(*ahead, windows)]
            combine(part, c, out=part)
        x = partial


def _spread_windows(g: Array, axes: list[_Axis], gx: Array) -> None:
    """Adjoint of `_reduce_windows` with ``np.add``: give every cell the sum over its windows."""
    for i, axis in reversed(list(enumerate(axes, start=1))):
        ahead = (slice(None),) * i
        partial = (
            gx if i == 1 else np.empty((*g.shape[:i], gx.shape[i], *g.shape[i + 1 :]), g.dtype)
        )
        if not axis.complete:
            partial[...] = 0
        for windows, c in axis.taps:
            cells = partial[(*ahead, c)]
            if axis.disjoint:
                cells[...] = g[(*ahead, windows)]
            else:
                np.add(cells, g[(*ahead, windows)], out=cells)
        g = partial


def _lowest(dtype: np.dtype[Any]) -> float:
    """The value that no other of this dtype is below."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return False if dtype.kind == "b" else -np.inf


def _divisors(
    spatial: Ints,
    out: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    count_include_pad: bool,
    dtype: np.dtype[Any],
) -> Array | int:
    """Cells by which each window's sum is divided, of shape ``out``; one int if all are equal."""
    counts = []
    for n, o, k, s, (before, after) in zip(spatial, out, kernel, stride, padding, strict=True):
        first = np.arange(o) * s - before
        stop = np.minimum(first + k, n + after)
        if not count_include_pad:
            first, stop = np.maximum(first, 0), np.minimum(stop, n)
        counts.append(np.maximum(stop - first, 1))  # a window without cells sums to 0: 0 / 1
    if all((count == k).all() for count, k in zip(counts, kernel, strict=True)):
        return math.prod(kernel)
    return reduce(np.multiply.outer, counts).astype(dtype)


# -------------------------------------------------------------------------- where the maximum is


def _winner(x: Array, y: Array, taps: list[tuple[Index, Index]]) -> Array:
    """Which tap of every window the maximum is: the last counts 1, the first ``len(taps)``.

    So the largest rank is the first tap to hit; 0 means that there was none. Ranks are bytes,
    mostly, which NumPy handles many at a time; selecting by mask would be ten times slower.
    """
    dtype = np.min_scalar_type(len(taps))
    rank = np.zeros(y.shape, dtype)
    for i, (windows, cells) in enumerate(taps):
        part = rank[windows]
        hit = np.equal(x[cells], y[windows])
        np.maximum(part, np.multiply(hit, dtype.type(len(taps) - i), dtype=dtype), out=part)
    if y.dtype.kind == "f" and not rank.all():  # a nan equals nothing, itself included
        for i, (windows, cells) in enumerate(taps):
            np.copyto(rank[windows], dtype.type(len(taps) - i), where=np.isnan(x[cells]))
    return rank


def _flat_steps(spatial: Ints, kernel: Ints, dilation: Ints) -> list[int]:
    """Distance of every tap from the first, in cells of the flat plane, row-major."""
    strides = [math.prod(spatial[i + 1 :]) for i in range(len(spatial))]
    return [
        sum(t * d * s for t, d, s in zip(tap, dilation, strides, strict=True))
        for tap in itertools.product(*map(range, kernel))
    ]


def _flat_origins(spatial: Ints, out: Ints, stride: Ints, padding: Padding) -> Array:
    """Flat index of the first cell of every window, as if the plane went on into its padding."""
    origins = np.zeros((1,) * len(out), np.int64)
    for i, (o, s, (before, _)) in enumerate(zip(out, stride, padding, strict=True)):
        step = math.prod(spatial[i + 1 :])
        place = (np.arange(o) * s - before) * step
        origins = origins + place.reshape(-1, *(1,) * (len(out) - i - 1))
    return origins
