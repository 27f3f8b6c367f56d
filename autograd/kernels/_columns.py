"""Correlation, and the gradient of its kernels, as products of matrices with columns.

Columns are laid out by bands of rows or as flat rows, a piece at a time (see `_bands` and `_rows`).
Arrays are ``(N, groups, channels, *spatial)`` here, but where it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autograd.kernels._bands import Bands, Layout, Piece, layout
from autograd.kernels._rows import axes_of, batches
from autograd.kernels._shares import (
    Share,
    by_group,
    few_outputs,
    multiplications,
    parts_of,
    shares_of,
    threads_for,
)
from autograd.kernels._threads import in_shares, in_threads
from autograd.kernels._windows import Array, Index, Ints, trailing

__all__ = ["Results", "correlate", "weigh", "weigh_by_rows"]

# A gradient of fewer weights than this is computed transposed.
_TRANSPOSED = 1 << 18
# From this many positions on, one product per image beats gathering several images.
_MIN_POINTWISE = 64


class Results:
    """Where the results of a correlation go: every so many filters to an array of their own.

    Attributes:
        shape: of all results, ``(N, groups, filters, *out)``.
        dtype: of each.
        alone: the array where all go, if it is only one.
    """

    def __init__(self, views: Sequence[tuple[Array, Ints]], out: Ints) -> None:
        """Views are ``(N, groups, filters, *cells)``, each with the window of its first cell."""
        view = views[0][0]
        self._views = views
        self.alone = view if len(views) == 1 else None
        self.shape = (*view.shape[:2], len(views) * view.shape[2], *out)
        self.dtype = view.dtype

    @classmethod
    def all_of(cls, y: Array, groups: int) -> Results:
        """All of ``y``, ``(N, groups * filters, *out)``."""
        return cls([(by_group(y, groups), [0] * (y.ndim - 2))], y.shape[2:])

    def of(self, filters: slice) -> Results:
        """Those of some filters, where all go to one array."""
        ((view, starts),) = self._views
        return Results([(view[:, :, filters], starts)], self.shape[3:])

    def write(
        self, images: slice, groups: slice, first: int, found: Array, bias: Array | None = None
    ) -> None:
        """Put down ``found``, ``(images, groups, filters, rows, ...)``, from row ``first`` on.

        A ``bias``, which fits ``found``, is added where all go to one array.
        """
        last = first + found.shape[3]
        if self.alone is not None:
            part = self.alone[images, groups, :, first:last]
            if bias is None:
                part[...] = found
            else:
                np.add(found, bias, out=part)
            return
        blocks = np.split(found, len(self._views), axis=2)
        for block, (view, (start, *others)) in zip(blocks, self._views, strict=True):
            low, high = max(first, start), min(last, start + view.shape[3])
            if low < high:
                ends = zip(others, view.shape[4:], strict=True)
                kept = (slice(low - first, high - first), *(slice(i, i + n) for i, n in ends))
                view[images, groups, :, low - start : high - start] = block[trailing(kept)]

    def fill(self, values: Array | int) -> None:
        for view, _ in self._views:
            view[...] = values


def correlate(
    x: Array,
    w: Array,
    y: Results,
    stride: Ints,
    before: Ints,
    dilation: Ints,
    bias: Array | None = None,
) -> None:
    """Write into ``y`` the correlation of ``x``, read as 0 outside its bounds.

    ``x`` is ``(N, groups * channels, *spatial)``, ``w`` ``(groups, filters, channels, *kernel)``;
    window 0 starts at cell ``-before``. ``bias``, ``(groups * filters,)``, is added to the outputs.
    """
    groups, filters, _, *kernel = w.shape
    if not math.prod(y.shape):
        return
    if bias is not None:
        bias = bias.reshape(groups, filters, *[1] * len(kernel))
    if w.size == 0:
        y.fill(0 if bias is None else bias)
        return
    x = by_group(x, groups)
    out = y.shape[3:]
    threads = threads_for(multiplications(y.shape, w[0, 0].size))
    bands = layout(len(x), w.shape, x.shape[3:], out, stride, before, dilation, w.itemsize, threads)
    if bands is not None:
        _correlate_bands(x, w, y, bands, stride[0], before[0], bias)
        return
    matrix = w.reshape(groups, filters, -1).astype(y.dtype, copy=False)
    if matrix.itemsize not in matrix.strides[1:] or min(matrix.strides) < 0:
        matrix = np.ascontiguousarray(matrix)  # BLAS takes no views that run backwards
    if _is_pointwise(x, w, y, stride, before):
        _correlate_pointwise(x, matrix, y, bias, threads)
        return

    def of_share(share: Share, matrix: Array, y: Results, bias: Array | None) -> None:
        some = x[share.images]
        starts = [before[0] - share.first * stride[0], *before[1:]]
        rows_out = [share.last - share.first, *out[1:]]
        axes = axes_of(x.shape[3:], rows_out, kernel, stride, starts, dilation)
        found = np.empty((*matrix.shape[:2], 0), y.dtype)
        for images, rows in batches(len(some), x.shape[1:3], axes, y.dtype):
            if found.shape[2] != rows.size:
                found = np.empty((*matrix.shape[:2], rows.size), y.dtype)
            rows.load(some[images])
            for at, cols in rows.columns():
                np.matmul(matrix, cols.reshape(groups, matrix.shape[2], -1), out=found[..., at])
            y.write(share.part(images), slice(None), share.first, rows.windows(found), bias)

    def work(shares: list[Share]) -> None:
        for share in shares:
            of_share(share, matrix, y, bias)

    def work_on_filters(some: slice) -> None:
        added = None if bias is None else bias[:, some]
        for share in shares_of(y.shape, y.dtype.itemsize, 1):
            of_share(share, matrix[:, some], y.of(some), added)

    if threads > 1 and y.alone is not None and few_outputs(y.shape, 8):
        in_threads(work_on_filters, parts_of(filters, threads))
    else:
        in_shares(work, shares_of(y.shape, y.dtype.itemsize, threads))


def _correlate_bands(
    x: Array,
    w: Array,
    y: Results,
    plan: Layout,
    stride: int,
    before: int,
    bias: Array | None,
) -> None:
    """`correlate` by bands; ``stride`` and ``before`` are those of the first axis."""
    groups, filters = w.shape[:2]
    matrix = np.ascontiguousarray(w.swapaxes(2, 3), y.dtype).reshape(groups, 1, filters, -1)

    def work(pieces: list[Piece]) -> None:
        for piece, bands in Bands.of_each(plan, pieces, y.dtype):
            columns = bands.load(x[piece.images, piece.groups], piece.first * stride - before)
            out = np.empty((*columns.shape[:2], filters, bands.size), y.dtype)
            np.matmul(matrix[piece.groups], columns, out=out[..., : columns.shape[3]])
            added = None if bias is None else bias[piece.groups]
            y.write(piece.images, piece.groups, piece.first, bands.windows(out), added)

    in_shares(work, plan.pieces, plan.threads)


def _correlate_pointwise(
    x: Array, matrix: Array, y: Results, bias: Array | None, threads: int
) -> None:
    """Write into ``y`` the correlation with one tap, straight from ``x``."""
    groups, filters, _ = matrix.shape
    cells = x.reshape(*x.shape[:3], -1)
    positions = cells.shape[3]
    straight = y.alone is not None and y.alone.flags.c_contiguous
    outs = y.alone if straight and y.alone is not None else np.empty(y.shape, y.dtype)
    outs = outs.reshape(*y.shape[:3], positions)
    by_image = len(x) >= threads

    def work(part: slice) -> None:
        at: Index = (part,) if by_image else (..., part)
        np.matmul(matrix, cells[at], out=outs[at])
        if bias is not None:
            outs[at] += bias.reshape(groups, filters, 1)
        if not straight and by_image:
            y.write(part, slice(None), 0, outs[part].reshape(-1, *y.shape[1:]))

    in_threads(work, parts_of(len(x) if by_image else positions, threads))
    if not straight and not by_image:
        y.write(slice(None), slice(None), 0, outs.reshape(y.shape))


def _is_pointwise(x: Array, w: Array, y: Results, stride: Ints, before: Ints) -> bool:
    """Whether a correlation is one matrix product per image, straight from ``x``."""
    return (
        math.prod(w.shape[3:]) == 1
        and x.shape[3:] == y.shape[3:]
        and math.prod(y.shape[3:]) >= _MIN_POINTWISE
        and all(s == 1 for s in stride)
        and not any(before)
        and x.dtype == y.dtype
        and x.flags.c_contiguous
    )


def weigh(g: Array, x: Array, gw: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gw``, ``(groups, filters, channels, *kernel)``, the weight gradient.

    ``g`` is ``(N, groups, filters, *out)``, ``x`` ``(N, groups, channels, *spatial)``. Positions
    that belong to no window have cotangent 0: what they meet must be finite.
    """
    filters = gw.shape[1]
    threads = threads_for(multiplications(g.shape, gw[0, 0].size))
    sizes = len(x), gw.shape, x.shape[3:], g.shape[3:]
    bands = layout(*sizes, stride, before, dilation, gw.itemsize, threads)

    def work(some: slice) -> None:
        weigh_by_rows(g[:, :, some], x, gw[:, some], stride, before, dilation, 1)

    if bands is not None:
        _weigh_bands(g, x, gw, bands, stride[0], before[0])
    elif threads > 1 and few_outputs(g.shape, 2):
        in_threads(work, parts_of(filters, threads))
    else:
        weigh_by_rows(g, x, gw, stride, before, dilation, threads)


