"""Convolution on plain arrays: the forward pass, its two adjoints, and im2col as in textbooks.

Everything works on any number of spatial axes, ``(N, C, *spatial)``, and knows nothing of Tensors:
strides and dilations are ints per axis, padding is ``(before, after)`` per axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autograd.kernels import winograd
from autograd.kernels._bands import Bands, Layout, Piece, layout
from autograd.kernels._rows import Axis, axes_of, batches
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import (
    hold_back_blas,
    in_shares,
    in_threads,
    thread_count,
)
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array, Index, Ints, Padding, each_tap, trailing

__all__ = [
    "col2im",
    "conv",
    "conv_input_grad",
    "conv_output_shape",
    "conv_weight_grad",
    "im2col",
]

# Work below so many multiplications is not shared out over threads; to lay out a column costs about
# as much as this many filters' multiplications with it.
_SHARED = 1 << 25
_COLUMN_COST = 16
# A gradient of fewer weights than this is computed transposed.
_TRANSPOSED = 1 << 16
# Outputs are computed in pieces of about this many bytes, before the padding between them is left
# out.
_OUTPUT_BYTES = 1 << 22
# From this many positions on, one product per image beats gathering several images.
_MIN_POINTWISE = 64


# ---------------------------------------------------------------------------------- the kernels


def conv_output_shape(
    spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> tuple[int, ...]:
    """Spatial shape of a convolution's output.

    Per axis ``floor((size + pads - extent) / stride) + 1``, where one window extends over
    ``extent = (kernel - 1) * dilation + 1`` cells. An axis too short for a single window gives 0.

    >>> conv_output_shape((32, 32), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    (16, 16)
    """
    return tuple(
        max(0, (n + before + after - (k - 1) * d - 1) // s + 1)
        for n, k, s, (before, after), d in zip(
            spatial, kernel, stride, padding, dilation, strict=True
        )
    )


@compilable(least=1 << 10)
def conv(
    x: Array,
    weight: Array,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """Cross-correlate ``x`` with ``weight``: what every library calls convolution.

    With ``o`` a window, ``t`` a tap of the kernel, and ``x`` read as 0 outside its bounds,

        y[n, k, o] = sum over c, t of  weight[k, c, t] * x[n, c, o * stride + t * dilation - before]

    Args:
        x: input, ``(N, C, *spatial)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        stride: step from window to window, per spatial axis.
        padding: zeros ``(before, after)`` each spatial axis.
        dilation: step from tap to tap within a window, per spatial axis.
        groups: number of blocks the channels are split into; block ``i`` of the output sees only
            block ``i`` of the input.
        bias: one number per filter, ``(O,)``, added to all of its outputs; None for none.

    Returns:
        Output, ``(N, O, *out)``, with ``out`` from `conv_output_shape`.

    >>> x = np.arange(5.0).reshape(1, 1, 5)
    >>> conv(x, np.array([[[-1.0, 1.0]]]), (1,), ((0, 0),), (1,), 1)
    array([[[1., 1., 1., 1.]]])
    """
    hold_back_blas()
    out = conv_output_shape(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    dtype = np.result_type(x, weight) if bias is None else np.result_type(x, weight, bias)
    y = np.empty((x.shape[0], weight.shape[0], *out), dtype)
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    before = [b for b, _ in padding]
    if _serves_winograd(x, w, y, stride, dilation) and _by_winograd(x, w, y, before, bias):
        return y
    _correlate(x, w, y, stride, before, dilation, bias)
    return y


@compilable(least=1 << 10)
def conv_input_grad(
    g: Array,
    weight: Array,
    spatial: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """Adjoint of `conv` with respect to its input, also known as transposed convolution.

    Args:
        g: cotangent of the output, ``(N, O, *out)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        spatial: spatial shape of the input.
        stride, padding, dilation, groups: as given to `conv`.

    Returns:
        Cotangent of the input, ``(N, C, *spatial)``; 0 where no window read the input.

    >>> g = np.array([[[1.0, 10.0]]])
    >>> conv_input_grad(g, np.array([[[2.0, 3.0]]]), (5,), (2,), ((0, 0),), (1,), 1)
    array([[[ 2.,  3., 20., 30.,  0.]]])
    """
    hold_back_blas()
    gx = np.empty((g.shape[0], groups * weight.shape[1], *spatial), np.result_type(g, weight))
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    before = [b for b, _ in padding]
    if _serves_winograd(g, w.swapaxes(1, 2), gx, stride, dilation) and _by_winograd(
        g, w, gx, [2 - b for b in before], adjoint=True
    ):
        return gx
    if _prefers_scatter(g, w, stride):
        _scatter(g, w, gx, stride, before, dilation)
        return gx
    # All cells whose padded index leaves the same remainder modulo the stride are reached by the
    # same taps, and their cotangent is an ordinary stride-1 correlation of g with those taps
    # reversed: nothing to scatter, and no product with the zeros of a stretched-out g.
    w = w.swapaxes(1, 2)
    residues = [
        _residues(k, s, b, d)
        for k, s, b, d in zip(weight.shape[2:], stride, before, dilation, strict=True)
    ]
    for parts in itertools.product(*residues):
        cells = gx[trailing(slice(r.first, None, s) for r, s in zip(parts, stride, strict=True))]
        taps = w[trailing(r.taps for r in parts)]
        ones = [1] * len(parts)
        _correlate(g, taps, cells, ones, [r.before for r in parts], [r.dilation for r in parts])
    return gx


@compilable(least=1 << 10)
def conv_weight_grad(
    g: Array,
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """Adjoint of `conv` with respect to its weight.

    Args:
        g: cotangent of the output, ``(N, O, *out)``.
        x: input, ``(N, C, *spatial)``.
        kernel: spatial shape of the kernel.
        stride, padding, dilation, groups: as given to `conv`.

    Returns:
        Cotangent of the weight, ``(O, C // groups, *kernel)``.

    >>> g, x = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]])
    >>> conv_weight_grad(g, x, (2,), (1,), ((0, 0),), (1,), 1)
    array([[[21., 32.]]])
    """
    hold_back_blas()
    channels, filters = x.shape[1] // groups, g.shape[1] // groups
    dtype = np.result_type(g, x)
    depth = channels * math.prod(kernel)
    before = [b for b, _ in padding]
    w = np.empty((groups, filters, channels, *kernel), dtype)
    if _serves_winograd(x, w, g, stride, dilation):
        for i, (cells, outs) in enumerate(_blocks(groups, channels, filters)):
            w[i] = winograd.correlate_weight_grad(g[:, outs], x[:, cells], before)
        if np.isfinite(w).all():
            return w.reshape(groups * filters, channels, *kernel)
    if not (g.size and x.size and depth):
        return np.zeros((groups * filters, channels, *kernel), dtype)
    axes = axes_of(x.shape[2:], g.shape[2:], kernel, stride, before, dilation)
    bands = _bands(w, axes, stride, dilation, g.shape)
    # Positions that belong to no window have cotangent 0. That is exact, unless they meet an inf or
    # a nan, which is found out below.
    with np.errstate(invalid="ignore"):
        if bands is not None:
            gw = _weigh_bands(g, x, w, bands, stride[0], before[0])
        else:
            gw = _weigh(g, x, w, stride, before, dilation)
    if dtype.kind in "fc" and not np.isfinite(gw).all():
        return _weight_grad_by_tap(g, x, kernel, stride, padding, dilation, groups)
    return gw.reshape(groups * filters, channels, *kernel)


# ------------------------------------------------------------------------ im2col, as in textbooks


def im2col(x: Array, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Array:
    """Lay out every window of ``x`` as a column, so that convolution becomes a matrix product.

    The textbook form, whole batch at once; `conv` gets the same product from cache-sized pieces.

    Args:
        x: input, ``(N, C, *spatial)``.
        kernel: spatial shape of the window.
        stride, padding, dilation: as for `conv`.

    Returns:
        Columns, ``(N, C * prod(kernel), prod(out))``, both axes in row-major order, as
        ``torch.nn.functional.unfold`` lays them out.

    >>> im2col(np.arange(4).reshape(1, 1, 4), (2,), (1,), ((0, 0),), (1,))
    array([[[0, 1, 2],
            [1, 2, 3]]])
    """
    out = conv_output_shape(x.shape[2:], kernel, stride, padding, dilation)
    cols = np.zeros((*x.shape[:2], math.prod(kernel), *out), x.dtype)
    taps = each_tap(x.shape[2:], out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        cols[:, :, i][windows] = x[cells]
    return cols.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(out))


def col2im(
    cols: Array, spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Array:
    """Adjoint of `im2col`: add every column back onto the cells its window covers.

    Args:
        cols: columns, ``(N, C * prod(kernel), prod(out))``.
        spatial: spatial shape of the result.
        kernel, stride, padding, dilation: as given to `im2col`.

    Returns:
        Sums, ``(N, C, *spatial)``, as ``torch.nn.functional.fold`` gives them.

    >>> col2im(np.ones((1, 2, 3)), (4,), (2,), (1,), ((0, 0),), (1,))
    array([[[1., 2., 2., 1.]]])
    """
    out = conv_output_shape(spatial, kernel, stride, padding, dilation)
    channels = cols.shape[1] // math.prod(kernel)
    cols = cols.reshape(cols.shape[0], channels, math.prod(kernel), *out)
    x = np.zeros((cols.shape[0], channels, *spatial), cols.dtype)
    taps = each_tap(spatial, out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        x[cells] += cols[:, :, i][windows]
    return x


# ----------------------------------------------------------------------- what is done with them


def _correlate(
    x: Array,
    w: Array,
    y: Array,
    stride: Ints,
    before: Ints,
    dilation: Ints,
    bias: Array | None = None,
) -> None:
    """Write into ``y`` (any strided view) the correlation of ``x``, read as 0 outside its bounds.

    ``x`` is ``(N, groups * channels, *spatial)``, ``w`` ``(groups, filters, channels, *kernel)``
    and ``y`` ``(N, groups * filters, *out)``; window 0 starts at cell ``-before``. ``bias``,
    ``(groups * filters,)``, is added as the outputs are written.
    """
    groups, filters, _, *kernel = w.shape
    if y.size == 0:
        return
    if w.size == 0:
        y[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(kernel))
        return
    if bias is not None:
        bias = bias.reshape(groups, filters, 1)
    axes = axes_of(x.shape[2:], y.shape[2:], kernel, stride, before, dilation)
    bands = _bands(w, axes, stride, dilation, y.shape)
    if bands is not None:
        _correlate_bands(x, w, y, bands, stride[0], before[0], bias)
        return
    # Contiguous, because BLAS takes no views that run backwards.
    matrix = np.ascontiguousarray(w.reshape(groups, filters, -1), y.dtype)
    if _is_pointwise(x, w, y, stride, before):
        _correlate_pointwise(x, matrix, y, bias)
        return

    def work(shares: list[_Share]) -> None:
        for share in shares:
            correlate(share)

    def correlate(share: _Share) -> None:
        part = share.of(y)
        starts = [before[0] - share.first * stride[0], *before[1:]]
        axes = axes_of(x.shape[2:], part.shape[2:], kernel, stride, starts, dilation)
        out = np.empty((groups, filters, 0), y.dtype)
        for images, rows in batches(len(part), x.shape[1], axes, y.dtype):
            if out.shape[2] != rows.size:
                out = np.empty((groups, filters, rows.size), y.dtype)
            rows.load(x[share.images][images])
            for at, cols in rows.columns():
                np.matmul(matrix, cols.reshape(groups, matrix.shape[2], -1), out=out[..., at])
            if bias is not None:
                np.add(out, bias, out=out)
            part[images] = rows.windows(out.reshape(groups * filters, -1))

    in_shares(work, _shares(y.shape, matrix.shape[2], filters, y.itemsize))


def _bands(w: Array, axes: list[Axis], stride: Ints, dilation: Ints, shape: Ints) -> Layout | None:
    """How to compute outputs of a ``shape`` with ``w``, as in `_correlate`, by bands; None if those
    do not serve."""
    work = _multiplications(shape, w[0, 0].size, w.shape[1])
    return layout(axes, stride[0], dilation[0], shape[0], w.shape, w.itemsize, _threads_for(work))


def _correlate_bands(
    x: Array,
    w: Array,
    y: Array,
    plan: Layout,
    stride: int,
    before: int,
    bias: Array | None,
) -> None:
    """`_correlate` by bands; ``stride`` and ``before`` are those of the first axis."""
    groups, filters = w.shape[:2]
    matrix = np.ascontiguousarray(w.swapaxes(2, 3), y.dtype).reshape(groups, 1, filters, -1)
    x, y = _by_group(x, groups), _by_group(y, groups)

    def work(pieces: list[Piece]) -> None:
        for piece, bands in Bands.of_each(plan, pieces, y.dtype):
            images, some, first, last = piece
            columns = bands.load(x[images, some], first * stride - before)
            out = np.empty((*columns.shape[:2], filters, bands.size), y.dtype)
            np.matmul(matrix[some], columns, out=out[..., : columns.shape[3]])
            if bias is not None:
                np.add(out, bias[some, np.newaxis], out=out)
            y[images, some, :, first:last] = bands.windows(out)

    in_shares(work, plan.pieces)


def _by_group(x: Array, groups: int) -> Array:
    """``(N, groups * channels, ...)`` as ``(N, groups, channels, ...)``."""
    return x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])


def _correlate_pointwise(x: Array, matrix: Array, y: Array, bias: Array | None) -> None:
    """Write into ``y`` the correlation with one tap, straight from ``x``."""
    groups, filters, channels = matrix.shape
    cells = x.reshape(len(x), groups, channels, -1)
    outs = y.reshape(len(y), groups, filters, -1)
    positions = outs.shape[3]
    threads = _threads_for(y.size * (channels + _COLUMN_COST))
    by_image = len(x) >= threads

    def work(i: int) -> None:
        count = len(x) if by_image else positions
        part = slice(count * i // threads, count * (i + 1) // threads)
        at: Index = (part,) if by_image else (..., part)
        np.matmul(matrix, cells[at], out=outs[at])
        if bias is not None:
            outs[at] += bias.reshape(groups, filters, 1)

    in_threads(work, range(threads))


def _weigh(g: Array, x: Array, w: Array, stride: Ints, before: Ints, dilation: Ints) -> Array:
    """The weight gradient, in the shape and dtype of ``w`` as `_correlate` takes it."""
    groups, filters, channels, *kernel = w.shape
    depth = channels * math.prod(kernel)
    # BLAS prefers the long axis first; but what is large takes long to transpose.
    transposed = depth > filters and depth * filters < _TRANSPOSED
    sums: list[Array] = []

    def work(shares: list[_Share]) -> None:
        total = np.zeros(
            (groups, depth, filters) if transposed else (groups, filters, depth), w.dtype
        )
        total = total.swapaxes(1, 2) if transposed else total
        for share in shares:
            add(share, total)
        sums.append(total)

    def add(share: _Share, total: Array) -> None:
        part = share.of(g)
        starts = [before[0] - share.first * stride[0], *before[1:]]
        axes = axes_of(x.shape[2:], part.shape[2:], kernel, stride, starts, dilation)
        term = np.empty_like(total)
        for images, rows in batches(len(part), x.shape[1], axes, w.dtype):
            rows.load(x[share.images][images])
            cotangent = rows.spread(part[images]).reshape(groups, filters, -1)
            for at, cols in rows.columns():
                cols = cols.reshape(groups, depth, -1).swapaxes(1, 2)
                np.matmul(cotangent[..., at], cols, out=term)
                np.add(total, term, out=total)

    in_shares(work, _shares(g.shape, depth, filters, w.itemsize))
    return np.ascontiguousarray(sum(sums[1:], sums[0])).reshape(w.shape)


def _weigh_bands(g: Array, x: Array, w: Array, plan: Layout, stride: int, before: int) -> Array:
    """`_weigh` by bands; ``stride`` and ``before`` are those of the first axis."""
    groups, filters, channels, *kernel = w.shape
    x, g = _by_group(x, groups), _by_group(g, groups)
    sums: list[Array] = []

    def work(pieces: list[Piece]) -> None:
        total = np.zeros((groups, filters, w[0, 0].size), w.dtype)
        for piece, bands in Bands.of_each(plan, pieces, w.dtype):
            images, some, first, last = piece
            columns = bands.load(x[images, some], first * stride - before)
            cotangent = bands.spread(g[images, some, :, first:last])[..., : columns.shape[3]]
            total[some] += np.matmul(cotangent, columns.swapaxes(2, 3)).sum(axis=1)
        sums.append(total)

    in_shares(work, plan.pieces)
    gw = sum(sums[1:], sums[0]).reshape(groups, filters, kernel[0], channels, *kernel[1:])
    return np.ascontiguousarray(gw.swapaxes(2, 3))


class _Share(NamedTuple):
    """Some of the outputs: a few images, or a few rows of one."""

    images: slice
    first: int  # row of the outputs, on the first spatial axis
    last: int

    def of(self, y: Array) -> Array:
        return y[self.images, :, self.first : self.last]


def _shares(shape: Ints, depth: int, filters: int, itemsize: int) -> list[_Share]:
    """Cut up outputs of a ``shape``, each of which is a sum over ``depth`` products.

    There are as many shares as threads, or more where a single image's outputs are many.
    """
    images, _, rows, *_ = shape
    threads = _threads_for(_multiplications(shape, depth, filters))
    size = math.prod(shape[1:]) * itemsize
    if size > 2 * _OUTPUT_BYTES:
        several = -(-size // _OUTPUT_BYTES)
    elif images >= threads:
        bounds = [images * i // threads for i in range(threads + 1)]
        return [_Share(slice(i, j), 0, rows) for i, j in pairwise(bounds)]
    else:
        several = threads
    bounds = [rows * i // several for i in range(several + 1)]
    if size <= 2 * _OUTPUT_BYTES:
        return [_Share(slice(0, images), i, j) for i, j in pairwise(bounds) if i < j]
    return [
        _Share(slice(n, n + 1), i, j) for n in range(images) for i, j in pairwise(bounds) if i < j
    ]


def _multiplications(shape: Ints, depth: int, filters: int) -> int:
    """What it costs to compute outputs of a ``shape``, columns included."""
    size = math.prod(shape)
    return size * depth + size // filters * depth * _COLUMN_COST


def _threads_for(work: int) -> int:
    """Threads that are worth waking for so much work, in multiplications."""
    return thread_count() if work >= _SHARED else 1


def _is_pointwise(x: Array, w: Array, y: Array, stride: Ints, before: Ints) -> bool:
    """Whether a correlation is one matrix product per image, straight from ``x`` into ``y``."""
    return (
        math.prod(w.shape[3:]) == 1
        and x.shape[2:] == y.shape[2:]
        and math.prod(y.shape[2:]) >= _MIN_POINTWISE
        and all(s == 1 for s in stride)
        and not any(before)
        and x.dtype == y.dtype
        and x.flags.c_contiguous
        and y.flags.c_contiguous
    )


def _serves_winograd(x: Array, w: Array, y: Array, stride: Ints, dilation: Ints) -> bool:
    """Whether to correlate ``x`` with ``w`` into ``y``, as in `_correlate`, by Winograd's tiles."""
    if SETTINGS.convolution == "direct" or w.shape[3:] != (3, 3):
        return False
    if any(a.dtype != np.float32 or not a.size for a in (x, w, y)):
        return False
    if any(s != 1 for s in (*stride, *dilation)):
        return False
    return SETTINGS.convolution == "winograd" or winograd.pays(len(x), w.shape[1:], y.shape[2:])


