"""Convolution of images that stand innermost, by bands of rows.

Of images ``(C, *spatial, N)``, what a tap sees in a row of windows is a run of memory, all images
of a cell side by side. Each row is copied once for each tap along the axes but the first; along
that one a matrix product finds the taps by itself, as in `_bands`. Here runs are long whatever the
images' size, no position belongs to no window, and what the product gives is where it should be.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from autograd.kernels import winograd
from autograd.kernels._layout import images_last
from autograd.kernels._shares import even, multiplications, threads_for
from autograd.kernels._threads import in_shares
from autograd.kernels._windows import Array, Ints, each_tap

__all__ = ["correlate", "pays", "scatter", "weigh"]

# What is copied at once is of about this many bytes, and what is added up of half as many: a
# product finds it in cache.
_PIECE_BYTES = 1 << 21
# Work of fewer multiplications than this is not shared out over threads.
_SHARED = 3 << 24
# Bands pay for this many images or more, that are read and written with at most so many numbers
# each and together, as large ones take long to be brought from one layout into the other. With more
# filters other ways are as fast, and where Winograd's algorithm serves, with more than a few.
_MIN_IMAGES = 8
_MOST_NUMBERS = 1 << 13
_MOST_OF_ALL = 3 << 19
_MOST_FILTERS, _FEW_FILTERS = 32, 16

_ALL = slice(None)


def pays(images: int, w: Ints, spatial: Ints, out: Ints, stride: Ints, dilation: Ints) -> bool:
    """Whether a convolution, undilated along the first axis, had better have images innermost.

    Args:
        images: how many.
        w: shape of the kernels, ``(groups, filters, channels, *kernel)``.
        spatial, out: shapes of inputs and outputs.
        stride, dilation: per axis.

    >>> pays(64, (1, 6, 1, 5, 5), (28, 28), (24, 24), (1, 1), (1, 1))
    True
    >>> pays(64, (1, 64, 32, 3, 3), (28, 28), (26, 26), (1, 1), (1, 1))
    False
    """
    groups, filters, channels, *kernel = w
    given, found = channels * math.prod(spatial), filters * math.prod(out)
    return (
        images >= _MIN_IMAGES
        and groups == 1
        and filters <= _MOST_FILTERS
        and len(kernel) > 1
        and math.prod(kernel) > 1
        and dilation[0] == 1
        and min(given, found) > 0
        and max(given, found) <= min(_MOST_NUMBERS, _MOST_OF_ALL // images)
        and not (
            filters > _FEW_FILTERS
            and winograd.fits(kernel, stride, dilation)
            and winograd.pays(images, (filters, channels), out)
        )
    )


class _Windows:
    """Where windows stand, and what they see.

    Attributes:
        kernel, stride, before: of the first axis; window 0 starts at cell ``-before``.
        cells, rows: cells and windows along the first axis.
        others: windows along each of the others.
        taps: of the others: windows that see a cell, and the cells, as indices of the last axes.
        width: windows of a row, of all images.
        threads: that are worth waking.
    """

    def __init__(
        self,
        images: int,
        w: Ints,
        spatial: Ints,
        out: Ints,
        stride: Ints,
        before: Ints,
        dilation: Ints,
    ) -> None:
        groups, filters, channels, *kernel = w
        self.kernel, self.stride, self.before = kernel[0], stride[0], before[0]
        self.cells, self.rows, self.others = spatial[0], out[0], tuple(out[1:])
        padding = [(b, 0) for b in before[1:]]
        taps = each_tap(spatial[1:], out[1:], kernel[1:], stride[1:], padding, dilation[1:])
        self.taps = [((*windows, _ALL), (*cells, _ALL)) for windows, cells in taps]
        self.width = math.prod(self.others) * images
        self._copied = groups * channels * len(self.taps) * self.width  # of a row of cells
        work = multiplications((images, groups, filters, *out), channels * math.prod(kernel))
        self.threads = threads_for(work, _SHARED)

    def pieces(self, itemsize: int) -> list[tuple[int, int]]:
        """Rows of windows that are worked on at once: the first, and that after the last."""
        some = max(self.kernel, _PIECE_BYTES // (self._copied * self.stride * itemsize))
        some = even(self.rows, min(some, -(-self.rows // self.threads)))
        return [(first, min(first + some, self.rows)) for first in range(0, self.rows, some)]

    def room(self, piece: tuple[int, int], dtype: DTypeLike) -> Array:
        """For the columns of a piece, or of a smaller one."""
        first, last = piece
        return np.empty(self._copied * ((last - first - 1) * self.stride + self.kernel), dtype)

    def columns(self, x: Array, piece: tuple[int, int], room: Array) -> Array:
        """What a piece sees of ``x``, ``(groups, channels, *spatial, N)``, as matrices.

        Returns:
            ``(groups, rows, depth, width)``, where the depth is in the order of the first axis'
            taps, channels, the other taps.
        """
        first, last = piece
        start = first * self.stride - self.before
        count = (last - first - 1) * self.stride + self.kernel
        low = min(count, max(0, -start))  # rows of cells that there are
        high = max(low, min(count, self.cells - start))
        groups, channels = x.shape[:2]
        shape = groups, count, channels, len(self.taps), *self.others, x.shape[-1]
        copies = room[: math.prod(shape)].reshape(shape)
        copies[:, :low] = 0
        copies[:, high:] = 0
        seen = x[:, :, start + low : start + high].swapaxes(1, 2)
        for i, (windows, cells) in enumerate(self.taps):
            to = copies[:, low:high, :, i]
            for axis, (those, n) in enumerate(zip(windows[1:], self.others), start=3):
                if those.start:
                    to[(*[_ALL] * axis, slice(0, those.start))] = 0
                if those.stop < n:
                    to[(*[_ALL] * axis, slice(those.stop, n))] = 0
            to[windows] = seen[cells]
        group, row, *_ = copies.strides
        return as_strided(
            copies,
            (groups, last - first, self.kernel * channels * len(self.taps), self.width),
            (group, row * self.stride, self.width * copies.itemsize, copies.itemsize),
        )


def _by_group(x: Array, groups: int) -> Array:
    """``(N, groups * channels, *spatial)`` as ``(groups, channels, *spatial, N)``, without gaps:
    a view if images stand innermost already."""
    x = np.ascontiguousarray(images_last(x))
    return x.reshape(groups, x.shape[0] // groups, *x.shape[1:])


def _by_row(x: Array, groups: int) -> Array:
    """The same as ``(groups, rows, channels, cells of a row)``."""
    x = _by_group(x, groups)
    return x.reshape(*x.shape[:3], -1).swapaxes(1, 2)


def correlate(
    x: Array, w: Array, y: Array, stride: Ints, before: Ints, dilation: Ints, bias: Array | None
) -> None:
    """Write into ``y``, whose images stand innermost, the correlation of ``x`` with ``w``.

    ``x`` is ``(N, groups * channels, *spatial)``, ``w`` ``(groups, filters, channels, *kernel)``;
    window 0 starts at cell ``-before``. ``bias`` is ``(groups * filters,)`` or None.
    """
    groups, filters = w.shape[:2]
    windows = _Windows(len(x), w.shape, x.shape[2:], y.shape[2:], stride, before, dilation)
    cells, outs = _by_group(x, groups), _by_row(y, groups)
    matrix = np.ascontiguousarray(w.swapaxes(2, 3), y.dtype).reshape(groups, 1, filters, -1)
    added = None if bias is None else bias.reshape(groups, 1, filters, 1)

    def work(pieces: list[tuple[int, int]]) -> None:
        room = windows.room(pieces[0], y.dtype)
        for piece in pieces:
            part = outs[:, slice(*piece)]
            np.matmul(matrix, windows.columns(cells, piece, room), out=part)
            if added is not None:
                np.add(part, added, out=part)

    in_shares(work, windows.pieces(y.itemsize), windows.threads)


def weigh(g: Array, x: Array, gw: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gw``, ``(groups, filters, channels, *kernel)``, the weight gradient."""
    groups, filters, channels, *kernel = gw.shape
    windows = _Windows(len(x), gw.shape, x.shape[2:], g.shape[2:], stride, before, dilation)
    cells, given = _by_group(x, groups), _by_row(g, groups).swapaxes(2, 3)
    sums: list[Array] = []

    def work(pieces: list[tuple[int, int]]) -> None:
        room = windows.room(pieces[0], gw.dtype)
        total = np.zeros((groups, gw[0, 0].size, filters), gw.dtype)
        for piece in pieces:
            columns = windows.columns(cells, piece, room)
            # BLAS prefers the long axis first.
            total += np.matmul(columns, given[:, slice(*piece)]).sum(axis=1)
        sums.append(total)

    in_shares(work, windows.pieces(gw.itemsize), windows.threads)
    total = sum(sums[1:], sums[0]).reshape(groups, kernel[0], channels, *kernel[1:], filters)
    gw[...] = np.moveaxis(total, -1, 1).swapaxes(2, 3)