def weigh_by_rows(
    g: Array,
    x: Array,
    gw: Array,
    stride: Ints,
    before: Ints,
    dilation: Ints,
    threads: int,
    correlated: tuple[Array, Array] | None = None,
) -> None:
    """Write into ``gw``, ``(groups, filters, channels, *kernel)``, the weight gradient.

    Arrays are as for `weigh`; that a number is not finite, the caller finds out of ``gw``. With
    ``correlated``, kernels like ``gw`` and an array like ``g`` without groups, also write into the
    latter the correlation of ``x`` with the former.
    """
    groups, filters, channels, *kernel = gw.shape
    depth = channels * math.prod(kernel)
    # BLAS prefers the long axis first; but what is large takes long to transpose.
    transposed = depth > filters and depth * filters < _TRANSPOSED
    sums: list[Array] = []
    if correlated is not None:
        kernels, results = correlated
        matrix = np.ascontiguousarray(kernels.reshape(groups, filters, -1))
        y = Results.all_of(results, groups)

    def work(shares: list[Share]) -> None:
        total = term = np.empty(
            (groups, depth, filters) if transposed else (groups, filters, depth), gw.dtype
        )
        for share in shares:
            part = share.of(g)
            starts = [before[0] - share.first * stride[0], *before[1:]]
            axes = axes_of(x.shape[3:], part.shape[3:], kernel, stride, starts, dilation)
            for images, rows in batches(len(part), x.shape[1:3], axes, gw.dtype):
                rows.load(x[share.images][images])
                cotangent = rows.spread(part[images])
                if correlated is not None:
                    found = np.empty_like(cotangent)
                for at, cols in rows.columns():
                    cols = cols.reshape(groups, depth, -1)
                    if correlated is not None:
                        np.matmul(matrix, cols, out=found[..., at])
                    with np.errstate(invalid="ignore"):
                        if transposed:
                            np.matmul(cols, cotangent[..., at].swapaxes(1, 2), out=term)
                        else:
                            np.matmul(cotangent[..., at], cols.swapaxes(1, 2), out=term)
                        if term is total:
                            term = np.empty_like(total)
                        else:
                            np.add(total, term, out=total)
                if correlated is not None:
                    y.write(share.part(images), slice(None), share.first, rows.windows(found))
        sums.append(total.swapaxes(1, 2) if transposed else total)

    in_shares(work, shares_of(g.shape, gw.itemsize, threads))
    with np.errstate(invalid="ignore"):
        gw[...] = sum(sums[1:], sums[0]).reshape(gw.shape)


def _weigh_bands(g: Array, x: Array, gw: Array, plan: Layout, stride: int, before: int) -> None:
    """`weigh` by bands; ``stride`` and ``before`` are those of the first axis."""
    groups, filters, channels, *kernel = gw.shape
    sums: list[Array] = []

    def work(pieces: list[Piece]) -> None:
        total = np.zeros((groups, gw[0, 0].size, filters), gw.dtype)
        for piece, bands in Bands.of_each(plan, pieces, gw.dtype):
            images, some, first, last = piece
            columns = bands.load(x[images, some], first * stride - before)
            cotangent = bands.spread(g[images, some, :, first:last])[..., : columns.shape[3]]
            # BLAS prefers the long axis first.
            total[some] += np.matmul(columns, cotangent.swapaxes(2, 3)).sum(axis=1)
        sums.append(total)

    in_shares(work, plan.pieces, plan.threads)
    total = sum(sums[1:], sums[0]).reshape(groups, kernel[0], channels, *kernel[1:], filters)
    gw[...] = np.moveaxis(total, -1, 1).swapaxes(2, 3)