def _by_winograd(
    x: Array,
    w: Array,
    y: Array,
    before: Ints,
    bias: Array | None = None,
    adjoint: bool = False,
) -> bool:
    """`_correlate` by Winograd's tiles; False where the numbers are not finite (or huge)."""
    channels, filters = (w.shape[1], w.shape[2]) if adjoint else (w.shape[2], w.shape[1])
    for i, (cells, outs) in enumerate(_blocks(len(w), channels, filters)):
        added = None if bias is None else bias[outs]
        if not winograd.correlate(x[:, cells], w[i], y[:, outs], before, added, adjoint):
            return False
    return True


def _blocks(groups: int, channels: int, filters: int) -> Iterator[tuple[slice, slice]]:
    """Channels and filters of each group."""
    for i in range(groups):
        yield (
            slice(i * channels, (i + 1) * channels),
            slice(i * filters, (i + 1) * filters),
        )


def _prefers_scatter(g: Array, w: Array, stride: Ints) -> bool:
    """Whether columns of ``g`` cost too much: there are many filters to few channels, or to so few
    windows that reversing the kernels would take as long; or windows are apart, so that there is
    nothing to add up."""
    _, filters, channels, *kernel = w.shape
    if math.prod(kernel) == 1 or not g.size or not w.size:
        return False
    apart = all(k <= s for k, s in zip(kernel, stride, strict=True))
    strided = max(stride) > 1
    many = filters > 2 * channels or (strided and filters == 2 * channels)
    few = len(g) * math.prod(g.shape[2:]) < 4 * filters
    return (apart or many or few) and bool(np.isfinite(w).all())