def scatter(g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gx``, whose images stand innermost, the input gradient.

    A row of the input gets what the taps along the other axes add up: products with a band of rows
    of ``g``. ``w`` must be finite: beyond its edges ``g`` counts as 0, and so must products.
    """
    groups, filters, channels = w.shape[:3]
    windows = _Windows(len(g), w.shape, gx.shape[2:], g.shape[2:], stride, before, dilation)
    step, taps, cells = windows.stride, windows.taps, _by_group(gx, groups)
    lead = -(-windows.kernel // step) - 1
    rows = np.zeros((groups, windows.rows + 2 * lead, filters, windows.width), gx.dtype)
    rows[:, lead : lead + windows.rows] = _by_row(g, groups)
    cells[...] = 0

    # Rows whose padded index leaves the same remainder modulo the stride have the same taps along
    # the first axis: row m * step + r gets from the last so many rows of windows up to row m.
    jobs = []
    for r in range(min(step, windows.kernel)):
        kernels = w[:, :, :, r::step][:, :, :, ::-1]
        count = kernels.shape[3]
        matrix = np.ascontiguousarray(np.moveaxis(kernels, (1, 3), (-1, -2)), gx.dtype)
        matrix = matrix.reshape(groups, 1, channels * len(taps), count * filters)
        first = max(0, -((r - windows.before) // step))
        last = min(windows.rows + count, (windows.cells + windows.before - 1 - r) // step + 2) - 1
        most = _PIECE_BYTES // (2 * matrix[..., 0].size * windows.width * gx.itemsize)
        some = max(count, min(most, -(-(last - first) // windows.threads)))
        jobs += [(r, m, min(last, m + some), count, matrix) for m in range(first, last, some)]

    def work(jobs: list[tuple[int, int, int, int, Array]]) -> None:
        group, row, *others = rows.strides
        for r, m, stop, count, matrix in jobs:
            band = as_strided(
                rows[:, lead + m - count + 1 :],
                (groups, stop - m, count * filters, windows.width),
                (group, row, *others),
            )
            found = np.matmul(matrix, band).reshape(
                groups, stop - m, channels, len(taps), *windows.others, len(g)
            )
            begin = m * step + r - windows.before
            to = cells[:, :, begin : begin + (stop - m - 1) * step + 1 : step].swapaxes(1, 2)
            for i, (those, seen) in enumerate(taps):
                part = to[seen]
                np.add(part, found[:, :, :, i][those], out=part)

    in_shares(work, jobs, windows.threads)
