"""Columns that are copied for all axes but the first, along which a matrix product finds them.

Flat rows (see `_rows`) copy a column matrix with one run for each tap of the kernel. Here each row
of an image is a flat row of its own, and only the taps along the other axes are copied, for 3 by 3
kernels three instead of nine:

    row 0   a b c   as 1st, 2nd, 3rd tap sees it   |
    row 1   d e f   as 1st, 2nd, 3rd tap sees it   |  |
    row 2   g h i   as 1st, 2nd, 3rd tap sees it   |  |  |
    row 3   ...                                       |  |

What the windows of one row read is a band of these rows, one below the other at equal distances: a
column matrix as it stands, that shares most of its rows with the next one.

The other way round, a row of the input gets its gradient from a band of rows of the output: what
the taps along the other axes add up are products with such bands, and nothing is copied for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from autograd.kernels._kept import Loan
from autograd.kernels._rows import Axis, FlatRows, axes_of, prefers_innermost
from autograd.kernels._windows import Array, Ints

__all__ = [
    "Bands",
    "Layout",
    "Piece",
    "bands_pay",
    "layout",
    "scatter_by_bands",
    "scattered_bands_pay",
]

# Bands are about this many numbers wide, if there are enough images, ...
_WIDTH = 512
# ... and never much narrower: that many products of narrow matrices cost more than the copies.
_MIN_WIDTH = 200
# They pay where copies outweigh the results, with at least so many taps (of all channels) to each
# filter, and the products do not outweigh both, with at most so many weights; all per group.
_TAPS_PER_FILTER = 4
_MOST_WEIGHTS = 1 << 12
# Bands share rows where kernels have two taps to a step of the stride. With one they pay for planes
# of so many windows, of which flat rows leave the cache; half as many where there is one channel.
_LARGE_PLANE = 1 << 10
# What is worked on at once is about this large: Python is left behind, caches are not.
_PIECE_BYTES = 1 << 22
# Rows of windows that are worked on at once, at least, per tap along the first axis.
_MIN_ROWS = 2
# For the gradient of an input, products must have so many rows, and there must be as many filters
# as channels; where the taps are fewer than these, twice as many, and at most so many weights.
_MIN_PRODUCT = 20
_MANY_TAPS = 16
_FEW_WEIGHTS = 1 << 13


class Piece(NamedTuple):
    """Some images, groups of their channels, and rows of windows: what is worked on at once."""

    images: slice
    groups: slice
    first: int
    last: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return (
            self.images.stop - self.images.start,
            self.groups.stop - self.groups.start,
            self.last - self.first,
        )


class Layout(NamedTuple):
    """How to cut a correlation into pieces, and how each is laid out."""

    axes: tuple[Axis, ...]  # but the first
    kernel: int  # taps along the first axis
    stride: int  # ... and the step from window to window
    channels: int  # per group
    pieces: list[Piece]
    threads: int  # that share them


def bands_pay(images: int, weight: Ints, out: Ints) -> bool:
    """Whether a correlation by bands, undilated along the first axis, is faster than by flat rows.

    Args:
        images: how many.
        weight: groups, filters and channels of a group, and the kernel.
        out: spatial shape of the outputs.

    >>> bands_pay(8, (64, 1, 1, 3, 3), (56, 56)), bands_pay(8, (1, 64, 32, 3, 3), (56, 56))
    (True, False)
    """
    _, filters, channels, *kernel = weight
    depth = channels * math.prod(kernel)
    return (
        len(kernel) > 1
        and kernel[0] > 1
        and _TAPS_PER_FILTER * filters <= depth
        and filters * depth <= _MOST_WEIGHTS
        and images * math.prod(out[1:]) >= _MIN_WIDTH
    )


def layout(
    images: int,
    weight: Ints,
    spatial: Ints,
    out: Ints,
    stride: Ints,
    before: Ints,
    dilation: Ints,
    itemsize: int,
    threads: int,
) -> Layout | None:
    """Plan a correlation by bands; None if they do not serve it.

    Args:
        images: how many.
        weight: groups, filters and channels of a group, and the kernel.
        spatial, out: shapes of inputs and outputs.
        stride, before, dilation: per axis; window 0 starts at cell ``-before``.
        itemsize: bytes of a number.
        threads: how many shall have a piece.
    """
    if dilation[0] > 1 or not bands_pay(images, weight, out):
        return None
    large = math.prod(out) * (2 if weight[2] == 1 else 1) >= _LARGE_PLANE
    if weight[3] < (1 if large else 2) * stride[0]:
        return None  # with a large stride, bands share few of their rows
    groups, filters, channels, *kernel = weight
    first, *others = axes_of(spatial, out, kernel, stride, before, dilation)
    if prefers_innermost(others, images):
        return None  # flat rows then copy long runs, and only what windows read
    width = math.prod(a.pitch for a in others)
    many = _even(images, max(1, round(_WIDTH / width)), 1)
    copies = math.prod(a.kernel for a in others) + math.prod(len(a.phases) for a in others)
    row = many * width * (channels * copies * stride[0] + filters) * itemsize
    rows = _PIECE_BYTES // row
    if rows > first.out:
        some, few = first.out, _even(groups, rows // first.out, threads)
    else:
        some, few = max(rows, _MIN_ROWS * first.kernel), 1
    parts = -(-images // many) * -(-groups // few)
    some = _even(first.out, some, 1 if parts >= threads else threads)
    pieces = [
        Piece(
            slice(i, min(images, i + many)),
            slice(g, min(groups, g + few)),
            r,
            min(first.out, r + some),
        )
        for i in range(0, images, many)
        for g in range(0, groups, few)
        for r in range(0, first.out, some)
    ]
    return Layout(tuple(others), first.kernel, stride[0], channels, pieces, threads)


def _even(count: int, wanted: int, least: int) -> int:
    """Size of equal parts of ``count`` things: at most ``wanted`` each, in ``least`` or more."""
    parts = max(-(-count // wanted), min(least, count))
    return -(-count // parts)


class Bands:
    """One piece of images, as the column matrices of its rows of windows.

    Attributes:
        size: positions of the windows of a row, and those that belong to none.
    """

    def __init__(self, plan: Layout, shape: tuple[int, int, int], dtype: DTypeLike) -> None:
        images, groups, self._rows = shape
        self._kernel, self._stride = plan.kernel, plan.stride
        height = (self._rows - 1) * plan.stride + plan.kernel
        channels = groups, height, plan.channels
        self._flat = FlatRows(list(plan.axes), images, channels, dtype, False, 0)
        self._depth = plan.channels * math.prod(a.kernel for a in plan.axes)
        self._columns: Array | None = None
        self.size = self._flat.size

    @classmethod
    def of_each(
        cls, plan: Layout, pieces: list[Piece], dtype: DTypeLike
    ) -> Iterator[tuple[Piece, Bands]]:
        """Bands for one piece after the other; each may overwrite those before."""
        axes = tuple(map(id, plan.axes))
        with Loan() as loan:
            for piece in pieces:
                shape = piece.shape
                known = axes, plan.kernel, plan.stride, plan.channels, shape, dtype
                yield piece, loan.take(known, partial(cls, plan, shape, dtype))

    @property
    def nbytes(self) -> int:
        """Of all of its arrays."""
        return self._flat.nbytes

    def load(self, x: Array, first: int) -> Array:
        """Column matrices ``(groups, rows, kernel * channels * ..., positions)``.

        Rows of ``x``, ``(images, groups, channels, *spatial)``, are read from the ``first`` on, and
        as 0 outside.
        """
        x = x.swapaxes(2, 3)
        for places, cells in self._flat.cells:
            height = places.shape[2]
            low = min(height, max(0, -first))
            high = max(low, min(height, x.shape[2] - first))
            places[:, :, :low] = places[:, :, high:] = 0
            places[:, :, low:high] = x[:, :, first + low : first + high][cells]
        ((_, columns),) = self._flat.columns()  # the same array each time
        if self._columns is None:
            columns = columns.reshape(*columns.shape[:2], self._depth, -1)
            group, row, column, number = columns.strides
            shape = (len(columns), self._rows, self._kernel * self._depth, columns.shape[3])
            strides = (group, self._stride * row, column, number)
            self._columns = as_strided(columns, shape, strides)
        return self._columns

    def spread(self, g: Array) -> Array:
        """Lay out ``g``, ``(images, groups, filters, rows, ...)``, as `windows` reads results."""
        return self._flat.spread(g.swapaxes(2, 3))

    def windows(self, flat: Array) -> Array:
        """View results, ``(groups, rows, filters, size)``, as ``(images, groups, filters, rows,
        ...)``."""
        return self._flat.windows(flat).swapaxes(2, 3)


def scattered_bands_pay(images: int, weight: Ints, out: Ints, stride: Ints, dilation: Ints) -> bool:
    """Whether `scatter_by_bands` is the fastest way to the gradient of an input.

    Args:
        images: how many.
        weight: groups, filters and channels of a group, and the kernel.
        out: spatial shape of the outputs.
        stride, dilation: per axis.

    >>> scattered_bands_pay(64, (1, 20, 10, 5, 5), (8, 8), (1, 1), (1, 1))
    True
    """
    _, filters, channels, *kernel = weight
    taps = math.prod(kernel)
    if taps < _MANY_TAPS and (filters < 2 * channels or filters * channels * taps > _FEW_WEIGHTS):
        return False
    return (
        len(kernel) > 1
        and kernel[0] > 1
        and stride[0] == dilation[0] == 1
        and images * math.prod(out[1:]) >= _MIN_WIDTH
        and channels * taps >= _MIN_PRODUCT * kernel[0]
        and filters >= channels
    )


def scatter_by_bands(g: Array, weight: Array, gx: Array, axes: list[Axis], before: int) -> None:
    """Write into ``gx`` the gradient of a convolution's input.

    Args:
        g: ``(N, groups, filters, *out)``.
        weight: ``(groups, filters, channels, *kernel)``.
        gx: ``(N, groups, channels, *spatial)``.
        axes: of the flat rows. The first has neither stride nor dilation.
        before: zeros before the first axis.
    """
    groups, filters, channels, *kernel = weight.shape
    others = axes[1:]
    height, out = gx.shape[3], g.shape[3]
    # Tap t of the first axis brings row r what window r + before - t got: the last tap comes first.
    turned = weight[:, :, :, ::-1].transpose(0, 2, *range(4, weight.ndim), 3, 1)
    matrix = np.ascontiguousarray(turned, gx.dtype).reshape(groups, 1, -1, kernel[0] * filters)
    lead = kernel[0] - 1 - before
    low, high = max(0, lead), max(0, height + before - out)  # rows of zeros around g
    width = math.prod(a.out for a in others)
    step = _even(len(g), max(1, round(_WIDTH / width)), 1)
    rows: FlatRows | None = None
    with Loan() as loan:
        for start in range(0, len(g), step):
            images = slice(start, min(start + step, len(g)))
            count = images.stop - start
            innermost = prefers_innermost(others, count)
            like = count, (groups, height, channels), gx.dtype, innermost, 0
            previous, rows = rows, FlatRows.lent(loan, others, *like, added=True)
            if rows is not previous:
                cotangent = np.zeros((groups, low + out + high, filters, rows.size), gx.dtype)
            rows.windows(cotangent[:, low : low + out])[...] = g[images].swapaxes(2, 3)
            for _, columns in rows.scatter():
                product = columns.reshape(groups, height, matrix.shape[2], -1)
                group, row, column, number = cotangent.strides
                bands = as_strided(
                    cotangent[:, max(0, -lead) :],
                    (groups, height, matrix.shape[3], product.shape[3]),
                    (group, row, column, number),
                )
                np.matmul(matrix, bands, out=product)
            rows.unload(gx[images].swapaxes(2, 3))