def _scatter(g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gx`` the input gradient, by adding up columns as `col2im` does.

    ``g`` is ``(N, groups * filters, *out)``, ``w`` ``(groups, filters, channels, *kernel)``, and
    ``gx`` ``(N, groups * channels, *spatial)``. ``w`` must be finite: positions that belong to no
    window have cotangent 0, and their products with it must be 0 too.
    """
    groups, filters, _, *kernel = w.shape
    matrix = np.ascontiguousarray(w.reshape(groups, filters, -1), gx.dtype).swapaxes(1, 2)
    axes = axes_of(gx.shape[2:], g.shape[2:], kernel, stride, before, dilation)

    def work(images: slice) -> None:
        cotangents, part = g[images], gx[images]
        part[...] = 0
        for images, rows in batches(len(part), gx.shape[1], axes, gx.dtype, added=True):
            cotangent = rows.spread(cotangents[images]).reshape(groups, filters, -1)
            for at, cols in rows.scatter():
                np.matmul(matrix, cotangent[..., at], out=cols.reshape(groups, matrix.shape[1], -1))
            rows.unload(part[images])

    threads = min(len(g), _threads_for(_multiplications(g.shape, matrix.shape[1], filters)))
    bounds = [len(g) * i // threads for i in range(threads + 1)]
    in_threads(work, [slice(i, j) for i, j in pairwise(bounds)])


class _Residue(NamedTuple):
    """Cells of one axis that share a remainder modulo the stride, and what correlation they are."""

    first: int  # the first of these cells
    taps: slice  # the taps that reach them, last tap first
    before: int
    dilation: int


def _residues(kernel: int, stride: int, before: int, dilation: int) -> list[_Residue]:
    """Split one axis of the input by ``(cell + before) % stride``; see `conv_input_grad`.

    Cell ``i`` with ``i + before = q * stride + r`` meets tap ``t`` in window
    ``q - t * dilation // stride``, provided ``t * dilation % stride == r``.
    """
    common = math.gcd(stride, dilation)
    apart = stride // common
    residues = []
    for r in range(stride):
        first = (r - before) % stride
        q = (first + before - r) // stride
        taps = [t for t in range(kernel) if t * dilation % stride == r]
        if taps:
            reach = taps[-1] * dilation // stride
            backwards = slice(taps[-1], None, -apart)
            residues.append(_Residue(first, backwards, reach - q, dilation // common))
        else:
            residues.append(_Residue(first, slice(0, 0), 0, 1))
    return residues


def _weight_grad_by_tap(
    g: Array,
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """`conv_weight_grad` tap by tap: slower, but each tap meets only the cells its windows read."""
    images, channels, filters = x.shape[0], x.shape[1] // groups, g.shape[1] // groups
    gw = np.zeros((groups, filters, channels, math.prod(kernel)), np.result_type(g, x))
    taps = each_tap(x.shape[2:], g.shape[2:], kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        seen = x[cells].reshape(images, groups, channels, -1)
        cotangent = g[windows].reshape(images, groups, filters, -1)
        gw[..., i] = np.matmul(cotangent, seen.swapaxes(2, 3)).sum(axis=0)
    return gw.reshape(groups * filters, channels, *kernel)
